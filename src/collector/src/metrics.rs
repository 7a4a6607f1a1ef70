//! Prometheus metrics of the collectors of one process. What belongs to a region carries the label `client_id`.

use fleet_soulseek::session::{Source, Status};
use fleet_store::{ShipStatus, SpoolStatus};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{
    DescriptorEncoder, EncodeLabelSet, EncodeLabelValue, EncodeMetric, LabelValueEncoder,
};
use prometheus_client::metrics::counter::{ConstCounter, Counter};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::registry::Registry;
use tokio::sync::watch;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Client {
    client_id: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ClientSource {
    client_id: String,
    source: SourceLabel,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct SourceLabel(Source);

impl EncodeLabelValue for SourceLabel {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> Result<(), std::fmt::Error> {
        crate::collector::store_source(self.0)
            .as_str()
            .encode(encoder)
    }
}

/// The metrics of all collectors of a process.
#[derive(Debug, Default)]
pub struct Metrics {
    searches: Family<ClientSource, Counter>,
    duplicates: Family<Client, Counter>,
    disconnects: Family<Client, Counter>,
    parents_lost: Family<Client, Counter>,
    clock_jumps: Family<Client, Counter>,
    connected: Family<Client, Gauge>,
    fed: Family<Client, Gauge>,
    branch_level: Family<Client, Gauge>,
    children: Family<Client, Gauge>,
    rejected_frames: Family<Client, Gauge>,
    pub(crate) canaries_sent: Counter,
}

impl Metrics {
    /// Registers the metrics under the prefix `fleet`.
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        let registry = registry.sub_registry_with_prefix("fleet");
        let Self {
            searches,
            duplicates,
            disconnects,
            parents_lost,
            clock_jumps,
            connected,
            fed,
            branch_level,
            children,
            rejected_frames,
            canaries_sent,
        } = &metrics;
        registry.register(
            "searches",
            "Searches that the spool has taken",
            searches.clone(),
        );
        registry.register(
            "duplicates",
            "Searches that were seen twice",
            duplicates.clone(),
        );
        registry.register(
            "disconnects",
            "Times that the server was lost",
            disconnects.clone(),
        );
        registry.register(
            "parents_lost",
            "Times that the parent was lost",
            parents_lost.clone(),
        );
        registry.register(
            "clock_jumps",
            "Times that the system clock was set",
            clock_jumps.clone(),
        );
        registry.register("connected", "1 while logged in", connected.clone());
        registry.register(
            "fed",
            "1 while a parent or the server sends searches",
            fed.clone(),
        );
        registry.register(
            "branch_level",
            "Distance from the root of the branch",
            branch_level.clone(),
        );
        registry.register(
            "children",
            "Nodes to which searches are passed on",
            children.clone(),
        );
        registry.register(
            "rejected_frames",
            "Frames skipped because their content was wrong",
            rejected_frames.clone(),
        );
        registry.register(
            "canaries_sent",
            "Searches that the fleet itself has sent",
            canaries_sent.clone(),
        );
        metrics
    }

    pub(crate) fn of(&self, client_id: &str) -> ClientMetrics {
        let client = Client {
            client_id: client_id.to_owned(),
        };
        let searches = |source| {
            let labels = ClientSource {
                client_id: client_id.to_owned(),
                source: SourceLabel(source),
            };
            self.searches.get_or_create_owned(&labels)
        };
        ClientMetrics {
            parent: searches(Source::Parent),
            embedded: searches(Source::Embedded),
            server: searches(Source::Server),
            direct: searches(Source::Direct),
            duplicates: self.duplicates.get_or_create_owned(&client),
            disconnects: self.disconnects.get_or_create_owned(&client),
            parents_lost: self.parents_lost.get_or_create_owned(&client),
            clock_jumps: self.clock_jumps.get_or_create_owned(&client),
            connected: self.connected.get_or_create_owned(&client),
            fed: self.fed.get_or_create_owned(&client),
            branch_level: self.branch_level.get_or_create_owned(&client),
            children: self.children.get_or_create_owned(&client),
            rejected_frames: self.rejected_frames.get_or_create_owned(&client),
        }
    }
}

/// The metrics of one collector, looked up once.
#[derive(Debug)]
pub(crate) struct ClientMetrics {
    parent: Counter,
    embedded: Counter,
    server: Counter,
    direct: Counter,
    pub(crate) duplicates: Counter,
    pub(crate) disconnects: Counter,
    pub(crate) parents_lost: Counter,
    pub(crate) clock_jumps: Counter,
    connected: Gauge,
    fed: Gauge,
    branch_level: Gauge,
    children: Gauge,
    rejected_frames: Gauge,
}

impl ClientMetrics {
    pub(crate) fn searches(&self, source: Source) -> &Counter {
        match source {
            Source::Parent => &self.parent,
            Source::Embedded => &self.embedded,
            Source::Server => &self.server,
            Source::Direct => &self.direct,
        }
    }

    pub(crate) fn set_status(&self, status: &Status) {
        self.connected.set(status.connected.into());
        self.fed.set((status.has_parent || status.is_root).into());
        self.branch_level.set(status.branch_level.into());
        self.children
            .set(status.children.try_into().unwrap_or(i64::MAX));
        self.rejected_frames
            .set(status.rejected_frames.try_into().unwrap_or(i64::MAX));
    }
}

/// The spool's figures, read when somebody asks for them.
#[derive(Debug)]
pub(crate) struct SpoolMetrics(pub(crate) watch::Receiver<SpoolStatus>);

impl Collector for SpoolMetrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let status = self.0.borrow().clone();
        let pending = "Records that are not on the disk yet";
        gauge(&mut encoder, "fleet_spool_pending", pending, status.pending)?;
        let stalled = "1 while nothing can be written";
        gauge(
            &mut encoder,
            "fleet_spool_stalled",
            stalled,
            status.stalled.is_some().into(),
        )?;
        let took = "How long the last commit took";
        gauge(
            &mut encoder,
            "fleet_spool_last_commit_ms",
            took,
            status.last_commit_ms,
        )?;
        let committed = "Records that are on the disk";
        counter(
            &mut encoder,
            "fleet_spool_committed",
            committed,
            status.committed,
        )
    }
}

