//! `fleetctl report` over what `fleetctl up` recorded.

use std::path::Path;

use serde_json::{Value, json};
use tokio::process::Command;

use crate::common::{Spec, ended, listening, server};
use crate::{fleetctl, up};

const REGIONS: &[&str] = &["north", "south"];

fn report(dir: &Path) -> Command {
    let mut command = fleetctl();
    command.args(["report", "--data-dir"]).arg(dir);
    command
}

/// Six users type one query and one of them another; all of it is heard in two regions.
async fn recorded(dir: &Path) {
    let server = server().await;
    let mut program = up(&Spec::new(&server, REGIONS).text(), dir).await;
    listening(&server, &["acct-north", "acct-south"]).await;
    for user in ["anna", "bert", "carla", "dora", "emil", "fred"] {
        server.search(user, 7, "Harbour  Lights").await;
    }
    server.search("anna", 8, "a secret of one").await;
    program.committed(14).await;
    program.stop().await;
}

#[tokio::test]
async fn the_figures_of_today_in_all_forms() {
    let tmp = tempfile::tempdir().unwrap();
    let dir = tmp.path().join("data");
    let before = jiff::Timestamp::now();
    recorded(&dir).await;
    let from = before.strftime("%Y-%m-%d").to_string();
    let html = tmp.path().join("report.html");

    let mut command = report(&dir);
    command
        .args(["--from", &from, "-o", "json", "--html"])
        .arg(&html);
    let (code, stdout, stderr) = ended(&mut command).await;
    assert_eq!(code, Some(0), "{stderr}");
    assert!(
        stderr.contains(&format!("wrote {}", html.display())),
        "{stderr}"
    );
    let found: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(found["totals"]["searches"], 14);
    assert_eq!(
        found["totals"]["users"],
        json!({"value": 6, "standard_error": 0})
    );
    assert_eq!(
        found["totals"]["queries"],
        json!({"value": 2, "standard_error": 0})
    );
    let day = &found["days"].as_array().unwrap()[0];
    assert_eq!(day["day"], from);
    // A test that runs over midnight has two days, and may see a search twice.
    let one_day = found["days"].as_array().unwrap().len() == 1;
    if one_day {
        assert_eq!(day["state"], "incomplete");
        assert_eq!(found["totals"]["different_searches"], 7);
        assert_eq!(found["overlap"]["seen_by_regions"], json!([0, 7]));
    }
    let top = &found["top_queries"];
    assert_eq!(top[0]["query"], "harbour lights");
    assert_eq!(
        (top.as_array().unwrap().len(), &top[0]["users"]["value"]),
        (1, &json!(6))
    );
    let gaps = found["coverage"][0]["gaps"].as_array().unwrap();
    let reasons: Vec<_> = gaps
        .iter()
        .map(|gap| gap["reason"].as_str().unwrap())
        .collect();
    assert_eq!(
        (reasons.first(), reasons.last()),
        (Some(&"starting"), Some(&"stopped"))
    );

    let page = std::fs::read_to_string(&html).unwrap();
    assert!(page.contains("harbour lights") && !page.contains("a secret"));

    let (code, stdout, _) = ended(report(&dir).args(["--from", &from, "-o", "csv"])).await;
    assert_eq!(code, Some(0));
    let lines: Vec<&str> = stdout.lines().collect();
    assert!(
        lines[0].starts_with("day,state,client_id,searches,users,"),
        "{stdout}"
    );
    assert!(
        lines[1].starts_with(&format!("{from},incomplete,north,7,6,0,2,0,")),
        "{stdout}"
    );

    let (code, stdout, _) = ended(report(&dir).args(["--from", &from, "--min-users", "7"])).await;
    assert_eq!(code, Some(0));
    assert!(!stdout.contains("harbour lights"), "{stdout}");
    assert!(
        stdout.contains("queries withheld, because fewer than 7 users typed them: 1"),
        "{stdout}"
    );
    assert!(stdout.contains("north   7 "), "{stdout}");
}

#[tokio::test]
async fn days_without_figures_are_named_and_impossible_ranges_are_64() {
    let tmp = tempfile::tempdir().unwrap();
    let dir = tmp.path().join("data");
    let server = server().await;
    let mut program = up(&Spec::new(&server, &["north"]).text(), &dir).await;
    listening(&server, &["acct-north"]).await;
    program.stop().await;

    // By default the last thirty complete days; there was nothing yet.
    let (code, stdout, stderr) = ended(&mut report(&dir)).await;
    assert_eq!(code, Some(0), "{stderr}");
    assert!(
        stdout.contains("no figures for 30 days between "),
        "{stdout}"
    );
    assert!(!stdout.contains("searches"), "{stdout}");
    assert!(
        stderr.contains("for today: fleetctl report --from "),
        "{stderr}"
    );

    let wrong = ["--from", "2026-10-02", "--to", "2026-10-01"];
    let (code, _, stderr) = ended(report(&dir).args(wrong)).await;
    assert_eq!(code, Some(64), "{stderr}");
    assert!(stderr.contains("hint: --from is the first day"), "{stderr}");
    let (code, _, stderr) = ended(report(&dir).args(["--min-users", "1"])).await;
    assert_eq!(code, Some(64), "{stderr}");

    let nowhere = tmp.path().join("no/such/report.html");
    let (code, _, stderr) = ended(report(&dir).arg("--html").arg(&nowhere)).await;
    assert_eq!(code, Some(1), "{stderr}");
    assert!(
        stderr.contains(&format!("cannot write {}", nowhere.display())),
        "{stderr}"
    );
    let (code, ..) = ended(&mut report(&tmp.path().join("nothing"))).await;
    assert_eq!(code, Some(5));
}
