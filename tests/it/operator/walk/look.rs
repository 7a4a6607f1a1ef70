//! What has to be seen after a change, and whether it is.

use anyhow::{Context as _, Result, bail, ensure};
use fleet_api::ResearchCollectorStatus;
use fleet_sim::hetzner::State;
use serde_json::Value;

use crate::operator::world::World;

/// What has to be seen.
pub(super) enum See {
    /// A field of an object: its kind, its name after the fleet's, the field, and what is there.
    In(&'static str, &'static str, &'static str, Value),
    /// There is no such object.
    Gone(&'static str, &'static str),
    /// A field of the spec that a region's collector reads.
    Read(&'static str, &'static str, Value),
    /// Something in the cloud.
    Cloud(&'static str, fn(&State) -> bool),
    /// Something in the status.
    Status(fn(&ResearchCollectorStatus) -> bool),
    /// The operator has read this Secret.
    Secret(&'static str),
    /// Nothing in the cluster, and this is why.
    Nothing(&'static str),
}

/// Everything, at one time.
pub(super) struct Seen {
    objects: Vec<Value>,
    cloud: State,
    status: ResearchCollectorStatus,
    calls: Vec<String>,
}

impl Seen {
    pub(super) async fn of(world: &World, status: ResearchCollectorStatus) -> Result<Self> {
        let calls = world.kubernetes.calls().into_iter();
        Ok(Self {
            objects: world.objects().await?,
            cloud: world.cloud.state(),
            status,
            calls: calls.map(|call| call.path).collect(),
        })
    }

    fn object(&self, kind: &str, name: &str) -> Option<&Value> {
        let name = format!("WORLD-{name}");
        self.objects
            .iter()
            .find(|object| object["kind"] == kind && object["metadata"]["name"] == *name)
    }

    pub(super) fn check(&self, see: &See) -> Result<()> {
        match see {
            See::In(kind, name, pointer, value) => {
                let object = self.object(kind, name).context("no such object")?;
                same(object, pointer, value)
                    .with_context(|| format!("{kind} {name} at {pointer}\n{object:#}"))
            }
            See::Gone(kind, name) => {
                ensure!(self.object(kind, name).is_none(), "{kind} {name} is there");
                Ok(())
            }
            See::Read(region, pointer, value) => {
                let map = self.object("ConfigMap", &format!("collector-{region}"));
                let spec = map.and_then(|map| map["data"]["spec.yaml"].as_str());
                let spec: Value = serde_yaml::from_str(spec.context("no spec")?)?;
                same(&spec["spec"], pointer, value)
                    .with_context(|| format!("what {region} reads at {pointer}: {spec:#}"))
            }
            See::Cloud(what, is_so) => {
                let text = || serde_json::to_string(&self.cloud).unwrap_or_default();
                ensure!(is_so(&self.cloud), "in the cloud: {what}: {}", text());
                Ok(())
            }
            See::Status(is_so) => {
                ensure!(is_so(&self.status), "{:#?}", self.status);
                Ok(())
            }
            See::Secret(name) => {
                let path = format!("/secrets/{name}");
                ensure!(
                    self.calls.iter().any(|call| call.ends_with(&path)),
                    "{name}"
                );
                Ok(())
            }
            See::Nothing(why) => {
                ensure!(!why.is_empty(), "no reason");
                Ok(())
            }
        }
    }
}

fn same(object: &Value, pointer: &str, value: &Value) -> Result<()> {
    let found = object.pointer(pointer).unwrap_or(&Value::Null);
    if let (Some(text), Some(part)) = (found.as_str(), value.as_str())
        && let Some(part) = part.strip_prefix("...")
    {
        ensure!(text.ends_with(part), "{text} does not end with {part}");
        return Ok(());
    }
    if found != value {
        bail!("{found} instead of {value}");
    }
    Ok(())
}
