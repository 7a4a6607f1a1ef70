//! The operator sees the cluster as it was, and acts; then it sees it as it is.

use std::{collections::BTreeMap, time::Duration};

use anyhow::{Context as _, Result, ensure};
use fleet_api::ResearchCollector;
use fleet_tests::kubelet::Play;
use k8s_openapi::{
    ByteString,
    api::{
        apps::v1::StatefulSet,
        core::v1::{ConfigMap, Secret},
    },
};
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use serde_json::json;
use tokio::time::sleep;

use super::{cycles::Cycle, end_state::end_state, life::Life};
use crate::operator::world::condition;

/// How long the operator may act on what is old.
const FROZEN: Duration = Duration::from_secs(4);

/// What changes behind the operator's back.
#[derive(Debug, Clone, Copy)]
enum Change {
    Spec,
    StatefulSet,
    Server,
    Collector,
    Fleet,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_old_leads_to_the_same_end() -> Result<()> {
    let all = [
        Change::Spec,
        Change::StatefulSet,
        Change::Server,
        Change::Collector,
        Change::Fleet,
    ];
    let all = all.map(|change| async move {
        let restart = [false, true];
        for restart in restart {
            let what = || format!("{change:?}, restarted: {restart}");
            stale(change, restart).await.with_context(what)?;
        }
        anyhow::Ok(())
    });
    futures_util::future::try_join_all(all).await?;
    Ok(())
}

async fn stale(change: Change, restart: bool) -> Result<()> {
    let mut life = Life::before(Cycle::Change).await?;
    stranger(&life).await?;
    if matches!(change, Change::Spec) {
        life.run(Cycle::Change, None).await?;
    }
    let expected = life.settled().await?;
    if matches!(change, Change::Spec) {
        life.run(Cycle::ChangeBack, None).await?;
        life.gigabytes += 1;
    }
    let logins = logins(&life).await?;
    life.world.kubernetes.freeze_watches(true);
    // The lists of a new process are those of before only if they were asked for before.
    let watched = life.watched(Cycle::Change, async {
        behind(&life, change).await?;
        if restart {
            life.operator.kill();
        }
        sleep(FROZEN).await;
        life.world.kubernetes.freeze_watches(false);
        if matches!(change, Change::Collector) {
            life.recovers().await?;
        }
        life.ready().await?;
        life.ends_as(&expected).await
    });
    watched.await?;
    ensure!(
        logins == self::logins(&life).await?,
        "other passwords than the database's"
    );
    ensure!(life.operator.exits() == 0, "the operator has ended");
    // And it stays so.
    sleep(Duration::from_secs(4)).await;
    let now = end_state(&life).await?;
    ensure!(now == expected, "moves on: {}", expected.differs(&now));
    Ok(())
}

async fn behind(life: &Life, change: Change) -> Result<()> {
    let world = &life.world;
    let name = &world.name;
    match change {
        Change::Spec => life.change().await,
        Change::StatefulSet => {
            for set in ["collector-north", "database"] {
                let sets = world.api::<StatefulSet>();
                let set = format!("{name}-{set}");
                sets.delete(&set, &DeleteParams::default()).await?;
            }
            Ok(())
        }
        Change::Server => {
            let lost = life.server().context("no server")?;
            world.lose_server(lost).await
        }
        Change::Collector => {
            let collector = format!("{name}-collector-north");
            world.kubelets.play(&collector, Play::NotReady);
            Ok(())
        }
        Change::Fleet => {
            life.take_away().await?;
            world.apply(&life.spec()).await?;
            Ok(())
        }
    }
}

impl Life {
    /// The collector that was hidden is seen, and then well again.
    async fn recovers(&self) -> Result<()> {
        let seen = self.world.until("a collector is not ready", |status| {
            condition(status, "CollectorsReady").0 == "False"
        });
        seen.await?;
        let collector = format!("{}-collector-north", self.world.name);
        self.world.kubelets.play(&collector, Play::Ready);
        Ok(())
    }

    /// As a person does who has read that the finalizer may be taken away.
    pub(super) async fn take_away(&self) -> Result<()> {
        let fleets = self.world.api::<ResearchCollector>();
        let name = &self.world.name;
        let patch = json!({"metadata": {"finalizers": null}});
        let (params, patch) = (PatchParams::default(), Patch::Merge(&patch));
        fleets.patch(name, &params, &patch).await?;
        self.world.delete().await?;
        // The operator may have been faster.
        while fleets.get_opt(name).await?.is_some() {
            if let Err(error) = fleets.patch(name, &params, &patch).await {
                ensure!(fleets.get_opt(name).await?.is_none(), error);
            }
        }
        Ok(())
    }
}

/// An object that has all labels of the fleet and is not the fleet's.
async fn stranger(life: &Life) -> Result<()> {
    let stranger: ConfigMap = serde_json::from_value(json!({"metadata": {
        "name": format!("{}-stranger", life.world.name),
        "labels": {
            "app.kubernetes.io/managed-by": "fleet-operator",
            "app.kubernetes.io/component": "collector",
            "researchfleet.io/fleet": life.world.name,
        },
    }}))?;
    let maps = life.world.api::<ConfigMap>();
    maps.create(&PostParams::default(), &stranger).await?;
    Ok(())
}

async fn logins(life: &Life) -> Result<BTreeMap<String, ByteString>> {
    let secrets = life.world.api::<Secret>();
    let logins = secrets
        .get(&format!("{}-database-logins", life.world.name))
        .await?;
    logins.data.context("no logins")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fleet_that_was_taken_away_makes_no_servers() -> Result<()> {
    let life = Life::before(Cycle::Change).await?;
    life.take_away().await?;
    let lost = life.server().context("no server")?;
    life.world.lose_server(lost).await?;
    // Longer than it takes until servers are looked at when all is well.
    for _ in 0..400 {
        sleep(Duration::from_millis(100)).await;
        let servers = life.world.servers();
        ensure!(servers.is_empty(), "nobody wants {servers:?}");
    }
    Ok(())
}
