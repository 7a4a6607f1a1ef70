//! A real API server takes our resource, and keeps to each of its rules.

use std::{collections::BTreeSet, fs, time::Duration};

use anyhow::{Context, Result, bail, ensure};
use fleet_api::{Manifest, ManifestError, ResearchCollector};
use fleet_tests::kube::Kubernetes;
use k8s_openapi::{
    api::core::v1::{ConfigMap, Namespace, ServiceAccount},
    apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
};
use kube::{
    Api, Client, CustomResourceExt,
    api::{DynamicObject, ObjectMeta, Patch, PatchParams, PostParams},
    core::{ApiResource, Status, response::StatusCause},
};
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};

const EVERYTHING: &str = "
apiVersion: researchfleet.io/v1alpha1
kind: ResearchCollector
metadata: {name: a-fleet-with-a-rather-long-name}
spec:
  network: soulseek
  soulseek: {server: 'server.slsknet.org:2416', clientVersion: 177, duplicates: keep}
  regions:
    - {name: here, credentialsSecretRef: {name: first}, listen: {port: 60000, obfuscatedPort: 60001}}
    - {name: us-west, credentialsSecretRef: {name: second}, location: hil, serverTypes: [cpx11, ccx13]}
    - {name: there, credentialsSecretRef: {name: third}, nodeSelector: {disk: ssd}, spool: {size: 20Gi, storageClassName: fast}, resources: {requests: {cpu: 50m, memory: 64Mi}, limits: {}}}
  privacy: {username: hmac, keySecretRef: {name: key}}
  canary: {credentialsSecretRef: {name: bird}, perHour: 60}
  database:
    managed:
      image: 'postgres:17'
      volume: {size: 50Gi}
      resources: {requests: {cpu: '1', memory: 2Gi}}
      pooler: {image: pgbouncer, replicas: 2}
      nodeSelector: {disk: ssd}
      backup: {schedule: '30 3 * * *', keep: 7, volume: {size: 50Gi}}
  archive:
    schedule: '0 2 1 * *'
    keepMonths: 2
    format: csv.gz
    destination: {s3: {bucket: months, prefix: studies/2026, endpoint: 'https://fsn1.example.org', region: fsn1, credentialsSecretRef: {name: bucket}}}
    resources: {limits: {memory: 512Mi}}
  reports: {schedule: '@hourly'}
  updatePolicy: {collectors: AllAtOnce, deadlineMinutes: 5, servers: Keep, replaceNotReadyMinutes: 0}
  deletionPolicy: Delete
  suspend: true
  image: registry.example.org/fleet:1
  infrastructure:
    hetzner:
      tokenSecretRef: {name: hetzner}
      sshKeys: [mine]
      allowFrom: [203.0.113.7/32, '2001:db8::/48']
      controlPlane: {locations: [nbg1], serverTypes: [cx33], volumeGb: 10}
      placement: any
      network: {ipRange: 10.80.0.0/16}
";

#[tokio::test]
async fn the_control_plane_knows_who_may_do_what_and_keeps_what_it_was_told() -> Result<()> {
    let mut cluster = Kubernetes::start().await?;
    let client = cluster.client().await?;
    let version = client.apiserver_version().await?;
    assert_eq!(version.git_version, "v1.36.3");
    namespace(&client, "mine").await?;

    let stranger = cluster
        .client_with(|config| config.auth_info.impersonate = Some("stranger".to_owned()))
        .await?;
    let refused = Api::<ConfigMap>::namespaced(stranger, "mine")
        .get("any")
        .await;
    assert!(status(refused.unwrap_err())?.is_forbidden());
    let nobody = cluster
        .client_with(|config| config.auth_info = kube::config::AuthInfo::default())
        .await?;
    let unknown = Api::<ConfigMap>::namespaced(nobody, "mine")
        .get("any")
        .await;
    assert!(status(unknown.unwrap_err())?.is_forbidden(), "anonymous");

    // The controllers work: they give every namespace an account and the cluster's certificate.
    let accounts: Api<ServiceAccount> = Api::namespaced(client.clone(), "mine");
    eventually("an account", async || accounts.get_opt("default").await).await?;
    let maps: Api<ConfigMap> = Api::namespaced(client.clone(), "mine");
    let map = eventually("a certificate", async || {
        maps.get_opt("kube-root-ca.crt").await
    })
    .await?;
    let data = map.data.context("the ConfigMap is empty")?;
    assert_eq!(data["ca.crt"], cluster.authority()?);

    cluster.kill_api_server().await?;
    accounts.get("default").await.unwrap_err();
    cluster.start_api_server().await?;
    Api::<Namespace>::all(cluster.client().await?)
        .get("mine")
        .await?;
    Ok(())
}

