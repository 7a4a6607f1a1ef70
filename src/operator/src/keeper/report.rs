//! What a tick answers with, in words for people. No secret is in any of them.

use std::collections::{BTreeMap, BTreeSet};

use fleet_api::ServerStatus;
use fleet_api::conditions::reasons;
use fleet_hetzner::{Error, Server};

use super::decide::{Act, Decision, NodeSeen};
use super::error::chain;
use super::kept::{Kept, KeptState, RegionServer, ServerPhase};
use super::picture::Picture;
use super::view;
use crate::cluster::ClusterError;
use crate::servers::{Change, Problem, ServerStep, SetupError, Step, StepError, Wanted};

/// Something that was not done.
#[derive(Debug)]
pub(super) struct Failure {
    /// The server, or what stands around servers.
    name: String,
    reason: &'static str,
    pub(super) message: String,
    /// The cluster cannot be reached: the tick is of no use.
    pub(super) lost: Option<ClusterError>,
}

impl Failure {
    pub(super) fn of(name: &str, reason: &'static str, message: &str) -> Self {
        Self {
            name: name.to_owned(),
            reason,
            message: format!("{name}: {message}"),
            lost: None,
        }
    }

    pub(super) fn of_cluster(name: &str, error: ClusterError) -> Self {
        let failure = Self::of(name, reasons::CLUSTER_ERROR, &chain(&error));
        let lost = matches!(error, ClusterError::Unreachable { .. }).then_some(error);
        Self { lost, ..failure }
    }
}

/// What became of a change that was not made.
pub(super) fn failure(name: &str, error: StepError, change: Option<&Change>) -> Failure {
    match error {
        StepError::Setup(SetupError::Join(error)) => match error.downcast::<ClusterError>() {
            Ok(error) => Failure::of_cluster(name, *error),
            Err(error) => Failure::of(name, reasons::CLUSTER_ERROR, &error.to_string()),
        },
        StepError::Setup(error) => Failure::of(name, reasons::INVALID_SPEC, &chain(&error)),
        StepError::SoldOut { last, .. } => {
            let tried = change.map(offers).unwrap_or_default();
            let message = format!("sold out: {}; last answer: {last}", tried.join(", "));
            Failure::of(name, reasons::NO_OFFER, &message)
        }
        StepError::Api(error) => Failure::of(name, reasons::PROVIDER_ERROR, &words(&error)),
        error => Failure::of(name, reasons::PROVIDER_ERROR, &chain(&error)),
    }
}

/// `cpx11 in ash` for each that was tried.
fn offers(change: &Change) -> Vec<String> {
    let Step::Server { steps, .. } = &change.step else {
        return Vec::new();
    };
    let offers = steps.iter().flat_map(|step| match step {
        ServerStep::Create { offers, .. } => offers.as_slice(),
        _ => &[],
    });
    offers
        .map(|offer| format!("{} in {}", offer.server_type, offer.location))
        .collect()
}

/// Nothing could be learnt, because the provider does not answer as it should.
pub(super) fn provider(error: &Error) -> Kept {
    Kept::unknown(reasons::PROVIDER_ERROR, words(error))
}

fn words(error: &Error) -> String {
    if error.is_unauthorized() {
        return "Hetzner Cloud does not know the API token: make one that may read and write, and put it into the \
                Secret that tokenSecretRef names"
            .to_owned();
    }
    if error.is_forbidden() {
        return "Hetzner Cloud does not allow it with this API token: it has to be one that may read and write"
            .to_owned();
    }
    match error.hint() {
        Some(hint) => format!("{} ({hint})", chain(error)),
        None => chain(error),
    }
}

