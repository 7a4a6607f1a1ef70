//! The operator is installed.

use std::{collections::BTreeMap, time::Duration};

use anyhow::{Context, Result, bail};
use fleet_operator::cluster::{
    Cluster, ClusterError, NAMESPACE, OPERATOR, Outcome, install, wait_for_operator,
};
use fleet_tests::kube::Kubernetes;
use k8s_openapi::api::{
    apps::v1::Deployment,
    authorization::v1::{ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec},
    core::v1::Pod,
};
use kube::{
    Api,
    api::{Patch, PatchParams, PostParams},
};
use serde_json::{Value, json};
use tokio::time::sleep;

use super::{IMAGE, connect, outcomes, shared};

/// The versions of all that is installed.
async fn versions(cluster: &Cluster) -> Result<BTreeMap<String, String>> {
    let mut versions = BTreeMap::new();
    for path in [
        "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/researchcollectors.researchfleet.io",
        "/api/v1/namespaces/research-fleet",
        "/api/v1/namespaces/research-fleet/serviceaccounts/fleet-operator",
        "/apis/rbac.authorization.k8s.io/v1/clusterroles/fleet-operator",
        "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings/fleet-operator",
        "/apis/rbac.authorization.k8s.io/v1/namespaces/research-fleet/roles/fleet-operator",
        "/apis/rbac.authorization.k8s.io/v1/namespaces/research-fleet/rolebindings/fleet-operator",
        "/apis/rbac.authorization.k8s.io/v1/namespaces/kube-system/roles/fleet-operator",
        "/apis/rbac.authorization.k8s.io/v1/namespaces/kube-system/rolebindings/fleet-operator",
        "/apis/rbac.authorization.k8s.io/v1/namespaces/default/roles/fleet-operator",
        "/apis/rbac.authorization.k8s.io/v1/namespaces/default/rolebindings/fleet-operator",
        "/apis/apps/v1/namespaces/research-fleet/deployments/fleet-operator",
    ] {
        let request = http::Request::get(path).body(Vec::new())?;
        let found: Value = cluster.client().request(request).await.context(path)?;
        // What controllers note below `status` changes the version as well.
        let version = match found["metadata"]["generation"].as_i64() {
            Some(generation) => format!("generation {generation}"),
            None => found["metadata"]["resourceVersion"].to_string(),
        };
        versions.insert(path.to_owned(), version);
    }
    Ok(versions)
}

#[tokio::test]
async fn the_operator_is_installed_once_and_changed_where_it_differs() -> Result<()> {
    let (_kubernetes, cluster) = shared().await?;
    let first = install(&cluster, IMAGE).await?;
    assert_eq!(first.len(), 12);
    let before = versions(&cluster).await?;
    let second = install(&cluster, IMAGE).await?;
    assert_eq!(versions(&cluster).await?, before);
    let deployment = format!("Deployment/{OPERATOR}");
    for applied in &second {
        // The Deployment's controller writes its status meanwhile.
        assert!(
            applied.outcome == Outcome::Unchanged || applied.name == deployment,
            "{applied:?}"
        );
    }

    let deployments: Api<Deployment> = Api::namespaced(cluster.client(), NAMESPACE);
    let drift = json!({"spec": {"replicas": 3}});
    deployments
        .patch(OPERATOR, &PatchParams::default(), &Patch::Merge(&drift))
        .await?;
    let third = install(&cluster, "fleetd:next").await?;
    assert_eq!(
        outcomes(&third).last(),
        Some(&(deployment.as_str(), Outcome::Changed))
    );
    let found = deployments.get(OPERATOR).await?.spec.context("no spec")?;
    assert_eq!(found.replicas, Some(1));
    let pod = found.template.spec.context("no pod")?;
    assert_eq!(pod.containers[0].image.as_deref(), Some("fleetd:next"));

    // Nothing runs pods here: that is seen, and said.
    let late = wait_for_operator(&cluster, Duration::from_secs(1))
        .await
        .unwrap_err();
    assert!(matches!(late, ClusterError::NoOperator { .. }), "{late}");
    Ok(())
}

