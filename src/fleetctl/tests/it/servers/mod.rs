//! `fleetctl` and a fleet's servers: the real executable against the simulated API in this process.

mod concurrent;
mod faults;
mod kill;
mod life;
mod random;

use std::path::PathBuf;

use fleet_sim::hetzner::{Api, Options, Pace, TOKEN};
use serde_json::Value;
use tempfile::TempDir;
use tokio::process::Command;

use crate::common::ended;
use crate::fleetctl;

/// A control plane that also runs `germany`, `us-east` in ash, `singapore` in sin.
const REGIONS: [(&str, &str); 3] = [("germany", ""), ("us-east", "ash"), ("singapore", "sin")];

/// A project, and the spec of a fleet called `study`.
struct Project {
    api: Api,
    dir: TempDir,
}

/// What a program said.
#[derive(Debug)]
struct Said {
    code: Option<i32>,
    out: String,
    err: String,
}

impl Said {
    fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// It ended well.
    fn well(self) -> Self {
        assert_eq!(self.code, Some(0), "{self:?}");
        self
    }

    /// It ended with this code and said this.
    fn with(self, code: i32, part: &str) -> Self {
        assert_eq!(self.code, Some(code), "{self:?}");
        assert!(self.err.contains(part), "{part:?} is not in {self:?}");
        assert!(!self.err.contains(TOKEN) && !self.out.contains(TOKEN));
        self
    }
}

impl Project {
    async fn start() -> Self {
        Self::with(Options::default()).await
    }

    async fn with(options: Options) -> Self {
        let project = Self {
            api: Api::start(options).await.unwrap(),
            dir: TempDir::new().unwrap(),
        };
        project.write(&REGIONS, "");
        project
    }

    /// A project in which everything takes as long as this.
    async fn slow(pace: Pace) -> Self {
        Self::with(Options {
            pace,
            ..Options::default()
        })
        .await
    }

    fn file(&self) -> PathBuf {
        self.dir.path().join("study.yaml")
    }

    /// Writes the spec: regions with their locations, and more fields of `hetzner`.
    fn write(&self, regions: &[(&str, &str)], hetzner: &str) {
        let regions = regions.iter().map(|(name, location)| {
            let location = if location.is_empty() {
                String::new()
            } else {
                format!("location: {location}, ")
            };
            format!("  - {{ name: {name}, {location}credentialsSecretRef: {{ name: {name} }} }}\n")
        });
        let spec = format!(
            "apiVersion: researchfleet.io/v1alpha1\nkind: ResearchCollector\nmetadata: {{ name: study }}\nspec:\n  \
             network: soulseek\n  infrastructure: {{ hetzner: {{ {hetzner} }} }}\n  regions:\n{}",
            regions.collect::<String>()
        );
        std::fs::write(self.file(), spec).unwrap();
    }

    /// `fleetctl` with the project's token, and a verb with the spec.
    fn command(&self, verb: &str, options: &[&str]) -> Command {
        let mut command = fleetctl();
        command
            .env("HCLOUD_TOKEN", TOKEN)
            .env("HCLOUD_ENDPOINT", self.api.endpoint());
        command.arg(verb).arg("-f").arg(self.file()).args(options);
        command
    }

    async fn run(&self, verb: &str, options: &[&str]) -> Said {
        said(self.command(verb, options)).await
    }

    async fn deploy(&self) -> Said {
        self.run("deploy", &["--servers-only", "--yes"]).await
    }

    async fn plan(&self) -> Said {
        self.run("plan", &["--servers-only", "-o", "json"]).await
    }

    async fn destroy(&self) -> Said {
        self.run("destroy", &["--yes"]).await
    }

    /// The names of the fleet's servers, sorted.
    fn servers(&self) -> Vec<String> {
        let state = self.api.state();
        let ours = state.servers.values().filter(|server| {
            let fleet = server.meta.labels.get("researchfleet.io/fleet");
            fleet.is_some_and(|fleet| fleet == "study")
        });
        let mut names: Vec<_> = ours.map(|server| server.meta.name.clone()).collect();
        names.sort();
        names
    }

    /// The API as another program uses it.
    fn client(&self) -> fleet_hetzner::Client {
        fleet_hetzner::Client::builder(TOKEN.into())
            .endpoint(self.api.endpoint())
            .build()
            .unwrap()
    }

    /// The identifier of a server.
    fn id(&self, name: &str) -> i64 {
        let state = self.api.state();
        let server = state
            .servers
            .values()
            .find(|server| server.meta.name == name);
        server.unwrap_or_else(|| panic!("no server {name}")).meta.id
    }

    /// Each server is there once, and a plan finds nothing to do.
    async fn is_converged(&self) {
        let ours = self.ours();
        assert!(ours.contains(&"firewalls study".to_owned()), "{ours:?}");
        assert_eq!(
            self.servers(),
            ["study-control-plane", "study-singapore", "study-us-east"]
        );
        let plan = self.plan().await.well();
        assert_eq!(plan.json()["converged"], true, "{plan:?}");
    }

    /// Nothing of ours costs anything, and nothing of ours is there.
    fn is_empty(&self) {
        assert_eq!(self.ours(), [""; 0]);
        let bill = self.api.bill();
        assert!(
            bill.running_with("researchfleet.io/fleet", "study")
                .is_empty(),
            "{bill:?}"
        );
    }

    /// Everything that carries the fleet's label, as the API itself lists it.
    fn ours(&self) -> Vec<String> {
        let state = serde_json::to_value(self.api.state()).unwrap();
        let mut found = Vec::new();
        for (kind, things) in state.as_object().unwrap() {
            let things: Vec<&Value> = match things {
                Value::Array(things) => things.iter().collect(),
                Value::Object(things) => things.values().collect(),
                other => panic!("{kind}: {other}"),
            };
            for thing in things {
                if thing["labels"]["researchfleet.io/fleet"] == "study" {
                    found.push(format!("{kind} {}", thing["name"].as_str().unwrap()));
                }
            }
        }
        found.sort();
        found
    }
}

async fn said(mut command: Command) -> Said {
    let (code, out, err) = ended(&mut command).await;
    Said { code, out, err }
}
