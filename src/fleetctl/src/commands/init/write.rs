//! Writing the file so that nobody else reads it and nothing is lost.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow};

use crate::failure::Failure;

/// Refuses a place where there is something, before anybody has answered a question.
pub(super) fn look(file: &Path, force: bool) -> Result<(), Failure> {
    if force || fs::symlink_metadata(file).is_err() {
        return Ok(());
    }
    let error = anyhow!("{} is there already", file.display());
    let hint = "name another file, or --force, which keeps the old one as FILE.old";
    Err(Failure::wrong_command_line(error, hint))
}

/// Writes a file that only its owner can read. What was there is kept under the name that is given back: there may be a
/// key in it without which nobody can read what was recorded.
pub(super) fn write(file: &Path, text: &str, force: bool) -> Result<Option<PathBuf>, Failure> {
    let old = if force && fs::symlink_metadata(file).is_ok() {
        let old = free_name(file);
        fs::rename(file, &old).with_context(|| format!("cannot rename {}", file.display()))?;
        Some(old)
    } else {
        None
    };
    create(file, text).map_err(|error| {
        Failure::with_hint(error, "make room or name another file; nothing is written")
    })?;
    Ok(old)
}

fn create(file: &Path, text: &str) -> Result<(), anyhow::Error> {
    let context = || format!("cannot write {}", file.display());
    let mut written = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(file)
        .with_context(context)?;
    let done = written
        .write_all(text.as_bytes())
        .and_then(|()| written.sync_all());
    if done.is_err() {
        // Half a spec would look like one.
        let _ = fs::remove_file(file);
    }
    done.with_context(context)
}

/// `FILE.old`, or with the first number for which there is none.
fn free_name(file: &Path) -> PathBuf {
    let name = |number: u32| {
        let number = if number == 1 {
            String::new()
        } else {
            format!(".{number}")
        };
        PathBuf::from(format!("{}.old{number}", file.display()))
    };
    let is_free = |path: &PathBuf| fs::symlink_metadata(path).is_err();
    let mut names = (1..u32::MAX).map(name);
    names.find(is_free).unwrap_or_else(|| name(u32::MAX))
}
