//! Random walks: whatever happens in whatever order, what the others believe of us stays true.

use std::collections::HashMap;
use std::net::Ipv4Addr;

use proptest::prelude::*;

use super::*;

const NAMES: [&str; 6] = ["us", "anna", "bert", "carl", "dora", "emil"];

#[derive(Debug, Clone)]
enum Step {
    Login,
    ServerLost,
    Offer(Vec<usize>),
    Dialled(usize, bool),
    Incoming(usize),
    ServerSearch,
    Search(LinkId),
    Level(LinkId, i32),
    Root(LinkId, usize),
    Closed(LinkId),
    Reset,
    Speed(u32),
    Wait(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let name = || 1..NAMES.len();
    let link = || 0..12_u64;
    prop_oneof![
        Just(Step::Login),
        Just(Step::ServerLost),
        prop::collection::vec(0..NAMES.len(), 0..5).prop_map(Step::Offer),
        (name(), any::<bool>()).prop_map(|(name, works)| Step::Dialled(name, works)),
        name().prop_map(Step::Incoming),
        Just(Step::ServerSearch),
        link().prop_map(Step::Search),
        (link(), -1..4_i32).prop_map(|(link, level)| Step::Level(link, level)),
        (link(), 0..NAMES.len()).prop_map(|(link, name)| Step::Root(link, name)),
        link().prop_map(Step::Closed),
        Just(Step::Reset),
        prop_oneof![Just(0), Just(10_000), Just(1_000_000)].prop_map(Step::Speed),
        (0..90_u64).prop_map(Step::Wait),
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
        ),
        Step::Dialled(name, works) => tree.on_dialled(NAMES[name], works.then(&mut fresh), *now),
        Step::Incoming(name) => tree.on_incoming(NAMES[name], fresh()),
        Step::ServerSearch => {
            tree.on_server_search(*now);
        }
        Step::Search(link) => {
            let verdict = tree.on_search(link, *now);
            let from_parent = tree.parent == Some(link);
            assert_eq!(
                verdict != Verdict::Ignore,
                from_parent,
                "only a parent's searches count"
            );
        }
        Step::Level(link, level) => tree.on_level(link, level),
        Step::Root(link, name) => tree.on_root(link, NAMES[name]),
        Step::Closed(link) => tree.on_closed(link),
        Step::Reset => tree.on_reset(),
        Step::Speed(speed) => tree.on_speed(speed),
        Step::Wait(seconds) => {
            *now += Duration::from_secs(seconds);
            tree.on_tick(*now);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_others_believe_of_us_is_true(steps in prop::collection::vec(step(), 1..60)) {
        let mut now = Instant::now();
        let mut tree = Tree::new("us".to_owned(), Duration::from_secs(60), Duration::from_secs(30), 3, now);
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
