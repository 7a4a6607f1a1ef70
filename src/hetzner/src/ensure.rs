//! Making what should be there, once: look up, create, look up again, adopt.
//!
//! The API has no idempotency keys; what keeps a request from having its effect twice is that names are
//! unique in a project. An answer that never came says nothing about the effect, which may even come
//! later. So whoever does not know looks, and takes over what carries the name if it is ours.

use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};
use tokio::time::sleep;
use tracing::info;

use crate::actions::Action;
use crate::api::{Api, Create, Created, Managed};
use crate::error::Error;

/// How often it is tried to create one; each time it is looked for first.
const ATTEMPTS: usize = 3;

/// What is there now.
#[derive(Debug)]
#[non_exhaustive]
pub struct Ensured<T> {
    /// As it was last seen.
    pub resource: T,
    /// Whether it was made now. It may be that an earlier, lost request made what is found.
    pub created: bool,
    /// What to wait for until it is ready.
    pub actions: Vec<Action>,
}

/// Between two looks for an effect that may come late: 0.5, 1, 2 and 4 s, and as much again by chance.
fn pauses() -> ExponentialBuilder {
    ExponentialBuilder::default()
        .with_min_delay(Duration::from_millis(500))
        .with_max_times(4)
        .with_jitter()
}

impl<T: Managed> Api<T> {
    /// Makes one, unless there is one with its name; that is adopted if `ours` says so.
    ///
    /// Something else with the name is [`Error::NameTaken`]. What exists is not compared with what is wanted.
    pub async fn ensure(
        &self,
        wanted: &T::Create,
        ours: impl Fn(&T) -> bool,
    ) -> Result<Ensured<T>, Error> {
        match self.by_name(wanted.name()).await? {
            Some(found) => adopt(found, ours),
            None => self.ensure_absent(wanted, ours).await,
        }
    }

    /// The same for a name that was not there a moment ago, as a list told: it saves a request.
    pub async fn ensure_absent(
        &self,
        wanted: &T::Create,
        ours: impl Fn(&T) -> bool,
    ) -> Result<Ensured<T>, Error> {
        let mut attempt = 1;
        loop {
            let failure = match self.create(wanted).await {
                Ok(Created {
                    resource, actions, ..
                }) => {
                    return Ok(Ensured {
                        resource,
                        created: true,
                        actions,
                    });
                }
                Err(error) => error,
            };
            if !failure.is_uncertain() && !failure.is_name_taken() {
                return Err(failure);
            }
            info!(kind = T::KIND, name = wanted.name(), error = %failure, "looking whether it was made");
            if let Some(found) = self.appears(wanted.name()).await? {
                let adopted = adopt(found, &ours)?;
                let actions = self.running_actions(adopted.resource.id()).await?;
                return Ok(Ensured { actions, ..adopted });
            }
            if failure.is_name_taken() || attempt == ATTEMPTS {
                return Err(failure);
            }
            attempt += 1;
        }
    }

    /// Looks a few times, because an effect may come late.
    async fn appears(&self, name: &str) -> Result<Option<T>, Error> {
        for pause in pauses().build() {
            if let Some(found) = self.by_name(name).await? {
                return Ok(Some(found));
            }
            sleep(pause).await;
        }
        self.by_name(name).await
    }
}

fn adopt<T: Managed>(found: T, ours: impl Fn(&T) -> bool) -> Result<Ensured<T>, Error> {
    if !ours(&found) {
        return Err(Error::NameTaken {
            kind: T::KIND,
            name: found.name().to_owned(),
            id: found.id(),
        });
    }
    Ok(Ensured {
        resource: found,
        created: false,
        actions: Vec::new(),
    })
}
