//! What the provider does to people, and what `fleetctl` makes of it.

use fleet_sim::hetzner::{Fault, Limits, On, Options, Rate};

use super::Project;

#[tokio::test]
async fn a_wrong_token_is_told_once_and_not_repeated() {
    let project = Project::start().await;
    let mut command = project.command("plan", &["--servers-only"]);
    command.env("HCLOUD_TOKEN", "wrong");
    super::said(command).await.with(4, "HCLOUD_TOKEN");
    // Eight kinds are asked for at once; none is asked for twice.
    assert!(
        project.api.requests().len() <= 8,
        "{:?}",
        project.api.requests()
    );
}

#[tokio::test]
async fn a_token_that_only_reads_can_plan_but_not_deploy() {
    let project = Project::start().await;
    project.api.faults().always(Fault::ReadOnlyToken);
    assert_eq!(project.plan().await.code, Some(2));
    project.deploy().await.with(4, "read and write");
    project.is_empty();
}

#[tokio::test]
async fn a_token_that_is_revoked_half_way_leaves_what_the_next_run_carries_on() {
    let project = Project::start().await;
    project.api.faults().always(Fault::Answer {
        on: On::new("POST", "/servers"),
        status: 401,
        code: Some("unauthorized".to_owned()),
    });
    project.deploy().await.with(4, "changes were not made");
    project.api.faults().clear();
    project.deploy().await.well();
    project.is_converged().await;
}

#[tokio::test]
async fn sold_out_everywhere_names_every_type_and_holds_up_nothing_else() {
    let project = Project::start().await;
    let sold_out = |kind: &str, location: &str| Fault::Availability {
        server_type: Some(kind.to_owned()),
        location: Some(location.to_owned()),
        available: false,
    };
    project.write(&[("germany", ""), ("us-east", "ash")], "");
    project.api.faults().always(Fault::Availability {
        server_type: None,
        location: Some("ash".to_owned()),
        available: false,
    });
    let said = project
        .plan()
        .await
        .with(7, "no server can be had for study-us-east");
    assert!(said.err.contains("cpx11 sold out in ash"), "{said:?}");
    project.api.faults().clear();

    // The catalogue says yes, and the order says no: the next one is taken.
    project.api.faults().out_of_stock("cpx11", "ash");
    project.api.faults().always(sold_out("cpx21", "ash"));
    project.deploy().await.well();
    let state = project.api.state();
    let server = state
        .servers
        .values()
        .find(|server| server.meta.name == "study-us-east")
        .unwrap();
    assert_ne!(server.server_type, 22, "cpx11");
    project.api.faults().clear();
    // It stays, though what was preferred is there again.
    assert_eq!(project.plan().await.code, Some(0));
}

#[tokio::test]
async fn a_control_plane_goes_to_the_next_location_and_takes_its_belongings_along() {
    let project = Project::start().await;
    project.write(&super::REGIONS, "controlPlane: { volumeGb: 20 }");
    for location in ["nbg1", "fsn1"] {
        project.api.faults().always(Fault::LocationDisabled {
            location: location.to_owned(),
        });
    }
    project.deploy().await.well();
    project.api.faults().clear();
    project.is_converged().await;
    let volumes = project
        .client()
        .volumes()
        .list(&fleet_hetzner::VolumeFilter::default())
        .await
        .unwrap();
    let places: Vec<_> = volumes
        .into_iter()
        .map(|volume| volume.location.name)
        .collect();
    assert_eq!(places, ["hel1"], "one volume, where the server is");
    assert_eq!(
        project
            .api
            .state()
            .primary_ips
            .values()
            .filter(|ip| ip.meta.name == "study-control-plane")
            .count(),
        1
    );
    project.run("destroy", &["--yes", "--volumes"]).await.well();
    project.is_empty();
}

#[tokio::test]
async fn a_quota_that_is_reached_is_told() {
    let project = Project::with(Options {
        limits: Limits {
            servers: 2,
            ..Limits::default()
        },
        ..Options::default()
    })
    .await;
    project.deploy().await.with(7, "resource_limit_exceeded");
    assert_eq!(project.servers().len(), 2);
    project.destroy().await.well();
    project.is_empty();
}

