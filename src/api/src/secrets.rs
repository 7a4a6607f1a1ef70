//! Which Secrets a spec names.

use std::collections::BTreeSet;

use crate::collector::{
    Canary, Database, ExternalDatabase, Privacy, ResearchCollectorSpec, SecretRef,
};
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
        } = self;
        let regions = regions.iter().map(|region| &region.credentials_secret_ref);
        let canary = canary.as_ref().map(
            |Canary {
                 credentials_secret_ref,
                 per_hour: _,
             }| credentials_secret_ref,
        );
        let database = database.as_ref().map(
            |Database {
                 external: ExternalDatabase { url_secret_ref },
             }| url_secret_ref,
        );
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
            .chain(hetzner);
        all.map(|SecretRef { name }| name.as_str()).collect()
    }
}
