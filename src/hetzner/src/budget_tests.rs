use proptest::prelude::*;

use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn told(limit: u32, remaining: u32) -> Told {
    Told {
        limit: Some(limit),
        remaining: Some(remaining),
        reset: Some(1_800_000_000),
    }
}

/// What the API counts.
struct Api {
    limit: u32,
    left: f64,
    at: Instant,
}

impl Api {
    fn new(limit: u32, left: u32, now: Instant) -> Self {
        Self {
            limit,
            left: f64::from(left),
            at: now,
        }
    }

    /// Answers whether it lets a request through, and what it says.
    fn request(&mut self, now: Instant) -> (bool, Told) {
        let limit = f64::from(self.limit);
        self.left = (self.left + (now - self.at).as_secs_f64() * limit / HOUR).min(limit);
        self.at = now;
        let lets_through = self.left >= 1.;
        if lets_through {
            self.left -= 1.;
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "between 0 and the limit"
        )]
        let remaining = self.left as u32;
        (lets_through, told(self.limit, remaining))
    }
}

/// Sends through the gate and lets the API answer at once.
async fn call(gate: &Gate, api: &Mutex<Api>) -> bool {
    let pass = gate.pass().await;
    let (lets_through, told) = api.lock().expect("not poisoned").request(Instant::now());
    pass.answered(told, !lets_through);
    lets_through
}

#[tokio::test(start_paused = true)]
async fn bursts_while_there_is_plenty() {
    let gate = Gate::new();
    let api = Mutex::new(Api::new(3600, 3600, Instant::now()));
    let start = Instant::now();
    for _ in 0..500 {
        assert!(call(&gate, &api).await);
    }
    assert_eq!(start.elapsed(), Duration::ZERO);
    let budget = gate.budget();
    assert_eq!(
        (budget.limit, budget.remaining, budget.calls, budget.refused),
        (3600, Some(3100), 500, 0)
    );
    assert_eq!(budget.reset, Timestamp::from_second(1_800_000_000).ok());
}

