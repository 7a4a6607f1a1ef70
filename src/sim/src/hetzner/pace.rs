//! How long things take, how many there may be, and how often somebody may ask.

use std::collections::HashMap;
use std::time::Duration;

use serde::Deserialize;

/// How long actions take, by their command (`create_server`, `attach_volume`, ...).
#[derive(Debug, Clone)]
pub struct Pace {
    /// Of every action that has no duration of its own.
    pub usual: Duration,
    /// By command.
    pub of: HashMap<String, Duration>,
    /// From a change of labels or of a selector to the firewall that follows it.
    pub membership: Duration,
    /// From the signal of `shutdown` to a server that is off.
    pub power_down: Duration,
}

impl Default for Pace {
    /// Short enough for tests that do not pause the clock.
    fn default() -> Self {
        Self::uniform(Duration::from_millis(20))
    }
}

impl Pace {
    /// Everything takes the same time.
    pub fn uniform(duration: Duration) -> Self {
        Self {
            usual: duration,
            of: HashMap::new(),
            membership: duration,
            power_down: duration,
        }
    }

    /// About what the real cloud takes.
    pub fn realistic() -> Self {
        let seconds = [
            ("create_server", 10),
            ("start_server", 3),
            ("delete_server", 2),
            ("rebuild_server", 12),
            ("change_server_type", 20),
            ("create_image", 60),
        ];
        Self {
            usual: Duration::from_secs(1),
            of: seconds
                .map(|(command, seconds)| (command.to_owned(), Duration::from_secs(seconds)))
                .into(),
            membership: Duration::from_secs(3),
            power_down: Duration::from_secs(5),
        }
    }

    /// The same with another duration for one command.
    #[must_use]
    pub fn with(mut self, command: &str, duration: Duration) -> Self {
        self.of.insert(command.to_owned(), duration);
        self
    }

    pub(crate) fn of(&self, command: &str) -> Duration {
        self.of.get(command).copied().unwrap_or(self.usual)
    }
}

/// How many of a kind a project may have.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[expect(missing_docs, reason = "the kinds of resources")]
pub struct Limits {
    pub servers: usize,
    pub ssh_keys: usize,
    pub firewalls: usize,
    pub networks: usize,
    pub volumes: usize,
    pub primary_ips: usize,
    pub floating_ips: usize,
    pub placement_groups: usize,
    pub images: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            servers: 1000,
            ssh_keys: 1000,
            firewalls: 50,
            networks: 50,
            volumes: 1000,
            primary_ips: 2000,
            floating_ips: 100,
            placement_groups: 50,
            images: 1000,
        }
    }
}

impl Limits {
    /// By the plural of the kind.
    pub(crate) fn of(&self, kind: &str) -> usize {
        let Self {
            servers,
            ssh_keys,
            firewalls,
            networks,
            volumes,
            primary_ips,
            floating_ips,
            placement_groups,
            images,
        } = *self;
        match kind {
            "servers" => servers,
            "ssh_keys" => ssh_keys,
            "firewalls" => firewalls,
            "networks" => networks,
            "volumes" => volumes,
            "primary_ips" => primary_ips,
            "floating_ips" => floating_ips,
            "placement_groups" => placement_groups,
            "images" => images,
            _ => usize::MAX,
        }
    }
}

/// How many requests a project may make.
#[derive(Debug, Clone, Copy)]
pub struct Rate {
    /// As many at once, and as many in an hour.
    pub per_hour: u32,
}

impl Default for Rate {
    fn default() -> Self {
        Self { per_hour: 3600 }
    }
}
