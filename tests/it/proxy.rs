//! The proxy does each harm as it says, and nothing else.

use std::{sync::Arc, time::Duration};

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use fleet_sim::hetzner::{self, Options, TOKEN};
use fleet_tests::{
    kube::Kubernetes,
    proxy::{At, Harm, Hold, Moment, Proxy},
};
use futures_util::{StreamExt as _, TryStreamExt as _, future};
use http::{Request, StatusCode};
use http_body_util::{BodyExt as _, Empty};
use hyper_util::rt::TokioExecutor;
use k8s_openapi::api::core::v1::{ConfigMap, ServiceAccount};
use kube::{
    Api, Client, Config,
    api::{DeleteParams, ListParams, ObjectMeta, PostParams, WatchEvent, WatchParams},
    config::{KubeConfigOptions, Kubeconfig},
};
use serde_json::Value;
use tokio::time::{Instant, sleep, timeout};

use crate::kube::namespace;

const PATIENCE: Duration = Duration::from_secs(20);

/// Objects in a namespace of the test's own, through a proxy and without.
struct Stage {
    proxy: Proxy,
    maps: Api<ConfigMap>,
    direct: Api<ConfigMap>,
    _cluster: Arc<Kubernetes>,
}

impl Stage {
    async fn new(name: &str) -> Result<Self> {
        let cluster = Kubernetes::shared().await?;
        let client = cluster.client().await?;
        namespace(&client, name).await?;
        let proxy = Proxy::in_front_of_kubernetes(&cluster, None).await?;
        Ok(Self {
            maps: Api::namespaced(connect(&proxy).await?, name),
            direct: Api::namespaced(client, name),
            proxy,
            _cluster: cluster,
        })
    }

    async fn create(&self, name: &str) -> Result<ConfigMap, kube::Error> {
        self.maps.create(&PostParams::default(), &map(name)).await
    }

    async fn exists(&self, name: &str) -> Result<bool> {
        Ok(self.direct.get_opt(name).await?.is_some())
    }

    /// Names in a list through the proxy, but those that the cluster itself makes.
    async fn names(&self) -> Result<Vec<String>> {
        let list = self.maps.list(&ListParams::default()).await?;
        let names = list.items.into_iter().filter_map(|map| map.metadata.name);
        Ok(names.filter(|name| name != "kube-root-ca.crt").collect())
    }
}

/// A client as programs have it.
async fn connect(proxy: &Proxy) -> Result<Client> {
    let kubeconfig = Kubeconfig::from_yaml(&proxy.kubeconfig())?;
    let options = KubeConfigOptions::default();
    Ok(Config::from_custom_kubeconfig(kubeconfig, &options)
        .await?
        .try_into()?)
}

fn map(name: &str) -> ConfigMap {
    ConfigMap {
        metadata: ObjectMeta {
            name: Some(name.to_owned()),
            ..ObjectMeta::default()
        },
        ..ConfigMap::default()
    }
}

#[tokio::test]
async fn calls_are_counted_and_one_of_them_is_refused() -> Result<()> {
    let stage = Stage::new("proxy-refuses").await?;
    stage.create("a").await?;
    stage.maps.get("a").await?;
    stage.maps.get("none").await.unwrap_err();
    let calls = stage.proxy.calls();
    let seen: Vec<_> = calls
        .iter()
        .map(|call| (call.method.as_str(), call.status))
        .collect();
    assert_eq!(
        seen,
        [("POST", Some(201)), ("GET", Some(200)), ("GET", Some(404))]
    );
    assert_eq!(
        calls[1].path,
        "/api/v1/namespaces/proxy-refuses/configmaps/a"
    );
    assert!(calls[0].is_write() && !calls[1].is_write());

    stage.proxy.forget();
    stage.proxy.harm(At::Nth(2), Harm::Refuse(500));
    stage.create("b").await?;
    let refused = stage.create("c").await.unwrap_err();
    let kube::Error::Api(status) = refused else {
        bail!("{refused}");
    };
    assert_eq!(
        (status.code, status.reason.as_str()),
        (500, "InternalError")
    );
    assert!(!stage.exists("c").await?);
    stage.create("c").await?;
    let statuses: Vec<_> = stage.proxy.calls().iter().map(|call| call.status).collect();
    assert_eq!(statuses, [Some(201), Some(500), Some(201)]);
    Ok(())
}

