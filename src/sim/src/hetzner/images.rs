//! Images: operating systems, and snapshots and backups of servers.

use serde::Serialize;
use serde_json::{Value, json};

use super::catalog::Price;
use super::catalog::SystemImage;
use super::errors::ApiError;
use super::project::Project;
use super::resource::{
    Meta, Resource, change_protection, check_unprotected, reading, rename_with, stored_in,
};
use super::route::{Answer, Call, Reply, Route, delete, post, put};
use super::servers::Server;

/// What a server can be made from.
#[derive(Debug, Clone, Serialize)]
pub struct Image {
    /// Identifier, labels; a name only for operating systems.
    #[serde(flatten)]
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

    stored_in!(images);

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
    let mut routes = reading::<Image>();
    routes.extend([
        put("/images/{id}", update),
        delete("/images/{id}", remove),
        post(
            "/images/{id}/actions/change_protection",
            change_protection::<Image>,
        ),
    ]);
    routes
}

/// What is ours can be changed, what belongs to the cloud cannot.
fn check_own(call: &Call<'_>) -> Result<(), ApiError> {
    if call.project.find::<Image>(call.id())?.kind == "system" {
        return Err(ApiError::new(
            "forbidden",
            "system images cannot be changed",
        ));
    }
    Ok(())
}

fn update(call: &mut Call<'_>) -> Answer {
    check_own(call)?;
    let mut fields = call.fields()?;
    let description: Option<String> = fields.optional("description");
    let keep = fields.has("type");
    if keep {
        fields.choice("type", &["snapshot"]);
    }
    rename_with::<Image>(call, &mut fields, |image| {
        image.description = description.unwrap_or_else(|| image.description.clone());
        if keep {
            image.kind = "snapshot";
            image.bound_to = None;
        }
    })
}

fn remove(call: &mut Call<'_>) -> Answer {
    check_own(call)?;
    let id = call.id();
    check_unprotected(Image::KIND, &call.project.find::<Image>(id)?.meta)?;
    call.project.check_unlocked::<Image>(id)?;
    Image::forget(call.project, id);
    Ok(Reply::empty())
}

impl Image {
    fn forget(project: &mut Project, id: i64) {
        project.discharge(Self::KIND, id);
        project.state.images.remove(&id);
    }

    /// Backups go with their server.
    pub(crate) fn release(project: &mut Project, server: i64) {
        let images = project.state.images.values();
        let bound = images.filter(|image| image.bound_to == Some(server));
        let bound: Vec<_> = bound.map(|image| image.meta.id).collect();
        for id in bound {
            Self::forget(project, id);
        }
    }
}

/// A server's disk becomes an image.
pub(crate) fn of_server(call: &mut Call<'_>) -> Answer {
    let server = call.id();
    call.project.check_unlocked::<Server>(server)?;
    let mut fields = call.fields()?;
    let kind = if fields.has("type") {
        fields.choice("type", &["snapshot", "backup"])
    } else {
        String::new()
    };
    let description: Option<String> = fields.optional("description");
    let labels = fields.labels();
    fields.finish()?;

    let project = &mut *call.project;
    let found = project.find::<Server>(server)?.clone();
    let backup = kind == "backup";
    if backup && found.backup_window.is_none() {
        return Err(ApiError::new(
            "invalid_input",
            "backups are not enabled for the server",
        ));
    }
    project.check_limit::<Image>()?;
    let source = found
        .image
        .and_then(|image| project.state.images.get(&image))
        .cloned();
    let architecture = project
        .catalog
        .server_type(found.server_type)
        .map(|known| known.architecture.clone());
    let flavor = source
        .as_ref()
        .map_or("unknown", |source| source.os_flavor.as_str())
        .to_owned();
    let image = Image {
        meta: project.meta(String::new(), labels),
        kind: if backup { "backup" } else { "snapshot" },
        status: "creating",
        description: description.unwrap_or_else(|| format!("of {}", found.meta.name)),
        disk_size: found.disk,
        image_size: None,
        architecture: architecture.unwrap_or_default(),
        os_flavor: flavor,
        os_version: source.map(|source| source.os_version).unwrap_or_default(),
        created_from: Some((server, found.meta.name)),
        bound_to: backup.then_some(server),
        rapid_deploy: false,
    };
    let id = image.meta.id;
    project.state.images.insert(id, image);
    let resources = &[(Server::KIND, server), (Image::KIND, id)];
    let action = project.begin("create_image", resources, move |project| {
        finish(project, id);
    });
    let image = call.project.find::<Image>(id)?.view(call.project);
    Ok(Reply::created(
        json!({"image": image, "action": call.view_action(action)}),
    ))
}

/// A tenth of the disk is in use, at least 1 GB.
fn finish(project: &mut Project, id: i64) {
    let Some(image) = project.state.images.get_mut(&id) else {
        return;
    };
    let size = (image.disk_size / 10).max(1);
    image.status = "available";
    image.image_size = Some(size);
    if image.kind == "snapshot" {
        let price = Price::of_month(project.catalog.image_gb_month.times(size.into()));
        project.charge(Image::KIND, id, format!("snapshot of {size} GB"), price);
    }
}
