//! A network that goes silent without a word: a cable that is cut, a router that forgot the connection.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::net::SocketAddr;
use std::time::Duration;

use fleet_collector::{Collector, End, Metrics, Phase, State};
use fleet_sim::soulseek::{Options, Server};
use fleet_soulseek::session::{Config, Timing};
use fleet_store::{Filter, Format, Pseudonymizer, Reader, Scheme, Spool, SpoolOptions, export};
use prometheus_client::registry::Registry;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

const PATIENCE: Duration = Duration::from_mins(1);

/// Connections through it carry what both sides say, until `silent` is set: then those that are there carry nothing
/// and stay open.
async fn proxy(to: SocketAddr, silent: watch::Receiver<bool>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let mut silent = silent.clone();
            tokio::spawn(async move {
                let mut server = TcpStream::connect(to).await.unwrap();
                // Only a change counts: later connections are good again.
                silent.mark_unchanged();
                tokio::select! {
                    _ = copy_bidirectional(&mut client, &mut server) => {}
                    _ = silent.changed() => std::future::pending().await,
                }
            });
        }
    });
    address
}

fn config(server: SocketAddr) -> Config {
    Config {
        server: server.to_string(),
        username: "acct-north".to_owned(),
        password: "x".into(),
        client_version: 177,
        listen_port: 0,
        obfuscated_port: None,
        description: "a test".to_owned(),
        distributed: true,
        max_children: 10,
        timing: Timing {
            ping: Duration::from_millis(200),
            retry_min: Duration::from_millis(50),
            ..Timing::default()
        },
    }
}

async fn until_phase(state: &mut watch::Receiver<State>, is: impl Fn(&Phase) -> bool) -> Phase {
    let found = timeout(PATIENCE, state.wait_for(|state| is(&state.phase))).await;
    found.unwrap().unwrap().phase.clone()
}

async fn until_listening(server: &Server) {
    let looking = async {
        while !server.users().iter().any(|user| user.wants_parent) {
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(PATIENCE, looking).await.unwrap();
}

#[tokio::test]
async fn a_server_that_went_silent_is_noticed_and_found_again() {
    let server = Server::start(Options::default()).await.unwrap();
    let (silence, silent) = watch::channel(false);
    let proxy = proxy(server.address(), silent).await;
    let dir = tempfile::tempdir().unwrap();
    let spool = Spool::open(dir.path(), SpoolOptions::default())
        .await
        .unwrap();
    let metrics = Metrics::register(&mut Registry::default());
    let names = Pseudonymizer::new(Scheme::Siv, &"a key that is long enough".into()).unwrap();
    let client = spool.client("north").await.unwrap();
    let collector = Collector::bind(
        "north",
        config(proxy),
        client.clone(),
        names,
        true,
        None,
        &metrics,
    );
    let collector = collector.await.unwrap();
    let mut state = collector.state();
    let cancelled = CancellationToken::new();
    let running = tokio::spawn(collector.run(cancelled.clone()));

    until_listening(&server).await;
    server.search("anna", 1, "before").await;
    until_phase(&mut state, |phase| *phase == Phase::Root).await;
    // Quiet, but alive: the questions about life are answered, and the connection stays.
    let left = timeout(
        Duration::from_secs(2),
        state.wait_for(|state| state.phase != Phase::Root),
    );
    assert!(left.await.is_err());

    silence.send_replace(true);
    let waiting = until_phase(&mut state, |phase| matches!(phase, Phase::Waiting { .. })).await;
    let Phase::Waiting { reason, .. } = waiting else {
        panic!("{waiting:?}")
    };
    assert!(reason.contains("has not answered"), "{reason}");
    until_phase(&mut state, |phase| *phase == Phase::Searching).await;
    until_listening(&server).await;
    server.search("anna", 2, "after").await;
    until_phase(&mut state, |phase| *phase == Phase::Root).await;

    cancelled.cancel();
    assert_eq!(
        timeout(PATIENCE, running).await.unwrap().unwrap(),
        End::Cancelled
    );
    spool.close().await.unwrap();
    let reader = Reader::open(dir.path()).await.unwrap();
    let mut lines = Vec::new();
    let count = export(&reader, Format::Jsonl, Filter::default(), &mut lines)
        .await
        .unwrap();
    let lines = String::from_utf8(lines).unwrap();
    assert!(
        count == 2 && lines.contains("before") && lines.contains("after"),
        "{lines}"
    );
}