#[tokio::test(start_paused = true)]
async fn fifty_are_on_their_way_at_once() {
    let gate = Gate::new();
    let mut passes = Vec::new();
    for _ in 0..50 {
        passes.push(gate.pass().await);
    }
    assert_eq!(gate.bucket().on_their_way, 50);
    let start = Instant::now();
    passes.remove(0).answered(told(3600, 3599), false);
    let left = gate.bucket().left;
    assert!((left - (3599. - 49.)).abs() < 1e-6, "{left}");
    drop(passes);
    assert_eq!(gate.bucket().on_their_way, 0);
    assert_eq!(start.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn keeps_to_the_refill_when_the_reserve_is_reached() {
    let gate = Gate::new();
    let api = Mutex::new(Api::new(3600, 400, Instant::now()));
    let start = Instant::now();
    // The first answer tells that there are 399; at 360 the reserve begins.
    for _ in 0..40 {
        assert!(call(&gate, &api).await);
    }
    assert_eq!(start.elapsed(), Duration::ZERO);
    for _ in 0..20 {
        assert!(call(&gate, &api).await);
    }
    assert_eq!(start.elapsed(), 20 * SECOND);
    let left = api.lock().expect("not poisoned").left;
    assert!(
        (359.0..=361.).contains(&left),
        "{left}: the reserve is left to others"
    );
}

#[tokio::test(start_paused = true)]
async fn a_smaller_project_has_a_slower_refill() {
    let gate = Gate::new();
    let api = Mutex::new(Api::new(360, 10, Instant::now()));
    assert!(call(&gate, &api).await);
    let start = Instant::now();
    assert!(call(&gate, &api).await);
    assert_eq!(start.elapsed(), 10 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_lets_everybody_pause_and_nobody_storm_back() {
    let gate = Gate::new();
    // Others have used everything up, and we do not know it yet.
    let api = Arc::new(Mutex::new(Api::new(3600, 0, Instant::now())));
    let start = Instant::now();
    let mut passes = Vec::new();
    for _ in 0..50 {
        passes.push(gate.pass().await);
    }
    for pass in passes {
        pass.answered(told(3600, 0), true);
    }
    assert_eq!(gate.budget().refused, 50);

    let callers: Vec<_> = (0..50)
        .map(|_| {
            let (gate, api) = (gate.clone(), Arc::clone(&api));
            tokio::spawn(async move {
                let lets_through = call(&gate, &api).await;
                (lets_through, Instant::now())
            })
        })
        .collect();
    let mut moments = Vec::new();
    for caller in callers {
        let (lets_through, moment) = caller.await.expect("no panic");
        assert!(lets_through, "the pause was long enough");
        moments.push(moment.duration_since(start));
    }
    moments.sort_unstable();
    assert_eq!(moments[0], FIRST_PAUSE, "fifty refusals at once are one");
    for pair in moments.windows(2) {
        assert_eq!(
            pair[1],
            pair[0] + SECOND,
            "one at a time, at the speed of the refill"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn pauses_double_while_others_take_everything() {
    let gate = Gate::new();
    let mut moments = Vec::new();
    let start = Instant::now();
    for _ in 0..8 {
        gate.pass().await.answered(told(3600, 0), true);
        moments.push(start.elapsed().as_secs());
    }
    assert_eq!(moments, [0, 2, 6, 14, 30, 62, 122, 182]);
    gate.pass().await.answered(told(3600, 100), false);
    let start = Instant::now();
    gate.pass().await.answered(told(3600, 0), true);
    gate.pass().await.answered(told(3600, 0), false);
    assert_eq!(
        start.elapsed(),
        SECOND + FIRST_PAUSE,
        "after a success the pauses begin anew"
    );
}

#[tokio::test(start_paused = true)]
async fn whoever_gives_up_waiting_does_not_keep_others() {
    let gate = Gate::new();
    gate.pass().await.answered(told(3600, 0), true);
    let impatient = tokio::time::timeout(SECOND, gate.pass()).await;
    assert!(impatient.is_err());
    let start = Instant::now();
    drop(gate.pass().await);
    assert_eq!(start.elapsed(), SECOND, "the rest of the pause");
}

proptest! {
    /// Alone in a project, nothing is ever refused, and everything gets through at the speed of the refill or faster.
    #[test]
    fn alone_nothing_is_refused(
        limit in 60..5000_u32,
        share in 0..=100_u32,
        calls in prop::collection::vec(0..5000_u64, 1..200),
    ) {
        let mut now = Instant::now();
        let start = now;
        let left = (limit * share / 100).max(1);
        let mut api = Api::new(limit, left, now);
        let mut bucket = Bucket::new(now);
        let mut idle = Duration::ZERO;
        let sent = calls.len();
        for pause in calls {
            let pause = Duration::from_millis(pause);
            now += pause;
            idle += pause;
            while let Err(until) = bucket.take(now) {
                prop_assert!(until > now, "waiting leads somewhere");
                now = until;
            }
            let (lets_through, told) = api.request(now);
            prop_assert!(lets_through);
            bucket.answered();
            bucket.believe(now, told);
            bucket.accepted(now);
        }
        let spacing = HOUR / f64::from(limit);
        let longest = idle.as_secs_f64() + spacing * f64::from(u32::try_from(sent).unwrap_or(u32::MAX));
        prop_assert!((now - start).as_secs_f64() <= longest + 1e-6);
    }

    /// Whatever others take, and whatever the answers say, we never wait longer than the longest pause and a place in the line.
    #[test]
    fn never_stuck(answers in prop::collection::vec((0..4000_u32, 1..4000_u32, any::<bool>(), any::<bool>()), 1..200)) {
        let mut now = Instant::now();
        let mut bucket = Bucket::new(now);
        for (remaining, limit, is_refused, is_lost) in answers {
            let before = now;
            while let Err(until) = bucket.take(now) {
                prop_assert!(until > now, "waiting leads somewhere");
                now = until;
            }
            prop_assert!(now - before <= LONGEST_PAUSE.max(bucket.spacing()));
            bucket.answered();
            if !is_lost {
                bucket.believe(now, told(limit, remaining));
                if is_refused {
                    bucket.refused(now);
                } else {
                    bucket.accepted(now);
                }
            }
            prop_assert_eq!(bucket.on_their_way, 0);
            prop_assert!(bucket.left >= 0. && bucket.left <= f64::from(limit.max(4000)));
        }
    }
}
