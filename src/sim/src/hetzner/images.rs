//! Images: operating systems, and snapshots and backups of servers.

use serde::Serialize;
use serde_json::{Value, json};

use super::catalog::SystemImage;
use super::project::{Project, State};
use super::resource::{Meta, Resource, Table, reading};
use super::route::Route;

/// What a server can be made from.
#[derive(Debug, Clone, Serialize)]
pub struct Image {
    /// Identifier, labels; a name only for operating systems.
    pub meta: Meta,
    /// `system`, `snapshot` or `backup`.
    pub kind: &'static str,
    /// `available` or `creating`.
    pub status: &'static str,
    /// For people.
    pub description: String,
    /// Of the smallest disk, in GB.
    pub disk_size: u32,
    /// What is stored, in GB; none until it is known, and for operating systems.
    pub image_size: Option<u32>,
    /// `x86` or `arm`.
    pub architecture: String,
    /// For example `debian`.
    pub os_flavor: String,
    /// For example `13`.
    pub os_version: String,
    /// Identifier and name of the server it was made from.
    pub created_from: Option<(i64, String)>,
    /// The server that a backup belongs to.
    pub bound_to: Option<i64>,
    /// Whether servers are made from it fast.
    pub rapid_deploy: bool,
}

impl Image {
    pub(crate) fn of_system(image: &SystemImage) -> Self {
        let SystemImage {
            id,
            name,
            description,
            os_flavor,
            os_version,
            architecture,
            disk_size,
            rapid_deploy,
            created,
        } = image.clone();
        Self {
            meta: Meta {
                id,
                name,
                labels: super::Labels::new(),
                created,
                protected: false,
            },
            kind: "system",
            status: "available",
            description,
            disk_size,
            image_size: None,
            architecture,
            os_flavor,
            os_version,
            created_from: None,
            bound_to: None,
            rapid_deploy,
        }
    }
}

impl Resource for Image {
    const KIND: &'static str = "image";
    const PLURAL: &'static str = "images";
    const FILTERS: &'static [&'static str] = &["type", "status", "architecture", "bound_to"];

    fn table(state: &State) -> &Table<Self> {
        &state.images
    }

    fn table_mut(state: &mut State) -> &mut Table<Self> {
        &mut state.images
    }

    fn meta(&self) -> &Meta {
        &self.meta
    }

    fn meta_mut(&mut self) -> &mut Meta {
        &mut self.meta
    }

    fn counts(&self) -> bool {
        self.kind != "system"
    }

    fn has(&self, filter: &str, value: &str) -> bool {
        match filter {
            "type" => self.kind == value,
            "status" => self.status == value,
            "architecture" => self.architecture == value,
            _ => self
                .bound_to
                .is_some_and(|server| value.parse() == Ok(server)),
        }
    }

    fn view(&self, _project: &Project) -> Value {
        let from = self
            .created_from
            .as_ref()
            .map(|(id, name)| json!({"id": id, "name": name}));
        let mut view = self.meta.view(json!({
            "type": self.kind,
            "status": self.status,
            "description": self.description,
            "image_size": self.image_size,
            "disk_size": self.disk_size,
            "created_from": from,
            "bound_to": self.bound_to,
            "os_flavor": self.os_flavor,
            "os_version": self.os_version,
            "rapid_deploy": self.rapid_deploy,
            "protection": {"delete": self.meta.protected},
            "deleted": null,
            "architecture": self.architecture,
            "deprecation": null,
        }));
        if self.kind != "system" {
            view["name"] = Value::Null;
        }
        view
    }
}

pub(crate) fn routes() -> Vec<Route> {
    reading::<Image>()
}
