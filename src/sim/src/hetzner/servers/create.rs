//! Making a server, once the order can be met.

use serde_json::json;

use super::Server;
use super::wanted::{Address, Found, Wanted};
use crate::hetzner::errors::ApiError;
use crate::hetzner::networks::Place;
use crate::hetzner::primary_ips::PrimaryIp;
use crate::hetzner::project::Project;
use crate::hetzner::resource::Resource;
use crate::hetzner::route::{Answer, Call, Reply};

pub(super) fn create(call: &mut Call<'_>) -> Answer {
    let mut fields = call.fields()?;
    let wanted = Wanted::read(&mut fields);
    fields.finish()?;
    let project = &mut *call.project;
    let found = wanted.check(project)?;
    let root_password = found.ssh_keys.is_empty();
    let (id, actions) = make(project, wanted, found)?;
    let (first, next) = actions.split_at(1);
    let server = call.project.find::<Server>(id)?.view(call.project);
    Ok(Reply::created(json!({
        "server": server,
        "action": call.view_actions(first)[0],
        "next_actions": call.view_actions(next),
        "root_password": root_password.then(|| password(id)),
    })))
}

fn make(project: &mut Project, wanted: Wanted, found: Found) -> Result<(i64, Vec<i64>), ApiError> {
    let Found {
        server_type,
        image,
        location,
        ssh_keys,
    } = found;
    let meta = project.meta(wanted.name, wanted.labels);
    let id = meta.id;
    // First of all: there may be no address left.
    for (kind, address) in [("ipv4", wanted.ipv4), ("ipv6", wanted.ipv6)] {
        let ip = match address {
            Address::None => continue,
            Address::Given(ip) => ip,
            Address::New => PrimaryIp::make_for_server(project, kind, &location)?,
        };
        project.change::<PrimaryIp>(ip, |ip| ip.assignee = Some(id));
    }
    let server = Server {
        meta,
        status: "initializing",
        server_type: server_type.id,
        location,
        image: Some(image),
        disk: server_type.disk,
        user_data: wanted.user_data,
        ssh_keys,
        backup_window: None,
        rescue: false,
        placement_group: wanted.placement_group,
        private_net: Vec::new(),
    };
    project.state.servers.insert(id, server);
    project.charge_server(id);
    for firewall in wanted.firewalls {
        project.apply_from_the_beginning(firewall, id);
    }

    let start = wanted.start;
    let resources = &[(Server::KIND, id)];
    let mut actions = vec![project.begin("create_server", resources, move |project| {
        let status = if start { "starting" } else { "off" };
        project.change::<Server>(id, |server| server.status = status);
    })];
    for network in wanted.networks {
        let before = actions.last().copied();
        actions.push(project.attach_to_network(before, network, id, Place::default()));
    }
    for volume in wanted.volumes {
        let before = actions.last().copied();
        actions.push(project.attach_volume(before, volume, id));
    }
    if start {
        let before = actions.last().copied();
        actions.push(
            project.begin_after(before, "start_server", resources, move |project| {
                project.change::<Server>(id, |server| server.status = "running");
            }),
        );
    }
    Ok((id, actions))
}

/// Nothing takes it, so it is not worth a random number.
pub(super) fn password(id: i64) -> String {
    format!("rootpassword{id}")
}
