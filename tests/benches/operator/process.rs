//! The operator as a process.

use std::{fs, process::Stdio, time::Duration};

use anyhow::{Context as _, Result};
use fleet_tests::{bins, kube::Kubernetes, ports};
use http_body_util::{BodyExt as _, Empty};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use tokio::{
    process::{Child, Command},
    time::sleep,
};

pub(crate) struct Operator {
    process: Child,
    port: u16,
}

/// Calls that it has made.
pub(crate) struct Calls {
    pub(crate) reads: usize,
    pub(crate) writes: usize,
}

impl Operator {
    /// Waits until it works.
    pub(crate) async fn start(cluster: &Kubernetes, namespace: &str) -> Result<Self> {
        let port = ports::free_port()?;
        let process = Command::new(bins::path("fleetd")?)
            .env_clear()
            .env("KUBECONFIG", cluster.kubeconfig_file())
            .args([
                "operator",
                "--image",
                "fleet:bench",
                "--namespace",
                namespace,
            ])
            .args(["--listen", &format!("127.0.0.1:{port}")])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()?;
        let operator = Self { process, port };
        for _ in 0..100 {
            if operator.calls().await.is_ok_and(|calls| calls.reads > 12) {
                return Ok(operator);
            }
            sleep(Duration::from_millis(100)).await;
        }
        anyhow::bail!("the operator does not begin")
    }

    /// A line of `/proc/PID/status`, in megabytes.
    pub(crate) fn memory(&self, what: &str) -> Result<f64> {
        let id = self.process.id().context("the operator has ended")?;
        let status = fs::read_to_string(format!("/proc/{id}/status"))?;
        let line = status.lines().find(|line| line.starts_with(what));
        let kilobytes = line.and_then(|line| line.split_whitespace().nth(1));
        Ok(kilobytes.context("no such line")?.parse::<f64>()? / 1024.0)
    }

    pub(crate) async fn calls(&self) -> Result<Calls> {
        let client = Client::builder(TokioExecutor::new()).build_http::<Empty<bytes::Bytes>>();
        let url = format!("http://127.0.0.1:{}/metrics", self.port).parse()?;
        let body = client.get(url).await?.into_body().collect().await?;
        let text = String::from_utf8(body.to_bytes().to_vec())?;
        let count = |kind: &str| {
            let lines = text.lines().filter(|line| {
                line.starts_with("fleet_operator_api_calls_total") && line.contains(kind)
            });
            let counts = lines.filter_map(|line| line.rsplit(' ').next()?.parse::<usize>().ok());
            counts.sum()
        };
        Ok(Calls {
            reads: count("call=\"read\""),
            writes: count("call=\"write\""),
        })
    }
}
