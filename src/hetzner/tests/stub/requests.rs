//! What is asked, to the letter.

use fleet_hetzner::{
    ActionStatus, AttachToNetwork, ChangeType, CreateFirewall, CreateNetwork, CreatePlacementGroup,
    CreatePrimaryIp, CreatePublicNet, CreateServer, CreateSshKey, CreateVolume, Direction, Error,
    IpType, LabelSelector, Labels, Protection, Protocol, Rebuild, Rule, ServerFilter,
    ServerProtection, Subnet, SubnetType, Target, Update,
};
use serde_json::{Value, json};

use crate::bodies::{action, created_server, location, servers};
use crate::server::{Reply, Stub, TOKEN, error, json, ok};

#[tokio::test]
async fn what_is_sent_with_every_request() {
    let stub = Stub::start([ok(&servers(&[])), ok(&servers(&[]))]).await;
    let client = stub
        .builder()
        .user_agent("fleetctl/0.1.0")
        .endpoint(format!("{}/", stub.endpoint))
        .build()
        .unwrap();
    client
        .servers()
        .list(&ServerFilter::default())
        .await
        .unwrap();
    stub.client()
        .servers()
        .list(&ServerFilter::default())
        .await
        .unwrap();
    let requests = stub.requests();
    assert_eq!(
        requests[0].headers["authorization"],
        format!("Bearer {TOKEN}")
    );
    assert_eq!(requests[0].headers["user-agent"], "fleetctl/0.1.0");
    assert_eq!(
        requests[1].headers["user-agent"],
        concat!("fleet-hetzner/", env!("CARGO_PKG_VERSION"))
    );
    assert_eq!(stub.lines()[0], "GET /servers?page=1&per_page=50");
}

#[tokio::test]
async fn wrong_labels_are_not_sent() {
    let stub = Stub::start([]).await;
    let mut wanted = CreateServer::default();
    wanted
        .labels
        .insert("fleet".to_owned(), "two words".to_owned());
    let error = stub.client().servers().create(&wanted).await.unwrap_err();
    assert!(matches!(error, Error::Label(_)), "{error}");
    let update = Update {
        labels: Some(wanted.labels),
        name: None,
    };
    assert!(stub.client().servers().update(1, &update).await.is_err());
    assert_eq!(stub.count(), 0);
}

#[tokio::test]
async fn a_server_is_created_with_ids_or_names() {
    let stub = Stub::start([json(201, &created_server(42, "a"))]).await;
    let wanted = CreateServer {
        name: "a".to_owned(),
        server_type: "cx33".into(),
        image: 114_690_389.into(),
        location: Some("hel1".into()),
        ssh_keys: vec!["laptop".into(), 7.into()],
        user_data: Some("#cloud-config\n".into()),
        labels: Labels::from([("fleet".to_owned(), "study".to_owned())]),
        firewalls: vec![38],
        placement_group: Some(9),
        public_net: Some(CreatePublicNet {
            ipv4: Some(5),
            enable_ipv6: false,
            ..CreatePublicNet::default()
        }),
        ..CreateServer::default()
    };
    let created = stub.client().servers().create(&wanted).await.unwrap();
    assert_eq!(created.resource.id, 42);
    assert_eq!(
        created
            .actions
            .iter()
            .map(|action| action.id)
            .collect::<Vec<_>>(),
        [1, 2]
    );
    assert_eq!(created.actions[0].status, ActionStatus::Running);
    assert!(created.root_password.is_none());
    assert_eq!(
        stub.requests()[0].body,
        json!({
            "name": "a", "server_type": "cx33", "image": 114_690_389, "location": "hel1", "ssh_keys": ["laptop", 7],
            "user_data": "#cloud-config\n", "labels": { "fleet": "study" }, "firewalls": [{ "firewall": 38 }],
            "placement_group": 9, "public_net": { "enable_ipv4": true, "enable_ipv6": false, "ipv4": 5 }
        })
    );
}

#[tokio::test]
async fn deleting() {
    let stub = Stub::start([
        ok(&json!({ "action": action(9, "running") })),
        Reply::Answer(204, vec![], String::new()),
        error(404, "not_found"),
    ])
    .await;
    let client = stub.client();
    assert_eq!(client.servers().delete(1).await.unwrap().unwrap().id, 9);
    assert_eq!(client.ssh_keys().delete(2).await.unwrap(), None);
    assert_eq!(client.firewalls().delete(3).await.unwrap(), None);
    assert_eq!(
        stub.lines(),
        [
            "DELETE /servers/1",
            "DELETE /ssh_keys/2",
            "DELETE /firewalls/3"
        ]
    );
}

