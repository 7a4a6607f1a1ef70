//! Deleting one thing, whatever it is.

use std::time::Duration;

use backon::{ConstantBuilder, Retryable};
use fleet_hetzner::{Action, Client, ErrorCode, Target};
use tokio::time::Instant;

use super::change::Kind;
use super::step_error::StepError;

/// How long an action of a deletion may take.
const DEADLINE: Duration = Duration::from_mins(5);
/// What is in use is let go within seconds of the end of its user.
const AGAIN: Duration = Duration::from_secs(1);
const TIMES: usize = 30;

/// Deletes it and waits until it is gone. What is gone already is a success.
pub(super) async fn delete(client: &Client, kind: Kind, id: i64) -> Result<(), StepError> {
    let attempt = || async {
        release(client, kind, id).await?;
        once(client, kind, id).await
    };
    let pace = ConstantBuilder::default()
        .with_delay(AGAIN)
        .with_max_times(TIMES);
    attempt.retry(pace).when(is_in_use).await
}

async fn once(client: &Client, kind: Kind, id: i64) -> Result<(), StepError> {
    let done = match kind {
        Kind::Server => client.servers().delete(id).await,
        Kind::SshKey => client.ssh_keys().delete(id).await,
        Kind::Network => client.networks().delete(id).await,
        Kind::PlacementGroup => client.placement_groups().delete(id).await,
        Kind::Firewall => client.firewalls().delete(id).await,
        Kind::Volume => client.volumes().delete(id).await,
        Kind::PrimaryIp => client.primary_ips().delete(id).await,
    };
    let action = done.map_err(|error| {
        if error.code() == Some(&ErrorCode::Protected) {
            StepError::Protected
        } else {
            error.into()
        }
    })?;
    wait(client, action.as_slice()).await
}

/// Takes it away from what it is applied or attached to.
async fn release(client: &Client, kind: Kind, id: i64) -> Result<(), StepError> {
    match kind {
        Kind::Firewall => {
            let Some(firewall) = client.firewalls().get(id).await? else {
                return Ok(());
            };
            if firewall.applied_to.is_empty() {
                return Ok(());
            }
            let targets: Vec<Target> = firewall
                .applied_to
                .into_iter()
                .map(|to| to.target)
                .collect();
            let actions = client.firewalls().remove_from(id, &targets).await?;
            wait(client, &actions).await
        }
        Kind::Volume => {
            let Some(volume) = client.volumes().get(id).await? else {
                return Ok(());
            };
            if volume.server.is_none() {
                return Ok(());
            }
            let action = client.volumes().detach(id).await?;
            wait(client, &[action]).await
        }
        _ => Ok(()),
    }
}

async fn wait(client: &Client, actions: &[Action]) -> Result<(), StepError> {
    Ok(client
        .actions()
        .wait(actions, Instant::now() + DEADLINE)
        .await?)
}

/// Whether it is only a matter of seconds.
fn is_in_use(error: &StepError) -> bool {
    let StepError::Api(error) = error else {
        return false;
    };
    matches!(
        error.code(),
        Some(
            ErrorCode::ResourceInUse
                | ErrorCode::MustBeUnassigned
                | ErrorCode::Conflict
                | ErrorCode::Locked
        )
    )
}
