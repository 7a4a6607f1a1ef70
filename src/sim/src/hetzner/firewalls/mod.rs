//! Firewalls: rules, and the servers they are applied to, by name or by label.

mod apply;
mod rules;

use serde::Serialize;
use serde_json::{Value, json};

use self::apply::read_targets;
use self::rules::read_rules;
use super::errors::ApiError;
use super::labels::Selector;
use super::project::{Project, State};
use super::resource::{Meta, Resource, naming, stored_in};
use super::route::{Answer, Call, Reply, Route, delete, post};
use super::servers::Server;

pub use self::rules::Rule;

/// Rules for servers.
#[derive(Debug, Clone, Serialize)]
pub struct Firewall {
    /// Identifier, name, labels.
    #[serde(flatten)]
    pub meta: Meta,
    /// What may pass.
    pub rules: Vec<Rule>,
    /// Which servers.
    pub targets: Vec<Target>,
}

/// What a firewall is applied to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    /// A server.
    Server(i64),
    /// All servers with certain labels.
    Labels {
        /// The label selector.
        selector: String,
        /// The servers that the firewall is applied to now; it follows labels after a while.
        servers: Vec<i64>,
    },
}

impl Target {
    /// Whether both say the same, whatever the servers are.
    fn is_like(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Server(one), Self::Server(other)) => one == other,
            (
                Self::Labels { selector: one, .. },
                Self::Labels {
                    selector: other, ..
                },
            ) => one == other,
            _ => false,
        }
    }

    fn view(&self) -> Value {
        let server = |id: &i64| json!({"type": "server", "server": {"id": id}});
        match self {
            Self::Server(id) => server(id),
            Self::Labels { selector, servers } => json!({
                "type": "label_selector",
                "label_selector": {"selector": selector},
                "applied_to_resources": servers.iter().map(server).collect::<Vec<_>>(),
            }),
        }
    }
}

impl Resource for Firewall {
    const KIND: &'static str = "firewall";
    const PLURAL: &'static str = "firewalls";

    stored_in!(firewalls);

    fn view(&self, _project: &Project) -> Value {
        self.meta.view(json!({
            "rules": self.rules,
            "applied_to": self.targets.iter().map(Target::view).collect::<Vec<_>>(),
        }))
    }
}

impl Firewall {
    fn covers(&self, server: i64) -> bool {
        self.targets.iter().any(|target| match target {
            Target::Server(id) => *id == server,
            Target::Labels { servers, .. } => servers.contains(&server),
        })
    }

    /// The firewalls of a server.
    pub(crate) fn of_server(state: &State, server: i64) -> impl Iterator<Item = &Self> {
        state
            .firewalls
            .values()
            .filter(move |firewall| firewall.covers(server))
    }

    /// Lets go of a server that is gone.
    pub(crate) fn release(project: &mut Project, server: i64) {
        for firewall in project.state.firewalls.values_mut() {
            firewall.targets.retain_mut(|target| match target {
                Target::Server(id) => *id != server,
                Target::Labels { servers, .. } => {
                    servers.retain(|&id| id != server);
                    true
                }
            });
        }
    }
}

pub(crate) fn routes() -> Vec<Route> {
    let mut routes = naming::<Firewall>();
    routes.extend([
        post("/firewalls", create),
        delete("/firewalls/{id}", remove),
        post("/firewalls/{id}/actions/apply_to_resources", apply::apply),
        post(
            "/firewalls/{id}/actions/remove_from_resources",
            apply::remove,
        ),
        post("/firewalls/{id}/actions/set_rules", set_rules),
    ]);
    routes
}

