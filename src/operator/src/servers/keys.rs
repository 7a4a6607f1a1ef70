//! SSH keys: those that the project has, and those that a fleet brings along.

use sha2::{Digest, Sha256};

use super::change::{Change, Item, Kind, Step};
use super::found::{Found, is_ours};
use super::plan::{Plan, Situation};
use super::problem::Problem;
use super::wanted::{SshKey, Wanted};

/// Makes the keys that are missing, and deletes ours that nobody wants any more.
pub(super) fn plan(situation: &Situation<'_>, plan: &mut Plan) {
    let Situation { wanted, found, .. } = situation;
    let item = |name: &str| Item::free(Kind::SshKey, name);
    for key in &wanted.ssh_keys {
        match (key, find(key, found)) {
            (_, Some(there)) if is_ours(&there.labels, &wanted.fleet) => {
                plan.unchanged.push(item(&there.name));
            }
            (_, Some(_)) => {}
            (SshKey::Named(name), None) => {
                plan.problems.push(Problem::NoSshKey { name: name.clone() });
            }
            (SshKey::Public(text), None) => {
                let step = Step::CreateSshKey {
                    public_key: text.clone(),
                };
                plan.changes
                    .push(Change::create(item(&name(wanted, text)), step));
            }
        }
    }
    for there in &found.ssh_keys {
        let is_wanted = wanted
            .ssh_keys
            .iter()
            .any(|key| matches(key, &there.name, &there.public_key));
        if is_ours(&there.labels, &wanted.fleet) && !is_wanted {
            plan.delete(item(&there.name), there.id, "the spec does not name it");
        }
    }
}

/// The ids of the keys that a server is made with.
pub(super) fn ids(wanted: &Wanted, found: &[fleet_hetzner::SshKey]) -> Vec<i64> {
    let wanted = |there: &&fleet_hetzner::SshKey| {
        wanted
            .ssh_keys
            .iter()
            .any(|key| matches(key, &there.name, &there.public_key))
    };
    found.iter().filter(wanted).map(|there| there.id).collect()
}

fn find<'f>(key: &SshKey, found: &'f Found) -> Option<&'f fleet_hetzner::SshKey> {
    found
        .ssh_keys
        .iter()
        .find(|there| matches(key, &there.name, &there.public_key))
}

/// A project has a key once, under whatever name: the key itself decides, not the remark behind it.
fn matches(key: &SshKey, name: &str, public_key: &str) -> bool {
    match key {
        SshKey::Named(wanted) => wanted == name,
        SshKey::Public(text) => body(text) == body(public_key),
    }
}

fn body(public_key: &str) -> Vec<&str> {
    public_key.split_whitespace().take(2).collect()
}

/// The name of a key that a fleet brings along.
fn name(wanted: &Wanted, public_key: &str) -> String {
    let digest = Sha256::digest(body(public_key).join(" "));
    let short: u32 = digest
        .iter()
        .take(4)
        .fold(0, |short, &byte| short << 8 | u32::from(byte));
    format!("{}-{short:08x}", wanted.fleet)
}
