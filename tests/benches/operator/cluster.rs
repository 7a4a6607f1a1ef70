//! A namespace with Secrets, and fleets that are made in it.

use std::time::Duration;

use anyhow::{Result, bail};
use fleet_api::ResearchCollector;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use k8s_openapi::{
    api::{
        apps::v1::StatefulSet,
        core::v1::{ConfigMap, Namespace, PersistentVolumeClaim, Secret, Service, ServiceAccount},
        networking::v1::NetworkPolicy,
    },
    apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
};
use kube::{
    Api, Client, CustomResourceExt as _, Resource,
    api::{ListParams, Patch, PatchParams, PostParams},
};
use serde_json::json;
use tokio::time::{Instant, sleep};

/// Calls at a time.
const AT_A_TIME: usize = 16;
const PATIENCE: Duration = Duration::from_mins(10);
const POLL: Duration = Duration::from_millis(500);

pub(crate) struct Cluster {
    pub(crate) client: Client,
    pub(crate) namespace: String,
    pub(crate) fleets: usize,
}

impl Cluster {
    /// Everything but the fleets.
    pub(crate) async fn prepare(client: &Client, namespace: &str, fleets: usize) -> Result<Self> {
        let crds: Api<CustomResourceDefinition> = Api::all(client.clone());
        let crd = ResearchCollector::crd();
        let params = PatchParams::apply("bench").force();
        crds.patch(
            "researchcollectors.researchfleet.io",
            &params,
            &Patch::Apply(&crd),
        )
        .await?;
        let namespaces: Api<Namespace> = Api::all(client.clone());
        let made = serde_json::from_value(json!({"metadata": {"name": namespace}}))?;
        namespaces.create(&PostParams::default(), &made).await?;
        let cluster = Self {
            client: client.clone(),
            namespace: namespace.to_owned(),
            fleets,
        };
        let secrets: Api<Secret> = cluster.api();
        let secret = |name: String, values: serde_json::Value| {
            let secrets = secrets.clone();
            async move {
                let secret = json!({"metadata": {"name": name}, "stringData": values});
                let secret = serde_json::from_value(secret)?;
                secrets.create(&PostParams::default(), &secret).await?;
                anyhow::Ok(())
            }
        };
        secret(
            "url".to_owned(),
            json!({"url": "postgres://writer:word@db.example.org/fleet"}),
        )
        .await?;
        let accounts = (0..fleets).map(|index| {
            let account = json!({"username": format!("user-{index}"), "password": "word"});
            secret(format!("account-{index}"), account)
        });
        stream::iter(accounts)
            .buffer_unordered(AT_A_TIME)
            .try_collect::<Vec<()>>()
            .await?;
        Ok(cluster)
    }

    pub(crate) fn api<K>(&self) -> Api<K>
    where
        K: Resource<Scope = kube::core::NamespaceResourceScope, DynamicType = ()>,
    {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    /// Makes the fleets.
    pub(crate) async fn create(&self) -> Result<()> {
        let api: Api<ResearchCollector> = self.api();
        let fleets = (0..self.fleets).map(|index| {
            let api = api.clone();
            async move {
                let fleet = serde_json::from_value(json!({
                    "apiVersion": "researchfleet.io/v1alpha1", "kind": "ResearchCollector",
                    "metadata": {"name": name(index)},
                    "spec": {
                        "network": "soulseek",
                        "database": {"external": {"urlSecretRef": {"name": "url"}}},
                        "regions": [{
                            "name": "here",
                            "credentialsSecretRef": {"name": format!("account-{index}")},
                            // All are on one node.
                            "listen": {"port": 10_000 + 2 * index, "obfuscatedPort": 0},
                        }],
                    },
                }))?;
                api.create(&PostParams::default(), &fleet).await?;
                anyhow::Ok(())
            }
        });
        stream::iter(fleets)
            .buffer_unordered(AT_A_TIME)
            .try_collect::<Vec<()>>()
            .await?;
        Ok(())
    }

    /// Makes the fleets, and waits until the operator has looked at each and made its objects.
    pub(crate) async fn settle(&self) -> Result<Duration> {
        let begun = Instant::now();
        self.create().await?;
        let seen = |fleet: &ResearchCollector| {
            let status = fleet.status.as_ref();
            status.and_then(|status| status.observed_generation) == fleet.metadata.generation
        };
        self.until("all are looked at", seen).await?;
        self.has::<StatefulSet>().await?;
        self.has::<ConfigMap>().await?;
        self.has::<Service>().await?;
        self.has::<ServiceAccount>().await?;
        self.has::<NetworkPolicy>().await?;
        self.has::<PersistentVolumeClaim>().await?;
        Ok(begun.elapsed())
    }

    pub(crate) async fn until_ready(&self) -> Result<()> {
        let is_ready = |fleet: &ResearchCollector| {
            let conditions = fleet.status.iter().flat_map(|status| &status.conditions);
            let mut ready = conditions.filter(|found| found.type_ == "Ready");
            ready.any(|ready| ready.status == "True")
        };
        self.until("all are ready", is_ready).await
    }

    async fn until(&self, what: &str, is_so: impl Fn(&ResearchCollector) -> bool) -> Result<()> {
        let begun = Instant::now();
        loop {
            // From the API server's memory.
            let list = ListParams::default().match_any();
            let fleets = self.api::<ResearchCollector>().list(&list).await?;
            let so = fleets.iter().filter(|fleet| is_so(fleet)).count();
            if so == self.fleets {
                return Ok(());
            }
            if begun.elapsed() > PATIENCE {
                bail!("waited in vain until {what}: {so} of {}", self.fleets);
            }
            sleep(POLL).await;
        }
    }

    /// One of a kind for each fleet.
    pub(crate) async fn has<K>(&self) -> Result<()>
    where
        K: Resource<Scope = kube::core::NamespaceResourceScope, DynamicType = ()>
            + Clone
            + std::fmt::Debug
            + serde::de::DeserializeOwned,
    {
        let labels = ListParams::default()
            .labels("researchfleet.io/fleet")
            .match_any();
        let found = self.api::<K>().list_metadata(&labels).await?.items.len();
        if found != self.fleets {
            bail!("{found} {}", K::plural(&()));
        }
        Ok(())
    }
}

pub(crate) fn name(index: usize) -> String {
    format!("fleet-{index}")
}
