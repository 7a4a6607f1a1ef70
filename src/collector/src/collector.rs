//! From the session to the spool.

use std::time::Duration;

use fleet_soulseek::session::{
    self, Event, ListenError, Refusal, SearchSeen, Session, SessionHandle, Source, Status,
};
use fleet_store::{Pseudonymizer, Record, SpoolClient, SpoolClosed};
use jiff::Timestamp;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, MissedTickBehavior, interval, interval_at};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use crate::clock::WallClock;
use crate::duplicates::Recent;
use crate::metrics::{ClientMetrics, Metrics};
use crate::state::{Phase, Phases, State};

/// Events that may wait between the session and the collector.
const EVENTS: usize = 1024;
/// How often the system clock and the session's status are looked at.
const TICK: Duration = Duration::from_secs(1);
/// How often the number of dropped duplicates is written into the journal.
const DUPLICATES_NOTED: Duration = Duration::from_hours(1);
/// A wait for the spool that is longer than this is written into the journal.
const LONG_WAIT: Duration = Duration::from_secs(5);
/// Databases and CSV readers stop at NUL: this symbol stands for it in the readable text.
const SYMBOL_FOR_NUL: &str = "\u{2400}";

/// How a collector ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// It was told to.
    Cancelled,
    /// The server does not want it. A person has to act.
    Refused(Refusal),
    /// The spool takes no more records.
    SpoolClosed,
}

/// The collector of one region, with its ports open.
#[derive(Debug)]
pub struct Collector {
    client_id: String,
    session: Session,
    status: watch::Receiver<Status>,
    events: mpsc::Receiver<Event>,
    recorder: Recorder,
    state: watch::Sender<State>,
    /// Kept so that the session's commands stay open.
    _handle: SessionHandle,
}

/// What becomes of each search.
#[derive(Debug)]
struct Recorder {
    spool: SpoolClient,
    pseudonymizer: Pseudonymizer,
    /// `None` where duplicates are kept.
    recent: Option<Recent>,
    /// Duplicates that were dropped since the journal was told.
    dropped: u64,
    /// The name of the account that sends the fleet's own searches.
    canary: Option<String>,
    clock: WallClock,
    phases: Phases,
    metrics: ClientMetrics,
}

impl Collector {
    /// Opens the ports. `drop_duplicates` says whether a search that is seen twice is recorded once;
    /// searches of the account `canary` are marked.
    pub async fn bind(
        client_id: &str,
        config: session::Config,
        spool: SpoolClient,
        pseudonymizer: Pseudonymizer,
        drop_duplicates: bool,
        canary: Option<String>,
        metrics: &Metrics,
    ) -> Result<Self, ListenError> {
        let (sender, events) = mpsc::channel(EVENTS);
        let (session, handle) = Session::bind(config, sender).await?;
        let recorder = Recorder {
            spool,
            pseudonymizer,
            recent: drop_duplicates.then(Recent::default),
            dropped: 0,
            canary,
            clock: WallClock::new(Instant::now(), Timestamp::now()),
            phases: Phases::new(),
            metrics: metrics.of(client_id),
        };
        Ok(Self {
            client_id: client_id.to_owned(),
            session,
            status: handle.status(),
            events,
            recorder,
            state: watch::Sender::default(),
            _handle: handle,
        })
    }

    /// What the collector is doing, now and as it changes.
    pub fn state(&self) -> watch::Receiver<State> {
        self.state.subscribe()
    }

    /// Records until it is cancelled or refused. What was read before the end is in the spool's hands
    /// when this returns.
    pub async fn run(self, cancelled: CancellationToken) -> End {
        let Self {
            client_id,
            session,
            status,
            mut events,
            mut recorder,
            state,
            _handle,
        } = self;
        recorder.journal("started", String::new()).await;
        let running = tokio::spawn(session.run(cancelled.clone()));
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let first = Instant::now() + DUPLICATES_NOTED;
        let mut note_duplicates = interval_at(first, DUPLICATES_NOTED);
        let mut end = End::Cancelled;
        loop {
            tokio::select! {
                event = events.recv() => {
                    let Some(event) = event else { break };
                    if let Event::Refused(refusal) = &event {
                        end = End::Refused(refusal.clone());
                    }
                    if recorder.on_event(&client_id, event, &state).await.is_err() {
                        end = End::SpoolClosed;
                        break;
                    }
                }
                _ = note_duplicates.tick() => recorder.note_duplicates().await,
                _ = ticks.tick() => {
                    recorder.follow_clock(&client_id).await;
                    let status = status.borrow().clone();
                    recorder.metrics.set_status(&status);
                    state.send_if_modified(|state| {
                        std::mem::replace(&mut state.children, status.children) != status.children
                    });
                }
            }
        }
        // Without a receiver for its events the session ends.
        drop(events);
        let _ = running.await;
        recorder.metrics.set_status(&Status::default());
        recorder.note_duplicates().await;
        recorder.journal("stopped", String::new()).await;
        end
    }
}

