//! Servers.

mod change;
mod create;
mod delete;
mod order;
mod power;
mod view;
mod wanted;

pub(crate) use self::view::{location as view_of_location, view_location, view_type};

use std::fmt;
use std::net::Ipv4Addr;

use serde::Serialize;
use serde_json::Value;

use super::errors::ApiError;
use super::fields::Fields;
use super::labels::is_dns_label;
use super::project::Project;
use super::resource::{Meta, Resource, naming, stored_in};
use super::route::{Handler, Route, delete, post};
use super::{images, networks, placement_groups};

/// Above this the API refuses `user_data`.
const LARGEST_USER_DATA: usize = 32 * 1024;

/// A server. Nothing runs behind it.
#[derive(Debug, Clone, Serialize)]
pub struct Server {
    /// Identifier, name, labels, and whether it may be deleted and rebuilt.
    #[serde(flatten)]
    pub meta: Meta,
    /// `initializing`, `starting`, `running`, `stopping`, `off`, `rebuilding`, or `deleting`.
    pub status: &'static str,
    /// The identifier of its type.
    pub server_type: i64,
    /// The name of its location.
    pub location: String,
    /// The identifier of what it was made from; none if that is gone.
    pub image: Option<i64>,
    /// In GB.
    pub disk: u32,
    /// What it was made with, or rebuilt with. The API never shows it.
    pub user_data: Option<UserData>,
    /// Identifiers of the keys it was made with. The API never shows them.
    pub ssh_keys: Vec<i64>,
    /// Hours in which it is backed up, if it is.
    pub backup_window: Option<&'static str>,
    /// Whether the next start is a rescue system.
    pub rescue: bool,
    /// The identifier of its group.
    pub placement_group: Option<i64>,
    /// Its places in networks.
    pub private_net: Vec<PrivateNet>,
}

/// A place in a network.
#[derive(Debug, Clone, Serialize)]
#[expect(missing_docs, reason = "the API's own names")]
pub struct PrivateNet {
    pub network: i64,
    pub ip: Ipv4Addr,
    pub alias_ips: Vec<Ipv4Addr>,
    pub mac_address: String,
}

impl Server {
    /// Its place in one of them.
    pub fn private_net(&self, network: i64) -> Option<&PrivateNet> {
        self.private_net.iter().find(|net| net.network == network)
    }
}

/// What cloud-init gets. It may hold secrets, so it is not written into logs.
#[derive(Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct UserData(pub String);

impl fmt::Debug for UserData {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} bytes", self.0.len())
    }
}

impl Resource for Server {
    const KIND: &'static str = "server";
    const PLURAL: &'static str = "servers";
    const FILTERS: &'static [&'static str] = &["status"];

    stored_in!(servers);

    fn has(&self, _filter: &str, value: &str) -> bool {
        self.status == value
    }

    fn view(&self, project: &Project) -> Value {
        view::server(self, project)
    }

    /// A host name as of RFC 1123.
    fn check_name(fields: &mut Fields, name: &str) {
        if name.len() > 253 || !name.split('.').all(is_dns_label) {
            fields.wrong("name", "has to be a valid hostname as per RFC 1123");
        }
    }
}

pub(crate) fn routes() -> Vec<Route> {
    let mut routes = naming::<Server>();
    routes.push(post("/servers", create::create));
    routes.push(delete("/servers/{id}", delete::delete));
    let actions: &[(&str, Handler)] = &[
        ("poweron", power::on),
        ("poweroff", power::off),
        ("reboot", power::reboot),
        ("reset", power::reset),
        ("shutdown", power::shutdown),
        ("change_protection", change::protection),
        ("change_type", change::server_type),
        ("rebuild", change::rebuild),
        ("reset_password", change::password),
        ("enable_rescue", change::enable_rescue),
        ("disable_rescue", change::disable_rescue),
        ("enable_backup", change::enable_backup),
        ("disable_backup", change::disable_backup),
        ("change_dns_ptr", change::dns_ptr),
        ("create_image", images::of_server),
        ("attach_to_network", networks::attach),
        ("detach_from_network", networks::detach),
        ("change_alias_ips", networks::alias),
        ("add_to_placement_group", placement_groups::add_server),
        (
            "remove_from_placement_group",
            placement_groups::remove_server,
        ),
    ];
    let actions = actions.iter();
    routes.extend(
        actions.map(|(name, handler)| post(&format!("/servers/{{id}}/actions/{name}"), *handler)),
    );
    routes
}

/// Says what is wrong with `user_data`.
fn read_user_data(fields: &mut Fields) -> Option<UserData> {
    let data: String = fields.optional("user_data")?;
    if data.len() > LARGEST_USER_DATA {
        fields.wrong(
            "user_data",
            format!("may have at most {LARGEST_USER_DATA} bytes"),
        );
    }
    Some(UserData(data))
}

pub(crate) fn not_stopped() -> ApiError {
    ApiError::new("server_not_stopped", "server must be powered off")
}
