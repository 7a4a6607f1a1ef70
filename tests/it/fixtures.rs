//! The fixtures that other tests stand on do what they promise.

use std::time::Duration;

use anyhow::{Context, Result};
use fleet_tests::{
    certificates::Certificates,
    chromium,
    pgbouncer::{self, PgBouncer},
    postgres::{self, Postgres},
    s3::S3,
    wire::{Action, Proxy, Side},
};
use tokio::{net::TcpStream, process::Command, time::timeout};

#[tokio::test]
async fn a_server_keeps_what_was_written_through_a_stop_and_a_kill() -> Result<()> {
    let mut server = Postgres::start_with(postgres::Options {
        durable: true,
        settings: vec![("application_name".to_owned(), "it's set".to_owned())],
        ..postgres::Options::default()
    })
    .await?;
    assert_eq!(
        server.psql("postgres", "SHOW application_name").await?,
        "psql"
    );
    assert_eq!(server.psql("postgres", "SHOW fsync").await?, "on");
    server.create_database("fleet").await?;
    server
        .psql("fleet", "CREATE TABLE t (n int); INSERT INTO t VALUES (1)")
        .await?;
    server.stop().await?;
    assert!(server.psql("fleet", "SELECT 1").await.is_err());
    server.start_again().await?;
    server.kill().await?;
    server.start_again().await?;
    assert_eq!(server.psql("fleet", "SELECT n, 'x' FROM t").await?, "1|x");
    let error = server.psql("fleet", "SELECT nonsense").await.unwrap_err();
    assert!(error.to_string().contains("nonsense"), "{error}");
    Ok(())
}

#[tokio::test]
async fn servers_do_not_share_anything() -> Result<()> {
    let (first, second) = tokio::try_join!(Postgres::start(), Postgres::start())?;
    first.create_database("mine").await?;
    assert!(second.psql("mine", "SELECT 1").await.is_err());
    Ok(())
}

#[tokio::test]
async fn tls_is_spoken_by_the_server_and_the_pooler() -> Result<()> {
    let certificates = Certificates::new()?;
    let server = Postgres::start_with(postgres::Options {
        certificate: Some(certificates.server.clone()),
        ..postgres::Options::default()
    })
    .await?;
    let options = pgbouncer::Options {
        certificate: Some(certificates.server.clone()),
        ..pgbouncer::Options::default()
    };
    // This version speaks no TLS to its server unless it is told to.
    let plain = Postgres::start().await?;
    let pooler = PgBouncer::start_with(plain.address(), options).await?;
    for address in [server.address(), pooler.address()] {
        let url = |mode: &str, authority| {
            format!("postgres://postgres@{address}/postgres?sslmode={mode}&sslrootcert={authority}")
        };
        let right = certificates.authority().display().to_string();
        let wrong = certificates.other_authority().display().to_string();
        assert_eq!(select(&server, &url("verify-full", &right)).await?, "1");
        let error = select(&server, &url("verify-full", &wrong))
            .await
            .unwrap_err();
        assert!(
            error.to_string().contains("certificate verify failed"),
            "{error}"
        );
        select(&server, &url("disable", &right)).await.unwrap_err();
    }
    Ok(())
}

#[tokio::test]
async fn roles_need_their_password_through_the_pooler_too() -> Result<()> {
    let server = Postgres::start().await?;
    server
        .psql("postgres", "CREATE ROLE reader LOGIN PASSWORD 'secret'")
        .await?;
    let mut pooler = PgBouncer::start_with(
        server.address(),
        pgbouncer::Options {
            pool_size: Some(1),
            roles: vec![("reader".to_owned(), "secret".to_owned())],
            check_passwords: true,
            ..pgbouncer::Options::default()
        },
    )
    .await?;
    select(&server, &server.url_as("reader", "wrong", "postgres"))
        .await
        .unwrap_err();
    assert_eq!(
        select(&server, &server.url_as("reader", "secret", "postgres")).await?,
        "1"
    );
    select(&server, &pooler.url_as("reader", "wrong", "postgres"))
        .await
        .unwrap_err();
    let url = pooler.url_as("reader", "secret", "postgres");
    assert_eq!(select(&server, &url).await?, "1");
    pooler.stop().await?;
    select(&server, &url).await.unwrap_err();
    pooler.start_again().await?;
    assert_eq!(select(&server, &url).await?, "1");
    Ok(())
}

