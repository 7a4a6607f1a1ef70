//! `fleetctl monitor`: what collectors, the project and the archive say, as one snapshot and on a terminal.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};

use fleet_sim::hetzner::{Api, Options, TOKEN};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;
use tokio::process::Command;

use crate::common::{Program, Spec, ended, listening, server, until};
use crate::terminal::{CTRL_C, OnTerminal};
use crate::{fleetctl, up};

const SERVERS: &str = "\
apiVersion: researchfleet.io/v1alpha1
kind: ResearchCollector
metadata: { name: study }
spec:
  network: soulseek
  regions:
    - { name: north, credentialsSecretRef: { name: north } }
    - { name: east, location: ash, credentialsSecretRef: { name: east } }
  infrastructure: { hetzner: {} }
";

/// A demo that runs, with its metrics.
async fn demo(dir: &Path) -> Program {
    let mut command = fleetctl();
    command
        .args(["up", "--demo", "--listen", "127.0.0.1:0", "--data-dir"])
        .arg(dir);
    let program = Program::start(command);
    program.reaches("fleet_searches_total", "south", 20).await;
    program
}

fn monitor(dir: &Path) -> Command {
    let mut command = fleetctl();
    // Where there is no store by chance.
    command.current_dir(dir).arg("monitor");
    for variable in [
        "KUBECONFIG",
        "FLEET_KUBECONFIG",
        "HCLOUD_TOKEN",
        "HCLOUD_ENDPOINT",
    ] {
        command.env_remove(variable);
    }
    command
}

/// The one object, of a run that ended well.
async fn once(command: &mut Command) -> Value {
    let (code, stdout, stderr) = ended(command.args(["--once", "-o", "json"])).await;
    assert_eq!(code, Some(0), "{stderr}");
    assert_eq!(stderr, "");
    serde_json::from_str(&stdout).unwrap()
}

