//! The canary: an extra account that sends a few searches an hour, so that a study can say what share of
//! the network's searches each region hears, and how late.
//!
//! A search of ours is two invented words and six digits, such as `velmora tikusa 402917`: every client
//! that gets it looks through its files once and finds nothing, so nobody answers. The account takes no
//! place in the tree, shares nothing and hears nothing.

use std::time::Duration;

use fleet_soulseek::session::{self, Event, ListenError, Session, SessionHandle, Status};
use fleet_store::{SpoolClient, SpoolClosed};
use prometheus_client::metrics::counter::Counter;
use rand::seq::IndexedRandom;
use serde_json::json;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

/// Events that may wait between the session and the canary.
const EVENTS: usize = 64;
/// The journal's time stands for the time of sending: a line that takes longer than this to reach the disk
/// would make every region look late.
const LATEST: Duration = Duration::from_secs(1);

/// Invented words are made of three of these. A client finds only files with both words and the number in
/// their path.
const SYLLABLES: [&str; 24] = [
    "ba", "dre", "fi", "gor", "ha", "jul", "ka", "lem", "mi", "nov", "pe", "qui", "ra", "sku",
    "ti", "ul", "va", "wex", "xo", "yth", "za", "brin", "clo", "tra",
];

/// How the canary is doing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CanaryState {
    /// Searches that it has sent.
    pub sent: u64,
    /// Why it sends none at the moment, if so.
    pub trouble: Option<String>,
}

/// The canary, with its port open.
#[derive(Debug)]
pub(crate) struct Canary {
    session: Session,
    events: mpsc::Receiver<Event>,
    sender: Sender,
    every: Duration,
}

/// What sends and writes down what was sent.
#[derive(Debug)]
struct Sender {
    handle: SessionHandle,
    status: watch::Receiver<Status>,
    spool: SpoolClient,
    sent: Counter,
    state: watch::Sender<CanaryState>,
}

impl Canary {
    /// Opens the port. One search is sent in each span of `every`.
    pub(crate) async fn bind(
        config: session::Config,
        every: Duration,
        spool: SpoolClient,
        sent: Counter,
    ) -> Result<Self, ListenError> {
        let (sender, events) = mpsc::channel(EVENTS);
        let (session, handle) = Session::bind(config, sender).await?;
        let sender = Sender {
            status: handle.status(),
            handle,
            spool,
            sent,
            state: watch::Sender::default(),
        };
        Ok(Self {
            session,
            events,
            sender,
            every,
        })
    }

    /// How it is doing, now and as it changes.
    pub(crate) fn state(&self) -> watch::Receiver<CanaryState> {
        self.sender.state.subscribe()
    }

    /// Sends until it is cancelled or refused, or until the spool takes nothing more.
    pub(crate) async fn run(self, cancelled: CancellationToken) {
        let Self {
            session,
            mut events,
            sender,
            every,
        } = self;
        sender.journal("started", String::new()).await;
        let running = tokio::spawn(session.run(cancelled));
        let mut times = Times::new(every, Instant::now());
        let mut next = times.next(Instant::now(), rand::random());
        loop {
            tokio::select! {
                event = events.recv() => match event {
                    Some(event) => sender.on_event(event).await,
                    None => break,
                },
                () = sleep_until(next) => {
                    if sender.send().await.is_err() {
                        break;
                    }
                    next = times.next(Instant::now(), rand::random());
                }
            }
        }
        // Without a receiver for its events the session ends.
        drop(events);
        let _ = running.await;
        sender.journal("stopped", String::new()).await;
    }
}

impl Sender {
    async fn on_event(&self, event: Event) {
        match event {
            Event::Connected => {
                info!("the canary has logged in");
                self.set_trouble(None);
                self.journal("connected", String::new()).await;
            }
            Event::Disconnected { reason, retry_in } => {
                let retry_in_s = retry_in.as_secs_f32();
                warn!(
                    reason,
                    retry_in_s, "the canary is not connected to the server"
                );
                self.set_trouble(Some(reason.clone()));
                self.journal("disconnected", reason).await;
            }
            Event::Refused(refusal) => {
                error!(
                    hint = refusal.hint(),
                    "the canary sends no searches: {refusal}"
                );
                self.set_trouble(Some(refusal.to_string()));
                self.journal("refused", refusal.to_string()).await;
            }
            Event::Notice(text) => {
                warn!(text, "the server says something to the canary");
                self.journal("notice", text).await;
            }
            // It has no place in the tree; what is aimed at its account is nobody's business.
            Event::Search(_)
            | Event::ParentFound { .. }
            | Event::ParentLost { .. }
            | Event::BecameRoot => {}
        }
    }

