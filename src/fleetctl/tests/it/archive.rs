//! `fleetctl archive` with a spool that is the database itself: what it says, and its exit codes.

use std::fs;
use std::path::PathBuf;

use fleet_store::{Record, Source, Spool, SpoolOptions};
use insta::assert_snapshot;
use tempfile::TempDir;

use crate::cli::{failure, fleetctl, result};

/// A data directory with five searches of October 2025, and an empty directory for files.
struct Study {
    dir: TempDir,
}

impl Study {
    async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("files")).unwrap();
        let spool = Spool::open(&dir.path().join("data"), SpoolOptions::default())
            .await
            .unwrap();
        let client = spool.client("north").await.unwrap();
        let first: jiff::Timestamp = "2025-10-30T00:00:00Z".parse().unwrap();
        for number in 0..5 {
            let record = Record {
                received_at: first.as_microsecond() + number * 43_200_000_000,
                username: "dXNlcg".to_owned(),
                query: format!("query {number}"),
                query_raw: None,
                token: 7,
                source: Source::Parent,
                branch_level: 2,
                canary: false,
            };
            client.append(record).await.unwrap();
        }
        spool.close().await.unwrap();
        Self { dir }
    }

    fn path(&self, name: &str) -> String {
        self.dir.path().join(name).display().to_string()
    }

    fn file(&self) -> PathBuf {
        self.dir.path().join("files/searches_2025-10.parquet")
    }

    fn args(&self, args: &[&str]) -> Vec<String> {
        let data = ["--data-dir".to_owned(), self.path("data")];
        let args = ["archive"].iter().chain(args).map(ToString::to_string);
        args.chain(data).collect()
    }

    /// Without what differs from run to run.
    fn plain(&self, text: &str) -> String {
        let text = text.replace(&self.path(""), "DIR/");
        let words = text.split_inclusive([' ', ',', '\n']);
        words
            .map(|word| match word.trim_end_matches([' ', ',', '\n']) {
                time if time.starts_with("20") && time.ends_with('Z') => word.replace(time, "TIME"),
                bytes if bytes.len() == 4 && bytes.parse::<u32>().is_ok() => {
                    word.replace(bytes, "SIZE")
                }
                spool if spool.len() == 32 && spool.bytes().all(|b| b.is_ascii_hexdigit()) => {
                    word.replace(spool, "SPOOL")
                }
                _ => word.to_owned(),
            })
            .collect()
    }

    fn result(&self, args: &[&str]) -> String {
        let args = self.args(args);
        self.plain(&result(
            &args.iter().map(String::as_str).collect::<Vec<_>>(),
        ))
    }

    /// Standard output of a command that has something to say to people, too.
    fn told(&self, args: &[&str]) -> String {
        let args = self.args(args);
        let output = fleetctl(&args.iter().map(String::as_str).collect::<Vec<_>>())
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(0));
        self.plain(&String::from_utf8(output.stdout).unwrap())
    }

    fn failure(&self, code: i32, args: &[&str]) -> String {
        let args = self.args(args);
        let args: Vec<_> = args.iter().map(String::as_str).collect();
        self.plain(&failure(code, &args))
    }

    fn run(&self, more: &[&str]) -> String {
        let files = self.path("files");
        let args = ["run", "--destination", &files, "-o", "csv"];
        self.result(&[&args, more].concat())
    }
}

