//! The conditions of a fleet, and the reasons that they can have.
//! <https://github.com/kubernetes/community/blob/master/contributors/devel/sig-architecture/api-conventions.md#typical-status-properties>

/// All is as the spec wants it: the summary of the others.
pub const READY: &str = "Ready";
/// Something is being changed.
pub const PROGRESSING: &str = "Progressing";
/// The servers are there and are nodes of the cluster.
pub const SERVERS_READY: &str = "ServersReady";
/// The database takes records.
pub const DATABASE_READY: &str = "DatabaseReady";
/// Every region records.
pub const COLLECTORS_READY: &str = "CollectorsReady";
/// Months that are over are in the archive.
pub const ARCHIVE_HEALTHY: &str = "ArchiveHealthy";

/// All types, in the order in which a person reads them.
pub const TYPES: [&str; 6] = [
    READY,
    PROGRESSING,
    SERVERS_READY,
    DATABASE_READY,
    COLLECTORS_READY,
    ARCHIVE_HEALTHY,
];

/// Reasons: one word each, which programs may compare.
pub mod reasons {
    /// It is as it should be.
    pub const AS_WANTED: &str = "AsWanted";
    /// The spec wants none.
    pub const NOT_WANTED: &str = "NotWanted";
    /// It is on its way.
    pub const IN_PROGRESS: &str = "InProgress";
    /// The spec says that collection rests.
    pub const SUSPENDED: &str = "Suspended";
    /// The spec cannot be followed.
    pub const INVALID_SPEC: &str = "InvalidSpec";
    /// A Secret that the spec names is not there, or lacks a key.
    pub const SECRET_MISSING: &str = "SecretMissing";
    /// The fleet is being deleted.
    pub const DELETING: &str = "Deleting";
    /// The cluster refuses something.
    pub const REFUSED: &str = "Refused";
    /// The cluster cannot be reached, or not be understood.
    pub const CLUSTER_ERROR: &str = "ClusterError";
    /// The provider does not do something.
    pub const PROVIDER_ERROR: &str = "ProviderError";
    /// Nowhere is a server to be had.
    pub const NO_OFFER: &str = "NoOffer";
    /// A server has been made and its node is not ready.
    pub const NODE_NOT_READY: &str = "NodeNotReady";
    /// The tables are not those of this version, and cannot be made so.
    pub const MIGRATION_FAILED: &str = "MigrationFailed";
    /// It does not run.
    pub const UNAVAILABLE: &str = "Unavailable";
    /// An updated region records nothing: the others keep what they have.
    pub const ROLLOUT_STOPPED: &str = "RolloutStopped";
    /// A month should be in the archive and is not.
    pub const OVERDUE: &str = "Overdue";
    /// The last run failed.
    pub const RUN_FAILED: &str = "RunFailed";
    /// Nothing was due yet.
    pub const NOT_DUE: &str = "NotDue";
    /// A volume cannot grow.
    pub const VOLUME_STUCK: &str = "VolumeStuck";
}
