//! Actions: what takes time, and what happens when the time is over.

use std::fmt;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::errors::ApiError;
use super::list;
use super::project::Project;
use super::resource::Resource;
use super::route::{Answer, Call, Reply, Route, get};

/// Commands that leave the resource free for others.
const UNLOCKED: &[&str] = &[
    "apply_firewall",
    "remove_firewall",
    "set_firewall_rules",
    "change_protection",
    "change_dns_ptr",
    "assign_floating_ip",
    "unassign_floating_ip",
    "create_placement_group",
];

/// Something that takes time.
#[derive(Debug, Clone, Serialize)]
pub struct Action {
    /// Above 32 bits.
    pub id: i64,
    /// What it does, for example `create_server`.
    pub command: String,
    /// `running`, `success` or `error`.
    pub status: &'static str,
    /// By the clock of the API.
    pub started: Timestamp,
    /// None while it runs.
    pub finished: Option<Timestamp>,
    /// Kinds and identifiers of what it works on.
    pub resources: Vec<(&'static str, i64)>,
    /// Code and message.
    pub error: Option<(String, String)>,
    #[serde(skip)]
    begins: Instant,
    #[serde(skip)]
    ends: Instant,
}

impl Action {
    pub(crate) fn view(&self, project: &Project) -> Value {
        let resources = self
            .resources
            .iter()
            .map(|(kind, id)| json!({"id": id, "type": kind}));
        let error = self
            .error
            .as_ref()
            .map(|(code, message)| json!({"code": code, "message": message}));
        json!({
            "id": self.id,
            "command": self.command,
            "status": self.status,
            "progress": self.progress(project.now),
            "started": self.started,
            "finished": self.finished,
            "resources": resources.collect::<Vec<_>>(),
            "error": error,
        })
    }

    /// In percent.
    fn progress(&self, now: Instant) -> u64 {
        if self.finished.is_some() {
            return 100;
        }
        let whole = self
            .ends
            .saturating_duration_since(self.begins)
            .as_millis()
            .max(1);
        let done = now.saturating_duration_since(self.begins).as_millis();
        u64::try_from(done * 100 / whole)
            .unwrap_or_default()
            .min(99)
    }

    pub(crate) fn concerns(&self, kind: &str, id: i64) -> bool {
        self.resources.contains(&(kind, id))
    }
}

type Effect = Box<dyn FnOnce(&mut Project) + Send>;

/// Something that is due.
pub(crate) struct Event {
    /// The action that ends with it.
    action: Option<i64>,
    /// What has to have succeeded.
    after: Option<i64>,
    failure: Option<(String, String)>,
    effect: Effect,
}

impl fmt::Debug for Event {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Event").field(&self.action).finish()
    }
}

impl Event {
    pub(crate) fn of_its_own(effect: impl FnOnce(&mut Project) + Send + 'static) -> Self {
        Self {
            action: None,
            after: None,
            failure: None,
            effect: Box::new(effect),
        }
    }
}