/// What breaks a rule: the field that the API server names (a rule of the whole object has none), where something is
/// changed, and to what (YAML; `~` takes it away).
const BROKEN: [(&str, &str, &str); 25] = [
    (
        "spec.soulseek.server",
        "/spec/soulseek/server",
        "example.org",
    ),
    ("spec.regions[0].name", "/spec/regions/0/name", "US West"),
    ("spec.regions[0].name", "/spec/regions/0/name", "canary"),
    (
        "spec.regions[0].name",
        "/spec/regions/0/name",
        "control-plane",
    ),
    (
        "<nil>",
        "/spec/regions/0/name",
        "with-the-fleets-name-it-has-63-c",
    ),
    (
        "<nil>",
        "/metadata/name",
        "a-name-that-leaves-room-for-no-region-at-all-is-50",
    ),
    ("spec", "/spec/infrastructure", "~"),
    ("spec.regions[1]", "/spec/regions/1/location", "~"),
    (
        ALLOW_FROM,
        "/spec/infrastructure/hetzner/allowFrom/0",
        "203.0.113.7",
    ),
    (
        IP_RANGE,
        "/spec/infrastructure/hetzner/network/ipRange",
        "8.8.8.0/24",
    ),
    (
        IP_RANGE,
        "/spec/infrastructure/hetzner/network/ipRange",
        "10.0.0.0/25",
    ),
    (
        IP_RANGE,
        "/spec/infrastructure/hetzner/network/ipRange",
        "172.16.0.0/11",
    ),
    ("spec", "/spec/canary/credentialsSecretRef/name", "second"),
    (
        "spec.regions[0].listen",
        "/spec/regions/0/listen/obfuscatedPort",
        "60000",
    ),
    ("spec.database", "/spec/database/managed", "~"),
    ("spec", "/spec/database", "~"),
    (
        "spec.database.managed.volume.size",
        "/spec/database/managed/volume/size",
        "50GB",
    ),
    (
        "spec.regions[2].resources.requests.memory",
        "/spec/regions/2/resources/requests/memory",
        "lots",
    ),
    ("spec.archive.schedule", "/spec/archive/schedule", "monthly"),
    (
        "spec.archive.destination",
        "/spec/archive/destination/s3",
        "~",
    ),
    (BUCKET, "/spec/archive/destination/s3/bucket", "My_Bucket"),
    (PREFIX, "/spec/archive/destination/s3/prefix", "a/../b"),
    (
        ENDPOINT,
        "/spec/archive/destination/s3/endpoint",
        "fsn1.example.org",
    ),
    ("spec.regions[2]", "/spec/regions/2/location", "ash"),
    ("spec.image", "/spec/image", "an image"),
];
const BUCKET: &str = "spec.archive.destination.s3.bucket";
const PREFIX: &str = "spec.archive.destination.s3.prefix";
const ENDPOINT: &str = "spec.archive.destination.s3.endpoint";
const ALLOW_FROM: &str = "spec.infrastructure.hetzner.allowFrom";
const IP_RANGE: &str = "spec.infrastructure.hetzner.network.ipRange";

/// What is out of the schema's bounds, in the same way.
const OUT_OF_BOUNDS: [(&str, &str, &str); 6] = [
    (
        "spec.soulseek.clientVersion",
        "/spec/soulseek/clientVersion",
        "200",
    ),
    ("spec.network", "/spec/network", "gnutella"),
    ("spec.regions", "/spec/regions", "[]"),
    ("spec.regions[1]", "/spec/regions/1/name", "here"),
    ("spec.canary.perHour", "/spec/canary/perHour", "61"),
    (
        "spec.regions[0].credentialsSecretRef",
        "/spec/regions/0/credentialsSecretRef",
        "~",
    ),
];

