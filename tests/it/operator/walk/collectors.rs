//! Fields of regions, and of what all of them do.

use serde_json::json;

use super::{look::See, row::Row};

const NORTH: (&str, &str) = ("StatefulSet", "collector-north");

fn north(pointer: &'static str, value: serde_json::Value) -> See {
    See::In(NORTH.0, NORTH.1, pointer, value)
}

#[expect(clippy::too_many_lines, reason = "it is a table")]
pub(super) fn rows() -> Vec<Row> {
    let read = |pointer, value| See::Read("north", pointer, value);
    vec![
        Row::new(
            "/network",
            json!("soulseek"),
            See::Nothing("there is only one, and it cannot be changed"),
        )
        .alone(),
        Row::new(
            "/soulseek/server",
            json!("server.example.org:2242"),
            read("/soulseek/server", json!("server.example.org:2242")),
        ),
        Row::new(
            "/soulseek/clientVersion",
            json!(160),
            read("/soulseek/clientVersion", json!(160)),
        ),
        Row::new(
            "/soulseek/duplicates",
            json!("keep"),
            read("/soulseek/duplicates", json!("keep")),
        ),
        Row::new(
            "/regions/0/credentialsSecretRef/name",
            json!("other"),
            read("/regions/0/credentialsSecretRef/name", json!("other")),
        )
        .and(north(
            "/spec/template/spec/volumes/2/secret/secretName",
            json!("other"),
        )),
        Row::new(
            "/regions/0/listen/port",
            json!(61000),
            north(
                "/spec/template/spec/containers/0/ports/0/hostPort",
                json!(61000),
            ),
        )
        .and(read("/regions/0/listen/port", json!(61000)))
        .and(See::In(
            "NetworkPolicy",
            "collectors",
            "/spec/ingress/0/ports/2/port",
            json!(61000),
        )),
        Row::new(
            "/regions/0/listen/obfuscatedPort",
            json!(0),
            north(
                "/spec/template/spec/containers/0/ports/1/name",
                json!("metrics"),
            ),
        )
        .and(read("/regions/0/listen/obfuscatedPort", json!(0))),
        Row::new(
            "/regions/0/nodeSelector",
            json!({"disk": "fast"}),
            See::Status(|status| {
                let node = status.regions[0].node.as_deref();
                node.is_some_and(|node| node.ends_with("-fast"))
            }),
        ),
        Row::new(
            "/regions/0/name",
            json!("east"),
            See::In("StatefulSet", "collector-east", "/spec/replicas", json!(1)),
        )
        .and(See::Gone(NORTH.0, NORTH.1))
        .and(See::Gone("ConfigMap", "collector-north"))
        .and(See::In(
            "PersistentVolumeClaim",
            "spool-north",
            "/spec/accessModes/0",
            json!("ReadWriteOnce"),
        ))
        .alone(),
        Row::new(
            "/regions/0/resources/requests/cpu",
            json!("75m"),
            north(
                "/spec/template/spec/containers/0/resources/requests/cpu",
                json!("75m"),
            ),
        ),
        Row::new(
            "/regions/0/resources/requests/memory",
            json!("96Mi"),
            north(
                "/spec/template/spec/containers/0/resources/requests/memory",
                json!("96Mi"),
            ),
        ),
        Row::new(
            "/regions/0/resources/limits/cpu",
            json!("2"),
            north(
                "/spec/template/spec/containers/0/resources/limits/cpu",
                json!("2"),
            ),
        ),
        Row::new(
            "/regions/0/resources/limits/memory",
            json!("512Mi"),
            north(
                "/spec/template/spec/containers/0/resources/limits/memory",
                json!("512Mi"),
            ),
        ),
        Row::new(
            "/regions/0/spool/size",
            json!("2Gi"),
            See::In(
                "PersistentVolumeClaim",
                "spool-north",
                "/spec/resources/requests/storage",
                json!("2Gi"),
            ),
        )
        .stays(),
        // The class of a volume cannot be changed: it is that of a new region.
        Row::new(
            "/regions/2",
            json!({
                "name": "west", "credentialsSecretRef": {"name": "other"},
                "listen": {"port": 62000, "obfuscatedPort": 0},
                "spool": {"size": "1Gi", "storageClassName": "stiff"},
            }),
            See::In(
                "PersistentVolumeClaim",
                "spool-west",
                "/spec/storageClassName",
                json!("stiff"),
            ),
        )
        .and(See::Status(|status| {
            status.recording.as_deref() == Some("3/3")
        }))
        .alone(),
        Row::new(
            "/privacy/username",
            json!("hmac"),
            read("/privacy/username", json!("hmac")),
        ),
        Row::new(
            "/privacy/keySecretRef/name",
            json!("key"),
            read("/privacy/keySecretRef/name", json!("key")),
        )
        .and(north(
            "/spec/template/spec/volumes/3/secret/secretName",
            json!("key"),
        )),
        Row::new(
            "/canary",
            json!({"credentialsSecretRef": {"name": "canary"}, "perHour": 7}),
            read("/canary/perHour", json!(7)),
        )
        .and(north(
            "/spec/template/spec/volumes/4/secret/secretName",
            json!("canary"),
        )),
        Row::new(
            "/image",
            json!("fleet:other"),
            north(
                "/spec/template/spec/containers/0/image",
                json!("fleet:other"),
            ),
        )
        .and(See::In(
            "CronJob",
            "archive",
            "/spec/jobTemplate/spec/template/spec/containers/0/image",
            json!("fleet:other"),
        ))
        .and(See::In(
            "StatefulSet",
            "collector-south",
            "/spec/template/spec/containers/0/image",
            json!("fleet:other"),
        )),
        Row::new("/suspend", json!(true), north("/spec/replicas", json!(0)))
            .and(See::Status(|status| {
                status.recording.as_deref() == Some("0/2")
            }))
            .and(See::In(
                "StatefulSet",
                "database",
                "/spec/replicas",
                json!(1),
            ))
            .rests("Suspended"),
        Row::new(
            "/updatePolicy/collectors",
            json!("AllAtOnce"),
            See::Nothing("it is seen while others change: rollout.rs"),
        ),
        Row::new(
            "/updatePolicy/deadlineMinutes",
            json!(1),
            See::Nothing("it is seen while others change: rollout.rs"),
        ),
        Row::new(
            "/updatePolicy/replaceNotReadyMinutes",
            json!(0),
            See::Nothing("it is seen when a node is lost: keeper/changes.rs"),
        ),
        Row::new(
            "/deletionPolicy",
            json!("Delete"),
            See::Nothing("it is seen at the end: life.rs"),
        ),
    ]
}