/// The namespace takes only pods without privileges; the operator's is one.
#[tokio::test]
async fn the_operators_pod_is_taken_where_privileges_are_not() -> Result<()> {
    let (_kubernetes, cluster) = shared().await?;
    install(&cluster, IMAGE).await?;
    let deployments: Api<Deployment> = Api::namespaced(cluster.client(), NAMESPACE);
    let template = deployments
        .get(OPERATOR)
        .await?
        .spec
        .context("no spec")?
        .template;
    let pods: Api<Pod> = Api::namespaced(cluster.client(), NAMESPACE);
    let dry_run = PostParams {
        dry_run: true,
        ..PostParams::default()
    };
    let mut pod = Pod {
        spec: template.spec,
        ..Pod::default()
    };
    pod.metadata.name = Some("a-copy".to_owned());
    pods.create(&dry_run, &pod).await?;
    pod.spec.as_mut().unwrap().host_network = Some(true);
    let refused = pods.create(&dry_run, &pod).await.unwrap_err();
    assert!(refused.to_string().contains("PodSecurity"), "{refused}");
    Ok(())
}

/// A verb, a resource, and a namespace (`-` for none) each.
const MAY: &str = "
    watch  researchcollectors.researchfleet.io         -
    patch  researchcollectors.researchfleet.io/status  any
    create statefulsets.apps                           any
    get    secrets                                     any
    create secrets                                     kube-system
    list   secrets                                     kube-system
    create pods/eviction                               any
    delete nodes                                       -
    patch  leases.coordination.k8s.io                  research-fleet";

const MAY_NOT: &str = "
    create      researchcollectors.researchfleet.io            any
    delete      researchcollectors.researchfleet.io            any
    list        secrets                                        any
    get         configmaps                                     kube-system
    get         endpointslices.discovery.k8s.io                default
    patch       leases.coordination.k8s.io                     any
    create      pods                                           any
    create      pods/exec                                      any
    create      namespaces                                     -
    get         nodes/proxy                                    -
    patch       customresourcedefinitions.apiextensions.k8s.io -
    create      clusterrolebindings.rbac.authorization.k8s.io  -
    escalate    clusterroles.rbac.authorization.k8s.io         -
    impersonate users                                          -";

/// Asked of the API server as the operator.
#[tokio::test]
async fn the_operator_may_do_its_work_and_no_more() -> Result<()> {
    let (kubernetes, cluster) = shared().await?;
    install(&cluster, IMAGE).await?;
    let operator = kubernetes
        .client_with(|config| {
            let account = format!("system:serviceaccount:{NAMESPACE}:{OPERATOR}");
            config.auth_info.impersonate = Some(account);
        })
        .await?;
    let table = |table: &'static str, allowed| {
        let lines = table.lines().filter(|line| !line.is_empty());
        lines.map(move |line| (line, allowed))
    };
    for (line, wanted) in table(MAY, true).chain(table(MAY_NOT, false)) {
        let words: Vec<_> = line.split_whitespace().collect();
        let [verb, resource, namespace] = words[..] else {
            bail!("not three words: {line}");
        };
        let (resource, subresource) = resource.split_once('/').unwrap_or((resource, ""));
        let (resource, group) = resource.split_once('.').unwrap_or((resource, ""));
        let text = |text: &str| Some(text.trim_matches('-').to_owned());
        let review = SelfSubjectAccessReview {
            spec: SelfSubjectAccessReviewSpec {
                resource_attributes: Some(ResourceAttributes {
                    verb: text(verb),
                    group: text(group),
                    resource: text(resource),
                    subresource: text(subresource),
                    namespace: text(namespace),
                    ..ResourceAttributes::default()
                }),
                ..SelfSubjectAccessReviewSpec::default()
            },
            ..SelfSubjectAccessReview::default()
        };
        let answer = Api::all(operator.clone())
            .create(&PostParams::default(), &review)
            .await?;
        let allowed = answer.status.context("no answer")?.allowed;
        assert_eq!(allowed, wanted, "{line}");
    }
    Ok(())
}

#[tokio::test]
async fn an_install_that_was_cut_goes_on() -> Result<()> {
    let mut kubernetes = Kubernetes::start().await?;
    let cluster = connect(&kubernetes).await?;
    // Each time something else has been written, or is about to be taken into use.
    for pause in [0, 20, 40, 60, 80, 100, 150, 200, 300] {
        let cutting = cluster.clone();
        let installing = tokio::spawn(async move { install(&cutting, IMAGE).await });
        sleep(Duration::from_millis(pause)).await;
        kubernetes.kill_api_server().await?;
        if let Err(error) = installing.await? {
            assert!(
                matches!(error, ClusterError::Unreachable { .. }),
                "{error:?}"
            );
            assert!(error.hint().unwrap().contains("run again"), "{error:?}");
        }
        kubernetes.start_api_server().await?;
    }
    install(&cluster, IMAGE).await?;
    let before = versions(&cluster).await?;
    install(&cluster, IMAGE).await?;
    assert_eq!(versions(&cluster).await?, before);
    Ok(())
}
