//! Searches as a fleet of collectors hears them, the same ones in every run.
//!
//! Two kinds of clients search. People type: a session has a few searches within minutes, each with a token of its own.
//! Wishlists repeat: a client that stays online searches for one of its wishes every 12 minutes, in turn, and a wish keeps
//! its token. Who searches, for what, and the words of it follow Zipf's law. Every region hears most searches, each a
//! little later. All numbers are in [`TrafficOptions`]; the texts are made up, in [`texts`](self::texts).
//!
//! Left out, because nothing is known of it: searches by programs in bulk, and that regions miss the same searches.

mod options;
#[cfg(test)]
mod tests;
mod texts;

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::sync::Arc;

pub use self::options::TrafficOptions;
use self::texts::Texts;
use crate::random::{Random, Zipf};

const SECOND: f64 = 1e6;
const HOUR: f64 = 3600.0 * SECOND;
const DAY: f64 = 24.0 * HOUR;
const EVENING: f64 = 20.0 * HOUR;
const WISHLIST: u64 = 4;
const CLIENT: u64 = 5;
/// Nicotine+ starts its tokens below this, so that it takes long until they wrap.
const COUNT_STARTS_BELOW: u32 = u32::MAX / 1000;

/// A search that a region hears.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Heard {
    /// When, in microseconds since 1970-01-01T00:00:00Z.
    pub at_micros: i64,
    /// Which region, from 0.
    pub region: u32,
    /// The clear name of who searches.
    pub username: Arc<str>,
    /// The searcher's number for the search.
    pub token: u32,
    /// What is searched for.
    pub query: Arc<str>,
}

/// Searches without end, in the order of the times at which they are heard.
#[derive(Debug)]
pub struct Traffic {
    options: TrafficOptions,
    random: Random,
    texts: Texts,
    users: Zipf,
    works: Zipf,
    /// What happens next on the network.
    next: BinaryHeap<Reverse<(i64, u64)>>,
    /// What each of `next` is about, by its number.
    actors: HashMap<u64, Actor>,
    last_actor: u64,
    /// On the way to a region.
    heard: BinaryHeap<Reverse<Heard>>,
    /// The next token of a user who counts.
    counts: HashMap<u32, u32>,
}

/// Somebody who does something later.
#[derive(Debug)]
enum Actor {
    /// Begins sessions.
    People,
    Session {
        user: u32,
        left: u32,
        last: Option<Arc<str>>,
    },
    Wishlist(Wishlist),
}

#[derive(Debug)]
struct Wishlist {
    user: u32,
    every_micros: i64,
    until: i64,
    wishes: Vec<(Arc<str>, u32)>,
    turn: usize,
}

impl Traffic {
    /// The traffic of these options.
    pub fn new(options: TrafficOptions) -> Self {
        let texts = Texts {
            seed: options.seed,
            words: Zipf::new(options.vocabulary, 1.0),
            foreign_share: options.foreign_share,
        };
        let mut traffic = Self {
            random: Random::new(options.seed),
            texts,
            users: Zipf::new(options.users, options.user_exponent),
            works: Zipf::new(options.works, options.work_exponent),
            next: BinaryHeap::new(),
            actors: HashMap::new(),
            last_actor: 0,
            heard: BinaryHeap::new(),
            counts: HashMap::new(),
            options,
        };
        let start = traffic.options.start_micros;
        traffic.later(start, Actor::People);
        for _ in 0..traffic.wishlists_online() {
            let wishlist = traffic.wishlist(start);
            let first = start + micros(traffic.random.fraction() * float(wishlist.every_micros));
            traffic.later(first, Actor::Wishlist(wishlist));
        }
        traffic
    }

    /// As many as it takes for their share of all searches.
    fn wishlists_online(&self) -> u32 {
        let options = &self.options;
        let each = (1.0 - options.fast_wish_share) / options.wish_seconds
            + options.fast_wish_share / options.fast_wish_seconds;
        whole(options.wishlist_share * options.searches_per_second / each)
    }

    fn later(&mut self, at: i64, actor: Actor) {
        self.last_actor += 1;
        self.next.push(Reverse((at, self.last_actor)));
        self.actors.insert(self.last_actor, actor);
    }

    fn act(&mut self, at: i64, actor: Actor) {
        match actor {
            Actor::People => self.begin_session(at),
            Actor::Session { user, left, last } => self.type_one(at, user, left, last),
            Actor::Wishlist(wishlist) => self.wish(at, wishlist),
        }
    }

