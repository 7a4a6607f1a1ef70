//! One situation after the other, each from a fleet of three regions that is as it should be.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};

use super::decide::*;

const NAMES: [&str; 3] = ["study-a", "study-b", "study-c"];

fn now() -> Timestamp {
    "2026-11-26T12:00:00Z".parse().unwrap()
}

fn ago(minutes: i64) -> Timestamp {
    now() - SignedDuration::from_mins(minutes)
}

fn world() -> World {
    let mut world = World {
        wanted: NAMES.map(str::to_owned).into(),
        replace_after: Some(SignedDuration::from_mins(15)),
        now: now(),
        ..World::default()
    };
    for name in NAMES {
        add_server(&mut world, name, 600);
        world.nodes.insert(name.to_owned(), node(true, 599));
    }
    world
}

fn add_server(world: &mut World, name: &str, minutes: i64) {
    let server = ServerSeen {
        made: ago(minutes),
        busy: false,
        unfinished: false,
    };
    world.servers.insert(name.to_owned(), server);
}

fn node(ready: bool, minutes: i64) -> NodeSeen {
    NodeSeen {
        ready,
        since: Some(ago(minutes)),
        labelled: true,
        drained: false,
    }
}

fn lose(world: &mut World, name: &str, minutes: i64) {
    world.nodes.insert(name.to_owned(), node(false, minutes));
}

fn plan(world: &mut World, work: Work, names: &[&str]) {
    let work = names.iter().map(|name| ((*name).to_owned(), work));
    world.work.extend(work);
}

fn acts(world: &World) -> Vec<Act> {
    decide(world).acts
}

fn named(act: fn(String) -> Act, names: &[&str]) -> Vec<Act> {
    names.iter().map(|name| act((*name).to_owned())).collect()
}

#[test]
fn what_is_as_it_should_be_is_left_alone() {
    assert_eq!(decide(&world()), Decision::default());
}

#[test]
fn missing_servers_are_made_at_once_and_their_nodes_forgotten_before() {
    let mut world = world();
    world.servers.clear();
    plan(&mut world, Work::Create, &NAMES);
    let expected = [named(Act::Forget, &NAMES), named(Act::Create, &NAMES)].concat();
    assert_eq!(acts(&world), expected);
}

#[test]
fn renamed_regions_never_cost_more_than_one_server_besides() {
    let mut world = world();
    for name in ["study-d", "study-e"] {
        world.wanted.insert(name.to_owned());
        plan(&mut world, Work::Create, &[name]);
    }
    world
        .wanted
        .retain(|name| !["study-a", "study-b"].contains(&name.as_str()));
    let expected = [
        named(Act::Remove, &["study-a", "study-b"]),
        named(Act::Create, &["study-d"]),
    ];
    let decision = decide(&world);
    assert_eq!(decision.acts, expected.concat());
    assert_eq!(decision.waits.len(), 1);
}

#[test]
fn changed_servers_are_rebuilt_one_after_the_other() {
    let mut world = world();
    plan(&mut world, Work::Disrupt, &NAMES);
    assert_eq!(acts(&world), named(Act::Disrupt, &["study-a"]));
    // It is being rebuilt: its node is forgotten.
    world.work.remove("study-a");
    world.nodes.remove("study-a");
    add_server(&mut world, "study-a", 1);
    assert_eq!(acts(&world), []);
    world.nodes.insert("study-a".to_owned(), node(true, 0));
    assert_eq!(acts(&world), named(Act::Disrupt, &["study-b"]));
}

#[test]
fn a_rebuild_that_was_cut_off_comes_before_others() {
    let mut world = world();
    plan(&mut world, Work::Disrupt, &NAMES);
    world.nodes.remove("study-b");
    assert_eq!(acts(&world), named(Act::Disrupt, &["study-b"]));
    world.servers.get_mut("study-b").unwrap().busy = true;
    assert_eq!(acts(&world), []);
}

#[test]
fn a_mistake_that_stopped_all_is_corrected_on_all() {
    let mut world = world();
    for name in NAMES {
        lose(&mut world, name, 30);
    }
    assert!(decide(&world).all_down);
    plan(&mut world, Work::Disrupt, &NAMES);
    assert_eq!(acts(&world), named(Act::Disrupt, &["study-a"]));
}

#[test]
fn a_node_that_is_lost_for_too_long_is_replaced() {
    let mut world = world();
    lose(&mut world, "study-b", 14);
    assert_eq!(acts(&world), []);
    lose(&mut world, "study-b", 16);
    assert_eq!(acts(&world), named(Act::Replace, &["study-b"]));
    world.replace_after = None;
    assert_eq!(acts(&world), []);
}

#[test]
fn a_server_that_never_became_a_node_is_replaced() {
    let mut world = world();
    world.nodes.remove("study-b");
    add_server(&mut world, "study-b", 14);
    assert_eq!(acts(&world), []);
    add_server(&mut world, "study-b", 16);
    assert_eq!(acts(&world), named(Act::Replace, &["study-b"]));
}

#[test]
fn a_server_that_is_never_finished_is_made_again_whatever_the_policy_says() {
    let mut world = world();
    world.replace_after = None;
    for name in NAMES {
        world.nodes.remove(name);
        add_server(&mut world, name, 14);
        world.servers.get_mut(name).unwrap().unfinished = true;
    }
    assert_eq!(acts(&world), []);
    add_server(&mut world, "study-b", 16);
    world.servers.get_mut("study-b").unwrap().unfinished = true;
    assert_eq!(acts(&world), named(Act::Replace, &["study-b"]));
}

#[test]
fn of_two_the_one_that_is_lost_for_longer_and_only_when_no_other_is_on_its_way() {
    let mut world = world();
    lose(&mut world, "study-a", 20);
    lose(&mut world, "study-b", 30);
    assert_eq!(acts(&world), named(Act::Replace, &["study-b"]));
    lose(&mut world, "study-b", 5);
    assert_eq!(acts(&world), []);
    world.servers.remove("study-b");
    world.nodes.remove("study-b");
    assert_eq!(acts(&world), []);
    // It cannot be had, and nobody knows until when.
    world.stuck.insert("study-b".to_owned());
    assert_eq!(acts(&world), named(Act::Replace, &["study-a"]));
}

#[test]
fn if_all_are_lost_the_servers_are_not_to_blame() {
    let mut world = world();
    for name in NAMES {
        lose(&mut world, name, 30);
    }
    let decision = decide(&world);
    assert_eq!(decision.acts, []);
    assert!(decision.all_down);
    assert_eq!(decision.down, NAMES.map(str::to_owned).into());
    // Of one alone nobody can tell.
    world.wanted = BTreeSet::from([NAMES[0].to_owned()]);
    world.servers.retain(|name, _| name == NAMES[0]);
    world.nodes.retain(|name, _| name == NAMES[0]);
    assert_eq!(acts(&world), named(Act::Replace, &[NAMES[0]]));
}

#[test]
fn nodes_get_labels_and_take_pods_again_when_their_turn_is_over() {
    let mut world = world();
    let node = world.nodes.get_mut("study-a").unwrap();
    node.labelled = false;
    node.drained = true;
    let expected = [
        named(Act::Label, &["study-a"]),
        named(Act::Uncordon, &["study-a"]),
    ];
    assert_eq!(acts(&world), expected.concat());
    plan(&mut world, Work::Disrupt, &["study-a"]);
    assert_eq!(acts(&world), named(Act::Disrupt, &["study-a"]));
}
