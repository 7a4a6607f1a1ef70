//! Switching servers on and off.

use super::Server;
use crate::hetzner::resource::Resource;
use crate::hetzner::route::{Answer, Call};

pub(crate) fn on(call: &mut Call<'_>) -> Answer {
    switch(call, "start_server", "running")
}

pub(crate) fn off(call: &mut Call<'_>) -> Answer {
    switch(call, "stop_server", "off")
}

pub(crate) fn reboot(call: &mut Call<'_>) -> Answer {
    switch(call, "reboot_server", "running")
}

pub(crate) fn reset(call: &mut Call<'_>) -> Answer {
    switch(call, "reset_server", "running")
}

fn switch(call: &mut Call<'_>, command: &str, status: &'static str) -> Answer {
    let id = call.id();
    call.project.check_unlocked::<Server>(id)?;
    let action = call
        .project
        .begin(command, &[(Server::KIND, id)], move |project| {
            project.change::<Server>(id, |server| {
                server.status = status;
                // A rescue system is started once.
                server.rescue &= status == "off";
            });
        });
    call.action(action)
}

/// The action ends when the signal was sent. The server is off later, or never.
pub(crate) fn shutdown(call: &mut Call<'_>) -> Answer {
    let id = call.id();
    call.project.check_unlocked::<Server>(id)?;
    let obeys = !call.project.faults.ignores_shutdown();
    let action = call
        .project
        .begin("shutdown_server", &[(Server::KIND, id)], move |project| {
            if obeys {
                project.later(project.pace.power_down, move |project| {
                    project.change::<Server>(id, |server| {
                        if server.status == "running" {
                            server.status = "off";
                        }
                    });
                });
            }
        });
    call.action(action)
}