#[tokio::test]
async fn a_month_goes_into_a_file_and_comes_back() {
    let study = Study::new().await;
    assert_snapshot!(study.run(&["--dry-run"]), @r##"
month,file,records,bytes,deleted,remark
2025-10,DIR/files/searches_2025-10.parquet,4,,4,dry run: nothing was done
2025-11,DIR/files/searches_2025-11.parquet,1,,1,dry run: nothing was done
"##);
    assert_snapshot!(study.run(&[]), @r##"
month,file,records,bytes,deleted,remark
2025-10,DIR/files/searches_2025-10.parquet,4,SIZE,4,
2025-11,DIR/files/searches_2025-11.parquet,1,SIZE,1,
"##);
    assert_snapshot!(study.result(&["ls", "-o", "csv"]), @r##"
month,part,state,records,bytes,are,archived_at,file,problem
2025-10,0,verified,4,SIZE,in the file,TIME,DIR/files/searches_2025-10.parquet,
2025-11,0,verified,1,SIZE,in the file,TIME,DIR/files/searches_2025-11.parquet,
"##);
    assert_snapshot!(study.result(&["verify", "-o", "csv"]), @r##"
month,part,records,file,result
2025-10,0,4,DIR/files/searches_2025-10.parquet,right
2025-11,0,1,DIR/files/searches_2025-11.parquet,right
"##);
    assert_snapshot!(study.result(&["export", "--month", "2025-10", "--format", "csv", "--since", "2025-10-31"]), @r##"
client_id,spool,seq,received_at,username,query,token,source,branch_level,query_raw,canary
north,SPOOL,3,TIME,dXNlcg,query 2,7,parent,2,,false
north,SPOOL,4,TIME,dXNlcg,query 3,7,parent,2,,false
"##);
    assert_snapshot!(study.told(&["restore", "--month", "2025-10", "--dry-run"]), @r##"
would restore 4 records of 2025-10
"##);
    assert_snapshot!(study.told(&["restore", "--month", "2025-10"]), @r##"
restored 4 records of 2025-10
"##);
    assert_snapshot!(study.run(&[]), @r##"
month,file,records,bytes,deleted,remark
2025-10,,0,,,kept: it was restored; archive it by its name to delete it again
"##);
    assert_snapshot!(study.run(&["--month", "2025-10"]), @r##"
month,file,records,bytes,deleted,remark
2025-10,,0,,4,
"##);
}

#[tokio::test]
async fn what_cannot_be_done_is_told_with_its_exit_code() {
    let study = Study::new().await;
    let files = study.path("files");
    assert_snapshot!(study.failure(1, &["run", "--month", "2999-01", "--destination", &files]), @r##"
error: the month 2999-01 is not over
hint: wait until it is over; `fleetctl export` writes what is there so far
"##);
    assert_snapshot!(study.failure(5, &["run", "--destination", &study.path("none")]), @r##"
error: there is no directory DIR/none
hint: make it (mkdir -p DIR/none), or mount what should be there
"##);
    assert_snapshot!(study.failure(1, &["restore", "--month", "2025-10"]), @r##"
error: no file of 2025-10 is noted as verified
hint: `fleetctl archive ls` shows what there is
"##);
    assert_snapshot!(study.failure(1, &["restore", "--month", "2025-10", "--from", &files]), @r##"
error: files that a spool does not know cannot be brought into it
hint: read them with `fleetctl archive export`, or bring them into PostgreSQL
"##);
    assert_snapshot!(study.failure(1, &["export", "--month", "2025-10"]), @r##"
error: no file of 2025-10 is noted as verified
hint: `fleetctl archive ls` shows what there is
"##);
    let nothing = failure(5, &["archive", "ls", "--data-dir", &study.path("none")]);
    assert_snapshot!(study.plain(&nothing), @r##"
error: there is no store at DIR/none/soulseek.db
hint: run fleetctl up FILE --data-dir DIR/none first
"##);
}

#[tokio::test]
async fn a_file_that_is_not_right_is_6() {
    let study = Study::new().await;
    study.run(&[]);
    let mut bytes = fs::read(study.file()).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(study.file(), bytes).unwrap();
    assert_snapshot!(study.failure(6, &["restore", "--month", "2025-10"]), @r##"
error: DIR/files/searches_2025-10.parquet: its SHA-256 is not the one that was noted
hint: nothing was changed: keep the file for a look; while its records are live, archive the month again, else put the file back from a copy
"##);
    let args = study.args(&["verify", "-o", "csv"]);
    let output = fleetctl(&args.iter().map(String::as_str).collect::<Vec<_>>())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(6));
    assert_snapshot!(study.plain(std::str::from_utf8(&output.stdout).unwrap()), @r##"
month,part,records,file,result
2025-10,0,4,DIR/files/searches_2025-10.parquet,its SHA-256 is not the one that was noted
2025-11,0,1,DIR/files/searches_2025-11.parquet,right
"##);
    assert_snapshot!(study.plain(std::str::from_utf8(&output.stderr).unwrap()), @r##"
error: 1 of 2 archive files are not what they should be
hint: the records are in the file only: put it back from a copy
"##);
    fs::remove_file(study.file()).unwrap();
    assert_snapshot!(study.result(&["ls", "-o", "csv"]), @r##"
month,part,state,records,bytes,are,archived_at,file,problem
2025-10,0,verified,4,SIZE,in the file,TIME,DIR/files/searches_2025-10.parquet,the file is missing
2025-11,0,verified,1,SIZE,in the file,TIME,DIR/files/searches_2025-11.parquet,
"##);
    assert_snapshot!(study.failure(6, &["restore", "--month", "2025-10"]), @r##"
error: there is no file DIR/files/searches_2025-10.parquet
hint: it was moved or deleted: put it back from where it went
"##);
}

/// The URL of a database comes from the environment or the spec, and its password is never shown.
#[test]
fn a_database_that_cannot_be_reached_is_5() {
    let with = |url: &str, code: i32| {
        let output = fleetctl(&["archive", "ls"])
            .env("DATABASE_URL", url)
            .output()
            .unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{said}");
        assert!(
            !said.contains("hunter2") && said.contains("hint:"),
            "{said}"
        );
    };
    with("postgres://me:hunter2@127.0.0.1:1/study", 5);
    with("mysql://me:hunter2@127.0.0.1:1/study", 3);
}

/// Nobody knows which of the two is meant, and archiving deletes from it.
#[test]
fn a_directory_beside_a_database_is_64_and_the_variable_gives_way() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().display().to_string();
    let run = |args: &[&str]| {
        let output = fleetctl(&["archive", "ls"])
            .args(args)
            .env("DATABASE_URL", "postgres://me:hunter2@127.0.0.1:1/study")
            .env("FLEET_DATA_DIR", dir.path())
            .output()
            .unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        (output.status.code(), said.replace(&path, "DIR"))
    };
    let (code, said) = run(&["--data-dir", &path]);
    assert_eq!(code, Some(64), "{said}");
    assert_snapshot!(said, @r##"
error: --data-dir names DIR, and DATABASE_URL names a database
hint: leave --data-dir out for the database, or unset DATABASE_URL for the directory
"##);
    let (code, said) = run(&[]);
    assert_eq!(code, Some(5), "{said}");
    assert!(said.contains("cannot connect to the database"), "{said}");

    // The same with the database of a spec. One without any is for the directory, whatever the environment says.
    let file = dir.path().join("spec.yaml");
    let spec = |database: &str| {
        let text = format!(
            "apiVersion: researchfleet.io/v1alpha1\nkind: ResearchCollector\nmetadata: {{ name: study }}\nspec:\n  \
             network: soulseek\n{database}  regions:\n  - {{ name: north, credentialsSecretRef: {{ name: north }} }}\n\
             ---\napiVersion: v1\nkind: Secret\nmetadata: {{ name: study }}\n\
             stringData: {{ url: \"postgres://me:hunter2@127.0.0.1:1/study\" }}\n"
        );
        fs::write(&file, text).unwrap();
        run(&["-f", file.to_str().unwrap(), "--data-dir", &path])
    };
    let (code, said) = spec("  database: { external: { urlSecretRef: { name: study } } }\n");
    assert_eq!(code, Some(64), "{said}");
    assert_snapshot!(said, @r##"
error: --data-dir names DIR, and the spec names a database
hint: leave --data-dir out for the database, or -f for the directory
"##);
    let (code, said) = spec("");
    assert_eq!(code, Some(5), "{said}");
    assert!(said.contains("there is no store at DIR"), "{said}");
}
