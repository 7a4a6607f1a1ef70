//! Directories, and what can be said of buckets without one. Buckets themselves are tested in `tests/it`.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::process::Command;

use futures_util::TryStreamExt as _;
use tempfile::TempDir;

use super::*;

const NAME: &str = "searches_2026-10.parquet";

fn directory() -> (TempDir, Destination) {
    let dir = tempfile::tempdir().unwrap();
    let destination = Destination::parse(dir.path().to_str().unwrap()).unwrap();
    (dir, destination)
}

async fn write(destination: &Destination, name: &str, pieces: &[&'static [u8]]) {
    let mut upload = destination.create(name).await.unwrap();
    for piece in pieces {
        upload.write(Bytes::from_static(piece)).await.unwrap();
    }
    upload.finish().await.unwrap();
}

fn names(dir: &Path) -> Vec<String> {
    let names = fs::read_dir(dir).unwrap();
    names
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect()
}

#[tokio::test]
async fn a_file_comes_back_as_it_was_written() {
    let (dir, destination) = directory();
    write(&destination, NAME, &[b"ab", b"", b"cdef"]).await;
    let (size, pieces) = destination.read(NAME).await.unwrap();
    assert_eq!(size, 6);
    let pieces: Vec<Bytes> = pieces.try_collect().await.unwrap();
    assert_eq!(pieces.concat(), b"abcdef");
    assert_eq!(destination.size(NAME).await.unwrap(), 6);
    assert_eq!(destination.read_range(NAME, 1..4).await.unwrap(), "bcd");
    assert_eq!(destination.read_range(NAME, 6..6).await.unwrap(), "");
    let error = destination.read_range(NAME, 4..7).await.unwrap_err();
    assert!(matches!(error, DestinationError::Short { .. }), "{error}");
    let mode = fs::metadata(dir.path().join(NAME)).unwrap().mode();
    assert_eq!(mode & 0o137, 0, "{mode:o}");
    assert_eq!(names(dir.path()), [NAME]);
}

#[tokio::test]
async fn pieces_of_a_large_file_are_bounded() {
    let (_dir, destination) = directory();
    let bytes = Bytes::from(vec![7; (5 << 20) + 3]);
    let mut upload = destination.create(NAME).await.unwrap();
    upload.write(bytes.clone()).await.unwrap();
    upload.finish().await.unwrap();
    let (_, pieces) = destination.read(NAME).await.unwrap();
    let pieces: Vec<Bytes> = pieces.try_collect().await.unwrap();
    assert!(pieces.iter().all(|piece| piece.len() <= 8 << 20));
    assert!(pieces.concat() == bytes);
}

#[tokio::test]
async fn nothing_is_there_before_the_end_and_what_was_there_stays() {
    let (dir, destination) = directory();
    write(&destination, NAME, &[b"first"]).await;
    let mut upload = destination.create(NAME).await.unwrap();
    upload.write(Bytes::from_static(b"second")).await.unwrap();
    let partial = format!(".{NAME}.partial");
    let mut listed = destination.list().await.unwrap();
    assert_eq!(listed.remove(0).0, partial);
    assert_eq!(listed, [(NAME.to_owned(), 5)]);
    drop(upload);
    assert_eq!(names(dir.path()), [NAME]);
    assert_eq!(destination.read_range(NAME, 0..5).await.unwrap(), "first");

    destination
        .create(NAME)
        .await
        .unwrap()
        .abort()
        .await
        .unwrap();
    assert_eq!(names(dir.path()), [NAME]);
    write(&destination, NAME, &[b"third"]).await;
    assert_eq!(destination.read_range(NAME, 0..5).await.unwrap(), "third");
}

#[tokio::test]
async fn what_a_killed_upload_left_is_not_written_into() {
    let (dir, destination) = directory();
    let elsewhere = tempfile::NamedTempFile::new().unwrap();
    symlink(
        elsewhere.path(),
        dir.path().join(format!(".{NAME}.partial")),
    )
    .unwrap();
    write(&destination, NAME, &[b"new"]).await;
    assert_eq!(fs::read(elsewhere.path()).unwrap(), b"");
    assert!(
        fs::symlink_metadata(dir.path().join(NAME))
            .unwrap()
            .is_file()
    );
}

#[tokio::test]
async fn deleting_twice_is_fine() {
    let (dir, destination) = directory();
    write(&destination, NAME, &[b"x"]).await;
    destination.delete(NAME).await.unwrap();
    destination.delete(NAME).await.unwrap();
    assert_eq!(names(dir.path()), [""; 0]);
}

#[tokio::test]
async fn a_missing_file_and_a_missing_directory_are_told_apart() {
    let (dir, destination) = directory();
    let path = dir.path().to_owned();
    let error = destination.size(NAME).await.unwrap_err();
    assert!(
        matches!(error, DestinationError::NotFound { .. }),
        "{error}"
    );
    assert!(
        error.to_string().contains(path.to_str().unwrap()),
        "{error}"
    );
    drop(dir);
    let errors = [
        destination.size(NAME).await.unwrap_err(),
        destination.list().await.unwrap_err(),
        destination.delete(NAME).await.unwrap_err(),
        destination.create(NAME).await.unwrap_err(),
        destination.read(NAME).await.map(|_| ()).unwrap_err(),
    ];
    for error in errors {
        assert!(
            matches!(error, DestinationError::NoDirectory { .. }),
            "{error}"
        );
        assert!(error.hint().unwrap().contains("mkdir"), "{error}");
    }
}

#[tokio::test]
async fn a_directory_that_is_a_file_is_none() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let destination = Destination::parse(file.path().to_str().unwrap()).unwrap();
    let error = destination.create(NAME).await.unwrap_err();
    assert!(
        matches!(error, DestinationError::NoDirectory { .. }),
        "{error}"
    );
}

