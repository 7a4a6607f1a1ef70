//! Deleting one thing, whatever it is.

use std::time::Duration;

use backon::{ConstantBuilder, Retryable};
use fleet_hetzner::{Action, Client, Error, ErrorCode};

use super::plan::Kind;
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
    let pace = ConstantBuilder::default().with_delay(AGAIN).with_max_times(TIMES);
    attempt.retry(pace).when(is_in_use).await
}

async fn once(client: &Client, kind: Kind, id: i64) -> Result<(), StepError> {
    let done = match kind {
        Kind::Server => match client.servers().delete(id).await {
            Ok(action) => return wait(client, action.into_iter().collect()).await,
            Err(error) => Err(error),
        },
        Kind::SshKey => client.ssh_keys().delete(id).await,
        Kind::Network => client.networks().delete(id).await,
        Kind::PlacementGroup => client.placement_groups().delete(id).await,
        Kind::Firewall => client.firewalls().delete(id).await,
        Kind::Volume => client.volumes().delete(id).await,
        Kind::PrimaryIp => client.primary_ips().delete(id).await,
    };
    done.map_err(|error| {
        if error.code() == Some(&ErrorCode::Protected) {
            StepError::Protected
        } else {
            error.into()
        }
    })
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
            let actions = client.firewalls().remove_from(id, &firewall.resources()).await?;
            wait(client, actions).await
        }
        Kind::Volume => {
            let Some(volume) = client.volumes().get(id).await? else {
                return Ok(());
            };
            if volume.server.is_none() {
                return Ok(());
            }
            let action = client.volumes().detach(id).await?;
            wait(client, vec![action]).await
        }
        _ => Ok(()),
    }
}

async fn wait(client: &Client, actions: Vec<Action>) -> Result<(), StepError> {
    Ok(client.actions().wait(&actions, DEADLINE).await?)
}

/// Whether it is only a matter of seconds.
fn is_in_use(error: &StepError) -> bool {
    let StepError::Api(error) = error else {
        return false;
    };
    matches!(
        error.code(),
        Some(ErrorCode::ResourceInUse | ErrorCode::MustBeUnassigned | ErrorCode::Conflict | ErrorCode::Locked)
    )
}

/// Whether somebody else was faster.
#[expect(dead_code, reason = "destroy")]
fn is_gone(error: &Error) -> bool {
    error.code() == Some(&ErrorCode::NotFound)
}
