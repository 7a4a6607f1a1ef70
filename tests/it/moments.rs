//! The moments at which a program can be interrupted.

use anyhow::{Result, ensure};
use fleet_tests::{
    postgres::Postgres,
    wire::{Action, Proxy, Side},
};
use tokio::{io::AsyncReadExt as _, process::Child};

/// Cases that run side by side.
pub(crate) const AT_ONCE: usize = 4;

/// The numbers of the messages that do something (others only prepare or describe), by what a proxy has seen.
pub(crate) fn moments(kinds: &str) -> Vec<usize> {
    let matters = |kind: char| "^QEdcX".contains(kind);
    let moments = kinds.chars().enumerate();
    moments
        .filter(|(_, kind)| matters(*kind))
        .map(|(index, _)| index + 1)
        .collect()
}

/// Starts a program behind a proxy and kills it at a message. True if it came that far.
pub(crate) async fn kill_at(
    server: &Postgres,
    number: usize,
    side: Side,
    start: impl Fn(&Proxy) -> Result<Child>,
) -> Result<bool> {
    let proxy = Proxy::start(server.address()).await?;
    let mut step = proxy.at(number, side, Action::Notify);
    let mut child = start(&proxy)?;
    tokio::select! {
        reached = step.reached() => reached?,
        ended = child.wait() => {
            let mut said = String::new();
            if let Some(stderr) = &mut child.stderr {
                stderr.read_to_string(&mut said).await?;
            }
            ensure!(ended?.success(), "ended before message {number}: {said}");
            return Ok(false);
        }
    }
    child.kill().await?;
    Ok(true)
}