impl Recorder {
    async fn on_event(
        &mut self,
        client_id: &str,
        event: Event,
        state: &watch::Sender<State>,
    ) -> Result<(), SpoolClosed> {
        match event {
            Event::Search(search) => return self.record(search, state).await,
            Event::Connected => {
                info!(client_id, "logged in");
                self.journal("connected", String::new()).await;
                self.phases.set_server(Phase::Searching);
            }
            Event::Disconnected { reason, retry_in } => {
                self.metrics.disconnects.inc();
                let retry_in_s = retry_in.as_secs_f32();
                warn!(client_id, reason, retry_in_s, "not connected to the server");
                self.journal("disconnected", reason.clone()).await;
                let until = Instant::now() + retry_in;
                self.phases.set_server(Phase::Waiting { reason, until });
            }
            Event::Refused(refusal) => {
                error!(client_id, hint = refusal.hint(), "{refusal}");
                self.journal("refused", refusal.to_string()).await;
                self.phases.set_server(Phase::Refused(refusal));
            }
            Event::ParentFound { level } => {
                info!(client_id, level, "a parent sends searches");
                self.journal("parent found", format!("level {level}")).await;
                self.phases.set_feed(Some(Phase::Fed { level }));
            }
            Event::ParentLost { reason } => {
                self.metrics.parents_lost.inc();
                info!(client_id, reason, "the parent sends no more searches");
                self.journal("parent lost", reason.to_owned()).await;
                self.phases.set_feed(None);
            }
            Event::BecameRoot => {
                info!(
                    client_id,
                    "the server sends searches: this node is a branch root"
                );
                self.journal("became root", String::new()).await;
                self.phases.set_feed(Some(Phase::Root));
            }
            Event::Notice(text) => {
                warn!(client_id, text, "the server says something");
                self.journal("notice", text).await;
                return Ok(());
            }
        }
        let phase = self.phases.current();
        state.send_modify(|state| state.phase = phase);
        Ok(())
    }

    async fn record(
        &mut self,
        search: SearchSeen,
        state: &watch::Sender<State>,
    ) -> Result<(), SpoolClosed> {
        if self
            .recent
            .as_mut()
            .is_some_and(|recent| !recent.insert(&search))
        {
            self.metrics.duplicates.inc();
            self.dropped += 1;
            state.send_modify(|state| state.duplicates += 1);
            return Ok(());
        }
        let (query, query_raw) = readable(&search);
        let record = Record {
            received_at: self.clock.micros_at(search.at),
            username: self.pseudonymizer.pseudonym(&search.username.decode()),
            query,
            query_raw,
            token: search.token,
            source: store_source(search.source),
            branch_level: search.branch_level,
            canary: self.is_canary(&search),
        };
        let offered = Instant::now();
        self.spool.append(record).await?;
        let waited = offered.elapsed();
        if waited > LONG_WAIT {
            // Nothing was read from the network meanwhile: a gap, if the others did not wait for us.
            self.journal("spool waited", format!("{} s", waited.as_secs()))
                .await;
        }
        self.metrics.searches(search.source).inc();
        state.send_modify(|state| {
            state.recorded += 1;
            state.last_search = Some(search.at);
        });
        Ok(())
    }

    fn is_canary(&self, search: &SearchSeen) -> bool {
        let name = self.canary.as_ref().map(String::as_bytes);
        name.is_some_and(|name| name == search.username.as_bytes())
    }

    /// Where a report finds how many searches came twice: metrics are gone with the process.
    async fn note_duplicates(&mut self) {
        let dropped = std::mem::take(&mut self.dropped);
        if dropped > 0 {
            self.journal("duplicates", dropped.to_string()).await;
        }
    }

    async fn follow_clock(&mut self, client_id: &str) {
        if let Some(jump) = self.clock.follow(Instant::now(), Timestamp::now()) {
            let seconds = jump / 1_000_000;
            self.metrics.clock_jumps.inc();
            warn!(
                client_id,
                seconds,
                "the system clock was set, or the machine slept; times before and after do not fit together"
            );
            self.journal("clock jumped", format!("{seconds} s")).await;
        }
    }

    /// A spool that is closed has no journal either; the next search finds out.
    async fn journal(&self, kind: &'static str, detail: String) {
        let _ = self.spool.event(kind, detail).await;
    }
}

/// The query as text, and its bytes where the text does not hold all of them.
fn readable(search: &SearchSeen) -> (String, Option<Vec<u8>>) {
    let bytes = search.query.as_bytes();
    let text = search.query.decode().into_owned();
    if text.contains('\0') {
        (text.replace('\0', SYMBOL_FOR_NUL), Some(bytes.to_vec()))
    } else if text.as_bytes() == bytes {
        (text, None)
    } else {
        (text, Some(bytes.to_vec()))
    }
}

pub(crate) fn store_source(source: Source) -> fleet_store::Source {
    match source {
        Source::Parent => fleet_store::Source::Parent,
        Source::Embedded => fleet_store::Source::Embedded,
        Source::Server => fleet_store::Source::Server,
        Source::Direct => fleet_store::Source::Direct,
    }
}

#[cfg(test)]
mod tests {
    use fleet_soulseek::wire::Text;

    use super::*;

    #[test]
    fn the_bytes_of_a_query_are_kept_where_text_cannot_hold_them() {
        let cases: [(&[u8], &str, bool); 4] = [
            ("東京".as_bytes(), "東京", false),
            (b"", "", false),
            (b"mot\xf6rhead", "motörhead", true),
            (b"a\0b", "a␀b", true),
        ];
        for (bytes, text, raw) in cases {
            let search = SearchSeen {
                at: Instant::now(),
                username: "anna".into(),
                token: 1,
                query: Text::from(bytes.to_vec()),
                source: Source::Parent,
                branch_level: 1,
            };
            assert_eq!(
                readable(&search),
                (text.to_owned(), raw.then(|| bytes.to_vec()))
            );
        }
    }
}
