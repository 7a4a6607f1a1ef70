//! Stands between a program and PostgreSQL (or PgBouncer), counts the messages that the program sends, and stops
//! the world at any of them. So a test can kill the program at *every* step that it takes with its database:
//!
//! ```ignore
//! let proxy = Proxy::start(postgres.address()).await?;
//! let mut step = proxy.at(7, Side::After, Action::Notify);
//! let mut program = Command::new(..).env("DATABASE_URL", proxy.url(&postgres.url("fleet"))).spawn()?;
//! tokio::select! {
//!     reached = step.reached() => { reached?; program.kill().await? } // message 7 is done, its answer is withheld
//!     ended = program.wait() => {}                                    // it never got that far: all steps are tested
//! }
//! ```
//!
//! Messages: <https://www.postgresql.org/docs/15/protocol-message-formats.html>. TLS is declined, as by a server that
//! has no certificate.

mod connection;
mod message;

use std::{
    collections::HashMap,
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use anyhow::{Context, Result};
use tokio::{
    net::TcpListener,
    sync::{oneshot, watch},
    task::{AbortHandle, JoinHandle},
    time::timeout,
};

/// How long a test waits for a message.
const PATIENCE: Duration = Duration::from_mins(1);

/// Where the world stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Before the message is passed on: the server has everything up to the message before it.
    Before,
    /// After it was passed on and, if it asks for an answer, has been answered; the program does not get the answer.
    After,
}

/// What happens there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Nothing passes on any connection, until [`Proxy::release`]. The end of a killed program is passed on.
    Notify,
    /// All connections are closed, towards both sides. New ones are served.
    Cut,
    /// Nothing passes on any connection, until [`Proxy::release`], and nobody learns that the other is gone.
    Freeze,
}

/// A proxy; everything on it ends with this.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    listening: tokio::sync::Mutex<Option<JoinHandle<()>>>,
}

/// A message that somebody waits for.
#[derive(Debug)]
pub struct Step {
    number: usize,
    reached: oneshot::Receiver<()>,
}

impl Step {
    /// Waits until the message was seen and the action is done; an error after a minute, or if the proxy has ended.
    pub async fn reached(&mut self) -> Result<()> {
        timeout(PATIENCE, &mut self.reached)
            .await
            .with_context(|| format!("message {} has not come", self.number))?
            .context("the proxy has ended")
    }
}

/// What all connections share.
#[derive(Debug)]
struct Shared {
    target: SocketAddr,
    state: Mutex<State>,
    gate: watch::Sender<Gate>,
}

#[derive(Debug, Default)]
struct State {
    /// The kinds of the messages so far, `^` for those that begin a connection.
    kinds: String,
    steps: HashMap<usize, (Side, Action, oneshot::Sender<()>)>,
    delay: Duration,
    connections: Vec<AbortHandle>,
    /// How often all connections were cut.
    generation: usize,
}

/// What passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Gate {
    Open,
    /// Only the end of connections.
    Held,
    /// Nothing.
    Frozen,
}

impl Proxy {
    /// A proxy before the server at this address.
    pub async fn start(target: SocketAddr) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let shared = Arc::new(Shared {
            target,
            state: Mutex::default(),
            gate: watch::Sender::new(Gate::Open),
        });
        Ok(Self {
            address: listener.local_addr()?,
            listening: Some(tokio::spawn(accept(listener, Arc::clone(&shared)))).into(),
            shared,
        })
    }

    /// Where the proxy listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// A URL of the server, made one that leads through the proxy.
    pub fn url(&self, of_server: &str) -> String {
        of_server.replacen(
            &self.shared.target.to_string(),
            &self.address.to_string(),
            1,
        )
    }

    /// Does something at the message with this number, the first being 1, counted over all connections since the
    /// start of the proxy. The messages that begin a connection count.
    pub fn at(&self, number: usize, side: Side, action: Action) -> Step {
        let (sender, reached) = oneshot::channel();
        self.shared
            .state()
            .steps
            .insert(number, (side, action, sender));
        Step { number, reached }
    }

    /// How many messages have come from programs so far.
    pub fn frontend_messages(&self) -> usize {
        self.shared.state().kinds.len()
    }

    /// Their kinds, a letter each as in the documentation of the protocol; `^` begins a connection.
    pub fn kinds(&self) -> String {
        self.shared.state().kinds.clone()
    }

    /// Stops everything now, as [`Action::Freeze`] does.
    pub fn freeze(&self) {
        self.shared.gate.send_replace(Gate::Frozen);
    }

    /// Lets everything pass again.
    pub fn release(&self) {
        self.shared.gate.send_replace(Gate::Open);
    }

    /// Closes all connections now. New ones are served.
    pub fn cut(&self) {
        self.shared.cut();
    }

    /// Refuses new connections, as a server that does not run. Open ones go on.
    pub async fn refuse(&self) {
        if let Some(task) = self.listening.lock().await.take() {
            task.abort();
            // It has closed its socket when it has ended.
            let _ = task.await;
        }
    }

    /// Takes connections again after [`refuse`](Self::refuse).
    pub async fn accept(&self) -> Result<()> {
        let mut listening = self.listening.lock().await;
        if listening.is_none() {
            let listener = TcpListener::bind(self.address).await?;
            *listening = Some(tokio::spawn(accept(listener, Arc::clone(&self.shared))));
        }
        Ok(())
    }

    /// Makes every message of a program wait this long before it is passed on.
    pub fn delay(&self, delay: Duration) {
        self.shared.state().delay = delay;
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        if let Some(task) = self.listening.get_mut() {
            task.abort();
        }
        self.shared.cut();
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn cut(&self) {
        let mut state = self.state();
        state.generation += 1;
        for connection in state.connections.drain(..) {
            connection.abort();
        }
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    // An error here is a connection that was gone before it was taken.
    loop {
        if let Ok((client, _)) = listener.accept().await {
            let mut state = shared.state();
            state
                .connections
                .retain(|connection| !connection.is_finished());
            let task = tokio::spawn(connection::run(
                client,
                state.generation,
                Arc::clone(&shared),
            ));
            state.connections.push(task.abort_handle());
        }
    }
}