#[tokio::test]
async fn a_line_is_cut_before_or_after_the_server_was_reached() -> Result<()> {
    let stage = Stage::new("proxy-cuts").await?;
    stage.proxy.harm(At::Nth(1), Harm::CutBefore);
    let cut = stage.create("before").await.unwrap_err();
    assert!(!matches!(cut, kube::Error::Api(_)), "{cut}");
    assert!(!stage.exists("before").await?);
    stage.create("before").await?;

    stage
        .proxy
        .harm(At::matching(|call| call.method == "POST"), Harm::CutAfter);
    stage.maps.get("before").await?;
    let cut = stage.create("after").await.unwrap_err();
    assert!(!matches!(cut, kube::Error::Api(_)), "{cut}");
    assert!(stage.exists("after").await?);
    let statuses: Vec<_> = stage.proxy.calls().iter().map(|call| call.status).collect();
    assert_eq!(statuses, [None, Some(201), Some(200), None]);

    stage.proxy.harm(
        At::every(|call| call.method == "DELETE"),
        Harm::Delay(Duration::from_millis(300)),
    );
    for name in ["before", "after"] {
        let begin = Instant::now();
        stage.maps.delete(name, &DeleteParams::default()).await?;
        assert!(begin.elapsed() >= Duration::from_millis(300));
    }
    stage.proxy.heal();
    Ok(())
}

#[tokio::test]
async fn a_held_call_waits_for_the_test() -> Result<()> {
    let stage = Stage::new("proxy-holds").await?;
    for (name, moment, exists) in [
        ("before", Moment::Before, false),
        ("after", Moment::After, true),
    ] {
        let (hold, held) = Hold::new(moment);
        stage.proxy.harm(At::Nth(1), Harm::Hold(hold));
        let test = async {
            held.reached().await;
            sleep(Duration::from_millis(100)).await;
            let found = stage.exists(name).await?;
            held.go_on();
            anyhow::Ok(found)
        };
        let (created, found) = future::join(stage.create(name), test).await;
        created?;
        assert_eq!(found?, exists, "{name}");
    }

    // The caller is killed at that moment: its call is gone with it, or has been done.
    for (name, moment, exists) in [
        ("killed-before", Moment::Before, false),
        ("killed-after", Moment::After, true),
    ] {
        let (hold, held) = Hold::new(moment);
        stage.proxy.harm(At::Nth(1), Harm::Hold(hold));
        tokio::select! {
            created = stage.create(name) => bail!("it was answered: {created:?}"),
            () = held.reached() => {}
        }
        drop(held);
        sleep(Duration::from_millis(100)).await;
        assert_eq!(stage.exists(name).await?, exists, "{name}");
    }
    Ok(())
}

