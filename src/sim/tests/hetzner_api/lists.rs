use serde_json::{Value, json};

use crate::client::{Client, start};

fn names(body: &Value) -> Vec<&str> {
    body["servers"]
        .as_array()
        .expect("a list of servers")
        .iter()
        .map(|server| server["name"].as_str().expect("a list of servers"))
        .collect()
}

async fn listed(client: &Client, query: &str) -> Value {
    client.get(&format!("/servers?{query}")).await.expect(200)
}

#[tokio::test(start_paused = true)]
async fn pages_are_followed_to_the_end() {
    let (api, client) = start().await;
    for number in 0..120 {
        api.seed_server(&format!("stranger-{number:03}"), &[("owner", "somebody")]);
    }
    let first = listed(&client, "").await;
    assert_eq!(first["servers"].as_array().unwrap().len(), 25);
    assert_eq!(
        first["meta"]["pagination"],
        json!({
            "page": 1, "per_page": 25, "previous_page": null, "next_page": 2, "last_page": 5, "total_entries": 120,
        })
    );

    let mut seen = Vec::new();
    let mut page = json!(1);
    while !page.is_null() {
        let body = listed(&client, &format!("per_page=50&page={page}")).await;
        seen.extend(names(&body).into_iter().map(ToOwned::to_owned));
        page = body["meta"]["pagination"]["next_page"].clone();
    }
    assert_eq!((seen.len(), seen[119].as_str()), (120, "stranger-119"));

    let most = listed(&client, "per_page=1000").await;
    assert_eq!(
        (names(&most).len(), &most["meta"]["pagination"]["per_page"]),
        (50, &json!(50))
    );
    let beyond = listed(&client, "page=9").await;
    assert_eq!(
        (
            names(&beyond).len(),
            &beyond["meta"]["pagination"]["next_page"]
        ),
        (0, &Value::Null)
    );
    for query in [
        "page=0",
        "per_page=x",
        "sort=color",
        "sort=id:up",
        "label_selector=a%20b",
    ] {
        client
            .get(&format!("/servers?{query}"))
            .await
            .refused(422, "invalid_input");
    }
}

#[tokio::test(start_paused = true)]
async fn the_link_header_keeps_the_query() {
    let (api, client) = start().await;
    for number in 0..3 {
        api.seed_server(&format!("s{number}"), &[("a", "b")]);
    }
    let reply = client
        .get("/servers?per_page=1&page=2&label_selector=a%3Db")
        .await;
    let url = |page: u8| {
        format!(
            "<{}/servers?per_page=1&label_selector=a%3Db&page={page}>",
            api.endpoint()
        )
    };
    assert_eq!(
        reply.header("link"),
        format!(
            "{}; rel=prev, {}; rel=next, {}; rel=last",
            url(1),
            url(3),
            url(3)
        )
    );
}

#[tokio::test(start_paused = true)]
async fn lists_are_sorted_and_filtered() {
    let (api, client) = start().await;
    for (name, role) in [("b", "db"), ("c", "web"), ("a", "web")] {
        api.seed_server(name, &[("role", role)]);
    }
    assert_eq!(names(&listed(&client, "").await), ["b", "c", "a"]);
    assert_eq!(names(&listed(&client, "sort=name").await), ["a", "b", "c"]);
    assert_eq!(
        names(&listed(&client, "sort=created&sort=name:desc").await),
        ["c", "b", "a"]
    );
    assert_eq!(
        names(&listed(&client, "label_selector=role%3Dweb&sort=id:desc").await),
        ["a", "c"]
    );
    assert_eq!(
        names(&listed(&client, "label_selector=role%20in%20(db,x)").await),
        ["b"]
    );
    assert_eq!(names(&listed(&client, "name=c&name=a").await), ["c"]);
    assert_eq!(names(&listed(&client, "status=off").await), [""; 0]);
    assert_eq!(
        names(&listed(&client, "status=off&status=running").await),
        ["b", "c", "a"]
    );
}

#[tokio::test(start_paused = true)]
async fn the_catalogue_is_shown_as_the_api_does() {
    let (_api, client) = start().await;
    let types = client.get("/server_types?name=cpx11").await.expect(200);
    let cpx11 = &types["server_types"][0];
    assert_eq!((&cpx11["cores"], &cpx11["disk"]), (&json!(2), &json!(40)));
    let at = |list: &str, key: &str, place: &str| {
        cpx11[list]
            .as_array()
            .unwrap()
            .iter()
            .find(|one| one[key] == place)
            .unwrap()
            .clone()
    };
    assert_eq!(
        at("prices", "location", "ash")["price_monthly"]["net"],
        "17.49"
    );
    assert_eq!(at("locations", "name", "ash")["available"], true);
    assert_eq!(at("locations", "name", "sin")["available"], false);
    assert_eq!(
        at("locations", "name", "sin")["deprecation"]["unavailable_after"],
        "2025-12-31T23:59:59Z"
    );

    let arm = client
        .get("/images?name=debian-13&architecture=arm")
        .await
        .expect(200);
    assert_eq!(arm["images"].as_array().unwrap().len(), 1);
    let locations = client.get("/locations?sort=name").await.expect(200);
    assert_eq!(locations["locations"][0]["name"], "ash");
    assert_eq!(
        client.get("/locations/6").await.expect(200)["location"]["network_zone"],
        "ap-southeast"
    );
    let pricing = client.get("/pricing").await.expect(200);
    assert_eq!(
        pricing["pricing"]["volume"]["price_per_gb_month"]["net"],
        "0.0572"
    );
}

#[tokio::test(start_paused = true)]
async fn a_thousand_strangers_do_not_hide_ours() {
    let (api, client) = start().await;
    for number in 0..1000 {
        api.seed_server(&format!("stranger-{number}"), &[]).unwrap();
    }
    let ours = api.seed_server("ours", &[("fleet", "study")]).unwrap();
    let found = listed(&client, "label_selector=fleet%3Dstudy&per_page=50").await;
    assert_eq!(names(&found), ["ours"]);
    assert_eq!(found["meta"]["pagination"]["total_entries"], 1);
    assert_eq!(
        listed(&client, "per_page=50").await["meta"]["pagination"]["last_page"],
        21
    );
    let mut addresses: Vec<_> = api
        .state()
        .primary_ips
        .into_values()
        .map(|ip| ip.ip)
        .collect();
    addresses.sort();
    addresses.dedup();
    assert_eq!(addresses.len(), 1001);
    assert_eq!(api.bill().running_with("fleet", "study")[0].id, ours);
}