/// The good spec with one change.
fn changed(pointer: &str, yaml: &str) -> Result<Value> {
    let mut collector: Value = serde_yaml::from_str(EVERYTHING)?;
    match serde_yaml::from_str(yaml)? {
        Value::Null => {
            let (parent, field) = pointer.rsplit_once('/').context("not a pointer")?;
            let parent = collector.pointer_mut(parent).and_then(Value::as_object_mut);
            let removed = parent.and_then(|parent| parent.remove(field));
            removed.with_context(|| format!("{pointer} is not there"))?;
        }
        value => {
            let (parent, field) = pointer.rsplit_once('/').context("not a pointer")?;
            let parent = collector.pointer_mut(parent);
            match parent.with_context(|| format!("{pointer} is nowhere"))? {
                Value::Object(parent) => drop(parent.insert(field.to_owned(), value)),
                Value::Array(parent) => parent[field.parse::<usize>()?] = value,
                other => bail!("nothing is in {other}"),
            }
        }
    }
    Ok(collector)
}

/// A rule without a spec here that breaks it fails the test, too.
#[tokio::test]
async fn each_rule_is_kept_and_said_in_the_same_words_as_without_an_api_server() -> Result<()> {
    let cluster = Kubernetes::shared().await?;
    let client = cluster.client().await?;
    let crd = ResearchCollector::crd();
    install(&client, &crd).await?;

    let good: Value = serde_yaml::from_str(EVERYTHING)?;
    check(&client, &crd, &good).await?;
    Manifest::parse(EVERYTHING, "good.yaml")?;
    let all = rules(&crd);
    let mut untested = all.clone();
    for (field, pointer, value) in BROKEN {
        let bad = changed(pointer, value)?;
        let Err(refused) = check(&client, &crd, &bad).await else {
            bail!("taken: {bad}");
        };
        let rule = the_one_rule(&status(refused)?, field, &all)?;
        let offline = Manifest::parse(&serde_yaml::to_string(&bad)?, "bad.yaml");
        let Err(ManifestError::Invalid { violations, .. }) = offline else {
            bail!("taken offline: {bad}");
        };
        let said: Vec<_> = violations.into_iter().map(|found| found.message).collect();
        assert!(said.contains(&rule), "{rule}\n{said:?}");
        untested.remove(&rule);
    }
    // What cannot be changed is another test.
    let is_of_changes = |rule: &String| {
        ["cannot be changed", "cannot shrink", "cannot be removed"]
            .iter()
            .any(|words| rule.contains(words))
    };
    untested.retain(|rule| !is_of_changes(rule));
    ensure!(untested.is_empty(), "nothing here breaks {untested:#?}");
    Ok(())
}

/// There is one network so far: a copy of the resource with two shows that it cannot be changed.
#[tokio::test]
async fn the_network_cannot_be_changed() -> Result<()> {
    let cluster = Kubernetes::shared().await?;
    let client = cluster.client().await?;
    let mut crd = serde_json::to_value(ResearchCollector::crd())?;
    let group = "copy.researchfleet.io";
    crd["metadata"]["name"] = json!(format!("researchcollectors.{group}"));
    crd["spec"]["group"] = json!(group);
    crd["spec"]["names"]["shortNames"] = json!([]);
    let network = "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/network/enum";
    let networks = crd.pointer_mut(network).context("no enum of networks")?;
    *networks = json!(["soulseek", "another"]);
    let crd: CustomResourceDefinition = serde_json::from_value(crd)?;
    install(&client, &crd).await?;
    namespace(&client, "network").await?;

    let mut study: Value = serde_yaml::from_str(EVERYTHING)?;
    study["apiVersion"] = json!(format!("{group}/v1alpha1"));
    let copies: Api<DynamicObject> = Api::namespaced_with(client, "network", &resource(&crd));
    let params = PatchParams::apply("test").force();
    let name = "a-fleet-with-a-rather-long-name";
    copies.patch(name, &params, &Patch::Apply(&study)).await?;
    study["spec"]["network"] = json!("another");
    let refused = copies.patch(name, &params, &Patch::Apply(&study)).await;
    let rules = rules(&crd);
    let rule = the_one_rule(&status(refused.unwrap_err())?, "spec.network", &rules)?;
    assert!(rule.starts_with("network cannot be changed"), "{rule}");
    Ok(())
}

