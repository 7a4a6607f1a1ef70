//! One connection of a program through the proxy.

use std::{collections::VecDeque, io, sync::Arc};

use bytes::Bytes;
use tokio::{
    io::AsyncWriteExt as _,
    net::{TcpStream, tcp::OwnedWriteHalf},
    sync::{oneshot, watch},
    time::sleep,
};

use super::{
    Action, Gate, Shared, Side,
    message::{Message, Messages, STARTUP},
};

/// What the server still owes this connection.
#[derive(Clone, Copy, Debug, Default)]
struct Due {
    /// `ReadyForQuery` messages to come.
    ready: usize,
    /// It waits for the program: for the data of a COPY, or for a password.
    waits: bool,
}

impl Due {
    fn note_sent(&mut self, kind: u8) {
        self.waits = false;
        // StartupMessage, Query, Sync, FunctionCall. A password or the end of a COPY adds none.
        if matches!(kind, STARTUP | b'Q' | b'S' | b'F') {
            self.ready += 1;
        }
    }

    fn note_answer(&mut self, kind: u8) {
        match kind {
            b'Z' => {
                self.ready = self.ready.saturating_sub(1);
                self.waits = false;
            }
            // CopyInResponse, CopyBothResponse, Authentication.
            b'G' | b'W' | b'R' => self.waits = true,
            _ => {}
        }
    }

    fn is_settled(self) -> bool {
        self.ready == 0 || self.waits
    }
}

/// Whether a message makes the server answer: the first one, Query, Sync, a function call, the end of a COPY, a password.
fn is_answered(kind: u8) -> bool {
    matches!(kind, STARTUP | b'Q' | b'S' | b'F' | b'c' | b'f' | b'p')
}

/// Serves a connection until one side ends it. What fails here is the end of the connection, too.
pub(super) async fn run(client: TcpStream, generation: usize, shared: Arc<Shared>) {
    let _ = serve(client, generation, &shared).await;
}

async fn serve(client: TcpStream, generation: usize, shared: &Shared) -> io::Result<()> {
    let server = TcpStream::connect(shared.target).await?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let due = watch::Sender::new(Due::default());

    let mut program = Program {
        messages: Messages::new(from_client),
        to_server,
        due: &due,
        generation,
        shared,
    };
    let mut to_client = to_client;
    let Some(startup) = begin(&mut program.messages, &mut to_client).await? else {
        return Ok(());
    };
    let cancels = startup.cancels();
    tokio::select! {
        ended = program.run(startup) => ended,
        ended = answer(Messages::new(from_server), to_client, &due, shared), if !cancels => ended,
    }
}

/// Declines encryption; the message that begins the connection.
async fn begin(
    messages: &mut Messages,
    to_client: &mut OwnedWriteHalf,
) -> io::Result<Option<Message>> {
    while let Some(message) = messages.next_startup().await? {
        if !message.asks_for_encryption() {
            return Ok(Some(message));
        }
        to_client.write_all(b"N").await?;
    }
    Ok(None)
}

/// The direction from the program to the server.
struct Program<'a> {
    messages: Messages,
    to_server: OwnedWriteHalf,
    due: &'a watch::Sender<Due>,
    /// How often all connections had been cut when this one began.
    generation: usize,
    shared: &'a Shared,
}

