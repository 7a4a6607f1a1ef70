//! The fleet of a spec in its Hetzner project, as all commands about servers see it.

pub(crate) mod progress;
pub(crate) mod table;

use fleet_api::Manifest;
use fleet_api::names::{HCLOUD_ENDPOINT, HCLOUD_TOKEN};
use fleet_collector::read_spec;
use fleet_hetzner::Client;
use fleet_operator::servers::{Catalogue, Found, Plan, Setup, Situation, Wanted, plan};
use jiff::Timestamp;
use secrecy::SecretString;

use crate::cli::cloud::FleetArgs;
use crate::failure::Failure;

/// A fleet, and the project that it is in.
#[derive(Debug)]
pub(crate) struct Cloud {
    pub(crate) manifest: Manifest,
    pub(crate) wanted: Wanted,
    pub(crate) client: Client,
}

impl Cloud {
    /// Reads the spec, and makes a client with its token or the environment's.
    pub(crate) fn open(arguments: &FleetArgs) -> Result<Self, Failure> {
        let FleetArgs { file, secrets } = arguments;
        let manifest = read_spec(file, secrets.secrets_dir.as_deref())?;
        let wanted = Wanted::of(&manifest.collector).map_err(|error| {
            let hint = "the name of the fleet becomes a label: letters, digits and dashes";
            Failure::bad_file(error, hint.to_owned())
        })?;
        let Some(wanted) = wanted else {
            return Err(Failure::bad_file(
                anyhow::anyhow!("{}: the spec names no servers", file.display()),
                "write `infrastructure: {hetzner: {}}` into the spec, or use --provider existing with --kubeconfig"
                    .to_owned(),
            ));
        };
        let client = client(&manifest)?;
        Ok(Self {
            manifest,
            wanted,
            client,
        })
    }

    /// What is there.
    pub(crate) async fn find(&self) -> Result<Found, Failure> {
        Ok(Found::find(&self.client, &self.wanted).await?)
    }

    /// What has to be done. Stock is asked for only where it matters.
    pub(crate) async fn plan(
        &self,
        found: &Found,
        setup: &Setup,
        rebuild_control_plane: bool,
    ) -> Result<Plan, Failure> {
        let digests = setup.digests(&self.wanted, found)?;
        let mut situation = Situation {
            wanted: &self.wanted,
            found,
            digests: &digests,
            catalogue: None,
            rebuild_control_plane,
            now: Timestamp::now(),
        };
        if let Ok(plan) = plan(situation) {
            return Ok(plan);
        }
        let catalogue = Catalogue::read(&self.client, &self.wanted.image).await?;
        situation.catalogue = Some(&catalogue);
        Ok(plan(situation).map_err(anyhow::Error::from)?)
    }
}

/// The client of the project that the spec's Secret or the environment names.
pub(crate) fn client(manifest: &Manifest) -> Result<Client, Failure> {
    let token = match manifest.hetzner_token()? {
        Some(token) => token,
        None => from_environment(HCLOUD_TOKEN).map(SecretString::from).ok_or_else(|| {
            Failure::bad_file(
                anyhow::anyhow!("there is no token for the Hetzner project"),
                format!(
                    "set {HCLOUD_TOKEN} to a token with read and write access (console, project, Security, API \
                     tokens), or name a Secret in spec.infrastructure.hetzner.tokenSecretRef"
                ),
            )
        })?,
    };
    let builder =
        Client::builder(token).user_agent(concat!("fleetctl/", env!("CARGO_PKG_VERSION")));
    let builder = match from_environment(HCLOUD_ENDPOINT) {
        Some(endpoint) => builder.endpoint(endpoint),
        None => builder,
    };
    Ok(builder.build()?)
}

/// An empty variable is one that is not set.
fn from_environment(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}
