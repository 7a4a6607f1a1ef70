//! Values that cannot be followed: the API server refuses them, or a condition says why, everything else goes on, and
//! what is put back needs no hand.

use anyhow::{Result, bail, ensure};
use fleet_tests::kubelet::Play;
use serde_json::{Value, json};

use super::{rich, row::changed, world};
use crate::operator::world::{World, condition};

/// What the API server itself refuses.
fn refused() -> Vec<(&'static str, Value, &'static str)> {
    let small = json!({"size": "1Mi", "storageClassName": "standard"});
    vec![
        ("/network", json!("gnutella"), "network"),
        ("/soulseek/server", json!("here"), "host:port"),
        ("/soulseek/clientVersion", json!(100), "157"),
        ("/soulseek/duplicates", json!("some"), "duplicates"),
        ("/regions", json!([]), "regions"),
        ("/regions/0/name", json!("canary"), "canary"),
        ("/regions/0/name", json!("North"), "lower-case"),
        ("/regions/0/name", json!("south"), "uplicate"),
        ("/regions/0/listen/port", json!(60001), "differ"),
        ("/regions/0/listen/port", json!(70000), "65535"),
        (
            "/regions/0/serverTypes",
            json!(["cx23"]),
            "no server of its own",
        ),
        ("/regions/1/nodeSelector", json!({"a": "b"}), "own server"),
        (
            "/regions/0/resources/limits/memory",
            json!("much"),
            "amount",
        ),
        ("/regions/0/spool", small.clone(), "shrink"),
        ("/regions/0/spool/storageClassName", json!("stiff"), "class"),
        ("/privacy/username", json!("clear"), "username"),
        (
            "/canary",
            json!({"credentialsSecretRef": {"name": "north"}}),
            "account",
        ),
        ("/database", Value::Null, "archive"),
        (
            "/database/external",
            json!({"urlSecretRef": {"name": "url"}}),
            "one of",
        ),
        ("/database/managed/volume", small.clone(), "shrink"),
        ("/database/managed/pooler/replicas", json!(11), "10"),
        ("/database/managed/backup/keep", json!(0), "keep"),
        ("/database/managed/backup/schedule", json!("daily"), "cron"),
        ("/archive/schedule", json!("now"), "cron"),
        ("/archive/keepMonths", json!(-1), "keepMonths"),
        ("/archive/format", json!("xml"), "format"),
        ("/archive/destination/volume", small, "shrink"),
        (
            "/archive/destination/s3",
            json!({"bucket": "Months", "credentialsSecretRef": {"name": "bucket"}}),
            "bucket",
        ),
        ("/reports/schedule", json!("* * *"), "cron"),
        ("/infrastructure", Value::Null, "location"),
        (
            "/infrastructure/hetzner/allowFrom",
            json!(["home"]),
            "ranges",
        ),
        (
            "/infrastructure/hetzner/placement",
            json!("near"),
            "placement",
        ),
        (
            "/infrastructure/hetzner/network",
            json!({"ipRange": "8.8.8.0/24"}),
            "private",
        ),
        (
            "/infrastructure/hetzner/controlPlane/volumeGb",
            json!(5),
            "10",
        ),
        ("/updatePolicy/collectors", json!("Never"), "collectors"),
        ("/updatePolicy/deadlineMinutes", json!(0), "deadlineMinutes"),
        (
            "/updatePolicy/replaceNotReadyMinutes",
            json!(-1),
            "replaceNotReadyMinutes",
        ),
        ("/deletionPolicy", json!("Ask"), "deletionPolicy"),
        ("/suspend", json!("yes"), "suspend"),
        ("/image", json!(" fleet:other"), "without spaces"),
        (
            "/database/managed/image",
            json!("postgres: 17"),
            "without spaces",
        ),
        (
            "/database/managed/pooler/image",
            json!("pgbouncer "),
            "without spaces",
        ),
        ("/image", json!(""), "image"),
    ]
}

