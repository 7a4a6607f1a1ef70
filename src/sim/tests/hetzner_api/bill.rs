use std::time::Duration;

use serde_json::json;

use crate::client::{ACTION, pass, server, start};

const HOUR: Duration = Duration::from_secs(3600);

#[tokio::test(start_paused = true)]
async fn a_server_costs_every_started_hour_until_it_is_gone() {
    let (api, client) = start().await;
    api.seed_server("stranger", &[("owner", "somebody")]);
    let mut order = server("ours");
    order["labels"] = json!({"owner": "us"});
    let id = client.post("/servers", order).await.expect(201)["server"]["id"]
        .as_i64()
        .unwrap();

    pass(HOUR + HOUR / 2).await;
    let bill = api.bill();
    let ours = bill.running_with("owner", "us");
    assert_eq!(
        (ours.len(), ours[0].what.as_str(), ours[0].hours),
        (1, "cpx11 in ash", 2)
    );
    assert_eq!(ours[0].accrued.to_string(), "0.056");

    // A server that is off costs the same.
    client
        .act(&format!("/servers/{id}/actions/poweroff"), json!({}))
        .await;
    pass(HOUR).await;
    client.delete(&format!("/servers/{id}")).await.expect(200);
    assert_eq!(api.bill().running_with("owner", "us").len(), 1);
    pass(ACTION).await;
    let bill = api.bill();
    assert!(bill.running_with("owner", "us").is_empty());
    let ended = bill
        .ended
        .iter()
        .find(|item| item.kind == "server")
        .unwrap();
    assert_eq!(
        (
            ended.name.as_str(),
            ended.hours,
            ended.accrued.to_string().as_str()
        ),
        ("ours", 3, "0.084")
    );
    assert_eq!(bill.running_with("owner", "somebody").len(), 1);
}

#[tokio::test(start_paused = true)]
async fn another_type_and_backups_have_another_price() {
    let (api, client) = start().await;
    let id = client.running_server("one").await;
    let costs = || {
        let bill = api.bill();
        let of_server = bill.running.iter().filter(|item| item.id == id);
        of_server
            .map(|item| (item.what.clone(), item.hourly.to_string()))
            .collect::<Vec<_>>()
    };
    let item = |what: &str, hourly: &str| (what.to_owned(), hourly.to_owned());
    assert_eq!(costs(), [item("cpx11 in ash", "0.028")]);
    client
        .act(&format!("/servers/{id}/actions/enable_backup"), json!({}))
        .await;
    assert_eq!(
        costs(),
        [
            item("cpx11 in ash", "0.028"),
            item("backups of cpx11 in ash", "0.0056")
        ]
    );
    client
        .act(&format!("/servers/{id}/actions/disable_backup"), json!({}))
        .await;
    client
        .act(&format!("/servers/{id}/actions/poweroff"), json!({}))
        .await;
    client
        .act(
            &format!("/servers/{id}/actions/change_type"),
            json!({"server_type": "cpx21", "upgrade_disk": false}),
        )
        .await;
    assert_eq!(costs(), [item("cpx21 in ash", "0.0513")]);
}
