//! Making what stands around servers: keys, networks, groups, firewalls.
//!
//! Whatever has our name and our label already is taken as it is: somebody was faster, or an answer was lost.

use std::time::Duration;

use fleet_api::names::FLEET_LABEL;
use fleet_hetzner::{
    Action, Client, CreateFirewall, CreateNetwork, CreatePlacementGroup, CreateSshKey, ErrorCode,
    Firewall, Labels, Network, PlacementGroup, SshKey, Subnet, SubnetType, Target,
};
use tokio::time::Instant;

use super::change::{Change, Step};
use super::execute::Execution;
use super::firewall::WantedFirewall;
use super::found::{Found, is_ours};
use super::step_error::StepError;

const DEADLINE: Duration = Duration::from_mins(5);

/// What is there while a plan is carried out.
#[derive(Debug, Default)]
pub(super) struct Made {
    pub(super) ssh_keys: Vec<SshKey>,
    pub(super) networks: Vec<Network>,
    pub(super) placement_groups: Vec<PlacementGroup>,
    pub(super) firewalls: Vec<Firewall>,
}

/// Something that was made.
#[derive(Debug)]
pub(super) enum New {
    SshKey(SshKey),
    Network(Network),
    PlacementGroup(PlacementGroup),
    Firewall(Firewall),
    /// Nothing that others need.
    Nothing,
}

impl Made {
    pub(super) fn of(found: &Found) -> Self {
        Self {
            ssh_keys: found.ssh_keys.clone(),
            networks: found.networks.clone(),
            placement_groups: found.placement_groups.clone(),
            firewalls: found.firewalls.clone(),
        }
    }

    pub(super) fn add(&mut self, new: New) {
        match new {
            New::SshKey(key) => self.ssh_keys.push(key),
            New::Network(network) => self.networks.push(network),
            New::PlacementGroup(group) => self.placement_groups.push(group),
            New::Firewall(firewall) => self.firewalls.push(firewall),
            New::Nothing => {}
        }
    }
}

/// The label of all that belongs to a fleet.
pub(super) fn fleet_label(fleet: &str) -> Labels {
    Labels::from([(FLEET_LABEL.to_owned(), fleet.to_owned())])
}

/// Makes or changes one of the things around servers.
pub(super) async fn make(execution: &Execution<'_>, change: &Change) -> Result<New, StepError> {
    let client = execution.client;
    let fleet = &execution.wanted.fleet;
    let name = change.item.name.clone();
    let labels = fleet_label(fleet);
    Ok(match &change.step {
        Step::CreateSshKey { public_key } => {
            let create = CreateSshKey {
                name,
                public_key: public_key.clone(),
                labels,
            };
            let ensured = client
                .ssh_keys()
                .ensure_absent(&create, |key| is_ours(&key.labels, fleet))
                .await?;
            New::SshKey(ensured.resource)
        }
        Step::CreateNetwork { ip_range, zone } => {
            let subnet = Subnet {
                kind: SubnetType::Cloud,
                network_zone: zone.clone(),
                ip_range: Some(ip_range.clone()),
                gateway: None,
            };
            let create = CreateNetwork {
                name,
                ip_range: ip_range.clone(),
                subnets: vec![subnet],
                labels,
                ..CreateNetwork::default()
            };
            let ensured = client
                .networks()
                .ensure_absent(&create, |net| is_ours(&net.labels, fleet))
                .await?;
            New::Network(ensured.resource)
        }
        Step::CreatePlacementGroup => {
            let create = CreatePlacementGroup {
                name,
                labels,
                ..CreatePlacementGroup::default()
            };
            let ensured = client
                .placement_groups()
                .ensure_absent(&create, |group| is_ours(&group.labels, fleet))
                .await?;
            New::PlacementGroup(ensured.resource)
        }
        Step::CreateFirewall(wanted) => {
            New::Firewall(create_firewall(client, wanted, fleet).await?)
        }
        Step::UpdateFirewall {
            id,
            wanted,
            reapply,
        } => {
            update_firewall(client, *id, wanted, *reapply).await?;
            New::Nothing
        }
        Step::ResizeVolume { id, size } => {
            let action = client.volumes().resize(*id, *size).await?;
            wait(client, &[action]).await?;
            New::Nothing
        }
        Step::WithServer | Step::Server { .. } | Step::Delete { .. } => New::Nothing,
    })
}

async fn create_firewall(
    client: &Client,
    wanted: &WantedFirewall,
    fleet: &str,
) -> Result<Firewall, StepError> {
    let create = CreateFirewall {
        name: wanted.name.clone(),
        rules: wanted.rules.clone(),
        apply_to: vec![Target::label_selector(&wanted.selector)],
        labels: fleet_label(fleet),
    };
    let ensured = client
        .firewalls()
        .ensure_absent(&create, |there| is_ours(&there.labels, fleet))
        .await?;
    wait(client, &ensured.actions).await?;
    Ok(ensured.resource)
}

async fn update_firewall(
    client: &Client,
    id: i64,
    wanted: &WantedFirewall,
    reapply: bool,
) -> Result<(), StepError> {
    if reapply {
        let target = Target::label_selector(&wanted.selector);
        match client.firewalls().apply_to(id, &[target]).await {
            // Somebody's request is still under way.
            Err(error) if error.code() == Some(&ErrorCode::FirewallAlreadyApplied) => {}
            actions => wait(client, &actions?).await?,
        }
    }
    set_rules(client, id, wanted).await
}

/// Gives a firewall its rules and waits until servers keep to them.
pub(super) async fn set_rules(
    client: &Client,
    id: i64,
    wanted: &WantedFirewall,
) -> Result<(), StepError> {
    let actions = client.firewalls().set_rules(id, &wanted.rules).await?;
    wait(client, &actions).await
}

async fn wait(client: &Client, actions: &[Action]) -> Result<(), StepError> {
    Ok(client
        .actions()
        .wait(actions, Instant::now() + DEADLINE)
        .await?)
}
