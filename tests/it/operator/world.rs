//! Everything that the operator works with: a namespace of a real control plane, nodes that are played, a simulated
//! cloud, and a proxy before each API. The operator is the real program.

use std::{
    fs,
    path::PathBuf,
    process::Stdio,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use anyhow::{Result, bail};
use fleet_api::{ResearchCollector, ResearchCollectorStatus};
use fleet_sim::hetzner::{Api as Cloud, Options, Pace, TOKEN};
use fleet_tests::{bins, kube::Kubernetes, kubelet::Kubelets, proxy::Proxy};
use k8s_openapi::api::core::v1::Secret;
use kube::{
    Api, Client, CustomResourceExt as _,
    api::{DeleteParams, DynamicObject, ListParams, Patch, PatchParams, PostParams},
    core::{ApiResource, GroupVersionKind},
};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{
    process::{Child, Command},
    time::{Instant, sleep},
};

use crate::kube::{install, namespace};

/// Far more than anything takes: a busy machine must not fail a test.
const PATIENCE: Duration = Duration::from_mins(2);
const POLL: Duration = Duration::from_millis(50);
/// Servers and nodes of one world never have the name of another's.
static WORLDS: AtomicU32 = AtomicU32::new(0);

pub(crate) struct World {
    pub(crate) kubelets: Kubelets,
    pub(crate) cloud: Arc<Cloud>,
    pub(crate) kubernetes: Proxy,
    pub(crate) hetzner: Proxy,
    pub(crate) client: Client,
    /// The namespace, and the name of its fleet.
    pub(crate) name: String,
    operator: Option<Child>,
    /// What the operator is started with.
    arguments: Vec<String>,
    dir: TempDir,
    cluster: Arc<Kubernetes>,
}

impl Drop for World {
    /// For whoever looks for a reason.
    fn drop(&mut self) {
        if let Some(to) = std::env::var_os("OPERATOR_LOGS") {
            let _ = fs::copy(self.log_file(), PathBuf::from(to).join(&self.name));
        }
    }
}

impl World {
    /// A world without an operator.
    pub(crate) async fn new() -> Result<Self> {
        let mut world = Self::on(Kubernetes::shared().await?, None).await?;
        let join = ["--join-address", "https://127.0.0.1:6443"];
        let namespace = ["--namespace", &world.name];
        world.arguments = [namespace, join]
            .concat()
            .into_iter()
            .map(str::to_owned)
            .collect();
        Ok(world)
    }

    /// On this control plane; the operator is its administrator, or this user. It looks after all namespaces, so the
    /// control plane must be its own.
    pub(crate) async fn on(cluster: Arc<Kubernetes>, user: Option<&str>) -> Result<Self> {
        let client = cluster.client().await?;
        install(&client, &ResearchCollector::crd()).await?;
        let number = WORLDS.fetch_add(1, Ordering::Relaxed);
        let name = format!("w{number}");
        namespace(&client, &name).await?;
        let pace = Pace::default().with("create_server", Duration::from_millis(300));
        let cloud = Cloud::start(Options {
            pace,
            ..Options::default()
        });
        let cloud = Arc::new(cloud.await?);
        let kubelets = Kubelets::start_in(client.clone(), &name).await?;
        kubelets.follow(Arc::clone(&cloud), Duration::from_millis(100));
        kubelets.add_node(&format!("{name}-node"), &[]).await?;
        let dir = tempfile::tempdir()?;
        let kubernetes = Proxy::in_front_of_kubernetes(&cluster, user).await?;
        let endpoint = cloud.endpoint();
        let hetzner = Proxy::in_front_of(endpoint.trim_end_matches("/v1")).await?;
        let world = Self {
            kubelets,
            cloud,
            kubernetes,
            hetzner,
            client,
            name,
            operator: None,
            arguments: Vec::new(),
            dir,
            cluster,
        };
        world
            .secret(
                "north",
                json!({"username": "anna", "password": "hunter2-Zebra"}),
            )
            .await?;
        world
            .secret(
                "south",
                json!({"username": "berta", "password": "hunter2-Zebra"}),
            )
            .await?;
        world.secret("hcloud", json!({"token": TOKEN})).await?;
        Ok(world)
    }

    /// The same with an operator that works.
    pub(crate) async fn running() -> Result<Self> {
        let mut world = Self::new().await?;
        world.start()?;
        Ok(world)
    }

    /// With these arguments instead of the usual ones.
    pub(crate) fn start_with(&mut self, arguments: &[&str]) -> Result<()> {
        self.arguments = arguments.iter().map(ToString::to_string).collect();
        self.start()
    }

    pub(crate) fn start(&mut self) -> Result<()> {
        self.operator = Some(self.program()?.spawn()?);
        Ok(())
    }

    /// The operator, for whoever starts it himself.
    pub(crate) fn program(&self) -> Result<Command> {
        self.program_through(&self.kubernetes, &self.hetzner)
    }

    /// Another operator, with proxies of its own.
    pub(crate) fn program_through(&self, kubernetes: &Proxy, hetzner: &Proxy) -> Result<Command> {
        let port = kubernetes.url().replace("http://127.0.0.1:", "");
        let kubeconfig = self.dir.path().join(format!("kubeconfig-{port}"));
        fs::write(&kubeconfig, kubernetes.kubeconfig())?;
        let log = fs::File::options()
            .create(true)
            .append(true)
            .open(self.log_file())?;
        let mut command = Command::new(bins::path("fleetd")?);
        command
            .env_clear()
            .env("KUBECONFIG", kubeconfig)
            .env("HCLOUD_ENDPOINT", format!("{}/v1", hetzner.url()))
            .env("FLEET_LOG", "info,fleet_operator=debug")
            .args([
                "operator",
                "--listen",
                "127.0.0.1:0",
                "--image",
                "fleet:test",
            ])
            .args(&self.arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .kill_on_drop(true);
        Ok(command)
    }

    /// A proxy before the world's API server, and one before its cloud.
    pub(crate) async fn more_proxies(&self) -> Result<(Proxy, Proxy)> {
        let kubernetes = Proxy::in_front_of_kubernetes(&self.cluster, None).await?;
        let endpoint = self.cloud.endpoint();
        let hetzner = Proxy::in_front_of(endpoint.trim_end_matches("/v1")).await?;
        Ok((kubernetes, hetzner))
    }

    /// As `kill -9` does.
    pub(crate) async fn kill(&mut self) -> Result<()> {
        if let Some(mut operator) = self.operator.take() {
            operator.kill().await?;
        }
        Ok(())
    }

    fn log_file(&self) -> PathBuf {
        self.dir.path().join("operator.log")
    }

    /// What the operator has said.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.log_file()).unwrap_or_default()
    }

    pub(crate) async fn secret(&self, name: &str, values: Value) -> Result<()> {
        let secret = json!({
            "apiVersion": "v1", "kind": "Secret",
            "metadata": {"name": name}, "stringData": values,
        });
        let secret: Secret = serde_json::from_value(secret)?;
        let secrets: Api<Secret> = Api::namespaced(self.client.clone(), &self.name);
        secrets.create(&PostParams::default(), &secret).await?;
        Ok(())
    }

    pub(crate) fn api<K>(&self) -> Api<K>
    where
        K: kube::Resource<Scope = kube::core::NamespaceResourceScope, DynamicType = ()>,
    {
        Api::namespaced(self.client.clone(), &self.name)
    }

    /// Writes the fleet as a person would.
    pub(crate) async fn apply(&self, spec: &Value) -> kube::Result<ResearchCollector> {
        let fleet = json!({
            "apiVersion": "researchfleet.io/v1alpha1", "kind": "ResearchCollector",
            "metadata": {"name": self.name}, "spec": spec,
        });
        let fleets = self.api::<ResearchCollector>();
        let params = PatchParams::apply("test").force();
        fleets
            .patch(&self.name, &params, &Patch::Apply(&fleet))
            .await
    }

    pub(crate) async fn fleet(&self) -> Result<ResearchCollector> {
        Ok(self.api::<ResearchCollector>().get(&self.name).await?)
    }

    pub(crate) async fn delete(&self) -> Result<()> {
        let fleets = self.api::<ResearchCollector>();
        fleets.delete(&self.name, &DeleteParams::default()).await?;
        Ok(())
    }

    /// Waits until the status says so about the newest spec.
    pub(crate) async fn until(
        &self,
        what: &str,
        is_so: impl Fn(&ResearchCollectorStatus) -> bool,
    ) -> Result<ResearchCollectorStatus> {
        let begun = Instant::now();
        loop {
            let fleet = self.fleet().await?;
            let status = fleet.status.unwrap_or_default();
            if status.observed_generation == fleet.metadata.generation && is_so(&status) {
                return Ok(status);
            }
            if begun.elapsed() > PATIENCE {
                let log = self.log();
                let log = &log[log.len().saturating_sub(6000)..];
                bail!("waited in vain: {what}\n{status:#?}\n{log}");
            }
            sleep(POLL).await;
        }
    }

    /// Waits until Ready is True for the newest spec.
    pub(crate) async fn ready(&self) -> Result<ResearchCollectorStatus> {
        self.until("Ready", |status| {
            condition(status, "Ready") == ("True", "AsWanted")
        })
        .await
    }

    /// Waits until something is there, or gone.
    pub(crate) async fn eventually(
        &self,
        what: &str,
        is_so: impl AsyncFn() -> Result<bool>,
    ) -> Result<()> {
        let begun = Instant::now();
        while !is_so().await? {
            if begun.elapsed() > PATIENCE {
                let log = self.log();
                bail!(
                    "waited in vain: {what}\n{}",
                    &log[log.len().saturating_sub(6000)..]
                );
            }
            sleep(POLL).await;
        }
        Ok(())
    }

    /// Deletes a server behind everybody's back.
    pub(crate) async fn lose_server(&self, id: i64) -> Result<()> {
        let client = fleet_hetzner::Client::builder(TOKEN.into()).endpoint(self.cloud.endpoint());
        client.build()?.servers().delete(id).await?;
        Ok(())
    }

    /// Names of the servers that are there.
    pub(crate) fn servers(&self) -> Vec<String> {
        let state = self.cloud.state();
        let names = state
            .servers
            .values()
            .map(|server| server.meta.name.clone());
        let mut names: Vec<_> = names.collect();
        names.sort();
        names
    }

    /// Every object of the fleet in the namespace, without what differs from run to run.
    pub(crate) async fn objects(&self) -> Result<Vec<Value>> {
        let mut all = Vec::new();
        for (group, kind) in KINDS {
            let gvk = GroupVersionKind::gvk(group, "v1", kind);
            let resource = ApiResource::from_gvk(&gvk);
            let api: Api<DynamicObject> =
                Api::namespaced_with(self.client.clone(), &self.name, &resource);
            let labels =
                ListParams::default().labels("app.kubernetes.io/managed-by=fleet-operator");
            for object in api.list(&labels).await? {
                let mut object = serde_json::to_value(&object)?;
                object["kind"] = json!(kind);
                plain(&mut object, &self.name);
                all.push(object);
            }
        }
        Ok(all)
    }
}

/// Kinds that the operator makes.
pub(crate) const KINDS: [(&str, &str); 12] = [
    ("", "ServiceAccount"),
    ("", "Secret"),
    ("", "ConfigMap"),
    ("", "Service"),
    ("", "PersistentVolumeClaim"),
    ("networking.k8s.io", "NetworkPolicy"),
    ("policy", "PodDisruptionBudget"),
    ("apps", "StatefulSet"),
    ("apps", "Deployment"),
    ("batch", "Job"),
    ("batch", "CronJob"),
    ("", "Pod"),
];

/// Takes away what no two runs have in common: ids, times, what was drawn by lot, and the world's name.
fn plain(object: &mut Value, world: &str) {
    for pointer in [
        "/metadata/uid",
        "/metadata/resourceVersion",
        "/metadata/creationTimestamp",
        "/metadata/managedFields",
        "/metadata/generation",
        "/metadata/annotations/researchfleet.io~1updated",
        "/spec/clusterIP",
        "/spec/clusterIPs",
        "/spec/volumeName",
        "/status",
    ] {
        if let Some((parent, field)) = pointer.rsplit_once('/') {
            let field = field.replace("~1", "/");
            if let Some(parent) = object.pointer_mut(parent).and_then(Value::as_object_mut) {
                parent.remove(&field);
            }
        }
    }
    let text = object.to_string().replace(world, "WORLD");
    if let Ok(plain) = serde_json::from_str(&text) {
        *object = plain;
    }
}

/// Status and reason of a condition.
pub(crate) fn condition<'s>(status: &'s ResearchCollectorStatus, kind: &str) -> (&'s str, &'s str) {
    let found = status.conditions.iter().find(|found| found.type_ == kind);
    found.map_or(("", ""), |found| (&found.status, &found.reason))
}

/// Two regions, one with a server of its own, and all that a fleet can have.
pub(crate) fn spec() -> Value {
    json!({
        "network": "soulseek",
        "regions": [
            {"name": "north", "credentialsSecretRef": {"name": "north"}},
            {"name": "south", "credentialsSecretRef": {"name": "south"}, "location": "fsn1", "serverTypes": ["cx23", "cpx22"]},
        ],
        "database": {"managed": {}},
        "archive": {},
        "reports": {},
        "infrastructure": {"hetzner": {"tokenSecretRef": {"name": "hcloud"}}},
    })
}
