//! `fleetctl up` among real clients: as one of many, at the end of a chain, and as root and parent.

use std::time::Duration;

use anyhow::{Result, bail};
use fleet_sim::soulseek::Options;
use fleet_tests::fleet::{Fleet, Record, counts};
use fleet_tests::peer::{Account, Peer};
use fleet_tests::protocol::{Command, Event, Via};
use tokio::time::{sleep, timeout};

use crate::sim::{self, Sim};

const FAST: u32 = 1_000_000;

/// Two regions and two different clients that search: everything is there, once in each region.
#[tokio::test]
async fn every_search_of_real_clients_is_recorded_once_in_both_regions() -> Result<()> {
    let sim = sim::start().await?;
    let fleet = Fleet::up(
        sim.address,
        &[("north", "collector-n"), ("south", "collector-s")],
    )
    .await?;
    looks_for_parents(&sim, &["collector-n", "collector-s"]).await?;
    let mut nicotine = Peer::nicotine(&Account::new(sim.address, "searcher-one")).await?;
    let mut aioslsk = Peer::aioslsk(&Account::new(sim.address, "searcher-two")).await?;
    nicotine.online().await?;
    aioslsk.online().await?;

    let mut sent = Vec::new();
    for number in 0..10 {
        for (client, name) in [(&mut nicotine, "one"), (&mut aioslsk, "two")] {
            let query = format!("song {number} of {name} ünïcödé 東京");
            sent.push((client.search(&query).await?, query));
        }
    }
    let wanted = sent.len() * 2;
    fleet.wait_for(|records| records.len() >= wanted).await?;
    let records = fleet.stop().await?;
    assert_eq!(records.len(), wanted, "{records:#?}");
    for (token, query) in &sent {
        for region in ["north", "south"] {
            let found: Vec<_> = records
                .iter()
                .filter(|r| r.client_id == region && r.query == *query)
                .collect();
            assert_eq!(found.len(), 1, "{region}: {query}");
            assert_eq!(found[0].token, *token);
            assert!(
                !found[0].username.contains("searcher"),
                "the name is in clear"
            );
        }
    }
    for region in ["north", "south"] {
        let seqs: Vec<u64> = records
            .iter()
            .filter(|r| r.client_id == region)
            .map(|r| r.seq)
            .collect();
        assert_eq!(
            seqs,
            (1..=sent.len() as u64).collect::<Vec<_>>(),
            "{region}"
        );
    }
    let pseudonyms: std::collections::BTreeSet<_> = records.iter().map(|r| &r.username).collect();
    assert_eq!(
        pseudonyms.len(),
        2,
        "the same user has the same pseudonym in both regions"
    );
    Ok(())
}

/// Nicotine+ (root) -> aioslsk -> soulseek-rs -> ours: three other programs in a row above us.
#[tokio::test]
async fn a_search_comes_down_a_chain_of_three_real_clients() -> Result<()> {
    let options = Options {
        speeds: ["chain-root", "chain-two", "chain-three"]
            .map(|name| (name.to_owned(), FAST))
            .into(),
        roots: Some(vec!["chain-root".to_owned()]),
        candidates: [
            ("chain-root", vec![]),
            ("chain-two", vec!["chain-root"]),
            ("chain-three", vec!["chain-two"]),
            ("collector", vec!["chain-three"]),
        ]
        .map(|(name, above)| {
            (
                name.to_owned(),
                above.into_iter().map(str::to_owned).collect(),
            )
        })
        .into(),
        ..Options::default()
    };
    let sim = sim::start_with(options).await?;
    let root = Peer::nicotine(&Account::new(sim.address, "chain-root")).await?;
    root.online().await?;
    let two = Peer::aioslsk(&Account::new(sim.address, "chain-two")).await?;
    two.online().await?;
    let three = Peer::soulseek_rs(&Account::new(sim.address, "chain-three")).await?;
    three.online().await?;
    let fleet = Fleet::up(sim.address, &[("end", "collector")]).await?;

    // Nicotine+ takes children after its first search, and each of the others adopts with a search.
    let warm_up = repeat_until(&sim, "warm up", || async {
        Ok(fleet
            .records()
            .await?
            .iter()
            .any(|record| record.branch_level == 3))
    });
    warm_up.await?;
    for number in 0..50 {
        sim.server
            .search(
                "far away",
                5000 + number,
                format!("numbered {number}").as_str(),
            )
            .await;
    }
    let all = |records: &[Record]| {
        records
            .iter()
            .filter(|record| record.query.starts_with("numbered"))
            .count()
            >= 50
    };
    fleet.wait_for(all).await?;
    let records = fleet.stop().await?;
    for number in 0..50 {
        let query = format!("numbered {number}");
        let found: Vec<_> = records
            .iter()
            .filter(|record| record.query == query)
            .collect();
        assert_eq!(found.len(), 1, "{query}");
        assert_eq!(
            (found[0].source.as_str(), found[0].branch_level),
            ("parent", 3)
        );
        assert_eq!(found[0].token, 5000 + number);
    }
    Ok(())
}

