//! The admin server over a real socket.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use fleet_telemetry::admin::Admin;
use fleet_telemetry::readiness::Readiness;
use fleet_telemetry::register_process_metrics;
use prometheus_client::registry::Registry;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

async fn get(address: SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(address)
        .await
        .expect("the server listens");
    let request = format!("GET {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n");
    stream
        .write_all(request.as_bytes())
        .await
        .expect("it reads");
    let mut answer = String::new();
    stream
        .read_to_string(&mut answer)
        .await
        .expect("it answers");
    answer
}

#[tokio::test]
async fn metrics_health_and_readiness_are_served() {
    let mut registry = Registry::default();
    register_process_metrics(&mut registry);
    let readiness = Readiness::default();
    let ready = Arc::new(AtomicBool::new(false));
    let state = Arc::clone(&ready);
    readiness.add("parent", move || {
        (!state.load(Ordering::Relaxed)).then(|| "no parent yet".to_owned())
    });
    let cancelled = CancellationToken::new();
    let admin = Admin {
        registry,
        readiness,
        level: None,
    };
    let any = (Ipv4Addr::LOCALHOST, 0).into();
    let address = admin
        .serve(any, cancelled.clone())
        .await
        .expect("a free port");

    assert!(get(address, "/healthz").await.starts_with("HTTP/1.1 200"));
    let answer = get(address, "/readyz").await;
    assert!(answer.starts_with("HTTP/1.1 503"), "{answer}");
    assert!(
        answer.contains(r#"{"ready":false,"reasons":{"parent":"no parent yet"}}"#),
        "{answer}"
    );
    ready.store(true, Ordering::Relaxed);
    assert!(get(address, "/readyz").await.starts_with("HTTP/1.1 200"));

    let metrics = get(address, "/metrics").await;
    for name in [
        "process_resident_memory_bytes",
        "process_cpu_seconds_total",
        "process_open_fds",
    ] {
        assert!(
            metrics.contains(&format!("\n{name} ")),
            "{name} is missing from\n{metrics}"
        );
    }
    assert!(metrics.trim_end().ends_with("# EOF"));
    cancelled.cancel();
}

#[tokio::test]
async fn a_port_that_is_taken_is_named() {
    let taken = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    let address = taken.local_addr().expect("it has one");
    let admin = Admin {
        registry: Registry::default(),
        readiness: Readiness::default(),
        level: None,
    };
    let error = admin
        .serve(address, CancellationToken::new())
        .await
        .expect_err("it is taken");
    assert!(error.to_string().contains(&address.to_string()), "{error}");
}
