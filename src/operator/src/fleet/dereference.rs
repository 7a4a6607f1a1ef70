//! The first step: everything that a spec refers to is read. Secrets are read one by one, because whoever may list them
//! may read all.

use std::collections::BTreeMap;

use fleet_api::ResearchCollector;
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Secret};
use kube::api::{Api, PostParams};
use kube::{Client, ResourceExt as _};
use secrecy::SecretString;

use super::build::{Credentials, Generated, generated};
use super::context::Context;
use super::error::Error;
use super::valid::{Fleet, FoundSecret, Secrets};

/// The Secrets that a spec names, as far as they are there.
pub(super) async fn secrets(
    client: &Client,
    namespace: &str,
    collector: &ResearchCollector,
) -> Result<Secrets, Error> {
    let api: Api<Secret> = Api::namespaced(client.clone(), namespace);
    let mut found = Secrets::new();
    for name in collector.spec.secrets() {
        let secret = get(&api, name).await?;
        found.extend(secret.map(|secret| (name.to_owned(), read(secret))));
    }
    Ok(found)
}

fn read(secret: Secret) -> FoundSecret {
    let meta = &secret.metadata;
    let version = format!(
        "{}/{}",
        meta.uid.clone().unwrap_or_default(),
        meta.resource_version.clone().unwrap_or_default()
    );
    FoundSecret {
        version,
        values: values(secret),
    }
}

fn values(secret: Secret) -> BTreeMap<String, SecretString> {
    let data = secret.data.unwrap_or_default().into_iter();
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    data.map(|(key, bytes)| (key, text(bytes.0).into()))
        .collect()
}

/// What became of the Secrets that the operator makes.
#[derive(Debug)]
pub(super) enum Made {
    /// They are there.
    There(Credentials),
    /// Some are gone, and data that was made with them is there.
    Gone(Vec<String>),
}

/// Makes the Secrets of a fleet where they are not there. They are never made again once there is data: a new password
/// opens no old database, and a new key makes other pseudonyms.
pub(super) async fn credentials(context: &Context, fleet: &Fleet) -> Result<Made, Error> {
    if let Some(known) = context.known_credentials(&fleet.owner.uid) {
        return Ok(Made::There(known));
    }
    let api: Api<Secret> = Api::namespaced(context.client.clone(), &fleet.namespace);
    let mut credentials = Credentials::default();
    let mut missing = Vec::new();
    for Generated { secret, volume } in generated(fleet)? {
        let name = secret.name_any();
        match get(&api, &name).await? {
            Some(there) => credentials.note(&fleet.name, &name, values(there)),
            None => missing.push((secret, volume)),
        }
    }
    let mut gone = Vec::new();
    for (secret, volume) in &missing {
        if is_there(context, fleet, volume).await? {
            gone.push(secret.name_any());
        }
    }
    if !gone.is_empty() {
        return Ok(Made::Gone(gone));
    }
    for (secret, _) in missing {
        let name = secret.name_any();
        let there = match api.create(&PostParams::default(), &secret).await {
            Ok(made) => made,
            // A process before this one has made it, and not come to say so.
            Err(kube::Error::Api(status)) if status.is_already_exists() => {
                get(&api, &name).await?.unwrap_or(secret)
            }
            Err(error) => return Err(Error::kubernetes(format!("make Secret/{name}"))(error)),
        };
        credentials.note(&fleet.name, &name, values(there));
    }
    context.know_credentials(&fleet.owner.uid, credentials.clone());
    Ok(Made::There(credentials))
}

async fn get(api: &Api<Secret>, name: &str) -> Result<Option<Secret>, Error> {
    let secret = api.get_opt(name).await;
    secret.map_err(Error::kubernetes(format!("read Secret/{name}")))
}

/// Whether there is a volume. Asked of the API server, not of what was seen.
async fn is_there(context: &Context, fleet: &Fleet, volume: &str) -> Result<bool, Error> {
    let api: Api<PersistentVolumeClaim> = Api::namespaced(context.client.clone(), &fleet.namespace);
    let claim = api.get_metadata_opt(volume).await;
    let claim = claim.map_err(Error::kubernetes(format!("read the volume {volume}")))?;
    Ok(claim.is_some())
}