    /// Writes a search down and sends it. Nothing is sent that is not on the disk, so that what a region
    /// hears of us can always be told from what others search for.
    async fn send(&self) -> Result<(), SpoolClosed> {
        if !self.status.borrow().connected {
            // The journal says since when the server is away.
            return Ok(());
        }
        let (token, query): (u32, String) = (rand::random(), invented());
        let detail = json!({ "token": token, "query": query }).to_string();
        let written = Instant::now();
        self.spool.event("canary sent", detail.clone()).await?;
        self.spool.flush().await?;
        if written.elapsed() <= LATEST && self.handle.search(token, &query).await {
            self.sent.inc();
            self.state.send_modify(|state| state.sent += 1);
            return Ok(());
        }
        self.spool.event("canary not sent", detail).await
    }

    fn set_trouble(&self, trouble: Option<String>) {
        self.state.send_modify(|state| state.trouble = trouble);
    }

    /// A spool that is closed has no journal either; the next search finds out.
    async fn journal(&self, kind: &'static str, detail: String) {
        let _ = self.spool.event(kind, detail).await;
    }
}

/// When searches are sent: one in each span of time, anywhere in it. Every moment is as likely as any
/// other, and there are never more than asked for, also where the program is started again and again.
#[derive(Debug)]
struct Times {
    every: Duration,
    span_begins: Instant,
}

impl Times {
    fn new(every: Duration, now: Instant) -> Self {
        Self {
            every,
            span_begins: now,
        }
    }

    /// The moment in the next span; `chance` is from 0 to 1. Spans that went by unused are not made up for.
    fn next(&mut self, now: Instant, chance: f64) -> Instant {
        let begins = self.span_begins.max(now);
        self.span_begins = begins + self.every;
        begins + self.every.mul_f64(chance)
    }
}

/// Two words that are none, and six digits.
fn invented() -> String {
    let mut rng = rand::rng();
    let mut word = || -> String {
        let syllables = (0..3).filter_map(|_| SYLLABLES.choose(&mut rng).copied());
        syllables.collect()
    };
    let (first, second) = (word(), word());
    format!(
        "{first} {second} {}",
        rand::random_range(100_000..1_000_000)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_hours(1);

    #[test]
    fn there_is_one_in_each_span_and_at_no_fixed_time_in_it() {
        let start = Instant::now();
        for per_hour in [1_u32, 4, 60] {
            let every = HOUR / per_hour;
            let mut times = Times::new(every, start);
            let mut now = start;
            let mut offsets = Vec::new();
            for span in 0..per_hour * 24 {
                now = times.next(now, rand::random());
                let begins = start + every * span;
                assert!(now >= begins && now <= begins + every);
                offsets.push((now - begins).as_secs_f64() / every.as_secs_f64());
            }
            // By chance one half of all spans stays empty once in 2²³ runs.
            let early = offsets.iter().filter(|&&offset| offset < 0.5).count();
            let all = offsets.len();
            assert!(early > 0 && early < all, "{early} of {all}");
        }
    }

    /// A disk that stalls for hours must not be followed by a burst.
    #[test]
    fn what_was_missed_is_not_made_up_for() {
        let start = Instant::now();
        let mut times = Times::new(HOUR, start);
        assert_eq!(times.next(start, 0.5), start + HOUR / 2);
        let late = start + HOUR * 10;
        assert_eq!(times.next(late, 0.0), late);
        assert_eq!(times.next(late, 0.25), late + HOUR + HOUR / 4);
    }

    #[test]
    fn queries_are_plain_and_never_the_same() {
        let queries: Vec<_> = (0..1000).map(|_| invented()).collect();
        for query in &queries {
            let words: Vec<_> = query.split(' ').collect();
            let [first, second, number] = words[..] else {
                panic!("{query}")
            };
            for word in [first, second] {
                assert!(word.len() >= 6 && word.chars().all(|c| c.is_ascii_lowercase()));
            }
            assert!(
                number.len() == 6 && number.parse::<u32>().is_ok(),
                "{query}"
            );
        }
        let different: std::collections::HashSet<_> = queries.iter().collect();
        assert_eq!(different.len(), queries.len());
    }
}
