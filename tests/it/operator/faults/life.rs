//! A world whose operator is started again whenever it ends, as a kubelet does, and watched for servers too many.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use anyhow::{Context as _, Result, bail, ensure};
use fleet_tests::proxy::Proxy;
use tokio::{
    sync::{Mutex, Notify},
    time::{Instant, sleep, timeout},
};
use tokio_util::task::AbortOnDropHandle;

use super::{
    cycles::Cycle,
    end_state::{EndState, end_state},
    harms::{Fault, Side},
};
use crate::operator::world::World;

/// A life-cycle may take so long, whatever happens, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(90);
const POLL: Duration = Duration::from_millis(50);
/// How often it is looked whether there are servers too many.
const GLANCE: Duration = Duration::from_millis(20);
/// No other volume is ever as large as this, so that its size can be told from theirs; and the API server, which writes
/// 1024Gi as 1Ti, leaves it as it is for the next nine hundred steps.
pub(super) const SMALLEST: u32 = 1100;
/// How long nothing may change until it is believed to be the end.
const QUIET: Duration = Duration::from_secs(2);

pub(super) struct Life {
    pub(super) world: World,
    pub(super) operator: Operator,
    /// The database's volume, which only grows.
    pub(super) gigabytes: u32,
}

/// What a run made of calls.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ran {
    pub(super) kubernetes: usize,
    pub(super) hetzner: usize,
}

/// The operator, under the hands of a kubelet.
pub(super) struct Operator {
    kill: Arc<Notify>,
    exits: Arc<AtomicUsize>,
    _keeping: AbortOnDropHandle<()>,
}

impl Operator {
    pub(super) fn keep(world: &World) -> Result<Self> {
        let kill = Arc::new(Notify::new());
        let exits = Arc::new(AtomicUsize::new(0));
        let mut program = world.program()?;
        let keeping = {
            let (kill, exits) = (Arc::clone(&kill), Arc::clone(&exits));
            async move {
                loop {
                    let Ok(mut operator) = program.spawn() else {
                        return;
                    };
                    tokio::select! {
                        _ = operator.wait() => {
                            exits.fetch_add(1, Ordering::Relaxed);
                            sleep(Duration::from_millis(200)).await;
                        }
                        () = kill.notified() => if operator.kill().await.is_err() {
                            return;
                        },
                    }
                }
            }
        };
        Ok(Self {
            kill,
            exits,
            _keeping: AbortOnDropHandle::new(tokio::spawn(keeping)),
        })
    }

    /// As `kill -9` does; another one is started at once.
    pub(super) fn kill(&self) {
        self.kill.notify_one();
    }

    /// How often it has ended by itself.
    pub(super) fn exits(&self) -> usize {
        self.exits.load(Ordering::Relaxed)
    }
}

impl Life {
    /// A world that is as a life-cycle finds it.
    pub(super) async fn before(cycle: Cycle) -> Result<Self> {
        // One after another: all at once are too much for an API server that has just been started.
        static BEGIN: Mutex<()> = Mutex::const_new(());
        let one = BEGIN.lock().await;
        let world = World::new().await?;
        drop(one);
        world
            .secret(
                "west",
                serde_json::json!({"username": "carla", "password": "hunter2-Zebra"}),
            )
            .await?;
        let operator = Operator::keep(&world)?;
        let mut life = Self {
            world,
            operator,
            gigabytes: SMALLEST,
        };
        if cycle != Cycle::Create {
            life.run(Cycle::Create, None).await?;
        }
        Ok(life)
    }

    /// Runs a life-cycle to its end.
    pub(super) async fn run(&mut self, cycle: Cycle, fault: Option<Fault>) -> Result<Ran> {
        cycle.prepare(self);
        let exits = self.operator.exits();
        let (kubernetes, hetzner) = (&self.world.kubernetes, &self.world.hetzner);
        kubernetes.forget();
        hetzner.forget();
        let held = fault.and_then(|fault| {
            fault.prepare(match fault.side {
                Side::Kubernetes => kubernetes,
                Side::Hetzner => hetzner,
            })
        });
        let kill = async {
            if let Some(held) = held {
                held.reached().await;
                self.operator.kill();
            }
            std::future::pending::<()>().await;
        };
        let done = tokio::select! {
            done = timeout(PATIENCE, cycle.run(self)) => done,
            () = kill => bail!("it never ends"),
            error = self.servers_too_many(cycle) => return Err(error),
        };
        let ran = Ran {
            kubernetes: calls(kubernetes),
            hetzner: calls(hetzner),
        };
        match done {
            Ok(done) => done?,
            Err(_) => bail!("it takes more than {PATIENCE:?}\n{}", self.why().await),
        }
        // A call that was not made this time is not harmed the next time.
        kubernetes.heal();
        hetzner.heal();
        ensure!(
            cycle == Cycle::Restart || self.operator.exits() == exits,
            "the operator has ended\n{}",
            self.why().await
        );
        Ok(ran)
    }

    /// Waits until nothing changes any more.
    pub(super) async fn settled(&self) -> Result<EndState> {
        let settle = async {
            let mut before = end_state(self).await?;
            loop {
                sleep(QUIET).await;
                let now = end_state(self).await?;
                if now == before {
                    return anyhow::Ok(now);
                }
                before = now;
            }
        };
        timeout(PATIENCE, settle).await.context("no end")?
    }

    /// Waits until it has come to the same end.
    pub(super) async fn ends_as(&self, expected: &EndState) -> Result<()> {
        let begun = Instant::now();
        loop {
            let now = end_state(self).await?;
            if now == *expected {
                return Ok(());
            }
            if begun.elapsed() > PATIENCE {
                bail!(
                    "another end: {}\n{}",
                    expected.differs(&now),
                    self.why().await
                );
            }
            sleep(POLL).await;
        }
    }

    /// Does something while it is watched for servers too many.
    pub(super) async fn watched(
        &self,
        cycle: Cycle,
        work: impl Future<Output = Result<()>>,
    ) -> Result<()> {
        tokio::select! {
            done = timeout(PATIENCE * 2, work) => match done {
                Ok(done) => done,
                Err(_) => bail!("it takes too long\n{}", self.why().await),
            },
            error = self.servers_too_many(cycle) => Err(error),
        }
    }

    /// Ends when there is one.
    async fn servers_too_many(&self, cycle: Cycle) -> anyhow::Error {
        loop {
            let names = self.world.servers();
            let different: BTreeSet<_> = names.iter().collect();
            if different.len() < names.len() || names.len() > cycle.most_servers() {
                return anyhow::anyhow!("servers too many: {names:?}");
            }
            sleep(GLANCE).await;
        }
    }

    /// For whoever looks for a reason.
    pub(super) async fn why(&self) -> String {
        let log = self.world.log();
        let log = &log[log.floor_char_boundary(log.len().saturating_sub(5000))..];
        let status = self.world.fleet().await.map(|fleet| fleet.status);
        format!("{status:?}\n{log}")
    }
}

fn calls(proxy: &Proxy) -> usize {
    let calls = proxy.calls();
    calls.iter().filter(|call| !call.is_watch).count()
}
