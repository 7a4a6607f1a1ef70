//! Deleting a fleet: all that carries its label, and nothing else.

use fleet_hetzner::{Client, Error};
use futures_util::future::join_all;

use super::change::{Item, Kind, Verb};
use super::delete::delete;
use super::found::{Found, is_ours};
use super::progress::{Progress, State};
use super::step_error::StepError;
use super::wanted::Wanted;

/// What is going to be deleted, and what stays.
#[derive(Debug, Clone, Default)]
pub struct Demolition {
    /// With their ids, servers first.
    pub delete: Vec<(Item, i64)>,
    /// What costs money and stays.
    pub keep: Vec<Item>,
}

/// What could not be deleted, and why.
pub type Remains = Vec<(Item, StepError)>;

/// How often it is looked whether something has come up meanwhile.
const ROUNDS: usize = 3;

impl Demolition {
    /// All that is there of a fleet. Volumes hold data, so they stay unless it is said that they go.
    pub fn of(found: &Found, wanted: &Wanted, volumes: bool) -> Self {
        let mut demolition = Self::default();
        let delete = &mut demolition.delete;
        for server in &found.servers {
            delete.push((found.server_item(server), server.id));
        }
        for ip in &found.primary_ips {
            delete.push((found.address_item(ip), ip.id));
        }
        let free = [
            (
                Kind::Firewall,
                found
                    .firewalls
                    .iter()
                    .map(|it| (&it.name, it.id))
                    .collect::<Vec<_>>(),
            ),
            (
                Kind::PlacementGroup,
                found
                    .placement_groups
                    .iter()
                    .map(|it| (&it.name, it.id))
                    .collect(),
            ),
            (
                Kind::Network,
                found.networks.iter().map(|it| (&it.name, it.id)).collect(),
            ),
        ];
        for (kind, things) in free {
            delete.extend(
                things
                    .into_iter()
                    .map(|(name, id)| (Item::free(kind, name), id)),
            );
        }
        let keys = found
            .ssh_keys
            .iter()
            .filter(|key| is_ours(&key.labels, &wanted.fleet));
        delete.extend(keys.map(|key| (Item::free(Kind::SshKey, &key.name), key.id)));
        for volume in &found.volumes {
            let item = found.volume_item(volume);
            if volumes {
                delete.push((item, volume.id));
            } else {
                demolition.keep.push(item);
            }
        }
        demolition
    }

    /// Deletes it, looks again, and deletes what has come up meanwhile: a server that somebody was still making.
    pub async fn run(
        mut self,
        client: &Client,
        wanted: &Wanted,
        volumes: bool,
        progress: &Progress,
    ) -> Result<(usize, Remains), Error> {
        let mut deleted = 0;
        let mut remains = Remains::new();
        for _ in 0..ROUNDS {
            let (done, failed) = self.round(client, progress).await;
            deleted += done;
            remains = failed;
            let left = Found::find(client, wanted).await?;
            self = Self::of(&left, wanted, volumes);
            // What cannot be deleted is not tried again.
            self.delete
                .retain(|(item, _)| !remains.iter().any(|(failed, _)| failed == item));
            if self.delete.is_empty() {
                break;
            }
        }
        Ok((deleted, remains))
    }

    /// Deletes it once. How much that was, and what is left.
    pub(crate) async fn round(&self, client: &Client, progress: &Progress) -> (usize, Remains) {
        let (servers, around): (Vec<_>, Vec<_>) = self
            .delete
            .iter()
            .partition(|(item, _)| item.kind == Kind::Server);
        let mut done = 0;
        let mut remains = Remains::new();
        for things in [servers, around] {
            let work = things.into_iter().map(|(item, id)| async move {
                progress.tell(item, State::Begun(Verb::Delete));
                let result = delete(client, item.kind, *id).await;
                progress.tell(
                    item,
                    match &result {
                        Ok(()) => State::Done,
                        Err(error) => State::Failed(error.to_string()),
                    },
                );
                (item, result)
            });
            for (item, result) in join_all(work).await {
                match result {
                    Ok(()) => done += 1,
                    Err(error) => remains.push((item.clone(), error)),
                }
            }
        }
        (done, remains)
    }
}
