//! One look at a fleet: five steps.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use fleet_api::conditions::{READY, reasons};
use fleet_api::names::TOKEN;
use fleet_api::{ResearchCollector, ResearchCollectorStatus};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::api::{Api, Patch, PatchParams};
use kube::runtime::controller::Action;
use kube::{Resource as _, ResourceExt};
use secrecy::SecretString;
use serde_json::json;
use tokio::time::Instant;

use super::apply::{Apply, Wanted, delete};
use super::build::{Credentials, Objects, build};
use super::context::Context;
use super::dereference::{self, Made};
use super::error::{Error, pause};
use super::events::publish;
use super::finalize::{self, hold};
use super::found::{Found, JobState, job_state};
use super::names::{Component, OPERATOR};
use super::rollout::{Progress, Rolled, Rules, roll};
use super::servers::Answer;
use super::status::{Looked, blocked, status};
use super::valid::{Around, Fleet, Secrets};
use crate::keeper::chain;

/// How soon a Secret that is missing is looked for again: it cannot be watched without a right to read all.
const LOOK_FOR_SECRET: Duration = Duration::from_secs(10);
/// How soon is looked again while something moves on its own.
const MOVING: Duration = Duration::from_secs(20);
/// How long after a migration has failed it is tried again.
const MIGRATE_AGAIN: SignedDuration = SignedDuration::from_mins(5);

/// Looks at a fleet, and counts how it went.
pub(super) async fn reconcile(
    collector: Arc<ResearchCollector>,
    context: Arc<Context>,
) -> Result<Action, Error> {
    let begun = Instant::now();
    let result = if collector.metadata.deletion_timestamp.is_some() {
        finalize::finalize(&collector, &context).await
    } else {
        look(&collector, &context).await
    };
    context.metrics.reconciled(begun.elapsed());
    if result.is_ok() {
        context.succeeded(&collector.uid().unwrap_or_default());
    }
    result
}

/// What happens after a failure: the next try comes later each time.
#[expect(
    clippy::needless_pass_by_value,
    reason = "the controller passes what it holds"
)]
pub(super) fn retry(
    collector: Arc<ResearchCollector>,
    error: &Error,
    context: Arc<Context>,
) -> Action {
    let failures = context.failed(&collector.uid().unwrap_or_default());
    context.metrics.failed(error.reason());
    let pause = pause(failures);
    tracing::warn!(
        namespace = collector.namespace(),
        fleet = collector.name_any(),
        again_in_ms = pause.as_millis(),
        "{}",
        chain(error)
    );
    Action::requeue(pause)
}

async fn look(collector: &Arc<ResearchCollector>, context: &Context) -> Result<Action, Error> {
    let namespace = collector.namespace().unwrap_or_default();
    hold(collector, context).await?;

    // Dereference.
    let secrets = dereference::secrets(&context.client, &namespace, collector).await?;
    let mut found = context.stores.found(&namespace, &collector.name_any());
    let others = context.fleets.state();

    // Validate.
    let around = Around {
        secrets: &secrets,
        others: &others,
        image: &context.settings.image,
    };
    let fleet = match Fleet::validate(collector, around) {
        Ok(fleet) => fleet,
        Err(invalid) => {
            let reason = invalid.reason();
            let status = blocked(collector, reason, &invalid.to_string(), now());
            tell(context, collector, status).await?;
            return Ok(Action::requeue(LOOK_FOR_SECRET));
        }
    };
    let servers = keep_servers(context, collector, &secrets);
    let (credentials, gone) = match dereference::credentials(context, &fleet).await? {
        Made::There(credentials) => (Some(credentials), Vec::new()),
        Made::Gone(names) => (None, names),
    };

    // Build.
    let built = built(&fleet, credentials.as_ref(), &found);

    // Apply.
    let refused = if gone.is_empty() {
        apply(context, &fleet, &mut found, built.objects).await?
    } else {
        None
    };

    // Status.
    let rates = fleet.regions().iter().map(|region| {
        let rate = context.rates.of(&namespace, &fleet.name, &region.name);
        (region.name.clone(), rate)
    });
    let rates: BTreeMap<_, _> = rates.collect();
    let new = status(
        &fleet,
        &Looked {
            found: &found,
            progress: &built.progress,
            servers: &servers,
            migration: built.migration.as_deref(),
            rates: &rates,
            refused: refused.as_deref(),
            gone: &gone,
            now: now(),
        },
    );
    let is_ready = condition(&new, READY).is_some_and(|ready| ready.status == "True");
    count(context, &fleet, &servers);
    tell(context, collector, new).await?;
    let again = if is_ready {
        context.settings.resync
    } else {
        MOVING.min(context.settings.resync)
    };
    Ok(Action::requeue(
        again.mul_f64(0.9 + rand::random::<f64>() / 5.0),
    ))
}

/// What is to be written now.
struct Built {
    objects: Objects,
    progress: Progress,
    migration: Option<String>,
}

/// All objects, with the collectors that may change now, and the migration when the database is there. Pure but for the
/// time.
fn built(fleet: &Fleet, credentials: Option<&Credentials>, found: &Found) -> Built {
    let mut objects = build(fleet, credentials);
    let migration = objects.jobs.first().map(ResourceExt::name_any);
    let database = objects.databases.first().map(ResourceExt::name_any);
    if database.is_some_and(|name: String| !found.database_ready(&name))
        && migration.as_ref().map(|name| found.job(name)) == Some(JobState::Missing)
    {
        // It would only wait, and give up.
        objects.jobs.clear();
    }
    let migrated = match &migration {
        Some(name) => found.job(name) == JobState::Complete,
        None => true,
    };
    let live = found
        .stateful_sets
        .iter()
        .map(|(name, set)| (name.clone(), &**set));
    let updates = fleet.updates();
    let rules = Rules {
        rollout: updates.collectors,
        deadline: SignedDuration::from_mins(updates.deadline_minutes.into()),
        migrated,
        now: now(),
    };
    let Rolled {
        collectors,
        progress,
    } = roll(objects.collectors, &live.collect(), rules);
    objects.collectors = collectors;
    Built {
        objects,
        progress,
        migration,
    }
}

