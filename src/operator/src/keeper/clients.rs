//! One client for each token, so that fleets of the same project share what it may ask for in an hour.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use fleet_hetzner::{Answered, Client, ENDPOINT, Error};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};

use super::options::KeeperOptions;

const USER_AGENT: &str = concat!("fleet-operator/", env!("CARGO_PKG_VERSION"));
/// More tokens than this are those of long ago.
const TOKENS: usize = 256;

/// The clients, by the digest of the token.
pub(super) struct Clients {
    endpoint: String,
    answered: Option<Answered>,
    clients: Mutex<HashMap<[u8; 32], Client>>,
}

impl Clients {
    pub(super) fn new(options: &KeeperOptions) -> Self {
        let endpoint = options.endpoint.clone();
        Self {
            endpoint: endpoint.unwrap_or_else(|| ENDPOINT.to_owned()),
            answered: options.answered.clone(),
            clients: Mutex::default(),
        }
    }

    /// The client with this token.
    pub(super) fn of(&self, token: &SecretString) -> Result<Client, Error> {
        let key = Sha256::digest(token.expose_secret()).into();
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = clients.get(&key) {
            return Ok(client.clone());
        }
        let mut builder = Client::builder(token.clone())
            .endpoint(self.endpoint.clone())
            .user_agent(USER_AGENT);
        if let Some(answered) = self.answered.clone() {
            builder = builder.answered(answered);
        }
        let client = builder.build()?;
        if clients.len() >= TOKENS {
            clients.clear();
        }
        clients.insert(key, client.clone());
        Ok(client)
    }
}
