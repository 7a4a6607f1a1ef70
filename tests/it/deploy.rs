//! `fleetctl deploy`, the whole of it: servers of the simulated cloud, the first of which is a real SSH server before a
//! real API server; and a cluster that is there already.
//!
//! Behind the simulated servers runs nothing, so the test stands in for k3s: it makes a Node for each server that was
//! told a token which the API server knows.

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::Path,
    process::{Output, Stdio},
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use fleet_api::ResearchCollector;
use fleet_sim::hetzner::{Api as Cloud, Options, TOKEN};
use fleet_tests::{bins, kube::Kubernetes, sshd::Sshd};
use k8s_openapi::api::{
    apps::v1::Deployment,
    core::v1::{Node, Secret},
};
use kube::{
    Api, Client,
    api::{ListParams, Patch, PatchParams, PostParams},
};
use serde_json::json;
use tempfile::TempDir;
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    process::Command,
    task::JoinSet,
    time::{sleep, timeout},
};

/// The first address of the simulated cloud, which is the control plane's. The API server's certificate names it.
const CONTROL_PLANE: Ipv4Addr = Ipv4Addr::new(127, 81, 0, 1);
const PATIENCE: Duration = Duration::from_mins(3);

fn spec(ssh_key: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Secret\nmetadata: {{name: account}}\nstringData: {{username: anna, password: hunter2-Zebra}}\n---\n\
         apiVersion: researchfleet.io/v1alpha1\nkind: ResearchCollector\nmetadata: {{name: study}}\nspec:\n  network: soulseek\n  \
         infrastructure: {{hetzner: {{sshKeys: [\"{ssh_key}\"]}}}}\n  regions:\n  - {{name: germany, credentialsSecretRef: {{name: account}}}}\n  \
         - {{name: us-east, location: ash, credentialsSecretRef: {{name: account}}}}\n"
    )
}

async fn fleetctl(home: &Path, cloud: Option<&Cloud>, arguments: &[&str]) -> Result<Output> {
    let mut command = Command::new(bins::path("fleetctl")?);
    command
        .env("HOME", home)
        .env_remove("XDG_CONFIG_HOME")
        .env_remove("KUBECONFIG");
    if let Some(cloud) = cloud {
        command
            .env("HCLOUD_TOKEN", TOKEN)
            .env("HCLOUD_ENDPOINT", cloud.endpoint());
    }
    command
        .args(arguments)
        .stdin(Stdio::null())
        .kill_on_drop(true);
    Ok(timeout(PATIENCE, command.output())
        .await
        .context("fleetctl does not end")??)
}

fn well(output: &Output) -> Result<String> {
    let (out, err) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    ensure!(output.status.success(), "{}\n{out}\n{err}", output.status);
    ensure!(
        !err.contains("hunter2-Zebra") && !out.contains("hunter2-Zebra"),
        "a secret is shown"
    );
    Ok(out.into_owned())
}

/// What comes to the first address goes on to the second.
async fn forward(from: SocketAddr, to: SocketAddr) -> Result<()> {
    let listener = TcpListener::bind(from).await?;
    let mut connections = JoinSet::new();
    loop {
        let (mut near, _) = listener.accept().await?;
        connections.spawn(async move {
            if let Ok(mut far) = TcpStream::connect(to).await {
                let _ = copy_bidirectional(&mut near, &mut far).await;
            }
        });
    }
}

/// Joins servers as k3s would: the control plane's at once, others when they were told a token that lets them in.
async fn join(client: Client, cloud: &Cloud) -> Result<()> {
    let nodes: Api<Node> = Api::all(client.clone());
    let secrets: Api<Secret> = Api::namespaced(client, "kube-system");
    loop {
        let tokens = secrets
            .list(&ListParams::default().fields("type=bootstrap.kubernetes.io/token"))
            .await?;
        let tokens: Vec<String> = tokens
            .into_iter()
            .filter_map(|secret| {
                let data = secret.data?;
                let text = |key: &str| String::from_utf8(data.get(key)?.0.clone()).ok();
                Some(format!("::{}.{}", text("token-id")?, text("token-secret")?))
            })
            .collect();
        for server in cloud.state().servers.values() {
            let told = server
                .user_data
                .as_ref()
                .map(|told| told.0.clone())
                .unwrap_or_default();
            let name = &server.meta.name;
            let is_first = name.ends_with("-control-plane");
            let may = is_first || tokens.iter().any(|token| told.contains(token));
            if may && told.contains("k3s") && nodes.get_opt(name).await?.is_none() {
                let node: Node = serde_json::from_value(json!({"metadata": {"name": name}}))?;
                nodes.create(&PostParams::default(), &node).await?;
                let ready =
                    json!({"status": {"conditions": [{"type": "Ready", "status": "True"}]}});
                nodes
                    .patch_status(name, &PatchParams::default(), &Patch::Merge(ready))
                    .await?;
            }
        }
        sleep(Duration::from_millis(200)).await;
    }
}

#[tokio::test]
async fn servers_a_cluster_and_the_spec_in_it() -> Result<()> {
    let kubernetes = Kubernetes::start().await?;
    let server = Sshd::start().await?;
    if server.user() != "root" {
        println!(
            "not run: only root may listen at port 22, where the servers of a fleet are logged in to"
        );
        return Ok(());
    }
    let cloud = Cloud::start(Options {
        ipv4: "127.81.0.0/16".parse()?,
        ..Options::default()
    })
    .await?;
    server.write("/etc/rancher/k3s/k3s.yaml", kubernetes.kubeconfig())?;
    server.write("/run/fleet/ready", "now\n")?;
    let home = TempDir::new()?;
    let file = home.path().join("study.yaml");
    let key = std::fs::read_to_string(server.path("user.pub"))?;
    std::fs::write(&file, spec(key.trim()))?;
    let (file, identity) = (
        file.display().to_string(),
        server.identity().display().to_string(),
    );
    let arguments = ["-f", &file, "--identity", &identity, "--yes"];

    let client = kubernetes.client().await?;
    let work = async {
        well(
            &fleetctl(
                home.path(),
                Some(&cloud),
                &[&["deploy"], &arguments[..]].concat(),
            )
            .await?,
        )?;
        // A second time there is nothing to do.
        let again = well(
            &fleetctl(
                home.path(),
                Some(&cloud),
                &[&["deploy"], &arguments[..]].concat(),
            )
            .await?,
        )?;
        ensure!(again.contains("nothing to do"), "{again}");
        ensure!(!again.contains("created"), "{again}");
        well(&fleetctl(home.path(), Some(&cloud), &["plan", "-f", &file]).await?)
    };
    tokio::select! {
        done = work => { done?; }
        ended = forward((CONTROL_PLANE, 22).into(), (server.address(), server.port()).into()) => ended?,
        ended = forward((CONTROL_PLANE, 6443).into(), kubernetes.address()) => ended?,
        ended = join(client.clone(), &cloud) => ended?,
    }

    let state = cloud.state();
    let region = state
        .server("study-us-east")
        .context("no server for the region")?;
    let told = region
        .user_data
        .as_ref()
        .map(|told| told.0.clone())
        .unwrap_or_default();
    ensure!(
        told.contains("https://127.81.0.1:6443") && told.contains("K10"),
        "it does not join: {told}"
    );
    let collectors: Api<ResearchCollector> = Api::namespaced(client.clone(), "default");
    collectors
        .get("study")
        .await
        .context("the spec was not applied")?;
    let deployments: Api<Deployment> = Api::namespaced(client.clone(), "research-fleet");
    deployments
        .get("fleet-operator")
        .await
        .context("the operator was not installed")?;
    let secrets: Api<Secret> = Api::namespaced(client, "kube-system");
    let tokens = secrets
        .list(&ListParams::default().fields("type=bootstrap.kubernetes.io/token"))
        .await?;
    ensure!(
        tokens.items.is_empty(),
        "tokens are left: {:?}",
        tokens.items.len()
    );
    let kept = home.path().join(".config/fleetctl/study");
    ensure!(kept.join("kubeconfig").exists(), "no kubeconfig");

    well(
        &fleetctl(
            home.path(),
            Some(&cloud),
            &["destroy", "-f", &file, "--yes"],
        )
        .await?,
    )?;
    ensure!(
        cloud
            .bill()
            .running_with("researchfleet.io/fleet", "study")
            .is_empty(),
        "something still costs"
    );
    ensure!(!kept.exists(), "what was kept of the fleet is still there");
    Ok(())
}

#[tokio::test]
async fn a_cluster_that_is_there_already() -> Result<()> {
    let kubernetes = Kubernetes::start().await?;
    let home = TempDir::new()?;
    let file = home.path().join("study.yaml");
    std::fs::write(&file, spec("a-key"))?;
    let (file, kubeconfig) = (
        file.display().to_string(),
        kubernetes.kubeconfig_file().display().to_string(),
    );
    let arguments = [
        "-f",
        &file,
        "--provider",
        "existing",
        "--kubeconfig",
        &kubeconfig,
        "--yes",
    ];
    let first = well(&fleetctl(home.path(), None, &[&["deploy"], &arguments[..]].concat()).await?)?;
    ensure!(
        first.contains("created") && first.contains("ResearchCollector/study"),
        "{first}"
    );
    let again = well(&fleetctl(home.path(), None, &[&["deploy"], &arguments[..]].concat()).await?)?;
    ensure!(!again.contains("created"), "{again}");
    well(&fleetctl(home.path(), None, &[&["destroy"], &arguments[..]].concat()).await?)?;
    let collectors: Api<ResearchCollector> = Api::namespaced(kubernetes.client().await?, "default");
    ensure!(
        collectors.get_opt("study").await?.is_none(),
        "the collector is still there"
    );
    Ok(())
}
