//! What goes wrong at the provider.

use anyhow::{Context as _, Result};
use fleet_operator::keeper::ServerPhase;
use fleet_sim::hetzner::{Fault, On};
use futures_util::future::try_join_all;

use super::{World, problem};

fn order() -> On {
    On::new("POST", "/servers")
}

fn sold_out(server_type: Option<&str>) -> Fault {
    Fault::OutOfStock {
        server_type: server_type.map(str::to_owned),
        location: None,
    }
}

#[tokio::test]
async fn whatever_fails_while_it_is_made_there_is_one_server_in_the_end() -> Result<()> {
    let faults = [
        (
            "cut",
            Fault::LoseAnswer {
                on: order(),
                status: None,
            },
        ),
        (
            "bad-gateway",
            Fault::LoseAnswer {
                on: order(),
                status: Some(502),
            },
        ),
        (
            "before",
            Fault::Answer {
                on: order(),
                status: 500,
                code: None,
            },
        ),
        (
            "page",
            Fault::Page {
                on: order(),
                status: 503,
            },
        ),
        ("sold-out", sold_out(None)),
        ("no-machine", Fault::PlacementError),
        (
            "limit",
            Fault::Answer {
                on: order(),
                status: 429,
                code: None,
            },
        ),
        (
            "action",
            Fault::FailAction {
                command: "create_server".to_owned(),
                code: "server_error".to_owned(),
                message: "it failed".to_owned(),
            },
        ),
        (
            "list",
            Fault::Answer {
                on: On::new("GET", "/servers"),
                status: 503,
                code: None,
            },
        ),
        (
            "firewall",
            Fault::Answer {
                on: On::new("POST", "/firewalls"),
                status: 503,
                code: None,
            },
        ),
    ];
    let case = async |name, fault| {
        let world = World::new(&format!("fault-{name}"), &[("us", "ash")]).await?;
        world.cloud.faults().times(1, fault);
        world.settle().await.context(name)?;
        assert_eq!(world.servers().len(), 1, "{name}");
        assert_eq!(world.cloud.state().firewalls.len(), 2, "{name}");
        world.is_quiet().await.context(name)
    };
    let cases = faults.map(|(name, fault)| Box::pin(case(name, fault)));
    try_join_all(cases).await?;
    Ok(())
}

#[tokio::test]
async fn what_cannot_be_had_is_told_and_holds_up_nothing_else() -> Result<()> {
    let world = World::new("stock", &[("us", "ash"), ("asia", "sin")]).await?;
    // The catalogue says so.
    world.cloud.faults().always(Fault::Availability {
        server_type: None,
        location: Some("ash".to_owned()),
        available: false,
    });
    let kept = world.tick().await?;
    let (reason, message) = problem(&kept);
    assert_eq!(reason, "NoOffer", "{kept:?}");
    assert!(
        message.contains("stock-us") && message.contains("sold out in ash"),
        "{message}"
    );
    assert_eq!(kept.servers["us"].phase, ServerPhase::Failed);
    assert_eq!(world.servers().len(), 1);
    // It asks once a minute whether that has changed, and not at each tick.
    world.tick().await?;
    world.cloud.forget_requests();
    world.tick().await?;
    assert_eq!(world.cloud.requests().len(), 1);

    // Only the order tells.
    let world = World::new("orders", &[("us", "ash")]).await?;
    world.cloud.faults().always(sold_out(None));
    let kept = world.tick().await?;
    let (reason, message) = problem(&kept);
    assert_eq!(reason, "NoOffer", "{kept:?}");
    assert!(message.contains("cpx11 in ash"), "{message}");
    world.cloud.faults().clear();
    world.settle().await?;
    Ok(())
}

#[tokio::test]
async fn tokens_that_do_not_do_are_told_in_words() -> Result<()> {
    let world = World::new("revoked", &[("us", "ash")]).await?;
    world.cloud.faults().always(Fault::RevokeToken);
    let kept = world.tick().await?;
    assert_eq!(problem(&kept).0, "ProviderError");
    assert!(
        problem(&kept).1.contains("does not know the API token"),
        "{kept:?}"
    );
    world.cloud.faults().clear();
    world.cloud.faults().always(Fault::ReadOnlyToken);
    let kept = world.tick().await?;
    assert_eq!(problem(&kept).0, "ProviderError");
    assert!(problem(&kept).1.contains("read and write"), "{kept:?}");
    world.cloud.faults().clear();
    world.settle().await?;
    Ok(())
}
