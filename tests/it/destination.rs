//! Archive files in a real bucket: whole or not at all, and told what is wrong.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use fleet_store::{Destination, DestinationError, DestinationSettings, Upload};
use fleet_tests::{ports, s3::S3, wire::Proxy};
use futures_util::TryStreamExt as _;
use tokio::time::{Instant, sleep, timeout};

const NAME: &str = "searches_2026-10.parquet";
const MIB: usize = 1 << 20;

/// What a test waits for an answer that it wants.
const PATIENT: Duration = Duration::from_mins(2);
/// What it waits for one that it does not want.
const IMPATIENT: Duration = Duration::from_secs(2);

fn settings(s3: &S3, patience: Duration) -> DestinationSettings {
    DestinationSettings {
        patience,
        variables: s3.env(),
    }
}

/// The settings with one variable changed.
fn with(settings: DestinationSettings, name: &str, value: &str) -> DestinationSettings {
    let mut variables = settings.variables;
    variables.retain(|(other, _)| other != name);
    if !value.is_empty() {
        variables.push((name.to_owned(), value.to_owned()));
    }
    DestinationSettings {
        variables,
        ..settings
    }
}

fn destination(s3: &S3, prefix: &str, patience: Duration) -> Result<Destination> {
    Ok(Destination::parse_with(
        &s3.url(prefix),
        &settings(s3, patience),
    )?)
}

/// Bytes that differ from part to part.
fn content(length: usize) -> Bytes {
    let cycle: Vec<u8> = (0..=250).flat_map(|byte| [byte; 7]).collect();
    cycle.into_iter().cycle().take(length).collect()
}

async fn write(
    destination: &Destination,
    name: &str,
    content: &Bytes,
) -> Result<(), DestinationError> {
    let mut upload = destination.create(name).await?;
    write_all(&mut upload, content).await?;
    upload.finish().await
}

/// In pieces that do not fit the parts.
async fn write_all(upload: &mut Upload, content: &Bytes) -> Result<(), DestinationError> {
    for from in (0..content.len()).step_by(999_999) {
        let to = content.len().min(from + 999_999);
        upload.write(content.slice(from..to)).await?;
    }
    Ok(())
}

async fn read(destination: &Destination, name: &str) -> Result<Bytes> {
    let (size, pieces) = destination.read(name).await?;
    let pieces: Vec<Bytes> = pieces.try_collect().await?;
    assert!(pieces.iter().all(|piece| piece.len() <= 8 * MIB));
    let bytes = Bytes::from(pieces.concat());
    assert_eq!(bytes.len() as u64, size);
    Ok(bytes)
}

#[tokio::test]
async fn files_of_all_sizes_come_back_as_they_were_written() -> Result<()> {
    let s3 = S3::start("study").await?;
    let destination = destination(&s3, "some/prefix", PATIENT)?;
    let sizes = [0, 1, 8 * MIB - 1, 8 * MIB, 20 * MIB + 5];
    for size in sizes {
        let content = content(size);
        write(&destination, NAME, &content).await?;
        assert!(read(&destination, NAME).await? == content, "{size} bytes");
        assert_eq!(destination.size(NAME).await?, size as u64);
    }
    let content = content(20 * MIB + 5);
    let end = content.len() as u64;
    for (from, to) in [
        (0, 1),
        (8_388_600, 8_388_700),
        (content.len() - 5, content.len()),
    ] {
        let found = destination.read_range(NAME, from as u64..to as u64).await?;
        assert!(found == content[from..to], "{from}..{to}");
    }
    for range in [end - 5..end + 1, end..end + 1, end + 9..end + 10] {
        let error = destination
            .read_range(NAME, range.clone())
            .await
            .unwrap_err();
        assert!(
            matches!(error, DestinationError::Short { .. }),
            "{range:?}: {error}"
        );
    }

    let location = destination.location(NAME);
    assert_eq!(location, format!("s3://study/some/prefix/{NAME}"));
    let (again, name) = Destination::of_location_with(&location, &settings(&s3, PATIENT))?;
    assert_eq!(again.size(&name).await?, end);
    Ok(())
}