/// The figures of shipping to a database.
#[derive(Debug)]
pub(crate) struct ShipMetrics(pub(crate) watch::Receiver<ShipStatus>);

impl Collector for ShipMetrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let status = self.0.borrow().clone();
        let waiting = "Records that the database does not have yet";
        gauge(&mut encoder, "fleet_ship_waiting", waiting, status.waiting)?;
        let stalled = "1 while the database takes nothing";
        gauge(
            &mut encoder,
            "fleet_ship_stalled",
            stalled,
            status.trouble.is_some().into(),
        )?;
        let took = "How long the last transaction took";
        gauge(
            &mut encoder,
            "fleet_ship_last_batch_ms",
            took,
            status.last_batch_ms,
        )?;
        let records = "Records of the last transaction";
        gauge(
            &mut encoder,
            "fleet_ship_last_batch_records",
            records,
            status.last_batch_records,
        )?;
        let shipped = "Records that the database has taken";
        counter(&mut encoder, "fleet_ship_records", shipped, status.shipped)?;
        let failures = "Times that the database was lost or refused something";
        counter(
            &mut encoder,
            "fleet_ship_failures",
            failures,
            status.failures,
        )
    }
}

fn gauge(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    value: u64,
) -> Result<(), std::fmt::Error> {
    let gauge = ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX));
    gauge.encode(encoder.encode_descriptor(name, help, None, gauge.metric_type())?)
}

fn counter(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    value: u64,
) -> Result<(), std::fmt::Error> {
    let counter = ConstCounter::new(value);
    counter.encode(encoder.encode_descriptor(name, help, None, counter.metric_type())?)
}
