//! What is on the screen, as text. Small enough to be looked at: that is what snapshots are for.

use std::time::Duration;

use insta::assert_snapshot;
use jiff::Timestamp;
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::style::Color;

use super::theme::Theme;
use super::view;
use crate::commands::monitor::app::App;
use crate::commands::monitor::keys::Action;
use crate::commands::monitor::snapshot::{
    Archives, Cost, LastArchive, Origin, Phase, Pod, Problem, Region, Server, Snapshot,
};

fn now() -> Timestamp {
    "2026-11-26T15:45:19Z".parse().unwrap()
}

fn region(name: &str, location: Option<&str>, phase: Phase, level: u64) -> Region {
    let searches = 1_000_000 + level * 1000;
    Region {
        name: name.to_owned(),
        location: location.map(str::to_owned),
        phase,
        branch_level: Some(level),
        children: Some(level + 1),
        searches_per_second: Some(29.5 - f64::from(u32::try_from(level).unwrap())),
        searches: Some(searches),
        duplicates: Some(12),
        spool_pending: Some(level),
        database_waiting: Some(120 * level),
        stalled: false,
        last_record_at: Some(now()),
        history: (0..70)
            .map(|i| Some(f64::from(20 + (i * i + 3) % 17)))
            .collect(),
    }
}

fn server(role: &str, location: &str, kind: &str, status: &str, cost: &str) -> Server {
    Server {
        name: format!("study-{role}"),
        role: role.to_owned(),
        location: location.to_owned(),
        server_type: kind.to_owned(),
        status: status.to_owned(),
        address: Some(format!("203.0.113.{}", role.len())),
        monthly_cost: Some(cost.to_owned()),
    }
}

/// A fleet in which everything is known.
fn fleet() -> Snapshot {
    let pod = |name: &str, ready, restarts| Pod {
        name: name.to_owned(),
        phase: "Running".to_owned(),
        ready,
        restarts,
        node: Some("study-control-plane".to_owned()),
    };
    Snapshot {
        fleet: Some("study".to_owned()),
        at: now(),
        regions: vec![
            region("germany", None, Phase::Root, 0),
            region("us-east", Some("ash"), Phase::Fed, 3),
            region("singapore", Some("sin"), Phase::Searching, 1),
        ],
        servers: vec![
            server("control-plane", "nbg1", "cpx32", "running", "14.49"),
            server("us-east", "ash", "cpx11", "running", "5.99"),
            server("singapore", "sin", "cpx12", "initializing", "12.49"),
        ],
        pods: vec![
            pod("study-germany-0", true, 0),
            pod("study-us-east-0", false, 3),
        ],
        archives: Some(Archives {
            files: 3,
            records: 24_123_456,
            bytes: 912_345_678,
            problems: Vec::new(),
            last: Some(LastArchive {
                month: "2026-10".to_owned(),
                archived_at: "2026-11-02T03:00:00Z".to_owned(),
                file: "s3://bucket/searches_2026-10.parquet".to_owned(),
            }),
        }),
        monthly_cost: Some(Cost {
            net: "32.97".to_owned(),
            currency: "EUR".to_owned(),
        }),
        errors: Vec::new(),
        watched: vec![
            Origin::Metrics,
            Origin::Servers,
            Origin::Pods,
            Origin::Archives,
        ],
        interval: Duration::from_secs(2),
        shipping: Some((23_456_789, 480)),
    }
}

/// Collectors and nothing else, as `fleetctl up` serves them.
fn collectors() -> Snapshot {
    Snapshot {
        fleet: None,
        regions: vec![
            region("north", None, Phase::Root, 0),
            region("south", None, Phase::Fed, 1),
        ],
        servers: Vec::new(),
        pods: Vec::new(),
        archives: None,
        monthly_cost: None,
        watched: vec![Origin::Metrics],
        shipping: None,
        ..fleet()
    }
}

fn drawn(app: &App, width: u16, height: u16) -> TestBackend {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| view(frame, app)).unwrap();
    terminal.backend().clone()
}

#[test]
fn a_whole_fleet() {
    assert_snapshot!(drawn(&App::new(fleet(), Theme::coloured()), 110, 36));
}

#[test]
fn a_whole_fleet_on_the_smallest_terminal() {
    assert_snapshot!(drawn(&App::new(fleet(), Theme::coloured()), 80, 24));
}

#[test]
fn a_whole_fleet_on_a_wide_terminal() {
    assert_snapshot!(drawn(&App::new(fleet(), Theme::coloured()), 160, 30));
}

#[test]
fn collectors_alone() {
    assert_snapshot!(drawn(&App::new(collectors(), Theme::coloured()), 80, 24));
}

