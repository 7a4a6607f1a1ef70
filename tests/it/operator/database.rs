//! What the operator writes for a managed database is right: a real PostgreSQL and a real PgBouncer run with it.

use std::{collections::BTreeMap, fs, path::Path, process::Stdio};

use anyhow::{Context as _, Result, ensure};
use fleet_tests::{
    bins,
    certificates::Certificate,
    pgbouncer::PgBouncer,
    postgres::{Options, Postgres},
};
use k8s_openapi::api::{
    apps::v1::StatefulSet,
    core::v1::{ConfigMap, Secret},
};
use serde_json::json;
use tempfile::TempDir;
use tokio::process::Command;

use super::world::World;

/// The Secrets and settings of a fleet's database, as the operator has written them.
struct Written {
    world: World,
    dir: TempDir,
}

impl Written {
    async fn new() -> Result<Self> {
        let world = World::running().await?;
        world
            .apply(&json!({
                "network": "soulseek",
                "regions": [{"name": "north", "credentialsSecretRef": {"name": "north"}}],
                "database": {"managed": {"backup": {"keep": 2}}},
            }))
            .await?;
        world.ready().await?;
        Ok(Self {
            world,
            dir: tempfile::tempdir()?,
        })
    }

    async fn secret(&self, what: &str) -> Result<BTreeMap<String, String>> {
        let name = format!("{}-{what}", self.world.name);
        let secret = self.world.api::<Secret>().get(&name).await?;
        let data = secret.data.context("an empty Secret")?.into_iter();
        let text = data.map(|(key, value)| Ok((key, String::from_utf8(value.0)?)));
        text.collect()
    }

    /// A server with the settings of the `StatefulSet` and the certificate of the Secret.
    async fn postgres(&self) -> Result<Postgres> {
        let name = format!("{}-database", self.world.name);
        let set = self.world.api::<StatefulSet>().get(&name).await?;
        let pod = set
            .spec
            .context("no spec")?
            .template
            .spec
            .context("no pod")?;
        let arguments = pod.containers[0].args.clone().context("no arguments")?;
        let settings = arguments.chunks(2).map(|pair| {
            ensure!(pair[0] == "-c", "{pair:?}");
            let (name, value) = pair[1].split_once('=').context("not a setting")?;
            Ok((name.to_owned(), value.to_owned()))
        });
        let settings: Result<Vec<_>> = settings.collect();
        let tls = self.secret("database-tls").await?;
        for (name, text) in &tls {
            fs::write(self.dir.path().join(name), text)?;
        }
        let settings = settings?.into_iter();
        let settings = settings.filter(|(name, _)| !name.starts_with("ssl"));
        Postgres::start_with(Options {
            settings: settings.collect(),
            certificate: Some(Certificate {
                certificate: self.dir.path().join("tls.crt"),
                key: self.dir.path().join("tls.key"),
            }),
            ..Options::default()
        })
        .await
    }

    /// Runs a script of the operator's. What is mounted elsewhere in a pod stands in the test's directory.
    async fn script(
        &self,
        text: &str,
        postgres: &Postgres,
        more: &[(&str, &str)],
    ) -> Result<String> {
        let dir = self.dir.path().display().to_string();
        let text = text
            .replace("/etc/fleet", &dir)
            .replace("/backup", &format!("{dir}/backup"));
        let bin = postgres.bin("psql");
        let bin = bin.parent().context("no directory")?;
        let output = Command::new("bash")
            .args(["-c", &text])
            .env_clear()
            .env("PATH", format!("{}:/usr/bin:/bin", bin.display()))
            .env("PGHOST", "127.0.0.1")
            .env("PGPORT", postgres.address().port().to_string())
            .env("POSTGRES_USER", "postgres")
            .envs(more.iter().copied())
            .stdin(Stdio::null())
            .output()
            .await?;
        ensure!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(String::from_utf8(output.stdout)?)
    }
}

/// The URL of a Secret, for a server on this machine: no name leads there, so the certificate's is not looked at.
fn here(secret: &BTreeMap<String, String>, port: u16, authority: &Path) -> Result<String> {
    let url = secret["url"].split_once('@').context("no host")?.0;
    let authority = authority.display();
    Ok(format!(
        "{url}@127.0.0.1:{port}/fleet?sslmode=verify-ca&sslrootcert={authority}"
    ))
}

