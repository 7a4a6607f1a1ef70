//! What a plan says, for each way in which a project can differ from a spec.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use fleet_operator::servers::{Kind, Problem, ServerStep, Step, Verb};
use serde_json::json;

use crate::common::{Project, SPEC, changes, wanted};

/// The spec of the tests: a control plane that also runs `germany`, `us-east` in ash, `singapore` in sin.
#[test]
fn a_fleet_that_is_not_there_is_made_from_the_best_that_can_be_had() {
    let plan = Project::empty().plan(SPEC);
    assert_eq!(plan.problems, []);
    assert_eq!(
        changes(&plan),
        [
            "create firewall study",
            "create firewall study-control-plane",
            "create primary-ip study-control-plane nbg1",
            "create server study-control-plane nbg1 cpx32 35.49",
            "create server study-us-east ash cpx11 17.99",
            "create server study-singapore sin cpx12 15.99",
        ]
    );
    let control_plane = plan.changes.iter().find(|change| {
        change.item.name == "study-control-plane" && change.item.kind == Kind::Server
    });
    assert_eq!(
        control_plane.unwrap().why,
        "cx33 sold out in nbg1, fsn1, hel1"
    );
    assert_eq!(plan.monthly_after().to_string(), "69.97");
}

#[test]
fn what_is_there_as_wanted_is_left_alone_and_stock_is_not_asked_for() {
    let mut project = Project::deployed(SPEC);
    project.catalogue = None;
    let plan = project.plan(SPEC);
    assert_eq!(changes(&plan), [""; 0]);
    assert!(plan.is_converged());
    assert_eq!(plan.monthly_before(), plan.monthly_after());
}

#[test]
fn a_region_that_is_gone_from_the_spec_loses_its_server() {
    let spec = SPEC.replace(
        ", {name: singapore, location: sin, credentialsSecretRef: {name: c}}",
        "",
    );
    let plan = Project::deployed(SPEC).plan(&spec);
    assert_eq!(
        changes(&plan),
        [
            "update firewall study",
            "update firewall study-control-plane",
            "delete server study-singapore sin cpx12 15.99"
        ]
    );
}

#[test]
fn a_server_that_is_missing_is_made_and_the_firewalls_learn_its_address() {
    let mut project = Project::deployed(SPEC);
    project
        .found
        .servers
        .retain(|server| server.name != "study-us-east");
    assert_eq!(
        changes(&project.plan(SPEC)),
        [
            "update firewall study",
            "update firewall study-control-plane",
            "create server study-us-east ash cpx11 17.99",
        ]
    );
}

#[test]
fn a_region_that_moves_is_replaced() {
    let spec = SPEC.replace("location: sin", "location: ash");
    let plan = Project::deployed(SPEC).plan(&spec);
    assert!(
        changes(&plan).contains(&"replace server study-singapore ash cpx11 17.99".to_owned()),
        "{:?}",
        changes(&plan)
    );
    let Step::Server { steps, .. } = &plan
        .changes
        .iter()
        .find(|change| change.verb == Verb::Replace)
        .unwrap()
        .step
    else {
        panic!("not a server");
    };
    assert!(matches!(
        steps[..],
        [ServerStep::Delete, ServerStep::Create { .. }]
    ));
}

#[test]
fn the_control_plane_stays_where_it_is_whatever_the_list_says() {
    let spec = SPEC.replace(
        "sshKeys: []",
        "sshKeys: [], controlPlane: {locations: [hel1]}",
    );
    assert_eq!(changes(&Project::deployed(SPEC).plan(&spec)), [""; 0]);
}