impl Program<'_> {
    async fn run(mut self, startup: Message) -> io::Result<()> {
        if !self.pass(startup).await? {
            return Ok(());
        }
        loop {
            // An error if it was killed with answers unread.
            let Ok(Some(message)) = self.messages.next().await else {
                thawed(self.shared).await;
                return Ok(());
            };
            if !self.pass(message).await? {
                return Ok(());
            }
        }
    }

    /// Passes a message on, and stops the world before or after it if somebody wants that. False if the connection
    /// has ended.
    async fn pass(&mut self, message: Message) -> io::Result<bool> {
        let delay = self.shared.state().delay;
        if !delay.is_zero() {
            sleep(delay).await;
        }
        let step = loop {
            match self.number(message.kind) {
                Numbered::Pass(step) => break step,
                Numbered::Wait if self.released().await => {}
                Numbered::Wait | Numbered::Gone => return Ok(false),
                Numbered::Stop(step) => step.finish(self.shared),
            }
        };
        self.due.send_modify(|due| due.note_sent(message.kind));
        self.to_server.write_all(&message.bytes).await?;
        if let Some(step) = step {
            if is_answered(message.kind) {
                // Cannot fail: the sender is there as long as we are.
                let _ = self.due.subscribe().wait_for(|due| due.is_settled()).await;
            }
            let is_cut = step.action == Action::Cut;
            step.finish(self.shared);
            // Ends this connection before the answer can pass the open gate.
            return Ok(!is_cut);
        }
        Ok(true)
    }

    /// Counts a message and closes the gate, if it is one to stop at; all in one, so that no other message comes
    /// between.
    fn number(&self, kind: u8) -> Numbered {
        let mut state = self.shared.state();
        if state.generation != self.generation {
            return Numbered::Gone;
        }
        if *self.shared.gate.borrow() != Gate::Open {
            return Numbered::Wait;
        }
        let number = state.kinds.len() + 1;
        let Some((side, action, notify)) = state.steps.remove(&number) else {
            state.kinds.push(char::from(kind));
            return Numbered::Pass(None);
        };
        self.shared.gate.send_replace(match action {
            Action::Notify | Action::Cut => Gate::Held,
            Action::Freeze => Gate::Frozen,
        });
        let step = Reached { action, notify };
        match side {
            Side::Before => Numbered::Stop(step),
            Side::After => {
                state.kinds.push(char::from(kind));
                Numbered::Pass(Some(step))
            }
        }
    }

    /// Waits until messages pass again; false if the program ends before.
    async fn released(&mut self) -> bool {
        tokio::select! {
            () = opened(self.shared) => true,
            () = self.messages.end() => {
                thawed(self.shared).await;
                false
            }
        }
    }
}

enum Numbered {
    /// It passes; the step to finish after it.
    Pass(Option<Reached>),
    /// Nothing passes.
    Wait,
    /// All connections were cut.
    Gone,
    /// The gate was just closed before it.
    Stop(Reached),
}

struct Reached {
    action: Action,
    notify: oneshot::Sender<()>,
}

impl Reached {
    fn finish(self, shared: &Shared) {
        if self.action == Action::Cut {
            shared.cut();
            shared.gate.send_replace(Gate::Open);
        }
        // A test that does not wait for it is fine.
        let _ = self.notify.send(());
    }
}

/// The direction from the server to the program. Reads on while nothing passes: so `due` tells what the server has
/// done, and the end of the program leaves nothing unread that would reset the connection to the server.
async fn answer(
    mut messages: Messages,
    mut to_client: OwnedWriteHalf,
    due: &watch::Sender<Due>,
    shared: &Shared,
) -> io::Result<()> {
    let mut withheld: VecDeque<Bytes> = VecDeque::new();
    let mut has_ended = false;
    while !has_ended || !withheld.is_empty() {
        tokio::select! {
            biased;
            () = opened(shared), if !withheld.is_empty() => {
                while let Some(bytes) = withheld.pop_front() {
                    to_client.write_all(&bytes).await?;
                }
            }
            message = messages.next(), if !has_ended => {
                if let Ok(Some(message)) = message {
                    due.send_modify(|due| due.note_answer(message.kind));
                    withheld.push_back(message.bytes);
                } else {
                    has_ended = true;
                    // Nobody will answer any more.
                    due.send_replace(Due::default());
                }
            }
        }
    }
    opened(shared).await;
    Ok(())
}

/// Waits while nothing passes.
async fn opened(shared: &Shared) {
    let _ = shared
        .gate
        .subscribe()
        .wait_for(|gate| *gate == Gate::Open)
        .await;
}

/// Waits while nobody may learn that the other has gone.
async fn thawed(shared: &Shared) {
    let _ = shared
        .gate
        .subscribe()
        .wait_for(|gate| *gate != Gate::Frozen)
        .await;
}
