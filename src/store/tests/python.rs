//! Pseudonyms are readable by an implementation that is not ours: Python's `cryptography`.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use fleet_store::{Pseudonymizer, Scheme};

const CRYPTOGRAPHY: &str = "cryptography==50.0.2";

/// A Python that has `cryptography`, in a virtual environment under the target directory.
fn python() -> PathBuf {
    let venv = Path::new(env!("CARGO_TARGET_TMPDIR")).join("store-venv");
    let python = venv.join("bin/python");
    let done = venv.join(CRYPTOGRAPHY);
    if !done.exists() {
        let _ = std::fs::remove_dir_all(&venv);
        run(
            Command::new("python3").args(["-m", "venv"]).arg(&venv),
            "install python3 and python3-venv",
        );
        run(
            Command::new(&python).args(["-m", "pip", "install", "--quiet", CRYPTOGRAPHY]),
            "pip must reach a package index",
        );
        std::fs::write(done, "").unwrap();
    }
    python
}

fn run(command: &mut Command, missing: &str) {
    match command.status() {
        Ok(status) if status.success() => {}
        Ok(status) => panic!("{command:?} failed ({status}): {missing}"),
        Err(error) => panic!("{command:?} did not start ({error}): {missing}"),
    }
}

#[test]
fn python_reads_what_we_write() {
    let keys = [
        "a passphrase of an older collector",
        "-_-_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
        "+/+/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n",
        "sixteen-bytes-é",
    ];
    let names = [
        "a",
        "alice",
        "Ünïcödé ♫",
        "sixteen bytes !!",
        &"long ".repeat(30),
    ];
    let mut cases = Vec::new();
    for scheme in [Scheme::Siv, Scheme::Fernet, Scheme::Hmac] {
        for key in keys {
            let mut maker = Pseudonymizer::new(scheme, &key.into()).unwrap();
            for name in names {
                let pseudonym = maker.pseudonym(name);
                let case = serde_json::json!({
                    "scheme": scheme, "key": key, "name": name, "pseudonym": pseudonym,
                });
                cases.push(case.to_string());
            }
        }
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/pseudonyms.py");
    let mut child = Command::new(python())
        .arg(script)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(cases.join("\n").as_bytes())
        .unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}");
    assert_eq!(
        String::from_utf8(output.stdout).unwrap().trim(),
        cases.len().to_string()
    );
}
