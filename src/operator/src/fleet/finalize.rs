//! The end of a fleet, in order: collectors write what they have, then everything else goes, servers last of all.

use std::time::Duration;

use fleet_api::conditions::reasons;
use fleet_api::{DeletionPolicy, ResearchCollector};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::apps::v1::{Deployment, StatefulSet};
use k8s_openapi::api::batch::v1::{CronJob, Job};
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Pod, Secret};
use kube::ResourceExt as _;
use kube::api::{Api, DeleteParams, ListParams, Patch, PatchParams, PropagationPolicy};
use kube::core::ObjectList;
use kube::runtime::controller::Action;
use serde_json::json;

use super::build::credential_names;
use super::context::Context;
use super::dereference;
use super::error::Error;
use super::names::{Component, FINALIZER, MANAGED_BY, OPERATOR};
use super::reconcile::{tell, token};
use super::status::blocked;
use crate::fleet::apply::{Kind, delete};
use crate::keeper::chain;
use fleet_api::names::FLEET_LABEL;

/// Pods that end are looked at again so soon.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// A pod that has not ended so long after it had to is on a node that is lost.
const LOST: SignedDuration = SignedDuration::from_secs(30);
/// What a person has to mend first is looked at again so soon.
const LOOK_LATER: Duration = Duration::from_secs(15);

/// Sees to it that a fleet is not gone before its end was put in order.
pub(super) async fn hold(collector: &ResearchCollector, context: &Context) -> Result<(), Error> {
    if collector
        .finalizers()
        .iter()
        .any(|found| found == FINALIZER)
    {
        return Ok(());
    }
    let mut finalizers = collector.finalizers().to_vec();
    finalizers.push(FINALIZER.to_owned());
    write(collector, context, &finalizers).await
}

/// Of exactly the version that was seen: others have finalizers, too.
async fn write(
    collector: &ResearchCollector,
    context: &Context,
    finalizers: &[String],
) -> Result<(), Error> {
    let namespace = collector.namespace().unwrap_or_default();
    let api: Api<ResearchCollector> = Api::namespaced(context.client.clone(), &namespace);
    let patch = json!({"metadata": {
        "uid": collector.uid(),
        "resourceVersion": collector.resource_version(),
        "finalizers": finalizers,
    }});
    let name = collector.name_any();
    let params = PatchParams::default();
    match api
        .patch_metadata(&name, &params, &Patch::Merge(&patch))
        .await
    {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) if status.is_not_found() => Ok(()),
        Err(error) => Err(Error::kubernetes(
            "note that the fleet has to be put in order",
        )(error)),
    }
}

/// Goes as far as it can; each step may have been done before.
pub(super) async fn finalize(
    collector: &ResearchCollector,
    context: &Context,
) -> Result<Action, Error> {
    let (namespace, name) = (
        collector.namespace().unwrap_or_default(),
        collector.name_any(),
    );
    let uid = collector.uid().unwrap_or_default();
    context.servers.let_go(&uid).await;
    if !collector
        .finalizers()
        .iter()
        .any(|found| found == FINALIZER)
    {
        context.forget(&namespace, &name, &uid);
        context.metrics.forget(&namespace, &name);
        return Ok(Action::await_change());
    }
    let end = End {
        context,
        namespace: &namespace,
        name: &name,
        uid: &uid,
    };
    // Nothing new is begun, and collectors ship what they have while the database is still there.
    end.remove::<CronJob>(|_| true).await?;
    end.remove::<StatefulSet>(|set| Component::Collector.is_of(set))
        .await?;
    if end.collects().await? {
        deleting(collector, context, "collectors write what they have").await?;
        return Ok(Action::requeue(LOOK_AGAIN));
    }
    end.remove::<Job>(|_| true).await?;
    end.remove::<Deployment>(|_| true).await?;
    end.remove::<StatefulSet>(|_| true).await?;
    if let Err(why) = servers(collector, context, &namespace).await? {
        deleting(collector, context, &why).await?;
        return Ok(Action::requeue(LOOK_LATER));
    }
    if collector.spec.deletion_policy == DeletionPolicy::Delete {
        end.delete_data().await?;
    }
    let finalizers = collector.finalizers().iter().cloned();
    let finalizers: Vec<_> = finalizers.filter(|found| found != FINALIZER).collect();
    write(collector, context, &finalizers).await?;
    context.forget(&namespace, &name, &uid);
    context.metrics.forget(&namespace, &name);
    Ok(Action::await_change())
}

