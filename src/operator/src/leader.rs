//! Which of several operators works: the one that holds the lease.
//! <https://kubernetes.io/docs/concepts/architecture/leases/>

use kube::Client;
use kube_lease_manager::{LeaseManager, LeaseManagerBuilder, LeaseManagerError};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// The lease's name.
const LEASE: &str = "fleet-operator";
/// Seconds that a lease is good for after its holder was last heard of.
const DURATION: u64 = 15;
/// Seconds before its end at which it is renewed.
const GRACE: u64 = 10;

/// The lease, which is given back when this is [released](Lease::release).
pub(crate) struct Lease {
    held: watch::Receiver<bool>,
    work: JoinHandle<Result<LeaseManager, LeaseManagerError>>,
}

impl Lease {
    /// Begins to try for it. `identity` tells this process from others.
    pub(crate) async fn seek(
        client: Client,
        namespace: &str,
        identity: &str,
    ) -> Result<Self, LeaseManagerError> {
        let manager = LeaseManagerBuilder::new(client, LEASE)
            .with_namespace(namespace)
            .with_identity(identity)
            .with_duration(DURATION)
            .with_grace(GRACE)
            .build()
            .await?;
        let (held, work) = manager.watch().await;
        Ok(Self { held, work })
    }

    /// Waits until this process has it.
    pub(crate) async fn taken(&mut self) {
        // The task ends only when nobody listens.
        let _ = self.held.wait_for(|held| *held).await;
    }

    /// Waits until this process no longer has it.
    pub(crate) async fn lost(&self) {
        let mut held = self.held.clone();
        let _ = held.wait_for(|held| !held).await;
    }

    /// Gives it back, so that the next one need not wait for its end.
    pub(crate) async fn release(self) {
        let Self { held, work } = self;
        drop(held);
        match work.await {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => tracing::warn!(%error, "the lease could not be given back"),
            Err(error) => tracing::warn!(%error, "the lease was not given back"),
        }
    }
}
