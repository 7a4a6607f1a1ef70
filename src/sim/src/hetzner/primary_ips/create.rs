//! New primary IPs: ordered by name, or coming with a server.

use std::net::{IpAddr, Ipv4Addr};

use serde_json::json;

use super::PrimaryIp;
use super::assign::check_assignable;
use crate::hetzner::dns::{DnsNames, first_name};
use crate::hetzner::errors::ApiError;
use crate::hetzner::fields::IdOrName;
use crate::hetzner::project::Project;
use crate::hetzner::resource::{Meta, Resource};
use crate::hetzner::route::{Answer, Call, Reply};
use crate::hetzner::servers::Server;

pub(super) fn create(call: &mut Call<'_>) -> Answer {
    let mut fields = call.fields()?;
    let name = fields.name(128);
    let kind = fields.choice("type", &["ipv4", "ipv6"]);
    if fields.has("assignee_type") {
        fields.choice("assignee_type", &["server"]);
    }
    let assignee: Option<i64> = fields.optional("assignee_id");
    let location: Option<IdOrName> = fields.optional("location");
    let auto_delete = fields.optional("auto_delete").unwrap_or(false);
    let labels = fields.labels();
    if assignee.is_none() && location.is_none() {
        fields.wrong("location", "location or assignee_id is required");
    }
    if assignee.is_some() && location.is_some() {
        fields.wrong("location", "may not be given together with assignee_id");
    }
    fields.finish()?;

    let kind = if kind == "ipv4" { "ipv4" } else { "ipv6" };
    let project = &mut *call.project;
    project.check_unique::<PrimaryIp>(&name, None)?;
    let location = match (&location, assignee) {
        (Some(location), _) => project.find_location("location", location)?.name.clone(),
        (None, Some(server)) => project
            .referred::<Server>("assignee_id", server)?
            .location
            .clone(),
        (None, None) => String::new(),
    };
    if let Some(server) = assignee {
        check_assignable(project, server, kind, &location)?;
    }
    project.check_limit::<PrimaryIp>()?;
    let meta = project.meta(name, labels);
    let id = meta.id;
    make(project, meta, kind, &location, auto_delete)?;
    let action = assignee.map(|server| {
        let resources = &[(PrimaryIp::KIND, id), (Server::KIND, server)];
        project.begin("create_primary_ip", resources, move |project| {
            project.change::<PrimaryIp>(id, |ip| ip.assignee = Some(server));
        })
    });
    let action = action.map(|action| call.view_action(action));
    let ip = call.project.find::<PrimaryIp>(id)?.view(call.project);
    Ok(Reply::created(json!({"primary_ip": ip, "action": action})))
}

impl PrimaryIp {
    /// A new address that goes with the server it is for.
    pub(crate) fn make_for_server(
        project: &mut Project,
        kind: &'static str,
        location: &str,
    ) -> Result<i64, ApiError> {
        let mut meta = project.meta(String::new(), None);
        let id = meta.id;
        meta.name = format!("primary_ip-{id}");
        make(project, meta, kind, location, true)?;
        Ok(id)
    }
}

fn make(
    project: &mut Project,
    meta: Meta,
    kind: &'static str,
    location: &str,
    auto_delete: bool,
) -> Result<(), ApiError> {
    let (ip, dns_ptr) = project.new_address(kind)?;
    let id = meta.id;
    if kind == "ipv4" {
        let price = project.catalog.primary_ipv4;
        project.charge(
            PrimaryIp::KIND,
            id,
            format!("IPv4 address in {location}"),
            price,
        );
    }
    let location = location.to_owned();
    let ip = PrimaryIp {
        meta,
        kind,
        ip,
        location,
        assignee: None,
        auto_delete,
        dns_ptr,
    };
    project.state.primary_ips.insert(id, ip);
    Ok(())
}

impl Project {
    /// A free address or network, and the names that it has from the beginning.
    pub(crate) fn new_address(&mut self, kind: &str) -> Result<(String, DnsNames), ApiError> {
        if kind != "ipv4" {
            return Ok((self.addresses.ipv6(), DnsNames::new()));
        }
        let state = &self.state;
        let used = |address: Ipv4Addr| {
            let address = address.to_string();
            state.primary_ips.values().any(|ip| ip.ip == address)
                || state.floating_ips.values().any(|ip| ip.ip == address)
        };
        let address = self.addresses.ipv4(used);
        let address =
            address.ok_or_else(|| ApiError::new("resource_unavailable", "no address is left"))?;
        let name = first_name(IpAddr::V4(address)).unwrap_or_default();
        let address = address.to_string();
        Ok((address.clone(), DnsNames::from([(address, name)])))
    }
}
