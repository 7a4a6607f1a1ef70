//! Volumes: disks that servers borrow.

use serde::Serialize;
use serde_json::{Value, json};

use super::catalog::Price;
use super::errors::ApiError;
use super::fields::{Fields, IdOrName};
use super::project::Project;
use super::resource::{Meta, Resource, change_protection, check_unprotected, naming, stored_in};
use super::route::{Answer, Call, Reply, Route, delete, post};
use super::servers::{Server, view_location};

const SMALLEST: i64 = 10;
const LARGEST: i64 = 10240;

/// A disk.
#[derive(Debug, Clone, Serialize)]
pub struct Volume {
    /// Identifier, name, labels, protection.
    #[serde(flatten)]
    pub meta: Meta,
    /// `creating` or `available`.
    pub status: &'static str,
    /// In GB.
    pub size: i64,
    /// The name of its location.
    pub location: String,
    /// The server that has it.
    pub server: Option<i64>,
    /// `xfs` or `ext4`, if it was formatted.
    pub format: Option<String>,
}

impl Resource for Volume {
    const KIND: &'static str = "volume";
    const PLURAL: &'static str = "volumes";
    const FILTERS: &'static [&'static str] = &["status"];

    stored_in!(volumes);

    fn has(&self, _filter: &str, value: &str) -> bool {
        self.status == value
    }

    fn view(&self, project: &Project) -> Value {
        self.meta.view(json!({
            "status": self.status,
            "size": self.size,
            "location": view_location(project, &self.location),
            "server": self.server,
            "format": self.format,
            "linux_device": format!("/dev/disk/by-id/scsi-0HC_Volume_{}", self.meta.id),
            "protection": {"delete": self.meta.protected},
        }))
    }

    fn check_name(fields: &mut Fields, name: &str) {
        let valid = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        fields.check_length("name", name, 64);
        if !name.bytes().all(valid) {
            fields.wrong("name", "may have letters, digits, '-', '_' and '.' only");
        }
    }
}

pub(crate) fn routes() -> Vec<Route> {
    let mut routes = naming::<Volume>();
    routes.extend([
        post("/volumes", create),
        delete("/volumes/{id}", remove),
        post("/volumes/{id}/actions/attach", attach),
        post("/volumes/{id}/actions/detach", detach),
        post("/volumes/{id}/actions/resize", resize),
        post(
            "/volumes/{id}/actions/change_protection",
            change_protection::<Volume>,
        ),
    ]);
    routes
}

fn create(call: &mut Call<'_>) -> Answer {
    let mut fields = call.fields()?;
    let name: String = fields.required("name");
    if fields.has_text("name") {
        Volume::check_name(&mut fields, &name);
    }
    let size = read_size(&mut fields);
    let server: Option<i64> = fields.optional("server");
    let location: Option<IdOrName> = fields.optional("location");
    let format = fields
        .has("format")
        .then(|| fields.choice("format", &["ext4", "xfs"]));
    fields.optional::<bool>("automount");
    let labels = fields.labels();
    if server.is_some() == location.is_some() {
        fields.wrong("location", "either location or server is required");
    }
    fields.finish()?;

    let project = &mut *call.project;
    project.check_unique::<Volume>(&name, None)?;
    let location = match (&location, server) {
        (Some(location), _) => project.find_location("location", location)?.name.clone(),
        (None, Some(server)) => project
            .referred::<Server>("server", server)?
            .location
            .clone(),
        (None, None) => String::new(),
    };
    if let Some(server) = server {
        project.check_unlocked::<Server>(server)?;
    }
    project.check_limit::<Volume>()?;
    let meta = project.meta(name, labels);
    let id = meta.id;
    let volume = Volume {
        meta,
        status: "creating",
        size,
        location,
        server: None,
        format,
    };
    project.state.volumes.insert(id, volume);
    project.charge_volume(id);
    let created = project.begin("create_volume", &[(Volume::KIND, id)], move |project| {
        project.change::<Volume>(id, |volume| volume.status = "available");
    });
    let next = server.map(|server| project.attach_volume(Some(created), id, server));
    let volume = call.project.find::<Volume>(id)?.view(call.project);
    Ok(Reply::created(json!({
        "volume": volume,
        "action": call.view_action(created),
        "next_actions": call.view_actions(next.as_slice()),
    })))
}

