//! The one poller of a client: whoever waits for actions registers, and one request asks for all of them.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};
use tokio::time::sleep;

use crate::actions::{Action, ActionStatus};
use crate::error::Error;

/// More the API does not put on a page.
pub(crate) const IDS_A_REQUEST: usize = 50;
/// The pause before the first request; each that follows is half as long again.
const FIRST: Duration = Duration::from_millis(500);
/// The longest pause, also for what is registered later: fifty servers must not cost fifty short pauses.
const LONGEST: Duration = Duration::from_secs(5);

/// What a waiter is told.
#[derive(Debug)]
pub(crate) enum News {
    /// The action as it is now.
    Seen(Action),
    /// The API does not know it.
    Missing(i64),
    /// It will not be known: the API refuses to tell.
    Failed(Arc<Error>),
    /// The API could not tell this time.
    Delayed(Arc<Error>),
}

#[derive(Debug)]
struct Waiter {
    ids: BTreeSet<i64>,
    news: UnboundedSender<News>,
}

#[derive(Debug, Default)]
struct State {
    waiters: Vec<Waiter>,
    is_polling: bool,
}

impl State {
    /// What is still waited for.
    fn wanted(&mut self) -> Vec<i64> {
        self.waiters
            .retain(|waiter| !waiter.ids.is_empty() && !waiter.news.is_closed());
        let ids: BTreeSet<i64> = self
            .waiters
            .iter()
            .flat_map(|waiter| waiter.ids.iter().copied())
            .collect();
        ids.into_iter().collect()
    }

    fn tell(&mut self, asked: &[i64], answer: Result<Vec<Action>, Error>) {
        match answer {
            Ok(actions) => {
                let seen: HashMap<i64, Action> = actions
                    .into_iter()
                    .map(|action| (action.id, action))
                    .collect();
                for id in asked {
                    self.tell_of(*id, seen.get(id));
                }
            }
            Err(error) => self.tell_error(asked, &Arc::new(error)),
        }
    }

    fn tell_of(&mut self, id: i64, seen: Option<&Action>) {
        let has_ended = seen.is_none_or(|action| {
            matches!(action.status, ActionStatus::Success | ActionStatus::Error)
        });
        for waiter in self
            .waiters
            .iter_mut()
            .filter(|waiter| waiter.ids.contains(&id))
        {
            if has_ended {
                waiter.ids.remove(&id);
            }
            let _ = waiter
                .news
                .send(seen.map_or(News::Missing(id), |action| News::Seen(action.clone())));
        }
    }

    fn tell_error(&mut self, asked: &[i64], error: &Arc<Error>) {
        let is_concerned = |waiter: &Waiter| asked.iter().any(|id| waiter.ids.contains(id));
        for waiter in self
            .waiters
            .iter_mut()
            .filter(|waiter| is_concerned(waiter))
        {
            let news = if error.retriable() {
                News::Delayed(Arc::clone(error))
            } else {
                waiter.ids.clear();
                News::Failed(Arc::clone(error))
            };
            let _ = waiter.news.send(news);
        }
    }
}

/// Asks for all actions that somebody waits for, while somebody does.
#[derive(Clone, Default)]
pub(crate) struct Poller {
    state: Arc<Mutex<State>>,
}

impl fmt::Debug for Poller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Poller").finish_non_exhaustive()
    }
}

impl Poller {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells about these actions until each has ended; dropping the receiver ends it, too.
    ///
    /// `ask` asks the API for at most [`IDS_A_REQUEST`] actions. It is used if nobody is asking yet.
    pub(crate) fn watch<A, F>(&self, ids: Vec<i64>, ask: A) -> UnboundedReceiver<News>
    where
        A: Fn(Vec<i64>) -> F + Send + Sync + 'static,
        F: Future<Output = Result<Vec<Action>, Error>> + Send + 'static,
    {
        let (news, receiver) = mpsc::unbounded_channel();
        let mut state = self.state();
        state.waiters.push(Waiter {
            ids: ids.into_iter().collect(),
            news,
        });
        if !state.is_polling {
            state.is_polling = true;
            let polling = Polling {
                poller: self.clone(),
                has_finished: false,
            };
            tokio::spawn(polling.run(ask));
        }
        receiver
    }
}

/// The task that polls. If it is dropped halfway, because its runtime ends, the waiters are told to register again.
struct Polling {
    poller: Poller,
    has_finished: bool,
}

impl Polling {
    async fn run<A, F>(mut self, ask: A)
    where
        A: Fn(Vec<i64>) -> F,
        F: Future<Output = Result<Vec<Action>, Error>>,
    {
        let mut pause = FIRST;
        loop {
            sleep(pause).await;
            pause = (pause + pause / 2).min(LONGEST);
            let ids = self.wanted_or_finish();
            if ids.is_empty() {
                return;
            }
            for ids in ids.chunks(IDS_A_REQUEST) {
                let answer = ask(ids.to_vec()).await;
                self.poller.state().tell(ids, answer);
            }
            // Whoever registers next begins with a short pause again.
            if self.wanted_or_finish().is_empty() {
                return;
            }
        }
    }

    /// What is still waited for. If it is nothing, the next one who registers starts a task of its own.
    fn wanted_or_finish(&mut self) -> Vec<i64> {
        let mut state = self.poller.state();
        let wanted = state.wanted();
        if wanted.is_empty() {
            state.is_polling = false;
            self.has_finished = true;
        }
        wanted
    }
}

impl Drop for Polling {
    fn drop(&mut self) {
        if !self.has_finished {
            let mut state = self.poller.state();
            state.is_polling = false;
            state.waiters.clear();
        }
    }
}

#[cfg(test)]
#[path = "poller_tests.rs"]
mod tests;
