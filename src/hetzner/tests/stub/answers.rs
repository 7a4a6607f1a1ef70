//! How answers are read.

use fleet_hetzner::{
    Architecture, AssigneeType, CpuType, ErrorCode, FirewallStatus, ImageFilter, IpType,
    LabelSelector, NameFilter, PrimaryIpFilter, Protocol, ServerFilter, ServerStatus, SshKeyFilter,
    Target,
};
use serde_json::{Value, json};

use crate::bodies::{location, server, server_type, servers};
use crate::server::{Reply, Stub, json, ok};

#[tokio::test]
async fn a_server_with_what_is_new_and_without_what_is_gone() {
    let stub = Stub::start([ok(
        &json!({ "server": server(42, "a", &json!({ "fleet": "study" })) }),
    )])
    .await;
    let server = stub.client().servers().get(42).await.unwrap().unwrap();
    assert_eq!((server.id, server.name.as_str()), (42, "a"));
    assert_eq!(server.status, ServerStatus::Initializing);
    assert_eq!(server.created.to_string(), "2026-11-26T15:00:00Z");
    assert_eq!(server.ipv4(), Some([203, 0, 113, 5].into()));
    assert_eq!(server.primary_disk_size, 80);
    assert_eq!(
        server.public_net.firewalls[0].status,
        FirewallStatus::Pending
    );
    assert_eq!(server.labels["fleet"], "study");
    assert!(server.volumes.is_empty());
    let of = &server.server_type;
    assert_eq!((of.cores, of.disk), (4, 80));
    assert_eq!(of.cpu_type, CpuType::Other("borrowed".to_owned()));
    assert_eq!(of.architecture.as_str(), "riscv");
    assert!(of.is_available("hel1") && !of.is_available("nbg1") && !of.is_available("ash"));
    assert_eq!(of.deprecation, None);
    let monthly = &of.price("hel1").unwrap().price_monthly;
    assert_eq!(monthly.net().unwrap().to_string(), "8.49");
    assert_eq!(monthly.gross().unwrap().to_string(), "10.1031");
}

#[tokio::test]
async fn a_server_with_only_what_is_needed() {
    let least = json!({
        "id": 1, "name": "a", "status": "dreaming", "created": "2026-11-26T15:00:00Z",
        "server_type": { "id": 1, "name": "cx99" }, "location": { "id": 9, "name": "mars1" }
    });
    let stub = Stub::start([ok(&json!({ "server": least }))]).await;
    let server = stub.client().servers().get(1).await.unwrap().unwrap();
    assert_eq!(server.status, ServerStatus::Other("dreaming".to_owned()));
    assert_eq!(server.ipv4(), None);
}

#[tokio::test]
async fn an_address_that_nobody_has() {
    let address = json!({
        "id": 5, "name": "study-ash", "labels": {}, "created": "2026-11-26T15:00:00Z", "blocked": false,
        "location": location(), "ip": "203.0.113.9", "dns_ptr": [{ "ip": "203.0.113.9", "dns_ptr": null }],
        "protection": { "delete": true }, "type": "ipv4", "auto_delete": false,
        "assignee_type": "unassigned", "assignee_id": null
    });
    let mut older = address.clone();
    older.as_object_mut().unwrap().remove("assignee_type");
    let stub = Stub::start([ok(&json!({ "primary_ips": [address, older] }))]).await;
    let found = stub
        .client()
        .primary_ips()
        .list(&PrimaryIpFilter::default())
        .await
        .unwrap();
    assert_eq!(found[0].assignee_type, AssigneeType::Unassigned);
    assert_eq!(
        (found[0].assignee_id, found[0].protection.delete),
        (None, true)
    );
    assert_eq!(found[1].assignee_type.as_str(), "");
}

