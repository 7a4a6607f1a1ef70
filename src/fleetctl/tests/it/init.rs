//! `fleetctl init`: a spec out of options, out of answers on a terminal, and never over what is there.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use tempfile::TempDir;
use tokio::process::Command;

use crate::common::ended;
use crate::fleetctl;
use crate::terminal::{BACKSPACE, CTRL_C, DOWN, ENTER, OnTerminal};

/// A home with one public key.
fn home() -> TempDir {
    let home = tempfile::tempdir().unwrap();
    fs::create_dir(home.path().join(".ssh")).unwrap();
    fs::write(
        home.path().join(".ssh/id_ed25519.pub"),
        "ssh-ed25519 AAAAhome anna@home\n",
    )
    .unwrap();
    home
}

fn init(home: &Path, options: &[&str]) -> Command {
    let mut command = fleetctl();
    command
        .current_dir(home)
        .env("HOME", home)
        .arg("init")
        .args(options);
    command
}

async fn validated(home: &Path, file: &str) -> (Option<i32>, String) {
    let mut command = fleetctl();
    let (code, stdout, _) = ended(command.current_dir(home).args(["validate", file])).await;
    (code, stdout)
}

#[tokio::test]
async fn with_yes_it_writes_the_usual_study_for_its_owner_only() {
    let home = home();
    let (code, stdout, stderr) = ended(&mut init(home.path(), &["--yes"])).await;
    assert_eq!(code, Some(0), "{stderr}");
    assert!(stdout.starts_with("wrote study.yaml"), "{stdout}");
    assert_eq!(stderr, "next: fleetctl plan -f study.yaml\n");
    let file = home.path().join("study.yaml");
    assert_eq!(
        fs::metadata(&file).unwrap().permissions().mode() & 0o777,
        0o600
    );
    let text = fs::read_to_string(&file).unwrap();
    for part in [
        "location: ash",
        "location: sin",
        "ssh-ed25519 AAAAhome anna@home",
    ] {
        assert!(text.contains(part), "{part} is not in {text}");
    }
    let (code, findings) = validated(home.path(), "study.yaml").await;
    assert_eq!(code, Some(0), "{findings}");
    // Everywhere is the usual, and a warning.
    assert!(findings.contains("reached from everywhere"), "{findings}");
    assert!(
        findings.ends_with("study.yaml: ok, with a warning\n"),
        "{findings}"
    );
}

#[tokio::test]
async fn every_answer_can_be_an_option() {
    let home = home();
    let options = [
        "tokyo.yaml",
        "--name",
        "tokyo",
        "--network",
        "soulseek",
        "--machines",
        "hetzner",
        "--region",
        "here",
        "--region",
        "there=hel1",
        "--ssh-key",
        ".ssh/id_ed25519.pub",
        "--ssh-key",
        "anna-laptop",
        "--allow-from",
        "203.0.113.7",
        "--allow-from",
        "2001:db8::/48",
        "--pseudonyms",
        "hmac",
        "--database",
        "--canary=no",
        "--yes",
    ];
    let (code, _, stderr) = ended(&mut init(home.path(), &options)).await;
    assert_eq!(code, Some(0), "{stderr}");
    assert!(
        stderr.contains("put the database's address into tokyo.yaml"),
        "{stderr}"
    );
    let text = fs::read_to_string(home.path().join("tokyo.yaml")).unwrap();
    let parts = [
        "name: tokyo\n",
        "location: hel1",
        "\"203.0.113.7/32\"",
        "\"2001:db8::/48\"",
        "\"anna-laptop\"",
        "username: hmac",
        "urlSecretRef",
        "ssh-ed25519 AAAAhome",
    ];
    for part in parts {
        assert!(text.contains(part), "{part} is not in {text}");
    }
    assert!(!text.contains("canary"), "{text}");
    let (code, findings) = validated(home.path(), "tokyo.yaml").await;
    assert_eq!(code, Some(0), "{findings}");
    assert!(
        findings.contains("`url` in its Secret come from an example"),
        "{findings}"
    );
}