#[tokio::test]
async fn a_directory_of_somebody_else_is_told() {
    if is_root() {
        // Root may write everywhere, except where nobody can.
        let destination = Destination::parse("/proc/self/net").unwrap();
        destination.create(NAME).await.unwrap_err();
        return;
    }
    let (dir, destination) = directory();
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o500)).unwrap();
    let error = destination.create(NAME).await.unwrap_err();
    assert!(
        matches!(error, DestinationError::NotAllowed { .. }),
        "{error}"
    );
}

#[tokio::test]
async fn a_full_disk_is_told_and_leaves_nothing() {
    let Some(disk) = SmallDisk::mount() else {
        eprintln!("skipped: only root may mount a small file system");
        return;
    };
    let destination = Destination::parse(disk.0.path().to_str().unwrap()).unwrap();
    write(&destination, NAME, &[b"before"]).await;
    let mut upload = destination.create(NAME).await.unwrap();
    let error = loop {
        // The file's own buffer takes the first piece before the disk refuses it.
        if let Err(error) = upload.write(Bytes::from(vec![1; 1 << 20])).await {
            break error;
        }
    };
    assert!(matches!(error, DestinationError::Full { .. }), "{error}");
    drop(upload);
    assert_eq!(names(disk.0.path()), [NAME]);
    assert_eq!(destination.read_range(NAME, 0..6).await.unwrap(), "before");
}

/// A file system of 1 MiB, unmounted when dropped.
struct SmallDisk(TempDir);

impl SmallDisk {
    fn mount() -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=1m", "tmpfs"])
            .arg(dir.path())
            .output();
        mounted
            .is_ok_and(|mount| mount.status.success())
            .then_some(Self(dir))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.0.path()).status();
    }
}

fn is_root() -> bool {
    fs::metadata("/proc/self").unwrap().uid() == 0
}

#[tokio::test]
async fn names_cannot_lead_elsewhere() {
    let (dir, destination) = directory();
    for name in ["", ".", "..", "a/b", "../a", "a\\b", "a\nb", "a\0b"] {
        let error = destination.create(name).await.unwrap_err();
        assert!(
            matches!(error, DestinationError::NotAName { .. }),
            "{name:?}"
        );
        assert!(destination.delete(name).await.is_err(), "{name:?}");
    }
    assert_eq!(names(dir.path()), [""; 0]);
}

#[test]
fn a_location_leads_back_to_its_file() {
    let settings = DestinationSettings {
        variables: Vec::new(),
        ..DestinationSettings::default()
    };
    let here = std::env::current_dir().unwrap();
    let relative = here.join("sub/dir/").join(NAME).display().to_string();
    for (text, location) in [
        ("/srv/archive", format!("/srv/archive/{NAME}")),
        ("/srv/archive/", format!("/srv/archive/{NAME}")),
        (
            "file:///srv/an%20archive",
            format!("/srv/an archive/{NAME}"),
        ),
        ("/", format!("/{NAME}")),
        ("sub/dir", relative),
        ("s3://bucket", format!("s3://bucket/{NAME}")),
        ("s3://bucket/", format!("s3://bucket/{NAME}")),
        (
            "s3://bucket/some/prefix/",
            format!("s3://bucket/some/prefix/{NAME}"),
        ),
    ] {
        let destination = Destination::parse_with(text, &settings).unwrap();
        assert_eq!(destination.location(NAME), location);
        let (again, name) = Destination::of_location_with(&location, &settings).unwrap();
        assert_eq!(name, NAME);
        assert_eq!(again.location(NAME), location);
    }
}

#[test]
fn what_is_no_destination_is_refused_and_not_repeated() {
    let settings = DestinationSettings::default();
    for text in [
        "",
        "gs://bucket",
        "https://user:secret@host/x",
        "s3://",
        "s3:///prefix",
        "s3://key:secret@bucket/prefix",
        "s3://bucket/a//b",
        "s3://bucket/a/../b",
        "file://host/dir",
    ] {
        let error = Destination::parse_with(text, &settings).unwrap_err();
        assert!(
            matches!(error, DestinationError::NotADestination),
            "{text}: {error}"
        );
        assert!(!format!("{error} {error:?}").contains("secret"), "{text}");
    }
    assert!(Destination::of_location_with(NAME, &settings).is_err());
    assert!(Destination::of_location_with("s3://bucket/", &settings).is_err());
}

#[test]
fn keys_are_never_shown() {
    let variable = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let settings = DestinationSettings {
        variables: vec![
            variable("AWS_ACCESS_KEY_ID", "very"),
            variable("AWS_SECRET_ACCESS_KEY", "secret"),
            variable("AWS_UNKNOWN_TO_US", "secret"),
        ],
        ..DestinationSettings::default()
    };
    let destination = Destination::parse_with("s3://bucket/prefix", &settings).unwrap();
    let shown = format!("{destination:?} {destination} {settings:?}");
    assert!(shown.contains("s3://bucket/prefix"), "{shown}");
    assert!(
        !shown.contains("very") && !shown.contains("secret\""),
        "{shown}"
    );

    let half = DestinationSettings {
        variables: vec![variable("AWS_SECRET_ACCESS_KEY", "secret")],
        ..settings
    };
    let error = Destination::parse_with("s3://bucket", &half).unwrap_err();
    assert!(
        matches!(error, DestinationError::Settings { .. }),
        "{error}"
    );
    assert!(error.hint().is_some());
}
