use std::net::Ipv4Addr;

use super::*;

const SILENCE: Duration = Duration::from_mins(1);
const CANDIDATE: Duration = Duration::from_secs(30);

fn tree() -> Tree {
    Tree::new("us".to_owned(), SILENCE, CANDIDATE, 10, Instant::now())
}

fn offer(names: &[&str]) -> Vec<PossibleParent> {
    let address = Ipv4Addr::LOCALHOST;
    names
        .iter()
        .map(|&name| PossibleParent {
            username: name.into(),
            address,
            port: 2234,
        })
        .collect()
}

/// A tree with `anna` (link 1, level 2, root `rooty`) as its parent.
fn with_parent() -> Tree {
    let mut tree = tree();
    tree.on_possible_parents(offer(&["anna"]), Instant::now());
    tree.on_dialled("anna", Some(1), Instant::now());
    tree.on_level(1, 2);
    tree.on_root(1, "rooty");
    assert_eq!(
        tree.on_search(1, Instant::now()),
        Verdict::Take { forward: true }
    );
    tree
}

fn position(looking: bool, root: &str, level: u32) -> [Action; 3] {
    [
        Action::Server(ServerRequest::HaveNoParent(looking)),
        Action::Server(ServerRequest::BranchRoot(root.into())),
        Action::Server(ServerRequest::BranchLevel(level)),
    ]
}

fn contains(actions: &[Action], wanted: &[Action]) -> bool {
    actions.windows(wanted.len()).any(|window| window == wanted)
}

#[test]
fn the_first_candidate_that_delivers_becomes_the_parent() {
    let mut tree = tree();
    tree.on_possible_parents(offer(&["anna", "bert", "us"]), Instant::now());
    assert_eq!(tree.take_actions().len(), 2, "nobody dials themselves");
    tree.on_dialled("anna", Some(1), Instant::now());
    tree.on_dialled("bert", Some(2), Instant::now());
    tree.on_level(1, 2);
    tree.on_level(2, 0);
    assert_eq!(
        tree.on_search(1, Instant::now()),
        Verdict::Ignore,
        "anna has not told her root"
    );
    assert!(!tree.has_parent());
    assert_eq!(
        tree.on_search(2, Instant::now()),
        Verdict::Take { forward: true }
    );
    let actions = tree.take_actions();
    assert!(
        contains(&actions, &position(false, "bert", 1)),
        "{actions:?}"
    );
    assert!(actions.contains(&Action::Close(1)), "{actions:?}");
    assert!(
        actions.contains(&Action::ParentFound { level: 1 }),
        "{actions:?}"
    );
}

#[test]
fn nobody_is_dialled_twice_and_late_connections_are_closed() {
    let mut tree = tree();
    tree.on_possible_parents(offer(&["anna", "bert"]), Instant::now());
    tree.on_possible_parents(offer(&["anna"]), Instant::now());
    assert_eq!(tree.take_actions().len(), 2);
    tree.on_dialled("anna", Some(1), Instant::now());
    tree.on_level(1, 0);
    tree.on_search(1, Instant::now());
    tree.take_actions();
    tree.on_dialled("bert", Some(2), Instant::now());
    assert_eq!(tree.take_actions(), [Action::Close(2)]);
    tree.on_possible_parents(offer(&["carl"]), Instant::now());
    assert_eq!(tree.take_actions(), []);
}

#[test]
fn a_lost_parent_starts_the_search_anew() {
    let mut tree = with_parent();
    tree.take_actions();
    tree.on_closed(1);
    let actions = tree.take_actions();
    assert!(contains(&actions, &position(true, "us", 0)), "{actions:?}");
    assert!(matches!(actions[0], Action::ParentLost { .. }));
    tree.on_possible_parents(offer(&["anna"]), Instant::now());
    assert!(matches!(tree.take_actions()[..], [Action::Dial(_)]));
}