#[tokio::test]
async fn volumes_grow_and_servers_are_not_forgotten() -> Result<()> {
    let cluster = Kubernetes::shared().await?;
    let client = cluster.client().await?;
    let crd = ResearchCollector::crd();
    install(&client, &crd).await?;
    namespace(&client, "volumes").await?;
    let fleets: Api<DynamicObject> = Api::namespaced_with(client, "volumes", &resource(&crd));
    let name = "a-fleet-with-a-rather-long-name";
    let params = PatchParams::apply("test").force();
    let apply = async |pointer: &str, value: &str| {
        let fleet = changed(pointer, value)?;
        let applied = fleets.patch(name, &params, &Patch::Apply(&fleet)).await;
        anyhow::Ok(applied)
    };
    let size = "/spec/database/managed/volume/size";
    apply(size, "50Gi").await??;
    apply(size, "0.1Ti").await??;
    let all = rules(&crd);
    let shrunk = apply(size, "99Gi").await?.unwrap_err();
    let rule = the_one_rule(&status(shrunk)?, "spec.database.managed.volume.size", &all)?;
    assert!(rule.starts_with("a volume cannot shrink"), "{rule}");
    let mut class = changed("/spec/regions/2/spool/storageClassName", "slow")?;
    class["spec"]["database"]["managed"]["volume"]["size"] = json!("0.1Ti");
    let refused = fleets.patch(name, &params, &Patch::Apply(&class)).await;
    let field = "spec.regions[2].spool.storageClassName";
    let rule = the_one_rule(&status(refused.unwrap_err())?, field, &all)?;
    assert!(rule.starts_with("the class of a volume"), "{rule}");

    // What costs money cannot be forgotten.
    for (field, pointer) in [
        ("spec", "/spec/infrastructure"),
        (
            "spec.infrastructure.hetzner",
            "/spec/infrastructure/hetzner/tokenSecretRef",
        ),
    ] {
        let mut less = changed(pointer, "~")?;
        less["spec"]["database"]["managed"]["volume"]["size"] = json!("0.1Ti");
        less["spec"]["regions"][1]
            .as_object_mut()
            .context("no region")?
            .retain(|key, _| key != "location" && key != "serverTypes");
        let refused = fleets.patch(name, &params, &Patch::Apply(&less)).await;
        let rule = the_one_rule(&status(refused.unwrap_err())?, field, &all)?;
        assert!(rule.contains("cannot be removed"), "{rule}");
    }
    Ok(())
}

#[tokio::test]
async fn the_schema_has_bounds_defaults_and_names() -> Result<()> {
    let cluster = Kubernetes::shared().await?;
    let client = cluster.client().await?;
    let crd = ResearchCollector::crd();
    install(&client, &crd).await?;
    namespace(&client, "schema").await?;
    for (field, pointer, value) in OUT_OF_BOUNDS {
        let collector = changed(pointer, value)?;
        let Err(refused) = check(&client, &crd, &collector).await else {
            bail!("taken: {collector}");
        };
        let status = status(refused)?;
        let causes = causes(&status);
        assert!(
            causes.iter().any(|cause| cause.field.starts_with(field)),
            "{field}: {status:?}"
        );
    }

    let collectors: Api<ResearchCollector> = Api::namespaced(client, "schema");
    for example in fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/examples"))? {
        let example = example?.path();
        if example
            .extension()
            .is_none_or(|extension| extension != "yaml")
        {
            continue;
        }
        let mut manifest = Manifest::parse(&fs::read_to_string(&example)?, "example")?;
        // Two examples may be of the same study.
        let name = example
            .file_stem()
            .map(|stem| stem.to_string_lossy().into_owned());
        manifest.collector.metadata.name = name;
        let created = collectors
            .create(&PostParams::default(), &manifest.collector)
            .await;
        // The defaults of the API server are those of the types.
        let created = created.with_context(|| example.display().to_string())?;
        assert_eq!(created.spec, manifest.collector.spec);
    }
    let minimal = json!({
        "apiVersion": "researchfleet.io/v1alpha1", "kind": "ResearchCollector", "metadata": {"name": "minimal"},
        "spec": {
            "network": "soulseek",
            "regions": [{"name": "here", "credentialsSecretRef": {"name": "account"}}],
            "infrastructure": {"hetzner": {}},
        },
    });
    let created =
        Api::<DynamicObject>::namespaced_with(collectors.into_client(), "schema", &resource(&crd))
            .create(
                &PostParams::default(),
                &serde_json::from_value(minimal.clone())?,
            )
            .await?;
    let typed: ResearchCollector = serde_json::from_value(minimal)?;
    assert_eq!(created.data["spec"], serde_json::to_value(&typed.spec)?);
    Ok(())
}

