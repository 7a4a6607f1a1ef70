//! What all kinds of resources have in common, and the operations that are the same for all.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};

use super::actions;
use super::errors::ApiError;
use super::fields::Fields;
use super::labels::Labels;
use super::list;
use super::project::{Project, State};
use super::route::{Answer, Call, Reply, Route, get, put};

/// Resources by their identifier.
pub type Table<T> = BTreeMap<i64, T>;

/// What every resource has.
#[derive(Debug, Clone, Serialize)]
pub struct Meta {
    /// Unique in the whole simulator.
    pub id: i64,
    /// Unique among its kind, where the kind has names.
    pub name: String,
    /// The user's own.
    pub labels: Labels,
    /// By the clock of the API, which may be wrong.
    pub created: Timestamp,
    /// Whether it may not be deleted.
    pub protected: bool,
}

impl Meta {
    /// The fields that all kinds show.
    pub(crate) fn view(&self, others: Value) -> Value {
        let mut view = others;
        view["id"] = self.id.into();
        view["name"] = self.name.as_str().into();
        view["labels"] = json!(self.labels);
        view["created"] = json!(self.created);
        view
    }
}

pub(crate) trait Resource: Sized + 'static {
    /// As it is called in answers and in the targets of actions.
    const KIND: &'static str;
    /// As it is called in paths.
    const PLURAL: &'static str;
    /// What lists can be sorted by.
    const SORT: &'static [&'static str] = &["id", "name", "created"];
    /// What else lists can be filtered by.
    const FILTERS: &'static [&'static str] = &[];

    fn table(state: &State) -> &Table<Self>;
    fn table_mut(state: &mut State) -> &mut Table<Self>;
    fn meta(&self) -> &Meta;
    fn meta_mut(&mut self) -> &mut Meta;
    /// As answers show it.
    fn view(&self, project: &Project) -> Value;
    /// Whether one of the filters meets it.
    fn has(&self, _filter: &str, _value: &str) -> bool {
        false
    }
    /// Whether it counts towards the limit.
    fn counts(&self) -> bool {
        true
    }
    /// Says what is wrong with a name.
    fn check_name(fields: &mut Fields, name: &str) {
        fields.check_length("name", name, 128);
    }
}

/// Where a kind is kept.
macro_rules! stored_in {
    ($table:ident) => {
        fn table(
            state: &$crate::hetzner::project::State,
        ) -> &$crate::hetzner::resource::Table<Self> {
            &state.$table
        }

        fn table_mut(
            state: &mut $crate::hetzner::project::State,
        ) -> &mut $crate::hetzner::resource::Table<Self> {
            &mut state.$table
        }

        fn meta(&self) -> &Meta {
            &self.meta
        }

        fn meta_mut(&mut self) -> &mut Meta {
            &mut self.meta
        }
    };
}
pub(crate) use stored_in;

/// The routes that every kind has which is read.
pub(crate) fn reading<T: Resource>() -> Vec<Route> {
    let plural = T::PLURAL;
    vec![
        get(&format!("/{plural}"), list::resources::<T>),
        get(&format!("/{plural}/{{id}}"), one::<T>),
        get(&format!("/{plural}/actions"), actions::of_kind::<T>),
        get(
            &format!("/{plural}/actions/{{id}}"),
            actions::one_of_kind::<T>,
        ),
        get(
            &format!("/{plural}/{{id}}/actions"),
            actions::of_resource::<T>,
        ),
        get(
            &format!("/{plural}/{{id}}/actions/{{id}}"),
            actions::one_of_resource::<T>,
        ),
    ]
}

/// Reading, and changing name and labels.
pub(crate) fn naming<T: Resource>() -> Vec<Route> {
    let mut routes = reading::<T>();
    routes.push(put(&format!("/{}/{{id}}", T::PLURAL), rename::<T>));
    routes
}

fn one<T: Resource>(call: &mut Call<'_>) -> Answer {
    let found = call.project.find::<T>(call.id())?;
    Ok(Reply::ok(json!({T::KIND: found.view(call.project)})))
}

pub(crate) fn rename<T: Resource>(call: &mut Call<'_>) -> Answer {
    let mut fields = call.fields()?;
    rename_with::<T>(call, &mut fields, |_| {})
}

/// Changes name and labels, and what else the caller has read from the fields.
pub(crate) fn rename_with<T: Resource>(
    call: &mut Call<'_>,
    fields: &mut Fields,
    change: impl FnOnce(&mut T),
) -> Answer {
    let id = call.id();
    call.project.find::<T>(id)?;
    let name = fields.optional::<String>("name");
    if let Some(name) = &name {
        T::check_name(fields, name);
    }
    let labels = fields.labels();
    fields.finish()?;
    if let Some(name) = &name {
        call.project.check_unique::<T>(name, Some(id))?;
    }
    let found = call.project.find_mut::<T>(id)?;
    let meta = found.meta_mut();
    if let Some(name) = name {
        meta.name = name;
    }
    if let Some(labels) = labels {
        meta.labels = labels;
    }
    change(found);
    one::<T>(call)
}

pub(crate) fn check_unprotected(kind: &str, meta: &Meta) -> Result<(), ApiError> {
    if meta.protected {
        let message = format!("{kind} deletion is protected");
        return Err(ApiError::new("protected", message));
    }
    Ok(())
}

/// Sets the protection against deletion. It takes an action, though nothing takes time.
pub(crate) fn change_protection<T: Resource>(call: &mut Call<'_>) -> Answer {
    let id = call.id();
    let now = call.project.find::<T>(id)?.meta().protected;
    let mut fields = call.fields()?;
    let protected = fields.optional::<bool>("delete").unwrap_or(now);
    fields.finish()?;
    protect::<T>(call, protected)
}

/// The same where the field may not be left out.
pub(crate) fn set_protection<T: Resource>(call: &mut Call<'_>) -> Answer {
    call.project.find::<T>(call.id())?;
    let mut fields = call.fields()?;
    let protected: bool = fields.required("delete");
    fields.finish()?;
    protect::<T>(call, protected)
}

fn protect<T: Resource>(call: &mut Call<'_>, protected: bool) -> Answer {
    let id = call.id();
    let action = call
        .project
        .begin("change_protection", &[(T::KIND, id)], move |project| {
            project.change::<T>(id, |found| found.meta_mut().protected = protected);
        });
    call.action(action)
}
