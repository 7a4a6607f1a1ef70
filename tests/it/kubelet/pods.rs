//! Where pods go, and what becomes of them there.

use anyhow::{Context, Result};
use fleet_tests::kubelet::Play;
use k8s_openapi::api::{apps::v1::StatefulSet, batch::v1::Job, core::v1::Pod};
use kube::{
    Api,
    api::{DeleteParams, PostParams},
};
use serde_json::json;

use super::{Stage, container};
use crate::kube::eventually;

#[tokio::test]
async fn a_pod_runs_where_its_node_is_and_as_it_is_told() -> Result<()> {
    let stage = Stage::new("kubelet-places").await?;
    let pod = json!({"nodeSelector": {"place": "far"}, "containers": [container()]});
    stage.create_set("set", pod).await?;
    stage
        .kubelets
        .add_node("near", &[("place", "near")])
        .await?;
    let refused = eventually("a reason", async || {
        let pod = stage.api::<Pod>().get_opt("set-0").await?;
        let conditions = pod.and_then(|pod| pod.status?.conditions);
        let messages = conditions.into_iter().flatten();
        let mut messages = messages.filter_map(|condition| condition.message);
        Ok(messages.find(|message| message.contains("affinity/selector")))
    })
    .await?;
    assert_eq!(
        refused,
        "0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector."
    );
    assert_eq!(stage.ready_pods("set").await?, 0);

    stage.kubelets.add_node("far", &[("place", "far")]).await?;
    stage.pod_is("set-0", "Ready", "True").await?;
    let pod = stage.api::<Pod>().get("set-0").await?;
    let spec = pod.spec.context("no spec")?;
    assert_eq!(spec.node_name.as_deref(), Some("far"));
    let status = pod.status.context("no status")?;
    assert_eq!(status.phase.as_deref(), Some("Running"));
    assert_eq!(status.pod_ip.as_deref(), Some("127.0.0.1"));
    let containers = status.container_statuses.context("no containers")?;
    assert_eq!(containers[0].image, "example.org/main:1");
    eventually("a ready StatefulSet", async || {
        Ok((stage.ready_pods("set").await? == 1).then_some(()))
    })
    .await?;

    stage.kubelets.play("set-", Play::CrashLoop);
    stage.pod_is("set-0", "Ready", "False").await?;
    let pod = stage.api::<Pod>().get("set-0").await?;
    let containers = pod.status.and_then(|status| status.container_statuses);
    let containers = containers.context("no containers")?;
    let waiting = containers[0].state.clone().and_then(|state| state.waiting);
    let reason = waiting.and_then(|waiting| waiting.reason);
    assert_eq!(reason.as_deref(), Some("CrashLoopBackOff"));

    stage.kubelets.set_pod_ip("set-0", "10.9.8.7".parse()?);
    stage.kubelets.play("set-0", Play::Ready);
    stage.pod_is("set-0", "Ready", "True").await?;
    let pod = stage.api::<Pod>().get("set-0").await?;
    let ips = pod.status.and_then(|status| status.pod_ips);
    let ips: Vec<_> = ips.into_iter().flatten().map(|ip| ip.ip).collect();
    assert_eq!(ips, ["10.9.8.7"]);
    Ok(())
}

#[tokio::test]
async fn two_pods_cannot_have_one_port_of_a_node_and_the_second_waits_for_the_first() -> Result<()>
{
    let stage = Stage::new("kubelet-ports").await?;
    stage.kubelets.add_node("ports", &[]).await?;
    let mut container = container();
    container["ports"] = json!([{"containerPort": 2234, "hostPort": 2234}]);
    let pod = json!({"containers": [container], "terminationGracePeriodSeconds": 5});
    stage.create_set("first", pod.clone()).await?;
    stage.pod_is("first-0", "Ready", "True").await?;
    stage.create_set("second", pod).await?;
    let refused = stage.pod_is("second-0", "PodScheduled", "False").await?;
    assert_eq!(refused.reason.as_deref(), Some("Unschedulable"));
    let message = refused.message.context("no message")?;
    assert!(message.contains("free ports"), "{message}");

    let params = DeleteParams::default();
    stage.api::<StatefulSet>().delete("first", &params).await?;
    stage.pod_is("second-0", "Ready", "True").await?;
    Ok(())
}

#[tokio::test]
async fn pods_that_repel_each_other_are_on_different_nodes() -> Result<()> {
    let stage = Stage::new("kubelet-apart").await?;
    stage.kubelets.add_node("apart-1", &[]).await?;
    let pod = json!({
        "containers": [container()],
        "affinity": {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [{
            "topologyKey": "kubernetes.io/hostname",
            "labelSelector": {"matchExpressions": [
                {"key": "app", "operator": "In", "values": ["one", "two"]},
            ]},
        }]}},
    });
    stage.create_set("one", pod.clone()).await?;
    stage.pod_is("one-0", "Ready", "True").await?;
    stage.create_set("two", pod).await?;
    let refused = stage.pod_is("two-0", "PodScheduled", "False").await?;
    let message = refused.message.context("no message")?;
    assert!(message.contains("anti-affinity"), "{message}");
    stage.kubelets.add_node("apart-2", &[]).await?;
    stage.pod_is("two-0", "Ready", "True").await?;
    Ok(())
}

#[tokio::test]
async fn a_job_completes_and_one_that_fails_fails() -> Result<()> {
    let stage = Stage::alone("kubelet-jobs").await?;
    stage.kubelets.add_node("jobs", &[]).await?;
    stage.kubelets.play("bad-", Play::Fail);
    let jobs: Api<Job> = stage.api();
    for name in ["good", "bad"] {
        let job = serde_json::from_value(json!({
            "metadata": {"name": name},
            "spec": {
                "backoffLimit": 0,
                "template": {"spec": {"restartPolicy": "Never", "containers": [container()]}},
            },
        }))?;
        jobs.create(&PostParams::default(), &job).await?;
    }
    for (name, end) in [("good", "Complete"), ("bad", "Failed")] {
        eventually(&format!("{name} {end}"), async || {
            let conditions = jobs.get(name).await?.status.and_then(|all| all.conditions);
            let mut conditions = conditions.into_iter().flatten();
            Ok(conditions.find(|found| found.type_ == end && found.status == "True"))
        })
        .await?;
    }
    Ok(())
}
