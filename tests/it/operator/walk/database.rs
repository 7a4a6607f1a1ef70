//! Fields of the database.

use serde_json::{Value, json};

use super::{look::See, row::Row};

fn database(pointer: &'static str, value: Value) -> See {
    See::In("StatefulSet", "database", pointer, value)
}

fn pooler(pointer: &'static str, value: Value) -> See {
    See::In("Deployment", "pooler", pointer, value)
}

fn backup(pointer: &'static str, value: Value) -> See {
    See::In("CronJob", "backup", pointer, value)
}

fn claim(name: &'static str, pointer: &'static str, value: Value) -> See {
    See::In("PersistentVolumeClaim", name, pointer, value)
}

const STORAGE: &str = "/spec/resources/requests/storage";
const CLASS: &str = "/spec/storageClassName";

#[expect(clippy::too_many_lines, reason = "it is a table")]
pub(super) fn rows() -> Vec<Row> {
    vec![
        Row::new(
            "/database/managed/image",
            json!("postgres:17.7-bookworm"),
            database(
                "/spec/template/spec/containers/0/image",
                json!("postgres:17.7-bookworm"),
            ),
        )
        .and(backup(
            "/spec/jobTemplate/spec/template/spec/containers/0/image",
            json!("postgres:17.7-bookworm"),
        )),
        // It cannot be changed: it is as it was from the beginning.
        Row::new(
            "/database/managed/volume/storageClassName",
            json!("standard"),
            claim("database", CLASS, json!("standard")),
        )
        .alone(),
        Row::new(
            "/database/managed/volume/size",
            json!("11Gi"),
            claim("database", STORAGE, json!("11Gi")),
        )
        .stays(),
        Row::new(
            "/database/managed/resources/requests/cpu",
            json!("300m"),
            database(
                "/spec/template/spec/containers/0/resources/requests/cpu",
                json!("300m"),
            ),
        ),
        Row::new(
            "/database/managed/resources/requests/memory",
            json!("2Gi"),
            database(
                "/spec/template/spec/containers/0/resources/requests/memory",
                json!("2Gi"),
            ),
        )
        .and(database(
            "/spec/template/spec/containers/0/args/11",
            json!("shared_buffers=512MB"),
        )),
        Row::new(
            "/database/managed/resources/limits/cpu",
            json!("3"),
            database(
                "/spec/template/spec/containers/0/resources/limits/cpu",
                json!("3"),
            ),
        ),
        Row::new(
            "/database/managed/resources/limits/memory",
            json!("3Gi"),
            database(
                "/spec/template/spec/containers/0/resources/limits/memory",
                json!("3Gi"),
            ),
        ),
        Row::new(
            "/database/managed/pooler/image",
            json!("pgbouncer:other"),
            pooler(
                "/spec/template/spec/containers/0/image",
                json!("pgbouncer:other"),
            ),
        ),
        Row::new(
            "/database/managed/pooler/replicas",
            json!(2),
            pooler("/spec/replicas", json!(2)),
        ),
        Row::new(
            "/database/managed/pooler/replicas",
            json!(0),
            See::Gone("Deployment", "pooler"),
        )
        .and(See::Gone("Service", "pooler"))
        .alone(),
        Row::new(
            "/database/managed/nodeSelector",
            json!({"disk": "fast"}),
            database("/spec/template/spec/nodeSelector", json!({"disk": "fast"})),
        )
        .and(pooler(
            "/spec/template/spec/nodeSelector",
            json!({"disk": "fast"}),
        )),
        Row::new(
            "/database/managed/backup/schedule",
            json!("15 4 * * *"),
            backup("/spec/schedule", json!("15 4 * * *")),
        ),
        Row::new(
            "/database/managed/backup/keep",
            json!(14),
            backup(
                "/spec/jobTemplate/spec/template/spec/containers/0/env/0/value",
                json!("14"),
            ),
        ),
        Row::new(
            "/database/managed/backup/volume/size",
            json!("12Gi"),
            claim("backup", STORAGE, json!("12Gi")),
        )
        .stays(),
        Row::new(
            "/database/managed/backup/volume/storageClassName",
            json!("standard"),
            claim("backup", CLASS, json!("standard")),
        )
        .alone(),
        Row::new(
            "/database/managed/backup",
            Value::Null,
            See::Gone("CronJob", "backup"),
        )
        .alone(),
        Row::new(
            "/database",
            json!({"external": {"urlSecretRef": {"name": "url"}}}),
            See::Read(
                "north",
                "/database/external/urlSecretRef/name",
                json!("url"),
            ),
        )
        .and(See::Gone("StatefulSet", "database"))
        .and(See::Gone("Deployment", "pooler"))
        .and(See::Gone("CronJob", "backup"))
        .and(See::In(
            "CronJob",
            "report",
            "/spec/jobTemplate/spec/template/spec/volumes/0/secret/secretName",
            json!("url"),
        ))
        .alone(),
    ]
}
