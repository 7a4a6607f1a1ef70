//! Names that other programs see: the API group, and the keys of Secrets.

/// The API group.
pub const GROUP: &str = "researchfleet.io";
/// The API version.
pub const VERSION: &str = "v1alpha1";
/// The kind.
pub const KIND: &str = "ResearchCollector";

/// Key of a Secret: an account's name.
pub const USERNAME: &str = "username";
/// Key of a Secret: an account's password.
pub const PASSWORD: &str = "password";
/// Key of a Secret: what pseudonyms are made with.
pub const KEY: &str = "key";
/// Key of a Secret: a database's URL.
pub const URL: &str = "url";

/// Key of a Secret: an API token of a cloud.
pub const TOKEN: &str = "token";

/// The `client_id` under which the fleet's own searches are journaled. No region may have this name.
pub const CANARY_CLIENT: &str = "canary";

/// The role of the server that runs the control plane, and the end of its name. No region may have this name.
pub const CONTROL_PLANE: &str = "control-plane";
/// The role of a server that runs a region.
pub const REGION: &str = "region";

/// Label: the fleet that something belongs to. Nothing without it is ever changed or deleted.
pub const FLEET_LABEL: &str = "researchfleet.io/fleet";
/// Label of a server: [`CONTROL_PLANE`] or [`REGION`].
pub const ROLE_LABEL: &str = "researchfleet.io/role";
/// Label of a server: the region that it runs.
pub const REGION_LABEL: &str = "researchfleet.io/region";
/// Label of a server: the digest of what it was told to do at its first boot, which no API gives back.
pub const USER_DATA_LABEL: &str = "researchfleet.io/user-data";
/// Label of a server: when it was last rebuilt, in seconds since 1970, since its age says nothing about its disk.
pub const REBUILT_LABEL: &str = "researchfleet.io/rebuilt";

/// Annotation of a node: it takes no pods because its server is going to be changed, and by nobody else's wish.
pub const DRAINED: &str = "researchfleet.io/drained";

/// Key of a Secret: who may use a bucket.
pub const ACCESS_KEY_ID: &str = "access-key-id";
/// Key of a Secret: what proves it.
pub const SECRET_ACCESS_KEY: &str = "secret-access-key";

/// The environment variable with the token of the Hetzner Cloud, as the official tools read it.
pub const HCLOUD_TOKEN: &str = "HCLOUD_TOKEN";
/// The environment variable with another address of the Hetzner Cloud API, as the official tools read it.
pub const HCLOUD_ENDPOINT: &str = "HCLOUD_ENDPOINT";
