//! What all tests of the executables need: specs, programs that run, their metrics, and a searcher's login.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use fleet_sim::soulseek::{Options, Server};
use fleet_soulseek::messages::server::{Login, ServerRequest};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

/// Nothing takes longer than this, also on a machine with other things to do. A test that fails waits for it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(90);
const POLL: Duration = Duration::from_millis(20);

/// A server that everyone logs in to.
pub(crate) async fn server() -> Server {
    Server::start(Options::default()).await.unwrap()
}

/// A spec whose regions have the accounts `acct-<region>` with the passwords `pass-<region>`.
#[derive(Debug, Clone)]
pub(crate) struct Spec<'s> {
    pub(crate) server: SocketAddr,
    pub(crate) regions: &'s [&'s str],
    /// More fields of `spec.soulseek`, such as `duplicates: keep`.
    pub(crate) soulseek: &'s str,
    /// The scheme and the key of pseudonyms; without them the spec says nothing of privacy.
    pub(crate) privacy: Option<(&'s str, &'s str)>,
    /// Whether there is a canary, with the account `acct-canary`.
    pub(crate) canary: bool,
}

impl<'s> Spec<'s> {
    pub(crate) fn new(server: &Server, regions: &'s [&'s str]) -> Self {
        Self {
            server: server.address(),
            regions,
            soulseek: "",
            privacy: None,
            canary: false,
        }
    }

    /// The file without its Secrets.
    pub(crate) fn collector(&self) -> String {
        let Self {
            server,
            regions,
            soulseek,
            privacy,
            canary,
        } = self;
        let mut text = format!(
            "apiVersion: researchfleet.io/v1alpha1\nkind: ResearchCollector\nmetadata: {{ name: study }}\n\
             spec:\n  network: soulseek\n  soulseek: {{ server: \"{server}\", {soulseek} }}\n"
        );
        if let Some((scheme, _)) = privacy {
            writeln!(
                text,
                "  privacy: {{ username: {scheme}, keySecretRef: {{ name: key }} }}"
            )
            .unwrap();
        }
        if *canary {
            text.push_str("  canary: { credentialsSecretRef: { name: bird }, perHour: 1 }\n");
        }
        text.push_str("  regions:\n");
        for region in *regions {
            writeln!(
                text,
                "  - {{ name: {region}, credentialsSecretRef: {{ name: {region} }} }}"
            )
            .unwrap();
        }
        text
    }

    /// The whole file.
    pub(crate) fn text(&self) -> String {
        let mut text = self.collector();
        for region in self.regions {
            text += &secret(
                region,
                &format!("username: acct-{region}, password: pass-{region}"),
            );
        }
        if self.canary {
            text += &secret("bird", "username: acct-canary, password: pass-canary");
        }
        if let Some((_, key)) = self.privacy {
            text += &secret("key", &format!("key: {key}"));
        }
        text
    }
}

/// A Secret as a YAML document.
pub(crate) fn secret(name: &str, values: &str) -> String {
    format!(
        "---\napiVersion: v1\nkind: Secret\nmetadata: {{ name: {name} }}\nstringData: {{ {values} }}\n"
    )
}

/// A command that does not hear from the environment, and ends with the test.
pub(crate) fn command(program: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = Command::new(program);
    for variable in [
        "DATABASE_URL",
        "FLEET_DATA_DIR",
        "FLEET_LOG",
        "FLEET_REGION",
        "FLEET_SECRETS_DIR",
        "HCLOUD_ENDPOINT",
        "HCLOUD_TOKEN",
        "NO_COLOR",
    ] {
        command.env_remove(variable);
    }
    command.stdin(Stdio::null()).kill_on_drop(true);
    command
}

/// Runs a command to its end: exit code, standard output, standard error.
pub(crate) async fn ended(command: &mut Command) -> (Option<i32>, String, String) {
    let output = timeout(PATIENCE, command.output()).await;
    let output = output
        .unwrap_or_else(|_| panic!("does not end: {command:?}"))
        .unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (
        output.status.code(),
        text(output.stdout),
        text(output.stderr),
    )
}

/// Waits until there is something.
pub(crate) async fn until<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let looking = async {
        loop {
            if let Some(found) = look().await {
                return found;
            }
            sleep(POLL).await;
        }
    };
    let found = timeout(PATIENCE, looking).await;
    found.unwrap_or_else(|_| panic!("waited in vain: {what}"))
}

/// Waits until these users look for a parent: what the server sends from then on reaches them.
pub(crate) async fn listening(server: &Server, users: &[&str]) {
    until(&format!("{users:?} listen"), async || {
        let online = server.users();
        let listens = |name: &&str| {
            online
                .iter()
                .any(|user| user.username == **name && user.wants_parent)
        };
        users.iter().all(listens).then_some(())
    })
    .await;
}

/// A login with any password, as another program would do it. The connection stays as long as it is held.
pub(crate) async fn log_in(server: &Server, username: &str, password: &str) -> TcpStream {
    let mut stream = TcpStream::connect(server.address()).await.unwrap();
    let login = Login::new(username, &password.into(), 177, 1);
    stream
        .write_all(&ServerRequest::Login(login).encode())
        .await
        .unwrap();
    until("the login is answered", async || {
        let online = server.users().iter().any(|user| user.username == username);
        online.then_some(())
    })
    .await;
    stream
}

/// Lines that a program has written so far.
#[derive(Debug, Clone, Default)]
pub(crate) struct Lines(Arc<Mutex<Vec<String>>>);