#[tokio::test]
async fn a_list_has_the_files_of_this_place_only_and_a_deleted_one_is_gone() -> Result<()> {
    let s3 = S3::start("study").await?;
    let here = destination(&s3, "here", PATIENT)?;
    let top = destination(&s3, "", PATIENT)?;
    assert_eq!(here.list().await?, []);
    for (place, name) in [(&here, "b"), (&here, "a"), (&top, "c")] {
        write(place, name, &content(3)).await?;
    }
    let expected = [("a".to_owned(), 3), ("b".to_owned(), 3)];
    assert_eq!(here.list().await?, expected);
    assert_eq!(destination(&s3, "her", PATIENT)?.list().await?, []);
    assert_eq!(top.list().await?, [("c".to_owned(), 3)]);
    here.delete("a").await?;
    here.delete("a").await?;
    assert_eq!(here.list().await?, expected[1..]);
    let error = here.size("a").await.unwrap_err();
    assert!(
        matches!(&error, DestinationError::NotFound { location } if location == "s3://study/here/a"),
        "{error}"
    );
    Ok(())
}

#[tokio::test]
async fn an_upload_that_is_given_up_leaves_nothing() -> Result<()> {
    let s3 = S3::start("study").await?;
    let destination = destination(&s3, "here", PATIENT)?;
    let before = content(10);
    write(&destination, NAME, &before).await?;

    let mut upload = destination.create(NAME).await?;
    write_all(&mut upload, &content(20 * MIB)).await?;
    until(|| Ok(parts(&s3)? > 0)).await?;
    upload.abort().await?;
    assert_eq!(parts(&s3)?, 0);

    let mut upload = destination.create(NAME).await?;
    write_all(&mut upload, &content(20 * MIB)).await?;
    until(|| Ok(parts(&s3)? > 0)).await?;
    drop(upload);
    until(|| Ok(parts(&s3)? == 0)).await?;
    assert_eq!(destination.list().await?, [(NAME.to_owned(), 10)]);
    assert_eq!(read(&destination, NAME).await?, before);
    Ok(())
}

