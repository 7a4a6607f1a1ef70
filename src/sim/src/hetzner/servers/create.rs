//! Ordering a server: everything is checked before anything is made.

use serde_json::json;

use super::{Server, UserData, read_user_data};
use crate::hetzner::errors::ApiError;
use crate::hetzner::fields::{Fields, IdOrName};
use crate::hetzner::labels::Labels;
use crate::hetzner::primary_ips::PrimaryIp;
use crate::hetzner::project::Project;
use crate::hetzner::resource::Resource;
use crate::hetzner::route::{Answer, Call, Reply};
use crate::hetzner::ssh_keys::SshKey;

/// What the request says.
struct Wanted {
    name: String,
    server_type: IdOrName,
    image: IdOrName,
    location: Option<IdOrName>,
    start: bool,
    ssh_keys: Vec<IdOrName>,
    user_data: Option<UserData>,
    labels: Option<Labels>,
    ipv4: Address,
    ipv6: Address,
}

/// One of the two addresses.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Address {
    None,
    New,
    Given(i64),
}

impl Wanted {
    fn read(fields: &mut Fields) -> Self {
        let name: String = fields.required("name");
        if fields.has("name") {
            Server::check_name(fields, &name);
        }
        let addresses = fields.nested("public_net", |net| {
            (
                read_address(net, "enable_ipv4", "ipv4"),
                read_address(net, "enable_ipv6", "ipv6"),
            )
        });
        let (ipv4, ipv6) = addresses.unwrap_or((Address::New, Address::New));
        Self {
            name,
            server_type: fields.required("server_type"),
            image: fields.required("image"),
            location: fields.optional("location"),
            start: fields.optional("start_after_create").unwrap_or(true),
            ssh_keys: fields.optional("ssh_keys").unwrap_or_default(),
            user_data: read_user_data(fields),
            labels: fields.labels(),
            ipv4,
            ipv6,
        }
    }
}

fn read_address(net: &mut Fields, enabled: &str, given: &str) -> Address {
    match (net.optional(enabled).unwrap_or(true), net.optional(given)) {
        (false, _) => Address::None,
        (true, None) => Address::New,
        (true, Some(id)) => Address::Given(id),
    }
}

pub(crate) fn create(call: &mut Call<'_>) -> Answer {
    let mut fields = call.fields()?;
    let wanted = Wanted::read(&mut fields);
    fields.finish()?;
    let project = &mut *call.project;
    project.check_unique::<Server>(&wanted.name, None)?;

    let server_type = project.find_type(&wanted.server_type)?.clone();
    let image = project
        .find_image(&wanted.image, &server_type.architecture)?
        .clone();
    let ssh_keys = find_keys(project, &wanted.ssh_keys)?;
    if image.disk_size > server_type.disk {
        return Err(ApiError::field(
            "image",
            "image does not fit on the disk of the server type",
        ));
    }
    let location = match &wanted.location {
        Some(location) => project.find_location("location", location)?.name.clone(),
        None => some_location(project, &server_type, &wanted),
    };
    for (kind, address) in [("ipv4", wanted.ipv4), ("ipv6", wanted.ipv6)] {
        if let Address::Given(id) = address {
            check_address(project, id, kind, &location)?;
        }
    }
    project.check_limit::<Server>()?;
    project.check_stock(&server_type, &location)?;

    let Wanted {
        name,
        start,
        user_data,
        labels,
        ipv4,
        ipv6,
        ..
    } = wanted;
    let meta = project.meta(name, labels);
    let id = meta.id;
    let root_password = ssh_keys.is_empty().then(|| password(id));
    let server = Server {
        meta,
        status: "initializing",
        server_type: server_type.id,
        location: location.clone(),
        image: Some(image.meta.id),
        disk: server_type.disk,
        user_data,
        ssh_keys,
        backup_window: None,
        rescue: false,
    };
    project.state.servers.insert(id, server);
    for (kind, address) in [("ipv4", ipv4), ("ipv6", ipv6)] {
        let ip = match address {
            Address::None => continue,
            Address::Given(ip) => ip,
            Address::New => PrimaryIp::make_for_server(project, kind, &location)?,
        };
        project.change::<PrimaryIp>(ip, |ip| ip.assignee = Some(id));
    }
    project.charge_server(id);

    let (action, next_actions) = begin(project, id, start);
    let server = call.project.find::<Server>(id)?.view(call.project);
    Ok(Reply::created(json!({
        "server": server,
        "action": call.view_action(action),
        "next_actions": call.view_actions(&next_actions),
        "root_password": root_password,
    })))
}

fn begin(project: &mut Project, id: i64, start: bool) -> (i64, Vec<i64>) {
    let resources = &[(Server::KIND, id)];
    let made = project.begin("create_server", resources, move |project| {
        let status = if start { "starting" } else { "off" };
        project.change::<Server>(id, |server| server.status = status);
    });
    let mut next = Vec::new();
    if start {
        next.push(
            project.begin_after(Some(made), "start_server", resources, move |project| {
                project.change::<Server>(id, |server| server.status = "running");
            }),
        );
    }
    (made, next)
}

fn find_keys(project: &Project, wanted: &[IdOrName]) -> Result<Vec<i64>, ApiError> {
    let keys = wanted.iter().map(|wanted| {
        let mut keys = project.state.ssh_keys.values().map(SshKey::meta);
        let found = keys.find(|key| wanted.names(key.id, &key.name));
        let message = || format!("SSH key '{}' not found", wanted.0);
        found
            .map(|key| key.id)
            .ok_or_else(|| ApiError::field("ssh_keys", message()))
    });
    keys.collect()
}

/// The cloud's choice: where the given addresses are, or else where the type is available.
fn some_location(
    project: &Project,
    server_type: &crate::hetzner::catalog::ServerType,
    wanted: &Wanted,
) -> String {
    let given = [wanted.ipv4, wanted.ipv6]
        .into_iter()
        .find_map(|address| match address {
            Address::Given(id) => project.state.primary_ips.get(&id),
            _ => None,
        });
    if let Some(ip) = given {
        return ip.location.clone();
    }
    let mut offers = server_type.locations.keys();
    let available = offers.find(|location| project.available(server_type, location));
    available
        .or_else(|| server_type.locations.keys().next())
        .cloned()
        .unwrap_or_default()
}

fn check_address(project: &Project, id: i64, kind: &str, location: &str) -> Result<(), ApiError> {
    let ip = project.referred::<PrimaryIp>("public_net", id)?;
    let refuse = |code: &str, message: &str| Err(ApiError::new(code, message));
    if ip.kind != kind {
        return refuse(
            "primary_ip_version_mismatch",
            "the primary IP has the wrong version",
        );
    }
    if ip.assignee.is_some() {
        return refuse("primary_ip_assigned", "the primary IP is already assigned");
    }
    if ip.location != location {
        return refuse(
            "primary_ip_datacenter_mismatch",
            "the primary IP is in another location",
        );
    }
    Ok(())
}

/// Nothing takes it, so it is not worth a random number.
pub(crate) fn password(id: i64) -> String {
    format!("rootpassword{id}")
}