#[test]
fn a_silent_parent_is_kept_until_another_delivers() {
    let mut tree = with_parent();
    tree.take_actions();
    let later = Instant::now() + SILENCE + Duration::from_secs(1);
    tree.on_tick(later);
    let actions = tree.take_actions();
    assert!(
        actions.contains(&Action::Server(ServerRequest::HaveNoParent(true))),
        "{actions:?}"
    );
    assert!(!actions.contains(&Action::Close(1)), "{actions:?}");

    tree.on_possible_parents(offer(&["anna", "bert"]), Instant::now());
    tree.on_dialled("bert", Some(2), later);
    tree.on_level(2, 0);
    assert_eq!(tree.on_search(2, later), Verdict::Take { forward: true });
    assert!(tree.take_actions().contains(&Action::Close(1)));
    assert_eq!((tree.level(), tree.root()), (1, "bert"));
}

#[test]
fn a_silent_parent_that_speaks_again_stays() {
    let mut tree = with_parent();
    let later = Instant::now() + SILENCE + Duration::from_secs(1);
    tree.on_tick(later);
    tree.on_possible_parents(offer(&["bert"]), Instant::now());
    tree.on_dialled("bert", Some(2), later);
    tree.take_actions();
    assert_eq!(tree.on_search(1, later), Verdict::Take { forward: true });
    let actions = tree.take_actions();
    assert!(actions.contains(&Action::Close(2)), "{actions:?}");
    assert!(
        actions.contains(&Action::Server(ServerRequest::HaveNoParent(false))),
        "{actions:?}"
    );
    assert!(tree.has_parent());
}

#[test]
fn searches_from_the_server_make_a_root() {
    let mut tree = tree();
    tree.on_speed(1_000_000);
    assert_eq!(
        tree.on_server_search(Instant::now()),
        Verdict::Take { forward: true }
    );
    let actions = tree.take_actions();
    assert_eq!(
        actions,
        [
            Action::BecameRoot,
            Action::Server(ServerRequest::AcceptChildren(true))
        ]
    );
    tree.on_incoming("kid", 7);
    assert_eq!(
        tree.take_actions(),
        [
            Action::Send(7, DistributedMessage::BranchLevel(0)),
            Action::Send(7, DistributedMessage::BranchRoot("us".into())),
        ]
    );
}

#[test]
fn with_a_parent_searches_from_the_server_are_recorded_and_not_passed_on() {
    let mut tree = with_parent();
    assert_eq!(
        tree.on_server_search(Instant::now()),
        Verdict::Take { forward: false }
    );
    assert!(!tree.is_root());
}

#[test]
fn children_are_counted_by_speed() {
    for (speed, min_speed, ratio, limit) in [
        (0, 1, 50, 0),
        (5_119, 5, 50, 0),
        (5_120, 5, 50, 1),
        (1_000_000, 1, 50, 10),
        (9_999, 1, 0, 0),
    ] {
        let mut tree = tree();
        tree.on_speed(speed);
        tree.on_min_speed(min_speed);
        tree.on_speed_ratio(ratio);
        assert_eq!(
            tree.child_limit(),
            limit,
            "speed {speed} min {min_speed} ratio {ratio}"
        );
    }
}

#[test]
fn children_are_refused_without_a_feed_and_when_full() {
    let mut tree = tree();
    tree.on_speed(10_000);
    tree.on_incoming("early", 5);
    assert_eq!(tree.take_actions(), [Action::Close(5)]);
    tree.on_server_search(Instant::now());
    tree.on_incoming("one", 6);
    tree.on_incoming("one", 7);
    tree.on_incoming("two", 8);
    tree.take_actions();
    tree.on_incoming("three", 9);
    assert_eq!(tree.take_actions(), [Action::Close(9)]);
    assert_eq!(tree.children().count(), 2);
    tree.on_closed(6);
    assert_eq!(
        tree.take_actions(),
        [Action::Server(ServerRequest::AcceptChildren(true))]
    );
}

#[test]
fn a_parent_that_moves_takes_its_children_along() {
    let mut tree = with_parent();
    tree.on_speed(1_000_000);
    tree.on_incoming("kid", 7);
    tree.take_actions();
    tree.on_level(1, 4);
    let actions = tree.take_actions();
    assert!(
        contains(&actions, &position(false, "rooty", 5)),
        "{actions:?}"
    );
    assert!(
        actions.contains(&Action::Send(7, DistributedMessage::BranchLevel(5))),
        "{actions:?}"
    );
}

