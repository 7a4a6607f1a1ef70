//! What cloud-init and shellcheck say to what we render.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{fs, process::Command};

use fleet_tests::{debian, venv};
use tempfile::TempDir;

use crate::user_data::{ROLES, files, text};

/// Nothing, or what cloud-init objects to.
fn objections(text: &str) -> Option<String> {
    let cloud_init = debian::cloud_init().unwrap();
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("user-data");
    fs::write(&file, text).unwrap();
    let output = Command::new(venv::cloud_init_python().unwrap())
        .arg(cloud_init.path("usr/bin/cloud-init"))
        .args(["schema", "--config-file"])
        .arg(&file)
        .env("PYTHONPATH", cloud_init.python_path())
        .output()
        .unwrap();
    let said = [output.stdout, output.stderr].map(|said| String::from_utf8(said).unwrap());
    (!output.status.success()).then(|| said.concat())
}

#[test]
fn cloud_init_accepts_every_role() {
    for role in ROLES {
        assert_eq!(objections(&text(role)), None, "{role}");
    }
}

#[test]
fn cloud_init_would_have_objected() {
    let right = text("k3s-agent");
    let wrong = [
        (
            "permissions: \"0600\"",
            "permissions: 0600",
            "is not of type 'string'",
        ),
        ("ssh_pwauth: false", "ssh_pwauth: [1]", "ssh_pwauth"),
        (
            "  - path: /etc/fleet/name",
            " - path: /etc/fleet/name",
            "Cloud config schema errors",
        ),
    ];
    for (what, instead, message) in wrong {
        let changed = right.replacen(what, instead, 1);
        assert_ne!(changed, right);
        let said = objections(&changed).unwrap_or_default();
        assert!(said.contains(message), "{instead}: {said}");
    }
}

/// The scripts of a role in the order in which the machine reads them, as one.
fn script(role: &str) -> String {
    let files = files(&text(role));
    let content = |path: &str| {
        let path = format!("/usr/local/lib/fleet/{path}");
        files
            .iter()
            .find(|file| file.path == path)
            .map(|file| file.content.as_str())
    };
    let boot = content("boot").unwrap();
    let load = "for part in /usr/local/lib/fleet/*.sh; do\n  . \"$part\"\ndone\n";
    assert!(boot.contains(load), "{boot}");
    let parts = ["hardening.sh", "k3s.sh", "role.sh"].map(|part| content(part).unwrap_or_default());
    boot.replace(load, &parts.concat())
}

#[test]
fn shellcheck_has_nothing_to_say() {
    let shellcheck = venv::cloud_init_python()
        .unwrap()
        .with_file_name("shellcheck");
    let dir = TempDir::new().unwrap();
    let check = |script: &str| {
        let file = dir.path().join("boot");
        fs::write(&file, script).unwrap();
        let output = Command::new(&shellcheck)
            .args(["--severity=style", "--norc"])
            .arg(&file)
            .output()
            .unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    for role in ROLES {
        assert_eq!(check(&script(role)), "", "{role}");
    }
    assert!(check(&script("host").replace("\"$STEP\"", "$STEP $1")).contains("SC2086"));
}
