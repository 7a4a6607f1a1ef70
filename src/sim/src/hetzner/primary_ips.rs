//! Primary IPs: the addresses of servers, which may outlive them.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Value, json};

use super::errors::ApiError;
use super::project::{Project, State};
use super::resource::{Meta, Resource, Table, naming};
use super::route::Route;
use super::servers::view_location;

/// An address that a server has, or can have.
#[derive(Debug, Clone, Serialize)]
pub struct PrimaryIp {
    /// Identifier, name, labels, protection.
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
    pub dns_ptr: BTreeMap<String, String>,
}

impl Resource for PrimaryIp {
    const KIND: &'static str = "primary_ip";
    const PLURAL: &'static str = "primary_ips";
    const SORT: &'static [&'static str] = &["id", "created"];
    const FILTERS: &'static [&'static str] = &["ip"];

    fn table(state: &State) -> &Table<Self> {
        &state.primary_ips
    }

    fn table_mut(state: &mut State) -> &mut Table<Self> {
        &mut state.primary_ips
    }

    fn meta(&self) -> &Meta {
        &self.meta
    }

    fn meta_mut(&mut self) -> &mut Meta {
        &mut self.meta
    }

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
            "dns_ptr": self.view_dns_ptr(),
            "protection": {"delete": self.meta.protected},
            "auto_delete": self.auto_delete,
            "assignee_type": assignee_type,
            "assignee_id": self.assignee,
        }))
    }
}

impl PrimaryIp {
    pub(crate) fn of_server<'a>(state: &'a State, server: i64, kind: &str) -> Option<&'a Self> {
        let mut addresses = state.primary_ips.values();
        addresses.find(|ip| ip.assignee == Some(server) && ip.kind == kind)
    }

    pub(crate) fn view_dns_ptr(&self) -> Value {
        let names = self
            .dns_ptr
            .iter()
            .map(|(ip, name)| json!({"ip": ip, "dns_ptr": name}));
        names.collect()
    }

    /// A new address that goes with the server it is for.
    pub(crate) fn make_for_server(
        project: &mut Project,
        kind: &'static str,
        location: &str,
    ) -> Result<i64, ApiError> {
        let meta = project.meta(String::new(), None);
        let id = meta.id;
        Self::make(project, meta, kind, location, true)?;
        project.change::<Self>(id, |ip| ip.meta.name = format!("primary_ip-{id}"));
        Ok(id)
    }

    pub(crate) fn make(
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
            project.charge(Self::KIND, id, format!("IPv4 address in {location}"), price);
        }
        let ip = Self {
            meta,
            kind,
            ip,
            location: location.to_owned(),
            assignee: None,
            auto_delete,
            dns_ptr,
        };
        project.state.primary_ips.insert(id, ip);
        Ok(())
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
            project.discharge(Self::KIND, id);
            project.state.primary_ips.remove(&id);
        }
    }
}

impl Project {
    /// A free address or network, and the names that it has from the beginning.
    pub(crate) fn new_address(
        &mut self,
        kind: &str,
    ) -> Result<(String, BTreeMap<String, String>), ApiError> {
        if kind != "ipv4" {
            return Ok((self.addresses.ipv6(), BTreeMap::new()));
        }
        let used = |address: std::net::Ipv4Addr| {
            let address = address.to_string();
            self.state.primary_ips.values().any(|ip| ip.ip == address)
        };
        let address = self.addresses.ipv4(used);
        let address =
            address.ok_or_else(|| ApiError::new("resource_unavailable", "no address is left"))?;
        let [a, b, c, d] = address.octets();
        let name = format!("static.{d}.{c}.{b}.{a}.clients.example");
        let address = address.to_string();
        Ok((address.clone(), BTreeMap::from([(address, name)])))
    }
}

pub(crate) fn routes() -> Vec<Route> {
    naming::<PrimaryIp>()
}
