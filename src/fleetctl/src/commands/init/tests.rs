//! Whatever is answered, the spec that comes of it is one.

use fleet_api::Manifest;

use super::study::Study;
use super::*;

/// The studies of every combination of answers.
fn studies() -> Vec<Study> {
    let far = |names: &[&str]| -> Vec<RegionChoice> {
        names.iter().map(|name| name.parse().unwrap()).collect()
    };
    let key = "ssh-ed25519 AAAA \"anna\" at: home # 'x'".to_owned();
    let mut studies = Vec::new();
    for machines in [Machines::Hetzner, Machines::Here] {
        let regions = match machines {
            Machines::Hetzner => vec![usual_regions(), far(&["a", "b", "us-east=ash", "x=hil"])],
            Machines::Here => vec![region_here(), far(&["null", "no", "e1"])],
        };
        for regions in regions {
            for pseudonyms in [Pseudonyms::Siv, Pseudonyms::Fernet, Pseudonyms::Hmac] {
                for bits in 0..8 {
                    studies.push(Study {
                        name: "study".to_owned(),
                        network: Network::Soulseek,
                        machines,
                        regions: regions.clone(),
                        ssh_keys: Vec::from_iter((bits & 4 != 0).then(|| key.clone())),
                        allow_from: everywhere(),
                        pseudonyms,
                        database: bits & 1 != 0,
                        canary: bits & 2 != 0,
                    });
                }
            }
        }
    }
    studies
}

#[test]
fn every_combination_of_answers_gives_a_spec_with_all_its_secrets() {
    for study in studies() {
        study.check().unwrap();
        let text = study.render("study.yaml").unwrap();
        let manifest =
            Manifest::parse(&text, "study.yaml").unwrap_or_else(|error| panic!("{error}\n{text}"));
        let spec = &manifest.collector.spec;
        let names: Vec<_> = spec
            .regions
            .iter()
            .map(|region| region.name.as_str())
            .collect();
        let wanted: Vec<_> = study
            .regions
            .iter()
            .map(|region| region.name.as_str())
            .collect();
        assert_eq!(names, wanted, "{text}");
        assert_eq!(manifest.accounts(None).unwrap().len(), wanted.len());
        assert!(manifest.privacy_key().unwrap().is_some());
        assert_eq!(manifest.database_url().unwrap().is_some(), study.database);
        assert_eq!(manifest.canary_account().unwrap().is_some(), study.canary);
        assert_eq!(manifest.ignored, Vec::<String>::new());
        let hetzner = spec.infrastructure.as_ref().map(|found| &found.hetzner);
        assert_eq!(hetzner.is_some(), study.machines == Machines::Hetzner);
        if let Some(hetzner) = hetzner {
            assert_eq!(hetzner.ssh_keys, study.ssh_keys);
            assert_eq!(hetzner.allow_from, EVERYWHERE);
        }
        // Regions on one machine must not want the same port.
        let shared = spec
            .regions
            .iter()
            .filter(|region| region.location.is_none());
        let ports: Vec<_> = shared
            .flat_map(|region| [region.listen.port, region.listen.obfuscated_port])
            .collect();
        let mut different = ports.clone();
        different.sort_unstable();
        different.dedup();
        assert_eq!(different.len(), ports.len(), "{text}");
        assert!(!text.contains("\n\n\n") && !text.contains("{%"), "{text}");
    }
}

#[test]
fn secrets_are_new_each_time() {
    let study = &studies()[0];
    let keys: Vec<_> = std::iter::repeat_with(|| study.render("study.yaml").unwrap())
        .take(2)
        .collect();
    let secrets = |text: &String| -> Vec<String> {
        let secret = |line: &&str| {
            ["username:", "password:", "key:"]
                .iter()
                .any(|key| line.trim().starts_with(key))
        };
        text.lines().filter(secret).map(str::to_owned).collect()
    };
    let (first, second) = (secrets(&keys[0]), secrets(&keys[1]));
    // The scheme of pseudonyms is under `username`, too.
    let same: Vec<_> = first.iter().filter(|line| second.contains(line)).collect();
    assert_eq!(same.len(), 1, "{same:?}");
    assert_eq!(first.len(), 8, "{first:?}");
}

#[test]
fn the_usual_study_is_that_of_the_document() {
    let study = &studies()[0];
    let text = study.render("study.yaml").unwrap();
    let manifest = Manifest::parse(&text, "study.yaml").unwrap();
    let of = |name: &str| {
        manifest
            .collector
            .spec
            .regions
            .iter()
            .find(|region| region.name == name)
            .unwrap()
            .clone()
    };
    assert_eq!(of("germany").location, None);
    assert_eq!(of("us-east").server_types, ["cpx11", "cpx21", "ccx13"]);
    assert_eq!(of("singapore").server_types, ["cpx12", "cpx22", "ccx13"]);
    let control_plane = &manifest
        .collector
        .spec
        .infrastructure
        .as_ref()
        .unwrap()
        .hetzner
        .control_plane;
    assert_eq!(control_plane.server_types, ["cx33", "cpx32", "ccx13"]);
    assert_eq!(control_plane.locations, ["nbg1", "fsn1", "hel1"]);
}

#[test]
fn what_cannot_be_is_refused_with_what_to_write() {
    let with = |change: &dyn Fn(&mut Study)| {
        let mut study = studies()[0].clone();
        change(&mut study);
        study.check().unwrap_err().to_string()
    };
    assert!(with(&|study| study.name = "My Study".to_owned()).contains("lower-case letters"));
    assert!(with(&|study| study.name = "x".repeat(50)).contains("too long"));
    assert!(
        with(&|study| study.regions[0].name = "canary".to_owned()).contains("write another name")
    );
    assert!(with(&|study| study.regions[0].name = "us-east".to_owned()).contains("two regions"));
    let here = with(&|study| study.machines = Machines::Here);
    assert!(here.contains("the fleet has no servers"), "{here}");
}
