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

/// The `client_id` under which the fleet's own searches are journaled. No region may have this name.
pub const CANARY_CLIENT: &str = "canary";