/// What psql says to `SELECT 1` at this URL.
async fn select(server: &Postgres, url: &str) -> Result<String> {
    let output = psql(server, url, "SELECT 1").output().await?;
    anyhow::ensure!(output.status.success(), String::from_utf8(output.stderr)?);
    Ok(String::from_utf8(output.stdout)?.trim_end().to_owned())
}

fn psql(server: &Postgres, url: &str, sql: &str) -> Command {
    let mut command = Command::new(server.bin("psql"));
    command
        .args(["-X", "-q", "-A", "-t", "-w", "-d", url, "-c", sql])
        .kill_on_drop(true);
    command
}

const INSERT: &str = "INSERT INTO t VALUES (1)";

/// Messages of a psql that runs one statement: begin, query, end.
#[tokio::test]
async fn a_program_killed_before_a_message_has_not_sent_it_and_after_it_has() -> Result<()> {
    let server = Postgres::start().await?;
    server.psql("postgres", "CREATE TABLE t (n int)").await?;
    let count = async || server.psql("postgres", "SELECT count(*) FROM t").await;

    let proxy = Proxy::start(server.address()).await?;
    let url = proxy.url(&server.url("postgres"));
    assert!(psql(&server, &url, INSERT).status().await?.success());
    seen(&proxy, "^QX").await?;
    assert_eq!(count().await?, "1");

    let mut step = proxy.at(5, Side::Before, Action::Notify);
    let mut program = psql(&server, &url, INSERT).spawn()?;
    step.reached().await?;
    program.kill().await?;
    sessions(&server, 0).await?;
    assert_eq!(count().await?, "1");
    proxy.release();

    seen(&proxy, "^QX^").await?;
    let mut step = proxy.at(6, Side::After, Action::Notify);
    let mut program = psql(&server, &url, INSERT).spawn()?;
    step.reached().await?;
    assert_eq!(count().await?, "2");
    assert!(
        program.try_wait()?.is_none(),
        "the answer was to be withheld"
    );
    program.kill().await?;
    sessions(&server, 0).await?;
    assert_eq!(count().await?, "2");
    proxy.release();
    assert!(psql(&server, &url, INSERT).status().await?.success());
    Ok(())
}

