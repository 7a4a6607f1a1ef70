//! The executable: what it prints, and how it ends.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, ChildStdout, Command, Output, Stdio};

/// A server whose first line was read.
struct Running {
    process: Child,
    stdout: BufReader<ChildStdout>,
    line: String,
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fleet-sim"));
    command.arg("hetzner").args(arguments);
    command
}

fn start(arguments: &[&str]) -> Running {
    let mut process = command(arguments)
        .stdout(Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut stdout = BufReader::new(process.stdout.take().expect("a pipe"));
    let mut line = String::new();
    stdout.read_line(&mut line).expect("a line");
    Running {
        process,
        stdout,
        line,
    }
}

fn fail(arguments: &[&str]) -> Output {
    command(arguments).output().expect("it starts")
}

fn end_with(signal: &str) {
    let mut running = start(&["--port", "0", "--token", "t"]);
    let id = running.process.id().to_string();
    let sent = Command::new("kill")
        .args([&format!("-{signal}"), &id])
        .status();
    assert!(sent.is_ok_and(|status| status.success()));
    let status = running.process.wait().expect("it ends");
    assert!(status.success(), "{signal}: {status}");
    let mut rest = String::new();
    running.stdout.read_to_string(&mut rest).expect("text");
    assert_eq!(rest, "");
}

#[test]
fn it_says_where_it_listens() {
    let running = start(&["--port", "0", "--token", "t"]);
    let address = running
        .line
        .strip_prefix("Hetzner API listens on http://127.0.0.1:");
    let port = address.and_then(|rest| rest.strip_suffix("/v1\n"));
    let port: u16 = port.expect(&running.line).parse().expect("a port");
    assert!(std::net::TcpStream::connect(("127.0.0.1", port)).is_ok());
}

#[test]
fn it_ends_when_it_is_told_to() {
    end_with("TERM");
    end_with("INT");
}

#[test]
fn it_says_what_is_wrong() {
    let no_catalog = fail(&["--port", "0", "--token", "t", "--catalog", "/nowhere.json"]);
    assert_eq!(no_catalog.status.code(), Some(1));
    let said = String::from_utf8_lossy(&no_catalog.stderr).into_owned();
    assert!(
        said.starts_with("error: cannot run the Hetzner API: /nowhere.json: "),
        "{said}"
    );

    let good: &[&str] = &["--port", "0", "--token", "t"];
    for (arguments, hint) in [
        (["--read-token", ""], "write a token"),
        (["--action-seconds", "soon"], "write seconds"),
        (["--action-seconds", "create_server=-1"], "write seconds"),
        (["--server-ips", "everywhere"], "--server-ips"),
    ] {
        let output = fail(&[good, &arguments].concat());
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(said.contains(hint), "{said}");
    }
}