/// Every action: where it goes and what it says.
#[tokio::test]
async fn actions() {
    let stub = Stub::start([]).await;
    let client = stub.client();
    let one = || {
        stub.then(json(
            201,
            &json!({ "action": action(1, "running"), "root_password": "pw" }),
        ));
    };
    let several = || {
        stub.then(json(
            201,
            &json!({ "actions": [action(1, "running"), action(2, "running")] }),
        ));
    };
    let servers = client.servers();
    let rule = Rule {
        description: None,
        direction: Direction::In,
        protocol: Protocol::Tcp,
        port: Some("60000-60001".to_owned()),
        source_ips: vec!["0.0.0.0/0".to_owned(), "::/0".to_owned()],
        destination_ips: vec![],
    };
    let subnet = Subnet {
        kind: SubnetType::Cloud,
        ip_range: None,
        network_zone: "us-east".to_owned(),
        gateway: Some("10.0.0.1".to_owned()),
    };
    let fleet = LabelSelector::new().equals("fleet", "study").unwrap();
    let protected = Protection { delete: true };
    let protected_server = ServerProtection {
        delete: true,
        rebuild: true,
    };
    let rebuild = Rebuild {
        image: "debian-13".into(),
        user_data: Some("boot".into()),
    };
    let larger = ChangeType {
        server_type: "cpx32".into(),
        upgrade_disk: false,
    };
    let attach = AttachToNetwork {
        network: 4,
        ip: Some("10.0.0.7".to_owned()),
        ..AttachToNetwork::default()
    };
    for _ in 0..20 {
        one();
    }
    assert!(
        servers
            .rebuild(1, &rebuild)
            .await
            .unwrap()
            .root_password
            .is_some()
    );
    servers.power_on(1).await.unwrap();
    servers.power_off(1).await.unwrap();
    servers.shutdown(1).await.unwrap();
    servers.reboot(1).await.unwrap();
    servers.reset(1).await.unwrap();
    servers.change_type(1, &larger).await.unwrap();
    servers
        .change_protection(1, protected_server)
        .await
        .unwrap();
    servers.attach_to_network(1, &attach).await.unwrap();
    servers.detach_from_network(1, 4).await.unwrap();
    servers.add_to_placement_group(1, 9).await.unwrap();
    servers.remove_from_placement_group(1).await.unwrap();
    client.networks().add_subnet(4, &subnet).await.unwrap();
    client
        .networks()
        .delete_subnet(4, "10.0.0.0/24")
        .await
        .unwrap();
    client
        .networks()
        .change_protection(4, protected)
        .await
        .unwrap();
    client.volumes().attach(6, 1, true).await.unwrap();
    client.volumes().detach(6).await.unwrap();
    client.volumes().resize(6, 50).await.unwrap();
    client.primary_ips().assign(5, 1).await.unwrap();
    client.primary_ips().unassign(5).await.unwrap();
    one();
    client
        .primary_ips()
        .change_dns_ptr(5, "203.0.113.9", None)
        .await
        .unwrap();
    for _ in 0..3 {
        several();
    }
    assert_eq!(
        client
            .firewalls()
            .set_rules(38, &[rule])
            .await
            .unwrap()
            .len(),
        2
    );
    client
        .firewalls()
        .apply_to(38, &[Target::server(1), Target::label_selector(&fleet)])
        .await
        .unwrap();
    client
        .firewalls()
        .remove_from(38, &[Target::server(1)])
        .await
        .unwrap();

    let sent: Vec<String> = stub
        .requests()
        .into_iter()
        .map(|request| {
            format!(
                "{} {}",
                request
                    .line
                    .replacen("POST /v1", "", 1)
                    .replacen("/actions/", " ", 1),
                request.body
            )
        })
        .collect();
    assert_eq!(
        sent,
        [
            r#"/servers/1 rebuild {"image":"debian-13","user_data":"boot"}"#,
            "/servers/1 poweron null",
            "/servers/1 poweroff null",
            "/servers/1 shutdown null",
            "/servers/1 reboot null",
            "/servers/1 reset null",
            r#"/servers/1 change_type {"server_type":"cpx32","upgrade_disk":false}"#,
            r#"/servers/1 change_protection {"delete":true,"rebuild":true}"#,
            r#"/servers/1 attach_to_network {"ip":"10.0.0.7","network":4}"#,
            r#"/servers/1 detach_from_network {"network":4}"#,
            r#"/servers/1 add_to_placement_group {"placement_group":9}"#,
            "/servers/1 remove_from_placement_group null",
            r#"/networks/4 add_subnet {"network_zone":"us-east","type":"cloud"}"#,
            r#"/networks/4 delete_subnet {"ip_range":"10.0.0.0/24"}"#,
            r#"/networks/4 change_protection {"delete":true}"#,
            r#"/volumes/6 attach {"automount":true,"server":1}"#,
            "/volumes/6 detach null",
            r#"/volumes/6 resize {"size":50}"#,
            r#"/primary_ips/5 assign {"assignee_id":1,"assignee_type":"server"}"#,
            "/primary_ips/5 unassign null",
            r#"/primary_ips/5 change_dns_ptr {"dns_ptr":null,"ip":"203.0.113.9"}"#,
            r#"/firewalls/38 set_rules {"rules":[{"direction":"in","port":"60000-60001","protocol":"tcp","source_ips":["0.0.0.0/0","::/0"]}]}"#,
            r#"/firewalls/38 apply_to_resources {"apply_to":[{"server":{"id":1},"type":"server"},{"label_selector":{"selector":"fleet=study"},"type":"label_selector"}]}"#,
            r#"/firewalls/38 remove_from_resources {"remove_from":[{"server":{"id":1},"type":"server"}]}"#,
        ]
    );
}

