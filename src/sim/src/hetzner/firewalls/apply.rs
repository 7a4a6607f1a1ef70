//! Applying a firewall, and taking it away again.

use serde_json::json;

use super::{Firewall, Target};
use crate::hetzner::errors::ApiError;
use crate::hetzner::fields::Fields;
use crate::hetzner::labels::Selector;
use crate::hetzner::primary_ips::PrimaryIp;
use crate::hetzner::project::Project;
use crate::hetzner::resource::Resource;
use crate::hetzner::route::{Answer, Call, Reply};
use crate::hetzner::servers::Server;

/// More firewalls than these are not applied to a server.
const MOST_OF_A_SERVER: usize = 5;

pub(super) fn read_targets(fields: &mut Fields, name: &str) -> Vec<Target> {
    fields.each(name, |fields| {
        if fields.choice("type", &["server", "label_selector"]) == "server" {
            let server = fields.nested("server", |server| server.required::<i64>("id"));
            if server.is_none() {
                fields.wrong("server", "Missing data for required field.");
            }
            return Target::Server(server.unwrap_or_default());
        }
        let selector = fields.nested("label_selector", |labels| {
            let selector: String = labels.required("selector");
            // All servers are more than anyone would mean.
            if labels.has_text("selector") && selector.trim().is_empty() {
                labels.wrong("selector", "may not be empty");
            }
            if let Err(reason) = Selector::parse(&selector) {
                labels.wrong("selector", reason);
            }
            selector
        });
        if selector.is_none() {
            fields.wrong("label_selector", "Missing data for required field.");
        }
        Target::Labels {
            selector: selector.unwrap_or_default(),
            servers: Vec::new(),
        }
    })
}

/// Whether the servers are there and can have one more firewall.
pub(super) fn check_targets(project: &Project, targets: &[Target]) -> Result<(), ApiError> {
    for target in targets {
        let Target::Server(id) = target else {
            continue;
        };
        if !project.state.servers.contains_key(id) {
            return Err(gone(*id));
        }
        let mut addresses = project.state.primary_ips.values();
        if !addresses.any(|ip: &PrimaryIp| ip.assignee == Some(*id)) {
            let message = format!("server {id} has no public network");
            return Err(ApiError::new("private_net_only_server", message));
        }
        project.check_room_for_firewall(*id)?;
    }
    Ok(())
}

impl Project {
    pub(crate) fn check_room_for_firewall(&self, server: i64) -> Result<(), ApiError> {
        if Firewall::of_server(&self.state, server).count() >= MOST_OF_A_SERVER {
            let message = format!("a server has at most {MOST_OF_A_SERVER} firewalls");
            let details = json!({"limits": [{"name": "firewalls_per_server_limit"}]});
            return Err(ApiError::new("resource_limit_exceeded", message).with_details(details));
        }
        Ok(())
    }

    /// Applies a firewall to a server that is being made.
    pub(crate) fn apply_from_the_beginning(&mut self, firewall: i64, server: i64) {
        self.change::<Firewall>(firewall, |firewall| {
            firewall.targets.push(Target::Server(server));
        });
    }
}

fn gone(server: i64) -> ApiError {
    ApiError::new(
        "firewall_resource_not_found",
        format!("server with ID '{server}' not found"),
    )
}

/// What an action on a firewall works on.
pub(super) fn resources(firewall: i64, target: &Target) -> Vec<(&'static str, i64)> {
    let mut resources = vec![(Firewall::KIND, firewall)];
    if let Target::Server(server) = target {
        resources.push((Server::KIND, *server));
    }
    resources
}

pub(super) fn begin(project: &mut Project, id: i64, target: Target) -> i64 {
    let resources = resources(id, &target);
    project.begin("apply_firewall", &resources, move |project| {
        let there = match &target {
            Target::Server(server) => project.state.servers.contains_key(server),
            Target::Labels { .. } => true,
        };
        if there {
            project.change::<Firewall>(id, |firewall| firewall.targets.push(target));
            project.labels_may_have_changed();
        }
    })
}

pub(super) fn apply(call: &mut Call<'_>) -> Answer {
    let id = call.id();
    call.project.find::<Firewall>(id)?;
    let targets = targets(call, "apply_to")?;
    let project = &mut *call.project;
    check_targets(project, &targets)?;
    let firewall = project.find::<Firewall>(id)?;
    for target in &targets {
        let begun = project.runs("apply_firewall", &resources(id, target))
            && matches!(target, Target::Server(_));
        if begun || firewall.targets.iter().any(|known| known.is_like(target)) {
            let message = "firewall is already applied to the resource";
            return Err(ApiError::new("firewall_already_applied", message));
        }
    }
    let actions: Vec<_> = targets
        .into_iter()
        .map(|target| begin(project, id, target))
        .collect();
    Ok(Reply::created(
        json!({"actions": call.view_actions(&actions)}),
    ))
}

pub(super) fn remove(call: &mut Call<'_>) -> Answer {
    let id = call.id();
    call.project.find::<Firewall>(id)?;
    let targets = targets(call, "remove_from")?;
    let project = &mut *call.project;
    let firewall = project.find::<Firewall>(id)?;
    for target in &targets {
        if firewall.targets.iter().any(|known| known.is_like(target)) {
            continue;
        }
        return Err(match target {
            Target::Server(server) if firewall.covers(*server) => ApiError::new(
                "firewall_managed_by_label_selector",
                "firewall is applied by a label selector and cannot be removed from the server",
            ),
            Target::Server(server) => gone(*server),
            Target::Labels { selector, .. } => ApiError::new(
                "firewall_resource_not_found",
                format!("firewall is not applied to '{selector}'"),
            ),
        });
    }
    let mut actions = Vec::new();
    for target in targets {
        actions.push(
            project.begin("remove_firewall", &resources(id, &target), move |project| {
                project.change::<Firewall>(id, |firewall| {
                    firewall.targets.retain(|known| !known.is_like(&target));
                });
            }),
        );
    }
    Ok(Reply::created(
        json!({"actions": call.view_actions(&actions)}),
    ))
}

/// The targets of a request that has to have some.
fn targets(call: &Call<'_>, name: &str) -> Result<Vec<Target>, ApiError> {
    let mut fields = call.fields()?;
    let targets = read_targets(&mut fields, name);
    if targets.is_empty() {
        fields.wrong(name, "Missing data for required field.");
    }
    fields.finish()?;
    Ok(targets)
}
