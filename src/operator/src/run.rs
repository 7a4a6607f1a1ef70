//! The operator as a program: watches, works while it holds the lease, and ends in order.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use fleet_telemetry::readiness::Readiness;
use kube::runtime::events::{Recorder, Reporter};
use kube::{Client, Config};
use kube_lease_manager::LeaseManagerError;
use tokio_util::sync::CancellationToken;

use crate::cluster::{Cluster, Joining};
use crate::fleet::{self, OPERATOR, Scope, Settings};
use crate::keeper::{Keeper, KeeperOptions};
use crate::leader::Lease;
use crate::metrics::Metrics;

/// How long after a look that changed nothing a fleet is looked at again.
const RESYNC: Duration = Duration::from_mins(5);

/// What the operator waits for at its start is looked for at least so often.
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// What can be set.
#[derive(Debug, Clone)]
pub struct Options {
    /// The namespaces whose fleets are looked after; none means all.
    pub namespaces: Vec<String>,
    /// The image of collectors and jobs where a spec names none.
    pub image: String,
    /// Where the lease is; without it there is none, and there must be no other operator.
    pub lease_namespace: Option<String>,
    /// Tells this process from others that want the lease.
    pub identity: String,
    /// How new servers become nodes.
    pub joining: Joining,
    /// What new servers join.
    pub join_address: Option<String>,
    /// Another address of the Hetzner Cloud API.
    pub endpoint: Option<String>,
}

/// Why the operator cannot begin, or go on.
#[derive(Debug, thiserror::Error)]
pub enum OperatorError {
    /// There is no cluster to talk to.
    #[error("no cluster is named")]
    Config(#[source] kube::config::InferConfigError),
    /// There is one, and no way to it.
    #[error("cannot connect to the cluster")]
    Client(#[source] kube::Error),
    /// The lease cannot be sought.
    #[error("cannot look for the lease")]
    Lease(#[source] LeaseManagerError),
    /// Another one has the lease now.
    #[error("the lease is lost")]
    LeaseLost,
}

impl OperatorError {
    /// What a person does about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Config(_) => Some("set KUBECONFIG, or run it in a pod".to_owned()),
            Self::Lease(_) => {
                Some("allow the operator to create and patch leases in its namespace".to_owned())
            }
            Self::LeaseLost => Some("it begins anew when it is started again".to_owned()),
            Self::Client(_) => None,
        }
    }
}

/// The operator.
#[derive(Debug)]
pub struct Operator {
    options: Options,
    metrics: Metrics,
}

impl Operator {
    /// Nothing is sent yet.
    pub fn new(options: Options, metrics: Metrics) -> Self {
        Self { options, metrics }
    }

    /// Ready is who works, or stands by for the one that does.
    pub fn register_readiness(&self, readiness: &Readiness, begun: &Arc<AtomicBool>) {
        let begun = Arc::clone(begun);
        readiness.add("cluster", move || {
            let begun = begun.load(Ordering::Relaxed);
            (!begun).then(|| "the cluster has not been seen yet".to_owned())
        });
    }

    /// Works until it is cancelled, or the lease is lost.
    pub async fn run(
        self,
        begun: Arc<AtomicBool>,
        cancelled: CancellationToken,
    ) -> Result<(), OperatorError> {
        let Self { options, metrics } = self;
        let config = Config::infer().await.map_err(OperatorError::Config)?;
        let server = config.cluster_url.to_string();
        let client = fleet::client(config, metrics.clone()).map_err(OperatorError::Client)?;
        tokio::select! {
            () = until_known(&client, &options.namespaces) => {}
            () = cancelled.cancelled() => return Ok(()),
        }
        begun.store(true, Ordering::Relaxed);

        let mut lease = match &options.lease_namespace {
            Some(namespace) => {
                let lease = Lease::seek(client.clone(), namespace, &options.identity).await;
                Some(lease.map_err(OperatorError::Lease)?)
            }
            None => None,
        };
        if let Some(lease) = &mut lease {
            tokio::select! {
                () = lease.taken() => {}
                () = cancelled.cancelled() => {
                    tracing::info!("stopped while standing by");
                    return Ok(());
                }
            }
        }
        tracing::info!(server, "this operator works");
        metrics.leads(true);

        let stop = cancelled.child_token();
        let working = work(&client, &server, &options, &metrics, stop.clone());
        let result = match &lease {
            None => {
                working.await;
                Ok(())
            }
            Some(held) => tokio::select! {
                () = working => Ok(()),
                // Another one may work already: nothing is finished, everything is dropped.
                () = held.lost() => Err(OperatorError::LeaseLost),
            },
        };
        metrics.leads(false);
        if let (Some(lease), Ok(())) = (lease, &result) {
            lease.release().await;
        }
        result
    }
}

/// Waits until fleets can be listed: the definition may be installed after the operator, and so may its rights.
async fn until_known(client: &Client, namespaces: &[String]) {
    let mut said = String::new();
    let mut failures = 0;
    while let Err(error) = fleet::check_definition(client, namespaces).await {
        let error = error.to_string();
        if said != error {
            tracing::warn!(
                hint = "install the definition: fleetctl crd | kubectl apply --server-side -f -; and let the operator \
                        list researchcollectors",
                "the cluster does not know ResearchCollectors yet, waiting: {error}"
            );
            said = error;
        }
        tokio::time::sleep(fleet::pause(failures).min(LONGEST_WAIT)).await;
        failures += 1;
    }
}

async fn work(
    client: &Client,
    server: &str,
    options: &Options,
    metrics: &Metrics,
    stop: CancellationToken,
) {
    let Options {
        namespaces,
        image,
        lease_namespace: _,
        identity,
        joining,
        join_address,
        endpoint,
    } = options;
    let keeper = Keeper::new(
        Cluster::new(client.clone(), server),
        KeeperOptions {
            joining: *joining,
            join_address: join_address.clone(),
            endpoint: endpoint.clone(),
            answered: Some(Arc::new({
                let metrics = metrics.clone();
                move |writes, status| metrics.called("hetzner", writes, status)
            })),
            ..KeeperOptions::default()
        },
    );
    let recorder = Recorder::new(
        client.clone(),
        Reporter {
            controller: OPERATOR.to_owned(),
            instance: Some(identity.clone()),
        },
    );
    let settings = Settings {
        image: image.clone(),
        resync: RESYNC,
    };
    let scopes = if namespaces.is_empty() {
        vec![Scope::All]
    } else {
        namespaces.iter().cloned().map(Scope::One).collect()
    };
    let controllers = scopes.into_iter().map(|scope| {
        fleet::run(
            client.clone(),
            scope,
            keeper.clone(),
            recorder.clone(),
            metrics.clone(),
            settings.clone(),
            stop.clone(),
        )
    });
    futures_util::future::join_all(controllers).await;
}