#[test]
fn another_type_means_a_rescale_and_a_disk_never_shrinks() {
    let project = Project::deployed(SPEC);
    let larger = SPEC.replace("location: ash", "location: ash, serverTypes: [cpx21]");
    assert_eq!(
        changes(&project.plan(&larger)),
        ["update server study-us-east ash cpx21 32.49"]
    );

    let mut project = Project::deployed(&larger);
    project.server("study-us-east").primary_disk_size = 80;
    let smaller = SPEC.replace("location: ash", "location: ash, serverTypes: [cpx11]");
    let plan = project.plan(&smaller);
    assert!(
        matches!(plan.problems[..], [Problem::NoRescale { .. }]),
        "{:?}",
        plan.problems
    );
}

#[test]
fn another_set_up_rebuilds_a_region_but_not_the_control_plane() {
    let mut project = Project::deployed(SPEC);
    for server in &mut project.found.servers {
        server.labels.insert(
            "researchfleet.io/user-data".to_owned(),
            "0000000000000000".to_owned(),
        );
    }
    let plan = project.plan(SPEC);
    assert_eq!(
        changes(&plan),
        [
            "rebuild server study-us-east ash cpx11 17.99",
            "rebuild server study-singapore sin cpx12 15.99"
        ]
    );
    assert_eq!(plan.problems, []);
    assert!(
        plan.warnings[0].contains("--rebuild-control-plane"),
        "{:?}",
        plan.warnings
    );

    project.rebuild_control_plane = true;
    let plan = project.plan(SPEC);
    assert_eq!(plan.problems, []);
    assert_eq!(
        changes(&plan)[0],
        "rebuild server study-control-plane nbg1 cpx32 35.49"
    );
}

#[test]
fn a_server_that_is_off_is_switched_on_and_labels_are_mended_without_touching_others() {
    let mut project = Project::deployed(SPEC);
    project.server("study-us-east").status = serde_json::from_value(json!("off")).unwrap();
    let labels = &mut project.server("study-singapore").labels;
    labels.remove("researchfleet.io/region");
    labels.insert("somebody".to_owned(), "else".to_owned());
    assert_eq!(
        changes(&project.plan(SPEC)),
        [
            "update server study-us-east ash cpx11 17.99",
            "update server study-singapore sin cpx12 15.99"
        ]
    );
}

#[test]
fn nothing_to_be_had_is_a_problem_that_names_every_reason() {
    let spec = SPEC.replace("location: ash", "location: ash, serverTypes: [cx33, cpx99]");
    let plan = Project::empty().plan(&spec);
    let [Problem::NoOffer { server, refusals }] = &plan.problems[..] else {
        panic!("{:?}", plan.problems);
    };
    assert_eq!(server, "study-us-east");
    assert_eq!(
        refusals,
        "cx33 not offered in ash; cpx99 unknown type in ash"
    );
    let spec = SPEC.replace("location: sin", "location: sin, serverTypes: [cpx11]");
    let plan = Project::empty().plan(&spec);
    assert!(
        plan.problems[0]
            .to_string()
            .ends_with("cpx11 no longer sold in sin"),
        "{:?}",
        plan.problems
    );
}

#[test]
fn servers_in_one_location_are_spread_ten_a_group() {
    let regions: Vec<String> = (0..23)
        .map(|index| {
            format!("{{name: r{index}, location: ash, credentialsSecretRef: {{name: s{index}}}}}")
        })
        .collect();
    let spec = common::with_regions(&regions.join(", "));
    let plan = Project::empty().plan(&spec);
    let mut sizes = std::collections::BTreeMap::<String, usize>::new();
    for change in &plan.changes {
        if let Step::Server { steps, .. } = &change.step
            && let [
                ServerStep::Create {
                    group: Some(group), ..
                },
            ] = &steps[..]
        {
            *sizes.entry(group.clone()).or_default() += 1;
        }
    }
    let sizes: Vec<_> = sizes.into_iter().collect();
    let expected = [("study-ash-1", 10), ("study-ash-2", 10), ("study-ash-3", 3)];
    assert_eq!(sizes, expected.map(|(name, size)| (name.to_owned(), size)));
    assert_eq!(
        plan.changes
            .iter()
            .filter(|change| change.item.kind == Kind::PlacementGroup)
            .count(),
        3
    );
}