#[test]
fn a_lost_parent_leaves_the_children_at_level_zero() {
    let mut tree = with_parent();
    tree.on_speed(1_000_000);
    tree.on_incoming("kid", 7);
    tree.take_actions();
    tree.on_closed(1);
    let actions = tree.take_actions();
    assert!(
        actions.contains(&Action::Send(7, DistributedMessage::BranchLevel(0))),
        "{actions:?}"
    );
    assert!(
        actions.contains(&Action::Server(ServerRequest::AcceptChildren(false))),
        "{actions:?}"
    );
}

#[test]
fn broken_neighbours_are_closed() {
    type Case = (&'static str, fn(&mut Tree));
    let cases: [Case; 5] = [
        ("level -1", |tree| tree.on_level(1, -1)),
        ("level out of reason", |tree| tree.on_level(1, i32::MAX)),
        ("empty root", |tree| tree.on_root(1, "")),
        ("a root that is us", |tree| tree.on_root(1, "us")),
        ("a level from a stranger", |tree| tree.on_level(99, 1)),
    ];
    for (what, case) in cases {
        let mut tree = with_parent();
        tree.take_actions();
        case(&mut tree);
        let closed = if what.contains("stranger") { 99 } else { 1 };
        assert!(
            tree.take_actions().contains(&Action::Close(closed)),
            "{what}"
        );
    }
}

#[test]
fn a_search_from_a_child_ends_its_connection() {
    let mut tree = with_parent();
    tree.on_speed(1_000_000);
    tree.on_incoming("kid", 7);
    tree.take_actions();
    assert_eq!(tree.on_search(7, Instant::now()), Verdict::Ignore);
    assert!(tree.take_actions().contains(&Action::Close(7)));
    assert!(tree.has_parent());
}

#[test]
fn a_reset_drops_everyone() {
    let mut tree = with_parent();
    tree.on_speed(1_000_000);
    tree.on_incoming("kid", 7);
    tree.take_actions();
    tree.on_reset();
    let actions = tree.take_actions();
    assert!(
        actions.contains(&Action::Close(1)) && actions.contains(&Action::Close(7)),
        "{actions:?}"
    );
    assert!(contains(&actions, &position(true, "us", 0)), "{actions:?}");
}

#[test]
fn candidates_that_say_nothing_are_dropped_and_quiet_ones_kept() {
    let mut tree = tree();
    tree.on_possible_parents(offer(&["mute", "quiet"]), Instant::now());
    let start = Instant::now();
    tree.on_dialled("mute", Some(1), start);
    tree.on_dialled("quiet", Some(2), start);
    tree.on_level(2, 0);
    tree.take_actions();
    tree.on_tick(start + CANDIDATE + Duration::from_secs(1));
    assert_eq!(tree.take_actions(), [Action::Close(1)]);
    assert_eq!(
        tree.on_search(2, Instant::now()),
        Verdict::Take { forward: true }
    );
}

#[test]
fn a_login_repeats_where_we_stand() {
    let mut tree = with_parent();
    tree.take_actions();
    tree.on_server_lost();
    tree.on_login();
    let actions = tree.take_actions();
    assert!(
        contains(&actions, &position(false, "rooty", 3)),
        "{actions:?}"
    );
}

#[test]
fn ten_quiet_candidates_make_room_for_others_in_time() {
    let mut tree = tree();
    let start = Instant::now();
    let names: Vec<String> = (0..10).map(|number| format!("quiet-{number}")).collect();
    tree.on_possible_parents(
        offer(&names.iter().map(String::as_str).collect::<Vec<_>>()),
        start,
    );
    for (id, name) in (0..).zip(&names) {
        tree.on_dialled(name, Some(id), start);
        tree.on_level(id, 0);
    }
    tree.take_actions();
    tree.on_possible_parents(offer(&["good"]), start);
    assert_eq!(tree.take_actions(), [], "they have just come");
    tree.on_possible_parents(offer(&["good"]), start + CANDIDATE + Duration::from_secs(1));
    let actions = tree.take_actions();
    assert!(
        matches!(actions[..], [Action::Close(_), Action::Dial(_)]),
        "{actions:?}"
    );
}
