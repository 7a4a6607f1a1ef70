//! What people write, right and wrong.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;

use fleet_api::{Duplicates, Manifest, SecretError, UsernameScheme};
use secrecy::{ExposeSecret, SecretString};

const EXAMPLE: &str = include_str!("../../../docs/examples/soulseek.yaml");

const SERVERS: &str = include_str!("../../../docs/examples/servers.yaml");

const MINIMAL: &str = "
apiVersion: researchfleet.io/v1alpha1
kind: ResearchCollector
metadata: {name: tiny}
spec:
  network: soulseek
  regions:
  - name: here
    credentialsSecretRef: {name: account}
";

fn with_spec(spec: &str) -> String {
    format!(
        "apiVersion: researchfleet.io/v1alpha1\nkind: ResearchCollector\nmetadata: {{name: t}}\nspec: {spec}\n"
    )
}

fn region(fields: &str) -> String {
    with_spec(&format!(
        "{{network: soulseek, regions: [{{name: here, credentialsSecretRef: {{name: a}}, {fields}}}]}}"
    ))
}

/// The minimal spec with a field more.
fn more(field: &str) -> String {
    format!("{MINIMAL}  {field}\n")
}

fn account(username: &str) -> BTreeMap<String, SecretString> {
    [
        ("username".to_owned(), username.into()),
        ("password".to_owned(), "x".into()),
    ]
    .into()
}

fn error(text: &str) -> String {
    let error = Manifest::parse(text, "study.yaml").unwrap_err();
    assert!(!error.hint().is_empty());
    error.to_string()
}

#[test]
fn the_example_is_complete() {
    let manifest = Manifest::parse(EXAMPLE, "soulseek.yaml").unwrap();
    assert_eq!(manifest.name(), "searches");
    assert!(manifest.ignored.is_empty());
    let accounts = manifest.accounts(None).unwrap();
    let names: Vec<_> = accounts
        .iter()
        .map(|(region, account)| (region.name.as_str(), account.username.as_str()))
        .collect();
    assert_eq!(
        names,
        [("germany", "change-me-1"), ("us-west", "change-me-2")]
    );
    assert!(
        manifest
            .privacy_key()
            .unwrap()
            .unwrap()
            .expose_secret()
            .starts_with("change-me")
    );
}

#[test]
fn defaults_are_filled_in() {
    let spec = Manifest::parse(MINIMAL, "f").unwrap().collector.spec;
    assert_eq!(spec.soulseek.server, "server.slsknet.org:2416");
    assert_eq!(spec.soulseek.client_version, 177);
    assert_eq!(spec.soulseek.duplicates, Duplicates::Drop);
    assert_eq!(
        (
            spec.regions[0].listen.port,
            spec.regions[0].listen.obfuscated_port
        ),
        (60000, 60001)
    );
    assert_eq!(spec.privacy.username, UsernameScheme::Siv);
    assert_eq!((spec.canary, spec.database), (None, None));
    let text = more("canary: {credentialsSecretRef: {name: bird}}");
    let spec = Manifest::parse(&text, "f").unwrap().collector.spec;
    assert_eq!(spec.canary.unwrap().per_hour, 4);
}

#[test]
fn secrets_are_read_as_kubernetes_reads_them() {
    let secret = "---
apiVersion: v1
kind: Secret
metadata: {name: account}
data: {username: YW5uYQ==, password: b2xk}
stringData: {password: new}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: other}
---
";
    let manifest = Manifest::parse(&format!("{MINIMAL}{secret}"), "f").unwrap();
    let accounts = manifest.accounts(None).unwrap();
    assert_eq!(accounts[0].1.username, "anna");
    assert_eq!(accounts[0].1.password.expose_secret(), "new");
    assert_eq!(manifest.ignored, ["ConfigMap/other"]);
    assert!(!format!("{manifest:?}").contains("new\""));
}

