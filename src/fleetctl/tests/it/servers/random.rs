//! Random histories: whatever happens, strangers are not touched, nothing is there twice, and it ends as wanted.

use std::collections::BTreeMap;
use std::time::Duration;

use fleet_sim::hetzner::{Fault, Pace};
use fleet_sim::random::Random;

use super::Project;
use crate::common::{Program, until};

const HISTORIES: u64 = 5;
const EVENTS: usize = 6;

/// What can be a region, with its location.
const REGIONS: [(&str, &str); 5] = [
    ("germany", ""),
    ("us-east", "ash"),
    ("us-west", "hil"),
    ("singapore", "sin"),
    ("helsinki", "hel1"),
];

#[tokio::test]
async fn whatever_happens_it_converges_and_strangers_are_not_touched() {
    for seed in 0..HISTORIES {
        history(seed).await;
    }
}

async fn history(seed: u64) {
    let mut random = Random::new(seed);
    let project = Project::slow(Pace::uniform(Duration::from_millis(50))).await;
    let strangers = strangers(&project);
    let mut told = vec![format!("seed {seed}")];
    let mut regions = REGIONS.to_vec();
    project.write(&regions, "");
    for _ in 0..EVENTS {
        let event = random.below(6);
        told.push(format!("{event}"));
        match event {
            0 => drop(project.deploy().await),
            1 => {
                regions = REGIONS
                    .into_iter()
                    .filter(|_| random.below(3) > 0)
                    .collect();
                if regions.is_empty() {
                    regions.push(REGIONS[0]);
                }
                let hetzner = ["", "image: debian-13", "network: {}", "placement: any"]
                    [usize_below(&mut random, 4)];
                project.write(&regions, hetzner);
                told.push(format!("{regions:?} {hetzner}"));
            }
            2 => fault(&project, &mut random),
            3 => {
                killed(
                    &project,
                    "deploy",
                    &["--servers-only", "--yes"],
                    &mut random,
                )
                .await;
            }
            4 => killed(&project, "destroy", &["--yes"], &mut random).await,
            _ => vanish(&project, &mut random).await,
        }
        nothing_is_there_twice(&project, &told);
        assert_eq!(strangers_now(&project), strangers, "{told:?}");
    }
    project.api.faults().clear();
    let said = project
        .run(
            "deploy",
            &["--servers-only", "--yes", "--rebuild-control-plane"],
        )
        .await;
    assert_eq!(said.code, Some(0), "{told:?} {said:?}");
    let plan = project.plan().await;
    assert_eq!(plan.code, Some(0), "{told:?} {plan:?}");
    let own = regions
        .iter()
        .filter(|(_, location)| !location.is_empty())
        .count();
    assert_eq!(project.servers().len(), own + 1, "{told:?}");
    let said = project.destroy().await;
    assert_eq!(said.code, Some(0), "{told:?} {said:?}");
    project.is_empty();
    assert_eq!(strangers_now(&project), strangers, "{told:?}");
}

/// Servers of others, some of whom have fleets, too.
fn strangers(project: &Project) -> BTreeMap<i64, String> {
    project.api.seed_server("web", &[]).unwrap();
    project
        .api
        .seed_server("study", &[("owner", "somebody")])
        .unwrap();
    project
        .api
        .seed_server("other-us-east", &[("researchfleet.io/fleet", "other")])
        .unwrap();
    strangers_now(project)
}

fn strangers_now(project: &Project) -> BTreeMap<i64, String> {
    let state = project.api.state();
    let strangers = state
        .servers
        .iter()
        .filter(|(_, server)| !is_ours(&server.meta.labels));
    strangers
        .map(|(id, server)| (*id, serde_json::to_string(server).unwrap()))
        .collect()
}

fn nothing_is_there_twice(project: &Project, told: &[String]) {
    let mut names = project.ours();
    names.sort();
    let count = names.len();
    names.dedup();
    assert_eq!(names.len(), count, "{told:?}");
    assert!(project.servers().len() <= REGIONS.len() + 1, "{told:?}");
}

fn fault(project: &Project, random: &mut Random) {
    let faults = project.api.faults();
    match random.below(6) {
        0 => faults.lose_answer(1, "POST", "/servers"),
        1 => faults.answer(2, "POST", "/**", 503),
        2 => faults.out_of_stock("cpx11", "ash"),
        3 => faults.fail_action(1, "create_server", "action_failed", "no reason"),
        4 => faults.lose_answer(1, "DELETE", "/**"),
        _ => faults.times(1, Fault::EmptyBucket),
    }
}

/// Runs it and kills it after some changes.
async fn killed(project: &Project, verb: &str, options: &[&str], random: &mut Random) {
    let after = project.api.requests().len() + usize_below(random, 30);
    let mut program = Program::start(project.command(verb, options));
    until("requests", async || {
        (project.api.requests().len() >= after || !program.is_running()).then_some(())
    })
    .await;
    if program.is_running() {
        program.kill().await;
    }
    program.ended().await;
}

/// Somebody deletes one of our servers in the console.
async fn vanish(project: &Project, random: &mut Random) {
    let state = project.api.state();
    let ours: Vec<i64> = state
        .servers
        .iter()
        .filter(|(_, server)| is_ours(&server.meta.labels))
        .map(|(id, _)| *id)
        .collect();
    if !ours.is_empty() {
        let id = ours[usize_below(random, ours.len())];
        // A fault may meet this request, too; then the server is still there.
        let _ = project.client().servers().delete(id).await;
    }
}

fn is_ours(labels: &fleet_sim::hetzner::Labels) -> bool {
    labels
        .get("researchfleet.io/fleet")
        .is_some_and(|fleet| fleet == "study")
}

fn usize_below(random: &mut Random, end: usize) -> usize {
    usize::try_from(random.below(u32::try_from(end).unwrap())).unwrap()
}
