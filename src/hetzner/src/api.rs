//! What all resources have in common: list, get, create, change, delete.

use std::fmt::Debug;
use std::marker::PhantomData;

use secrecy::SecretString;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::actions::{Action, ActionStatus};
use crate::client::Client;
use crate::decode::Envelope;
use crate::error::Error;
use crate::labels::{self, LabelSelector, Labels};
use crate::request::Call;

/// Resources on a page; the API gives no more.
const PER_PAGE: usize = 50;

/// A kind of resource that can be listed and read.
pub trait Resource: DeserializeOwned + Debug + Send + Sync + 'static {
    /// Its path, which is also the key of its lists, for example `servers`.
    const PATH: &'static str;
    /// The key of a single one, for example `server`.
    const KEY: &'static str;
    /// What lists may be filtered by.
    type Filter: Filter;

    /// Its identifier.
    fn id(&self) -> i64;
    /// Its name; unique in the project, but empty for some images.
    fn name(&self) -> &str;
}

/// A kind of resource that can be made, changed and deleted.
pub trait Managed: Resource {
    /// What it is made from.
    type Create: Create;
    /// How messages call it.
    const KIND: &'static str;
    /// Whether the API keeps a list of actions for each.
    const HAS_ACTIONS: bool;

    /// Its labels.
    fn labels(&self) -> &Labels;
}

/// What a resource is made from.
pub trait Create: Serialize + Sync {
    /// The name that it will have.
    fn name(&self) -> &str;
    /// The labels that it will have.
    fn labels(&self) -> &Labels;
}

/// What a list is filtered by.
pub trait Filter: Default + Sync {
    /// As parameters of the request.
    fn parameters(&self) -> Vec<(&'static str, String)>;
}

/// By name and labels: what most kinds know.
#[derive(Debug, Clone, Default)]
pub struct NameFilter {
    /// The whole name.
    pub name: Option<String>,
    /// Requirements on labels.
    pub label_selector: Option<LabelSelector>,
}

impl Filter for NameFilter {
    fn parameters(&self) -> Vec<(&'static str, String)> {
        name_and_labels(self.name.as_ref(), self.label_selector.as_ref())
    }
}

pub(crate) fn name_and_labels(
    name: Option<&String>,
    selector: Option<&LabelSelector>,
) -> Vec<(&'static str, String)> {
    let name = name.map(|name| ("name", name.clone()));
    let selector = selector.map(|selector| ("label_selector", selector.to_string()));
    // An empty selector selects everything, and so does none.
    name.into_iter()
        .chain(selector.filter(|(_, text)| !text.is_empty()))
        .collect()
}

/// What was made.
#[derive(Debug)]
#[non_exhaustive]
pub struct Created<T> {
    /// As it is at the beginning.
    pub resource: T,
    /// What the API does now; it is ready when all of them succeeded.
    pub actions: Vec<Action>,
    /// A server's password, if it has no SSH key.
    pub root_password: Option<SecretString>,
}

/// What may be changed at once, without an action.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Update {
    /// The new name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// All labels that it is to have; the others go.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub labels: Option<Labels>,
}

/// A kind that has `id` and `name`.
macro_rules! readable {
    ($kind:ty, path: $path:literal, key: $key:literal, filter: $filter:ty) => {
        impl $crate::api::Resource for $kind {
            const PATH: &'static str = $path;
            const KEY: &'static str = $key;
            type Filter = $filter;

            fn id(&self) -> i64 {
                self.id
            }

            fn name(&self) -> &str {
                &self.name
            }
        }
    };
}

/// A kind that is made from something that has `name` and `labels`.
macro_rules! managed {
    ($kind:ty, from: $create:ty, kind: $name:literal, has_actions: $has_actions:literal) => {
        impl $crate::api::Managed for $kind {
            type Create = $create;
            const KIND: &'static str = $name;
            const HAS_ACTIONS: bool = $has_actions;

            fn labels(&self) -> &$crate::labels::Labels {
                &self.labels
            }
        }

        impl $crate::api::Create for $create {
            fn name(&self) -> &str {
                &self.name
            }

            fn labels(&self) -> &$crate::labels::Labels {
                &self.labels
            }
        }
    };
}

pub(crate) use {managed, readable};

/// The resources of one kind.
#[derive(Debug, Clone)]
pub struct Api<T> {
    pub(crate) client: Client,
    kind: PhantomData<fn() -> T>,
}

#[derive(Debug, Default, Deserialize)]
struct Meta {
    #[serde(default)]
    pagination: Pagination,
}

#[derive(Debug, Default, Deserialize)]
struct Pagination {
    #[serde(default)]
    next_page: Option<u32>,
}

