//! The operator with exactly the rights that `operator.yaml` gives it: they are enough for a whole life, and none is
//! there without a reason.

use std::{collections::BTreeSet, sync::Arc};

use anyhow::{Context as _, Result};
use fleet_api::ResearchCollector;
use fleet_operator::cluster::Cluster;
use fleet_tests::{kube::Kubernetes, proxy::Call};
use k8s_openapi::api::{
    discovery::v1::EndpointSlice,
    rbac::v1::{ClusterRole, PolicyRule, Role},
};
use kube::{Api, api::PostParams};
use serde_json::json;

use super::world::{World, spec};

const ACCOUNT: &str = "system:serviceaccount:research-fleet:fleet-operator";

/// Rights that no life needs, and why they are there all the same.
const UNUSED: [(&str, &str, &str); 3] = [
    (
        "researchcollectors/finalizers",
        "update",
        "where OwnerReferencesPermissionEnforcement is on, it is asked of whoever names a fleet as an owner",
    ),
    (
        "serviceaccounts",
        "delete",
        "all that is surplus goes: the account of a fleet has had one name so far",
    ),
    (
        "events",
        "patch",
        "only an event that is repeated is patched",
    ),
];

/// A right: the namespace if it is only for one, the resource, and the verb.
type Right = (String, String, &'static str);

#[tokio::test]
async fn its_rights_are_enough_and_all_are_needed() -> Result<()> {
    // Of its own: the operator looks after all namespaces.
    let kubernetes = Arc::new(Kubernetes::start().await?);
    let cluster = Cluster::connect(Some(&kubernetes.kubeconfig_file()), None).await?;
    fleet_operator::cluster::install(&cluster, "fleet:test").await?;
    let mut world = World::on(kubernetes, Some(ACCOUNT)).await?;
    // The tests' API server does not write it, because it is on loopback.
    let slice: EndpointSlice = serde_json::from_value(json!({
        "metadata": {"name": "kubernetes"}, "addressType": "IPv4",
        "endpoints": [{"addresses": ["192.0.2.1"]}], "ports": [{"name": "https", "port": 6443}],
    }))?;
    let slices: Api<EndpointSlice> = Api::namespaced(world.client.clone(), "default");
    slices.create(&PostParams::default(), &slice).await?;
    world.start_with(&["--lease-namespace", "research-fleet"])?;

    life(&world).await?;

    let calls = world.kubernetes.calls();
    let forbidden: BTreeSet<_> = calls
        .iter()
        .filter(|call| call.status == Some(403))
        .map(|call| format!("{} {}?{}", call.method, call.path, call.query))
        .collect();
    assert!(forbidden.is_empty(), "{forbidden:#?}");
    let used: BTreeSet<Right> = calls.iter().flat_map(rights).collect();
    let unused: Vec<_> = given(&world)
        .await?
        .into_iter()
        .filter(|(namespace, resource, verb)| {
            let is_used = used.iter().any(|(at, used, how)| {
                (namespace.is_empty() || at == namespace) && used == resource && how == verb
            });
            let is_known = UNUSED
                .iter()
                .any(|(known, how, _)| known == resource && how == verb);
            !is_used && !is_known
        })
        .collect();
    assert!(unused.is_empty(), "never used: {unused:#?}");
    Ok(())
}

/// Everything that happens to a fleet.
async fn life(world: &World) -> Result<()> {
    let mut spec = spec();
    spec["deletionPolicy"] = json!("Delete");
    world.apply(&spec).await?;
    let status = world.ready().await?;
    let server = status.regions[1].server.as_ref().context("no server")?;
    let id = server.id;
    world.lose_server(id).await?;
    world
        .until("another server", |status| {
            let server = status
                .regions
                .get(1)
                .and_then(|region| region.server.as_ref());
            server.is_some_and(|server| server.id != id)
        })
        .await?;
    world.ready().await?;
    // Its pods leave before the server is replaced.
    spec["regions"][1]["location"] = json!("nbg1");
    spec["image"] = json!("fleet:other");
    world.apply(&spec).await?;
    world.ready().await?;
    spec["database"]["managed"]["pooler"] = json!({"replicas": 0});
    spec["reports"] = json!(null);
    world.apply(&spec).await?;
    world.ready().await?;
    spec["regions"].as_array_mut().context("regions")?.pop();
    world.apply(&spec).await?;
    world
        .eventually("no server", async || Ok(world.servers().is_empty()))
        .await?;
    world.ready().await?;
    // Without a database, and with one again.
    let database = spec["database"].take();
    let archive = spec["archive"].take();
    if let Some(spec) = spec.as_object_mut() {
        // Null is there, to a rule.
        spec.retain(|_, value| !value.is_null());
    }
    world.apply(&spec).await?;
    world.ready().await?;
    spec["database"] = database;
    spec["archive"] = archive;
    world.apply(&spec).await?;
    world.ready().await?;
    world.delete().await?;
    world
        .eventually("nothing is left", async || {
            let fleets = world.api::<ResearchCollector>();
            Ok(fleets.get_opt(&world.name).await?.is_none())
        })
        .await
}

/// What a call needs: server-side apply of what is not there needs two.
fn rights(call: &Call) -> Vec<Right> {
    let parts: Vec<_> = call.path.trim_matches('/').split('/').collect();
    let (["api", _, rest @ ..] | ["apis", _, _, rest @ ..]) = parts.as_slice() else {
        return Vec::new();
    };
    let (namespace, rest) = match rest {
        ["namespaces", namespace, rest @ ..] if !rest.is_empty() => (*namespace, rest),
        rest => ("", rest),
    };
    let (resource, named) = match rest {
        [resource] => ((*resource).to_owned(), false),
        [resource, _] => ((*resource).to_owned(), true),
        [resource, _, sub] => (format!("{resource}/{sub}"), true),
        _ => return Vec::new(),
    };
    let verbs: &[_] = match (call.method.as_str(), named) {
        ("GET", true) => &["get"],
        ("GET", false) if call.is_watch => &["watch"],
        ("GET", false) => &["list"],
        ("POST", _) => &["create"],
        ("PATCH", _) if call.status == Some(201) => &["create", "patch"],
        ("PATCH", _) => &["patch"],
        ("PUT", _) => &["update"],
        ("DELETE", _) => &["delete"],
        _ => &[],
    };
    let verbs = verbs.iter();
    verbs
        .map(|verb| (namespace.to_owned(), resource.clone(), *verb))
        .collect()
}

/// What the roles give.
async fn given(world: &World) -> Result<Vec<(String, String, String)>> {
    let mut given = Vec::new();
    let mut add = |namespace: &str, rules: Option<Vec<PolicyRule>>| {
        for rule in rules.into_iter().flatten() {
            for resource in rule.resources.into_iter().flatten() {
                for verb in &rule.verbs {
                    given.push((namespace.to_owned(), resource.clone(), verb.clone()));
                }
            }
        }
    };
    let everywhere: Api<ClusterRole> = Api::all(world.client.clone());
    add("", everywhere.get("fleet-operator").await?.rules);
    for namespace in ["research-fleet", "kube-system", "default"] {
        let roles: Api<Role> = Api::namespaced(world.client.clone(), namespace);
        add(namespace, roles.get("fleet-operator").await?.rules);
    }
    Ok(given)
}