/// The fleet's servers go. Says why, if they cannot.
async fn servers(
    collector: &ResearchCollector,
    context: &Context,
    namespace: &str,
) -> Result<Result<(), String>, Error> {
    let infrastructure = collector.spec.infrastructure.as_ref();
    if infrastructure.is_none_or(|found| found.hetzner.token_secret_ref.is_none()) {
        // None, or those that `fleetctl` makes and deletes.
        return Ok(Ok(()));
    }
    let secrets = dereference::secrets(&context.client, namespace, collector).await?;
    let Some(token) = token(collector, &secrets) else {
        return Ok(Err(
            "its servers cannot be deleted: the Secret with the provider's token is gone. Make it again; or, if the \
             servers are gone, too, take the finalizer researchfleet.io/operator away"
                .to_owned(),
        ));
    };
    let volumes = collector.spec.deletion_policy == DeletionPolicy::Delete;
    let destroyed = context.servers.destroy(collector, &token, volumes).await;
    Ok(destroyed.map_err(|error| chain(&error)))
}

async fn deleting(
    collector: &ResearchCollector,
    context: &Context,
    message: &str,
) -> Result<(), Error> {
    let status = blocked(collector, reasons::DELETING, message, Timestamp::now());
    tell(context, collector, status).await
}

struct End<'e> {
    context: &'e Context,
    namespace: &'e str,
    name: &'e str,
    uid: &'e str,
}

impl End<'_> {
    /// Asked of the API server: at the end nothing may be overlooked.
    async fn list<K: Kind>(&self) -> Result<ObjectList<K>, Error> {
        let api: Api<K> = Api::namespaced(self.context.client.clone(), self.namespace);
        let labels = format!("{MANAGED_BY}={OPERATOR},{FLEET_LABEL}={}", self.name);
        let listed = api.list(&ListParams::default().labels(&labels)).await;
        listed.map_err(Error::kubernetes(format!("list {}", K::plural(&()))))
    }

    /// Deletes what belongs to the fleet.
    async fn remove<K: Kind>(&self, which: impl Fn(&K) -> bool) -> Result<(), Error> {
        for object in self.list::<K>().await? {
            let owners = object.meta().owner_references.iter().flatten();
            let is_ours = owners.into_iter().any(|owner| owner.uid == self.uid);
            if is_ours && which(&object) && object.meta().deletion_timestamp.is_none() {
                delete::<K>(&self.context.client, object.meta()).await?;
            }
        }
        Ok(())
    }

    /// Whether a collector still has something to write. One whose node is lost never says that it has ended: what it had
    /// not shipped is in its spool.
    async fn collects(&self) -> Result<bool, Error> {
        let now = Timestamp::now();
        let is_lost = |pod: &Pod| {
            // The time at which it had to be gone.
            let due = pod.metadata.deletion_timestamp.as_ref();
            due.is_some_and(|due| now.duration_since(due.0) > LOST)
        };
        let pods = self.list::<Pod>().await?;
        let mut pods = pods.iter();
        Ok(pods.any(|pod| Component::Collector.is_of(pod) && !is_lost(pod)))
    }

    /// Volumes, and the Secrets without which they are worth nothing.
    async fn delete_data(&self) -> Result<(), Error> {
        for claim in self.list::<PersistentVolumeClaim>().await? {
            if claim.metadata.deletion_timestamp.is_none() {
                delete::<PersistentVolumeClaim>(&self.context.client, &claim.metadata).await?;
            }
        }
        let api: Api<Secret> = Api::namespaced(self.context.client.clone(), self.namespace);
        let params = DeleteParams {
            propagation_policy: Some(PropagationPolicy::Background),
            ..DeleteParams::default()
        };
        for name in credential_names(self.name) {
            match api.delete(&name, &params).await {
                Ok(_) => {}
                Err(kube::Error::Api(status)) if status.is_not_found() => {}
                Err(error) => {
                    return Err(Error::kubernetes(format!("delete Secret/{name}"))(error));
                }
            }
        }
        Ok(())
    }
}
