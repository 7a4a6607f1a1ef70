//! Servers, and what only servers have.

use std::time::Duration;

use fleet_hetzner::{
    ChangeType, CreatePlacementGroup, CreateServer, CreateSshKey, ErrorCode, Rebuild, ServerFilter,
    ServerProtection, ServerStatus,
};

use crate::life::{KEY, a_server, die, done, fleet, labels, live, make, one, start};

#[tokio::test(start_paused = true)]
async fn a_server_lives() {
    let (_api, client) = start().await;
    let servers = client.servers();
    let server = live(&client, client.servers(), &a_server("study-ash")).await;
    let id = server.id;
    assert_eq!(server.status, ServerStatus::Running);
    assert!(server.ipv4().is_some() && server.public_net.ipv6.is_some());
    assert_eq!(
        (
            server.location.name.as_str(),
            server.location.network_zone.as_str()
        ),
        ("ash", "us-east")
    );
    assert_eq!(server.server_type.name, "cpx11");
    let filter = ServerFilter {
        label_selector: Some(fleet()),
        status: vec![ServerStatus::Running],
        ..ServerFilter::default()
    };
    assert_eq!(servers.list(&filter).await.unwrap().len(), 1);

    one(&client, servers.reboot(id)).await;
    one(&client, servers.reset(id)).await;
    let rebuild = Rebuild {
        image: "debian-12".into(),
        user_data: Some("#cloud-config\n".into()),
    };
    done(
        &client,
        [servers.rebuild(id, &rebuild).await.unwrap().action],
    )
    .await;
    let rebuilt = servers.get(id).await.unwrap().unwrap();
    assert_eq!(rebuilt.image.unwrap().name.as_deref(), Some("debian-12"));
    assert_eq!(rebuilt.public_net, server.public_net, "the address stays");

    one(&client, servers.shutdown(id)).await;
    while servers.get(id).await.unwrap().unwrap().status != ServerStatus::Off {
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    let larger = ChangeType {
        server_type: "cpx21".into(),
        upgrade_disk: false,
    };
    one(&client, servers.change_type(id, &larger)).await;
    one(&client, servers.power_on(id)).await;
    one(&client, servers.power_off(id)).await;
    assert_eq!(
        servers.get(id).await.unwrap().unwrap().server_type.name,
        "cpx21"
    );

    let protection = |on| ServerProtection {
        delete: on,
        rebuild: on,
    };
    one(&client, servers.change_protection(id, protection(true))).await;
    let refused = servers.delete(id).await.unwrap_err();
    assert_eq!(refused.code(), Some(&ErrorCode::Protected));
    one(&client, servers.change_protection(id, protection(false))).await;
    assert!(servers.running_actions(id).await.unwrap().is_empty());
    die(&client, servers, id).await;
}

#[tokio::test(start_paused = true)]
async fn a_key_and_a_placement_group_live() {
    let (_api, client) = start().await;
    let key = CreateSshKey {
        name: "study".to_owned(),
        public_key: KEY.to_owned(),
        labels: labels(),
    };
    let key = live(&client, client.ssh_keys(), &key).await;
    assert_eq!(key.public_key, KEY);
    let other_comment = KEY.replace(" study", " me@laptop");
    let stored = client
        .ssh_keys()
        .by_public_key(&other_comment)
        .await
        .unwrap();
    assert_eq!(stored.unwrap().id, key.id);
    let other_key = KEY.replace("ZqSV", "ZqSW");
    assert_eq!(
        client.ssh_keys().by_public_key(&other_key).await.unwrap(),
        None
    );
    let group = CreatePlacementGroup {
        name: "study".to_owned(),
        labels: labels(),
        ..CreatePlacementGroup::default()
    };
    let group = live(&client, client.placement_groups(), &group).await;

    let wanted = CreateServer {
        ssh_keys: vec!["study".into()],
        placement_group: Some(group.id),
        ..a_server("study-ash")
    };
    let servers = client.servers();
    let server = make(&client, &servers, &wanted).await;
    assert_eq!(server.placement_group.unwrap().id, group.id);
    one(&client, servers.power_off(server.id)).await;
    one(&client, servers.remove_from_placement_group(server.id)).await;
    one(&client, servers.add_to_placement_group(server.id, group.id)).await;
    assert_eq!(
        client
            .placement_groups()
            .get(group.id)
            .await
            .unwrap()
            .unwrap()
            .servers,
        [server.id]
    );
    die(&client, servers, server.id).await;
    die(&client, client.placement_groups(), group.id).await;
    die(&client, client.ssh_keys(), key.id).await;
}
