//! Actions: what the API is doing, and waiting for it (section "Actions" of the reference).

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use jiff::Timestamp;
use serde::Deserialize;
use tokio::time::{Instant, timeout_at};

use crate::client::Client;
use crate::code::ErrorCode;
use crate::decode::{nullable, whole};
use crate::error::Error;
use crate::open::open_enum;
use crate::poller::{IDS_A_REQUEST, News};
use crate::request::Call;

open_enum! {
    /// How far an action is.
    pub enum ActionStatus {
        /// It runs.
        Running = "running",
        /// It is done.
        Success = "success",
        /// It failed.
        Error = "error",
    }
}

/// Something that the API does.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct Action {
    /// Its identifier.
    pub id: i64,
    /// What it does, for example `create_server`.
    #[serde(default)]
    pub command: String,
    /// How far it is.
    pub status: ActionStatus,
    /// In percent.
    #[serde(default, deserialize_with = "whole")]
    pub progress: u8,
    /// When it began.
    #[serde(default)]
    pub started: Option<Timestamp>,
    /// When it ended.
    #[serde(default)]
    pub finished: Option<Timestamp>,
    /// What it changes.
    #[serde(default, deserialize_with = "nullable")]
    pub resources: Vec<ResourceRef>,
    /// Why it failed.
    #[serde(default)]
    pub error: Option<Failure>,
}

/// A resource that an action changes.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct ResourceRef {
    /// Its identifier.
    pub id: i64,
    /// Its kind, for example `server`.
    #[serde(rename = "type", default)]
    pub kind: String,
}

/// Why an action failed.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Failure {
    /// The kind of error.
    #[serde(default)]
    pub code: ErrorCode,
    /// For people.
    #[serde(default, deserialize_with = "nullable")]
    pub message: String,
}

/// Why waiting for actions ended without success.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ActionError {
    /// An action failed. The others may still run.
    #[error("{} failed: {message} ({code})", describe(command, resources))]
    Failed {
        /// The action's identifier.
        id: i64,
        /// What it was to do.
        command: String,
        /// The kind of error.
        code: ErrorCode,
        /// For people.
        message: String,
        /// What it was to change.
        resources: Vec<ResourceRef>,
    },
    /// The API does not know the action; it forgets them after some days.
    #[error("the API does not know the action with id {id}")]
    Missing {
        /// The action's identifier.
        id: i64,
    },
    /// The time is over.
    #[error("not done in time: {}", describe_all(running))]
    Deadline {
        /// What still runs, as it was last seen.
        running: Vec<Action>,
        /// Why it could not be seen lately, if so.
        source: Option<Arc<Error>>,
    },
    /// The API refuses to tell.
    #[error("failed to ask how far the actions are")]
    Poll(#[source] Arc<Error>),
}

impl ActionError {
    /// The kind of error, if an action failed.
    pub fn code(&self) -> Option<&ErrorCode> {
        match self {
            Self::Failed { code, .. } => Some(code),
            _ => None,
        }
    }

    /// Trying again may help.
    pub fn retriable(&self) -> bool {
        match self {
            Self::Failed { code, .. } => {
                code.passes() || matches!(code, ErrorCode::ServerError | ErrorCode::Timeout)
            }
            Self::Missing { .. } => false,
            Self::Deadline { .. } => true,
            Self::Poll(error) => error.retriable(),
        }
    }

    /// What a person does about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Failed { code, .. } if code.is_out_of_stock() => {
                Some("choose another server type or location, or wait".to_owned())
            }
            Self::Deadline { .. } => {
                Some("look at https://status.hetzner.com, then try again".to_owned())
            }
            Self::Poll(error) => error.hint(),
            Self::Failed { .. } | Self::Missing { .. } => None,
        }
    }
}

/// So many actions fit into a message.
const DESCRIBED: usize = 5;

/// `create_server of server 42, firewall 7`
fn describe(command: &str, resources: &[ResourceRef]) -> String {
    let mut text = command.to_owned();
    for (n, ResourceRef { id, kind }) in resources.iter().enumerate() {
        let before = if n == 0 { " of " } else { ", " };
        let _ = write!(text, "{before}{kind} {id}");
    }
    text
}