#[test]
fn wrong_specs_are_told_what_is_wrong_and_where() {
    let cases = [
        (
            with_spec("{network: gnutella, regions: []}"),
            "unknown variant `gnutella`",
        ),
        (
            with_spec("{network: soulseek, regions: []}"),
            "spec.regions: write 1 to 64 regions",
        ),
        (
            with_spec("{network: soulseek, soulseek: {server: example.org}, regions: []}"),
            "spec.soulseek.server: write host:port",
        ),
        (
            with_spec("{network: soulseek, soulseek: {clientVersion: 200}, regions: []}"),
            "spec.soulseek.clientVersion: write a number from 157 to 178",
        ),
        (
            region("lisen: {port: 1}"),
            "no field `spec.regions.0.lisen`, did you mean `listen`?",
        ),
        (
            region("listen: {port: 0}"),
            "spec.regions[0].listen.port: write a port from 1 to 65535",
        ),
        (
            region("listen: {port: 5, obfuscatedPort: 5}"),
            "port and obfuscatedPort must differ",
        ),
        (
            region("listen: {port: high}"),
            "invalid type: string \"high\"",
        ),
        (
            with_spec("{netwrok: soulseek, regions: []}"),
            "no field `spec.netwrok`, did you mean `network`?",
        ),
        (region("name: twice"), "duplicate field `name`"),
        (
            with_spec(
                "{network: soulseek, regions: [{name: a, credentialsSecretRef: {name: x}}, \
                 {name: a, credentialsSecretRef: {name: y}}]}",
            ),
            "spec.regions[1].name: two regions have this name",
        ),
        (
            with_spec(
                "{network: soulseek, regions: [{name: US West, credentialsSecretRef: {name: x}}]}",
            ),
            "spec.regions[0].name: a region's name has lower-case letters",
        ),
        (
            with_spec(
                "{network: soulseek, regions: [{name: canary, credentialsSecretRef: {name: x}}]}",
            ),
            "spec.regions[0].name: `canary` is the client_id",
        ),
        (
            more("canary: {credentialsSecretRef: {name: account}}"),
            "spec.canary.credentialsSecretRef.name: a region uses the canary's Secret",
        ),
        (
            more("canary: {credentialsSecretRef: {name: bird}, perHour: 61}"),
            "spec.canary.perHour: write a number from 1 to 60",
        ),
        (
            more("canary: {credentialsSecretRef: {name: bird}, perHuor: 1}"),
            "no field `spec.canary.perHuor`, did you mean `perHour`?",
        ),
        (
            more("canari: {credentialsSecretRef: {name: bird}}"),
            "no field `spec.canari`, did you mean `canary`?",
        ),
        (
            more("database: {}"),
            "spec.database: write one of external and managed",
        ),
        (
            more("database: {extrenal: {urlSecretRef: {name: d}}}"),
            "no field `spec.database.extrenal`, did you mean `external`?",
        ),
        (
            more("database: {external: {urlSecretRef: {name: ''}}}"),
            "spec.database.external.urlSecretRef.name: write the name of the Secret with `url`",
        ),
        (
            format!("{MINIMAL}---{MINIMAL}"),
            "2 documents of kind ResearchCollector",
        ),
        (String::new(), "0 documents of kind ResearchCollector"),
        (
            MINIMAL.replace("v1alpha1", "v2"),
            "apiVersion is researchfleet.io/v2",
        ),
        ("spec: [unclosed".to_owned(), "line 1"),
    ];
    for (text, wanted) in cases {
        let found = error(&text);
        assert!(found.starts_with("study.yaml: "), "{found}");
        assert!(found.contains(wanted), "wanted: {wanted}\nfound: {found}");
    }
}

