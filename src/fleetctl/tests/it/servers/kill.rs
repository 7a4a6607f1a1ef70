//! Cut off at every point: the next run carries on, or cleans up.

use std::time::Duration;

use fleet_sim::hetzner::Pace;

use super::Project;
use crate::common::{Program, until};

/// As many requests as a deployment makes that change something.
async fn writes() -> usize {
    let project = Project::start().await;
    project.deploy().await.well();
    changes(&project)
}

fn changes(project: &Project) -> usize {
    project
        .api
        .requests()
        .iter()
        .filter(|request| request.method != "GET")
        .count()
}

/// Starts a deployment and ends it with this signal as soon as so many changes have reached the API.
async fn cut_off(project: &Project, after: usize, signal: &str) {
    let command = project.command("deploy", &["--servers-only", "--yes"]);
    let mut deploy = Program::start(command);
    until("enough changes", async || {
        (changes(project) >= after || !deploy.is_running()).then_some(())
    })
    .await;
    if deploy.is_running() {
        deploy.signal(signal).await;
    }
    let code = deploy.ended().await;
    if signal == "INT" && code != Some(0) {
        assert_eq!(code, Some(130), "{}", deploy.stderr.text());
        deploy.says("carries on").await;
    }
}

/// A deployment that was cut off after every single change.
async fn cut_off_everywhere(signal: &str, carry_on: impl AsyncFn(&Project)) {
    for after in 1..=writes().await {
        let project = Project::slow(Pace::uniform(Duration::from_millis(100))).await;
        cut_off(&project, after, signal).await;
        carry_on(&project).await;
    }
}

async fn deploys_again(project: &Project) {
    project.deploy().await.well();
    project.is_converged().await;
}

async fn destroys(project: &Project) {
    project.destroy().await.well();
    project.is_empty();
}

#[tokio::test]
async fn killed_after_every_change_it_converges() {
    cut_off_everywhere("KILL", deploys_again).await;
}

#[tokio::test]
async fn interrupted_after_every_change_it_converges() {
    cut_off_everywhere("INT", deploys_again).await;
}

#[tokio::test]
async fn killed_after_every_change_nothing_billable_is_left_by_destroy() {
    cut_off_everywhere("KILL", destroys).await;
}

#[tokio::test]
async fn interrupted_after_every_change_nothing_billable_is_left_by_destroy() {
    cut_off_everywhere("INT", destroys).await;
}

#[tokio::test]
async fn interrupted_it_says_how_to_go_on() {
    let project = Project::slow(Pace::uniform(Duration::from_secs(2))).await;
    cut_off(&project, 5, "INT").await;
    project.deploy().await.well();
    project.is_converged().await;

    let mut destroy = Program::start(project.command("destroy", &["--yes"]));
    let before = changes(&project);
    until("a deletion", async || {
        (changes(&project) > before).then_some(())
    })
    .await;
    destroy.signal("KILL").await;
    destroy.ended().await;
    project.destroy().await.well();
    project.is_empty();
}
