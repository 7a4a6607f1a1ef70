//! The servers of fleets, kept beside the looks at what is in Kubernetes: a look does not wait for a machine.
//!
//! Each fleet with servers has a task that ticks. What a tick found is kept for the next look, which it calls for.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use fleet_api::ResearchCollector;
use k8s_openapi::api::core::v1::Node;
use kube::ResourceExt as _;
use kube::runtime::events::Recorder;
use kube::runtime::reflector::{ObjectRef, Store};
use secrecy::{ExposeSecret as _, SecretString};
use tokio::sync::{Notify, mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::sleep;

use super::error::pause;
use super::events::publish;
use super::stores::Calls;
use crate::keeper::{Happening, Keeper, KeeperError, Kept, KeptState, chain};

/// How often a fleet's servers are looked at when all is well.
const CALM: Duration = Duration::from_secs(30);
/// How often while something changes.
const BUSY: Duration = Duration::from_secs(3);

/// What a task works for.
#[derive(Clone)]
struct Order {
    fleet: Arc<ResearchCollector>,
    token: SecretString,
}

/// What the last tick found; nothing before the first.
pub(crate) type Answer = Option<Result<Kept, String>>;

/// An answer, and the generation of the spec that it is for.
type Told = (Option<i64>, Answer);

struct Task {
    order: watch::Sender<Order>,
    news: Arc<Notify>,
    answer: watch::Receiver<Told>,
    work: JoinHandle<()>,
}

/// The servers of all fleets.
pub(crate) struct Servers {
    keeper: Keeper,
    fleets: Store<ResearchCollector>,
    nodes: Store<Node>,
    calls: Calls,
    recorder: Recorder,
    tasks: Mutex<HashMap<String, Task>>,
}

impl fmt::Debug for Servers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Servers").finish_non_exhaustive()
    }
}

impl Servers {
    /// Nothing is looked at yet.
    pub(crate) fn new(
        keeper: Keeper,
        fleets: Store<ResearchCollector>,
        nodes: Store<Node>,
        calls: Calls,
        recorder: Recorder,
    ) -> Self {
        Self {
            keeper,
            fleets,
            nodes,
            calls,
            recorder,
            tasks: Mutex::default(),
        }
    }

    /// Keeps the servers of a fleet from now on, and answers with what was found last. A spec that has changed begins
    /// a new tick at once.
    pub(crate) fn keep(&self, fleet: &Arc<ResearchCollector>, token: SecretString) -> Answer {
        let uid = fleet.uid()?;
        let order = Order {
            fleet: Arc::clone(fleet),
            token,
        };
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        // Those of fleets that are gone have ended by themselves.
        tasks.retain(|_, task| !task.work.is_finished());
        let task = tasks
            .entry(uid)
            .or_insert_with(|| self.begin(order.clone()));
        task.order.send_if_modified(|now| {
            let changed = now.fleet.metadata.generation != order.fleet.metadata.generation
                || now.token.expose_secret() != order.token.expose_secret();
            if changed {
                *now = order;
            }
            changed
        });
        let (generation, answer) = task.answer.borrow().clone();
        if generation == fleet.metadata.generation {
            return answer;
        }
        // What was found is so, but nobody has asked yet whether it is what the spec wants now.
        answer.map(|answer| {
            answer.map(|kept| Kept {
                state: KeptState::InProgress("the servers are being looked at".to_owned()),
                ..kept
            })
        })
    }

    /// Something has happened to a node: the next tick comes now.
    pub(crate) fn look(&self, uid: &str) {
        let tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(task) = tasks.get(uid) {
            task.news.notify_one();
        }
    }

    /// Stops keeping them, at once: whatever is cut off can be carried on.
    pub(crate) async fn let_go(&self, uid: &str) {
        let task = {
            let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
            tasks.remove(uid)
        };
        if let Some(task) = task {
            task.work.abort();
            // Until it has really ended, so that nothing is made after what comes next.
            let _ = task.work.await;
        }
    }