fn create(call: &mut Call<'_>) -> Answer {
    let mut fields = call.fields()?;
    let name = fields.name(128);
    let rules = read_rules(&mut fields);
    let targets = read_targets(&mut fields, "apply_to");
    let labels = fields.labels();
    fields.finish()?;
    let project = &mut *call.project;
    project.check_unique::<Firewall>(&name, None)?;
    apply::check_targets(project, &targets).map_err(|mut error| {
        // The one code that has another status here.
        error.status = axum::http::StatusCode::UNPROCESSABLE_ENTITY;
        error
    })?;
    if let Some(index) =
        (1..targets.len()).find(|&index| targets[..index].contains(&targets[index]))
    {
        let message = format!("apply_to.{index} is there twice");
        return Err(ApiError::new("server_already_added", message));
    }
    project.check_limit::<Firewall>()?;
    let firewall = Firewall {
        meta: project.meta(name, labels),
        rules,
        targets: Vec::new(),
    };
    let id = firewall.meta.id;
    project.state.firewalls.insert(id, firewall);
    let mut actions = vec![project.begin("set_firewall_rules", &[(Firewall::KIND, id)], |_| {})];
    actions.extend(
        targets
            .into_iter()
            .map(|target| apply::begin(project, id, target)),
    );
    let firewall = call.project.find::<Firewall>(id)?.view(call.project);
    Ok(Reply::created(
        json!({"firewall": firewall, "actions": call.view_actions(&actions)}),
    ))
}

fn remove(call: &mut Call<'_>) -> Answer {
    let id = call.id();
    let firewall = call.project.find::<Firewall>(id)?;
    if !firewall.targets.is_empty() || call.project.runs("apply_firewall", &[(Firewall::KIND, id)])
    {
        return Err(ApiError::new("resource_in_use", "firewall is still in use"));
    }
    call.project.state.firewalls.remove(&id);
    Ok(Reply::empty())
}

fn set_rules(call: &mut Call<'_>) -> Answer {
    let id = call.id();
    let targets = call.project.find::<Firewall>(id)?.targets.clone();
    let mut fields = call.fields()?;
    if !fields.has("rules") {
        fields.required::<Vec<String>>("rules");
    }
    let rules = read_rules(&mut fields);
    fields.finish()?;
    let project = &mut *call.project;
    let set = project.begin(
        "set_firewall_rules",
        &[(Firewall::KIND, id)],
        move |project| {
            project.change::<Firewall>(id, |firewall| firewall.rules = rules);
        },
    );
    let mut actions = vec![set];
    for target in targets {
        actions.push(project.begin("apply_firewall", &apply::resources(id, &target), |_| {}));
    }
    Ok(Reply::created(
        json!({"actions": call.view_actions(&actions)}),
    ))
}

impl Project {
    /// Lets firewalls follow the labels of servers, after a while. To be called when something was changed.
    pub(crate) fn labels_may_have_changed(&mut self) {
        let mut firewalls = self.state.firewalls.values();
        let by_label = |target: &Target| matches!(target, Target::Labels { .. });
        if firewalls.any(|firewall| firewall.targets.iter().any(by_label)) {
            self.later(self.pace.membership, Self::apply_by_label);
        }
    }

    fn apply_by_label(&mut self) {
        let all = &self.state.servers;
        for firewall in self.state.firewalls.values_mut() {
            for target in &mut firewall.targets {
                if let Target::Labels { selector, servers } = target
                    && let Ok(selector) = Selector::parse(selector)
                {
                    let fitting = all
                        .values()
                        .filter(|server| selector.matches(&server.meta.labels));
                    *servers = fitting.map(|server| server.meta.id).collect();
                }
            }
        }
    }

    /// Firewalls of a server as it shows them. They are pending while one is being applied.
    pub(crate) fn view_firewalls(&self, server: i64) -> Vec<Value> {
        let made = self.runs("create_server", &[(Server::KIND, server)]);
        let of_server = Firewall::of_server(&self.state, server).map(|firewall| {
            let id = firewall.meta.id;
            let both = &[(Firewall::KIND, id), (Server::KIND, server)];
            let pending = made || self.runs("apply_firewall", both);
            json!({"id": id, "status": if pending { "pending" } else { "applied" }})
        });
        of_server.collect()
    }
}
