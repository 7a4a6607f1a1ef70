//! How the operator keeps a fleet's servers: the simulated cloud, and a real API server. Behind the simulated servers
//! runs nothing, so the test stands in for k3s.

mod changes;
mod faults;
mod life;

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use anyhow::{Context as _, Result, bail, ensure};
use fleet_api::{Manifest, ResearchCollector, names::FLEET_LABEL};
use fleet_operator::{
    cluster::Cluster,
    keeper::{Happening, Keeper, KeeperOptions, Kept, KeptState},
};
use fleet_sim::hetzner::{Api as Cloud, Options, Server, TOKEN};
use fleet_tests::kube::Kubernetes;
use k8s_openapi::api::core::v1::{Node, Secret};
use kube::{
    Api, ResourceExt as _,
    api::{ListParams, Patch, PatchParams, PostParams},
};
use secrecy::SecretString;
use serde_json::{Value, json};

/// Ticks until it has come to rest.
const TICKS: usize = 60;

/// A fleet with a control plane that somebody has made, and the cluster on it. Each test has a fleet with a name of its
/// own, because nodes belong to all.
struct World {
    _kubernetes: Arc<Kubernetes>,
    cluster: Cluster,
    cloud: Cloud,
    options: KeeperOptions,
    keeper: Keeper,
    fleet: ResearchCollector,
    told: Mutex<Vec<Happening>>,
    /// Nodes whose kubelets say nothing.
    lost: Mutex<BTreeSet<String>>,
    nodes: Api<Node>,
}

fn spec(fleet: &str, regions: &[(&str, &str)], more: &str) -> Result<ResearchCollector> {
    let regions = regions.iter().map(|(name, location)| {
        format!("{{name: {name}, location: {location}, credentialsSecretRef: {{name: a}}}}")
    });
    let regions: Vec<String> = regions.collect();
    let text = format!(
        "apiVersion: researchfleet.io/v1alpha1\nkind: ResearchCollector\nmetadata: {{name: {fleet}, namespace: test}}\n\
         spec:\n  network: soulseek\n  infrastructure: {{hetzner: {{allowFrom: [203.0.113.0/24]}}}}\n  \
         regions: [{}]\n  {more}\n",
        regions.join(", ")
    );
    let mut fleet = Manifest::parse(&text, "test")?.collector;
    fleet.metadata.generation = Some(1);
    Ok(fleet)
}

impl World {
    async fn new(fleet: &str, regions: &[(&str, &str)]) -> Result<Self> {
        Self::with(fleet, regions, |_| ()).await
    }

    async fn with(
        fleet: &str,
        regions: &[(&str, &str)],
        change: impl FnOnce(&mut KeeperOptions),
    ) -> Result<Self> {
        let kubernetes = Kubernetes::shared().await?;
        let cluster = Cluster::connect(Some(&kubernetes.kubeconfig_file()), None).await?;
        let cloud = Cloud::start(Options::default()).await?;
        let labels = [
            (FLEET_LABEL, fleet),
            ("researchfleet.io/role", "control-plane"),
        ];
        cloud.seed_server(&format!("{fleet}-control-plane"), &labels);
        cloud.seed_server("somebody-elses", &[]);
        let mut options = KeeperOptions {
            endpoint: Some(cloud.endpoint()),
            drain: Duration::from_secs(2),
            ..KeeperOptions::default()
        };
        change(&mut options);
        Ok(Self {
            keeper: Keeper::new(cluster.clone(), options.clone()),
            options,
            fleet: spec(fleet, regions, "")?,
            told: Mutex::default(),
            lost: Mutex::default(),
            nodes: Api::all(cluster.client()),
            _kubernetes: kubernetes,
            cluster,
            cloud,
        })
    }

    /// All that was remembered is lost.
    fn restart(&mut self) {
        self.keeper = Keeper::new(self.cluster.clone(), self.options.clone());
    }

    fn name(&self) -> String {
        self.fleet.name_any()
    }

    /// Another spec, as a person writes it.
    fn change(&mut self, change: impl FnOnce(&mut ResearchCollector)) {
        change(&mut self.fleet);
        let generation = &mut self.fleet.metadata.generation;
        *generation = generation.map(|number| number + 1);
    }

