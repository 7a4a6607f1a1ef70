//! From bytes to the strings of a search, on one core, against the decoder of aioslsk.

use std::{fs, hint::black_box};

use anyhow::{Result, bail, ensure};
use fleet_soulseek::{
    frame::{FrameReader, MAX_DISTRIBUTED},
    messages::distributed::DistributedMessage,
};

use crate::{
    corpus::{self, Way},
    peer, process,
    report::{Better, Figure, Report, Row, Target},
};

const FRAMES: u32 = 200_000;
const ROUNDS: u32 = 5;
/// Ours takes the frames so many times in a round: one pass is over sooner than the kernel's clock of CPU time ticks.
const PASSES: u32 = 20;

/// What must come out the same on both sides.
#[derive(Debug, Default, PartialEq, Eq)]
struct Sums {
    messages: u64,
    token_sum: u64,
    characters: u64,
}

pub(crate) async fn run(report: &mut Report) -> Result<()> {
    let bytes = corpus::frames(Way::Parent, 0, FRAMES);
    let mean = f64::from(u32::try_from(bytes.len())?) / f64::from(FRAMES);
    let file = tempfile::NamedTempFile::new_in(env!("CARGO_TARGET_TMPDIR"))?;
    fs::write(file.path(), &bytes)?;

    let theirs = peer::decode(file.path(), ROUNDS).await?;
    let mut best = f64::INFINITY;
    for _ in 0..ROUNDS {
        let started = process::own_cpu_seconds()?;
        for _ in 0..PASSES {
            decode(&bytes, |_, username, query| {
                black_box((username, query));
            })
            .await?;
        }
        best = best.min((process::own_cpu_seconds()? - started) / f64::from(PASSES));
    }
    let peer::Decoded {
        messages,
        token_sum,
        characters,
        cpu_seconds,
    } = theirs;
    let expected = Sums {
        messages,
        token_sum,
        characters,
    };
    let ours = sums(&bytes).await?;
    ensure!(
        ours == expected && ours.messages == u64::from(FRAMES),
        "the decoders disagree: ours {ours:?}, aioslsk {expected:?}"
    );
    report.note(format!("decoded frames have {mean:.1} bytes on average"));
    report.add(
        Row::new("decode", "messages/s of CPU", Better::More)
            .peer(Figure::measured(f64::from(FRAMES) / cpu_seconds))
            .ours(f64::from(FRAMES) / best)
            .target(Target::Ratio(10.0)),
    );
    Ok(())
}

async fn sums(bytes: &[u8]) -> Result<Sums> {
    let mut sums = Sums::default();
    decode(bytes, |token, username, query| {
        sums.messages += 1;
        sums.token_sum += u64::from(token);
        sums.characters += (username.chars().count() + query.chars().count()) as u64;
    })
    .await?;
    Ok(sums)
}

/// The way that a collector reads a connection, and strings of their own at the end, as Python has them.
async fn decode(bytes: &[u8], mut each: impl FnMut(u32, String, String)) -> Result<()> {
    let mut reader = FrameReader::new(bytes, MAX_DISTRIBUTED);
    while let Some(frame) = reader.next().await? {
        let DistributedMessage::Search(search) = DistributedMessage::decode(&frame)? else {
            bail!("a frame is not a search");
        };
        each(
            search.token,
            search.username.decode().into_owned(),
            search.query.decode().into_owned(),
        );
    }
    Ok(())
}
