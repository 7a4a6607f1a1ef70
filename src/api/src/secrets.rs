//! Which Secrets a spec names.

use std::collections::BTreeSet;

use crate::archive::{Archive, ArchiveDestination};
use crate::collector::{Canary, Privacy, ResearchCollectorSpec, SecretRef};
use crate::database::{Database, ExternalDatabase};
use crate::infrastructure::{Hetzner, Infrastructure};

impl ResearchCollectorSpec {
    /// The names of all Secrets that the spec refers to.
    pub fn secrets(&self) -> BTreeSet<&str> {
        let Self {
            network: _,
            soulseek: _,
            regions,
            privacy:
                Privacy {
                    username: _,
                    key_secret_ref,
                },
            canary,
            database,
            infrastructure,
            archive,
            reports: _,
            update_policy: _,
            deletion_policy: _,
            suspend: _,
            image: _,
        } = self;
        let regions = regions.iter().map(|region| &region.credentials_secret_ref);
        let canary = canary.as_ref().map(
            |Canary {
                 credentials_secret_ref,
                 per_hour: _,
             }| credentials_secret_ref,
        );
        let database = database
            .as_ref()
            .and_then(
                |Database {
                     external,
                     managed: _,
                 }| external.as_ref(),
            )
            .map(|ExternalDatabase { url_secret_ref }| url_secret_ref);
        let bucket = archive.as_ref().and_then(|Archive { destination, .. }| {
            let ArchiveDestination { volume: _, s3 } = destination;
            s3.as_ref().map(|bucket| &bucket.credentials_secret_ref)
        });
        let hetzner = infrastructure
            .as_ref()
            .and_then(|Infrastructure { hetzner }| {
                let Hetzner {
                    token_secret_ref, ..
                } = hetzner;
                token_secret_ref.as_ref()
            });
        let all = regions
            .chain(key_secret_ref)
            .chain(canary)
            .chain(database)
            .chain(hetzner)
            .chain(bucket);
        all.map(|SecretRef { name }| name.as_str()).collect()
    }
}
