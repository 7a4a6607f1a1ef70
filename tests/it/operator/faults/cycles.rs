//! Life-cycles. Each begins where another one has ended, and ends when the fleet is as its spec says, or gone.

use std::time::Duration;

use anyhow::{Context as _, Result};
use fleet_api::ResearchCollector;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};
use tokio::time::sleep;

use super::life::{Life, SMALLEST};
use crate::operator::world::{condition, spec};

const POLL: Duration = Duration::from_millis(50);

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Cycle {
    /// From nothing.
    Create,
    /// Another region with a server.
    Grow,
    /// And without it.
    Shrink,
    /// Another image, more storage, another account, another schedule, more poolers.
    Change,
    /// The same back, but for the storage, which grows again.
    ChangeBack,
    /// A server is deleted behind the operator's back, and its node is lost.
    Lose,
    /// The operator is started again.
    Restart,
    /// What holds data stays.
    Delete,
    /// The fleet is made again and finds its data.
    Return,
    /// Nothing stays.
    DeleteAll,
}

impl Cycle {
    /// How many servers there may be at any moment: one more than regions with a location, then or before.
    pub(super) fn most_servers(self) -> usize {
        match self {
            Self::Grow | Self::Shrink => 3,
            _ => 2,
        }
    }

    /// What has to be so before the calls are counted.
    pub(super) fn prepare(self, life: &mut Life) {
        match self {
            Self::Create => life.gigabytes = SMALLEST,
            Self::Change | Self::ChangeBack => life.gigabytes += 1,
            _ => {}
        }
    }

    /// Does it, and waits for the end.
    pub(super) async fn run(self, life: &Life) -> Result<()> {
        match self {
            Self::Create | Self::Shrink | Self::Return => {
                life.world.apply(&life.spec()).await?;
                life.ready().await
            }
            Self::Grow => {
                let mut spec = life.spec();
                let west = json!({
                    "name": "west", "credentialsSecretRef": {"name": "west"},
                    "location": "fsn1", "serverTypes": ["cx23", "cpx22"],
                });
                let regions = spec["regions"].as_array_mut().context("no regions")?;
                regions.push(west);
                life.world.apply(&spec).await?;
                life.ready().await
            }
            Self::Change => {
                life.change().await?;
                life.ready().await
            }
            Self::ChangeBack => {
                life.set_password("hunter2-Zebra").await?;
                life.world.apply(&life.spec()).await?;
                life.ready().await
            }
            Self::Lose => life.lose().await,
            Self::Restart => {
                life.operator.kill();
                life.written_anew().await?;
                life.ready().await
            }
            Self::Delete => life.delete().await,
            Self::DeleteAll => {
                let mut spec = life.spec();
                spec["deletionPolicy"] = json!("Delete");
                life.world.apply(&spec).await?;
                life.delete().await
            }
        }
    }
}

impl Life {
    pub(super) fn spec(&self) -> Value {
        let mut spec = spec();
        spec["database"] =
            json!({"managed": {"volume": {"size": format!("{}Gi", self.gigabytes)}}});
        spec
    }

    /// Waits until Ready is True for the newest spec.
    pub(super) async fn ready(&self) -> Result<()> {
        loop {
            let fleet = self.world.fleet().await?;
            let status = fleet.status.unwrap_or_default();
            if status.observed_generation == fleet.metadata.generation
                && condition(&status, "Ready") == ("True", "AsWanted")
            {
                return Ok(());
            }
            sleep(POLL).await;
        }
    }

    /// Deletes the fleet and waits until it is gone.
    pub(super) async fn delete(&self) -> Result<()> {
        self.world.delete().await?;
        self.gone().await
    }

    pub(super) async fn gone(&self) -> Result<()> {
        let fleets = self.world.api::<ResearchCollector>();
        while fleets.get_opt(&self.world.name).await?.is_some() {
            sleep(POLL).await;
        }
        Ok(())
    }

    async fn lose(&self) -> Result<()> {
        let lost = self.server().context("no server to lose")?;
        self.world.lose_server(lost).await?;
        loop {
            let status = self.world.fleet().await?.status.unwrap_or_default();
            let mut servers = status
                .regions
                .iter()
                .filter_map(|region| region.server.as_ref());
            if servers.any(|server| server.id != lost) && condition(&status, "Ready").0 == "True" {
                return Ok(());
            }
            sleep(POLL).await;
        }
    }

    /// The id of the only server.
    pub(super) fn server(&self) -> Option<i64> {
        self.world.cloud.state().servers.keys().next().copied()
    }

    /// Whatever a new operator writes last has been written.
    async fn written_anew(&self) -> Result<()> {
        let last = format!("/cronjobs/{}-report", self.world.name);
        loop {
            let calls = self.world.kubernetes.calls();
            let mut calls = calls.iter();
            if calls.any(|call| call.path.ends_with(&last) && call.status == Some(200)) {
                return Ok(());
            }
            sleep(POLL).await;
        }
    }

    pub(super) async fn change(&self) -> Result<()> {
        self.set_password("hunter3-Zebra").await?;
        let mut spec = self.spec();
        spec["image"] = json!("fleet:next");
        spec["database"]["managed"]["pooler"] = json!({"replicas": 2});
        spec["archive"] = json!({"schedule": "0 3 1 * *"});
        self.world.apply(&spec).await?;
        Ok(())
    }

    async fn set_password(&self, password: &str) -> Result<()> {
        let patch = json!({"stringData": {"password": password}});
        let secrets = self.world.api::<Secret>();
        let params = PatchParams::default();
        secrets
            .patch("north", &params, &Patch::Merge(&patch))
            .await?;
        Ok(())
    }
}