async fn until(is_so: impl Fn() -> Result<bool>) -> Result<()> {
    let wait = async {
        while !is_so()? {
            sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    };
    timeout(PATIENT, wait)
        .await
        .context("the parts are not as wanted")?
}

/// Bytes of parts that the server keeps for files that are not complete.
fn parts(s3: &S3) -> Result<u64> {
    fn bytes(dir: &std::path::Path) -> Result<u64> {
        let mut sum = 0;
        for entry in std::fs::read_dir(dir)? {
            let entry = entry?;
            let file = entry.metadata()?;
            sum += if file.is_dir() {
                bytes(&entry.path())?
            } else {
                file.len()
            };
        }
        Ok(sum)
    }
    let dir = s3.bucket_dir().join(".sgwtmp/multipart");
    if dir.exists() { bytes(&dir) } else { Ok(0) }
}

#[tokio::test]
async fn what_is_wrong_with_a_bucket_is_told_without_keys() -> Result<()> {
    let s3 = S3::start("study").await?;
    let right = || settings(&s3, PATIENT);
    let keys: Vec<String> = s3
        .env()
        .into_iter()
        .filter(|(name, _)| name.contains("KEY"))
        .map(|(_, value)| value)
        .chain(["wrong-value".to_owned()])
        .collect();
    let cases = [
        (
            with(right(), "AWS_SECRET_ACCESS_KEY", "wrong-value"),
            "study",
            "credentials",
        ),
        (
            with(right(), "AWS_ACCESS_KEY_ID", "wrong-value"),
            "study",
            "credentials",
        ),
        (right(), "other", "no bucket"),
    ];
    for (settings, bucket, expected) in cases {
        let url = format!("s3://{bucket}/prefix");
        let destination = Destination::parse_with(&url, &settings)?;
        let errors = [
            write(&destination, NAME, &content(10)).await.unwrap_err(),
            write(&destination, NAME, &content(9 * MIB))
                .await
                .unwrap_err(),
            destination.size(NAME).await.unwrap_err(),
            destination.list().await.unwrap_err(),
            destination.read_range(NAME, 0..3).await.unwrap_err(),
        ];
        for (number, error) in errors.into_iter().enumerate() {
            let text = format!("{error} {error:?} {}", error.hint().unwrap_or_default());
            let is_right = match expected {
                "no bucket" => matches!(error, DestinationError::NoBucket { .. }),
                _ => matches!(error, DestinationError::Credentials { .. }),
            };
            assert!(is_right, "{expected}, {number}: {text}");
            assert!(text.contains(&url), "{text}");
            assert!(keys.iter().all(|key| !text.contains(key)), "{text}");
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_store_that_is_not_there_is_told_in_time() -> Result<()> {
    let s3 = S3::start("study").await?;
    let nobody = format!("http://127.0.0.1:{}", ports::free_port()?);
    let deaf = Proxy::start(s3.address()).await?;
    deaf.freeze();
    let frozen = format!("http://{}", deaf.address());
    for endpoint in [nobody, frozen] {
        let settings = with(settings(&s3, IMPATIENT), "AWS_ENDPOINT_URL", &endpoint);
        let destination = Destination::parse_with("s3://study", &settings)?;
        let asked = timeout(PATIENT, destination.size(NAME));
        let error = asked.await.context("waits for ever")?.unwrap_err();
        assert!(
            matches!(error, DestinationError::Unreachable { .. }),
            "{endpoint}: {error}"
        );
        let content = content(9 * MIB);
        let written = timeout(PATIENT, write(&destination, NAME, &content));
        let error = written.await.context("waits for ever")?.unwrap_err();
        assert!(
            matches!(error, DestinationError::Unreachable { .. }),
            "{endpoint}: {error}"
        );
    }
    // A slip that is easily made: it has to be told at once, not retried.
    let settings = with(settings(&s3, Duration::from_hours(1)), "AWS_ALLOW_HTTP", "");
    let destination = Destination::parse_with("s3://study", &settings)?;
    let error = timeout(PATIENT, destination.size(NAME)).await?.unwrap_err();
    assert!(
        error
            .hint()
            .is_some_and(|hint| hint.contains("AWS_ALLOW_HTTP")),
        "{error}"
    );
    Ok(())
}

#[tokio::test]
async fn a_store_that_goes_in_the_middle_fails_the_upload_and_the_next_one_works() -> Result<()> {
    let mut s3 = S3::start("study").await?;
    let destination = destination(&s3, "here", IMPATIENT)?;
    let content = content(30 * MIB);
    let mut upload = destination.create(NAME).await?;
    write_all(&mut upload, &content.slice(..9 * MIB)).await?;
    s3.stop().await?;
    let ended = async {
        write_all(&mut upload, &content.slice(9 * MIB..)).await?;
        upload.finish().await
    };
    let error = timeout(PATIENT, ended).await?.unwrap_err();
    assert!(
        matches!(error, DestinationError::Unreachable { .. }),
        "{error}"
    );

    s3.start_again().await?;
    assert_eq!(destination.list().await?, []);
    write(&destination, NAME, &content).await?;
    assert!(read(&destination, NAME).await? == content);
    Ok(())
}

#[tokio::test]
async fn a_store_that_comes_back_in_time_is_no_failure() -> Result<()> {
    let mut s3 = S3::start("study").await?;
    let destination = destination(&s3, "here", PATIENT)?;
    let content = content(20 * MIB);
    let mut upload = destination.create(NAME).await?;
    write_all(&mut upload, &content.slice(..9 * MIB)).await?;
    s3.stop().await?;
    let rest = async {
        write_all(&mut upload, &content.slice(9 * MIB..)).await?;
        upload.finish().await?;
        Ok::<_, anyhow::Error>(())
    };
    let (rest, again) = tokio::join!(rest, s3.start_again());
    again?;
    rest?;
    assert!(read(&destination, NAME).await? == content);
    Ok(())
}

#[tokio::test]
async fn a_file_that_is_overwritten_while_it_is_read_is_not_mixed() -> Result<()> {
    let s3 = S3::start("study").await?;
    let destination = destination(&s3, "", PATIENT)?;
    let before = content(20 * MIB);
    write(&destination, NAME, &before).await?;
    let (_, mut pieces) = destination.read(NAME).await?;
    pieces.try_next().await?.context("no first piece")?;
    write(&destination, NAME, &Bytes::from(vec![1; 20 * MIB])).await?;
    let deadline = Instant::now() + PATIENT;
    let error = loop {
        match pieces.try_next().await {
            Ok(Some(_)) if Instant::now() < deadline => {}
            Ok(_) => bail!("two files were read as one"),
            Err(error) => break error,
        }
    };
    assert!(matches!(error, DestinationError::Changed { .. }), "{error}");
    Ok(())
}