#[tokio::test]
async fn a_frozen_watch_is_late_and_a_list_is_old() -> Result<()> {
    let stage = Stage::new("proxy-freezes").await?;
    stage.create("old").await?;
    assert_eq!(stage.names().await?, ["old"]);
    let watch = async || {
        let params = WatchParams::default()
            .fields("metadata.name!=kube-root-ca.crt")
            .disable_bookmarks();
        let events = stage.maps.watch(&params, "0").await?;
        anyhow::Ok(events.boxed())
    };
    let mut events = watch().await?;
    let mut others = watch().await?;
    let next = async |events: &mut futures_util::stream::BoxStream<'_, _>| {
        let event = timeout(PATIENCE, events.try_next()).await??;
        match event.context("the watch has ended")? {
            WatchEvent::Added(map) => Ok::<ConfigMap, anyhow::Error>(map),
            other => bail!("{other:?}"),
        }
    };
    for events in [&mut events, &mut others] {
        let map = next(events).await?;
        assert_eq!(map.metadata.name.as_deref(), Some("old"));
    }

    stage.proxy.freeze_watches(true);
    stage.create("new").await?;
    let mut late = watch().await?;
    let silence = Duration::from_millis(500);
    for events in [&mut events, &mut others, &mut late] {
        timeout(silence, events.next()).await.unwrap_err();
    }
    assert_eq!(stage.names().await?, ["old"]);
    stage.maps.get("new").await?;

    stage.proxy.freeze_watches(false);
    for events in [&mut events, &mut others] {
        let map = next(events).await?;
        assert_eq!(map.metadata.name.as_deref(), Some("new"));
    }
    next(&mut late).await?;
    assert_eq!(stage.names().await?, ["new", "old"]);
    let watches = stage
        .proxy
        .calls()
        .iter()
        .filter(|call| call.is_watch)
        .count();
    assert_eq!(watches, 3);
    Ok(())
}

#[tokio::test]
async fn many_watches_stream_at_once() -> Result<()> {
    let stage = Stage::new("proxy-streams").await?;
    let params = WatchParams::default()
        .fields("metadata.name=one")
        .disable_bookmarks();
    let mut watches = Vec::new();
    for _ in 0..100 {
        watches.push(stage.maps.watch(&params, "0").await?.boxed());
    }
    stage.create("one").await?;
    let next = watches
        .iter_mut()
        .map(|watch| timeout(PATIENCE, watch.try_next()));
    for event in future::join_all(next).await {
        let event = event??.context("the watch has ended")?;
        assert!(matches!(event, WatchEvent::Added(_)), "{event:?}");
    }
    Ok(())
}

#[tokio::test]
async fn who_calls_is_whom_the_test_names() -> Result<()> {
    let cluster = Kubernetes::shared().await?;
    let client = cluster.client().await?;
    namespace(&client, "proxy-user").await?;
    let user = "system:serviceaccount:proxy-user:somebody";
    let proxy = Proxy::in_front_of_kubernetes(&cluster, Some(user)).await?;
    let accounts: Api<ServiceAccount> = Api::namespaced(connect(&proxy).await?, "proxy-user");
    let refused = accounts.list(&ListParams::default()).await.unwrap_err();
    let kube::Error::Api(status) = refused else {
        bail!("{refused}");
    };
    assert_eq!(status.code, 403);
    assert!(status.message.contains(user), "{}", status.message);
    Ok(())
}

#[tokio::test]
async fn the_simulated_cloud_is_harmed_in_its_own_words() -> Result<()> {
    let cloud = hetzner::Api::start(Options::default()).await?;
    let proxy = Proxy::in_front_of(&format!("http://{}", cloud.address())).await?;
    let list = async || {
        let request = Request::get(format!("{}/v1/servers?per_page=5", proxy.url()))
            .header("authorization", format!("Bearer {TOKEN}"))
            .body(Empty::<Bytes>::new())?;
        let http = hyper_util::client::legacy::Client::builder(TokioExecutor::new()).build_http();
        let answer = http.request(request).await?;
        let status = answer.status();
        let body = answer.into_body().collect().await?.to_bytes();
        anyhow::Ok((status, serde_json::from_slice::<Value>(&body)?))
    };
    let (status, body) = list().await?;
    assert_eq!(status, StatusCode::OK, "{body}");
    proxy.harm(At::Nth(1), Harm::Refuse(503));
    let (status, body) = list().await?;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(body["error"]["code"], "unavailable");
    proxy.harm(At::Nth(1), Harm::CutAfter);
    list().await.unwrap_err();
    assert_eq!(cloud.requests().len(), 2);
    let call = &proxy.calls()[0];
    assert_eq!(
        (call.path.as_str(), call.query.as_str()),
        ("/v1/servers", "per_page=5")
    );
    Ok(())
}