/// What each of the smaller kinds is made from.
#[tokio::test]
async fn creating_the_others() {
    let bare = |key: &str, more: Value| {
        let mut resource = json!({ "id": 1, "name": "n", "created": "2026-11-26T15:00:00Z", "location": location() });
        resource
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        json(201, &json!({ key: resource, "action": null }))
    };
    let stub = Stub::start([
        bare("ssh_key", json!({})),
        bare("firewall", json!({})),
        bare("network", json!({ "subnets": [{ "type": "cloud", "network_zone": "us-east", "ip_range": "10.0.0.0/24", "gateway": "10.0.0.1" }] })),
        bare("volume", json!({ "size": 10.0, "server": null })),
        bare("primary_ip", json!({ "ip": "203.0.113.9", "type": "ipv4" })),
        bare("placement_group", json!({ "type": "spread" })),
        bare("ssh_key", json!({})),
    ])
    .await;
    let client = stub.client();
    let key = CreateSshKey {
        name: "n".to_owned(),
        public_key: "ssh-ed25519 AAAA".to_owned(),
        labels: Labels::new(),
    };
    assert_eq!(client.ssh_keys().create(&key).await.unwrap().resource.id, 1);
    let firewall = CreateFirewall {
        name: "n".to_owned(),
        ..CreateFirewall::default()
    };
    assert!(
        client
            .firewalls()
            .create(&firewall)
            .await
            .unwrap()
            .actions
            .is_empty()
    );
    let network = CreateNetwork {
        name: "n".to_owned(),
        ip_range: "10.0.0.0/16".to_owned(),
        ..CreateNetwork::default()
    };
    let network = client.networks().create(&network).await.unwrap().resource;
    assert_eq!(network.subnets[0].gateway.as_deref(), Some("10.0.0.1"));
    let volume = CreateVolume {
        name: "n".to_owned(),
        size: 10,
        location: Some("hel1".into()),
        format: Some("ext4".to_owned()),
        ..CreateVolume::default()
    };
    assert_eq!(
        client
            .volumes()
            .create(&volume)
            .await
            .unwrap()
            .resource
            .size,
        10
    );
    let address = CreatePrimaryIp::new("n", IpType::Ipv4, "hel1");
    assert!(
        !client
            .primary_ips()
            .create(&address)
            .await
            .unwrap()
            .resource
            .auto_delete
    );
    let group = CreatePlacementGroup {
        name: "n".to_owned(),
        ..CreatePlacementGroup::default()
    };
    client.placement_groups().create(&group).await.unwrap();
    let renamed = Update {
        name: Some("m".to_owned()),
        labels: None,
    };
    client.ssh_keys().update(1, &renamed).await.unwrap();
    let sent: Vec<Value> = stub
        .requests()
        .into_iter()
        .map(|request| request.body)
        .collect();
    assert_eq!(
        sent,
        [
            json!({ "name": "n", "public_key": "ssh-ed25519 AAAA", "labels": {} }),
            json!({ "name": "n", "labels": {}, "rules": [] }),
            json!({ "name": "n", "ip_range": "10.0.0.0/16", "labels": {} }),
            json!({ "name": "n", "size": 10, "labels": {}, "location": "hel1", "format": "ext4" }),
            json!({ "name": "n", "type": "ipv4", "location": "hel1", "auto_delete": false, "labels": {} }),
            json!({ "name": "n", "labels": {}, "type": "spread" }),
            json!({ "name": "m" }),
        ]
    );
    assert_eq!(stub.lines()[6], "PUT /ssh_keys/1");
}
