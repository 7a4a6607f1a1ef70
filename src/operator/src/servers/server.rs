//! What happens to one server: made from the first offer that can be had, rebuilt, rescaled, labelled.

use std::net::Ipv4Addr;
use std::time::Duration;

use fleet_api::names::{REBUILT_LABEL, USER_DATA_LABEL};
use fleet_hetzner::{
    Action, AttachToNetwork, ChangeType, CreatePublicNet, CreateServer, Error, ErrorCode, Rebuild,
    Server, ServerStatus, Update,
};
use jiff::Timestamp;
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use super::belongings::Belongings;
use super::change::{Change, Kind, ServerStep};
use super::compare::reaches;
use super::delete::delete;
use super::execute::Execution;
use super::found::is_ours;
use super::keys;
use super::make::Made;
use super::offers::Offer;
use super::progress::State;
use super::setup::{Base, SetupError};
use super::step_error::StepError;
use super::wanted::{Role, WantedServer};

/// How long a server may take to be made or rebuilt. From a system image it is ten seconds, from a snapshot minutes.
const DEADLINE: Duration = Duration::from_mins(10);
/// How long a server has to shut down by itself.
const SHUTDOWN: Duration = Duration::from_mins(1);
const LOOK_AGAIN: Duration = Duration::from_secs(2);

/// The work on one server.
#[derive(Debug)]
pub(super) struct ServerWork<'w> {
    pub(super) execution: &'w Execution<'w>,
    pub(super) made: &'w Made,
    pub(super) change: &'w Change,
    pub(super) server: &'w WantedServer,
    pub(super) id: Option<i64>,
    pub(super) steps: &'w [ServerStep],
    /// The control plane, as soon as it is known.
    pub(super) base: watch::Receiver<Option<Base>>,
    /// Where the control plane's own work tells it.
    pub(super) tell: Option<watch::Sender<Option<Base>>>,
}

