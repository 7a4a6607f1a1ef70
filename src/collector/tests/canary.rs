//! The fleet's own searches: what is sent, what the regions make of it, and that it harms nobody.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;

use fleet_api::Manifest;
use fleet_collector::{End, Fleet, Metrics, Options, StartError};
use fleet_sim::soulseek::{self, Server};
use fleet_soulseek::messages::server::{Login, ServerRequest};
use fleet_soulseek::session::{Config, Event, Session, Timing};
use fleet_store::{Reader, StoreError, Value};
use futures_util::TryStreamExt as _;
use prometheus_client::registry::Registry;
use secrecy::SecretString;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

const PATIENCE: Duration = Duration::from_mins(1);
const EVERY: Duration = Duration::from_millis(50);
const NAME: &str = "acct-canary";

/// Two regions and a canary; the Secrets are `north`, `south`, `bird` and `key`.
fn manifest(server: &Server) -> Manifest {
    let text = format!(
        "apiVersion: researchfleet.io/v1alpha1\nkind: ResearchCollector\nmetadata: {{name: t}}\n\
         spec:\n  network: soulseek\n  soulseek: {{server: '{}'}}\n\
         \x20 canary: {{credentialsSecretRef: {{name: bird}}, perHour: 60}}\n\
         \x20 privacy: {{keySecretRef: {{name: key}}}}\n  regions:\n\
         \x20 - {{name: north, credentialsSecretRef: {{name: north}}}}\n\
         \x20 - {{name: south, credentialsSecretRef: {{name: south}}}}\n",
        server.address()
    );
    let mut manifest = Manifest::parse(&text, "t").unwrap();
    for (secret, username) in [
        ("north", "acct-north"),
        ("south", "acct-south"),
        ("bird", NAME),
    ] {
        let values = [("username", username), ("password", "x")];
        add_secret(&mut manifest, secret, &values);
    }
    add_secret(
        &mut manifest,
        "key",
        &[("key", "a key that is long enough")],
    );
    manifest
}

fn add_secret(manifest: &mut Manifest, name: &str, values: &[(&str, &str)]) {
    let values = values
        .iter()
        .map(|&(key, value)| (key.to_owned(), SecretString::from(value)));
    manifest.add_secret(name, values.collect());
}

async fn bind(manifest: &Manifest, only: Option<&str>, dir: &Path) -> Result<Fleet, StartError> {
    let metrics = Metrics::register(&mut Registry::default());
    let options = Options {
        canary_every: Some(EVERY),
    };
    Fleet::bind_with(manifest, only, dir, &metrics, &options).await
}

/// A fleet that runs.
struct Running {
    ended: JoinHandle<Result<Vec<(String, End)>, StoreError>>,
    cancelled: CancellationToken,
}

fn run(fleet: Fleet) -> Running {
    let cancelled = CancellationToken::new();
    let stop = cancelled.clone();
    Running {
        ended: tokio::spawn(async move { fleet.run(&stop).await }),
        cancelled,
    }
}

impl Running {
    async fn ended(self) -> Vec<(String, End)> {
        let ended = timeout(PATIENCE, self.ended).await;
        let mut ends = ended.expect("the fleet ends").unwrap().unwrap();
        ends.sort_by(|a, b| a.0.cmp(&b.0));
        ends
    }

    async fn stop(self) -> Vec<(String, End)> {
        self.cancelled.cancel();
        self.ended().await
    }
}

async fn server() -> Server {
    Server::start(soulseek::Options::default()).await.unwrap()
}

async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let waiting = async {
        while !holds().await {
            sleep(Duration::from_millis(10)).await;
        }
    };
    let found = timeout(PATIENCE, waiting).await;
    found.unwrap_or_else(|_| panic!("waited in vain: {what}"));
}

/// Waits until these accounts hear what the server distributes.
async fn listening(server: &Server, accounts: &[&str]) {
    until("all listen", async || {
        let users = server.users();
        let listens = |name: &&str| {
            users
                .iter()
                .any(|user| user.username == **name && user.wants_parent)
        };
        accounts.iter().all(listens)
    })
    .await;
}

/// All rows of a statement, as texts.
async fn rows(dir: &Path, sql: &str) -> Vec<Vec<String>> {
    let reader = Reader::open(dir).await.unwrap();
    let mut query = reader.query(sql).await.unwrap();
    let found: Vec<Vec<Value>> = query.rows().try_collect().await.unwrap();
    let texts = |row: &Vec<Value>| row.iter().map(Value::to_string).collect();
    found.iter().map(texts).collect()
}

