//! What belongs to the control plane's server and outlives it: its address and its volume.

use fleet_hetzner::{CreatePrimaryIp, CreateVolume, IpType, PrimaryIp, Volume};

use super::change::Kind;
use super::delete::delete;
use super::execute::Execution;
use super::found::is_ours;
use super::make::fleet_label;
use super::server::ServerWork;
use super::setup::Base;
use super::step_error::StepError;
use super::wanted::Role;

/// What a control plane's server is made with.
#[derive(Debug, Default)]
pub(super) struct Belongings {
    pub(super) address: Option<PrimaryIp>,
    pub(super) volume: Option<Volume>,
}

impl ServerWork<'_> {
    /// The control plane's address and volume, in the location that its server is going to be in.
    pub(super) async fn belongings(&self, location: &str) -> Result<Belongings, StepError> {
        if self.server.role != Role::ControlPlane {
            return Ok(Belongings::default());
        }
        let Execution { client, wanted, .. } = *self.execution;
        let fleet = &wanted.fleet;
        let mut create = CreatePrimaryIp::new(self.server.name.as_str(), IpType::Ipv4, location);
        create.labels = fleet_label(fleet);
        let ours = |ip: &PrimaryIp| is_ours(&ip.labels, fleet);
        let mut address = client.primary_ips().ensure(&create, ours).await?;
        if address.resource.location.name != location && address.resource.assignee_id.is_none() {
            // Of an earlier attempt elsewhere; an address cannot move.
            delete(client, Kind::PrimaryIp, address.resource.id).await?;
            address = client.primary_ips().ensure(&create, ours).await?;
        }
        let volume = match wanted.volume_gb {
            None => None,
            Some(size) => {
                let create = CreateVolume {
                    name: self.server.name.clone(),
                    size: u64::try_from(size).unwrap_or_default(),
                    location: Some(location.into()),
                    labels: fleet_label(fleet),
                    ..CreateVolume::default()
                };
                let ours = |volume: &Volume| is_ours(&volume.labels, fleet);
                let ensured = client.volumes().ensure(&create, ours).await?;
                self.wait(&ensured.actions).await?;
                Some(ensured.resource)
            }
        };
        Ok(Belongings {
            address: Some(address.resource),
            volume,
        })
    }

    /// What was made in a location in which there is no server for it. What was there before stays.
    pub(super) async fn let_go(&self, belongings: Belongings) -> Result<(), StepError> {
        let Execution { client, found, .. } = *self.execution;
        let Belongings { address, volume } = belongings;
        if let Some(address) = address
            && address.assignee_id.is_none()
        {
            delete(client, Kind::PrimaryIp, address.id).await?;
        }
        if let Some(volume) = volume
            && !found.volumes.iter().any(|there| there.id == volume.id)
        {
            delete(client, Kind::Volume, volume.id).await?;
        }
        Ok(())
    }

    /// The control plane's address and volume. A volume that it does not have yet is made and attached.
    pub(super) async fn base_of_existing(&self, id: i64) -> Result<Option<Base>, StepError> {
        let Execution {
            client,
            found,
            wanted,
            ..
        } = *self.execution;
        let Some(server) = found.servers.iter().find(|server| server.id == id) else {
            return Ok(None);
        };
        let mut base = found.base(wanted);
        if wanted.volume_gb.is_some() {
            let belongings = self.belongings(&server.location.name).await?;
            if let (Some(volume), Some(base)) = (belongings.volume, &mut base) {
                if volume.server != Some(id) {
                    let action = client.volumes().attach(volume.id, id, false).await?;
                    self.wait(&[action]).await?;
                }
                base.data_device = Some(volume.linux_device);
            }
        }
        Ok(base)
    }
}
