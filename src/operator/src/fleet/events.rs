//! What is told to people as it happens: `kubectl describe` shows it.

use fleet_api::ResearchCollector;
use kube::Resource as _;
use kube::runtime::events::{Event, EventType, Recorder};

/// Kubernetes takes 1 kB.
const LONGEST_NOTE: usize = 1000;

/// Tells it. Nothing depends on whether it arrives.
pub(super) async fn publish(
    recorder: &Recorder,
    fleet: &ResearchCollector,
    action: &str,
    warning: bool,
    reason: &str,
    note: &str,
) {
    let event = Event {
        type_: if warning {
            EventType::Warning
        } else {
            EventType::Normal
        },
        reason: reason.to_owned(),
        note: Some(note.chars().take(LONGEST_NOTE).collect()),
        action: action.to_owned(),
        secondary: None,
    };
    if let Err(error) = recorder.publish(&event, &fleet.object_ref(&())).await {
        tracing::debug!(%error, "cannot publish an event");
    }
}
