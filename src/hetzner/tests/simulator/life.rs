//! What every kind of resource goes through, and what the tests share.

use std::time::Duration;

use fleet_hetzner::{
    Action, Api, Client, Create, CreateServer, Error, LabelSelector, Labels, Managed, Update,
};
use fleet_sim::hetzner::{self, Options, Pace, TOKEN};
use tokio::time::Instant;

pub(crate) const KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHGHRmiRHpNUIdCWHdoUKLQ+iZ5d5cyZoYQDZqSVnuDq study";

pub(crate) async fn start() -> (hetzner::Api, Client) {
    let options = Options {
        pace: Pace::realistic(),
        ..Options::default()
    };
    let api = hetzner::Api::start(options).await.unwrap();
    let client = Client::builder(TOKEN.into())
        .endpoint(api.endpoint())
        .build()
        .unwrap();
    (api, client)
}

pub(crate) fn labels() -> Labels {
    Labels::from([("fleet".to_owned(), "study".to_owned())])
}

pub(crate) fn fleet() -> LabelSelector {
    LabelSelector::of(&labels()).unwrap()
}

pub(crate) fn is_ours<T: Managed>(resource: &T) -> bool {
    resource
        .labels()
        .get("fleet")
        .is_some_and(|fleet| fleet == "study")
}

pub(crate) fn a_server(name: &str) -> CreateServer {
    CreateServer {
        name: name.to_owned(),
        server_type: "cpx11".into(),
        image: "debian-13".into(),
        location: Some("ash".into()),
        user_data: Some("#cloud-config\n".into()),
        labels: labels(),
        ..CreateServer::default()
    }
}

pub(crate) async fn done(client: &Client, actions: impl IntoIterator<Item = Action>) {
    let actions: Vec<Action> = actions.into_iter().collect();
    let deadline = Instant::now() + Duration::from_mins(5);
    client.actions().wait(&actions, deadline).await.unwrap();
}

pub(crate) async fn one(client: &Client, action: impl Future<Output = Result<Action, Error>>) {
    done(client, [action.await.unwrap()]).await;
}

pub(crate) async fn make<T: Managed>(client: &Client, api: &Api<T>, wanted: &T::Create) -> T {
    let ensured = api.ensure(wanted, is_ours).await.unwrap();
    assert!(ensured.created);
    done(client, ensured.actions).await;
    api.get(ensured.resource.id()).await.unwrap().unwrap()
}

/// What every kind can do: be made once, found, changed, and deleted twice.
pub(crate) async fn live<T: Managed>(client: &Client, api: Api<T>, wanted: &T::Create) -> T {
    let made = make(client, &api, wanted).await;
    assert_eq!((made.name(), made.labels()), (wanted.name(), &labels()));
    let again = api.ensure(wanted, is_ours).await.unwrap();
    assert_eq!((again.resource.id(), again.created), (made.id(), false));
    let raced = api.ensure_absent(wanted, is_ours).await.unwrap();
    assert_eq!((raced.resource.id(), raced.created), (made.id(), false));
    let stranger = api.ensure(wanted, |_| false).await.unwrap_err();
    assert!(matches!(stranger, Error::NameTaken { id, .. } if id == made.id()));
    assert_eq!(api.list(&T::Filter::default()).await.unwrap().len(), 1);

    let update = Update {
        name: Some(format!("{}-2", wanted.name())),
        labels: Some(Labels::from([("role".to_owned(), "spare".to_owned())])),
    };
    let changed = api.update(made.id(), &update).await.unwrap();
    assert_eq!(
        (changed.name(), changed.labels().len()),
        (update.name.as_deref().unwrap(), 1)
    );
    assert!(api.by_name(wanted.name()).await.unwrap().is_none());
    let back = Update {
        name: Some(wanted.name().to_owned()),
        labels: Some(labels()),
    };
    api.update(made.id(), &back).await.unwrap()
}

pub(crate) async fn die<T: Managed>(client: &Client, api: Api<T>, id: i64) {
    let action = api.delete(id).await.unwrap();
    done(client, action).await;
    assert!(api.get(id).await.unwrap().is_none());
    assert_eq!(api.delete(id).await.unwrap(), None, "twice is once");
    assert!(api.list(&T::Filter::default()).await.unwrap().is_empty());
}