#[tokio::test]
async fn a_demo_can_be_watched_by_a_script() {
    let tmp = tempfile::tempdir().unwrap();
    let program = demo(tmp.path()).await;
    let address = program.admin().await.to_string();
    let mut command = monitor(tmp.path());
    command
        .args(["--metrics", &address, "--data-dir"])
        .arg(tmp.path().join("demo"));
    let seen = once(&mut command).await;
    let keys: Vec<_> = seen.as_object().unwrap().keys().collect();
    let wanted = [
        "archives",
        "at",
        "errors",
        "fleet",
        "monthlyCost",
        "pods",
        "regions",
        "servers",
    ];
    assert_eq!(keys, wanted, "{seen}");
    assert_eq!(
        (&seen["fleet"], &seen["monthlyCost"], &seen["errors"]),
        (&Value::Null, &Value::Null, &json!([]))
    );
    let nothing = json!({"files": 0, "records": 0, "bytes": 0, "problems": [], "last": null});
    assert_eq!(seen["archives"], nothing);
    let regions = seen["regions"].as_array().unwrap();
    let names: Vec<_> = regions
        .iter()
        .map(|region| region["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["north", "south"]);
    for region in regions {
        // 30 a second are scripted.
        let rate = region["searchesPerSecond"].as_f64().unwrap();
        assert!((5.0..90.0).contains(&rate), "{region}");
        assert!(region["searches"].as_u64().unwrap() >= 20, "{region}");
        assert!(region["lastRecordAt"].is_string(), "{region}");
        assert_eq!(
            (&region["stalled"], &region["databaseWaiting"]),
            (&json!(false), &Value::Null)
        );
        assert!(
            ["root", "fed"].contains(&region["phase"].as_str().unwrap()),
            "{region}"
        );
    }

    let mut table = monitor(tmp.path());
    let (code, stdout, stderr) = ended(table.args(["--once", "--metrics", &address])).await;
    assert_eq!((code, stderr.as_str()), (Some(0), ""));
    assert!(stdout.starts_with("REGION  SEARCHES/S  STATE"), "{stdout}");
    assert!(
        stdout.lines().count() == 3 && stdout.contains("\nsouth "),
        "{stdout}"
    );
}

#[tokio::test]
async fn a_source_that_fails_does_not_stop_the_others() {
    let tmp = tempfile::tempdir().unwrap();
    let program = demo(tmp.path()).await;
    let mut command = monitor(tmp.path());
    command.args([
        "--metrics",
        "127.0.0.1:1",
        "--metrics",
        &program.admin().await.to_string(),
    ]);
    let seen = once(command.args(["--data-dir", "nowhere"])).await;
    assert_eq!(seen["regions"].as_array().unwrap().len(), 2, "{seen}");
    let errors = seen["errors"].as_array().unwrap();
    let of = |source: &str| {
        errors
            .iter()
            .find(|error| error["source"] == source)
            .unwrap()["message"]
            .to_string()
    };
    assert!(
        of("metrics").contains("http://127.0.0.1:1/metrics: "),
        "{seen}"
    );
    assert!(of("archives").contains("nowhere"), "{seen}");
    assert_eq!(seen["archives"], Value::Null);
}

#[tokio::test]
async fn the_servers_of_the_fleet_are_told_with_what_they_cost() {
    let api = Api::start(Options::default()).await.unwrap();
    let fleet = ("researchfleet.io/fleet", "study");
    let region = ("researchfleet.io/region", "east");
    api.seed_server(
        "study-east",
        &[fleet, ("researchfleet.io/role", "region"), region],
    )
    .unwrap();
    api.seed_server(
        "study-control-plane",
        &[fleet, ("researchfleet.io/role", "control-plane")],
    )
    .unwrap();
    api.seed_server("somebody-elses", &[("researchfleet.io/fleet", "other")])
        .unwrap();
    let tmp = tempfile::tempdir().unwrap();
    fs::write(tmp.path().join("study.yaml"), SERVERS).unwrap();
    let mut command = monitor(tmp.path());
    command
        .args(["-f", "study.yaml"])
        .env("HCLOUD_TOKEN", TOKEN)
        .env("HCLOUD_ENDPOINT", api.endpoint());
    let seen = once(&mut command).await;
    assert_eq!(
        (&seen["fleet"], &seen["errors"]),
        (&json!("study"), &json!([])),
        "{seen}"
    );
    let servers = seen["servers"].as_array().unwrap();
    let roles: Vec<_> = servers
        .iter()
        .map(|server| server["role"].as_str().unwrap())
        .collect();
    assert_eq!(roles, ["control-plane", "east"]);
    let cents =
        |amount: &Value| -> u64 { amount.as_str().unwrap().replace('.', "").parse().unwrap() };
    let each: u64 = servers
        .iter()
        .map(|server| cents(&server["monthlyCost"]))
        .sum();
    assert_eq!(cents(&seen["monthlyCost"]["net"]), each, "{seen}");
    assert_eq!(seen["monthlyCost"]["currency"], "EUR");
    for server in servers {
        assert!(cents(&server["monthlyCost"]) > 100, "{server}");
        assert_eq!(server["status"], "running");
        assert!(
            server["address"].as_str().unwrap().contains('.'),
            "{server}"
        );
    }
    // Nobody has said where the regions could be asked.
    let phases: Vec<_> = seen["regions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|region| &region["phase"])
        .collect();
    assert_eq!(phases, ["unknown", "unknown"]);
    assert_eq!(seen["regions"][1]["location"], "ash");

    // Without a token there is a reason, and everything else.
    let seen = once(monitor(tmp.path()).args(["-f", "study.yaml"])).await;
    let error = seen["errors"][0]["message"].as_str().unwrap();
    assert!(
        error.contains("no token") && error.contains("set HCLOUD_TOKEN"),
        "{seen}"
    );
    assert_eq!(
        (seen["regions"].as_array().unwrap().len(), &seen["servers"]),
        (2, &json!([]))
    );

    // A token that is not taken is an error in the snapshot, and stands nowhere.
    let wrong = "w".repeat(64);
    let mut command = monitor(tmp.path());
    command
        .args(["-f", "study.yaml"])
        .env("HCLOUD_TOKEN", &wrong)
        .env("HCLOUD_ENDPOINT", api.endpoint());
    let seen = once(&mut command).await;
    assert_eq!(
        (&seen["servers"], &seen["errors"][0]["source"]),
        (&json!([]), &json!("servers")),
        "{seen}"
    );
    assert!(!seen.to_string().contains(&wrong), "{seen}");
}

/// A cluster's API server as far as pods are concerned: the requests that came, and where it listens.
async fn cluster(pods: Value) -> (Arc<Mutex<Vec<String>>>, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let requests = Arc::<Mutex<Vec<String>>>::default();
    let seen = Arc::clone(&requests);
    let list =
        json!({"kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": pods}).to_string();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = String::new();
            let mut lines = BufReader::new(&mut stream);
            lines.read_line(&mut request).await.unwrap();
            seen.lock().unwrap().push(request);
            let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length:";
            let response = format!("{head} {}\r\n\r\n{list}", list.len());
            stream.write_all(response.as_bytes()).await.unwrap();
        }
    });
    (requests, address)
}