impl<T: Resource> Api<T> {
    pub(crate) fn new(client: Client) -> Self {
        Self {
            client,
            kind: PhantomData,
        }
    }

    /// All resources that pass the filter, from all pages.
    pub async fn list(&self, filter: &T::Filter) -> Result<Vec<T>, Error> {
        self.pages(&filter.parameters()).await
    }

    /// The resource with this identifier, if there is one.
    pub async fn get(&self, id: i64) -> Result<Option<T>, Error> {
        let call = Call::get(format!("{}/{id}", T::PATH));
        match self.client.one(call, T::KEY).await {
            Ok(resource) => Ok(Some(resource)),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The resource with this name, if there is one.
    pub async fn by_name(&self, name: &str) -> Result<Option<T>, Error> {
        let found: Vec<T> = self.pages(&[("name", name.to_owned())]).await?;
        Ok(found.into_iter().find(|resource| resource.name() == name))
    }

    async fn pages(&self, parameters: &[(&'static str, String)]) -> Result<Vec<T>, Error> {
        let mut resources = Vec::new();
        let mut page = Some(1);
        while let Some(number) = page {
            let mut query = parameters.to_vec();
            query.extend([
                ("page", number.to_string()),
                ("per_page", PER_PAGE.to_string()),
            ]);
            let call = Call::get(T::PATH).query(query);
            let mut answer: Envelope = self.client.answer(call).await?;
            let (found, meta) = answer
                .take::<Vec<T>>(T::PATH)
                .and_then(|found| Ok((found, answer.take_optional::<Meta>("meta")?)))
                .map_err(|source| Error::Decode {
                    request: format!("GET /{}", T::PATH),
                    source,
                })?;
            resources.extend(found);
            // A page that leads backwards would lead there for ever.
            page = meta.pagination.next_page.filter(|next| *next > number);
        }
        Ok(resources)
    }

    /// Starts something that takes a while.
    pub(crate) async fn act(&self, call: Call) -> Result<Action, Error> {
        self.client.one(call, "action").await
    }

    /// A request for something that takes a while.
    pub(crate) fn action(id: i64, what: &str) -> Call {
        Call::post(format!("{}/{id}/actions/{what}", T::PATH))
    }
}

impl<T: Managed> Api<T> {
    /// Makes one. It is never sent twice if it may have had its effect; [`Api::ensure`] finds that out.
    pub async fn create(&self, wanted: &T::Create) -> Result<Created<T>, Error> {
        labels::check(wanted.labels())?;
        let mut answer: Envelope = self.client.answer(Call::post(T::PATH).body(wanted)).await?;
        let mut decode = || {
            let mut actions: Vec<Action> = answer.take_optional("actions")?;
            let first: Option<Action> = answer.take_optional("action")?;
            let next: Vec<Action> = answer.take_optional("next_actions")?;
            actions.extend(first.into_iter().chain(next));
            let password: Option<String> = answer.take_optional("root_password")?;
            Ok(Created {
                resource: answer.take(T::KEY)?,
                actions,
                root_password: password.map(SecretString::from),
            })
        };
        decode().map_err(|source| Error::Decode {
            request: format!("POST /{}", T::PATH),
            source,
        })
    }

    /// Changes name or labels.
    pub async fn update(&self, id: i64, update: &Update) -> Result<T, Error> {
        if let Some(wanted) = &update.labels {
            labels::check(wanted)?;
        }
        let call = Call::put(format!("{}/{id}", T::PATH)).body(update);
        self.client.one(call, T::KEY).await
    }

    /// Deletes one, and gives the action to wait for if that takes a while. What is not there counts as deleted.
    pub async fn delete(&self, id: i64) -> Result<Option<Action>, Error> {
        let call = Call::delete(format!("{}/{id}", T::PATH));
        let request = format!("DELETE /{}/{id}", T::PATH);
        match self.client.answer_if_any(call).await {
            Ok(None) => Ok(None),
            Ok(Some(mut answer)) => answer
                .take_optional("action")
                .map_err(|source| Error::Decode { request, source }),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// What the API is doing with one at the moment, for example after a restart. Kinds without actions have none.
    pub async fn running_actions(&self, id: i64) -> Result<Vec<Action>, Error> {
        if !T::HAS_ACTIONS {
            return Ok(Vec::new());
        }
        let query = vec![
            ("status", ActionStatus::Running.to_string()),
            ("per_page", PER_PAGE.to_string()),
        ];
        let call = Call::get(format!("{}/{id}/actions", T::PATH)).query(query);
        self.client.one(call, "actions").await
    }
}