fn read_size(fields: &mut Fields) -> i64 {
    let size = fields.required("size");
    if fields.has("size") && !(SMALLEST..=LARGEST).contains(&size) {
        fields.wrong("size", format!("has to be from {SMALLEST} to {LARGEST}"));
    }
    size
}

fn remove(call: &mut Call<'_>) -> Answer {
    let id = call.id();
    let volume = call.project.find::<Volume>(id)?;
    check_unprotected(Volume::KIND, &volume.meta)?;
    if volume.server.is_some() {
        return Err(ApiError::new(
            "service_error",
            "volume is still attached to a server",
        ));
    }
    call.project.check_unlocked::<Volume>(id)?;
    call.project.discharge(Volume::KIND, id);
    call.project.state.volumes.remove(&id);
    Ok(Reply::empty())
}

fn attach(call: &mut Call<'_>) -> Answer {
    let id = call.id();
    call.project.check_unlocked::<Volume>(id)?;
    let mut fields = call.fields()?;
    let server: i64 = fields.required("server");
    fields.optional::<bool>("automount");
    fields.finish()?;
    let location = call
        .project
        .referred::<Server>("server", server)?
        .location
        .clone();
    call.project.check_attachable("server", id, &location)?;
    call.project.check_unlocked::<Server>(server)?;
    let action = call.project.attach_volume(None, id, server);
    Ok(call.action(action))
}

impl Project {
    /// Whether a volume is free for a server in a location.
    pub(crate) fn check_attachable(
        &self,
        field: &str,
        id: i64,
        location: &str,
    ) -> Result<(), ApiError> {
        let volume = self.referred::<Volume>(field, id)?;
        if volume.server.is_some() {
            return Err(ApiError::new(
                "volume_already_attached",
                "volume is already attached to a server",
            ));
        }
        if volume.location != location {
            return Err(ApiError::field(
                field,
                "server and volume are in different locations",
            ));
        }
        Ok(())
    }

    pub(crate) fn attach_volume(&mut self, after: Option<i64>, id: i64, server: i64) -> i64 {
        let resources = &[(Volume::KIND, id), (Server::KIND, server)];
        self.begin_after(after, "attach_volume", resources, move |project| {
            project.change::<Volume>(id, |volume| volume.server = Some(server));
        })
    }

    fn charge_volume(&mut self, id: i64) {
        let Some(volume) = self.state.volumes.get(&id) else {
            return;
        };
        let size = u64::try_from(volume.size).unwrap_or_default();
        let what = format!("volume of {size} GB in {}", volume.location);
        let price = Price::of_month(self.catalog.volume_gb_month.times(size));
        self.discharge(Volume::KIND, id);
        self.charge(Volume::KIND, id, what, price);
    }
}

fn detach(call: &mut Call<'_>) -> Answer {
    let id = call.id();
    let project = &mut *call.project;
    project.check_unlocked::<Volume>(id)?;
    let Some(server) = project.find::<Volume>(id)?.server else {
        return Err(ApiError::new(
            "invalid_input",
            "volume is not attached to a server",
        ));
    };
    project.check_unlocked::<Server>(server)?;
    let resources = &[(Volume::KIND, id), (Server::KIND, server)];
    let action = project.begin("detach_volume", resources, move |project| {
        project.change::<Volume>(id, |volume| volume.server = None);
    });
    Ok(call.action(action))
}

fn resize(call: &mut Call<'_>) -> Answer {
    let id = call.id();
    call.project.check_unlocked::<Volume>(id)?;
    let now = call.project.find::<Volume>(id)?.size;
    let mut fields = call.fields()?;
    let size = read_size(&mut fields);
    if size <= now {
        fields.wrong("size", "has to be greater than it is");
    }
    fields.finish()?;
    let action = call
        .project
        .begin("resize_volume", &[(Volume::KIND, id)], move |project| {
            project.change::<Volume>(id, |volume| volume.size = size);
            project.charge_volume(id);
        });
    Ok(call.action(action))
}
