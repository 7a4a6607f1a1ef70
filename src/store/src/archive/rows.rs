//! Rows for whoever wants to look at them: from the live tables, or from files.

use tokio::sync::mpsc;

use super::{ArchiveError, Month, PartState, file};
use crate::Row;
use crate::export::Filter;
use crate::hot::{Hot, Place, Wanted};

/// Heaps of rows that may be on their way.
const UNDER_WAY: usize = 2;

/// Rows on their way, heap after heap. An error is the last that comes.
pub type Rows = mpsc::Receiver<Result<Vec<Row>, ArchiveError>>;

/// The rows that are live, in the order in which they came.
pub async fn live_rows(place: &Place, filter: Filter) -> Result<Rows, ArchiveError> {
    let mut hot = Hot::open(place).await?;
    let wanted = Wanted::between(filter.micros());
    let (to, rows) = mpsc::channel(UNDER_WAY);
    tokio::spawn(async move {
        let (heaps, mut read) = mpsc::channel(UNDER_WAY);
        let passing_on = async {
            while let Some(heap) = read.recv().await {
                if to.send(Ok(heap)).await.is_err() {
                    break;
                }
            }
            // The reader stops when nobody takes what it reads.
            drop(read);
        };
        let reading = async {
            let read = hot.read(&wanted, &heaps).await;
            drop(heaps);
            read
        };
        let (read, ()) = tokio::join!(reading, passing_on);
        if let Err(error) = read {
            // Nobody waits for it any more, then.
            let _ = to.send(Err(error)).await;
        }
    });
    Ok(rows)
}

/// The rows of a month that are in verified files, file after file; live ones are not among them.
pub async fn archived_rows(
    place: &Place,
    month: Month,
    filter: Filter,
) -> Result<Rows, ArchiveError> {
    let mut parts = Hot::open(place).await?.parts(Some(month)).await?;
    parts.retain(|part| part.state == PartState::Verified);
    if parts.is_empty() {
        return Err(ArchiveError::NotArchived { month });
    }
    let (to, rows) = mpsc::channel(UNDER_WAY);
    tokio::spawn(async move {
        for part in parts {
            let mut heaps = match file::read(&part.file_path, Some(filter.micros())).await {
                Ok(heaps) => heaps,
                Err(error) => {
                    let _ = to.send(Err(error)).await;
                    return;
                }
            };
            while let Some(heap) = heaps.recv().await {
                let failed = heap.is_err();
                if to.send(heap).await.is_err() || failed {
                    return;
                }
            }
        }
    });
    Ok(rows)
}