async fn psql(postgres: &Postgres, url: &str, sql: &str) -> Result<String> {
    let output = Command::new(postgres.bin("psql"))
        .args([
            "--no-psqlrc",
            "-tA",
            "-v",
            "ON_ERROR_STOP=1",
            "-c",
            sql,
            url,
        ])
        .output()
        .await?;
    ensure!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}

#[tokio::test]
async fn what_is_written_for_a_database_works_with_real_programs() -> Result<()> {
    let written = Written::new().await?;
    let postgres = written.postgres().await?;
    let port = postgres.address().port();
    let authority = written.dir.path().join("ca.crt");

    // The logins, as the image makes them at its first start.
    let logins = written.dir.path().join("logins");
    fs::create_dir(&logins)?;
    for (login, password) in written.secret("database-logins").await? {
        fs::write(logins.join(login), password)?;
    }
    let name = format!("{}-database", written.world.name);
    let scripts = written.world.api::<ConfigMap>().get(&name).await?;
    let scripts = scripts.data.context("no scripts")?;
    written
        .script(&scripts["10-logins.sh"], &postgres, &[])
        .await?;

    // The migration, as its owner.
    let owner = here(&written.secret("database-owner").await?, port, &authority)?;
    let migrated = Command::new(bins::path("fleetd")?)
        .arg("migrate")
        .env_clear()
        .env("DATABASE_URL", &owner)
        .output()
        .await?;
    ensure!(
        migrated.status.success(),
        "{}",
        String::from_utf8_lossy(&migrated.stderr)
    );

    // The pooler, with TLS on both sides.
    let files = written.secret("pooler").await?;
    let tls = written.secret("database-tls").await?;
    let pooler = PgBouncer::start_with_files(|dir, listen| {
        let dir = dir.display().to_string();
        let host = format!("host={name}.{}.svc port=5432", written.world.name);
        let settings = files["pgbouncer.ini"]
            .replace(&host, &format!("host=127.0.0.1 port={port}"))
            .replace("listen_port = 6432", &format!("listen_port = {listen}"))
            .replace("verify-full", "verify-ca")
            .replace("/etc/fleet/pooler", &dir)
            .replace("/etc/fleet/tls", &dir);
        let users = files["userlist.txt"].clone();
        let mut all = vec![
            ("pgbouncer.ini".to_owned(), settings),
            ("userlist.txt".to_owned(), users),
        ];
        all.extend(tls.clone());
        all
    })
    .await?;
    let writer = written.secret("database-writer").await?;
    ensure!(
        writer["url"].contains("-pooler."),
        "writers go through the pooler"
    );
    let writer = here(&writer, pooler.address().port(), &authority)?;
    let role = "SELECT pg_has_role('fleet_writer', 'member')";
    assert_eq!(psql(&postgres, &writer, role).await?, "t");
    let refused = psql(&postgres, &writer, "SELECT count(*) FROM soulseek.searches").await;
    assert!(
        refused
            .unwrap_err()
            .to_string()
            .contains("permission denied")
    );

    // Those that read.
    for role in ["reader", "archiver"] {
        let url = here(
            &written.secret(&format!("database-{role}")).await?,
            port,
            &authority,
        )?;
        let count = psql(&postgres, &url, "SELECT count(*) FROM soulseek.searches").await?;
        assert_eq!(count, "0", "{role}");
        let refused = psql(&postgres, &url, "DROP TABLE soulseek.search").await;
        assert!(refused.unwrap_err().to_string().contains("must be owner"));
    }

    // A copy, and no more of them than are kept.
    fs::create_dir(written.dir.path().join("backup"))?;
    let password = written.secret("database-owner").await?["password"].clone();
    let backup = include_str!("../../../src/operator/src/fleet/build/backup.sh");
    for _ in 0..3 {
        let more = [
            ("PGUSER", "fleet_owner"),
            ("PGDATABASE", "fleet"),
            ("PGPASSWORD", &password),
            ("PGSSLMODE", "require"),
            ("KEEP", "2"),
        ];
        written.script(backup, &postgres, &more).await?;
        tokio::time::sleep(std::time::Duration::from_millis(1100)).await;
    }
    let copies = fs::read_dir(written.dir.path().join("backup"))?.count();
    assert_eq!(copies, 2);
    Ok(())
}
