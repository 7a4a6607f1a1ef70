//! Volumes, addresses that outlive their server, and the catalogue.

use fleet_hetzner::{
    CreatePrimaryIp, CreatePublicNet, CreateServer, CreateVolume, ErrorCode, ImageFilter, IpType,
    NameFilter, Protection, VolumeStatus,
};

use crate::life::{a_server, die, labels, live, make, one, start};

#[tokio::test(start_paused = true)]
async fn a_volume_lives() {
    let (_api, client) = start().await;
    let volumes = client.volumes();
    let wanted = CreateVolume {
        name: "study".to_owned(),
        size: 10,
        labels: labels(),
        location: Some("ash".into()),
        format: Some("ext4".to_owned()),
        ..CreateVolume::default()
    };
    let volume = live(&client, client.volumes(), &wanted).await;
    assert_eq!(
        (volume.size, &volume.status),
        (10, &VolumeStatus::Available)
    );
    let server = make(&client, &client.servers(), &a_server("study-ash")).await;
    one(&client, volumes.attach(volume.id, server.id, true)).await;
    assert_eq!(
        volumes.get(volume.id).await.unwrap().unwrap().server,
        Some(server.id)
    );
    assert!(volumes.delete(volume.id).await.is_err(), "it is in use");
    one(&client, volumes.resize(volume.id, 20)).await;
    one(&client, volumes.detach(volume.id)).await;
    assert_eq!(volumes.get(volume.id).await.unwrap().unwrap().size, 20);
    let protection = |delete| Protection { delete };
    one(
        &client,
        volumes.change_protection(volume.id, protection(true)),
    )
    .await;
    assert_eq!(
        volumes.delete(volume.id).await.unwrap_err().code(),
        Some(&ErrorCode::Protected)
    );
    one(
        &client,
        volumes.change_protection(volume.id, protection(false)),
    )
    .await;
    die(&client, volumes, volume.id).await;
}

#[tokio::test(start_paused = true)]
async fn an_address_outlives_its_server() {
    let (_api, client) = start().await;
    let (addresses, servers) = (client.primary_ips(), client.servers());
    let mut wanted = CreatePrimaryIp::new("study-ash", IpType::Ipv4, "ash");
    wanted.labels = labels();
    let address = live(&client, client.primary_ips(), &wanted).await;
    assert_eq!(
        (address.assignee_type.as_str(), address.assignee_id),
        ("unassigned", None)
    );
    let named = addresses.change_dns_ptr(address.id, &address.ip, Some("ash.example.org"));
    one(&client, named).await;

    let wanted = CreateServer {
        public_net: Some(CreatePublicNet {
            ipv4: Some(address.id),
            enable_ipv6: false,
            ..CreatePublicNet::default()
        }),
        ..a_server("study-ash")
    };
    let server = make(&client, &servers, &wanted).await;
    assert_eq!(server.ipv4().unwrap().to_string(), address.ip);
    let assigned = addresses.get(address.id).await.unwrap().unwrap();
    assert_eq!(
        (assigned.assignee_type.as_str(), assigned.assignee_id),
        ("server", Some(server.id))
    );
    assert_eq!(assigned.dns_ptr[0].dns_ptr, "ash.example.org");
    let refused = addresses.delete(address.id).await.unwrap_err();
    assert_eq!(refused.code(), Some(&ErrorCode::MustBeUnassigned));
    one(&client, servers.power_off(server.id)).await;
    one(&client, addresses.unassign(address.id)).await;
    one(&client, addresses.assign(address.id, server.id)).await;
    die(&client, servers, server.id).await;
    let protection = |delete| Protection { delete };
    one(
        &client,
        addresses.change_protection(address.id, protection(true)),
    )
    .await;
    assert_eq!(
        addresses.delete(address.id).await.unwrap_err().code(),
        Some(&ErrorCode::Protected)
    );
    one(
        &client,
        addresses.change_protection(address.id, protection(false)),
    )
    .await;
    die(&client, addresses, address.id).await;
}

#[tokio::test(start_paused = true)]
async fn the_catalogue() {
    let (_api, client) = start().await;
    let everything = NameFilter::default();
    let locations = client.locations().list(&everything).await.unwrap();
    let names: Vec<&str> = locations
        .iter()
        .map(|location| location.name.as_str())
        .collect();
    assert_eq!(names, ["fsn1", "nbg1", "hel1", "ash", "hil", "sin"]);
    let cx33 = client
        .server_types()
        .by_name("cx33")
        .await
        .unwrap()
        .unwrap();
    assert!(
        !cx33.is_available("nbg1"),
        "it has a price and cannot be had"
    );
    assert_eq!(
        cx33.price("nbg1")
            .unwrap()
            .price_monthly
            .net()
            .unwrap()
            .to_string(),
        "8.49"
    );
    assert!(cx33.price("ash").is_none());
    let cpx11 = client
        .server_types()
        .by_name("cpx11")
        .await
        .unwrap()
        .unwrap();
    assert!(cpx11.is_available("ash") && !cpx11.is_available("sin"));
    let filter = ImageFilter {
        name: Some("debian-13".to_owned()),
        architecture: Some(cpx11.architecture),
        ..ImageFilter::default()
    };
    assert_eq!(client.images().list(&filter).await.unwrap().len(), 1);
    let pricing = client.pricing().await.unwrap();
    assert_eq!(pricing.currency, "EUR");
    let ipv4 = pricing
        .primary_ip(&IpType::Ipv4, "ash")
        .unwrap()
        .price_monthly
        .net();
    assert_eq!(ipv4.unwrap().to_string(), "0.50");
    assert!(pricing.volume.unwrap().price_per_gb_month.net().is_ok());
}
