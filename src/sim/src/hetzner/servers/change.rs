//! What a server's owner can change about it.

use serde_json::json;

use super::create::password as root_password_of;
use super::{Server, not_stopped, read_user_data};
use crate::hetzner::dns;
use crate::hetzner::errors::ApiError;
use crate::hetzner::fields::IdOrName;
use crate::hetzner::primary_ips::PrimaryIp;
use crate::hetzner::project::Project;
use crate::hetzner::resource::Resource;
use crate::hetzner::route::{Answer, Call, Reply};
use crate::hetzner::ssh_keys::SshKey;

/// Deleting and rebuilding are protected together or not at all.
pub(crate) fn protection(call: &mut Call<'_>) -> Answer {
    let id = call.id();
    let now = call.project.find::<Server>(id)?.meta.protected;
    let mut fields = call.fields()?;
    let delete = fields.optional::<bool>("delete").unwrap_or(now);
    let rebuild = fields.optional::<bool>("rebuild").unwrap_or(now);
    if delete != rebuild {
        fields.wrong(
            "rebuild",
            "delete and rebuild protection have to be the same",
        );
    }
    fields.finish()?;
    begin(call, "change_protection", move |project| {
        project.change::<Server>(id, |server| server.meta.protected = delete);
    })
}

pub(crate) fn server_type(call: &mut Call<'_>) -> Answer {
    let id = call.id();
    call.project.check_unlocked::<Server>(id)?;
    let mut fields = call.fields()?;
    let wanted: IdOrName = fields.required("server_type");
    let upgrade_disk: bool = fields.required("upgrade_disk");
    fields.finish()?;

    let project = &*call.project;
    let server = project.find::<Server>(id)?;
    let new = project.find_type(&wanted)?;
    let old = project.catalog.server_type(server.server_type);
    let refuse = |message: &str| Err(ApiError::new("invalid_server_type", message));
    if server.status != "off" {
        return Err(not_stopped());
    }
    if new.id == server.server_type {
        return refuse("server already has this type");
    }
    if old.is_some_and(|old| {
        old.architecture != new.architecture || old.storage_type != new.storage_type
    }) {
        return refuse("server type has another architecture or storage");
    }
    if new.disk < server.disk {
        return refuse("disk of the server type is smaller than that of the server");
    }
    project.check_stock(new, &server.location)?;

    let (new_type, new_disk) = (new.id, new.disk);
    begin(call, "change_server_type", move |project| {
        project.change::<Server>(id, |server| {
            server.server_type = new_type;
            server.disk = if upgrade_disk { new_disk } else { server.disk };
        });
        project.charge_server(id);
    })
}

pub(crate) fn rebuild(call: &mut Call<'_>) -> Answer {
    let id = call.id();
    call.project.check_unlocked::<Server>(id)?;
    let mut fields = call.fields()?;
    let wanted: IdOrName = fields.required("image");
    let user_data = read_user_data(&mut fields);
    fields.finish()?;

    let project = &mut *call.project;
    let server = project.find::<Server>(id)?;
    if server.meta.protected {
        return Err(ApiError::new("protected", "server rebuild is protected"));
    }
    let server_type = project.catalog.server_type(server.server_type);
    let architecture = server_type
        .map(|known| known.architecture.as_str())
        .unwrap_or_default();
    let image = project.find_image(&wanted, architecture)?;
    if image.disk_size > server.disk {
        return Err(ApiError::field(
            "image",
            "image does not fit on the disk of the server",
        ));
    }
    let image = image.meta.id;
    let root_password = server.ssh_keys.is_empty().then(|| root_password_of(id));
    project.change::<Server>(id, |server| server.status = "rebuilding");
    let action = project.begin("rebuild_server", &[(Server::KIND, id)], move |project| {
        project.change::<Server>(id, |server| {
            server.status = "running";
            server.image = Some(image);
            server.user_data = user_data.or(server.user_data.take());
        });
    });
    let action = call.view_action(action);
    Ok(Reply::created(
        json!({"action": action, "root_password": root_password}),
    ))
}

fn with_password(call: &mut Call<'_>, command: &str, rescue: bool) -> Answer {
    let id = call.id();
    let action = call
        .project
        .begin(command, &[(Server::KIND, id)], move |project| {
            project.change::<Server>(id, |server| server.rescue |= rescue);
        });
    let action = call.view_action(action);
    Ok(Reply::created(
        json!({"action": action, "root_password": root_password_of(id)}),
    ))
}

pub(crate) fn password(call: &mut Call<'_>) -> Answer {
    call.project.check_unlocked::<Server>(call.id())?;
    with_password(call, "reset_password", false)
}

pub(crate) fn enable_rescue(call: &mut Call<'_>) -> Answer {
    call.project.check_unlocked::<Server>(call.id())?;
    let mut fields = call.fields()?;
    if fields.has("type") {
        fields.choice("type", &["linux64"]);
    }
    let keys: Vec<i64> = fields.optional("ssh_keys").unwrap_or_default();
    fields.finish()?;
    for key in keys {
        call.project.referred::<SshKey>("ssh_keys", key)?;
    }
    with_password(call, "enable_rescue", true)
}

pub(crate) fn disable_rescue(call: &mut Call<'_>) -> Answer {
    let id = call.id();
    call.project.check_unlocked::<Server>(id)?;
    begin(call, "disable_rescue", move |project| {
        project.change::<Server>(id, |server| server.rescue = false);
    })
}

pub(crate) fn enable_backup(call: &mut Call<'_>) -> Answer {
    back_up(call, "enable_backup", Some("22-02"))
}

pub(crate) fn disable_backup(call: &mut Call<'_>) -> Answer {
    back_up(call, "disable_backup", None)
}

fn back_up(call: &mut Call<'_>, command: &str, window: Option<&'static str>) -> Answer {
    let id = call.id();
    call.project.check_unlocked::<Server>(id)?;
    begin(call, command, move |project| {
        project.change::<Server>(id, |server| server.backup_window = window);
        project.charge_server(id);
    })
}

fn begin(
    call: &mut Call<'_>,
    command: &str,
    effect: impl FnOnce(&mut Project) + Send + 'static,
) -> Answer {
    let action = call
        .project
        .begin(command, &[(Server::KIND, call.id())], effect);
    call.action(action)
}

/// Names the addresses that the server has.
pub(crate) fn dns_ptr(call: &mut Call<'_>) -> Answer {
    let id = call.id();
    call.project.find::<Server>(id)?;
    let wanted = dns::Wanted::read(call)?;
    let mut addresses = call
        .project
        .state
        .primary_ips
        .values()
        .filter(|ip| ip.assignee == Some(id));
    let Some(ip) = addresses
        .find(|ip| wanted.is_in(&ip.ip))
        .map(|ip| ip.meta.id)
    else {
        return Err(ApiError::field("ip", "does not belong to the server"));
    };
    begin(call, "change_dns_ptr", move |project| {
        project.change::<PrimaryIp>(ip, |ip| wanted.apply(&mut ip.dns_ptr));
    })
}