#[test]
fn a_volume_grows_never_shrinks_and_is_never_deleted() {
    let with = |size: &str| {
        SPEC.replace(
            "sshKeys: []",
            &format!("sshKeys: [], controlPlane: {{volumeGb: {size}}}"),
        )
    };
    let mut project = Project::deployed(SPEC);
    project.add_volume(50);
    let grown = project.plan(&with("80"));
    assert!(
        changes(&grown).contains(&"update volume study-control-plane nbg1 4.58".to_owned()),
        "{:?}",
        changes(&grown)
    );
    let shrunk = project.plan(&with("20"));
    assert!(shrunk.problems.iter().any(|problem| matches!(
        problem,
        Problem::VolumeShrinks {
            have: 50,
            want: 20,
            ..
        }
    )));
    let gone = project.plan(SPEC);
    assert!(
        !gone
            .changes
            .iter()
            .any(|change| change.item.kind == Kind::Volume)
    );
    assert!(
        gone.warnings
            .iter()
            .any(|warning| warning.contains("the volume study-control-plane stays"))
    );
}

#[test]
fn a_control_plane_gets_a_volume_only_when_it_is_made_anew() {
    let spec = SPEC.replace("sshKeys: []", "sshKeys: [], controlPlane: {volumeGb: 20}");
    let mut project = Project::deployed(SPEC);
    let plan = project.plan(&spec);
    assert!(plan.is_converged());
    assert!(
        plan.warnings[0].contains("it has no volume yet"),
        "{:?}",
        plan.warnings
    );
    project.rebuild_control_plane = true;
    assert_eq!(
        changes(&project.plan(&spec)),
        [
            "create volume study-control-plane nbg1 1.14",
            "rebuild server study-control-plane nbg1 cpx32 35.49",
        ]
    );
}

#[test]
fn keys_are_told_apart_by_what_they_are_not_by_their_name() {
    let key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl";
    let spec = SPEC.replace("sshKeys: []", &format!("sshKeys: [\"{key} anna\", office]"));
    let mut project = Project::empty();
    project.add_key("office", "ssh-ed25519 AAAAoffice", false);
    let plan = project.plan(&spec);
    assert_eq!(changes(&plan)[0].split_at(20).0, "create ssh-key study");
    project.add_key("somebody-elses-name", &format!("{key} bob"), false);
    assert!(!changes(&project.plan(&spec))[0].contains("ssh-key"));
    let plan = project.plan(&spec.replace("office", "no-such-key"));
    assert!(matches!(&plan.problems[..], [Problem::NoSshKey { name }] if name == "no-such-key"));
    // One that the fleet brought along and nobody names any more.
    project.add_key("study-old", "ssh-ed25519 AAAAold", true);
    assert!(changes(&project.plan(&spec)).contains(&"delete ssh-key study-old".to_owned()));
}

#[test]
fn what_carries_another_fleets_label_or_none_is_not_in_a_plan() {
    let mut project = Project::deployed(SPEC);
    project.add_key("of-a-stranger", "ssh-ed25519 AAAAstranger", false);
    let plan = project.plan(SPEC);
    assert!(plan.is_converged());
    assert!(
        plan.unchanged
            .iter()
            .all(|item| item.name.starts_with("study")),
        "{:?}",
        plan.unchanged
    );
}

#[test]
fn five_hundred_servers_are_planned_without_asking_anything() {
    let mut wanted = wanted(SPEC);
    let template = wanted.servers[1].clone();
    for index in 0..498 {
        let mut server = template.clone();
        server.name = format!("study-r{index}");
        server.role = fleet_operator::servers::Role::Region(format!("r{index}"));
        wanted.servers.push(server);
    }
    let plan = Project::empty().plan_for(&wanted);
    assert_eq!(
        plan.changes
            .iter()
            .filter(|change| change.item.kind == Kind::Server)
            .count(),
        501
    );
}
