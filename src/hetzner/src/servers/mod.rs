//! Servers (section "Servers" and "Server Actions" of the reference).

mod requests;
mod types;

use secrecy::SecretString;

use crate::actions::Action;
use crate::api::{Api, Filter, managed, name_and_labels, readable};
use crate::decode::Envelope;
use crate::error::Error;
use crate::labels::LabelSelector;

pub use self::requests::{
    AttachToNetwork, ChangeType, CreatePublicNet, CreateServer, Rebuild, USER_DATA_MAX,
};
pub use self::types::{
    AppliedFirewall, FirewallStatus, Ipv4, Ipv6, PrivateNet, PublicNet, Server, ServerProtection,
    ServerStatus,
};

/// What servers are filtered by.
#[derive(Debug, Clone, Default)]
pub struct ServerFilter {
    /// The whole name.
    pub name: Option<String>,
    /// Requirements on labels.
    pub label_selector: Option<LabelSelector>,
    /// One of these; any, if there is none.
    pub status: Vec<ServerStatus>,
}

impl Filter for ServerFilter {
    fn parameters(&self) -> Vec<(&'static str, String)> {
        let mut parameters = name_and_labels(self.name.as_ref(), self.label_selector.as_ref());
        parameters.extend(
            self.status
                .iter()
                .map(|status| ("status", status.to_string())),
        );
        parameters
    }
}

readable!(Server, path: "servers", key: "server", filter: ServerFilter);
managed!(Server, from: CreateServer, kind: "server", has_actions: true);

/// An action, and a password that it made up.
#[derive(Debug)]
#[non_exhaustive]
pub struct Rebuilt {
    /// What to wait for.
    pub action: Action,
    /// The new password, if the server has no SSH key.
    pub root_password: Option<SecretString>,
}

impl Api<Server> {
    /// Writes the disk anew. Identifier, addresses, labels and type stay.
    pub async fn rebuild(&self, id: i64, rebuild: &Rebuild) -> Result<Rebuilt, Error> {
        let request = format!("POST /servers/{id}/actions/rebuild");
        let mut answer: Envelope = self
            .client
            .answer(Self::action(id, "rebuild").body(rebuild))
            .await?;
        let mut decode = || {
            let password: Option<String> = answer.take_optional("root_password")?;
            Ok(Rebuilt {
                action: answer.take("action")?,
                root_password: password.map(SecretString::from),
            })
        };
        decode().map_err(|source| Error::Decode { request, source })
    }

    /// Starts a server that is off.
    pub async fn power_on(&self, id: i64) -> Result<Action, Error> {
        self.act(Self::action(id, "poweron").repeatable()).await
    }

    /// Cuts the power.
    pub async fn power_off(&self, id: i64) -> Result<Action, Error> {
        self.act(Self::action(id, "poweroff").repeatable()).await
    }

    /// Asks the system to shut down. The action is done when it was asked, not when it is off.
    pub async fn shutdown(&self, id: i64) -> Result<Action, Error> {
        self.act(Self::action(id, "shutdown").repeatable()).await
    }

    /// Asks the system to boot again.
    pub async fn reboot(&self, id: i64) -> Result<Action, Error> {
        self.act(Self::action(id, "reboot")).await
    }

    /// Cuts the power and starts again.
    pub async fn reset(&self, id: i64) -> Result<Action, Error> {
        self.act(Self::action(id, "reset")).await
    }

    /// Makes it another type; it must be off. From then on it costs what the type costs today.
    pub async fn change_type(&self, id: i64, change: &ChangeType) -> Result<Action, Error> {
        self.act(Self::action(id, "change_type").body(change)).await
    }

    /// Protects it, or no longer does.
    pub async fn change_protection(
        &self,
        id: i64,
        protection: ServerProtection,
    ) -> Result<Action, Error> {
        self.act(
            Self::action(id, "change_protection")
                .body(&protection)
                .repeatable(),
        )
        .await
    }

    /// Puts it into a private network.
    pub async fn attach_to_network(
        &self,
        id: i64,
        attach: &AttachToNetwork,
    ) -> Result<Action, Error> {
        self.act(Self::action(id, "attach_to_network").body(attach))
            .await
    }

    /// Takes it out of a private network.
    pub async fn detach_from_network(&self, id: i64, network: i64) -> Result<Action, Error> {
        let body = serde_json::json!({ "network": network });
        self.act(Self::action(id, "detach_from_network").body(&body))
            .await
    }

    /// Puts it into a placement group; it must be off.
    pub async fn add_to_placement_group(&self, id: i64, group: i64) -> Result<Action, Error> {
        let body = serde_json::json!({ "placement_group": group });
        self.act(Self::action(id, "add_to_placement_group").body(&body))
            .await
    }

    /// Takes it out of its placement group.
    pub async fn remove_from_placement_group(&self, id: i64) -> Result<Action, Error> {
        self.act(Self::action(id, "remove_from_placement_group"))
            .await
    }
}
