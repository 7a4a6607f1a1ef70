//! Scripted users who log in and search, so that there is something to collect.

use std::net::SocketAddr;
use std::time::Duration;

use fleet_soulseek::messages::server::{FileSearchRequest, Login, ServerRequest};
use rand::rng;
use rand::seq::IndexedRandom;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::sleep;
use tokio_util::task::AbortOnDropHandle;
use tracing::debug;

const ARTISTS: [&str; 16] = [
    "amber lantern",
    "the quiet harbour",
    "nordlys ensemble",
    "møre brass band",
    "los relojes",
    "paper satellites",
    "kōen quartet",
    "velvet ferry",
    "ghost of the canal",
    "sunday orchestra",
    "delta choir",
    "broken metronome",
    "silver birch trio",
    "ruta 7",
    "the left-hand pianists",
    "harbour lights",
];
const WORKS: [&str; 12] = [
    "live at the boathouse",
    "winter tapes",
    "untitled",
    "remastered",
    "b-sides",
    "first demo",
    "night ferry",
    "sessions 1974",
    "the long way home",
    "éclipse",
    "vol 2",
    "for prepared piano",
];
const KINDS: [&str; 6] = ["", "", "flac", "mp3 320", "-remix", "vinyl rip"];

const CLIENT_VERSION: u32 = 160;
const MINOR_VERSION: u32 = 1;
const PAUSE_AFTER_FAILURE: Duration = Duration::from_secs(1);

/// Users who search. They stop when this is dropped.
#[derive(Debug)]
pub struct Searchers {
    _tasks: Vec<AbortOnDropHandle<()>>,
}

impl Searchers {
    /// `count` users who make `rate` searches a second all together.
    pub fn start(server: SocketAddr, count: u32, rate: f64) -> Self {
        let pause = Duration::try_from_secs_f64(f64::from(count) / rate).unwrap_or(Duration::MAX);
        let tasks = (1..=count)
            .map(|number| format!("demo-searcher-{number}"))
            .map(|name| AbortOnDropHandle::new(tokio::spawn(search_for_ever(server, name, pause))))
            .collect();
        Self { _tasks: tasks }
    }
}

async fn search_for_ever(server: SocketAddr, name: String, pause: Duration) {
    loop {
        if let Err(error) = search(server, &name, pause).await {
            debug!(%error, "a scripted user lost the server");
        }
        sleep(PAUSE_AFTER_FAILURE).await;
    }
}

async fn search(server: SocketAddr, name: &str, pause: Duration) -> std::io::Result<()> {
    let mut stream = TcpStream::connect(server).await?;
    let login = Login::new(
        name,
        &"a scripted user".into(),
        CLIENT_VERSION,
        MINOR_VERSION,
    );
    stream
        .write_all(&ServerRequest::Login(login).encode())
        .await?;
    let (mut answers, mut requests) = stream.split();
    let searching = async {
        loop {
            // Between nothing and twice the pause, so that the users do not march in step.
            sleep(pause.mul_f64(2.0 * rand::random::<f64>())).await;
            let search = FileSearchRequest {
                token: rand::random(),
                query: query().as_str().into(),
            };
            requests
                .write_all(&ServerRequest::FileSearch(search).encode())
                .await?;
        }
    };
    // What the server says does not matter, but it must be read, or the server would wait.
    let mut sink = tokio::io::sink();
    let reading = tokio::io::copy(&mut answers, &mut sink);
    tokio::select! {
        end = searching => end,
        end = reading => end.map(|_| ()),
    }
}

fn query() -> String {
    let pick = |words: &[&'static str]| words.choose(&mut rng()).copied().unwrap_or_default();
    format!("{} {} {}", pick(&ARTISTS), pick(&WORKS), pick(&KINDS))
        .trim_end()
        .to_owned()
}
