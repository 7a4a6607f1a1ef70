//! `fleetctl monitor`: what collectors, the project and the archive say, as one snapshot and on a terminal.

use std::fs;
use std::path::Path;

use fleet_sim::hetzner::{Api, Options, TOKEN};
use serde_json::{Value, json};
use tokio::process::Command;

use crate::common::{Program, Spec, ended, listening, server};
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
    assert!(stdout.starts_with("REGION  PER S  STATE"), "{stdout}");
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

#[tokio::test]
async fn it_says_what_to_name() {
    let tmp = tempfile::tempdir().unwrap();
    fs::write(tmp.path().join("study.yaml"), SERVERS).unwrap();
    for (arguments, code, part) in [
        (&["--once"][..], 2, "there is nothing to watch"),
        (&["--metrics", "127.0.0.1:9090"], 2, "add --once"),
        (&["-o", "json", "--metrics", "127.0.0.1:9090"], 2, "--once"),
        (
            &["--metrics", "ftp://example.org"],
            2,
            "write an address like",
        ),
        (
            &["--once", "-f", "nowhere.yaml"],
            3,
            "cannot read nowhere.yaml",
        ),
        (&["--once", "-f", "study.yaml"], 3, "set HCLOUD_TOKEN"),
    ] {
        let mut command = monitor(tmp.path());
        let (found, _, stderr) = ended(command.args(arguments).env_remove("HCLOUD_TOKEN")).await;
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
    assert!(!screen.is_as_before(), "keys come one by one");
    end(&mut screen).await;
    // The alternate screen is left: what was there before is there again.
    screen.shows("\x1b[?1049l").await;
    assert_eq!(screen.ended().await, Some(0));
    assert!(screen.is_as_before());
}

#[tokio::test]
async fn on_a_terminal_keys_are_heard_until_it_is_quit() {
    on_a_screen(async |screen| {
        screen.press("?");
        screen.shows("the region before").await;
        // The first goes back, the second quits.
        screen.press("\x1b");
        screen.shows("OVER TIME").await;
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
