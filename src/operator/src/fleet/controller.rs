//! The loop: whatever touches a fleet calls for a look at it.

use std::fmt;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll};
use std::time::Duration;

use fleet_api::ResearchCollector;
use futures_util::future::BoxFuture;
use futures_util::{FutureExt as _, StreamExt as _, stream};
use http::Method;
use kube::Client;
use kube::api::{Api, ListParams};
use kube::client::{Body, ClientBuilder};
use kube::runtime::PredicateConfig;
use kube::runtime::WatchStreamExt as _;
use kube::runtime::controller::{Config, Controller};
use kube::runtime::events::Recorder;
use kube::runtime::reflector::store;
use kube::runtime::watcher::{self, watcher};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_stream::wrappers::UnboundedReceiverStream;
use tokio_util::sync::CancellationToken;
use tower::{Layer, Service};

use super::context::{Context, Settings, Told};
use super::rates::Rates;
use super::reconcile::{reconcile, retry};
use super::servers::Servers;
use super::stores::{Scope, Stores};
use crate::keeper::Keeper;
use crate::metrics::Metrics;

/// Changes that come together are one look.
const DEBOUNCE: Duration = Duration::from_millis(50);
/// Looks at a time.
const AT_A_TIME: u16 = 16;

/// Looks after the fleets of a scope until it is cancelled; looks that have begun are finished.
pub(crate) async fn run(
    client: Client,
    scope: Scope,
    keeper: Keeper,
    recorder: Recorder,
    metrics: Metrics,
    settings: Settings,
    stop: CancellationToken,
) {
    let mut tasks = JoinSet::new();
    let (calls, called) = mpsc::unbounded_channel();
    let stores = Stores::watch(&client, &scope, &calls, &mut tasks);
    let (fleets, writer) = store();
    let api: Api<ResearchCollector> = scope.api(client.clone());
    let told = Arc::new(Told::default());
    let seen = watcher(api, watcher::Config::default())
        .modify(|fleet| fleet.metadata.managed_fields = None)
        .default_backoff()
        .reflect(writer)
        .touched_objects()
        .predicate_filter(
            {
                let told = Arc::clone(&told);
                move |fleet: &ResearchCollector| Some(told.changes(fleet))
            },
            PredicateConfig::default(),
        );
    if stores.wait_until_ready().await.is_err() {
        tracing::error!("the watches have ended before they began");
        return;
    }
    let rates = Arc::new(Rates::default());
    tasks.spawn({
        let (rates, pods, calls) = (Arc::clone(&rates), stores.pods.clone(), calls.clone());
        async move { rates.watch(pods, calls).await }
    });
    let servers = Servers::new(
        keeper,
        fleets.clone(),
        stores.nodes.clone(),
        calls,
        recorder.clone(),
    );
    let context = Arc::new(Context::new(
        client,
        stores,
        fleets.clone(),
        told,
        rates,
        servers,
        metrics,
        settings,
        recorder,
    ));
    let config = Config::default().debounce(DEBOUNCE).concurrency(AT_A_TIME);
    let called = UnboundedReceiverStream::new(called).flat_map({
        let context = Arc::clone(&context);
        move |call| stream::iter(context.called(call))
    });
    Controller::for_stream(seen, fleets)
        .with_config(config)
        .reconcile_on(called)
        .graceful_shutdown_on(stop.cancelled_owned())
        .run(reconcile, retry, Arc::clone(&context))
        .for_each(|looked| async move {
            if let Err(error) = looked {
                tracing::debug!(%error, "a look ended early");
            }
        })
        .await;
    context.servers.stop().await;
}

/// Whether fleets can be listed.
pub(crate) async fn check_definition(client: &Client, namespaces: &[String]) -> kube::Result<()> {
    let one = ListParams::default().limit(1);
    if namespaces.is_empty() {
        let fleets: Api<ResearchCollector> = Api::all(client.clone());
        fleets.list_metadata(&one).await?;
    }
    for namespace in namespaces {
        let fleets: Api<ResearchCollector> = Api::namespaced(client.clone(), namespace);
        fleets.list_metadata(&one).await?;
    }
    Ok(())
}

/// A client whose calls are counted.
pub(crate) fn client(config: kube::Config, metrics: Metrics) -> kube::Result<Client> {
    let builder = ClientBuilder::try_from(config)?;
    Ok(builder.with_layer(&Counted(metrics)).build())
}

#[derive(Clone)]
struct Counted(Metrics);

impl<S> Layer<S> for Counted {
    type Service = Counting<S>;

    fn layer(&self, inner: S) -> Counting<S> {
        Counting {
            inner,
            metrics: self.0.clone(),
        }
    }
}

/// Counts calls by their outcome.
#[derive(Clone)]
struct Counting<S> {
    inner: S,
    metrics: Metrics,
}

impl<S> fmt::Debug for Counting<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Counting").finish_non_exhaustive()
    }
}

impl<S, B> Service<http::Request<Body>> for Counting<S>
where
    S: Service<http::Request<Body>, Response = http::Response<B>>,
    S::Future: Send + 'static,
    B: 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = BoxFuture<'static, Result<S::Response, S::Error>>;

    fn poll_ready(&mut self, task: &mut TaskContext<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(task)
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let metrics = self.metrics.clone();
        let writes = !matches!(*request.method(), Method::GET | Method::HEAD);
        let answer = self.inner.call(request);
        async move {
            let answer = answer.await;
            let status = answer.as_ref().ok().map(|answer| answer.status().as_u16());
            metrics.called("kubernetes", writes, status);
            answer
        }
        .boxed()
    }
}