impl Project {
    /// Begins an action. Its effect comes with its end, unless it fails.
    pub(crate) fn begin(
        &mut self,
        command: &str,
        resources: &[(&'static str, i64)],
        effect: impl FnOnce(&mut Self) + Send + 'static,
    ) -> i64 {
        self.begin_after(None, command, resources, effect)
    }

    /// The same for an action that waits for another one, and fails with it.
    pub(crate) fn begin_after(
        &mut self,
        after: Option<i64>,
        command: &str,
        resources: &[(&'static str, i64)],
        effect: impl FnOnce(&mut Self) + Send + 'static,
    ) -> i64 {
        let id = self.next_action_id();
        let before = after.and_then(|after| self.state.actions.get(&after));
        let begins = before.map_or(self.now, |before| before.ends);
        let ends = begins + self.pace.of(command).mul_f64(self.faults.slowness());
        let action = Action {
            id,
            command: command.to_owned(),
            status: "running",
            started: self.time(),
            finished: None,
            resources: resources.to_vec(),
            error: None,
            begins,
            ends,
        };
        self.state.actions.insert(id, action);
        let failure = self.faults.failure(command);
        let effect = Box::new(effect);
        self.schedule(
            ends,
            Event {
                action: Some(id),
                after,
                failure,
                effect,
            },
        );
        id
    }

    pub(crate) fn happen(&mut self, event: Event) {
        let Event {
            action,
            after,
            failure,
            effect,
        } = event;
        let before = after.and_then(|after| self.state.actions.get(&after));
        let failure = failure.or_else(|| before.and_then(|before| before.error.clone()));
        let failed = failure.is_some();
        let time = self.time();
        if let Some(action) = action.and_then(|id| self.state.actions.get_mut(&id)) {
            action.status = if failed { "error" } else { "success" };
            action.finished = Some(time);
            action.error = failure;
        }
        if !failed {
            effect(self);
        }
    }

    /// Actions that have not ended, and that keep others from a resource.
    fn locking(&self) -> impl Iterator<Item = &Action> {
        let running = self
            .due
            .values()
            .filter_map(|event| self.state.actions.get(&event.action?));
        running.filter(|action| !UNLOCKED.contains(&action.command.as_str()))
    }

    pub(crate) fn is_locked(&self, kind: &str, id: i64) -> bool {
        self.locking().any(|action| action.concerns(kind, id))
    }

    /// Refuses what has to wait until an action on the resource has ended.
    pub(crate) fn check_unlocked<T: Resource>(&self, id: i64) -> Result<(), ApiError> {
        self.find::<T>(id)?;
        if self.is_locked(T::KIND, id) {
            return Err(ApiError::locked(T::KIND));
        }
        Ok(())
    }

    /// Whether an action of this kind runs on a resource.
    pub(crate) fn runs(&self, command: &str, on: &[(&str, i64)]) -> bool {
        let mut running = self
            .due
            .values()
            .filter_map(|event| self.state.actions.get(&event.action?));
        running.any(|action| {
            action.command == command && on.iter().all(|&(kind, id)| action.concerns(kind, id))
        })
    }
}

pub(crate) fn routes() -> Vec<Route> {
    vec![get("/actions", many), get("/actions/{id}", one)]
}

fn many(call: &mut Call<'_>) -> Answer {
    if call.query.all("id").is_empty() {
        let message = "listing all actions is gone, ask for some by their ID";
        return Err(ApiError::deprecated(
            message,
            "2025-01-30 listing arbitrary actions",
        ));
    }
    page(call, |_| true)
}

fn one(call: &mut Call<'_>) -> Answer {
    find(call, call.id(), |_| true)
}

fn find(call: &Call<'_>, id: i64, fits: impl Fn(&Action) -> bool) -> Answer {
    let found = call
        .project
        .state
        .actions
        .get(&id)
        .filter(|action| fits(action));
    let found = found.ok_or_else(|| ApiError::not_found("action", id))?;
    Ok(Reply::ok(json!({"action": found.view(call.project)})))
}

pub(crate) fn of_kind<T: Resource>(call: &mut Call<'_>) -> Answer {
    page(call, is_of_kind::<T>)
}

pub(crate) fn one_of_kind<T: Resource>(call: &mut Call<'_>) -> Answer {
    find(call, call.id(), is_of_kind::<T>)
}

fn is_of_kind<T: Resource>(action: &Action) -> bool {
    action.resources.iter().any(|&(kind, _)| kind == T::KIND)
}

pub(crate) fn of_resource<T: Resource>(call: &mut Call<'_>) -> Answer {
    let id = call.id();
    call.project.find::<T>(id)?;
    page(call, |action| action.concerns(T::KIND, id))
}

pub(crate) fn one_of_resource<T: Resource>(call: &mut Call<'_>) -> Answer {
    let id = call.id();
    call.project.find::<T>(id)?;
    let action = call.ids.get(1).copied().unwrap_or_default();
    find(call, action, |action| action.concerns(T::KIND, id))
}

fn page(call: &Call<'_>, fits: impl Fn(&Action) -> bool) -> Answer {
    let ids = call.query.all("id").into_iter().map(|id| {
        id.parse::<i64>()
            .map_err(|_| ApiError::field("id", format!("'{id}' is not an integer")))
    });
    let ids: Vec<_> = ids.collect::<Result<_, _>>()?;
    let statuses = call.query.all("status");
    let orders = list::orders(call, &["id", "command", "status", "started", "finished"])?;
    let project = &*call.project;
    let mut found: Vec<&Action> = project
        .state
        .actions
        .values()
        .filter(|action| fits(action))
        .filter(|action| ids.is_empty() || ids.contains(&action.id))
        .filter(|action| statuses.is_empty() || statuses.contains(&action.status))
        .collect();
    for (field, descending) in orders.iter().rev() {
        found.sort_by(|a, b| {
            let order = match field.as_str() {
                "command" => a.command.cmp(&b.command),
                "status" => a.status.cmp(b.status),
                "started" => a.started.cmp(&b.started),
                "finished" => a.finished.cmp(&b.finished),
                _ => a.id.cmp(&b.id),
            };
            if *descending { order.reverse() } else { order }
        });
    }
    list::page(call, "actions", found.len(), |index| {
        found[index].view(project)
    })
}