#[tokio::test]
async fn a_held_program_goes_on_when_released() -> Result<()> {
    let server = Postgres::start().await?;
    let proxy = Proxy::start(server.address()).await?;
    let url = proxy.url(&server.url("postgres"));
    let mut kinds = String::new();
    for (number, side) in [(1, Side::Before), (5, Side::After), (8, Side::Before)] {
        let mut step = proxy.at(number, side, Action::Notify);
        let mut program = psql(&server, &url, "SELECT 1").spawn()?;
        step.reached().await?;
        proxy.release();
        assert!(program.wait().await?.success());
        kinds.push_str("^QX");
        seen(&proxy, &kinds).await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_cut_ends_all_connections_and_serves_new_ones() -> Result<()> {
    let server = Postgres::start().await?;
    server.psql("postgres", "CREATE TABLE t (n int)").await?;
    let proxy = Proxy::start(server.address()).await?;
    let url = proxy.url(&server.url("postgres"));
    let mut kinds = String::new();
    for (side, passed, records) in [(Side::Before, "^", "0"), (Side::After, "^Q", "1")] {
        let mut other = psql(&server, &url, "SELECT pg_sleep(1000)").spawn()?;
        kinds.push_str("^Q");
        seen(&proxy, &kinds).await?;
        let mut step = proxy.at(kinds.len() + 2, side, Action::Cut);
        assert!(!psql(&server, &url, INSERT).status().await?.success());
        step.reached().await?;
        kinds.push_str(passed);
        assert_eq!(proxy.kinds(), kinds);
        assert!(!other.wait().await?.success());
        assert_eq!(
            server.psql("postgres", "SELECT count(*) FROM t").await?,
            records
        );
    }
    assert!(psql(&server, &url, INSERT).status().await?.success());
    Ok(())
}

#[tokio::test]
async fn nobody_learns_of_the_end_of_the_other_in_the_ice() -> Result<()> {
    let server = Postgres::start().await?;
    let proxy = Proxy::start(server.address()).await?;
    let url = proxy.url(&server.url("postgres"));
    let mut step = proxy.at(2, Side::After, Action::Freeze);
    let mut program = psql(&server, &url, "SELECT 1").spawn()?;
    step.reached().await?;
    program.kill().await?;
    // The end of the program has had time to come through while this went around the proxy.
    server.psql("postgres", "SELECT pg_sleep(0.2)").await?;
    sessions(&server, 1).await?;
    proxy.release();
    sessions(&server, 0).await
}

#[tokio::test]
async fn a_proxy_can_refuse_and_delay() -> Result<()> {
    let server = Postgres::start().await?;
    let proxy = Proxy::start(server.address()).await?;
    proxy.refuse().await;
    let error = TcpStream::connect(proxy.address()).await.unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionRefused);
    proxy.accept().await?;
    proxy.delay(Duration::from_millis(100));
    let start = tokio::time::Instant::now();
    let url = proxy.url(&server.url("postgres"));
    assert_eq!(select(&server, &url).await?, "1");
    assert!(start.elapsed() >= Duration::from_millis(200));
    Ok(())
}

/// Waits until messages of these kinds have come. A program may end before its last one was counted.
async fn seen(proxy: &Proxy, kinds: &str) -> Result<()> {
    let wait = async {
        while proxy.kinds() != kinds {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(Duration::from_mins(1), wait)
        .await
        .with_context(|| format!("{} came instead of {kinds}", proxy.kinds()))
}

/// Waits until this many programs besides the asking one use the server.
async fn sessions(server: &Postgres, wanted: usize) -> Result<()> {
    let sql = "SELECT count(*) FROM pg_stat_activity \
               WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()";
    let wait = async {
        while server.psql("postgres", sql).await? != wanted.to_string() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    };
    timeout(Duration::from_mins(1), wait)
        .await
        .context("the sessions are not as wanted")?
}

#[tokio::test]
async fn a_bucket_is_there_gone_and_there_again() -> Result<()> {
    let mut s3 = S3::start("study").await?;
    let address = s3.address();
    assert_eq!(s3.url("a/b"), "s3://study/a/b");
    TcpStream::connect(address).await?;
    s3.stop().await?;
    TcpStream::connect(address).await.unwrap_err();
    s3.start_again().await?;
    TcpStream::connect(address).await?;
    Ok(())
}

#[tokio::test]
async fn a_browser_runs_scripts_shows_their_errors_and_takes_pictures() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let file = dir.path().join("page.html");
    let page = "<title>t</title><p id=p>before</p><script>\
                p.textContent = 'af' + 'ter'; nonsense()</script>";
    std::fs::write(&file, page)?;
    let url = format!("file://{}", file.display());
    let page = chromium::open(&url).await?;
    assert!(page.dom.contains(">after<"), "{}", page.dom);
    assert_eq!(page.console.len(), 1, "{:?}", page.console);
    assert!(
        page.console[0].contains("nonsense is not defined"),
        "{:?}",
        page.console
    );
    let picture = chromium::screenshot(&url, 300, 200).await?;
    assert!(picture.starts_with(b"\x89PNG"), "{} bytes", picture.len());
    Ok(())
}
