use std::net::IpAddr;

use serde_json::json;

use crate::client::{ACTION, pass, server, start_with};

/// What a program on the server with this address reads.
async fn read(metadata: std::net::SocketAddr, from: &str, path: &str) -> (u16, String) {
    let from: IpAddr = from.parse().unwrap();
    let http = reqwest::Client::builder()
        .local_address(from)
        .pool_idle_timeout(None)
        .build()
        .unwrap();
    let reply = http
        .get(format!("http://{metadata}/hetzner/v1/{path}"))
        .send()
        .await
        .unwrap();
    (reply.status().as_u16(), reply.text().await.unwrap())
}

#[tokio::test(start_paused = true)]
async fn a_server_learns_about_itself() {
    let (api, client) =
        start_with(|options| options.metadata = Some(([127, 0, 0, 1], 0).into())).await;
    let metadata = api.metadata_address().unwrap();
    let network = client
        .make("network", json!({
            "name": "n", "ip_range": "10.0.0.0/16",
            "subnets": [{"type": "cloud", "ip_range": "10.0.1.0/24", "network_zone": "us-east"}],
        }))
        .await;
    client.running_server("other").await;
    let mut order = server("one");
    order["user_data"] = json!("#cloud-config\nruncmd: []\n");
    order["networks"] = json!([network["id"]]);
    let made = client.make("server", order).await;
    pass(3 * ACTION).await;

    let address = made["public_net"]["ipv4"]["ip"].as_str().unwrap();
    let (status, text) = read(metadata, address, "metadata").await;
    assert_eq!(status, 200);
    for line in [
        "hostname: \"one\"".to_owned(),
        format!("instance-id: {}", made["id"]),
        format!("public-ipv4: \"{address}\""),
        "availability-zone: \"ash-dc1\"".to_owned(),
        "region: \"us-east\"".to_owned(),
    ] {
        assert!(
            text.lines().any(|found| found == line),
            "{line} is not in {text}"
        );
    }
    assert!(text.contains("\"ip\":\"10.0.1.1\""), "{text}");
    assert_eq!(
        read(metadata, address, "metadata/hostname").await,
        (200, "one".to_owned())
    );
    assert_eq!(
        read(metadata, address, "userdata").await,
        (200, "#cloud-config\nruncmd: []\n".to_owned())
    );
    assert_eq!(
        read(metadata, "127.80.0.1", "userdata").await,
        (200, String::new())
    );
    assert_eq!(read(metadata, "127.80.0.9", "userdata").await.0, 404);
    assert_eq!(read(metadata, address, "metadata/nothing").await.0, 404);
}