#[test]
fn servers_are_described_or_refused() {
    let manifest = Manifest::parse(SERVERS, "servers.yaml").unwrap();
    let hetzner = &manifest
        .collector
        .spec
        .infrastructure
        .as_ref()
        .unwrap()
        .hetzner;
    assert_eq!(
        hetzner.control_plane.server_types,
        ["cx33", "cpx32", "ccx13"]
    );
    assert!(manifest.hetzner_token().unwrap().is_none());

    let defaults = Manifest::parse(&more("infrastructure: {hetzner: {}}"), "t").unwrap();
    let infrastructure = defaults.collector.spec.infrastructure.unwrap();
    assert_eq!(infrastructure.hetzner.control_plane, hetzner.control_plane);
    assert_eq!(infrastructure.hetzner.image, "debian-12");

    let hetzner = |fields: &str| more(&format!("infrastructure: {{hetzner: {{{fields}}}}}"));
    for (text, wanted) in [
        (
            region("location: ash"),
            "spec.regions[0].location: a region has a location, but the fleet has no servers",
        ),
        (
            region("serverTypes: [cpx11]"),
            "spec.regions[0].serverTypes: a region without a location",
        ),
        (
            with_spec(
                "{network: soulseek, regions: [{name: control-plane, credentialsSecretRef: {name: a}}]}",
            ),
            "spec.regions[0].name: `control-plane` is the name of",
        ),
        (
            more("").replace("tiny", &"t".repeat(60)),
            "metadata.name: the fleet's name is too long",
        ),
        (
            hetzner("allowFrom: [everybody]"),
            "spec.infrastructure.hetzner.allowFrom: write address ranges",
        ),
        (
            hetzner("allowFrom: []"),
            "spec.infrastructure.hetzner.allowFrom: write address ranges",
        ),
        (
            hetzner("network: {ipRange: 8.8.8.0/24}"),
            "spec.infrastructure.hetzner.network.ipRange: write a private range",
        ),
        (
            hetzner("network: {ipRange: 10.0.0.0/25}"),
            "spec.infrastructure.hetzner.network.ipRange: write a private range",
        ),
        (
            hetzner("network: {ipRange: 172.16.0.0/11}"),
            "spec.infrastructure.hetzner.network.ipRange: write a private range",
        ),
        (
            hetzner("controlPlane: {volumeGb: 9}"),
            "spec.infrastructure.hetzner.controlPlane.volumeGb: write a size from",
        ),
        (
            hetzner("controlPlane: {locations: []}"),
            "spec.infrastructure.hetzner.controlPlane.locations: write at least one",
        ),
        (
            hetzner("sshkeys: [a]"),
            "has no field `spec.infrastructure.hetzner.sshkeys`, did you mean `sshKeys`?",
        ),
    ] {
        let error = error(&text);
        assert!(error.contains(wanted), "{error}\n{wanted}");
    }
}

#[test]
fn the_token_is_taken_from_its_secret() {
    let spec = more("infrastructure: {hetzner: {tokenSecretRef: {name: hetzner}}}");
    let mut manifest = Manifest::parse(&spec, "t").unwrap();
    let missing = manifest.hetzner_token().unwrap_err().to_string();
    assert!(
        missing.contains("spec.infrastructure.hetzner.tokenSecretRef names the Secret `hetzner`"),
        "{missing}"
    );
    manifest.add_secret("hetzner", [("token".to_owned(), "abc".into())].into());
    assert_eq!(
        manifest.hetzner_token().unwrap().unwrap().expose_secret(),
        "abc"
    );
}

#[test]
fn an_unreadable_secret_is_not_quoted() {
    for value in [
        "data: {password: !!int hunter12345678}",
        "stringData: {password: [12345678]}",
        "data: {password: '%%12345678'}",
    ] {
        let secret = format!(
            "{MINIMAL}---\napiVersion: v1\nkind: Secret\nmetadata: {{name: account}}\n{value}\n"
        );
        let found = error(&secret);
        assert!(found.contains("cannot be read at line"), "{found}");
        assert!(!found.contains("12345678"), "{found}");
    }
}

#[test]
fn missing_and_incomplete_secrets_are_named() {
    let mut manifest = Manifest::parse(MINIMAL, "f").unwrap();
    let missing = manifest.accounts(None).unwrap_err();
    assert_eq!(
        missing.to_string(),
        "spec.regions[0].credentialsSecretRef names the Secret `account`, which is not there"
    );
    manifest.add_secret("account", [("username".to_owned(), "anna".into())].into());
    let lacking = manifest.accounts(None).unwrap_err();
    assert_eq!(
        lacking,
        SecretError::Key {
            name: "account".into(),
            key: "password"
        }
    );
    assert!(lacking.hint().contains("stringData"));
    for name in [" anna", "", "an\u{e4}", "a name that is longer than thirty"] {
        let secret = [
            ("username".to_owned(), name.into()),
            ("password".to_owned(), "x".into()),
        ];
        manifest.add_secret("account", secret.into());
        assert_eq!(
            manifest.accounts(None).unwrap_err(),
            SecretError::Username {
                name: "account".into()
            }
        );
    }
}

#[test]
fn two_regions_cannot_share_an_account() {
    let text = EXAMPLE.replace("change-me-2", "change-me-1");
    let error = Manifest::parse(&text, "f")
        .unwrap()
        .accounts(None)
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "the regions `germany` and `us-west` use the same account"
    );
}