/// We are the root and the parent of all three real clients, and pass every search on to them.
#[tokio::test]
async fn real_clients_accept_us_as_their_parent_and_root() -> Result<()> {
    let children = ["child-nicotine", "child-aioslsk", "child-rs"];
    let mut candidates: std::collections::HashMap<_, _> = children
        .map(|name| (name.to_owned(), vec!["collector".to_owned()]))
        .into();
    candidates.insert("collector".to_owned(), vec![]);
    let options = Options {
        speeds: [("collector".to_owned(), FAST)].into(),
        roots: Some(vec!["collector".to_owned()]),
        candidates,
        ..Options::default()
    };
    let sim = sim::start_with(options).await?;
    let fleet = Fleet::up(sim.address, &[("root", "collector")]).await?;
    looks_for_parents(&sim, &["collector"]).await?;
    sim.server
        .search("far away", 1, "the first makes us root")
        .await;
    let nicotine = Peer::nicotine(&Account::new(sim.address, children[0])).await?;
    let aioslsk = Peer::aioslsk(&Account::new(sim.address, children[1])).await?;
    let rs = Peer::soulseek_rs(&Account::new(sim.address, children[2])).await?;
    for client in [&nicotine, &aioslsk, &rs] {
        client.online().await?;
    }
    // soulseek-rs adopts with the first search that it gets.
    repeat_until(&sim, "warm up", || async {
        let levels = sim.server.users();
        let placed = |name: &&str| {
            levels
                .iter()
                .any(|user| user.username == **name && user.level == 1 && user.root == "collector")
        };
        Ok(children.iter().all(placed))
    })
    .await?;
    for client in [&nicotine, &aioslsk] {
        let parent = client.wait_for(Event::has_parent).await?;
        assert!(
            matches!(&parent, Event::Parent { username: Some(name), level: 1, .. } if name == "collector"),
            "{parent:?}"
        );
    }
    for number in 0..50 {
        sim.server
            .search(
                "far away",
                9000 + number,
                format!("passed on {number}").as_str(),
            )
            .await;
    }
    for client in [&nicotine, &aioslsk] {
        for number in 0..50 {
            let query = format!("passed on {number}");
            let seen = client
                .wait_for(|event| event.is_search_seen(&query))
                .await?;
            let wanted = Event::SearchSeen {
                via: Via::Tree,
                username: "far away".to_owned(),
                token: 9000 + number,
                query,
            };
            assert_eq!(seen, wanted);
        }
    }
    let records = fleet.stop().await?;
    let counted = counts(&records);
    assert!((0..50).all(|number| counted[&("root", format!("passed on {number}").as_str())] == 1));
    Ok(())
}

/// Users who look at us see what we are, and that we share nothing.
#[tokio::test]
async fn real_clients_are_told_who_we_are_and_find_nothing_to_download() -> Result<()> {
    let sim = sim::start().await?;
    let _fleet = Fleet::up(sim.address, &[("here", "collector")]).await?;
    looks_for_parents(&sim, &["collector"]).await?;
    let mut nicotine = Peer::nicotine(&Account::new(sim.address, "curious-one")).await?;
    let mut aioslsk = Peer::aioslsk(&Account::new(sim.address, "curious-two")).await?;
    for client in [&mut nicotine, &mut aioslsk] {
        client.online().await?;
        client
            .send(&Command::UserInfo {
                username: "collector".to_owned(),
            })
            .await?;
        let info = client
            .wait_for(|event| matches!(event, Event::UserInfo { .. }))
            .await?;
        let Event::UserInfo {
            description,
            upload_slots: 0,
            slots_free: false,
            ..
        } = &info
        else {
            bail!("{info:?}")
        };
        assert!(description.contains("measurement node"), "{description}");
        client
            .send(&Command::Browse {
                username: "collector".to_owned(),
            })
            .await?;
        let shares = client
            .wait_for(|event| matches!(event, Event::Shares { .. }))
            .await?;
        assert_eq!(
            shares,
            Event::Shares {
                username: "collector".to_owned(),
                files: Vec::new()
            }
        );
    }
    Ok(())
}

/// Waits until the accounts are online and look for parents.
async fn looks_for_parents(sim: &Sim, names: &[&str]) -> Result<()> {
    let looking = async {
        loop {
            let users = sim.server.users();
            let looks = |name: &&str| {
                users
                    .iter()
                    .any(|user| user.username == **name && user.wants_parent && user.port != 0)
            };
            if names.iter().all(looks) {
                return;
            }
            sleep(Duration::from_millis(50)).await;
        }
    };
    Ok(timeout(Duration::from_mins(1), looking).await?)
}

/// Sends numbered searches until the tree has grown to what a test needs.
async fn repeat_until<F: Future<Output = Result<bool>>>(
    sim: &Sim,
    query: &str,
    holds: impl Fn() -> F,
) -> Result<()> {
    for token in 0..200 {
        if holds().await? {
            return Ok(());
        }
        sim.server
            .search("far away", token, format!("{query} {token}").as_str())
            .await;
        sleep(Duration::from_millis(300)).await;
    }
    bail!("the tree did not grow: {:#?}", sim.server.users())
}
