//! Names of addresses, which servers, primary and floating IPs have in the same way.

use std::collections::BTreeMap;
use std::net::IpAddr;

use ipnet::IpNet;
use serde_json::{Value, json};

use super::errors::ApiError;
use super::route::Call;

/// Names by address.
pub type DnsNames = BTreeMap<String, String>;

/// What a request wants: a name for an address, or that of the beginning.
pub(crate) struct Wanted {
    ip: IpAddr,
    name: Option<String>,
}

impl Wanted {
    pub(crate) fn read(call: &Call<'_>) -> Result<Self, ApiError> {
        let mut fields = call.fields()?;
        let ip: String = fields.required("ip");
        let name = fields.optional("dns_ptr");
        let parsed = ip.parse();
        if parsed.is_err() && !ip.is_empty() {
            fields.wrong("ip", "has to be an IP address");
        }
        fields.finish()?;
        let ip = parsed.map_err(|_| ApiError::field("ip", "has to be an IP address"))?;
        Ok(Self { ip, name })
    }

    /// Whether an address, or a network, holds the wanted one.
    pub(crate) fn is_in(&self, network: &str) -> bool {
        let network = network
            .parse::<IpNet>()
            .or_else(|_| network.parse::<IpAddr>().map(IpNet::from));
        network.is_ok_and(|network| network.contains(&self.ip))
    }

    pub(crate) fn apply(self, names: &mut DnsNames) {
        let ip = self.ip.to_string();
        match self.name.or_else(|| first_name(self.ip)) {
            Some(name) => names.insert(ip, name),
            None => names.remove(&ip),
        };
    }
}

/// The name that an address has from the beginning.
pub(crate) fn first_name(ip: IpAddr) -> Option<String> {
    let IpAddr::V4(ip) = ip else {
        return None;
    };
    let [a, b, c, d] = ip.octets();
    Some(format!("static.{d}.{c}.{b}.{a}.clients.example"))
}

pub(crate) fn view(names: &DnsNames) -> Value {
    let names = names
        .iter()
        .map(|(ip, name)| json!({"ip": ip, "dns_ptr": name}));
    names.collect()
}