impl ServerWork<'_> {
    /// Does all steps. Answers with the address, if it is a new one.
    pub(super) async fn run(mut self) -> Result<Option<Ipv4Addr>, StepError> {
        let mut address = None;
        for step in self.steps {
            match step {
                ServerStep::Create { offers, group } => {
                    let server = self.create(offers, group.as_deref()).await?;
                    address = server.ipv4();
                    self.id = Some(server.id);
                }
                ServerStep::Delete => {
                    if let Some(id) = self.id.take() {
                        delete(self.execution.client, Kind::Server, id).await?;
                    }
                }
                other => {
                    let Some(id) = self.id else { continue };
                    self.change_existing(id, other).await?;
                }
            }
        }
        Ok(address)
    }

    async fn change_existing(&mut self, id: i64, step: &ServerStep) -> Result<(), StepError> {
        let servers = self.execution.client.servers();
        match step {
            ServerStep::Rescale { server_type } => self.rescale(id, server_type).await,
            ServerStep::Rebuild { image } => self.rebuild(id, *image).await,
            ServerStep::Relabel => self.relabel(id, []).await,
            ServerStep::PowerOn => {
                let action = servers.power_on(id).await?;
                self.wait(&[action]).await
            }
            ServerStep::Attach => {
                let fleet = &self.execution.wanted.fleet;
                let network = self
                    .made
                    .networks
                    .iter()
                    .find(|network| network.name == *fleet);
                let network = network.ok_or_else(|| needs("network", fleet))?;
                let action = servers
                    .attach_to_network(
                        id,
                        &AttachToNetwork {
                            network: network.id,
                            ..AttachToNetwork::default()
                        },
                    )
                    .await?;
                self.wait(&[action]).await
            }
            ServerStep::Detach { network } => {
                let action = servers.detach_from_network(id, *network).await?;
                self.wait(&[action]).await
            }
            ServerStep::Create { .. } | ServerStep::Delete => Ok(()),
        }
    }

    /// Goes through the offers until one can be had. Without its group a server is better than none.
    async fn create(&mut self, offers: &[Offer], group: Option<&str>) -> Result<Server, StepError> {
        let mut last = None;
        for offer in offers {
            match self.create_from(offer, group).await {
                Err(StepError::Api(error)) if error.is_out_of_stock() => {
                    let why = format!("{} in {}: {error}", offer.server_type, offer.location);
                    self.tell(State::Note(why));
                    last = Some(error);
                }
                other => return other,
            }
        }
        let no_place = |error: &Error| error.code() == Some(&ErrorCode::PlacementError);
        if let (Some(name), Some(offer)) = (group, offers.first())
            && last.as_ref().is_some_and(no_place)
        {
            self.tell(State::Note(format!(
                "there is no machine left for it in the group {name}: it is made without"
            )));
            return self.create_from(offer, None).await;
        }
        Err(StepError::SoldOut {
            tried: offers.len(),
            last: last.map_or_else(String::new, |error| error.to_string()),
        })
    }

    async fn create_from(
        &mut self,
        offer: &Offer,
        group: Option<&str>,
    ) -> Result<Server, StepError> {
        let Execution {
            client,
            wanted,
            setup,
            ..
        } = *self.execution;
        let belongings = self.belongings(&offer.location).await?;
        let base = self.base(&belongings).await?;
        let told = setup.user_data(wanted, self.server, base.as_ref()).await?;
        let group = match group {
            None => None,
            Some(name) => {
                let made = self
                    .made
                    .placement_groups
                    .iter()
                    .find(|made| made.name == name);
                Some(made.ok_or_else(|| needs("placement group", name))?.id)
            }
        };
        let mut labels = self.server.labels(&wanted.fleet);
        labels.insert(USER_DATA_LABEL.to_owned(), told.digest);
        let create = CreateServer {
            name: self.server.name.clone(),
            server_type: offer.server_type.clone().into(),
            image: offer.image.into(),
            location: Some(offer.location.clone().into()),
            ssh_keys: keys::ids(wanted, &self.made.ssh_keys)
                .into_iter()
                .map(Into::into)
                .collect(),
            user_data: Some(told.text),
            labels,
            placement_group: group,
            networks: self.networks(&offer.zone),
            volumes: belongings.volume.iter().map(|volume| volume.id).collect(),
            public_net: belongings.address.as_ref().map(|ip| CreatePublicNet {
                ipv4: Some(ip.id),
                ..CreatePublicNet::default()
            }),
            ..CreateServer::default()
        };
        let ours = |server: &Server| is_ours(&server.labels, &wanted.fleet);
        let ensured = match client.servers().ensure_absent(&create, ours).await {
            Err(error) if error.is_out_of_stock() => {
                self.let_go(belongings).await?;
                return Err(error.into());
            }
            other => other?,
        };
        if let (Some(tell), Some(address)) = (&self.tell, ensured.resource.ipv4()) {
            let data_device = base.and_then(|base| base.data_device);
            tell.send_replace(Some(Base {
                address,
                data_device,
            }));
        }
        self.wait(&ensured.actions).await?;
        Ok(ensured.resource)
    }

    /// What this server has to know of the control plane. Servers that join wait for it.
    async fn base(&mut self, belongings: &Belongings) -> Result<Option<Base>, StepError> {
        if let Some(ip) = &belongings.address {
            let data_device = belongings
                .volume
                .as_ref()
                .map(|volume| volume.linux_device.clone());
            return Ok(ip.ip.parse().ok().map(|address| Base {
                address,
                data_device,
            }));
        }
        if !self.execution.setup.joins(self.server) {
            return Ok(None);
        }
        let known = self.base.wait_for(Option::is_some).await;
        match known {
            Ok(base) => Ok(base.clone()),
            Err(_closed) => Err(SetupError::NoControlPlane.into()),
        }
    }

    /// The private network, if it reaches the zone.
    fn networks(&self, zone: &str) -> Vec<i64> {
        let wanted = self.execution.wanted;
        let own = self.made.networks.iter().filter(|network| {
            wanted.network.is_some() && network.name == wanted.fleet && reaches(network, zone)
        });
        own.map(|network| network.id).collect()
    }

    /// Writes the disk anew. The label that says what the server was told comes after: if this is cut off in between,
    /// the next run does it once more.
    async fn rebuild(&mut self, id: i64, image: i64) -> Result<(), StepError> {
        let Execution {
            client,
            wanted,
            setup,
            ..
        } = *self.execution;
        let base = if self.server.role == Role::ControlPlane {
            self.base_of_existing(id).await?
        } else {
            self.base(&Belongings::default()).await?
        };
        let told = setup.user_data(wanted, self.server, base.as_ref()).await?;
        if let (Some(tell), Some(base)) = (&self.tell, base) {
            tell.send_replace(Some(base));
        }
        let rebuild = Rebuild {
            image: image.into(),
            user_data: Some(told.text),
        };
        let begun = Timestamp::now().as_second();
        let rebuilt = client.servers().rebuild(id, &rebuild).await?;
        self.wait(&[rebuilt.action]).await?;
        let labels = [
            (USER_DATA_LABEL, told.digest),
            (REBUILT_LABEL, begun.to_string()),
        ];
        self.relabel(id, labels).await
    }

    /// The server is off meanwhile. Its disk keeps its size, so that the way back is open.
    async fn rescale(&self, id: i64, server_type: &str) -> Result<(), StepError> {
        let servers = self.execution.client.servers();
        self.shut_down(id).await?;
        let action = servers
            .change_type(
                id,
                &ChangeType {
                    server_type: server_type.into(),
                    upgrade_disk: false,
                },
            )
            .await?;
        self.wait(&[action]).await?;
        let action = servers.power_on(id).await?;
        self.wait(&[action]).await
    }

    /// The action of a shutdown succeeds when the signal was sent; whether the server heeds it is another question.
    async fn shut_down(&self, id: i64) -> Result<(), StepError> {
        let servers = self.execution.client.servers();
        let action = servers.shutdown(id).await?;
        self.wait(&[action]).await?;
        let deadline = Instant::now() + SHUTDOWN;
        while Instant::now() < deadline {
            let server = servers.get(id).await?;
            if server.is_some_and(|server| server.status == ServerStatus::Off) {
                return Ok(());
            }
            sleep(LOOK_AGAIN).await;
        }
        let action = servers.power_off(id).await?;
        self.wait(&[action]).await
    }

    /// Puts our labels on a server. Labels of others stay.
    async fn relabel(
        &self,
        id: i64,
        more: impl IntoIterator<Item = (&str, String)>,
    ) -> Result<(), StepError> {
        let Execution { client, wanted, .. } = *self.execution;
        let Some(there) = client.servers().get(id).await? else {
            return Ok(());
        };
        let mut labels = there.labels;
        labels.extend(self.server.labels(&wanted.fleet));
        let more = more.into_iter();
        labels.extend(more.map(|(key, value)| (key.to_owned(), value)));
        client
            .servers()
            .update(
                id,
                &Update {
                    labels: Some(labels),
                    ..Update::default()
                },
            )
            .await?;
        Ok(())
    }

    pub(super) async fn wait(&self, actions: &[Action]) -> Result<(), StepError> {
        let tell = |action: &Action| {
            self.tell(State::Doing(action.command.clone(), action.progress));
        };
        Ok(self
            .execution
            .client
            .actions()
            .wait_with(actions, Instant::now() + DEADLINE, tell)
            .await?)
    }

    fn tell(&self, state: State) {
        self.execution.progress.tell(&self.change.item, state);
    }
}

fn needs(kind: &'static str, name: &str) -> StepError {
    StepError::Needs {
        kind,
        name: name.to_owned(),
    }
}
