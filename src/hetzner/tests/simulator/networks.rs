//! Firewalls and networks.

use fleet_hetzner::{
    AttachToNetwork, CreateFirewall, CreateNetwork, CreateServer, Direction, ErrorCode, Labels,
    Protection, Protocol, Rule, Subnet, SubnetType, Target,
};

use crate::life::{a_server, die, done, fleet, labels, live, make, one, start};

#[tokio::test(start_paused = true)]
async fn a_firewall_lives() {
    let (_api, client) = start().await;
    let firewalls = client.firewalls();
    let rule = Rule {
        description: Some("peers".to_owned()),
        direction: Direction::In,
        protocol: Protocol::Tcp,
        port: Some("60000-60001".to_owned()),
        source_ips: vec!["0.0.0.0/0".to_owned(), "::/0".to_owned()],
        destination_ips: vec![],
    };
    let wanted = CreateFirewall {
        name: "study".to_owned(),
        labels: labels(),
        rules: vec![rule.clone()],
        apply_to: vec![Target::label_selector(&fleet())],
    };
    let firewall = live(&client, client.firewalls(), &wanted).await;
    assert_eq!(firewall.rules, std::slice::from_ref(&rule));
    assert_eq!(
        firewall.applied_to[0].target.selector(),
        Some("fleet=study")
    );

    let spare = CreateServer {
        labels: Labels::new(),
        ..a_server("spare")
    };
    let spare = client.servers().create(&spare).await.unwrap();
    done(&client, spare.actions).await;
    let target = [Target::server(spare.resource.id)];
    done(
        &client,
        firewalls.apply_to(firewall.id, &target).await.unwrap(),
    )
    .await;
    let ssh = Rule {
        port: Some("22".to_owned()),
        ..rule.clone()
    };
    done(
        &client,
        firewalls
            .set_rules(firewall.id, &[rule, ssh])
            .await
            .unwrap(),
    )
    .await;
    assert_eq!(
        firewalls
            .get(firewall.id)
            .await
            .unwrap()
            .unwrap()
            .rules
            .len(),
        2
    );
    let in_use = firewalls.delete(firewall.id).await.unwrap_err();
    assert_eq!(in_use.code(), Some(&ErrorCode::ResourceInUse));
    done(
        &client,
        firewalls.remove_from(firewall.id, &target).await.unwrap(),
    )
    .await;
    let selector = [Target::label_selector(&fleet())];
    done(
        &client,
        firewalls.remove_from(firewall.id, &selector).await.unwrap(),
    )
    .await;
    die(&client, firewalls, firewall.id).await;
}

#[tokio::test(start_paused = true)]
async fn a_network_lives() {
    let (_api, client) = start().await;
    let (networks, servers) = (client.networks(), client.servers());
    let subnet = |range: &str| Subnet {
        kind: SubnetType::Cloud,
        ip_range: Some(range.to_owned()),
        network_zone: "us-east".to_owned(),
        gateway: None,
    };
    let wanted = CreateNetwork {
        name: "study".to_owned(),
        ip_range: "10.0.0.0/16".to_owned(),
        labels: labels(),
        subnets: vec![subnet("10.0.1.0/24")],
        routes: vec![],
    };
    let network = live(&client, client.networks(), &wanted).await;
    one(
        &client,
        networks.add_subnet(network.id, &subnet("10.0.2.0/24")),
    )
    .await;
    one(&client, networks.delete_subnet(network.id, "10.0.2.0/24")).await;

    let server = make(&client, &servers, &a_server("study-ash")).await;
    let attach = AttachToNetwork {
        network: network.id,
        ip: Some("10.0.1.7".to_owned()),
        ..AttachToNetwork::default()
    };
    one(&client, servers.attach_to_network(server.id, &attach)).await;
    let attached = servers.get(server.id).await.unwrap().unwrap();
    assert_eq!(attached.private_net[0].ip, "10.0.1.7");
    assert_eq!(
        networks.get(network.id).await.unwrap().unwrap().servers,
        [server.id]
    );
    one(&client, servers.detach_from_network(server.id, network.id)).await;

    let protection = |delete| Protection { delete };
    one(
        &client,
        networks.change_protection(network.id, protection(true)),
    )
    .await;
    assert!(networks.delete(network.id).await.is_err());
    one(
        &client,
        networks.change_protection(network.id, protection(false)),
    )
    .await;
    die(&client, networks, network.id).await;
}