    /// Sessions come on their own, more of them in the evening: drawn at the highest rate, and some left out.
    fn begin_session(&mut self, at: i64) {
        let options = &self.options;
        let typed = options.searches_per_second * (1.0 - options.wishlist_share);
        let swing = options.daily_swing;
        let highest = typed / options.session_searches * (1.0 + swing);
        let length = options.session_searches - 1.0;
        let restart = options.restart_share;
        let hour = (float(at.rem_euclid(micros(DAY))) - EVENING) / DAY;
        let now = (1.0 + swing * (hour * std::f64::consts::TAU).cos()) / (1.0 + swing);
        if self.random.chance(now) {
            let user = self.users.draw(&mut self.random);
            if self.random.chance(restart) {
                self.counts.remove(&user);
            }
            let left = whole(self.random.exponential(length).round());
            self.type_one(at, user, left, None);
        }
        let pause = self.random.exponential(SECOND / highest);
        self.later(at + micros(pause), Actor::People);
    }

    fn type_one(&mut self, at: i64, user: u32, left: u32, last: Option<Arc<str>>) {
        let again = self.random.chance(self.options.repeat_share);
        let query = last.filter(|_| again).unwrap_or_else(|| self.new_query());
        let token = self.token(user);
        self.send(at, user, token, &query);
        if left > 0 {
            let pause = self
                .random
                .exponential(self.options.session_pause_seconds * SECOND);
            let session = Actor::Session {
                user,
                left: left - 1,
                last: Some(query),
            };
            self.later(at + micros(pause), session);
        }
    }

    fn new_query(&mut self) -> Arc<str> {
        let work = self.works.draw(&mut self.random);
        self.texts.query(work, &mut self.random).into()
    }

    /// Searches for the next wish. When the client goes offline, another one comes.
    fn wish(&mut self, at: i64, mut wishlist: Wishlist) {
        if at > wishlist.until {
            wishlist = self.wishlist(at);
        }
        let turn = wishlist.turn % wishlist.wishes.len();
        let (query, token) = wishlist.wishes[turn].clone();
        self.send(at, wishlist.user, token, &query);
        wishlist.turn = turn + 1;
        self.later(at + wishlist.every_micros, Actor::Wishlist(wishlist));
    }

    /// A user who comes online: with the wishes of always, under new tokens.
    fn wishlist(&mut self, at: i64) -> Wishlist {
        let user = self.users.draw(&mut self.random);
        let mut own = Random::of(self.options.seed, WISHLIST, user.into());
        let count = 1 + whole(own.exponential(self.options.wishes - 1.0).round());
        let seconds = if own.chance(self.options.fast_wish_share) {
            self.options.fast_wish_seconds
        } else {
            self.options.wish_seconds
        };
        let wishes = (0..count)
            .map(|_| {
                let work = self.works.draw(&mut own);
                let query = self.texts.query(work, &mut own).into();
                (query, self.token(user))
            })
            .collect();
        let online = self.random.exponential(self.options.wishlist_hours * HOUR);
        Wishlist {
            user,
            every_micros: micros(seconds * SECOND),
            until: at + micros(online),
            wishes,
            turn: 0,
        }
    }

    fn token(&mut self, user: u32) -> u32 {
        let mut client = Random::of(self.options.seed, CLIENT, user.into());
        if !client.chance(self.options.counting_share) {
            return self.random.word();
        }
        let random = &mut self.random;
        let next = self
            .counts
            .entry(user)
            .or_insert_with(|| random.below(COUNT_STARTS_BELOW));
        *next = next.wrapping_add(1);
        *next
    }

    fn send(&mut self, at: i64, user: u32, token: u32, query: &Arc<str>) {
        let username: Arc<str> = self.texts.name(user).into();
        for region in 0..self.options.regions {
            if self.random.chance(self.options.heard) {
                let delay = self.random.fraction() * self.options.delay_seconds * SECOND;
                self.heard.push(Reverse(Heard {
                    at_micros: at + micros(delay),
                    region,
                    username: Arc::clone(&username),
                    token,
                    query: Arc::clone(query),
                }));
            }
        }
    }
}

impl Iterator for Traffic {
    type Item = Heard;

    fn next(&mut self) -> Option<Heard> {
        loop {
            let happens = self.next.peek().map_or(i64::MAX, |Reverse((at, _))| *at);
            if let Some(Reverse(first)) = self.heard.peek()
                && first.at_micros <= happens
            {
                return self.heard.pop().map(|Reverse(heard)| heard);
            }
            let Reverse((at, number)) = self.next.pop()?;
            let actor = self.actors.remove(&number)?;
            self.act(at, actor);
        }
    }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "times of thousands of years fit"
)]
fn micros(duration: f64) -> i64 {
    duration as i64
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a time within the day, or between two wishes"
)]
fn float(micros: i64) -> f64 {
    micros as f64
}

#[expect(clippy::cast_possible_truncation, reason = "counts are small")]
#[expect(clippy::cast_sign_loss, reason = "counts are not negative")]
fn whole(count: f64) -> u32 {
    count as u32
}
