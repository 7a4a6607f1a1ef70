//! The operator ends when it is asked to, and another one goes on.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use fleet_tests::proxy::{At, Call, Harm, Hold, Moment, Proxy};
use serde_json::json;
use tokio::{
    process::{Child, Command},
    time::{Instant, sleep, timeout},
};

use crate::operator::world::{World, spec};

/// In which it should have ended; the test gives up later.
const SOON: Duration = Duration::from_secs(10);
const GIVE_UP: Duration = Duration::from_mins(1);

/// Ends it as Kubernetes does.
async fn end(mut operator: Child) -> Result<()> {
    let id = operator.id().context("it has ended already")?.to_string();
    let begun = Instant::now();
    let signal = Command::new("kill").args(["-s", "TERM", &id]).status();
    ensure!(signal.await?.success(), "cannot signal it");
    let ended = timeout(GIVE_UP, operator.wait()).await;
    let ended = ended.context("it goes on after SIGTERM")??;
    ensure!(ended.success(), "{ended}");
    ensure!(begun.elapsed() < SOON, "took {:?}", begun.elapsed());
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_ends_in_order_whatever_it_does() -> Result<()> {
    let world = World::new().await?;
    let operator = world.program()?.spawn()?;
    world.apply(&spec()).await?;
    world.ready().await?;
    end(operator).await?;

    // In the middle of making a server, before and after the provider has heard of it.
    for moment in [Moment::Before, Moment::After] {
        let server = *world
            .cloud
            .state()
            .servers
            .keys()
            .next()
            .context("no server")?;
        world.lose_server(server).await?;
        let (hold, held) = Hold::new(moment);
        let making = |call: &Call| call.method == "POST" && call.path.ends_with("/servers");
        world.hetzner.harm(At::matching(making), Harm::Hold(hold));
        let operator = world.program()?.spawn()?;
        timeout(GIVE_UP, held.reached())
            .await
            .context("no server is made")?;
        end(operator).await?;
        drop(held);
        let operator = world.program()?.spawn()?;
        world
            .eventually("one server", async || Ok(world.servers().len() == 1))
            .await?;
        world
            .until("its server is there", |status| {
                let region = status.regions.get(1);
                let id = region.and_then(|region| Some(region.server.as_ref()?.id));
                id.is_some_and(|id| id != server)
            })
            .await?;
        world.ready().await?;
        ensure!(world.servers().len() == 1, "{:?}", world.servers());
        end(operator).await?;
    }
    Ok(())
}

/// What it has written, but for its lease.
fn writes(proxy: &Proxy) -> usize {
    let calls = proxy.calls();
    let writes = calls
        .iter()
        .filter(|call| call.is_write() && !call.path.contains("/leases"));
    writes.count()
}

fn with_lease(mut program: Command, world: &World, identity: &str) -> Result<Child> {
    program.args(["--lease-namespace", &world.name, "--identity", identity]);
    Ok(program.spawn()?)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_operators_one_works() -> Result<()> {
    let world = World::new().await?;
    let (kubernetes, hetzner) = world.more_proxies().await?;
    let first = with_lease(world.program()?, &world, "first")?;
    world.apply(&spec()).await?;
    world.ready().await?;
    let second = world.program_through(&kubernetes, &hetzner)?;
    let mut second = with_lease(second, &world, "second")?;
    let mut changed = spec();
    changed["image"] = json!("fleet:second");
    sleep(Duration::from_secs(3)).await;
    world.apply(&changed).await?;
    world.ready().await?;
    ensure!(
        writes(&kubernetes) + hetzner.calls().len() == 0,
        "both work"
    );

    // The first one gives its lease back.
    end(first).await?;
    changed["image"] = json!("fleet:third");
    let begun = Instant::now();
    world.apply(&changed).await?;
    world.ready().await?;
    let seconds = begun.elapsed().as_secs_f64();
    ensure!(writes(&kubernetes) > 0, "nobody works");

    // The second one is killed while another one stands by.
    world.kubernetes.forget();
    world.hetzner.forget();
    let first = with_lease(world.program()?, &world, "another")?;
    sleep(Duration::from_secs(3)).await;
    changed["image"] = json!("fleet:fourth");
    world.apply(&changed).await?;
    world.ready().await?;
    ensure!(
        writes(&world.kubernetes) + world.hetzner.calls().len() == 0,
        "both work"
    );
    second.kill().await?;
    changed["image"] = json!("fleet:fifth");
    world.apply(&changed).await?;
    world.ready().await?;
    ensure!(writes(&world.kubernetes) > 0, "nobody works");
    println!("the lease that was given back was taken, and the work done, within {seconds:.1} s");
    end(first).await
}
