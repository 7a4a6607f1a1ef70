//! What collectors say of themselves: their Prometheus metrics.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Context as _;
use reqwest::{Client, Url};

use super::exposition::{Sample, samples};

/// A collector that takes longer has other troubles.
const PATIENCE: Duration = Duration::from_secs(5);
/// The label of what belongs to a region.
const CLIENT: &str = "client_id";

/// The metrics of one process.
#[derive(Debug, Clone)]
pub(crate) struct MetricsSource {
    pub(crate) url: Url,
    client: Client,
}

/// What one process says: its regions, and the spool that they share.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Figures {
    pub(crate) clients: BTreeMap<String, ClientFigures>,
    /// Records that are not on the disk yet.
    pub(crate) pending: u64,
    /// Whether nothing can be written, to the disk or to the database.
    pub(crate) stalled: bool,
    /// Shipping to a database; nothing where there is none.
    pub(crate) shipping: Option<Shipping>,
}

/// What a process ships to its database.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Shipping {
    pub(crate) waiting: u64,
    pub(crate) shipped: u64,
    pub(crate) stalled: bool,
}

/// What one region says.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct ClientFigures {
    /// Since its process has started.
    pub(crate) searches: u64,
    pub(crate) duplicates: u64,
    pub(crate) connected: bool,
    pub(crate) fed: bool,
    pub(crate) branch_level: u64,
    pub(crate) children: u64,
}

impl MetricsSource {
    pub(crate) fn new(url: Url) -> Result<Self, anyhow::Error> {
        // Another one may be installed already, and is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = Client::builder().timeout(PATIENCE).build();
        let client = client.context("cannot make a client for metrics")?;
        Ok(Self { url, client })
    }

    pub(super) async fn poll(&self) -> Result<Figures, anyhow::Error> {
        let response = self.client.get(self.url.clone()).send().await;
        let response = response.and_then(reqwest::Response::error_for_status);
        // The address stands beside the error.
        let text = response.map_err(reqwest::Error::without_url)?.text().await;
        let text = text.map_err(reqwest::Error::without_url)?;
        let figures = Figures::of(samples(&text));
        anyhow::ensure!(
            !figures.clients.is_empty(),
            "no collector has metrics there"
        );
        Ok(figures)
    }
}

impl Figures {
    fn of(samples: Vec<Sample>) -> Self {
        let mut figures = Self::default();
        for Sample {
            name,
            labels,
            value,
        } in samples
        {
            let value = whole(value);
            if let Some(client) = labels.get(CLIENT) {
                let client = figures.clients.entry(client.clone()).or_default();
                client.take(&name, value);
                continue;
            }
            match name.as_str() {
                "fleet_spool_pending" => figures.pending = value,
                "fleet_spool_stalled" => figures.stalled = value > 0,
                "fleet_ship_waiting" => figures.shipping().waiting = value,
                "fleet_ship_records_total" => figures.shipping().shipped = value,
                "fleet_ship_stalled" => figures.shipping().stalled = value > 0,
                _ => {}
            }
        }
        figures
    }

    fn shipping(&mut self) -> &mut Shipping {
        self.shipping.get_or_insert_default()
    }
}

impl ClientFigures {
    fn take(&mut self, name: &str, value: u64) {
        match name {
            // One for each source.
            "fleet_searches_total" => self.searches += value,
            "fleet_duplicates_total" => self.duplicates = value,
            "fleet_connected" => self.connected = value > 0,
            "fleet_fed" => self.fed = value > 0,
            "fleet_branch_level" => self.branch_level = value,
            "fleet_children" => self.children = value,
            _ => {}
        }
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "counts far below 2^53; what is none becomes 0"
)]
fn whole(value: f64) -> u64 {
    value as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_collectors_page_becomes_figures() {
        let text = "\
fleet_searches_total{client_id=\"north\",source=\"parent\"} 40
fleet_searches_total{client_id=\"north\",source=\"server\"} 2
fleet_connected{client_id=\"north\"} 1
fleet_fed{client_id=\"north\"} 1
fleet_branch_level{client_id=\"north\"} 3
fleet_children{client_id=\"south\"} 1
fleet_spool_pending 7
process_open_fds 9
fleet_ship_waiting 5
fleet_ship_stalled 1
";
        let figures = Figures::of(samples(text));
        let north = ClientFigures {
            searches: 42,
            connected: true,
            fed: true,
            branch_level: 3,
            ..ClientFigures::default()
        };
        assert_eq!(figures.clients["north"], north);
        assert_eq!(figures.clients["south"].children, 1);
        let shipping = Shipping {
            waiting: 5,
            shipped: 0,
            stalled: true,
        };
        assert_eq!((figures.pending, figures.shipping), (7, Some(shipping)));
    }
}
