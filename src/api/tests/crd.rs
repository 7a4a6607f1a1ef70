//! The CRD file is what the types say.

use std::fs;
use std::path::PathBuf;

fn file() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../crd/researchcollectors.yaml")
}

/// `UPDATE_CRD=1 cargo test -p fleet-api` writes the file anew.
#[test]
fn the_file_is_in_step_with_the_types() {
    let crd = fleet_api::crd().unwrap();
    if std::env::var_os("UPDATE_CRD").is_some() {
        fs::write(file(), &crd).unwrap();
    }
    let found = fs::read_to_string(file()).unwrap_or_default();
    assert!(
        found == crd,
        "crd/researchcollectors.yaml is stale: UPDATE_CRD=1 cargo test -p fleet-api"
    );
}

#[test]
fn the_schema_is_one_that_the_api_server_takes() {
    let crd = fleet_api::crd().unwrap();
    for wanted in [
        "x-kubernetes-list-type: map",
        "x-kubernetes-validations",
        "self == oldSelf",
        "shortNames:\n    - rcol",
        "categories:\n    - fleet",
        "self.regions.all(region,",
        "self != 'canary'",
        "maximum: 60.0",
        "default: 60000",
        "default: server.slsknet.org:2416",
    ] {
        assert!(crd.contains(wanted), "{wanted} is missing from\n{crd}");
    }
    for unwanted in ["uint", "additionalProperties: false"] {
        assert!(!crd.contains(unwanted), "{unwanted} is in\n{crd}");
    }
}