/// How the fleet's servers are.
pub(super) fn kept(
    spec: &Wanted,
    picture: &Picture,
    decision: &Decision,
    nodes: &BTreeMap<String, NodeSeen>,
    failures: &[Failure],
) -> Kept {
    let servers = view::servers(spec, &picture.found().servers);
    let regions = view::regions(spec).map(|(region, server)| {
        let name = &server.name;
        let there = servers.get(name).copied();
        let node = nodes.get(name);
        let trouble = trouble(name, picture, decision, failures);
        let phase = match (&trouble, there, node) {
            (_, Some(_), Some(node)) if node.ready => ServerPhase::Ready,
            (Some(_), ..) => ServerPhase::Failed,
            (None, None, _) => ServerPhase::Provisioning,
            (None, Some(_), _) => ServerPhase::Joining,
        };
        let outdated = || {
            let is = picture.outdated.contains(name);
            is.then(|| "its set-up has changed, and updatePolicy.servers is Keep".to_owned())
        };
        let server = RegionServer {
            status: there.map(status),
            node: node.and(there).map(|_| name.clone()),
            phase,
            message: trouble.or_else(outdated),
        };
        (region.clone(), server)
    });
    Kept {
        servers: regions.collect(),
        state: state(picture, decision, failures),
        monthly: Some(
            picture
                .found()
                .items_with_a_price()
                .into_iter()
                .filter_map(|item| item.monthly)
                .sum(),
        ),
    }
}

fn status(server: &Server) -> ServerStatus {
    ServerStatus {
        id: server.id,
        server_type: server.server_type.name.clone(),
        location: server.location.name.clone(),
        address: server.ipv4().map(|address| address.to_string()),
    }
}

/// What is wrong with one server.
fn trouble(
    name: &str,
    picture: &Picture,
    decision: &Decision,
    failures: &[Failure],
) -> Option<String> {
    if let Some(failure) = failures.iter().find(|failure| failure.name == name) {
        return Some(failure.message.clone());
    }
    let about = |problem: &&Problem| match problem {
        Problem::NoOffer { server, .. } | Problem::NoRescale { server, .. } => server == name,
        _ => false,
    };
    if let Some(problem) = picture.problems.iter().find(about) {
        return Some(problem.to_string());
    }
    let is_down = decision.down.contains(name);
    is_down.then(|| "its node has not been ready for too long".to_owned())
}

/// The worst is told, and all of it that has the same reason.
fn state(picture: &Picture, decision: &Decision, failures: &[Failure]) -> KeptState {
    let mut problems: Vec<(&'static str, String)> = failures
        .iter()
        .map(|failure| (failure.reason, failure.message.clone()))
        .collect();
    if decision.all_down {
        let message = "no region's node is ready, so it is the cluster's network or the way to it, and no server is \
                       replaced";
        problems.push((reasons::NODE_NOT_READY, message.to_owned()));
    }
    let planned = picture.problems.iter();
    problems.extend(planned.map(|problem| {
        let message = format!("{problem} ({})", problem.hint());
        (reason(problem), message)
    }));
    if let Some(&(reason, _)) = problems.first() {
        let same = problems.into_iter().filter(|(of, _)| *of == reason);
        let messages: BTreeSet<String> = same.map(|(_, message)| message).collect();
        let messages: Vec<String> = messages.into_iter().collect();
        return KeptState::Problem {
            reason,
            message: messages.join("; "),
        };
    }
    let mut doing: Vec<String> = decision.acts.iter().filter_map(doing).collect();
    if !picture.around.is_empty() {
        doing.push("firewalls, keys and networks are set up".to_owned());
    }
    doing.extend(decision.waits.iter().cloned());
    if doing.is_empty() {
        down(decision).unwrap_or(KeptState::Ready)
    } else {
        KeptState::InProgress(doing.join("; "))
    }
}

fn down(decision: &Decision) -> Option<KeptState> {
    let names: Vec<&str> = decision.down.iter().map(String::as_str).collect();
    let message = format!("not ready for too long: {}", names.join(", "));
    (!names.is_empty()).then_some(KeptState::Problem {
        reason: reasons::NODE_NOT_READY,
        message,
    })
}

fn reason(problem: &Problem) -> &'static str {
    match problem {
        Problem::NoOffer { .. } | Problem::NoRescale { .. } => reasons::NO_OFFER,
        Problem::VolumeShrinks { .. }
        | Problem::NoSshKey { .. }
        | Problem::ControlPlaneHeld { .. } => reasons::INVALID_SPEC,
    }
}

fn doing(act: &Act) -> Option<String> {
    let name = act.name();
    match act {
        Act::Create(_) => Some(format!("{name} is made")),
        Act::Touch(_) | Act::Disrupt(_) => Some(format!("{name} is changed")),
        Act::Replace(_) => Some(format!("{name} is replaced")),
        Act::Remove(_) => Some(format!("{name} is deleted")),
        Act::Forget(_) => Some(format!("the node of {name} is forgotten")),
        Act::Label(_) | Act::Uncordon(_) => None,
    }
}