#[tokio::test]
async fn the_pods_of_the_fleet_are_told_where_a_kubeconfig_is_named() {
    let pod = |name: &str, ready: &str, restarts: &[i32]| {
        let containers = restarts.iter().map(|count| {
            json!({"name": "c", "image": "i", "imageID": "", "ready": true, "restartCount": count})
        });
        json!({
            "metadata": {"name": name},
            "spec": {"nodeName": "study-east", "containers": []},
            "status": {
                "phase": "Running",
                "conditions": [{"type": "Ready", "status": ready}],
                "containerStatuses": containers.collect::<Vec<_>>(),
            },
        })
    };
    let waiting = json!({"metadata": {"name": "study-west-0"}, "status": {"phase": "Pending"}});
    let pods = json!([
        pod("study-east-0", "True", &[1, 2]),
        pod("study-north-0", "False", &[0]),
        waiting
    ]);
    let (requests, address) = cluster(pods).await;
    let tmp = tempfile::tempdir().unwrap();
    let spec = SERVERS
        .replace("  infrastructure: { hetzner: {} }\n", "")
        .replace("location: ash, ", "");
    fs::write(tmp.path().join("study.yaml"), spec).unwrap();
    let kubeconfig = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "c",
        "clusters": [{"name": "c", "cluster": {"server": format!("http://{address}")}}],
        "users": [{"name": "u", "user": {"token": "secret-token"}}],
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u", "namespace": "studies"}}],
    });
    fs::write(tmp.path().join("cluster.yaml"), kubeconfig.to_string()).unwrap();
    let mut command = monitor(tmp.path());
    command.args(["-f", "study.yaml", "--kubeconfig", "cluster.yaml"]);
    let seen = once(&mut command).await;
    let east = json!({"name": "study-east-0", "phase": "Running", "ready": true, "restarts": 3, "node": "study-east"});
    let west = json!({"name": "study-west-0", "phase": "Pending", "ready": false, "restarts": 0, "node": null});
    assert_eq!(
        (&seen["pods"][0], &seen["pods"][2]),
        (&east, &west),
        "{seen}"
    );
    assert_eq!(seen["pods"][1]["ready"], false);
    let asked = requests.lock().unwrap().concat();
    let wanted =
        "GET /api/v1/namespaces/studies/pods?&labelSelector=researchfleet.io%2Ffleet%3Dstudy ";
    assert!(asked.starts_with(wanted), "{asked}");

    // The environment's does as well; a cluster that is away is an error in the snapshot.
    let away = kubeconfig
        .to_string()
        .replace(&address.to_string(), "127.0.0.1:1");
    fs::write(tmp.path().join("cluster.yaml"), away).unwrap();
    let mut command = monitor(tmp.path());
    command
        .args(["-f", "study.yaml"])
        .env("KUBECONFIG", tmp.path().join("cluster.yaml"));
    let seen = once(&mut command).await;
    assert_eq!(
        (&seen["pods"], &seen["errors"][0]["source"]),
        (&json!([]), &json!("pods")),
        "{seen}"
    );
    assert!(!seen.to_string().contains("secret-token"), "{seen}");

    let mut command = monitor(tmp.path());
    command.args(["--once", "-f", "study.yaml", "--kubeconfig", "nowhere.yaml"]);
    let (code, _, stderr) = ended(&mut command).await;
    assert_eq!(code, Some(3), "{stderr}");
    assert!(
        stderr.contains("nowhere.yaml") && stderr.contains("hint:"),
        "{stderr}"
    );
}

