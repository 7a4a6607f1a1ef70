//! Random walks: whatever happens in whatever order, what the others believe of us stays true.

use std::collections::HashMap;
use std::net::Ipv4Addr;

use proptest::prelude::*;

use super::*;

const STRANGER: LinkId = 1_000_000;
const NAMES: [&str; 6] = ["us", "anna", "bert", "carl", "dora", "emil"];

#[derive(Debug, Clone)]
enum Step {
    Login,
    ServerLost,
    Offer(Vec<usize>),
    Dialled(usize, bool),
    Incoming(usize),
    ServerSearch,
    Search(usize),
    Level(usize, i32),
    Root(usize, usize),
    Closed(usize),
    Reset,
    Speed(u32),
    Wait(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let name = || 1..NAMES.len();
    let link = || 0..24_usize;
    // What a tree grows by comes more often than what ends it.
    prop_oneof![
        1 => Just(Step::Login),
        1 => Just(Step::ServerLost),
        4 => prop::collection::vec(0..NAMES.len(), 0..5).prop_map(Step::Offer),
        8 => (name(), prop::bool::weighted(0.9)).prop_map(|(name, works)| Step::Dialled(name, works)),
        6 => name().prop_map(Step::Incoming),
        2 => Just(Step::ServerSearch),
        8 => link().prop_map(Step::Search),
        8 => (link(), prop_oneof![9 => 0..4_i32, 1 => Just(-1)])
            .prop_map(|(link, level)| Step::Level(link, level)),
        3 => (link(), 0..NAMES.len()).prop_map(|(link, name)| Step::Root(link, name)),
        2 => link().prop_map(Step::Closed),
        1 => Just(Step::Reset),
        2 => prop_oneof![1 => Just(0), 1 => Just(10_000), 3 => Just(1_000_000)].prop_map(Step::Speed),
        2 => (0..90_u64).prop_map(Step::Wait),
    ]
}

/// What the server and the neighbours have been told.
#[derive(Debug, Default)]
struct Told {
    looking: Option<bool>,
    level: Option<u32>,
    root: Option<String>,
    accepting: Option<bool>,
    children: HashMap<LinkId, (Option<i32>, Option<String>)>,
}

impl Told {
    fn hear(&mut self, action: Action) {
        match action {
            Action::Server(ServerRequest::HaveNoParent(looking)) => self.looking = Some(looking),
            Action::Server(ServerRequest::BranchLevel(level)) => self.level = Some(level),
            Action::Server(ServerRequest::BranchRoot(root)) => {
                self.root = Some(root.decode().into_owned());
            }
            Action::Server(ServerRequest::AcceptChildren(accept)) => self.accepting = Some(accept),
            Action::Send(id, DistributedMessage::BranchLevel(level)) => {
                self.children.entry(id).or_default().0 = Some(level);
            }
            Action::Send(id, DistributedMessage::BranchRoot(root)) => {
                let told = self.children.entry(id).or_default();
                assert!(told.0.is_some(), "a child hears of its level first");
                told.1 = Some(root.decode().into_owned());
            }
            Action::Close(id) => {
                self.children.remove(&id);
            }
            _ => {}
        }
    }
}

fn carry_out(tree: &mut Tree, step: Step, now: &mut Instant, next: &mut LinkId) {
    let address = Ipv4Addr::LOCALHOST;
    // Mostly somebody above us, sometimes a child, now and then a stranger.
    let mut known: Vec<_> = tree.links.keys().copied().collect();
    known.sort_unstable();
    let above: Vec<_> = known
        .iter()
        .copied()
        .filter(|id| !matches!(tree.links[id].role, Role::Child))
        .collect();
    let link = |index: usize| {
        let group = if index.is_multiple_of(4) {
            &known
        } else {
            &above
        };
        if index == 0 || group.is_empty() {
            STRANGER
        } else {
            group[index % group.len()]
        }
    };
    let mut fresh = || {
        *next += 1;
        *next
    };
    match step {
        Step::Login => tree.on_login(),
        Step::ServerLost => tree.on_server_lost(),
        Step::Offer(names) => tree.on_possible_parents(
            names
                .into_iter()
                .map(|name| PossibleParent {
                    username: NAMES[name].into(),
                    address,
                    port: 1,
                })
                .collect(),
            *now,
        ),
        Step::Dialled(name, works) => tree.on_dialled(NAMES[name], works.then(&mut fresh), *now),
        Step::Incoming(name) => tree.on_incoming(NAMES[name], fresh()),
        Step::ServerSearch => {
            tree.on_server_search(*now);
        }
        Step::Search(index) => {
            let link = link(index);
            let verdict = tree.on_search(link, *now);
            let from_parent = tree.parent == Some(link);
            assert_eq!(
                verdict != Verdict::Ignore,
                from_parent,
                "only a parent's searches count"
            );
        }
        Step::Level(index, level) => tree.on_level(link(index), level),
        Step::Root(index, name) => tree.on_root(link(index), NAMES[name]),
        Step::Closed(index) => tree.on_closed(link(index)),
        Step::Reset => tree.on_reset(),
        Step::Speed(speed) => tree.on_speed(speed),
        Step::Wait(seconds) => {
            *now += Duration::from_secs(seconds);
            tree.on_tick(*now);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_others_believe_of_us_is_true(steps in prop::collection::vec(step(), 1..150)) {
        let mut now = Instant::now();
        let mut tree = Tree::new("us".to_owned(), Duration::from_mins(1), Duration::from_secs(30), 3, now);
        let (mut told, mut next) = (Told::default(), 0);
        for step in std::iter::once(Step::Login).chain(steps) {
            carry_out(&mut tree, step, &mut now, &mut next);
            for action in tree.take_actions() {
                if let Action::Dial(candidate) = &action {
                    let name = candidate.username.decode();
                    prop_assert!(name != "us" && !tree.links.values().any(|link| link.username == name));
                }
                told.hear(action);
            }
            prop_assert_eq!(told.looking, Some(!tree.has_parent()));
            prop_assert_eq!(told.level, Some(tree.level()));
            prop_assert_eq!(told.root.as_deref(), Some(tree.root()));
            prop_assert_eq!(told.accepting, Some(tree.accepting));
            for id in tree.children() {
                let level = i32::try_from(tree.level()).unwrap();
                let heard = told.children.get(&id).cloned().unwrap_or_default();
                prop_assert_eq!(heard, (Some(level), Some(tree.root().to_owned())));
            }
            let mut names: Vec<_> = tree.links.values().map(|link| &link.username).collect();
            names.sort_unstable();
            names.dedup();
            prop_assert_eq!(names.len(), tree.links.len(), "one connection a user");
            let parents = tree.links.values().filter(|link| matches!(link.role, Role::Parent)).count();
            prop_assert_eq!(parents, usize::from(tree.parent.is_some()));
        }
    }
}