/// Writes, then deletes what is no longer wanted. What the cluster refuses is answered, for people.
async fn apply(
    context: &Context,
    fleet: &Fleet,
    found: &mut Found,
    objects: Objects,
) -> Result<Option<String>, Error> {
    let writer = Apply {
        client: &context.client,
        stores: &context.stores,
        written: &context.written,
        fleet,
    };
    let mut wanted = Wanted::of(&objects);
    // Those that wait for the migration are there still.
    wanted.keep_collectors(fleet);
    let (answers, written) = writer.run(objects).await;
    found.update(answers);
    let written = match written {
        Ok(()) => None,
        Err(error) => match error.refusal() {
            Some(refused) => {
                context.metrics.failed(error.reason());
                Some(refused)
            }
            None => return Err(error),
        },
    };
    if written.is_none() {
        writer.prune(&wanted).await?;
        retry_migration(context, found).await?;
    }
    Ok(written)
}

/// A migration that was given up is tried again after a while.
async fn retry_migration(context: &Context, found: &Found) -> Result<(), Error> {
    let jobs = found.jobs.values();
    for job in jobs.filter(|job| Component::Migration.is_of(&***job)) {
        let JobState::Failed { at: Some(at), .. } = job_state(job) else {
            continue;
        };
        if now().duration_since(at) > MIGRATE_AGAIN {
            delete::<Job>(&context.client, &job.metadata).await?;
        }
    }
    Ok(())
}

fn keep_servers(
    context: &Context,
    collector: &Arc<ResearchCollector>,
    secrets: &Secrets,
) -> Answer {
    let token = token(collector, secrets)?;
    context.servers.keep(collector, token)
}

/// The token of the provider's project, if the fleet has servers.
pub(super) fn token(collector: &ResearchCollector, secrets: &Secrets) -> Option<SecretString> {
    let hetzner = &collector.spec.infrastructure.as_ref()?.hetzner;
    let reference = hetzner.token_secret_ref.as_ref()?;
    secrets.get(&reference.name)?.values.get(TOKEN).cloned()
}

fn count(context: &Context, fleet: &Fleet, servers: &Answer) {
    let Some(Ok(kept)) = servers else { return };
    let there = kept
        .servers
        .values()
        .filter(|server| server.status.is_some());
    let cents = kept.monthly.map(|money| i64::try_from(money.cents()));
    let cents = cents.and_then(Result::ok).unwrap_or_default();
    let (namespace, name) = (&fleet.namespace, &fleet.name);
    context
        .metrics
        .servers(namespace, name, there.count(), cents);
}

/// Writes the status if it says something new, and an event when Ready changes.
pub(super) async fn tell(
    context: &Context,
    collector: &ResearchCollector,
    new: ResearchCollectorStatus,
) -> Result<(), Error> {
    let before = collector.status.clone().unwrap_or_default();
    let uid = collector.uid().unwrap_or_default();
    // What is watched may be older than what was told after it.
    if before == new && context.told.agrees(&uid, &new) {
        context.told.keep(&uid, new);
        return Ok(());
    }
    let namespace = collector.namespace().unwrap_or_default();
    let name = collector.name_any();
    let api: Api<ResearchCollector> = Api::namespaced(context.client.clone(), &namespace);
    let patch = json!({
        "apiVersion": ResearchCollector::api_version(&()),
        "kind": ResearchCollector::kind(&()),
        "metadata": {"name": name, "uid": collector.uid()},
        "status": new,
    });
    let params = PatchParams::apply(OPERATOR).force();
    let written = api
        .patch_status(&name, &params, &Patch::Apply(&patch))
        .await;
    match written {
        Ok(_) => context.told.keep(&uid, new.clone()),
        // It was deleted meanwhile, and the uid is another one's by now.
        Err(kube::Error::Api(status)) if status.is_not_found() || status.is_conflict() => {
            return Ok(());
        }
        Err(error) => return Err(Error::kubernetes("tell how the fleet is")(error)),
    }
    tell_change(context, collector, &before, &new).await;
    Ok(())
}

/// An event for each change of what is the matter.
async fn tell_change(
    context: &Context,
    collector: &ResearchCollector,
    before: &ResearchCollectorStatus,
    new: &ResearchCollectorStatus,
) {
    let Some(ready) = condition(new, READY) else {
        return;
    };
    let before = condition(before, READY);
    if before.is_some_and(|was| (&was.status, &was.reason) == (&ready.status, &ready.reason)) {
        return;
    }
    let is_ready = ready.status == "True";
    let warning = !is_ready && ready.reason != reasons::IN_PROGRESS;
    let reason = if is_ready { READY } else { &ready.reason };
    let recorder = &context.recorder;
    publish(
        recorder,
        collector,
        "Reconcile",
        warning,
        reason,
        &ready.message,
    )
    .await;
}

fn condition<'s>(status: &'s ResearchCollectorStatus, kind: &str) -> Option<&'s Condition> {
    let mut conditions = status.conditions.iter();
    conditions.find(|condition| condition.type_ == kind)
}

fn now() -> Timestamp {
    Timestamp::now()
}
