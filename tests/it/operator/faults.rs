//! Every call that the operator makes can fail, and the end is the same.
//!
//! Each life-cycle is run once without a fault, which counts the calls through each proxy and shows how it ends. Then
//! it is run again and again, each time with harm done to another call. With `FLEET_FAULTS=all` each call meets each
//! kind of harm; without it each call that is taken meets one of them.

#![expect(clippy::print_stdout, reason = "a walk says how far it came")]

mod cycles;
mod end_state;
mod handover;
mod harms;
mod life;
mod secrets;
mod stale;

use std::{
    collections::{BTreeMap, VecDeque, btree_map::Entry},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use futures_util::future::join_all;
use tokio::time::Instant;

use self::{
    cycles::Cycle,
    harms::{Fault, HARMS, Side},
    life::Life,
};

/// Which harm a call meets is moved by this.
const SEED: usize = 1;
/// Of the calls of a life-cycle, how many are left out between two, so that the walk ends in minutes.
const STRIDE: usize = 2;
/// After this no more runs are begun, unless all are wanted: a busy machine must not make the walk endless.
const BUDGET: Duration = Duration::from_mins(2);
/// Worlds for each pair of life-cycles.
const WORLDS: usize = 1;

/// What is left to do for a pair of life-cycles, and what was done.
#[derive(Default)]
struct Walk {
    todo: Mutex<BTreeMap<Cycle, VecDeque<Fault>>>,
    done: Mutex<BTreeMap<Cycle, Done>>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Done {
    kubernetes: usize,
    hetzner: usize,
    runs: usize,
    left: usize,
    seconds: f64,
    longest: f64,
}

impl Walk {
    fn plan(&self, cycle: Cycle, kubernetes: usize, hetzner: usize) {
        let all = everything();
        let mut jobs = Vec::new();
        for (side, calls) in [(Side::Kubernetes, kubernetes), (Side::Hetzner, hetzner)] {
            let numbers = (1..=calls).step_by(if all { 1 } else { STRIDE });
            for (index, n) in numbers.enumerate() {
                let harms = if all {
                    HARMS.to_vec()
                } else {
                    vec![HARMS[(index + SEED) % HARMS.len()]]
                };
                jobs.extend(harms.into_iter().map(|harm| Fault { side, n, harm }));
            }
        }
        // If the time is up before the end, what is left out is spread over the whole life-cycle.
        let spread = (0..4).flat_map(|first| jobs.iter().skip(first).step_by(4).copied());
        let jobs: VecDeque<Fault> = spread.collect();
        // Another world may have counted before.
        let mut todo = lock(&self.todo);
        if let Entry::Vacant(free) = todo.entry(cycle) {
            free.insert(jobs);
            let mut done = lock(&self.done);
            let done = done.entry(cycle).or_default();
            (done.kubernetes, done.hetzner) = (kubernetes, hetzner);
        }
    }

    /// Leaves out what is not begun yet.
    fn stop(&self) {
        for (cycle, jobs) in &mut *lock(&self.todo) {
            let mut done = lock(&self.done);
            done.entry(*cycle).or_default().left += jobs.len();
            jobs.clear();
        }
    }

    fn next(&self, cycle: Cycle) -> Option<Fault> {
        lock(&self.todo).get_mut(&cycle)?.pop_front()
    }

    fn is_done(&self, cycles: &[Cycle]) -> bool {
        let todo = lock(&self.todo);
        cycles
            .iter()
            .all(|cycle| todo.get(cycle).is_none_or(VecDeque::is_empty))
    }

    fn note(&self, cycle: Cycle, began: Instant) {
        let mut done = lock(&self.done);
        let done = done.entry(cycle).or_default();
        let seconds = began.elapsed().as_secs_f64();
        done.runs += 1;
        done.seconds += seconds;
        done.longest = done.longest.max(seconds);
    }

    fn tell(&self) {
        for (cycle, done) in &*lock(&self.done) {
            println!(
                "{cycle:?}: {} calls to Kubernetes, {} to Hetzner; {} runs, {} left out, {:.1} s each, {:.1} s at most",
                done.kubernetes,
                done.hetzner,
                done.runs,
                done.left,
                done.seconds / as_float(done.runs.max(1)),
                done.longest,
            );
        }
    }
}

/// Whether every call meets every kind of harm, however long it takes.
fn everything() -> bool {
    std::env::var("FLEET_FAULTS").is_ok_and(|walk| walk == "all")
}

/// `FLEET_FAULTS` may be a number of seconds, too.
fn budget() -> Duration {
    let seconds = std::env::var("FLEET_FAULTS").ok();
    let seconds = seconds.and_then(|seconds| seconds.parse().ok());
    seconds.map_or(BUDGET, Duration::from_secs)
}

fn as_float(count: usize) -> f64 {
    u32::try_from(count).map_or(f64::INFINITY, f64::from)
}

fn lock<T>(what: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    what.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Walks through life-cycles that lead back to where they began.
async fn walk(cycles: &[Cycle], walk: &Walk, begun: Instant) -> Result<()> {
    let mut life = Life::before(cycles[0]).await?;
    let mut expected = BTreeMap::new();
    for &cycle in cycles {
        let ran = life.run(cycle, None).await;
        let ran = ran.with_context(|| format!("{cycle:?} without a fault"))?;
        let end = life.settled().await?;
        walk.plan(cycle, ran.kubernetes, ran.hetzner);
        expected.insert(cycle, end);
    }
    while !walk.is_done(cycles) {
        if begun.elapsed() > budget() && !everything() {
            walk.stop();
            break;
        }
        for &cycle in cycles {
            let fault = walk.next(cycle);
            let began = Instant::now();
            let name = life.world.name.clone();
            let what = || match fault {
                Some(fault) => format!("{cycle:?} with {fault:?} in {name}"),
                None => format!("{cycle:?} without a fault in {name}"),
            };
            life.run(cycle, fault).await.with_context(what)?;
            let same = life.ends_as(&expected[&cycle]).await;
            same.with_context(what)?;
            if fault.is_some() {
                walk.note(cycle, began);
            }
        }
    }
    Ok(())
}

async fn walk_all(tracks: &[&[Cycle]]) -> Result<()> {
    let begun = Instant::now();
    let walks: Vec<Walk> = tracks.iter().map(|_| Walk::default()).collect();
    let all = tracks.iter().zip(&walks);
    let worlds = all.flat_map(|(cycles, of)| (0..WORLDS).map(move |_| walk(cycles, of, begun)));
    let results = join_all(worlds).await;
    for walk in &walks {
        walk.tell();
    }
    let runs: usize = walks
        .iter()
        .map(|walk| {
            lock(&walk.done)
                .values()
                .map(|done| done.runs)
                .sum::<usize>()
        })
        .sum();
    let which = if everything() {
        "every call, with every kind of harm".to_owned()
    } else {
        format!("one call of {STRIDE}, with one kind of harm each; FLEET_FAULTS=all does all")
    };
    let seconds = begun.elapsed().as_secs_f64();
    println!("{runs} runs in {seconds:.0} s: {which}");
    // One that has gone wrong does not end the others.
    let failed: Vec<_> = results
        .into_iter()
        .filter_map(Result::err)
        .map(|error| format!("{error:?}"))
        .collect();
    ensure!(failed.is_empty(), "{}", failed.join("\n\n"));
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fault_at_any_call_leads_to_the_same_end() -> Result<()> {
    walk_all(&[
        &[Cycle::Create, Cycle::DeleteAll],
        &[Cycle::Grow, Cycle::Shrink],
        &[Cycle::Change, Cycle::ChangeBack],
        &[Cycle::Lose, Cycle::Restart],
        &[Cycle::Delete, Cycle::Return],
    ])
    .await
}
