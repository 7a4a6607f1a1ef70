//! `fleetctl validate` and `fleetctl man`.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde_json::Value;
use tempfile::TempDir;

use crate::common::{ended, secret};
use crate::fleetctl;

/// A spec that is right, with the Secrets that stand beside it.
const SPEC: &str = "\
apiVersion: researchfleet.io/v1alpha1
kind: ResearchCollector
metadata: { name: study }
spec:
  network: soulseek
  regions:
    - name: north
      credentialsSecretRef: { name: north }
    - name: south
      credentialsSecretRef: { name: south }
";

fn account(name: &str) -> String {
    secret(
        name,
        &format!("username: acct-{name}, password: pass-{name}"),
    )
}

/// A file that only its owner reads.
fn write(dir: &TempDir, name: &str, text: &str) {
    let path = dir.path().join(name);
    fs::write(&path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}

async fn validate(dir: &Path, arguments: &[&str]) -> (Option<i32>, String, String) {
    ended(fleetctl().current_dir(dir).arg("validate").args(arguments)).await
}

async fn findings(dir: &TempDir, text: &str) -> (Option<i32>, Value) {
    write(dir, "spec.yaml", text);
    let (code, stdout, _) = validate(dir.path(), &["spec.yaml", "-o", "json"]).await;
    (code, serde_json::from_str(&stdout).unwrap())
}

#[tokio::test]
async fn a_spec_that_is_right_is_ok() {
    let dir = tempfile::tempdir().unwrap();
    write(
        &dir,
        "spec.yaml",
        &(SPEC.to_owned() + &account("north") + &account("south")),
    );
    let (code, stdout, stderr) = validate(dir.path(), &["spec.yaml"]).await;
    assert_eq!(
        (code, stdout.as_str(), stderr.as_str()),
        (Some(0), "spec.yaml: ok\n", "")
    );
}

#[tokio::test]
async fn each_violation_is_told_with_its_line_and_other_files_all_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let wrong = SPEC.replace("name: south\n", "name: South\n      listen: { port: 0 }\n");
    write(&dir, "wrong.yaml", &wrong);
    write(&dir, "typo.yaml", &SPEC.replace("network", "netwerk"));
    write(
        &dir,
        "broken.yaml",
        &SPEC.replace("metadata: {", "metadata: ["),
    );
    write(
        &dir,
        "right.yaml",
        &(SPEC.to_owned() + &account("north") + &account("south")),
    );
    write(&dir, "empty.yaml", "");
    let files = [
        "wrong.yaml",
        "typo.yaml",
        "broken.yaml",
        "right.yaml",
        "empty.yaml",
    ];
    let (code, stdout, stderr) = validate(dir.path(), &files).await;
    assert_eq!(code, Some(3), "{stderr}");
    insta::assert_snapshot!(stdout);
    assert!(stderr.contains("4 of 5 files cannot be used"), "{stderr}");
}

#[tokio::test]
async fn what_is_doubtful_is_a_warning() {
    let dir = tempfile::tempdir().unwrap();
    let text = SPEC.to_owned()
        + "  infrastructure: { hetzner: {} }\n  database: { external: { urlSecretRef: { name: db } } }\n"
        + &secret("north", "username: change-me-1, password: change-me")
        + &secret("db", "url: postgres://owner:change-me@db.example.org/study");
    write(&dir, "spec.yaml", &text);
    fs::set_permissions(
        dir.path().join("spec.yaml"),
        fs::Permissions::from_mode(0o644),
    )
    .unwrap();
    let (code, stdout, stderr) = validate(dir.path(), &["spec.yaml"]).await;
    assert_eq!((code, stderr.as_str()), (Some(0), ""));
    insta::assert_snapshot!(stdout);
}

#[tokio::test]
async fn secrets_may_stand_elsewhere_and_are_looked_at_there() {
    let dir = tempfile::tempdir().unwrap();
    for region in ["north", "south"] {
        let secret = dir.path().join("secrets").join(region);
        fs::create_dir_all(&secret).unwrap();
        fs::write(secret.join("username"), "the same\n").unwrap();
        fs::write(secret.join("password"), "a word\n").unwrap();
    }
    write(&dir, "spec.yaml", SPEC);
    let (code, stdout, stderr) =
        validate(dir.path(), &["spec.yaml", "--secrets-dir", "secrets"]).await;
    assert_eq!(code, Some(3), "{stderr}");
    let error =
        "spec.yaml:7: error: spec.regions: the regions `north` and `south` use the same account";
    assert!(stdout.starts_with(error), "{stdout}");
}

#[tokio::test]
async fn programs_get_an_object_a_file() {
    let dir = tempfile::tempdir().unwrap();
    let short = SPEC.to_owned()
        + "  privacy: { keySecretRef: { name: key } }\n"
        + &secret("key", "key: short-secret");
    let (code, found) = findings(&dir, &short).await;
    assert_eq!(code, Some(3), "{found}");
    assert_eq!(
        (&found["file"], &found["ok"]),
        (&"spec.yaml".into(), &false.into())
    );
    let of = |severity: &str| -> Vec<&Value> {
        found["findings"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|found| found["severity"] == severity)
            .collect()
    };
    let [error] = of("error")[..] else {
        panic!("{found}")
    };
    assert_eq!(
        (&error["path"], &error["line"]),
        (&"spec.privacy.keySecretRef".into(), &11.into())
    );
    assert_eq!(of("warning").len(), 2, "{found}");
    assert!(!found.to_string().contains("short-secret"), "{found}");
}

#[tokio::test]
async fn a_file_that_is_not_there_is_an_error_with_a_hint() {
    let dir = tempfile::tempdir().unwrap();
    let (code, _, stderr) = validate(dir.path(), &["nowhere.yaml"]).await;
    assert_eq!(code, Some(3), "{stderr}");
    assert!(
        stderr.contains("cannot read nowhere.yaml") && stderr.contains("hint:"),
        "{stderr}"
    );
}

#[tokio::test]
async fn there_is_a_manual_page_for_each_subcommand() {
    let dir = tempfile::tempdir().unwrap();
    let (code, stdout, _) = ended(fleetctl().arg("man")).await;
    assert_eq!(code, Some(0));
    for page in [
        "fleetctl",
        "fleetctl-up",
        "fleetctl-init",
        "fleetctl-monitor",
        "fleetctl-archive-restore",
    ] {
        assert!(stdout.contains(&format!(".TH {page} 1")), "{page}");
    }
    let (code, _, stderr) = ended(fleetctl().arg("man").arg(dir.path().join("man1"))).await;
    assert_eq!(code, Some(0), "{stderr}");
    let page = fs::read_to_string(dir.path().join("man1/fleetctl-archive-restore.1")).unwrap();
    assert!(
        page.contains("Bring a month back into the live tables"),
        "{page}"
    );
    let pages = fs::read_dir(dir.path().join("man1")).unwrap().count();
    assert_eq!(pages, stdout.matches(".TH ").count());
}
