//! Giving an address to a server, and taking it away. The server has to be off.

use super::PrimaryIp;
use crate::hetzner::errors::ApiError;
use crate::hetzner::project::Project;
use crate::hetzner::resource::Resource;
use crate::hetzner::route::{Answer, Call};
use crate::hetzner::servers::{Server, not_stopped};

/// Whether a server can have one more address of this kind, from this location.
pub(super) fn check_assignable(
    project: &Project,
    server: i64,
    kind: &str,
    location: &str,
) -> Result<(), ApiError> {
    let found = project.referred::<Server>("assignee_id", server)?;
    project.check_unlocked::<Server>(server)?;
    if found.status != "off" {
        return Err(not_stopped());
    }
    if found.location != location {
        let message = "the primary IP is in another location";
        return Err(ApiError::new("primary_ip_datacenter_mismatch", message));
    }
    if PrimaryIp::of_server(&project.state, server, kind).is_some() {
        let code = format!("server_has_{kind}");
        return Err(ApiError::new(
            code,
            format!("server already has an {kind} address"),
        ));
    }
    Ok(())
}

pub(super) fn assign(call: &mut Call<'_>) -> Answer {
    let id = call.id();
    call.project.check_unlocked::<PrimaryIp>(id)?;
    let mut fields = call.fields()?;
    fields.choice("assignee_type", &["server"]);
    let server: i64 = fields.required("assignee_id");
    fields.finish()?;

    let project = &mut *call.project;
    let ip = project.find::<PrimaryIp>(id)?;
    if ip.assignee.is_some() {
        let message = "the primary IP is already assigned";
        return Err(ApiError::new("primary_ip_already_assigned", message));
    }
    check_assignable(project, server, ip.kind, &ip.location)?;
    let resources = &[(PrimaryIp::KIND, id), (Server::KIND, server)];
    let action = project.begin("assign_primary_ip", resources, move |project| {
        project.change::<PrimaryIp>(id, |ip| ip.assignee = Some(server));
    });
    call.action(action)
}

pub(super) fn unassign(call: &mut Call<'_>) -> Answer {
    let id = call.id();
    let project = &mut *call.project;
    project.check_unlocked::<PrimaryIp>(id)?;
    let Some(server) = project.find::<PrimaryIp>(id)?.assignee else {
        return Err(ApiError::new(
            "invalid_input",
            "the primary IP is not assigned",
        ));
    };
    project.check_unlocked::<Server>(server)?;
    if project.find::<Server>(server)?.status != "off" {
        return Err(not_stopped());
    }
    let resources = &[(PrimaryIp::KIND, id), (Server::KIND, server)];
    let action = project.begin("unassign_primary_ip", resources, move |project| {
        project.change::<PrimaryIp>(id, |ip| ip.assignee = None);
    });
    call.action(action)
}
