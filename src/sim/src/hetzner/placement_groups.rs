//! Placement groups: servers that shall not stand on one host.

use serde::Serialize;
use serde_json::{Value, json};

use super::errors::ApiError;
use super::project::Project;
use super::resource::{Meta, Resource, naming, stored_in};
use super::route::{Answer, Call, Reply, Route, delete, post};
use super::servers::Server;

/// More servers than these are not spread.
const MOST_SERVERS: usize = 10;

/// A group of servers on different hosts.
#[derive(Debug, Clone, Serialize)]
pub struct PlacementGroup {
    /// Identifier, name, labels.
    #[serde(flatten)]
    pub meta: Meta,
}

impl Resource for PlacementGroup {
    const KIND: &'static str = "placement_group";
    const PLURAL: &'static str = "placement_groups";
    const FILTERS: &'static [&'static str] = &["type"];

    stored_in!(placement_groups);

    fn has(&self, _filter: &str, value: &str) -> bool {
        value == "spread"
    }

    fn view(&self, project: &Project) -> Value {
        self.meta
            .view(json!({"type": "spread", "servers": members(project, self.meta.id)}))
    }
}

fn members(project: &Project, group: i64) -> Vec<i64> {
    let servers = project.state.servers.values();
    let members = servers.filter(|server| server.placement_group == Some(group));
    members.map(|server| server.meta.id).collect()
}

impl Project {
    /// Whether a group has room for one more server.
    pub(crate) fn check_room_in_group(&self, group: i64) -> Result<(), ApiError> {
        self.referred::<PlacementGroup>("placement_group", group)?;
        if members(self, group).len() >= MOST_SERVERS {
            let message = format!("a placement group has at most {MOST_SERVERS} servers");
            return Err(ApiError::new("placement_error", message));
        }
        Ok(())
    }
}

pub(crate) fn routes() -> Vec<Route> {
    let mut routes = naming::<PlacementGroup>();
    routes.extend([
        post("/placement_groups", create),
        delete("/placement_groups/{id}", remove),
    ]);
    routes
}

fn create(call: &mut Call<'_>) -> Answer {
    let mut fields = call.fields()?;
    let name = fields.name(128);
    fields.choice("type", &["spread"]);
    let labels = fields.labels();
    fields.finish()?;
    let project = &mut *call.project;
    project.check_unique::<PlacementGroup>(&name, None)?;
    project.check_limit::<PlacementGroup>()?;
    let group = PlacementGroup {
        meta: project.meta(name, labels),
    };
    let reply = Reply::created(json!({"placement_group": group.view(project), "action": null}));
    project.state.placement_groups.insert(group.meta.id, group);
    Ok(reply)
}

fn remove(call: &mut Call<'_>) -> Answer {
    let id = call.id();
    call.project.find::<PlacementGroup>(id)?;
    if !members(call.project, id).is_empty() {
        return Err(ApiError::new(
            "resource_in_use",
            "placement group still has servers",
        ));
    }
    call.project.state.placement_groups.remove(&id);
    Ok(Reply::empty())
}

/// Takes a server that is off.
pub(crate) fn add_server(call: &mut Call<'_>) -> Answer {
    let id = call.id();
    call.project.check_unlocked::<Server>(id)?;
    let mut fields = call.fields()?;
    let group: i64 = fields.required("placement_group");
    fields.finish()?;
    let project = &mut *call.project;
    let server = project.find::<Server>(id)?;
    if server.placement_group.is_some() {
        let message = "server is already in a placement group";
        return Err(ApiError::new("already_in_placement_group", message));
    }
    if server.status != "off" {
        return Err(super::servers::not_stopped());
    }
    project.check_room_in_group(group)?;
    let resources = &[(Server::KIND, id), (PlacementGroup::KIND, group)];
    let action = project.begin("add_to_placement_group", resources, move |project| {
        project.change::<Server>(id, |server| server.placement_group = Some(group));
    });
    Ok(call.action(action))
}

pub(crate) fn remove_server(call: &mut Call<'_>) -> Answer {
    let id = call.id();
    let project = &mut *call.project;
    project.check_unlocked::<Server>(id)?;
    let Some(group) = project.find::<Server>(id)?.placement_group else {
        return Err(ApiError::new(
            "invalid_input",
            "server is not in a placement group",
        ));
    };
    let resources = &[(Server::KIND, id), (PlacementGroup::KIND, group)];
    let action = project.begin("remove_from_placement_group", resources, move |project| {
        project.change::<Server>(id, |server| server.placement_group = None);
    });
    Ok(call.action(action))
}
