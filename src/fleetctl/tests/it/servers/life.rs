//! From nothing to a fleet and back, as a new user does it.

use std::time::Duration;

use fleet_sim::hetzner::Pace;
use serde_json::json;

use super::Project;

#[tokio::test]
async fn a_fleet_is_planned_made_looked_at_and_deleted() {
    let project = Project::start().await;
    let plan = project.plan().await;
    assert_eq!(plan.code, Some(2), "{plan:?}");
    let plan = plan.json();
    assert_eq!(plan["converged"], false);
    let servers = plan["changes"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|change| change["kind"] == "server");
    let servers: Vec<_> = servers
        .map(|change| {
            [&change["name"], &change["location"], &change["serverType"]]
                .map(|field| field.as_str().unwrap())
        })
        .collect();
    assert_eq!(
        servers,
        [
            ["study-control-plane", "nbg1", "cpx32"],
            ["study-us-east", "ash", "cpx11"],
            ["study-singapore", "sin", "cpx12"],
        ]
    );
    // 35.49 + 17.49 + 15.49, and three addresses at 0.50.
    assert_eq!(
        plan["monthly"],
        json!({"before": "0.00", "after": "69.97", "currency": "EUR", "vat": "net"})
    );

    let said = project.deploy().await.well();
    assert!(said.err.contains("3 servers are ready"), "{said:?}");
    project.is_converged().await;
    let plan = project.plan().await.json();
    assert_eq!(plan["monthly"]["before"], "69.97");

    let status = project.run("status", &["-o", "json"]).await.well();
    assert_eq!(status.out.lines().count(), 3, "{status:?}");
    let cost = project.run("cost", &["-o", "csv"]).await.well();
    assert!(cost.out.contains("total,study,,,69.97,EUR"), "{cost:?}");

    let again = project.deploy().await.well();
    assert!(again.out.contains("nothing to do"), "{again:?}");
    project.destroy().await.well();
    project.is_empty();
    let nothing = project.destroy().await.well();
    assert!(nothing.out.contains("nothing is there"), "{nothing:?}");
}

#[tokio::test]
async fn an_edited_spec_is_followed() {
    let project = Project::start().await;
    project.deploy().await.well();
    let ids = |project: &Project| {
        project
            .api
            .state()
            .servers
            .keys()
            .copied()
            .collect::<Vec<_>>()
    };
    let control_plane = project.id("study-control-plane");

    // One region more, one moved, one gone.
    project.write(
        &[("germany", ""), ("us-east", "hil"), ("helsinki", "hel1")],
        "",
    );
    let plan = project.plan().await;
    assert_eq!(plan.code, Some(2));
    let plan = plan.json();
    let changes = plan["changes"].as_array().unwrap().iter();
    let changes: Vec<_> = changes
        .map(|change| {
            format!(
                "{} {}",
                change["action"].as_str().unwrap(),
                change["name"].as_str().unwrap()
            )
        })
        .collect();
    for wanted in [
        "create study-helsinki",
        "replace study-us-east",
        "delete study-singapore",
    ] {
        assert!(changes.contains(&wanted.to_owned()), "{changes:?}");
    }
    project.deploy().await.well();
    assert_eq!(
        project.servers(),
        ["study-control-plane", "study-helsinki", "study-us-east"]
    );
    assert_eq!(project.plan().await.code, Some(0));
    // The control plane is the same server.
    assert_eq!(project.id("study-control-plane"), control_plane);

    // Another image: regions keep id and address, their disk is new; the control plane is held.
    project.write(
        &[("germany", ""), ("us-east", "hil"), ("helsinki", "hel1")],
        "image: debian-13",
    );
    let held = project.plan().await;
    assert_eq!(held.code, Some(2), "{held:?}");
    let warnings = held.json()["warnings"].to_string();
    assert!(warnings.contains("--rebuild-control-plane"), "{held:?}");
    let before = ids(&project);
    project
        .run(
            "deploy",
            &["--servers-only", "--yes", "--rebuild-control-plane"],
        )
        .await
        .well();
    assert_eq!(ids(&project), before);
    assert_eq!(project.plan().await.code, Some(0));
    project.destroy().await.well();
    project.is_empty();
}

#[tokio::test]
async fn a_volume_a_network_and_keys_come_along_and_the_volume_stays() {
    let project = Project::start().await;
    let key =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl anna";
    let hetzner = format!("sshKeys: [\"{key}\"], network: {{}}, controlPlane: {{ volumeGb: 20 }}");
    project.write(&super::REGIONS, &hetzner);
    project.deploy().await.well();
    project.is_converged().await;
    let ours = project.ours();
    for wanted in [
        "networks study",
        "volumes study-control-plane",
        "primary_ips study-control-plane",
        "firewalls study",
    ] {
        assert!(ours.contains(&wanted.to_owned()), "{ours:?}");
    }
    assert_eq!(
        ours.iter()
            .filter(|name| name.starts_with("ssh_keys study-"))
            .count(),
        1
    );

    let said = project.destroy().await.well();
    assert!(
        said.err.contains("volume study-control-plane stays"),
        "{said:?}"
    );
    assert_eq!(project.ours(), ["volumes study-control-plane"]);
    // The next fleet gets the same volume, where it is.
    project.deploy().await.well();
    project.is_converged().await;
    project.run("destroy", &["--yes", "--volumes"]).await.well();
    project.is_empty();
}

#[tokio::test]
async fn fifty_servers_take_as_long_as_the_slowest_and_few_requests() {
    let create = Duration::from_secs(4);
    let project = Project::slow(Pace::default().with("create_server", create)).await;
    let names: Vec<String> = (0..49).map(|index| format!("r{index}")).collect();
    let regions: Vec<_> = names.iter().map(|name| (name.as_str(), "ash")).collect();
    project.write(&regions, "placement: any");
    project.deploy().await.well();
    assert_eq!(project.servers().len(), 50);
    let requests = project.api.requests().len();
    assert!(requests < 120, "{requests} requests");

    project.api.forget_requests();
    assert_eq!(project.plan().await.code, Some(0));
    let requests = project.api.requests();
    assert!(requests.len() <= 8, "{requests:?}");
}

#[tokio::test]
async fn nobody_is_there_to_be_asked() {
    let project = Project::start().await;
    let said = project.run("deploy", &["--servers-only"]).await;
    said.with(64, "nobody is there to be asked");
    assert_eq!(project.servers(), [""; 0]);
    project.deploy().await.well();
    project.run("destroy", &[]).await.with(64, "--yes");
    project.is_converged().await;
}