/// Every rule's message in a CRD.
fn rules(crd: &CustomResourceDefinition) -> BTreeSet<String> {
    fn collect(value: &Value, found: &mut BTreeSet<String>) {
        if let Some(rules) = value
            .get("x-kubernetes-validations")
            .and_then(Value::as_array)
        {
            let messages = rules.iter().filter_map(|rule| rule["message"].as_str());
            found.extend(messages.map(str::to_owned));
        }
        match value {
            Value::Object(fields) => fields.values().for_each(|value| collect(value, found)),
            Value::Array(items) => items.iter().for_each(|value| collect(value, found)),
            _ => {}
        }
    }
    let mut found = BTreeSet::new();
    collect(&json!(crd), &mut found);
    found
}

fn causes(status: &Status) -> &[StatusCause] {
    status
        .details
        .as_ref()
        .map_or(&[], |details| &details.causes)
}

/// The one rule that the answer is about.
fn the_one_rule(status: &Status, field: &str, all: &BTreeSet<String>) -> Result<String> {
    ensure!(status.is_invalid(), "{status:?}");
    let causes = causes(status);
    let [cause] = causes else {
        bail!("not about one rule: {causes:?}");
    };
    assert_eq!(cause.field, field, "{causes:?}");
    // `Invalid value: <what>: ` stands before it.
    let rule = all
        .iter()
        .find(|rule| cause.message.ends_with(&format!(": {rule}")));
    rule.cloned()
        .with_context(|| format!("not a rule: {}", cause.message))
}

/// Whether the API server would take it.
async fn check(
    client: &Client,
    crd: &CustomResourceDefinition,
    object: &Value,
) -> Result<(), kube::Error> {
    let api: Api<DynamicObject> = Api::default_namespaced_with(client.clone(), &resource(crd));
    let params = PostParams {
        dry_run: true,
        ..PostParams::default()
    };
    let object = serde_json::from_value(object.clone()).map_err(kube::Error::SerdeError)?;
    api.create(&params, &object).await.map(drop)
}

fn resource(crd: &CustomResourceDefinition) -> ApiResource {
    let names = &crd.spec.names;
    let version = &crd.spec.versions[0].name;
    ApiResource {
        group: crd.spec.group.clone(),
        version: version.clone(),
        api_version: format!("{}/{version}", crd.spec.group),
        kind: names.kind.clone(),
        plural: names.plural.clone(),
    }
}

pub(crate) async fn install(client: &Client, crd: &CustomResourceDefinition) -> Result<()> {
    let name = crd.metadata.name.as_deref().context("no name")?;
    let crds: Api<CustomResourceDefinition> = Api::all(client.clone());
    crds.patch(
        name,
        &PatchParams::apply("test").force(),
        &Patch::Apply(crd),
    )
    .await?;
    eventually("the CRD established", async || {
        let crd = crds.get(name).await?;
        let conditions = crd.status.and_then(|status| status.conditions);
        let established = conditions
            .into_iter()
            .flatten()
            .find(|condition| condition.type_ == "Established" && condition.status == "True");
        Ok(established)
    })
    .await?;
    Ok(())
}

pub(crate) async fn namespace(client: &Client, name: &str) -> Result<()> {
    let metadata = ObjectMeta {
        name: Some(name.to_owned()),
        ..ObjectMeta::default()
    };
    let namespace = Namespace {
        metadata,
        ..Namespace::default()
    };
    Api::all(client.clone())
        .create(&PostParams::default(), &namespace)
        .await?;
    Ok(())
}

pub(crate) async fn eventually<T>(
    what: &str,
    look: impl AsyncFn() -> Result<Option<T>, kube::Error>,
) -> Result<T> {
    let wait = async {
        loop {
            if let Some(found) = look().await? {
                return Ok(found);
            }
            sleep(Duration::from_millis(50)).await;
        }
    };
    let found = timeout(Duration::from_mins(1), wait).await;
    found.with_context(|| format!("{what} has not come"))?
}

fn status(error: kube::Error) -> Result<Status> {
    match error {
        kube::Error::Api(status) => Ok(*status),
        error => Err(error.into()),
    }
}
