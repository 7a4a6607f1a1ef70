//! Fields of archives and figures.

use serde_json::{Value, json};

use super::{look::See, row::Row};

fn archive(pointer: &'static str, value: Value) -> See {
    See::In("CronJob", "archive", pointer, value)
}

const POD: &str = "/spec/jobTemplate/spec/template/spec";

fn container(pointer: &'static str, value: Value) -> See {
    // A table stands in the program for as long as that runs.
    let pointer = format!("{POD}/containers/0{pointer}").leak();
    archive(pointer, value)
}

pub(super) fn rows() -> Vec<Row> {
    vec![
        Row::new(
            "/archive/schedule",
            json!("0 3 2 * *"),
            archive("/spec/schedule", json!("0 3 2 * *")),
        ),
        Row::new(
            "/archive/keepMonths",
            json!(3),
            container("/args/1", json!("--keep-months=3")),
        ),
        Row::new(
            "/archive/format",
            json!("csv.gz"),
            container("/args/2", json!("--format=csv.gz")),
        ),
        Row::new(
            "/archive/resources/requests/cpu",
            json!("200m"),
            container("/resources/requests/cpu", json!("200m")),
        ),
        Row::new(
            "/archive/resources/requests/memory",
            json!("192Mi"),
            container("/resources/requests/memory", json!("192Mi")),
        ),
        Row::new(
            "/archive/resources/limits/cpu",
            json!("2"),
            container("/resources/limits/cpu", json!("2")),
        ),
        Row::new(
            "/archive/resources/limits/memory",
            json!("1Gi"),
            container("/resources/limits/memory", json!("1Gi")),
        ),
        Row::new(
            "/archive/destination/volume/size",
            json!("13Gi"),
            See::In(
                "PersistentVolumeClaim",
                "archive",
                "/spec/resources/requests/storage",
                json!("13Gi"),
            ),
        )
        .stays(),
        Row::new(
            "/archive/destination/volume/storageClassName",
            json!("standard"),
            See::In(
                "PersistentVolumeClaim",
                "archive",
                "/spec/storageClassName",
                json!("standard"),
            ),
        )
        .alone(),
        Row::new(
            "/archive/destination",
            json!({"s3": {
                "bucket": "months", "prefix": "study/2026", "endpoint": "https://s3.example.org",
                "region": "eu-central-1", "credentialsSecretRef": {"name": "bucket"},
            }}),
            container("/args/0", json!("--destination=s3://months/study/2026")),
        )
        .and(container(
            "/env/1/valueFrom/secretKeyRef",
            json!({"name": "bucket", "key": "access-key-id"}),
        ))
        .and(container(
            "/env/3",
            json!({"name": "AWS_ENDPOINT", "value": "https://s3.example.org"}),
        ))
        .and(container(
            "/env/4",
            json!({"name": "AWS_REGION", "value": "eu-central-1"}),
        )),
        Row::new("/archive", Value::Null, See::Gone("CronJob", "archive")).alone(),
        Row::new(
            "/reports/schedule",
            json!("0 0 29 2 *"),
            See::In("CronJob", "report", "/spec/schedule", json!("0 0 29 2 *")),
        ),
        Row::new("/reports", Value::Null, See::Gone("CronJob", "report")).alone(),
    ]
}