    async fn tick(&self) -> Result<Kept> {
        let nodes = self.nodes.list(&ListParams::default()).await?.items;
        self.tick_with(&nodes).await
    }

    async fn tick_with(&self, nodes: &[Node]) -> Result<Kept> {
        let token = SecretString::from(TOKEN);
        let told = |happening: Happening| {
            assert!(!happening.note.contains(TOKEN), "a secret is told");
            self.told
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(happening);
        };
        Ok(self.keeper.tick(&self.fleet, &token, nodes, told).await?)
    }

    /// The reasons of what was told, without repetition.
    fn told(&self) -> BTreeSet<&'static str> {
        let told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        told.iter().map(|happening| happening.reason).collect()
    }

    /// Ticks and joins until all is as wanted.
    async fn settle(&self) -> Result<Kept> {
        let mut last = None;
        for _ in 0..TICKS {
            self.join().await?;
            let kept = self.tick().await?;
            self.within_budget()?;
            if kept.state == KeptState::Ready {
                return Ok(kept);
            }
            last = Some(kept);
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        bail!("it does not come to rest: {last:?}, told: {:?}", self.told)
    }

    /// The fleet's servers for regions.
    fn servers(&self) -> Vec<Server> {
        let prefix = format!("{}-", self.name());
        let servers = self.cloud.state().servers;
        let is_ours = |server: &&Server| {
            let name = &server.meta.name;
            name.starts_with(&prefix) && !name.ends_with("-control-plane")
        };
        servers.values().filter(is_ours).cloned().collect()
    }

    fn server(&self, region: &str) -> Result<Server> {
        let name = format!("{}-{region}", self.name());
        let state = self.cloud.state();
        Ok(state
            .server(&name)
            .with_context(|| format!("no server {name}"))?
            .clone())
    }

    fn within_budget(&self) -> Result<()> {
        let count = self.servers().len();
        let wanted = self.fleet.spec.regions.len();
        ensure!(count <= wanted + 1, "{count} servers for {wanted} regions");
        let state = self.cloud.state();
        let control_plane = state.server(&format!("{}-control-plane", self.name()));
        ensure!(control_plane.is_some_and(|server| server.user_data.is_none()));
        ensure!(state.server("somebody-elses").is_some());
        Ok(())
    }

    fn secrets(&self) -> Api<Secret> {
        Api::namespaced(self.cluster.client(), "kube-system")
    }

    /// `<id>.<secret>` of the fleet's tokens.
    async fn tokens(&self) -> Result<Vec<String>> {
        let of_the_fleet = ListParams::default()
            .labels(&format!("{FLEET_LABEL}={}", self.name()))
            .fields("type=bootstrap.kubernetes.io/token");
        let secrets = self.secrets().list(&of_the_fleet).await?;
        let token = |secret: Secret| {
            let data = secret.data?;
            let text = |key: &str| String::from_utf8(data.get(key)?.0.clone()).ok();
            Some(format!("{}.{}", text("token-id")?, text("token-secret")?))
        };
        Ok(secrets.into_iter().filter_map(token).collect())
    }

    /// Joins running servers as k3s would, when they were told a token that lets them in.
    async fn join(&self) -> Result<()> {
        let tokens = self.tokens().await?;
        for server in self.servers() {
            let told = server.user_data.map(|told| told.0).unwrap_or_default();
            let may = tokens.iter().any(|token| told.contains(token));
            let name = &server.meta.name;
            if server.status == "running" && may && self.nodes.get_opt(name).await?.is_none() {
                let node: Node = serde_json::from_value(json!({"metadata": {"name": name}}))?;
                self.nodes.create(&PostParams::default(), &node).await?;
                self.set_ready(name, true, 0).await?;
            }
        }
        self.heartbeats().await
    }

    /// After 50 seconds without a word the cluster takes a node for lost.
    async fn heartbeats(&self) -> Result<()> {
        let lost = self.lost().clone();
        for server in self.servers() {
            let name = server.meta.name;
            let node = self.nodes.get_opt(&name).await?;
            let conditions = node.and_then(|node| node.status?.conditions);
            let mut conditions = conditions.into_iter().flatten();
            let is_lost = conditions.any(|it| it.type_ == "Ready" && it.status != "True");
            if is_lost && !lost.contains(&name) {
                self.set_ready(&name, true, 0).await?;
            }
        }
        Ok(())
    }

    fn lost(&self) -> std::sync::MutexGuard<'_, BTreeSet<String>> {
        self.lost.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What a kubelet says, or the cluster about one that says nothing.
    async fn set_ready(&self, node: &str, ready: bool, minutes_ago: i64) -> Result<()> {
        if ready {
            self.lost().remove(node);
        } else {
            self.lost().insert(node.to_owned());
        }
        let since = jiff::Timestamp::now() - jiff::SignedDuration::from_mins(minutes_ago);
        let status = if ready { "True" } else { "Unknown" };
        let since = format!("{since:.0}");
        let status = json!({"status": {"conditions": [
            {"type": "Ready", "status": status, "lastTransitionTime": since, "lastHeartbeatTime": since}
        ]}});
        let patch = Patch::Strategic(status);
        self.nodes
            .patch_status(node, &PatchParams::default(), &patch)
            .await?;
        Ok(())
    }

    /// Deletes a server as somebody does who knows nothing of the operator.
    async fn delete_server(&self, name: &str) -> Result<()> {
        let client = hcloud(&self.cloud)?;
        let server = client.servers().by_name(name).await?;
        let server = server.with_context(|| format!("no server {name}"))?;
        let action = client.servers().delete(server.id).await?;
        let deadline = tokio::time::Instant::now() + Duration::from_secs(10);
        client.actions().wait(action.as_slice(), deadline).await?;
        Ok(())
    }

    /// What somebody else than the cluster's own controllers has written to the fleet's nodes and Secrets, and when.
    async fn written(&self) -> Result<Vec<Value>> {
        let prefix = format!("{}-", self.name());
        let nodes = self.nodes.list(&ListParams::default()).await?.into_iter();
        let nodes = nodes.filter(|node| node.name_any().starts_with(&prefix));
        let fleet = ListParams::default().labels(&format!("{FLEET_LABEL}={}", self.name()));
        let secrets = self.secrets().list(&fleet).await?;
        let metadata = nodes.map(|node| node.metadata);
        let metadata = metadata.chain(secrets.into_iter().map(|secret| secret.metadata));
        let written = metadata.map(|it| {
            let fields = it.managed_fields.into_iter().flatten();
            let theirs =
                fields.filter(|it| it.manager.as_deref() != Some("kube-controller-manager"));
            json!([it.uid, theirs.collect::<Vec<_>>()])
        });
        Ok(written.collect())
    }

    /// One tick more, which must cost one request and change nothing.
    async fn is_quiet(&self) -> Result<()> {
        let before = self.written().await?;
        self.cloud.forget_requests();
        let kept = self.tick().await?;
        ensure!(kept.state == KeptState::Ready, "{kept:?}");
        let requests = self.cloud.requests();
        let [request] = requests.as_slice() else {
            bail!("{requests:?}");
        };
        ensure!((request.method.as_str(), request.path.as_str()) == ("GET", "/servers"));
        let after = self.written().await?;
        ensure!(
            after == before,
            "something was written: {before:?} {after:?}"
        );
        Ok(())
    }
}

fn hcloud(cloud: &Cloud) -> Result<fleet_hetzner::Client> {
    let client = fleet_hetzner::Client::builder(SecretString::from(TOKEN));
    Ok(client.endpoint(cloud.endpoint()).build()?)
}

fn problem(kept: &Kept) -> (&'static str, &str) {
    match &kept.state {
        KeptState::Problem { reason, message } => (reason, message),
        _ => ("", ""),
    }
}

/// A pod that ends at once, since no kubelet would end it.
fn pod(name: &str, node: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": name, "namespace": "default", "labels": {"app": name}},
        "spec": {
            "nodeName": node, "terminationGracePeriodSeconds": 0, "automountServiceAccountToken": false,
            "containers": [{"name": "it", "image": "none"}],
        },
    })
}
