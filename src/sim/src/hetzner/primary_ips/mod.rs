//! Primary IPs: the addresses of servers, which may outlive them.

mod assign;
mod create;

use serde::Serialize;
use serde_json::{Value, json};

use super::dns::{self, DnsNames};
use super::errors::ApiError;
use super::project::{Project, State};
use super::resource::{
    Meta, Resource, check_unprotected, reading, rename_with, set_protection, stored_in,
};
use super::route::{Answer, Call, Reply, Route, delete, post, put};
use super::servers::view_location;

/// An address that a server has, or can have.
#[derive(Debug, Clone, Serialize)]
pub struct PrimaryIp {
    /// Identifier, name, labels, protection.
    #[serde(flatten)]
    pub meta: Meta,
    /// `ipv4` or `ipv6`.
    pub kind: &'static str,
    /// An address, or a network of 64 bits.
    pub ip: String,
    /// The name of its location.
    pub location: String,
    /// The server that has it.
    pub assignee: Option<i64>,
    /// Whether it goes with its server.
    pub auto_delete: bool,
    /// Names by address.
    pub dns_ptr: DnsNames,
}

impl Resource for PrimaryIp {
    const KIND: &'static str = "primary_ip";
    const PLURAL: &'static str = "primary_ips";
    const SORT: &'static [&'static str] = &["id", "created"];
    const FILTERS: &'static [&'static str] = &["ip"];

    stored_in!(primary_ips);

    fn has(&self, _filter: &str, value: &str) -> bool {
        self.ip == value
    }

    fn view(&self, project: &Project) -> Value {
        let assignee_type = if self.assignee.is_some() {
            "server"
        } else {
            "unassigned"
        };
        self.meta.view(json!({
            "type": self.kind,
            "ip": self.ip,
            "blocked": false,
            "location": view_location(project, &self.location),
            "dns_ptr": dns::view(&self.dns_ptr),
            "protection": {"delete": self.meta.protected},
            "auto_delete": self.auto_delete,
            "assignee_type": assignee_type,
            "assignee_id": self.assignee,
        }))
    }
}

pub(crate) fn routes() -> Vec<Route> {
    let mut routes = reading::<PrimaryIp>();
    routes.extend([
        post("/primary_ips", create::create),
        put("/primary_ips/{id}", update),
        delete("/primary_ips/{id}", remove),
        post("/primary_ips/{id}/actions/assign", assign::assign),
        post("/primary_ips/{id}/actions/unassign", assign::unassign),
        post("/primary_ips/{id}/actions/change_dns_ptr", change_dns_ptr),
        post(
            "/primary_ips/{id}/actions/change_protection",
            set_protection::<PrimaryIp>,
        ),
    ]);
    routes
}

impl PrimaryIp {
    pub(crate) fn of_server<'a>(state: &'a State, server: i64, kind: &str) -> Option<&'a Self> {
        let mut addresses = state.primary_ips.values();
        addresses.find(|ip| ip.assignee == Some(server) && ip.kind == kind)
    }

    /// Lets go of the addresses of a server; those that go with it are deleted.
    pub(crate) fn release(project: &mut Project, server: i64) {
        let mut gone = Vec::new();
        let addresses = project.state.primary_ips.values_mut();
        for ip in addresses.filter(|ip| ip.assignee == Some(server)) {
            ip.assignee = None;
            if ip.auto_delete {
                gone.push(ip.meta.id);
            }
        }
        for id in gone {
            Self::forget(project, id);
        }
    }

    fn forget(project: &mut Project, id: i64) {
        project.discharge(Self::KIND, id);
        project.state.primary_ips.remove(&id);
    }
}

fn update(call: &mut Call<'_>) -> Answer {
    let mut fields = call.fields()?;
    let auto_delete: Option<bool> = fields.optional("auto_delete");
    rename_with::<PrimaryIp>(call, &mut fields, |ip| {
        ip.auto_delete = auto_delete.unwrap_or(ip.auto_delete);
    })
}

fn remove(call: &mut Call<'_>) -> Answer {
    let id = call.id();
    let ip = call.project.find::<PrimaryIp>(id)?;
    check_unprotected(PrimaryIp::KIND, &ip.meta)?;
    if ip.assignee.is_some() {
        return Err(ApiError::new(
            "must_be_unassigned",
            "primary IP must be unassigned",
        ));
    }
    PrimaryIp::forget(call.project, id);
    Ok(Reply::empty())
}

fn change_dns_ptr(call: &mut Call<'_>) -> Answer {
    let id = call.id();
    let wanted = dns::Wanted::read(call)?;
    if !wanted.is_in(&call.project.find::<PrimaryIp>(id)?.ip) {
        return Err(ApiError::field("ip", "does not belong to the primary IP"));
    }
    let action = call
        .project
        .begin("change_dns_ptr", &[(PrimaryIp::KIND, id)], move |project| {
            project.change::<PrimaryIp>(id, |ip| wanted.apply(&mut ip.dns_ptr));
        });
    Ok(call.action(action))
}
