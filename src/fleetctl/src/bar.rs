//! One bar on a terminal for work that takes a while; nothing elsewhere.

use std::time::Duration;

use fleet_store::ArchiveProgress;
use indicatif::{ProgressBar, ProgressStyle};
use tokio::sync::watch;

const TICK: Duration = Duration::from_millis(200);

/// Shows how the work goes on until it is done.
pub(crate) async fn with_bar<T>(
    mut progress: watch::Receiver<ArchiveProgress>,
    work: impl Future<Output = T>,
) -> T {
    let style = ProgressStyle::with_template(
        "{spinner:.green} {msg}  {bar:30}  {human_pos} of {human_len} records  {eta}",
    );
    // Hidden where standard error is no terminal.
    let bar =
        ProgressBar::new(0).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar.enable_steady_tick(TICK);
    tokio::pin!(work);
    let mut told = true;
    let done = loop {
        tokio::select! {
            done = &mut work => break done,
            changed = progress.changed(), if told => {
                told = changed.is_ok();
                let ArchiveProgress { doing, records, of } = progress.borrow_and_update().clone();
                bar.set_message(doing);
                bar.set_length(of.max(records));
                bar.set_position(records);
            }
        }
    };
    bar.finish_and_clear();
    done
}