#[tokio::test]
async fn no_request_left_slows_down_and_does_not_fail() {
    // Ten requests a second come back.
    let project = Project::with(Options {
        rate: Rate { per_hour: 36_000 },
        ..Options::default()
    })
    .await;
    project.api.faults().times(1, Fault::EmptyBucket);
    project.deploy().await.well();
    project.is_converged().await;
    let refused = project
        .api
        .requests()
        .iter()
        .filter(|request| request.status == Some(429))
        .count();
    assert!(refused <= 10, "{refused} requests were refused");
}

#[tokio::test]
async fn an_answer_that_is_lost_after_the_server_was_made_makes_no_second_one() {
    let project = Project::start().await;
    project.api.faults().lose_answer(2, "POST", "/servers");
    project.api.faults().lose_answer(1, "POST", "/firewalls");
    project.api.faults().lose_answer(1, "POST", "/primary_ips");
    project.deploy().await.well();
    project.is_converged().await;
    project.api.faults().lose_answer(2, "DELETE", "/servers/*");
    project.destroy().await.well();
    project.is_empty();
}

#[tokio::test]
async fn errors_of_the_server_are_passing() {
    let project = Project::start().await;
    for status in [500, 502, 503, 504] {
        project.api.faults().answer(2, "GET", "/**", status);
        project.api.faults().answer(1, "POST", "/servers", status);
    }
    project.deploy().await.well();
    project.is_converged().await;
}

#[tokio::test]
async fn an_action_that_fails_is_told_and_the_next_run_mends_it() {
    let project = Project::start().await;
    project.api.faults().fail_action(
        1,
        "create_server",
        "action_failed",
        "the machine caught fire",
    );
    project.deploy().await.with(7, "the machine caught fire");
    project.deploy().await.well();
    project.is_converged().await;
}

#[tokio::test]
async fn a_strangers_server_with_our_name_is_left_alone() {
    let project = Project::start().await;
    let id = project
        .api
        .seed_server("study-us-east", &[("owner", "somebody")])
        .unwrap();
    project.deploy().await.with(7, "study-us-east");
    project.destroy().await.well();
    project.is_empty();
    assert!(project.api.state().servers.contains_key(&id));
}

#[tokio::test]
async fn a_thousand_strangers_are_not_touched() {
    let limits = Limits {
        servers: 2000,
        ..Limits::default()
    };
    let project = Project::with(Options {
        limits,
        ..Options::default()
    })
    .await;
    let strangers: Vec<i64> = (0..1000)
        .map(|index| {
            let fleet = format!("other-{index}");
            project
                .api
                .seed_server(
                    &format!("stranger-{index}"),
                    &[("researchfleet.io/fleet", &fleet)],
                )
                .unwrap()
        })
        .collect();
    let before = serde_json::to_value(&project.api.state().servers).unwrap();
    project.deploy().await.well();
    assert!(
        project.api.requests().len() < 60,
        "{}",
        project.api.requests().len()
    );
    assert_eq!(project.plan().await.code, Some(0));
    project.destroy().await.well();
    assert_eq!(
        serde_json::to_value(&project.api.state().servers).unwrap(),
        before
    );
    assert_eq!(project.api.state().servers.len(), strangers.len());
}

#[tokio::test]
async fn what_is_protected_stays_and_is_named() {
    let project = Project::start().await;
    project.deploy().await.well();
    let id = project.id("study-us-east");
    let protection = fleet_hetzner::ServerProtection {
        delete: true,
        rebuild: true,
    };
    let action = project
        .client()
        .servers()
        .change_protection(id, protection)
        .await
        .unwrap();
    let deadline = tokio::time::Instant::now() + crate::common::PATIENCE;
    project
        .client()
        .actions()
        .wait(&[action], deadline)
        .await
        .unwrap();
    project.destroy().await.with(7, "protected");
    assert_eq!(project.servers(), ["study-us-east"]);
}

#[tokio::test]
async fn a_clock_that_is_wrong_changes_nothing() {
    for seconds in [-86_400, 86_400] {
        let project = Project::start().await;
        project.api.faults().always(Fault::ClockSkew { seconds });
        project.deploy().await.well();
        project.is_converged().await;
        project.destroy().await.well();
        project.is_empty();
    }
}

#[tokio::test]
async fn no_answer_at_all_ends_in_a_clear_message() {
    let project = Project::start().await;
    let mut command = project.command("plan", &["--servers-only"]);
    command.env("HCLOUD_ENDPOINT", "http://127.0.0.1:9/v1");
    super::said(command).await.with(7, "127.0.0.1:9");
}