#[tokio::test]
async fn nothing_is_ever_overwritten_and_force_keeps_the_old_one() {
    let home = home();
    let file = home.path().join("study.yaml");
    fs::write(&file, "the only copy of a key").unwrap();
    let (code, _, stderr) = ended(&mut init(home.path(), &["--yes"])).await;
    assert_eq!(code, Some(64), "{stderr}");
    assert!(
        stderr.contains("study.yaml is there already") && stderr.contains("--force"),
        "{stderr}"
    );
    assert_eq!(fs::read_to_string(&file).unwrap(), "the only copy of a key");
    for old in ["study.yaml.old", "study.yaml.old.2"] {
        let (code, _, stderr) = ended(&mut init(home.path(), &["--yes", "--force"])).await;
        assert_eq!(code, Some(0), "{stderr}");
        assert!(stderr.contains(&format!("is kept as {old}\n")), "{stderr}");
    }
    assert_eq!(
        fs::read_to_string(file.with_extension("yaml.old")).unwrap(),
        "the only copy of a key"
    );
}

#[tokio::test]
async fn without_a_terminal_it_says_how_to_do_without_one() {
    let home = home();
    let (code, _, stderr) = ended(&mut init(home.path(), &[])).await;
    assert_eq!(code, Some(64), "{stderr}");
    assert!(
        stderr.contains("no terminal to ask on") && stderr.contains("--yes"),
        "{stderr}"
    );
    for (options, part) in [
        (["--name", "My Study"], "lower-case letters"),
        (["--region", "canary"], "write another name"),
        (
            ["--ssh-key", "./missing.pub"],
            "cannot read the key in ./missing.pub",
        ),
    ] {
        let (code, _, stderr) = ended(init(home.path(), &options).arg("--yes")).await;
        assert_eq!(code, Some(64), "{stderr}");
        assert!(stderr.contains(part), "{stderr}");
    }
    let home = fs::read_dir(home.path()).unwrap();
    assert_eq!(home.count(), 1, "only .ssh is there");
}

#[tokio::test]
async fn a_person_answers_and_gets_a_spec() {
    let home = home();
    let command = init(home.path(), &[]).into_std();
    let mut terminal = OnTerminal::start(command, 100, 30);
    // What is wrong is told at once, and can be corrected.
    terminal.shows("What is the study called?").await;
    terminal.press("x Y\r");
    terminal.shows("write lower-case letters").await;
    terminal.press(&BACKSPACE.repeat(3));
    for (question, answer) in [
        ("What is the study called?", "night"),
        ("Where does it record?", ""),
        ("In which places", ""),
        ("control plane's server called?", "berlin"),
        ("region in ash called?", ""),
        ("region in sin called?", ""),
        ("public keys may log in", ""),
        ("From which addresses", "203.0.113.7, 2001:db8::1"),
        ("How are users' names protected?", DOWN),
        ("Do you have a PostgreSQL", ""),
        ("Send a few searches of our own", "y"),
    ] {
        terminal.shows(question).await;
        terminal.press(answer);
        terminal.press(ENTER);
    }
    terminal.shows("wrote").await;
    terminal.shows("fleetctl plan -f night.yaml").await;
    assert_eq!(terminal.ended().await, Some(0));
    assert!(terminal.is_as_before());
    let text = fs::read_to_string(home.path().join("night.yaml")).unwrap();
    let parts = [
        "name: night\n",
        "- name: berlin",
        "name: us-east\n",
        "location: ash",
        "location: sin",
        "AAAAhome",
        "\"203.0.113.7/32\"",
        "\"2001:db8::1/128\"",
        "username: hmac",
        "soulseek-canary",
    ];
    for part in parts {
        assert!(text.contains(part), "{part} is not in {text}");
    }
    assert!(!text.contains("urlSecretRef"), "{text}");
    let (code, findings) = validated(home.path(), "night.yaml").await;
    assert_eq!((code, findings.as_str()), (Some(0), "night.yaml: ok\n"));
}

#[tokio::test]
async fn a_person_who_stops_leaves_nothing_behind() {
    let home = home();
    let mut terminal =
        OnTerminal::start(init(home.path(), &["--name", "study"]).into_std(), 80, 24);
    terminal.shows("Where does it record?").await;
    terminal.press(CTRL_C);
    terminal.shows("nothing is written").await;
    assert_eq!(terminal.ended().await, Some(130));
    assert!(terminal.is_as_before());
    assert!(!home.path().join("study.yaml").exists());
}
