//! What the traffic looks like: every assumption is a number here.

/// The assumptions behind [`Traffic`](super::Traffic).
///
/// The defaults are set so that a month of one region is like what has been published of a real collection, which had
/// 42 million searches of 532 000 users in a month, and 1.56 rows for each user, query and day. A month of ours has 56
/// million searches (three regions: two thousand million a year) of 576 000 users, 1.53 rows for each user, query and
/// day, and 33 million different pairs of user and query.
#[derive(Clone, Debug)]
pub struct TrafficOptions {
    /// The same seed and options give the same traffic.
    pub seed: u64,
    /// The first moment, in microseconds since 1970-01-01T00:00:00Z.
    pub start_micros: i64,
    /// The mean rate of searches on the network, each counted once; a region hears `heard` of them.
    pub searches_per_second: f64,
    /// By how much of the mean the rate of typed searches swings in a day; the top is at 20:00 UTC.
    pub daily_swing: f64,

    /// Users who ever search.
    pub users: u32,
    /// The exponent of Zipf's law by which users begin sessions.
    pub user_exponent: f64,
    /// Searches that a user types in a session, on average.
    pub session_searches: f64,
    /// Seconds between two searches of a session, on average.
    pub session_pause_seconds: f64,
    /// The share of typed searches that repeat the one before, with a token of their own.
    pub repeat_share: f64,

    /// The share of all searches that a wishlist sends. A client searches for one wish at a time, in turn.
    pub wishlist_share: f64,
    /// Wishes on a list, on average.
    pub wishes: f64,
    /// Seconds between two searches of a wishlist: what the server tells clients to keep to.
    pub wish_seconds: f64,
    /// The same for supporters.
    pub fast_wish_seconds: f64,
    /// The share of wishlists that are supporters'.
    pub fast_wish_share: f64,
    /// Hours that a client with a wishlist stays online, on average. A wish keeps its token that long.
    pub wishlist_hours: f64,

    /// The share of users whose tokens count up from a random start, as Nicotine+ does; the others' are random.
    pub counting_share: f64,
    /// How often a session begins with a new start of the client, and so of the tokens.
    pub restart_share: f64,

    /// Things to search for.
    pub works: u32,
    /// The exponent of Zipf's law by which things are searched for.
    pub work_exponent: f64,
    /// Words that the names of things are made of, by Zipf's law with exponent 1.
    pub vocabulary: u32,
    /// The share of words that are not ASCII.
    pub foreign_share: f64,

    /// Regions with a collector each, numbered from 0.
    pub regions: u32,
    /// The share of searches that a region hears.
    pub heard: f64,
    /// The longest time that a search takes to a region, in seconds; all times up to it are equally likely.
    pub delay_seconds: f64,
}

impl Default for TrafficOptions {
    fn default() -> Self {
        Self {
            seed: 1,
            // 2026-10-01T00:00:00Z
            start_micros: 1_790_812_800_000_000,
            searches_per_second: 24.0,
            daily_swing: 0.35,
            users: 600_000,
            user_exponent: 0.75,
            session_searches: 6.0,
            session_pause_seconds: 45.0,
            repeat_share: 0.1,
            wishlist_share: 0.4,
            wishes: 15.0,
            wish_seconds: 720.0,
            fast_wish_seconds: 120.0,
            fast_wish_share: 0.05,
            wishlist_hours: 8.0,
            counting_share: 0.8,
            restart_share: 0.5,
            works: 20_000_000,
            work_exponent: 0.85,
            vocabulary: 50_000,
            foreign_share: 0.04,
            regions: 3,
            heard: 0.9,
            delay_seconds: 2.0,
        }
    }
}

impl TrafficOptions {
    /// The least that a file format can make use of: one region, no wishes, no repeats, random tokens, and a user who
    /// searches once is seldom seen again.
    pub fn worst_case() -> Self {
        Self {
            regions: 1,
            heard: 1.0,
            wishlist_share: 0.0,
            counting_share: 0.0,
            repeat_share: 0.0,
            session_searches: 2.0,
            user_exponent: 0.0,
            ..Self::default()
        }
    }
}
