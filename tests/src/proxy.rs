//! A proxy on loopback before an API server of Kubernetes, or the simulated cloud, that can do harm at any single
//! call: refuse it, cut the line before or after, delay it, hold it while the test does something, or serve what is
//! old.

mod answers;
mod forward;
mod harm;
mod log;
mod stale;

use std::{fmt, net::Ipv4Addr, sync::Arc};

use anyhow::{Context, Result};
use http::HeaderValue;
use hyper::{server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use kube::Config;
use serde_json::json;
use tokio::{net::TcpListener, sync::watch, task::JoinSet};
use tokio_util::task::AbortOnDropHandle;

use self::{
    forward::{Kind, Upstream},
    harm::Plan,
    log::Log,
    stale::Stale,
};
pub use self::{
    harm::{At, Harm, Held, Hold, Moment},
    log::Call,
};
use crate::kube::Kubernetes;

/// A running proxy. It ends when it is dropped, with all its connections.
pub struct Proxy {
    port: u16,
    shared: Arc<Shared>,
    _serving: AbortOnDropHandle<()>,
}

/// What the connections share.
struct Shared {
    upstream: Upstream,
    log: Log,
    plan: Plan,
    stale: Stale,
    frozen: watch::Sender<bool>,
}

impl fmt::Debug for Proxy {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Proxy")
            .field("port", &self.port)
            .finish_non_exhaustive()
    }
}

impl Proxy {
    /// Before an API server. Whoever calls is its administrator, or this user: of an account the name is
    /// `system:serviceaccount:NAMESPACE:NAME`, and its groups are added.
    pub async fn in_front_of_kubernetes(
        cluster: &Kubernetes,
        as_user: Option<&str>,
    ) -> Result<Self> {
        let user = as_user.map(HeaderValue::from_str).transpose()?;
        let config = cluster.config().await?;
        let upstream = Upstream::new(&config, Kind::Kubernetes, user)?;
        Self::start(upstream).await
    }

    /// Before the simulated cloud, or whatever else is behind this URL. What it has for a path belongs to the URL of
    /// the calls: before `http://HOST:PORT` the endpoint is [`url`](Self::url) with `/v1`.
    pub async fn in_front_of(url: &str) -> Result<Self> {
        let config = Config::new(url.parse().with_context(|| format!("not a URL: {url}"))?);
        Self::start(Upstream::new(&config, Kind::Cloud, None)?).await
    }

    async fn start(upstream: Upstream) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let port = listener.local_addr()?.port();
        let shared = Arc::new(Shared {
            upstream,
            log: Log::default(),
            plan: Plan::default(),
            stale: Stale::default(),
            frozen: watch::Sender::new(false),
        });
        let serving = tokio::spawn(serve(listener, Arc::clone(&shared)));
        Ok(Self {
            port,
            shared,
            _serving: AbortOnDropHandle::new(serving),
        })
    }

    /// Where it listens.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// A kubeconfig for what calls through it. It holds no secret: the proxy has them.
    pub fn kubeconfig(&self) -> String {
        json!({
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "proxy",
            "contexts": [{"name": "proxy", "context": {"cluster": "proxy", "user": "anybody"}}],
            "clusters": [{"name": "proxy", "cluster": {"server": self.url()}}],
            "users": [{"name": "anybody", "user": {}}],
        })
        .to_string()
    }

    /// The calls in the order in which they came.
    pub fn calls(&self) -> Vec<Call> {
        self.shared.log.calls()
    }

    /// Forgets the calls, not the harm that is to come.
    pub fn forget(&self) {
        self.shared.log.forget();
    }

    /// Does this to a call. Several may be planned: the first that meets a call is done to it, and only that one.
    pub fn harm(&self, at: At, harm: Harm) {
        self.shared.plan.add(at, harm);
    }

    /// Does no more harm, except to the calls that are on their way.
    pub fn heal(&self) {
        self.shared.plan.clear();
    }

    /// While it is frozen, watches say nothing, and a list is answered with what the same URL gave before the freeze.
    /// A list that was never asked for is fresh, and so is a single object.
    pub fn freeze_watches(&self, frozen: bool) {
        // Lists first: one that is asked for in between is not kept as if it were of before.
        self.shared.stale.freeze(frozen);
        self.shared.frozen.send_replace(frozen);
    }
}

async fn serve(listener: TcpListener, shared: Arc<Shared>) {
    // Ends with this task.
    let mut lines = JoinSet::new();
    loop {
        let Ok((line, _)) = listener.accept().await else {
            continue;
        };
        // Small answers at once.
        let _ = line.set_nodelay(true);
        let shared = Arc::clone(&shared);
        lines.spawn(async move {
            let service = service_fn(move |request| forward::handle(Arc::clone(&shared), request));
            // Ends with an error where the line is cut.
            let _ = http1::Builder::new()
                .serve_connection(TokioIo::new(line), service)
                .await;
        });
        // Those that have ended.
        while lines.try_join_next().is_some() {}
    }
}