    /// Stops keeping all of them.
    pub(crate) async fn stop(&self) {
        let uids: Vec<_> = {
            let tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
            tasks.keys().cloned().collect()
        };
        for uid in uids {
            self.let_go(&uid).await;
        }
    }

    /// Deletes them.
    pub(crate) async fn destroy(
        &self,
        fleet: &ResearchCollector,
        token: &SecretString,
        volumes: bool,
    ) -> Result<(), KeeperError> {
        self.keeper.destroy(fleet, token, volumes).await
    }

    fn begin(&self, order: Order) -> Task {
        let (order, orders) = watch::channel(order);
        let (answers, answer) = watch::channel((None, None));
        let news = Arc::new(Notify::new());
        let work = Work {
            news: Arc::clone(&news),
            keeper: self.keeper.clone(),
            fleets: self.fleets.clone(),
            nodes: self.nodes.clone(),
            calls: self.calls.clone(),
            recorder: self.recorder.clone(),
            orders,
            answers,
        };
        Task {
            order,
            news,
            answer,
            work: tokio::spawn(work.run()),
        }
    }
}

struct Work {
    keeper: Keeper,
    fleets: Store<ResearchCollector>,
    nodes: Store<Node>,
    calls: Calls,
    recorder: Recorder,
    news: Arc<Notify>,
    orders: watch::Receiver<Order>,
    answers: watch::Sender<Told>,
}

impl Work {
    async fn run(mut self) {
        let mut failures = 0;
        loop {
            let order = self.orders.borrow_and_update().clone();
            if !self.is_there(&order.fleet) {
                return;
            }
            let mut orders = self.orders.clone();
            let answer = tokio::select! {
                answer = self.tick(&order) => answer,
                // The spec has changed: begin again with the new one.
                changed = orders.changed() => match changed {
                    Ok(()) => continue,
                    Err(_) => return,
                },
            };
            let rest = match &answer {
                Ok(kept) if kept.state == KeptState::Ready => {
                    failures = 0;
                    CALM
                }
                Ok(kept) => {
                    failures = 0;
                    match kept.state {
                        KeptState::Problem { .. } => CALM,
                        _ => BUSY,
                    }
                }
                Err(error) => {
                    tracing::warn!(fleet = order.fleet.name_any(), error, "cannot keep servers");
                    failures += 1;
                    pause(failures)
                }
            };
            let changed = self.answers.send_if_modified(|now| {
                let told = (order.fleet.metadata.generation, Some(answer));
                let changed = *now != told;
                *now = told;
                changed
            });
            if changed {
                let _ = self.calls.send(ObjectRef::from_obj(&*order.fleet));
            }
            tokio::select! {
                () = sleep(rest) => {}
                () = self.news.notified() => {}
                changed = self.orders.changed() => if changed.is_err() {
                    return;
                }
            }
        }
    }

    /// Whoever takes the finalizer away ends a fleet without a word to the operator, and another one may have its name
    /// by now. Servers of a fleet that is gone must not come back.
    fn is_there(&self, fleet: &ResearchCollector) -> bool {
        let found = self.fleets.get(&ObjectRef::from_obj(fleet));
        found.is_some_and(|found| found.uid() == fleet.uid())
    }

    async fn tick(&self, order: &Order) -> Result<Kept, String> {
        let nodes = self.nodes.state();
        let (told, mut happenings) = mpsc::unbounded_channel();
        let tell = move |happening: Happening| {
            let _ = told.send(happening);
        };
        let tick = self.keeper.tick(&order.fleet, &order.token, &nodes, tell);
        let mut tick = std::pin::pin!(tick);
        let kept = loop {
            tokio::select! {
                biased;
                Some(happening) = happenings.recv() => self.publish(&order.fleet, happening).await,
                kept = &mut tick => break kept,
            }
        };
        while let Ok(happening) = happenings.try_recv() {
            self.publish(&order.fleet, happening).await;
        }
        kept.map_err(|error| chain(&error))
    }

    async fn publish(&self, fleet: &ResearchCollector, happening: Happening) {
        let Happening {
            warning,
            reason,
            note,
        } = happening;
        publish(&self.recorder, fleet, "KeepServers", warning, reason, &note).await;
    }
}
