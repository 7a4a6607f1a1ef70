//! Deleting a server, and what goes with it.

use super::Server;
use crate::hetzner::firewalls::Firewall;
use crate::hetzner::images::Image;
use crate::hetzner::primary_ips::PrimaryIp;
use crate::hetzner::project::Project;
use crate::hetzner::resource::{Resource, check_unprotected};
use crate::hetzner::route::{Answer, Call, Reply};

pub(crate) fn delete(call: &mut Call<'_>) -> Answer {
    let id = call.id();
    let project = &mut *call.project;
    check_unprotected(Server::KIND, &project.find::<Server>(id)?.meta)?;
    project.check_unlocked::<Server>(id)?;
    project.change::<Server>(id, |server| server.status = "deleting");
    let action = project.begin("delete_server", &[(Server::KIND, id)], move |project| {
        project.remove_server(id);
    });
    Ok(Reply::ok(
        serde_json::json!({"action": call.view_action(action)}),
    ))
}

impl Project {
    fn remove_server(&mut self, id: i64) {
        self.discharge("server", id);
        self.discharge("server_backup", id);
        PrimaryIp::release(self, id);
        Firewall::release(self, id);
        Image::release(self, id);
        for volume in self.state.volumes.values_mut() {
            volume.server = volume.server.filter(|&server| server != id);
        }
        for ip in self.state.floating_ips.values_mut() {
            ip.server = ip.server.filter(|&server| server != id);
        }
        self.state.servers.remove(&id);
    }
}
