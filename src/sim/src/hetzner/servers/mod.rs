//! Servers.

mod change;
mod create;
mod delete;
mod order;
mod power;
mod view;

pub(crate) use self::view::{location as view_of_location, view_location, view_type};

use std::fmt;

use serde::Serialize;
use serde_json::Value;

use super::errors::ApiError;
use super::fields::Fields;
use super::labels::is_dns_label;
use super::project::{Project, State};
use super::resource::{Meta, Resource, Table, naming};
use super::route::{Route, delete, post};

/// Above this the API refuses `user_data`.
const LARGEST_USER_DATA: usize = 32 * 1024;

/// A server. Nothing runs behind it.
#[derive(Debug, Clone, Serialize)]
pub struct Server {
    /// Identifier, name, labels, and whether it may be deleted and rebuilt.
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

    fn table(state: &State) -> &Table<Self> {
        &state.servers
    }

    fn table_mut(state: &mut State) -> &mut Table<Self> {
        &mut state.servers
    }

    fn meta(&self) -> &Meta {
        &self.meta
    }

    fn meta_mut(&mut self) -> &mut Meta {
        &mut self.meta
    }

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
    let actions: &[(&str, super::route::Handler)] = &[
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

fn not_stopped() -> ApiError {
    ApiError::new("server_not_stopped", "server must be powered off")
}
