//! Floating IPs: addresses that move from server to server.

use serde::Serialize;
use serde_json::{Value, json};

use super::catalog::Price;
use super::dns::{self, DnsNames};
use super::errors::ApiError;
use super::fields::IdOrName;
use super::project::Project;
use super::resource::{
    Meta, Resource, check_unprotected, reading, rename_with, set_protection, stored_in,
};
use super::route::{Answer, Call, Reply, Route, delete, post, put};
use super::servers::{Server, view_location};

/// An address that moves.
#[derive(Debug, Clone, Serialize)]
pub struct FloatingIp {
    /// Identifier, name, labels, protection.
    #[serde(flatten)]
    pub meta: Meta,
    /// For people.
    pub description: Option<String>,
    /// `ipv4` or `ipv6`.
    pub kind: &'static str,
    /// An address, or a network of 64 bits.
    pub ip: String,
    /// The name of the location where traffic for it arrives.
    pub home: String,
    /// The server that has it.
    pub server: Option<i64>,
    /// Names by address.
    pub dns_ptr: DnsNames,
}

impl Resource for FloatingIp {
    const KIND: &'static str = "floating_ip";
    const PLURAL: &'static str = "floating_ips";
    const SORT: &'static [&'static str] = &["id", "created"];

    stored_in!(floating_ips);

    fn view(&self, project: &Project) -> Value {
        self.meta.view(json!({
            "description": self.description,
            "type": self.kind,
            "ip": self.ip,
            "server": self.server,
            "dns_ptr": dns::view(&self.dns_ptr),
            "home_location": view_location(project, &self.home),
            "blocked": false,
            "protection": {"delete": self.meta.protected},
        }))
    }
}

pub(crate) fn routes() -> Vec<Route> {
    let mut routes = reading::<FloatingIp>();
    routes.extend([
        post("/floating_ips", create),
        put("/floating_ips/{id}", update),
        delete("/floating_ips/{id}", remove),
        post("/floating_ips/{id}/actions/assign", assign),
        post("/floating_ips/{id}/actions/unassign", unassign),
        post("/floating_ips/{id}/actions/change_dns_ptr", change_dns_ptr),
        post(
            "/floating_ips/{id}/actions/change_protection",
            set_protection::<FloatingIp>,
        ),
    ]);
    routes
}

fn create(call: &mut Call<'_>) -> Answer {
    let mut fields = call.fields()?;
    let kind = fields.choice("type", &["ipv4", "ipv6"]);
    let server: Option<i64> = fields.optional("server");
    let home: Option<IdOrName> = fields.optional("home_location");
    let description = fields.optional("description");
    let name: Option<String> = fields.optional("name");
    if let Some(name) = &name {
        FloatingIp::check_name(&mut fields, name);
    }
    let labels = fields.labels();
    if server.is_none() && home.is_none() {
        fields.wrong("home_location", "home_location or server is required");
    }
    fields.finish()?;

    let kind = if kind == "ipv4" { "ipv4" } else { "ipv6" };
    let project = &mut *call.project;
    if let Some(name) = &name {
        project.check_unique::<FloatingIp>(name, None)?;
    }
    let home = match (&home, server) {
        (Some(home), _) => project.find_location("home_location", home)?.name.clone(),
        (None, Some(server)) => project
            .referred::<Server>("server", server)?
            .location
            .clone(),
        (None, None) => String::new(),
    };
    if let Some(server) = server {
        project.referred::<Server>("server", server)?;
        project.check_unlocked::<Server>(server)?;
    }
    project.check_limit::<FloatingIp>()?;
    let (ip, dns_ptr) = project.new_address(kind)?;
    let mut meta = project.meta(name.unwrap_or_default(), labels);
    let id = meta.id;
    if meta.name.is_empty() {
        meta.name = format!("floating-ip-{id}");
    }
    if kind == "ipv4" {
        let price = Price::of_month(project.catalog.floating_ipv4_monthly);
        project.charge(
            FloatingIp::KIND,
            id,
            format!("floating IPv4 address in {home}"),
            price,
        );
    }
    let floating = FloatingIp {
        meta,
        description,
        kind,
        ip,
        home,
        server: None,
        dns_ptr,
    };
    project.state.floating_ips.insert(id, floating);
    let action = server.map(|server| give(project, id, server));
    let action = action.map(|action| call.view_action(action));
    let floating = call.project.find::<FloatingIp>(id)?.view(call.project);
    Ok(Reply::created(
        json!({"floating_ip": floating, "action": action}),
    ))
}

fn give(project: &mut Project, id: i64, server: i64) -> i64 {
    let resources = &[(FloatingIp::KIND, id), (Server::KIND, server)];
    project.begin("assign_floating_ip", resources, move |project| {
        let there = project.state.servers.contains_key(&server);
        project.change::<FloatingIp>(id, |ip| ip.server = there.then_some(server));
    })
}

fn update(call: &mut Call<'_>) -> Answer {
    let mut fields = call.fields()?;
    let description: Option<String> = fields.optional("description");
    rename_with::<FloatingIp>(call, &mut fields, |ip| {
        ip.description = description.or(ip.description.take());
    })
}

fn remove(call: &mut Call<'_>) -> Answer {
    let id = call.id();
    let ip = call.project.find::<FloatingIp>(id)?;
    check_unprotected(FloatingIp::KIND, &ip.meta)?;
    if ip.server.is_some() {
        return Err(ApiError::new(
            "must_be_unassigned",
            "floating IP must be unassigned",
        ));
    }
    call.project.discharge(FloatingIp::KIND, id);
    call.project.state.floating_ips.remove(&id);
    Ok(Reply::empty())
}

fn assign(call: &mut Call<'_>) -> Answer {
    let id = call.id();
    let assigned = call.project.find::<FloatingIp>(id)?.server.is_some();
    let mut fields = call.fields()?;
    let server: i64 = fields.required("server");
    fields.finish()?;
    if assigned {
        return Err(ApiError::new(
            "floating_ip_assigned",
            "the floating IP is already assigned",
        ));
    }
    call.project.referred::<Server>("server", server)?;
    call.project.check_unlocked::<Server>(server)?;
    let action = give(call.project, id, server);
    Ok(call.action(action))
}

fn unassign(call: &mut Call<'_>) -> Answer {
    let id = call.id();
    let Some(server) = call.project.find::<FloatingIp>(id)?.server else {
        return Err(ApiError::new(
            "invalid_input",
            "the floating IP is not assigned",
        ));
    };
    let resources = &[(FloatingIp::KIND, id), (Server::KIND, server)];
    let action = call
        .project
        .begin("unassign_floating_ip", resources, move |project| {
            project.change::<FloatingIp>(id, |ip| ip.server = None);
        });
    Ok(call.action(action))
}

fn change_dns_ptr(call: &mut Call<'_>) -> Answer {
    let id = call.id();
    let wanted = dns::Wanted::read(call)?;
    if !wanted.is_in(&call.project.find::<FloatingIp>(id)?.ip) {
        return Err(ApiError::field("ip", "does not belong to the floating IP"));
    }
    let action = call.project.begin(
        "change_dns_ptr",
        &[(FloatingIp::KIND, id)],
        move |project| {
            project.change::<FloatingIp>(id, |ip| wanted.apply(&mut ip.dns_ptr));
        },
    );
    Ok(call.action(action))
}