impl Lines {
    fn collect(&self, from: impl AsyncRead + Unpin + Send + 'static) -> JoinHandle<()> {
        let lines = Arc::clone(&self.0);
        tokio::spawn(async move {
            let mut from = BufReader::new(from).lines();
            while let Ok(Some(line)) = from.next_line().await {
                lines.lock().unwrap().push(line);
            }
        })
    }

    pub(crate) fn all(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }

    pub(crate) fn text(&self) -> String {
        self.all().join("\n")
    }
}

/// A program that runs. It is killed when this is dropped.
#[derive(Debug)]
pub(crate) struct Program {
    child: Child,
    pub(crate) stdout: Lines,
    pub(crate) stderr: Lines,
    reading: [JoinHandle<()>; 2],
}

impl Program {
    pub(crate) fn start(mut command: Command) -> Self {
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (stdout, stderr) = (Lines::default(), Lines::default());
        let reading = [
            stdout.collect(child.stdout.take().unwrap()),
            stderr.collect(child.stderr.take().unwrap()),
        ];
        Self {
            child,
            stdout,
            stderr,
            reading,
        }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id().unwrap()
    }

    pub(crate) fn stdin(&mut self) -> &mut tokio::process::ChildStdin {
        self.child.stdin.as_mut().unwrap()
    }

    pub(crate) fn close_stdin(&mut self) {
        self.child.stdin = None;
    }

    pub(crate) fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    pub(crate) async fn kill(&mut self) {
        self.child.kill().await.unwrap();
    }

    pub(crate) async fn signal(&self, signal: &str) {
        let mut kill = Command::new("kill");
        let status = kill
            .args(["-s", signal, &self.pid().to_string()])
            .status()
            .await;
        assert!(status.unwrap().success());
    }

    /// Waits for the end, and for its last words; gives the exit code.
    pub(crate) async fn ended(&mut self) -> Option<i32> {
        let status = timeout(PATIENCE, self.child.wait()).await;
        let status = status.unwrap_or_else(|_| panic!("does not end: {}", self.stderr.text()));
        for reading in &mut self.reading {
            timeout(PATIENCE, reading).await.unwrap().unwrap();
        }
        status.unwrap().code()
    }

    /// Tells it to stop; it ends well.
    pub(crate) async fn stop(&mut self) {
        self.signal("TERM").await;
        assert_eq!(self.ended().await, Some(0), "{}", self.stderr.text());
    }

    /// Waits for a line of standard error, which is the log, or of standard output.
    pub(crate) async fn says(&self, part: &str) -> String {
        until(&format!("{part:?} in what it says"), async || {
            let lines = [self.stderr.all(), self.stdout.all()].concat();
            lines.into_iter().find(|line| line.contains(part))
        })
        .await
    }

    /// Waits until the program has said so this many times.
    pub(crate) async fn says_times(&self, part: &str, times: usize) {
        until(&format!("{part:?} {times} times"), async || {
            let lines = [self.stderr.all(), self.stdout.all()].concat();
            let said = lines.iter().filter(|line| line.contains(part)).count();
            (said >= times).then_some(())
        })
        .await;
    }

    /// Where the admin server listens.
    pub(crate) async fn admin(&self) -> SocketAddr {
        let line = self.says("metrics and health are served").await;
        let line: Value = serde_json::from_str(&line).unwrap();
        line["address"].as_str().unwrap().parse().unwrap()
    }

    /// Status and body of a page of the admin server.
    pub(crate) async fn get(&self, path: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(self.admin().await).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut response = String::new();
        timeout(PATIENCE, stream.read_to_string(&mut response))
            .await
            .unwrap()
            .unwrap();
        let (head, body) = response.split_once("\r\n\r\n").unwrap();
        (
            head.split(' ').nth(1).unwrap().parse().unwrap(),
            body.to_owned(),
        )
    }

    /// The sum of a metric over the labels that hold `label`.
    pub(crate) async fn metric(&self, name: &str, label: &str) -> u64 {
        let (_, text) = self.get("/metrics").await;
        let values = text.lines().filter_map(|line| {
            let (metric, value) = line.rsplit_once(' ')?;
            let plain = metric.split('{').next()?;
            (plain == name && metric.contains(label)).then(|| value.parse::<u64>().unwrap())
        });
        values.sum()
    }

    /// Waits until a metric has at least this value.
    pub(crate) async fn reaches(&self, name: &str, label: &str, value: u64) {
        until(&format!("{name} {label} {value}"), async || {
            (self.metric(name, label).await >= value).then_some(())
        })
        .await;
    }

    /// Waits until this many searches are on the disk, all regions together.
    pub(crate) async fn committed(&self, searches: u64) {
        self.reaches("fleet_spool_committed_total", "", searches)
            .await;
    }

    /// Waits until `/readyz` gives a status, and gives what it says.
    pub(crate) async fn readyz(&self, status: u16, part: &str) -> String {
        until(&format!("/readyz {status} {part:?}"), async || {
            let (found, body) = self.get("/readyz").await;
            (found == status && body.contains(part)).then_some(body)
        })
        .await
    }
}

impl Drop for Program {
    #[expect(
        clippy::print_stdout,
        reason = "the test runner shows it for a test that fails"
    )]
    fn drop(&mut self) {
        if std::thread::panicking() {
            // What it said last says what went wrong.
            let lines = [self.stdout.all(), self.stderr.all()].concat();
            let from = lines.len().saturating_sub(40);
            println!("{}", lines[from..].join("\n"));
        }
    }
}

/// Every byte of every file in a directory, with the file's name.
pub(crate) fn files(dir: &Path) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push((path.display().to_string(), std::fs::read(&path).unwrap()));
        }
    }
    found
}