#[tokio::test]
async fn firewalls_images_and_prices() {
    let firewall = json!({
        "id": 38, "name": "study", "created": "2026-11-26T15:00:00Z", "labels": null,
        "rules": [{ "direction": "in", "protocol": "sctp", "port": null, "source_ips": ["0.0.0.0/0"], "destination_ips": [], "description": null }],
        "applied_to": [
            { "type": "server", "server": { "id": 42 } },
            { "type": "label_selector", "label_selector": { "selector": "fleet=study" },
              "applied_to_resources": [{ "type": "server", "server": { "id": 43 } }] }
        ]
    });
    let image = json!({
        "id": 3, "type": "system", "status": "available", "name": "debian-13", "description": "Debian 13",
        "image_size": null, "disk_size": 5, "created": "2026-01-01T00:00:00Z", "created_from": null, "bound_to": null,
        "os_flavor": "debian", "os_version": "13", "rapid_deploy": true, "protection": { "delete": false },
        "deprecation": null, "deleted": null, "labels": {}, "architecture": "arm"
    });
    let per_gb = json!({ "price_per_gb_month": { "net": "0.0572", "gross": "0.068068" } });
    let ip = json!({ "location": "sin", "price_hourly": { "net": "0.0008", "gross": "0.0010" }, "price_monthly": { "net": "0.50", "gross": "0.60" } });
    let pricing = json!({
        "currency": "EUR", "vat_rate": "19.00", "volume": per_gb, "image": per_gb, "server_backup": { "percentage": "20" },
        "primary_ips": [{ "type": "ipv4", "prices": [ip] }], "floating_ips": [], "load_balancer_types": [],
        "server_types": [{ "id": 115, "name": "cx33", "prices": server_type()["prices"] }]
    });
    let stub = Stub::start([
        ok(&json!({ "firewall": firewall })),
        ok(&json!({ "images": [image] })),
        ok(&json!({ "pricing": pricing })),
    ])
    .await;
    let client = stub.client();

    let firewall = client.firewalls().get(38).await.unwrap().unwrap();
    assert_eq!(
        firewall.rules[0].protocol,
        Protocol::Other("sctp".to_owned())
    );
    assert_eq!(firewall.applied_to[0].target, Target::server(42));
    assert_eq!(
        firewall.applied_to[1].target.selector(),
        Some("fleet=study")
    );
    assert_eq!(
        firewall.applied_to[1].applied_to_resources[0].server_id(),
        Some(43)
    );

    let filter = ImageFilter {
        name: Some("debian-13".to_owned()),
        architecture: Some(Architecture::Arm),
        include_deprecated: true,
        ..ImageFilter::default()
    };
    let images = client.images().list(&filter).await.unwrap();
    assert_eq!(
        (images[0].name.as_deref(), &images[0].architecture),
        (Some("debian-13"), &Architecture::Arm)
    );

    let pricing = client.pricing().await.unwrap();
    assert_eq!(
        pricing
            .primary_ip(&IpType::Ipv4, "sin")
            .unwrap()
            .price_monthly
            .net,
        "0.50"
    );
    assert_eq!(pricing.primary_ip(&IpType::Ipv4, "ash"), None);
    assert_eq!(
        pricing.server_types[0].prices[0].included_traffic,
        21_990_232_555_520
    );
    assert_eq!(
        stub.lines(),
        [
            "GET /firewalls/38",
            "GET /images?name=debian-13&architecture=arm&include_deprecated=true&page=1&per_page=50",
            "GET /pricing"
        ]
    );
}

#[tokio::test]
async fn all_pages() {
    let page = |ids: std::ops::Range<i64>, next: Value| {
        let found: Vec<Value> = ids
            .map(|id| server(id, &format!("s{id}"), &json!({})))
            .collect();
        ok(&json!({ "servers": found, "meta": { "pagination": { "next_page": next } } }))
    };
    // The last page leads back to the first one, which must not be an endless circle.
    let stub = Stub::start([
        page(0..50, json!(2)),
        page(50..100, json!(3)),
        page(100..101, json!(1)),
    ])
    .await;
    let filter = ServerFilter {
        name: None,
        label_selector: Some(
            LabelSelector::new()
                .one_of("fleet", &["study", "pilot"])
                .unwrap(),
        ),
        status: vec![ServerStatus::Off, ServerStatus::Running],
    };
    let found = stub.client().servers().list(&filter).await.unwrap();
    assert_eq!(
        found.iter().map(|server| server.id).collect::<Vec<_>>(),
        (0..101).collect::<Vec<_>>()
    );
    let query = "label_selector=fleet+in+%28study%2Cpilot%29&status=off&status=running";
    assert_eq!(
        stub.lines(),
        [1, 2, 3].map(|page| format!("GET /servers?{query}&page={page}&per_page=50"))
    );
}