/// What the example says of a canary is right, once it is no longer a comment.
#[test]
fn the_commented_parts_of_the_example_work() {
    let (secrets, collector) = EXAMPLE.split_once("kind: ResearchCollector").unwrap();
    let collector = collector.replace("\n#  ", "\n  ");
    let text = format!("{secrets}kind: ResearchCollector{collector}");
    let manifest = Manifest::parse(&text, "f").unwrap();
    let spec = &manifest.collector.spec;
    assert_eq!(spec.canary.as_ref().unwrap().per_hour, 4);
    assert!(spec.database.is_some() && spec.archive.is_some());
}

/// A container that runs one region has only that region's Secret.
#[test]
fn one_region_needs_only_its_own_account() {
    let mut manifest =
        Manifest::parse(&EXAMPLE.replace("kind: Secret", "kind: Other"), "f").unwrap();
    manifest.add_secret("soulseek-us-west", account("anna"));
    assert!(manifest.accounts(None).is_err());
    assert_eq!(
        manifest.accounts(Some("us-west")).unwrap()[0].1.username,
        "anna"
    );
}

/// Only the process that sends canaries needs their password; all others need the name.
#[test]
fn the_canary_has_an_account_of_its_own() {
    let text = more("canary: {credentialsSecretRef: {name: bird}}");
    let mut manifest = Manifest::parse(&text, "f").unwrap();
    let missing = manifest.canary_username().unwrap_err();
    assert_eq!(
        missing.to_string(),
        "spec.canary.credentialsSecretRef names the Secret `bird`, which is not there"
    );
    assert!(missing.hint().contains("--secrets-dir; every region needs"));

    manifest.add_secret("bird", [("username".to_owned(), "tweety".into())].into());
    assert_eq!(manifest.canary_username().unwrap().unwrap(), "tweety");
    assert_eq!(
        manifest.canary_account().unwrap_err(),
        SecretError::Key {
            name: "bird".into(),
            key: "password"
        }
    );
    manifest.add_secret("bird", account("tweety"));
    let found = manifest.canary_account().unwrap().unwrap();
    assert_eq!(
        (found.username.as_str(), found.password.expose_secret()),
        ("tweety", "x")
    );

    manifest.add_secret("account", account("tweety"));
    let same = manifest.canary_username().unwrap_err();
    assert_eq!(
        same.to_string(),
        "the canary uses the account of the region `here`"
    );
    let none = Manifest::parse(MINIMAL, "f").unwrap();
    assert_eq!(none.canary_username(), Ok(None));
    assert!(none.canary_account().unwrap().is_none());
}

#[test]
fn the_database_is_named_by_a_url_in_a_secret() {
    let text = more("database: {external: {urlSecretRef: {name: db}}}");
    let mut manifest = Manifest::parse(&text, "f").unwrap();
    assert_eq!(
        manifest.database_url().unwrap_err().to_string(),
        "spec.database.external.urlSecretRef names the Secret `db`, which is not there"
    );
    manifest.add_secret("db", account("anna"));
    assert_eq!(
        manifest.database_url().unwrap_err().to_string(),
        "the Secret `db` has no `url`"
    );
    let mut url = |url: &str| {
        manifest.add_secret("db", [("url".to_owned(), url.into())].into());
        let found = manifest.database_url();
        found.map(|url| url.unwrap().expose_secret().to_owned())
    };
    for right in [
        "postgres://fleet:p%40ss@db.example.org:5432/research?sslmode=verify-full",
        "postgresql:///research?host=/run/postgresql",
    ] {
        assert_eq!(url(right).unwrap(), right);
        assert_eq!(url(&format!("{right}\n")).unwrap(), right);
    }
    for (wrong, problem) in [
        ("Zebra-pass", "relative URL without a base"),
        ("", "relative URL without a base"),
        (
            "mysql://fleet:Zebra-pass@host/research",
            "does not begin with postgres://",
        ),
        ("postgres:Zebra-pass", "does not begin with postgres://"),
        (
            "postgres://fleet:Zebra/pass@host/research",
            "invalid port number",
        ),
    ] {
        let error = url(wrong).unwrap_err();
        let told = format!("{error} {error:?} {}", error.hint());
        assert!(told.contains(problem), "{told}");
        assert!(told.contains("the Secret `db`"), "{told}");
        assert!(!told.contains("Zebra"), "{told}");
    }
    let none = Manifest::parse(MINIMAL, "f").unwrap();
    assert!(none.database_url().unwrap().is_none());
}