/// What only the world can refuse.
struct Wrong {
    set: (&'static str, Value),
    /// The condition that says so, beside Ready.
    kind: &'static str,
    reason: &'static str,
    /// In the message of Ready.
    says: &'static str,
    /// How many regions still record.
    recording: &'static str,
    /// What the pods do that read it.
    play: Option<(&'static str, Play)>,
}

impl Wrong {
    fn new(field: &'static str, value: Value, kind: &'static str, reason: &'static str) -> Self {
        Self {
            set: (field, value),
            kind,
            reason,
            says: "",
            recording: "2/2",
            play: None,
        }
    }

    fn says(mut self, says: &'static str) -> Self {
        self.says = says;
        self
    }

    fn recording(mut self, recording: &'static str) -> Self {
        self.recording = recording;
        self
    }

    fn play(mut self, pods: &'static str, play: Play) -> Self {
        self.play = Some((pods, play));
        self
    }
}

#[expect(clippy::too_many_lines, reason = "it is a table")]
fn table() -> Vec<Wrong> {
    let volume = |class: &str, size: &str| {
        json!({
            "name": "west", "credentialsSecretRef": {"name": "other"},
            "listen": {"port": 62000, "obfuscatedPort": 0},
            "spool": {"size": size, "storageClassName": class},
        })
    };
    let north = "/regions/0/credentialsSecretRef/name";
    vec![
        Wrong::new(
            "/image",
            json!("fleet:nowhere"),
            "CollectorsReady",
            "Unavailable",
        )
        .play("collector-north", Play::ImagePullBackOff)
        .says("ImagePullBackOff")
        .recording("1/2"),
        Wrong::new(
            "/regions/2",
            volume("nowhere", "1Gi"),
            "CollectorsReady",
            "Unavailable",
        )
        .says("PersistentVolumeClaim")
        .recording("2/3"),
        Wrong::new(north, json!("missing"), "Ready", "SecretMissing").says("missing"),
        Wrong::new(north, json!("bucket"), "Ready", "SecretMissing").says("username"),
        Wrong::new(north, json!("Not_A_Name"), "Ready", "SecretMissing").says("Not_A_Name"),
        Wrong::new(
            "/privacy/keySecretRef",
            json!({"name": "url"}),
            "Ready",
            "SecretMissing",
        )
        .says("key"),
        Wrong::new(
            "/canary",
            json!({"credentialsSecretRef": {"name": "missing"}}),
            "Ready",
            "SecretMissing",
        )
        .says("missing"),
        Wrong::new(
            "/regions/0/nodeSelector",
            json!({"disk": "none"}),
            "CollectorsReady",
            "Unavailable",
        )
        .says("no node takes it")
        .recording("1/2"),
        Wrong::new(
            "/regions/0/nodeSelector",
            json!({"not a label": "x"}),
            "Ready",
            "Refused",
        )
        .says("not a label"),
        Wrong::new(
            "/regions/0/resources/requests/memory",
            json!("1Gi"),
            "Ready",
            "Refused",
        )
        .says("memory limit"),
        Wrong::new(
            "/reports/schedule",
            json!("99 99 99 99 *"),
            "Ready",
            "Refused",
        )
        .says("schedule"),
        Wrong::new(
            "/database/managed/nodeSelector",
            json!({"disk": "none"}),
            "DatabaseReady",
            "Unavailable",
        )
        .says("no node takes it"),
        Wrong::new(
            "/database/managed/image",
            json!("postgres:nowhere"),
            "DatabaseReady",
            "Unavailable",
        )
        .play("database", Play::ImagePullBackOff)
        .says("ImagePullBackOff"),
        Wrong::new(
            "/database/managed/pooler/image",
            json!("pgbouncer:nowhere"),
            "DatabaseReady",
            "Unavailable",
        )
        .play("pooler", Play::ImagePullBackOff)
        .says("ImagePullBackOff"),
        Wrong::new(
            "/regions/1/serverTypes",
            json!(["cx999"]),
            "ServersReady",
            "NoOffer",
        )
        .says("cx999"),
        Wrong::new(
            "/regions/1/location",
            json!("atlantis"),
            "ServersReady",
            "NoOffer",
        )
        .says("atlantis"),
        Wrong::new(
            "/infrastructure/hetzner/image",
            json!("debian-99"),
            "ServersReady",
            "NoOffer",
        )
        .says("debian-99"),
        Wrong::new(
            "/infrastructure/hetzner/sshKeys",
            json!(["nobody"]),
            "ServersReady",
            "InvalidSpec",
        )
        .says("nobody"),
        Wrong::new(
            "/infrastructure/hetzner/tokenSecretRef/name",
            json!("hcloud-wrong"),
            "ServersReady",
            "ProviderError",
        )
        .says("token"),
    ]
}

async fn cannot_follow(world: &World, spec: &Value, wrong: &Wrong) -> Result<()> {
    let (field, value) = &wrong.set;
    let name = format!("{field} = {value}");
    if let Some((pods, play)) = wrong.play {
        world.kubelets.play(&format!("{}-{pods}", world.name), play);
    }
    world
        .apply(&changed(spec, &[(field, value.clone())]))
        .await?;
    let status = world
        .until(&format!("{name} is told"), |status| {
            let is = |kind| condition(status, kind) == ("False", wrong.reason);
            let says = |said: &str| said.contains(wrong.says);
            let mut conditions = status.conditions.iter();
            is("Ready")
                && is(wrong.kind)
                && conditions.any(|found| found.type_ == wrong.kind && says(&found.message))
        })
        .await?;
    let mut messages = status.conditions.iter().map(|found| found.message.as_str());
    ensure!(
        !messages.any(|message| message.contains("hunter2")),
        "{status:#?}"
    );
    world
        .until(&format!("{name}: others record"), |status| {
            status.recording.as_deref() == Some(wrong.recording)
        })
        .await?;
    if let Some((pods, _)) = wrong.play {
        world
            .kubelets
            .play(&format!("{}-{pods}", world.name), Play::Ready);
    }
    world.apply(spec).await?;
    world.ready().await?;
    Ok(())
}

#[tokio::test]
async fn what_cannot_be_followed_is_told_and_mends_itself() -> Result<()> {
    let world = world().await?;
    world
        .secret("hcloud-wrong", json!({"token": "nobodys"}))
        .await?;
    let spec = rich();
    world.apply(&spec).await?;
    world.ready().await?;
    let mut missed = Vec::new();
    for (field, value, says) in refused() {
        match world
            .apply(&changed(&spec, &[(field, value.clone())]))
            .await
        {
            Ok(_) => missed.push(format!("{field} = {value} is taken")),
            Err(kube::Error::Api(status)) if status.message.contains(says) => {}
            Err(error) => missed.push(format!("{field} = {value}: {error}")),
        }
    }
    world.apply(&spec).await?;
    for wrong in table() {
        let begun = tokio::time::Instant::now();
        if let Err(error) = cannot_follow(&world, &spec, &wrong).await {
            missed.push(format!("{error:#}"));
            world.apply(&spec).await?;
            world.ready().await?;
        }
        println!(
            "{:>6} ms {} = {}",
            begun.elapsed().as_millis(),
            wrong.set.0,
            wrong.set.1
        );
    }
    ensure!(missed.is_empty(), "{}", missed.join("\n\n"));
    a_volume_that_cannot_grow(&world, spec).await
}

/// Its class says so.
async fn a_volume_that_cannot_grow(world: &World, spec: Value) -> Result<()> {
    let west = |size: &str| {
        json!({
            "name": "west", "credentialsSecretRef": {"name": "canary"},
            "listen": {"port": 62000, "obfuscatedPort": 0},
            "spool": {"size": size, "storageClassName": "stiff"},
        })
    };
    let mut spec = changed(&spec, &[("/regions/2", west("1Gi"))]);
    // The volume of the class that is nowhere is still there, under its name.
    spec["regions"][2]["name"] = json!("east");
    world.apply(&spec).await?;
    world.ready().await?;
    let larger = changed(&spec, &[("/regions/2/spool/size", json!("2Gi"))]);
    world.apply(&larger).await?;
    let status = world
        .until("it cannot grow", |status| {
            condition(status, "Ready") == ("False", "Refused")
        })
        .await?;
    let ready = status
        .conditions
        .iter()
        .find(|found| found.type_ == "Ready");
    let Some(ready) = ready else {
        bail!("no condition");
    };
    ensure!(ready.message.contains("spool-east"), "{}", ready.message);
    // The size cannot be put back: a region without it is what a person has left.
    spec["regions"].as_array_mut().map(Vec::pop);
    world.apply(&spec).await?;
    world.ready().await?;
    Ok(())
}