#[tokio::test]
async fn it_says_what_to_name() {
    let tmp = tempfile::tempdir().unwrap();
    fs::write(tmp.path().join("study.yaml"), SERVERS).unwrap();
    for (arguments, code, part) in [
        (&["--once"][..], 64, "there is nothing to watch"),
        (&["--metrics", "127.0.0.1:9090"], 64, "add --once"),
        (&["-o", "json", "--metrics", "127.0.0.1:9090"], 64, "--once"),
        (
            &["--metrics", "ftp://example.org"],
            64,
            "write an address like",
        ),
        (
            &["--once", "-f", "nowhere.yaml"],
            3,
            "cannot read nowhere.yaml",
        ),
    ] {
        let mut command = monitor(tmp.path());
        let (found, _, stderr) = ended(command.args(arguments)).await;
        assert_eq!(found, Some(code), "{arguments:?} {stderr}");
        assert!(stderr.contains(part), "{arguments:?} {stderr}");
    }
}

/// The screen of a fleet that records, until something ends it.
async fn on_a_screen(end: impl AsyncFnOnce(&mut OnTerminal)) {
    let server = server().await;
    let tmp = tempfile::tempdir().unwrap();
    let dir = tmp.path().join("data");
    let program = up(&Spec::new(&server, &["north", "south"]).text(), &dir).await;
    listening(&server, &["acct-north", "acct-south"]).await;
    let mut command = monitor(tmp.path());
    command.args([
        "--metrics",
        &program.admin().await.to_string(),
        "--interval",
        "1",
    ]);
    let mut screen = OnTerminal::start(command.into_std(), 80, 24);
    screen.shows("Regions").await;
    screen.shows("south").await;
    assert!(screen.is_full_screen() && !screen.is_as_before());
    end(&mut screen).await;
    assert_eq!(screen.ended().await, Some(0));
    assert!(screen.is_as_before());
    until("what was there before", async || {
        (!screen.is_full_screen()).then_some(())
    })
    .await;
    assert_eq!(screen.screen(), "");
}

#[tokio::test]
async fn on_a_terminal_keys_are_heard_until_it_is_quit() {
    on_a_screen(async |screen| {
        screen.press("?");
        screen.shows("the region before").await;
        // The first goes back, the second quits.
        screen.press("\x1b");
        until("the help is gone", async || {
            (!screen.screen().contains("the region before")).then_some(())
        })
        .await;
        screen.press("q");
    })
    .await;
}

#[tokio::test]
async fn ctrl_c_quits() {
    on_a_screen(async |screen| screen.press(CTRL_C)).await;
}

#[tokio::test]
async fn a_termination_leaves_the_terminal_as_it_was() {
    on_a_screen(async |screen| {
        let mut kill = Command::new("kill");
        assert!(
            kill.arg(screen.pid().to_string())
                .status()
                .await
                .unwrap()
                .success()
        );
    })
    .await;
}