fn describe_all(running: &[Action]) -> String {
    let one = |action: &Action| {
        let what = describe(&action.command, &action.resources);
        format!("{what} at {} % (action {})", action.progress, action.id)
    };
    let mut texts: Vec<String> = running.iter().take(DESCRIBED).map(one).collect();
    if let Some(more @ 1..) = running.len().checked_sub(DESCRIBED) {
        texts.push(format!("and {more} more"));
    }
    texts.join("; ")
}

impl From<Action> for ActionError {
    /// From an action that failed.
    fn from(action: Action) -> Self {
        let failure = action.error.unwrap_or_else(|| Failure {
            code: ErrorCode::default(),
            message: "the API gives no reason".to_owned(),
        });
        Self::Failed {
            id: action.id,
            command: action.command,
            code: failure.code,
            message: failure.message,
            resources: action.resources,
        }
    }
}

/// Waiting for actions.
#[derive(Debug, Clone)]
pub struct Actions {
    client: Client,
}

impl Actions {
    pub(crate) fn new(client: Client) -> Self {
        Self { client }
    }

    /// How far these are, for example after a restart. What the API does not know is left out.
    pub async fn list(&self, ids: &[i64]) -> Result<Vec<Action>, Error> {
        let mut actions = Vec::new();
        for ids in ids.chunks(IDS_A_REQUEST) {
            let mut query: Vec<_> = ids.iter().map(|id| ("id", id.to_string())).collect();
            query.push(("per_page", IDS_A_REQUEST.to_string()));
            let found: Vec<Action> = self
                .client
                .one(Call::get("actions").query(query), "actions")
                .await?;
            actions.extend(found);
        }
        Ok(actions)
    }

    /// Waits until all have succeeded. The first that fails ends it, and the deadline does.
    pub async fn wait(&self, actions: &[Action], deadline: Instant) -> Result<(), ActionError> {
        self.wait_with(actions, deadline, |_| ()).await
    }

    /// The same; `progress` is told of every action at first, and whenever one gets further.
    pub async fn wait_with(
        &self,
        actions: &[Action],
        deadline: Instant,
        mut progress: impl FnMut(&Action),
    ) -> Result<(), ActionError> {
        let mut running = BTreeMap::new();
        for action in actions {
            progress(action);
            settle(&mut running, action.clone())?;
        }
        let mut obstacle = None;
        while !running.is_empty() {
            let mut news = self.watch(running.keys().copied().collect());
            while !running.is_empty() {
                let Ok(received) = timeout_at(deadline, news.recv()).await else {
                    let running = running.into_values().collect();
                    return Err(ActionError::Deadline {
                        running,
                        source: obstacle,
                    });
                };
                match received {
                    Some(News::Seen(action)) => {
                        obstacle = None;
                        if running
                            .get(&action.id)
                            .is_some_and(|known| *known != action)
                        {
                            progress(&action);
                        }
                        settle(&mut running, action)?;
                    }
                    Some(News::Missing(id)) => return Err(ActionError::Missing { id }),
                    Some(News::Failed(error)) => return Err(ActionError::Poll(error)),
                    Some(News::Delayed(error)) => obstacle = Some(error),
                    // The poller went down with the runtime that it ran on.
                    None => break,
                }
            }
        }
        Ok(())
    }

    fn watch(&self, ids: Vec<i64>) -> tokio::sync::mpsc::UnboundedReceiver<News> {
        let actions = self.clone();
        self.client.inner.poller.watch(ids, move |ids| {
            let actions = actions.clone();
            async move { actions.list(&ids).await }
        })
    }
}

/// Keeps what runs, and fails with what failed.
fn settle(running: &mut BTreeMap<i64, Action>, action: Action) -> Result<(), ActionError> {
    match action.status {
        ActionStatus::Success => {
            running.remove(&action.id);
        }
        ActionStatus::Error => return Err(action.into()),
        ActionStatus::Running | ActionStatus::Other(_) => {
            running.insert(action.id, action);
        }
    }
    Ok(())
}
