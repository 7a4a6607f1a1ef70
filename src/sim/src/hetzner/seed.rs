//! Resources of strangers, made without a request.

use super::labels::Labels;
use super::primary_ips::PrimaryIp;
use super::servers::Server;
use super::{Api, Table};

impl Api {
    /// A running server of the smallest type that is there, with an IPv4 address. It costs money like any
    /// other, and no limit counts. Returns its identifier; none where no address is left.
    pub fn seed_server(&self, name: &str, labels: &[(&str, &str)]) -> Option<i64> {
        let project = &mut self.shared.now().project;
        let (server_type, location) = project.catalog.server_types.iter().find_map(|known| {
            let (location, _) = known.locations.iter().find(|(_, offer)| offer.available)?;
            Some((known.clone(), location.clone()))
        })?;
        let labels: Labels = labels
            .iter()
            .map(|&(key, value)| (key.to_owned(), value.to_owned()))
            .collect();
        let meta = project.meta(name.to_owned(), Some(labels));
        let id = meta.id;
        let images: &Table<_> = &project.state.images;
        let image = images
            .values()
            .find(|image| image.architecture == server_type.architecture);
        let server = Server {
            meta,
            status: "running",
            server_type: server_type.id,
            location: location.clone(),
            image: image.map(|image| image.meta.id),
            disk: server_type.disk,
            user_data: None,
            ssh_keys: Vec::new(),
            backup_window: None,
            rescue: false,
            placement_group: None,
            private_net: Vec::new(),
        };
        let ip = PrimaryIp::make_for_server(project, "ipv4", &location).ok()?;
        project.change::<PrimaryIp>(ip, |ip| ip.assignee = Some(id));
        project.state.servers.insert(id, server);
        project.charge_server(id);
        Some(id)
    }
}
