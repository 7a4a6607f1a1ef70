//! What every subcommand says and gives back: help, results, and errors with what to do about them.

use std::path::Path;
use std::process::Output;

use assert_cmd::Command;
use fleet_store::{Pseudonymizer, Record, Scheme, Source, Spool, SpoolOptions};
use insta::assert_snapshot;
use tempfile::TempDir;

use crate::common::PATIENCE;

const KEY: &str = "a key that is long enough";

pub(crate) fn fleetctl(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fleetctl"));
    for variable in [
        "DATABASE_URL",
        "FLEET_ARCHIVE_DESTINATION",
        "FLEET_DATA_DIR",
        "FLEET_LOG",
        "NO_COLOR",
    ] {
        command.env_remove(variable);
    }
    // How wide help is.
    command.env("COLUMNS", "100");
    command.args(args).timeout(PATIENCE);
    command
}

fn run(args: &[&str]) -> Output {
    fleetctl(args).output().unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

/// Standard output of a command that ends well and has nothing else to say.
pub(crate) fn result(args: &[&str]) -> String {
    let output = run(args);
    assert_eq!(
        (output.status.code(), text(&output.stderr)),
        (Some(0), ""),
        "{args:?}"
    );
    text(&output.stdout).to_owned()
}

/// The error and the hint of a command that fails with this exit code.
pub(crate) fn failure(code: i32, args: &[&str]) -> String {
    failure_of(code, &run(args))
}

fn failure_of(code: i32, output: &Output) -> String {
    let stderr = text(&output.stderr);
    assert_eq!(
        (output.status.code(), text(&output.stdout)),
        (Some(code), ""),
        "{stderr}"
    );
    let said: Vec<_> = stderr
        .lines()
        .filter(|line| !line.starts_with('{'))
        .collect();
    let begins = |prefix: &str| said.iter().filter(|line| line.starts_with(prefix)).count();
    assert_eq!((begins("error: "), begins("hint: ")), (1, 1), "{stderr}");
    assert!(
        !stderr.contains('\u{1b}'),
        "no colours where nobody sees them: {stderr:?}"
    );
    said.join("\n")
}

/// A spec, and the file that it stands in.
fn spec(dir: &TempDir, text: &str) -> String {
    let file = dir.path().join("spec.yaml");
    std::fs::write(&file, text).unwrap();
    file.display().to_string()
}

const COLLECTOR: &str = "apiVersion: researchfleet.io/v1alpha1
kind: ResearchCollector
metadata: { name: study }
spec:
  network: soulseek
  soulseek: { server: \"127.0.0.1:1\" }
  privacy: { username: SCHEME, keySecretRef: { name: key } }
  regions:
  - { name: north, credentialsSecretRef: { name: north } }
---
apiVersion: v1
kind: Secret
metadata: { name: north }
stringData: { username: anna, password: pass-north }
---
apiVersion: v1
kind: Secret
metadata: { name: key }
stringData: { key: a key that is long enough }
";

fn whole_spec(dir: &TempDir, scheme: &str) -> String {
    spec(dir, &COLLECTOR.replace("SCHEME", scheme))
}

/// Runs `up` with a spec that cannot be used; the file's place is left out of what it says.
fn bad_spec(code: i32, text: &str) -> String {
    let dir = tempfile::tempdir().unwrap();
    let file = spec(&dir, text);
    let data = dir.path().join("data");
    let said = failure(code, &["up", &file, "--data-dir", data.to_str().unwrap()]);
    assert!(
        !data.exists(),
        "nothing is written where nothing can be recorded"
    );
    said.replace(&file, "FILE")
}

#[test]
fn help_names_every_subcommand_and_exit_code() {
    assert_snapshot!(result(&["--help"]), @r##"
Measurement of peer-to-peer networks: record, export, query

Usage: fleetctl <COMMAND>

Commands:
  init        Write the spec of a study: asks a few questions
  validate    Look whether specs are right, without doing anything with them
  up          Record on this machine what the spec describes, until Ctrl-C
  plan        Show what `deploy` would do, where, of which type, and what it costs
  deploy      Make the servers of a spec and bring the fleet up; may be cut off and run again
  destroy     Delete a fleet's servers and all that belongs to them, but not its volumes
  status      Show the servers of a fleet
  cost        Show what a fleet costs a month as it is now
  doctor      Look at everything that a deployment needs, and say what is wrong with it
  ssh         Log in to a server, or run a command there
  kubeconfig  Fetch the kubeconfig from the control plane, and print where it is kept
  logs        Show the journal of a server
  monitor     Watch a fleet while it records: regions, servers, pods, archives
  export      Write what was recorded
  query       Read what was recorded with SQL: the tables are `searches` and `events`
  report      Figures of a range of days: searches, users, overlap of regions, gaps, canaries
  archive     Months that are over, in files that everybody can read
  reveal      Turn pseudonyms back into names with the key (not possible with hmac)
  crd         Print the Kubernetes resource definition
  completion  Print completions for a shell
  man         Print the manual pages, or write one for each subcommand
  help        Print this message or the help of the given subcommand(s)

Options:
  -h, --help     Print help
  -V, --version  Print version

Exit codes:
  0  done
  1  something unexpected
  2  `plan` found something to do
  3  the file or a Secret in it is wrong
  4  the network or the provider refuses the account or token; a person has to act
  5  the store, or the place for archives, cannot be read or written
  6  an archive is not what it should be
  7  the provider cannot give, or does not do, what is wanted
  64 the command line is wrong
  130 interrupted; run it again to carry on

Logs go to standard error; FLEET_LOG sets their level (info, debug, fleet_soulseek=debug).
"##);
    assert_snapshot!(result(&["up", "--help"]), @r##"
Record on this machine what the spec describes, until Ctrl-C

Usage: fleetctl up [OPTIONS] [FILE]

Arguments:
  [FILE]  The spec: YAML as `kubectl apply -f` takes it, with its Secrets; `-` reads standard input

Options:
      --demo               Record scripted users on a simulated server: no account and no network
                           needed
      --data-dir <DIR>     Directory of the local store [env: FLEET_DATA_DIR=] [default: fleet-data]
      --secrets-dir <DIR>  Directory with Secrets as Kubernetes mounts them: DIR/<secret>/<key>
      --listen <ADDRESS>   Address for /metrics, /healthz and /readyz, for example 127.0.0.1:9090
      --for <SECONDS>      Stop after this many seconds
  -h, --help               Print help
"##);
    assert_snapshot!(result(&["export", "--help"]), @r##"
Write what was recorded

Usage: fleetctl export [OPTIONS]

Options:
  -f, --file <FILE>        The spec, which names the database; without it the environment's
                           `DATABASE_URL` does
      --secrets-dir <DIR>  Directory with Secrets as Kubernetes mounts them: DIR/<secret>/<key>
      --data-dir <DIR>     Directory of the local store [env: FLEET_DATA_DIR=] [default: fleet-data]
      --format <FORMAT>    csv, jsonl or parquet [default: jsonl]
      --since <TIME>       Only records received at this time or later: 2026-11-21, or
                           2026-11-21T08:00:00Z
      --until <TIME>       Only records received before this time
  -o, --output <FILE>      File to write instead of standard output
  -h, --help               Print help
"##);
    for subcommand in ["query", "reveal", "crd", "completion"] {
        let help = result(&[subcommand, "--help"]);
        assert!(
            help.contains(&format!("Usage: fleetctl {subcommand}")),
            "{help}"
        );
    }
    assert!(result(&["--version"]).starts_with("fleetctl "));
}

#[test]
fn a_wrong_command_line_is_64() {
    for args in [
        &["up"][..],
        &["up", "file.yaml", "--demo"],
        &["no-such-thing"],
        &["query"],
        &["export", "--format", "xml"],
        &["export", "--since", "yesterday"],
        &["export", "--no-such-option"],
        &["query", "SELECT 1", "-o", "xml"],
        &["reveal", "pseudonym"],
        &["completion", "cobol"],
        &["up", "file.yaml", "--listen", "9090"],
        &["up", "file.yaml", "--for", "-1"],
    ] {
        let output = run(args);
        let stderr = text(&output.stderr);
        assert_eq!(
            (output.status.code(), text(&output.stdout)),
            (Some(64), ""),
            "{args:?} {stderr}"
        );
        assert!(
            stderr.starts_with("error: ") && stderr.contains("--help"),
            "{stderr}"
        );
    }
    let said = text(&run(&["export", "--since", "yesterday"]).stderr).to_owned();
    assert!(said.contains("2026-11-21T08:00:00Z"), "{said}");
}

#[test]
fn a_file_that_cannot_be_read_is_3() {
    assert_snapshot!(failure(3, &["up", "/does/not/exist.yaml"]), @r##"
error: cannot read /does/not/exist.yaml: No such file or directory (os error 2)
hint: name a file like docs/examples/soulseek.yaml
"##);
    let dir = tempfile::tempdir().unwrap();
    let said = failure(3, &["up", dir.path().to_str().unwrap()]);
    assert!(said.contains("Is a directory"), "{said}");
    std::fs::write(dir.path().join("latin"), b"kind: \xe9").unwrap();
    let said = failure(3, &["up", dir.path().join("latin").to_str().unwrap()]);
    assert!(said.contains("UTF-8"), "{said}");
    let file = whole_spec(&dir, "siv");
    let said = failure(3, &["up", &file, "--secrets-dir", "/does/not/exist"]);
    assert!(
        said.contains("cannot read the Secrets in /does/not/exist: No such file"),
        "{said}"
    );
}

#[test]
fn a_spec_that_cannot_be_used_is_3() {
    let good = COLLECTOR.replace("SCHEME", "siv");
    assert_snapshot!(bad_spec(3, "kind: [unfinished"), @r##"
error: FILE: a document cannot be read at line 1 column 7: a value is not of the type that it should be
hint: the file is what `kubectl apply -f` takes: YAML documents parted by `---`; docs/examples/soulseek.yaml is one that works
"##);
    assert_snapshot!(bad_spec(3, ""), @r##"
error: FILE: 0 documents of kind ResearchCollector where one is needed
hint: keep one ResearchCollector in a file
"##);
    assert_snapshot!(bad_spec(3, &good.replace("  network", "  netwrok")), @r##"
error: FILE: ResearchCollector has no field `spec.netwrok`, did you mean `network`?
hint: `fleetctl crd` prints every field that there is
"##);
    assert_snapshot!(bad_spec(3, &good.replace("credentialsSecretRef", "credentialSecretRef")), @r##"
error: FILE: ResearchCollector has no field `spec.regions.0.credentialSecretRef`, did you mean `credentialsSecretRef`?
hint: `fleetctl crd` prints every field that there is
"##);
    assert_snapshot!(bad_spec(3, &good.replace("  privacy", "  privcy")), @r##"
error: FILE: ResearchCollector has no field `spec.privcy`, did you mean `privacy`?
hint: `fleetctl crd` prints every field that there is
"##);
    assert_snapshot!(bad_spec(3, &good.replace("v1alpha1", "v2")), @r##"
error: FILE: apiVersion is researchfleet.io/v2, this program knows researchfleet.io/v1alpha1
hint: write `apiVersion: researchfleet.io/v1alpha1`
"##);
    assert_snapshot!(bad_spec(3, &good.replace("127.0.0.1:1", "127.0.0.1").replace("north,", "North,")), @r##"
error: FILE: spec.soulseek.server: write host:port, for example server.slsknet.org:2416
  spec.regions[0].name: a region's name has lower-case letters, digits and dashes, and begins and ends with a letter or digit, for example us-west
hint: correct the fields named above
"##);
    assert_snapshot!(bad_spec(3, &good.replace("siv", "rot13")), @r##"
error: FILE: spec.privacy.username: unknown variant `rot13`, expected one of `siv`, `fernet`, `hmac` at line 7 column 24
hint: the file is what `kubectl apply -f` takes: YAML documents parted by `---`; docs/examples/soulseek.yaml is one that works
"##);
    assert_snapshot!(bad_spec(3, &good.replace("metadata: { name: north }", "metadata: { name: nroth }")), @r##"
error: spec.regions[0].credentialsSecretRef names the Secret `north`, which is not there
hint: put a document `kind: Secret` with `metadata.name: north` into the same file, or a directory `north` with a file for each key below --secrets-dir
"##);
    assert_snapshot!(bad_spec(3, &good.replace(", password: pass-north", "")), @r##"
error: the Secret `north` has no `password`
hint: write `password` under `stringData` of the Secret `north`
"##);
    let second = "  - { name: south, credentialsSecretRef: { name: north } }\n---";
    assert_snapshot!(bad_spec(3, &good.replacen("---", second, 1)), @r##"
error: the regions `north` and `south` use the same account
hint: give each region an account of its own: a second login ends the first session
"##);
    assert_snapshot!(bad_spec(3, &good.replace(KEY, "short")), @r##"
error: the key for user names has 5 bytes, at least 16 are needed
hint: make one with `openssl rand -base64 32`
"##);
    assert_snapshot!(bad_spec(3, &good.replace("{ username: anna, password: pass-north }", "[pass-north]")), @r##"
error: FILE: a Secret cannot be read at line 14 column 13: values under `stringData` are text, values under `data` are base64
hint: the file is what `kubectl apply -f` takes: YAML documents parted by `---`; docs/examples/soulseek.yaml is one that works
"##);
}

#[test]
fn where_nothing_was_recorded_nothing_can_be_read() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("nothing here");
    let data = data.to_str().unwrap();
    let said = failure(5, &["export", "--data-dir", data]);
    assert_snapshot!(said.replace(data, "DIR"), @r##"
error: there is no store at DIR/soulseek.db
hint: run fleetctl up FILE --data-dir DIR first
"##);
    assert_eq!(said, failure(5, &["query", "SELECT 1", "--data-dir", data]));
    assert!(!Path::new(data).exists());
    std::fs::write(
        dir.path().join("soulseek.db"),
        "this is not a database, but it is long enough to look at",
    )
    .unwrap();
    let said = failure(5, &["export", "--data-dir", dir.path().to_str().unwrap()]);
    assert!(said.contains("is not a store of this program"), "{said}");
}

/// A store with one record of each kind, as `up` would have left it.
async fn store(scheme: Scheme) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    let spool = Spool::open(dir.path(), SpoolOptions::default())
        .await
        .unwrap();
    let mut names = Pseudonymizer::new(scheme, &KEY.into()).unwrap();
    for (region, second, query, raw) in [
        ("north", 0, "first, with a comma", None),
        ("south", 3600, "motörhead", Some(b"mot\xf6rhead".to_vec())),
        ("north", 7200, "\u{1b}[31mred\u{7}\n\"quoted\" 東京", None),
    ] {
        let record = Record {
            // 2026-11-21T08:00:00Z and the hours after it.
            received_at: 1_795_248_000_000_000 + second * 1_000_000,
            username: names.pseudonym("Clear Name"),
            query: query.to_owned(),
            query_raw: raw,
            token: 7,
            source: Source::Parent,
            branch_level: 2,
            canary: false,
        };
        spool
            .client(region)
            .await
            .unwrap()
            .append(record)
            .await
            .unwrap();
    }
    spool.close().await.unwrap();
    dir
}

#[tokio::test]
async fn rows_are_printed_as_json_csv_and_for_people() {
    let dir = store(Scheme::Siv).await;
    let data = dir.path().to_str().unwrap();
    let query = |output: &str, sql: &str| result(&["query", "-o", output, sql, "--data-dir", data]);
    let sql =
        "SELECT client_id, seq, received_at, query, query_raw FROM searches ORDER BY received_at";
    assert_snapshot!(query("json", sql), @r##"
{"client_id":"north","seq":1,"received_at":"2026-11-21T08:00:00.000000Z","query":"first, with a comma","query_raw":null}
{"client_id":"south","seq":1,"received_at":"2026-11-21T09:00:00.000000Z","query":"motörhead","query_raw":"6d6f74f67268656164"}
{"client_id":"north","seq":2,"received_at":"2026-11-21T10:00:00.000000Z","query":"\u001b[31mred\u0007\n\"quoted\" 東京","query_raw":null}
"##);
    assert_snapshot!(query("csv", sql).replace('\u{1b}', "ESC").replace('\u{7}', "BEL"), @r##"
client_id,seq,received_at,query,query_raw
north,1,2026-11-21T08:00:00.000000Z,"first, with a comma",
south,1,2026-11-21T09:00:00.000000Z,motörhead,6d6f74f67268656164
north,2,2026-11-21T10:00:00.000000Z,"ESC[31mredBEL
""quoted"" 東京",
"##);
    let table = query("table", sql);
    assert_snapshot!(table, @r##"
CLIENT_ID  SEQ  RECEIVED_AT                  QUERY                            QUERY_RAW
north      1    2026-11-21T08:00:00.000000Z  first, with a comma              NULL
south      1    2026-11-21T09:00:00.000000Z  motörhead                        6d6f74f67268656164
north      2    2026-11-21T10:00:00.000000Z  \u{1b}[31mred\u{7}\n"quoted" 東京  NULL
"##);
    assert!(
        !table.contains('\u{1b}'),
        "what users of the network send does not reach the terminal"
    );
    assert_eq!(table, result(&["query", sql, "--data-dir", data]));
    assert_eq!(query("json", "SELECT 1 AS n WHERE 0"), "");
    assert_eq!(query("csv", "SELECT 1 AS n WHERE 0"), "n\n");
    assert_eq!(query("table", "SELECT 1 AS n WHERE 0"), "N\n");
    assert_eq!(
        query(
            "json",
            "SELECT count(*) AS n, 1.5 AS r FROM soulseek.searches"
        ),
        "{\"n\":3,\"r\":1.5}\n"
    );
}

#[tokio::test]
async fn a_query_that_writes_or_is_wrong_fails_and_changes_nothing() {
    let dir = store(Scheme::Siv).await;
    let data = dir.path().to_str().unwrap();
    for sql in [
        "DELETE FROM search",
        "INSERT INTO client (name) VALUES ('x') RETURNING id",
        "WITH a AS (SELECT 1) DELETE FROM search RETURNING id",
        "CREATE TABLE t (a)",
        "DROP VIEW searches",
        "PRAGMA soulseek.user_version = 7",
        "PRAGMA query_only = OFF; DELETE FROM search",
        "SELECT 1; DELETE FROM search",
        "VACUUM",
        "ATTACH '/tmp/elsewhere.db' AS elsewhere",
        "SELEKT 1",
        "SELECT no_such_column FROM searches",
        "",
    ] {
        let output = run(&["query", sql, "--data-dir", data]);
        let stderr = text(&output.stderr);
        let said = (
            output.status.code(),
            stderr.contains("error: "),
            stderr.contains("hint: "),
        );
        assert_eq!(
            said,
            (Some(5), true, true),
            "{sql:?}: {stderr} {}",
            text(&output.stdout)
        );
    }
    assert_eq!(
        result(&[
            "query",
            "SELECT count(*) AS n FROM searches",
            "-o",
            "json",
            "--data-dir",
            data
        ]),
        "{\"n\":3}\n"
    );
}

#[tokio::test]
async fn an_export_has_the_format_and_the_time_that_were_asked_for() {
    let dir = store(Scheme::Hmac).await;
    let data = dir.path().to_str().unwrap();
    let spool = [
        "query",
        "SELECT id FROM spool",
        "-o",
        "csv",
        "--data-dir",
        data,
    ];
    let spool = result(&spool).lines().nth(1).unwrap().to_owned();
    let export = |more: &[&str]| {
        result(&[&["export", "--data-dir", data], more].concat()).replace(&spool, "SPOOL")
    };
    assert_snapshot!(export(&[]), @r##"
{"client_id":"north","spool":"SPOOL","seq":1,"received_at":"2026-11-21T08:00:00.000000Z","username":"OVR_7jn-a9KwMmCP38502Q","query":"first, with a comma","token":7,"source":"parent","branch_level":2}
{"client_id":"south","spool":"SPOOL","seq":1,"received_at":"2026-11-21T09:00:00.000000Z","username":"OVR_7jn-a9KwMmCP38502Q","query":"motörhead","token":7,"source":"parent","branch_level":2,"query_raw":"6d6f74f67268656164"}
{"client_id":"north","spool":"SPOOL","seq":2,"received_at":"2026-11-21T10:00:00.000000Z","username":"OVR_7jn-a9KwMmCP38502Q","query":"\u001b[31mred\u0007\n\"quoted\" 東京","token":7,"source":"parent","branch_level":2}
"##);
    assert_snapshot!(export(&["--format", "csv"]).replace('\u{1b}', "ESC").replace('\u{7}', "BEL"), @r##"
client_id,spool,seq,received_at,username,query,token,source,branch_level,query_raw,canary
north,SPOOL,1,2026-11-21T08:00:00.000000Z,OVR_7jn-a9KwMmCP38502Q,"first, with a comma",7,parent,2,,false
south,SPOOL,1,2026-11-21T09:00:00.000000Z,OVR_7jn-a9KwMmCP38502Q,motörhead,7,parent,2,6d6f74f67268656164,false
north,SPOOL,2,2026-11-21T10:00:00.000000Z,OVR_7jn-a9KwMmCP38502Q,"ESC[31mredBEL
""quoted"" 東京",7,parent,2,,false
"##);
    let lines = |more: &[&str]| export(more).lines().count();
    assert_eq!(lines(&["--since", "2026-11-21T09:00:00Z"]), 2);
    assert_eq!(lines(&["--until", "2026-11-21T09:00:00Z"]), 1);
    assert_eq!(
        lines(&[
            "--since",
            "2026-11-21T09:00:00+01:00",
            "--until",
            "2026-11-21T09:00:01Z"
        ]),
        2
    );
    assert_eq!(
        lines(&["--since", "2026-11-21", "--until", "2026-11-22"]),
        3
    );
    assert_eq!(lines(&["--since", "2026-11-22"]), 0);
    let of_dir = fleetctl(&["export"])
        .env("FLEET_DATA_DIR", data)
        .output()
        .unwrap();
    assert_eq!(
        text(&of_dir.stdout).replace(&spool, "SPOOL"),
        export(&["--format", "jsonl"])
    );

    for (format, begins) in [
        ("jsonl", "{\"client_id\""),
        ("csv", "client_id,spool,seq"),
        ("parquet", "PAR1"),
    ] {
        let file = dir.path().join(format!("out.{format}"));
        let output = run(&[
            "export",
            "--data-dir",
            data,
            "--format",
            format,
            "-o",
            file.to_str().unwrap(),
        ]);
        assert_eq!(
            text(&output.stderr),
            format!("wrote 3 records to {}\n", file.display())
        );
        assert_eq!((output.status.code(), text(&output.stdout)), (Some(0), ""));
        assert!(std::fs::read(&file).unwrap().starts_with(begins.as_bytes()));
    }
    // Standard output carries the same bytes.
    let parquet = run(&["export", "--data-dir", data, "--format", "parquet"]);
    assert_eq!(
        parquet.stdout,
        std::fs::read(dir.path().join("out.parquet")).unwrap()
    );

    let said = failure(
        1,
        &["export", "--data-dir", data, "-o", "/does/not/exist.csv"],
    );
    assert!(said.contains("cannot write /does/not/exist.csv"), "{said}");
}

#[tokio::test]
async fn names_come_back_with_the_key_and_only_so() {
    for (scheme, name) in [(Scheme::Siv, "siv"), (Scheme::Fernet, "fernet")] {
        let dir = store(scheme).await;
        let file = whole_spec(&dir, name);
        let data = dir.path().to_str().unwrap();
        let sql = "SELECT username FROM searches WHERE client_id = 'south'";
        let pseudonym = result(&["query", sql, "-o", "csv", "--data-dir", data]);
        let pseudonym = pseudonym.lines().nth(1).unwrap();
        assert!(!pseudonym.contains("Clear"));
        assert_eq!(result(&["reveal", "-f", &file, pseudonym]), "Clear Name\n");
        let json = format!("{{\"pseudonym\":\"{pseudonym}\",\"username\":\"Clear Name\"}}\n");
        assert_eq!(
            result(&["reveal", "-f", &file, "-o", "json", pseudonym]),
            json
        );
        let csv = result(&["reveal", "-f", &file, "-o", "csv", pseudonym]);
        assert_eq!(csv, format!("{pseudonym},Clear Name\n"));
        let piped = fleetctl(&["reveal", "-f", &file])
            .write_stdin(format!("{pseudonym}\n{pseudonym}\n"))
            .output();
        assert_eq!(text(&piped.unwrap().stdout), "Clear Name\nClear Name\n");

        let other = spec(
            &dir,
            &COLLECTOR
                .replace("SCHEME", name)
                .replace(KEY, "another key that is long"),
        );
        let said = failure(3, &["reveal", "-f", &other, pseudonym]);
        assert!(
            said.contains("made with another key") && said.contains(pseudonym),
            "{said}"
        );
        let said = failure(3, &["reveal", "-f", &other, "not a pseudonym"]);
        assert!(
            said.contains(&format!("this is not a pseudonym of the scheme {name}")),
            "{said}"
        );
    }
}

#[tokio::test]
async fn nothing_turns_hmac_back() {
    let dir = store(Scheme::Hmac).await;
    let file = whole_spec(&dir, "hmac");
    assert_snapshot!(failure(3, &["reveal", "-f", &file, "0123456789abcdef0123456789abcdef"]), @r##"
error: `0123456789abcdef0123456789abcdef`: pseudonyms of the scheme hmac are one-way
hint: make the pseudonyms of the names you look for, and compare
"##);
    let keyless = COLLECTOR
        .replace(", keySecretRef: { name: key }", "")
        .replace("SCHEME", "siv");
    let keyless = spec(&dir, &keyless);
    let said = failure(
        3,
        &[
            "reveal",
            "-f",
            &keyless,
            "--data-dir",
            "/does/not/exist",
            "p",
        ],
    );
    assert!(
        said.contains("there is no key in /does/not/exist") && said.contains("--data-dir"),
        "{said}"
    );
}

#[test]
fn shells_get_completions_and_kubernetes_its_definition() {
    for (shell, part) in [
        ("bash", "complete -F"),
        ("zsh", "#compdef fleetctl"),
        ("fish", "complete -c fleetctl"),
    ] {
        let script = result(&["completion", shell]);
        assert!(
            script.contains(part) && script.contains("data-dir"),
            "{script}"
        );
    }
    assert!(result(&["crd"]).contains("kind: CustomResourceDefinition"));
}

/// A reader that has seen enough is not an error, whatever it reads.
#[tokio::test]
async fn a_closed_pipe_is_a_good_end() {
    let dir = tempfile::tempdir().unwrap();
    let spool = Spool::open(dir.path(), SpoolOptions::default())
        .await
        .unwrap();
    let client = spool.client("north").await.unwrap();
    for token in 0..20_000 {
        let record = Record {
            received_at: 1_795_248_000_000_000,
            username: format!("pseudonym {token}"),
            query: "more than a pipe takes before its reader is gone".to_owned(),
            query_raw: None,
            token,
            source: Source::Parent,
            branch_level: 2,
            canary: false,
        };
        client.append(record).await.unwrap();
    }
    spool.close().await.unwrap();
    let all = "query 'SELECT * FROM searches' -o";
    for command in [
        "export".to_owned(),
        "export --format csv".to_owned(),
        "export --format parquet".to_owned(),
        format!("{all} json"),
        format!("{all} csv"),
        format!("{all} table"),
        "crd".to_owned(),
        "completion bash".to_owned(),
        "--help".to_owned(),
    ] {
        let script = format!("{{ \"$0\" {command}; echo $? >&2; }} | head -c 20 > /dev/null");
        let output = Command::new("sh")
            .args(["-c", &script, env!("CARGO_BIN_EXE_fleetctl")])
            .env("FLEET_DATA_DIR", dir.path())
            .timeout(PATIENCE)
            .output()
            .unwrap();
        assert_eq!(text(&output.stderr), "0\n", "{command}");
    }
}

#[test]
fn colours_are_for_terminals_that_want_them() {
    // `script` gives the command a terminal.
    let of = |no_color: &str| {
        let command = format!("{} up /does/not/exist.yaml", env!("CARGO_BIN_EXE_fleetctl"));
        let mut script = Command::new("script");
        script
            .args(["-qec", &command, "/dev/null"])
            .env("TERM", "xterm")
            .env("NO_COLOR", no_color);
        let output = script.timeout(PATIENCE).output().unwrap();
        assert_eq!(output.status.code(), Some(3));
        text(&output.stdout).to_owned()
    };
    let (plain, coloured) = (of("1"), of(""));
    assert!(
        plain.contains("error: cannot read") && !plain.contains('\u{1b}'),
        "{plain:?}"
    );
    assert!(coloured.contains("\u{1b}["), "{coloured:?}");
}

/// Settings that are wrong outside the file.
#[test]
fn what_is_wrong_in_the_environment_is_told_with_a_hint() {
    let dir = tempfile::tempdir().unwrap();
    let file = whole_spec(&dir, "siv");
    let data = dir.path().join("data");
    let args = ["up", &file, "--data-dir", data.to_str().unwrap()];
    let output = fleetctl(&args)
        .env("FLEET_LOG", "fleet=nonsense")
        .output()
        .unwrap();
    let said = failure_of(1, &output);
    assert!(said.contains("FLEET_LOG"), "{said}");

    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let said = failure(1, &[&args[..], &["--listen", &address]].concat());
    assert!(
        said.contains(&format!("cannot listen on {address}")),
        "{said}"
    );
}
