//! The key for pseudonyms where the spec names no Secret for one: made once, kept beside the data.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use secrecy::SecretString;

/// The file in the data directory.
pub const KEY_FILE: &str = "username.key";
/// Random bytes in a key.
const KEY_BYTES: usize = 32;

/// Reads the key in the data directory, or makes one that only its owner can read. Says whether it was made.
pub fn read_or_make(data_dir: &Path) -> io::Result<(SecretString, bool)> {
    let path = data_dir.join(KEY_FILE);
    if let Some(key) = read(&path)? {
        return Ok((key, false));
    }
    // As the spool would make it, which comes second.
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(data_dir)?;
    let key = random_hex()?;
    // Under another name until it is whole: half a key after a crash or on a full disk would look like one.
    let unfinished = data_dir.join(format!("{KEY_FILE}.{}", &random_hex()?[..8]));
    let made = write_private(&unfinished, &key).and_then(|()| fs::hard_link(&unfinished, &path));
    let _ = fs::remove_file(&unfinished);
    made?;
    fs::File::open(data_dir)?.sync_all()?;
    Ok((key.into(), true))
}

/// Writes a file that only its owner can read, down to the disk.
fn write_private(path: &Path, text: &str) -> io::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(text.as_bytes())?;
    // Without the key the pseudonyms of this directory cannot be turned back: it must survive with them.
    file.sync_all()
}

/// Reads a key file; `None` where there is none.
pub fn read(path: &Path) -> io::Result<Option<SecretString>> {
    match fs::read_to_string(path) {
        Ok(key) => Ok(Some(key.into())),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn random_hex() -> io::Result<String> {
    let mut bytes = [0; KEY_BYTES];
    fs::File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(bytes
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .map(hex_digit)
        .collect())
}

fn hex_digit(nibble: u8) -> char {
    char::from_digit(nibble.into(), 16).unwrap_or('0')
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use secrecy::ExposeSecret;

    use super::*;

    #[test]
    fn a_key_is_made_once_and_only_for_its_owner() {
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path().join("new");
        let (first, made) = read_or_make(&data).unwrap();
        assert!(made);
        assert_eq!(first.expose_secret().len(), 2 * KEY_BYTES);
        let (second, made) = read_or_make(&data).unwrap();
        assert!(!made);
        assert_eq!(first.expose_secret(), second.expose_secret());
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&data), mode(&data.join(KEY_FILE))), (0o700, 0o600));
    }

    #[test]
    fn nothing_but_the_key_is_left_and_a_key_that_cannot_be_written_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        read_or_make(dir.path()).unwrap();
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
        // A link to nowhere stands for a name that somebody else has taken in the meantime.
        let dir = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink("/does/not/exist", dir.path().join(KEY_FILE)).unwrap();
        read_or_make(dir.path()).unwrap_err();
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}
