//! An orderly end: SIGTERM or Ctrl-C cancels a token that every task watches. A second signal ends the
//! program at once, with exit code 130.

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

/// Exit code after the second signal.
pub const INTERRUPTED: i32 = 130;

/// A token that is cancelled by the first SIGTERM or SIGINT.
pub fn token() -> std::io::Result<CancellationToken> {
    let interrupt = signal(SignalKind::interrupt())?;
    let terminate = signal(SignalKind::terminate())?;
    let token = CancellationToken::new();
    tokio::spawn(watch(interrupt, terminate, token.clone()));
    Ok(token)
}

async fn watch(mut interrupt: Signal, mut terminate: Signal, token: CancellationToken) {
    either(&mut interrupt, &mut terminate).await;
    info!("stopping; a second signal ends the program without writing what is still in memory");
    token.cancel();
    either(&mut interrupt, &mut terminate).await;
    warn!("stopped by a second signal");
    exit();
}

async fn either(interrupt: &mut Signal, terminate: &mut Signal) {
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
}

#[expect(
    clippy::exit,
    reason = "somebody who signals twice does not want to wait for anything"
)]
fn exit() -> ! {
    std::process::exit(INTERRUPTED)
}
