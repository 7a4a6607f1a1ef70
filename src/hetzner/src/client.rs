//! The client: one a project, cheap to clone. All clones share connections, budget and poller.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use reqwest::Url;
use reqwest::header::HeaderValue;
use reqwest::redirect::Policy;
use secrecy::{ExposeSecret, SecretString};

use crate::actions::Actions;
use crate::api::Api;
use crate::budget::{Budget, Gate};
use crate::error::Error;
use crate::firewalls::Firewall;
use crate::images::Image;
use crate::locations::Location;
use crate::networks::Network;
use crate::placement_groups::PlacementGroup;
use crate::poller::Poller;
use crate::pricing::Pricing;
use crate::primary_ips::PrimaryIp;
use crate::request::Call;
use crate::server_types::ServerType;
use crate::servers::Server;
use crate::ssh_keys::SshKey;
use crate::volumes::Volume;

/// Where the API is.
pub const ENDPOINT: &str = "https://api.hetzner.cloud/v1";

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// For a request and its answer, without the waiting for the budget.
const TIMEOUT: Duration = Duration::from_secs(30);
const USER_AGENT: &str = concat!(env!("CARGO_PKG_NAME"), "/", env!("CARGO_PKG_VERSION"));

/// A client for the API, for the project that the token belongs to.
#[derive(Clone)]
pub struct Client {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) http: reqwest::Client,
    pub(crate) endpoint: Url,
    pub(crate) authorization: HeaderValue,
    pub(crate) gate: Gate,
    pub(crate) poller: Poller,
    pub(crate) answered: Option<Answered>,
}

/// Is told of each request whether it may change something, and the status of its answer, if there was one.
pub type Answered = Arc<dyn Fn(bool, Option<u16>) + Send + Sync>;

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("endpoint", &self.inner.endpoint.as_str())
            .field("budget", &self.budget())
            .finish_non_exhaustive()
    }
}

/// What a client is made of.
pub struct Builder {
    token: SecretString,
    endpoint: String,
    user_agent: String,
    timeout: Duration,
    answered: Option<Answered>,
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("endpoint", &self.endpoint)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

impl Builder {
    /// Another place than [`ENDPOINT`], for example a simulator; plain http is allowed.
    #[must_use]
    pub fn endpoint(mut self, url: impl Into<String>) -> Self {
        self.endpoint = url.into();
        self
    }

    /// Who asks, for example `fleetctl/0.1.0`.
    #[must_use]
    pub fn user_agent(mut self, user_agent: impl Into<String>) -> Self {
        self.user_agent = user_agent.into();
        self
    }

    /// How long a request may take until its answer is complete; 30 seconds by default.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Who is told of each request whether it may change something, and the HTTP status of its answer, if one came: for
    /// metrics.
    #[must_use]
    pub fn answered(mut self, told: Answered) -> Self {
        self.answered = Some(told);
        self
    }

    /// Makes the client. Nobody is asked yet.
    pub fn build(self) -> Result<Client, Error> {
        let Self {
            token,
            endpoint,
            user_agent,
            timeout,
            answered,
        } = self;
        // Without a provider of cryptography reqwest panics. Fails if there is one, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();

        let is_http = |url: &Url| matches!(url.scheme(), "http" | "https") && url.has_host();
        let Some(endpoint) = Url::parse(&endpoint).ok().filter(is_http) else {
            return Err(Error::Endpoint { endpoint });
        };
        let http = reqwest::Client::builder()
            .user_agent(user_agent)
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(timeout)
            // The API never redirects, and the token must not go anywhere else.
            .redirect(Policy::none())
            .build()
            .map_err(Error::Setup)?;
        let inner = Inner {
            http,
            endpoint,
            authorization: bearer(&token)?,
            gate: Gate::new(),
            poller: Poller::default(),
            answered,
        };
        Ok(Client {
            inner: Arc::new(inner),
        })
    }
}

fn bearer(token: &SecretString) -> Result<HeaderValue, Error> {
    let token = token.expose_secret();
    if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(Error::Token);
    }
    let mut value = HeaderValue::try_from(format!("Bearer {token}")).map_err(|_| Error::Token)?;
    value.set_sensitive(true);
    Ok(value)
}

impl Client {
    /// Begins to make a client with a project's API token.
    pub fn builder(token: SecretString) -> Builder {
        Builder {
            token,
            endpoint: ENDPOINT.to_owned(),
            user_agent: USER_AGENT.to_owned(),
            timeout: TIMEOUT,
            answered: None,
        }
    }

    /// What is left of the project's requests, as far as this client was told.
    pub fn budget(&self) -> Budget {
        self.inner.gate.budget()
    }

    /// Waiting for what the API is doing.
    pub fn actions(&self) -> Actions {
        Actions::new(self.clone())
    }

    /// Servers.
    pub fn servers(&self) -> Api<Server> {
        Api::new(self.clone())
    }

    /// SSH keys.
    pub fn ssh_keys(&self) -> Api<SshKey> {
        Api::new(self.clone())
    }

    /// Firewalls.
    pub fn firewalls(&self) -> Api<Firewall> {
        Api::new(self.clone())
    }

    /// Private networks.
    pub fn networks(&self) -> Api<Network> {
        Api::new(self.clone())
    }

    /// Volumes.
    pub fn volumes(&self) -> Api<Volume> {
        Api::new(self.clone())
    }

    /// Primary IPs.
    pub fn primary_ips(&self) -> Api<PrimaryIp> {
        Api::new(self.clone())
    }

    /// Placement groups.
    pub fn placement_groups(&self) -> Api<PlacementGroup> {
        Api::new(self.clone())
    }

    /// Locations; they can only be read.
    pub fn locations(&self) -> Api<Location> {
        Api::new(self.clone())
    }

    /// Server types; they can only be read.
    pub fn server_types(&self) -> Api<ServerType> {
        Api::new(self.clone())
    }

    /// Images.
    pub fn images(&self) -> Api<Image> {
        Api::new(self.clone())
    }

    /// All prices, in the currency of the project.
    pub async fn pricing(&self) -> Result<Pricing, Error> {
        self.one(Call::get("pricing"), "pricing").await
    }
}