#[tokio::test]
async fn a_list_without_pages_is_one() {
    let key = json!({ "id": 1, "name": "k", "created": "2026-11-26T15:00:00Z" });
    let stub = Stub::start([ok(&json!({ "ssh_keys": [key] })), ok(&servers(&[]))]).await;
    let filter = SshKeyFilter {
        fingerprint: Some("b7:2f:30".to_owned()),
        ..SshKeyFilter::default()
    };
    assert_eq!(
        stub.client().ssh_keys().list(&filter).await.unwrap().len(),
        1
    );
    // An empty selector is none.
    let everything = ServerFilter {
        label_selector: Some(LabelSelector::new()),
        ..ServerFilter::default()
    };
    assert!(
        stub.client()
            .servers()
            .list(&everything)
            .await
            .unwrap()
            .is_empty()
    );
    assert_eq!(
        stub.lines(),
        [
            "GET /ssh_keys?fingerprint=b7%3A2f%3A30&page=1&per_page=50",
            "GET /servers?page=1&per_page=50"
        ]
    );
}

#[tokio::test]
async fn a_name_is_the_whole_name() {
    let stub = Stub::start([ok(&servers(&[server(1, "study-ash-1", &json!({}))]))]).await;
    assert_eq!(
        stub.client().servers().by_name("study-ash").await.unwrap(),
        None
    );
}

#[tokio::test]
async fn errors_keep_what_the_api_says() {
    let body = json!({ "error": { "code": "resource_limit_exceeded", "message": "server limit reached",
        "details": { "limits": [{ "name": "server_limit" }] } } });
    let wrong = json!({ "error": { "code": "invalid_input", "message": "invalid input in field 'name'",
        "details": { "fields": [{ "name": "name", "messages": ["is too long"] }] } } });
    let new =
        json!({ "error": { "code": "solar_storm", "message": "later", "details": { "kp": 9 } } });
    let stub = Stub::start([
        Reply::Answer(
            403,
            vec![("x-correlation-id", "3f9a".to_owned())],
            body.to_string(),
        ),
        json(422, &wrong),
        json(409, &new),
        Reply::Answer(407, vec![], "<html>proxy</html>".to_owned()),
    ])
    .await;
    let servers = stub.client().servers();
    let limit = servers.get(1).await.unwrap_err();
    assert_eq!(
        limit.to_string(),
        "GET /servers/1 was refused: server limit reached (resource_limit_exceeded, status 403, correlation id 3f9a)"
    );
    assert!(limit.is_limit() && !limit.retriable() && !limit.is_forbidden());
    assert_eq!(
        limit.hint().unwrap(),
        "ask Hetzner to raise server_limit of the project, or delete what is not used"
    );
    let wrong = servers.get(1).await.unwrap_err();
    assert_eq!(wrong.hint().as_deref(), Some("name: is too long"));
    assert_eq!(wrong.api().unwrap().details.fields[0].name, "name");
    let new = servers.get(1).await.unwrap_err();
    assert_eq!(
        new.code(),
        Some(&ErrorCode::Other("solar_storm".to_owned()))
    );
    let foreign = servers.get(1).await.unwrap_err();
    assert_eq!(
        foreign.to_string(),
        "GET /servers/1 was refused: the answer does not come from the API (http_407, status 407)"
    );
}

#[tokio::test]
async fn an_answer_that_is_something_else() {
    let mut half_a_core = server(1, "a", &json!({}));
    half_a_core["server_type"]["cores"] = json!(0.5);
    let stub = Stub::start([
        ok(&json!({ "servant": {} })),
        ok(&json!({ "server": { "id": "x" } })),
        ok(&json!([])),
        ok(&json!({ "server": half_a_core })),
    ])
    .await;
    let client = stub.client();
    for expected in [
        "missing field `server`",
        "invalid type",
        "invalid type",
        "0.5 is not a whole number",
    ] {
        let error = client.servers().get(1).await.unwrap_err();
        assert_eq!(
            error.to_string(),
            "failed to understand the answer to GET /servers/1"
        );
        let source = std::error::Error::source(&error).unwrap().to_string();
        assert!(source.contains(expected), "{source}");
    }
}

#[tokio::test]
async fn the_catalogue() {
    let stub = Stub::start([
        ok(&json!({ "locations": [location()] })),
        ok(&json!({ "server_types": [server_type()] })),
        ok(&json!({ "server_type": server_type() })),
    ])
    .await;
    let client = stub.client();
    assert_eq!(
        client
            .locations()
            .list(&NameFilter::default())
            .await
            .unwrap()[0]
            .network_zone,
        "eu-central"
    );
    assert_eq!(
        client
            .server_types()
            .by_name("cx33")
            .await
            .unwrap()
            .unwrap()
            .id,
        115
    );
    assert_eq!(
        client.server_types().get(115).await.unwrap().unwrap().name,
        "cx33"
    );
}