async fn count(dir: &Path, from: &str) -> u64 {
    let rows = rows(dir, &format!("SELECT count(*) FROM {from}")).await;
    rows[0][0].parse().unwrap()
}

/// What the journal says was sent: the moment of each search by token and query.
async fn journaled(dir: &Path) -> HashMap<(String, String), String> {
    let sql = "SELECT json_extract(detail, '$.token'), json_extract(detail, '$.query'), at FROM events \
               WHERE client_id = 'canary' AND kind = 'canary sent'";
    let sent = rows(dir, sql).await.into_iter();
    sent.map(|row| ((row[0].clone(), row[1].clone()), row[2].clone()))
        .collect()
}

/// The query of docs/data.md that begins like this.
fn documented(beginning: &str) -> String {
    let text = include_str!("../../../docs/data.md");
    let from = text.find(beginning).unwrap();
    let until = text[from..].find('"').unwrap();
    text[from..from + until].to_owned()
}

#[tokio::test]
async fn regions_mark_canaries_and_nothing_else() {
    let server = server().await;
    let dir = tempfile::tempdir().unwrap();
    let fleet = bind(&manifest(&server), None, dir.path()).await.unwrap();
    let mut canary = fleet.canary().unwrap();
    let running = run(fleet);
    listening(&server, &["acct-north", "acct-south"]).await;
    for token in 0..5 {
        server.search("anna", token, "what people want").await;
        server.search("anna", token, "what people want").await;
    }
    for region in ["north", "south"] {
        let heard = format!("searches WHERE client_id = '{region}' AND canary");
        until("canaries are heard", async || {
            count(dir.path(), &heard).await >= 5
        })
        .await;
    }
    let ends = running.stop().await;
    assert_eq!(
        ends,
        ["north", "south"].map(|region| (region.to_owned(), End::Cancelled))
    );

    let sent = journaled(dir.path()).await;
    let state = canary.borrow_and_update().clone();
    assert_eq!(state.trouble, None);
    let not_sent = count(dir.path(), "events WHERE kind = 'canary not sent'").await;
    assert_eq!(state.sent + not_sent, sent.len() as u64);
    let sql = "SELECT client_id, token, query, received_at, canary FROM searches";
    let recorded = rows(dir.path(), sql).await;
    for row in &recorded {
        let [_, token, query, received_at, canary] = &row[..] else {
            panic!("{row:?}")
        };
        let at = sent.get(&(token.clone(), query.clone()));
        assert_eq!(at.is_some(), canary == "1", "{row:?}");
        assert!(at.is_none_or(|at| at <= received_at), "{at:?} {row:?}");
    }
    for region in ["north", "south"] {
        let ordinary = format!("searches WHERE client_id = '{region}' AND NOT canary");
        assert_eq!(count(dir.path(), &ordinary).await, 5);
        let duplicates = format!(
            "SELECT detail FROM events WHERE client_id = '{region}' AND kind = 'duplicates'"
        );
        assert_eq!(rows(dir.path(), &duplicates).await, [["5"]]);
    }
    assert_eq!(
        count(dir.path(), "searches WHERE client_id = 'canary'").await,
        0
    );
    let heard = rows(dir.path(), &documented("WITH heard AS")).await;
    assert_eq!(heard.len(), sent.len());
    let by_both = heard
        .iter()
        .filter(|row| row[2].len() == "north,south".len());
    assert!(by_both.count() >= 1, "{heard:?}");
    let kinds = "SELECT kind FROM events WHERE client_id = 'canary' AND kind NOT LIKE 'canary%'";
    assert_eq!(
        rows(dir.path(), kinds).await,
        [["started"], ["connected"], ["stopped"]]
    );
}