#[test]
fn what_is_wrong_stands_in_its_panel() {
    let mut snapshot = fleet();
    snapshot.regions[1].phase = Phase::Unreachable;
    snapshot.regions[1].searches_per_second = None;
    snapshot.regions[1].last_record_at = Some(now() - Duration::from_secs(150));
    snapshot.regions[1].history.extend([None; 10]);
    snapshot.regions[2].stalled = true;
    let error = |source, message: &str| Problem {
        source,
        message: message.to_owned(),
    };
    snapshot.errors = vec![
        error(
            Origin::Metrics,
            "http://203.0.113.7:9090/metrics: connection refused",
        ),
        error(
            Origin::Metrics,
            "http://203.0.113.8:9090/metrics: connection refused",
        ),
        error(
            Origin::Servers,
            "Hetzner Cloud: the token you have provided is invalid",
        ),
    ];
    snapshot.archives.as_mut().unwrap().problems =
        vec!["s3://b/searches_2026-09.parquet: the file is missing".to_owned()];
    let mut app = App::new(snapshot, Theme::coloured());
    app.act(Action::Next);
    assert_snapshot!(drawn(&app, 100, 34));
}

#[test]
fn before_anything_is_known() {
    let snapshot = Snapshot {
        regions: Vec::new(),
        ..collectors()
    };
    assert_snapshot!(drawn(&App::new(snapshot, Theme::coloured()), 80, 12));
}

#[test]
fn a_region_without_readings_says_why() {
    let mut snapshot = fleet();
    snapshot.regions[0].history.clear();
    let reading = drawn(&App::new(snapshot.clone(), Theme::coloured()), 110, 36).to_string();
    assert!(
        reading.contains("waiting for the second reading"),
        "{reading}"
    );
    snapshot.regions[0].phase = Phase::Unknown;
    let unknown = drawn(&App::new(snapshot, Theme::coloured()), 110, 36).to_string();
    assert!(
        unknown.contains("none of the collectors that were named"),
        "{unknown}"
    );
}

#[test]
fn more_regions_than_there_is_room_for() {
    let mut snapshot = collectors();
    snapshot.regions = (0..40)
        .map(|i| region(&format!("region-{i}"), None, Phase::Fed, i))
        .collect();
    let mut app = App::new(snapshot, Theme::coloured());
    for _ in 0..30 {
        app.act(Action::Next);
    }
    let screen = drawn(&app, 80, 24).to_string();
    assert!(screen.contains("▌region-30"), "{screen}");
    assert!(screen.contains("more"), "{screen}");
}

#[test]
fn the_keys_can_be_looked_up_and_the_first_escape_goes_back() {
    let mut app = App::new(collectors(), Theme::coloured());
    assert!(app.act(Action::Help));
    assert_snapshot!(drawn(&app, 80, 24));
    assert!(app.act(Action::Leave));
    assert!(
        !drawn(&app, 80, 24)
            .to_string()
            .contains("the region before")
    );
    assert!(!app.act(Action::Leave));
}

#[test]
fn regions_are_selected_round_and_round() {
    let mut app = App::new(fleet(), Theme::coloured());
    let mut names = vec![app.selected().unwrap().1.name.clone()];
    for action in [Action::Previous, Action::Next, Action::Next] {
        assert!(app.act(action));
        names.push(app.selected().unwrap().1.name.clone());
    }
    assert_eq!(names, ["germany", "singapore", "germany", "us-east"]);
    assert!(!app.act(Action::Quit));
    // A region that is gone is not selected any more.
    app.snapshot.regions.truncate(1);
    assert_eq!(app.selected().unwrap().0, 0);
    app.snapshot.regions.clear();
    assert_eq!(app.selected(), None);
}

#[test]
fn no_size_is_too_small_and_none_too_large() {
    let mut app = App::new(fleet(), Theme::coloured());
    for help in [false, true] {
        app.help = help;
        for width in (1..=60).step_by(7).chain([79, 139, 140, 300]) {
            for height in (1..=30).step_by(2).chain([80]) {
                drawn(&app, width, height);
            }
        }
    }
}

#[test]
fn without_colours_there_are_none() {
    let colours = |theme| {
        let mut app = App::new(fleet(), theme);
        app.help = true;
        let backend = drawn(&app, 110, 36);
        let cells = backend.buffer().content().to_vec();
        cells
            .iter()
            .any(|cell| cell.fg != Color::Reset || cell.bg != Color::Reset)
    };
    assert!(colours(Theme::coloured()));
    assert!(!colours(Theme::plain()));
}