/// Whoever hears a canary finds it in the journal on the disk.
#[tokio::test]
async fn a_canary_is_on_the_disk_before_it_is_sent() {
    let server = server().await;
    let dir = tempfile::tempdir().unwrap();
    let (sender, mut heard) = mpsc::channel(64);
    let config = Config {
        server: server.address().to_string(),
        username: "ear".to_owned(),
        password: "x".into(),
        client_version: 177,
        listen_port: 0,
        obfuscated_port: None,
        description: "a test".to_owned(),
        distributed: true,
        max_children: 0,
        timing: Timing::default(),
    };
    let (session, _handle) = Session::bind(config, sender).await.unwrap();
    let cancelled = CancellationToken::new();
    tokio::spawn(session.run(cancelled.clone()));
    listening(&server, &["ear"]).await;

    let manifest = manifest(&server);
    let fleet = bind(&manifest, Some("north"), dir.path()).await.unwrap();
    let running = run(fleet);
    let mut canaries = 0;
    while canaries < 5 {
        let event = timeout(PATIENCE, heard.recv()).await.unwrap().unwrap();
        let Event::Search(search) = event else {
            continue;
        };
        assert_eq!(search.username.decode(), NAME);
        let key = (search.token.to_string(), search.query.decode().into_owned());
        let on_disk = journaled(dir.path()).await;
        assert!(on_disk.contains_key(&key), "{key:?} {on_disk:?}");
        canaries += 1;
    }
    cancelled.cancel();
    running.stop().await;
}

/// Registers a name with another password than ours.
async fn take(server: &Server, username: &str) {
    let mut stream = TcpStream::connect(server.address()).await.unwrap();
    let login = Login::new(username, &"another".into(), 177, 1);
    let login = ServerRequest::Login(login).encode();
    stream.write_all(&login).await.unwrap();
    until("the name is taken", async || {
        server.users().iter().any(|user| user.username == username)
    })
    .await;
}

#[tokio::test]
async fn a_canary_that_is_refused_does_not_hurt_the_regions() {
    let server = server().await;
    take(&server, NAME).await;
    let dir = tempfile::tempdir().unwrap();
    let fleet = bind(&manifest(&server), None, dir.path()).await.unwrap();
    let mut canary = fleet.canary().unwrap();
    let running = run(fleet);
    let troubled = timeout(PATIENCE, canary.wait_for(|state| state.trouble.is_some())).await;
    let state = troubled.unwrap().unwrap().clone();
    let trouble = state.trouble.unwrap();
    assert!(
        trouble.contains("INVALIDPASS") && state.sent == 0,
        "{trouble}"
    );

    listening(&server, &["acct-north", "acct-south"]).await;
    server.search("anna", 1, "what people want").await;
    until("both record", async || {
        count(dir.path(), "searches WHERE NOT canary").await == 2
    })
    .await;
    assert!(!running.ended.is_finished());
    let ends = running.stop().await;
    assert!(ends.len() == 2 && ends.iter().all(|(_, end)| *end == End::Cancelled));
    let kinds = "SELECT kind FROM events WHERE client_id = 'canary'";
    assert_eq!(
        rows(dir.path(), kinds).await,
        [["started"], ["refused"], ["stopped"]]
    );
}

/// Where no region is left, nobody would hear it.
#[tokio::test]
async fn the_canary_ends_with_the_last_region() {
    let server = server().await;
    take(&server, "acct-north").await;
    take(&server, "acct-south").await;
    let dir = tempfile::tempdir().unwrap();
    let fleet = bind(&manifest(&server), None, dir.path()).await.unwrap();
    let ends = run(fleet).ended().await;
    assert!(ends.len() == 2 && ends.iter().all(|(_, end)| matches!(end, End::Refused(_))));
    let stopped = "events WHERE client_id = 'canary' AND kind = 'stopped'";
    assert_eq!(count(dir.path(), stopped).await, 1);
}

/// In a cluster each region is a process of its own: one of them sends, all of them mark.
#[tokio::test]
async fn only_the_process_of_the_first_region_sends() {
    let server = server().await;
    let mut manifest = manifest(&server);
    let [first, second] = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let north = bind(&manifest, Some("north"), first.path()).await.unwrap();
    assert!(north.canary().is_some());

    // The other one has neither the canary's password nor the first region's account.
    add_secret(&mut manifest, "bird", &[("username", NAME)]);
    add_secret(&mut manifest, "north", &[]);
    let south = bind(&manifest, Some("south"), second.path()).await.unwrap();
    assert!(south.canary().is_none());
    let south = run(south);
    listening(&server, &["acct-south"]).await;
    let north = run(north);
    until("the other region hears canaries", async || {
        count(second.path(), "searches WHERE canary").await >= 3
    })
    .await;
    north.stop().await;
    south.stop().await;
    assert_eq!(
        count(second.path(), "events WHERE client_id = 'canary'").await,
        0
    );
    assert!(count(first.path(), "events WHERE kind = 'canary sent'").await >= 3);
}
