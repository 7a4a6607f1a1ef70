//! What a request is made of for those who answer it, and how paths find them.

use axum::http::{Method, StatusCode};
use serde_json::{Value, json};

use super::actions::Action;
use super::errors::ApiError;
use super::fields::Fields;
use super::project::Project;

/// A request that may be answered.
pub(crate) struct Call<'a> {
    pub(crate) project: &'a mut Project,
    /// The numbers in the path.
    pub(crate) ids: Vec<i64>,
    pub(crate) query: &'a Query,
    pub(crate) body: &'a [u8],
    /// Scheme, host and path, for links.
    pub(crate) url: &'a str,
}

impl Call<'_> {
    /// The number that comes first in the path. A route without one is never asked.
    pub(crate) fn id(&self) -> i64 {
        self.ids.first().copied().unwrap_or_default()
    }

    pub(crate) fn fields(&self) -> Result<Fields, ApiError> {
        Fields::parse(self.body)
    }

    /// An answer with nothing but an action.
    pub(crate) fn action(&self, id: i64) -> Answer {
        Ok(Reply::created(json!({"action": self.view_action(id)})))
    }

    pub(crate) fn view_action(&self, id: i64) -> Value {
        let action = self.project.state.actions.get(&id);
        action.map_or(Value::Null, |action: &Action| action.view(self.project))
    }

    pub(crate) fn view_actions(&self, ids: &[i64]) -> Vec<Value> {
        ids.iter().map(|&id| self.view_action(id)).collect()
    }

    pub(crate) fn url_of_page(&self, page: usize) -> String {
        let mut url = format!("{}?", self.url);
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        for (name, value) in &self.query.0 {
            if name != "page" {
                query.append_pair(name, value);
            }
        }
        query.append_pair("page", &page.to_string());
        url.push_str(&query.finish());
        url
    }
}

/// What stands behind the question mark; names may come several times.
#[derive(Debug, Clone, Default)]
pub(crate) struct Query(Vec<(String, String)>);

impl Query {
    pub(crate) fn parse(text: &str) -> Self {
        Self(
            url::form_urlencoded::parse(text.as_bytes())
                .into_owned()
                .collect(),
        )
    }

    pub(crate) fn first(&self, name: &str) -> Option<&str> {
        self.all(name).first().copied()
    }

    pub(crate) fn all(&self, name: &str) -> Vec<&str> {
        let fitting = self.0.iter().filter(|(known, _)| known == name);
        fitting.map(|(_, value)| value.as_str()).collect()
    }
}

#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) body: Option<Value>,
    pub(crate) link: Option<String>,
}

pub(crate) type Answer = Result<Reply, ApiError>;

impl Reply {
    pub(crate) fn ok(body: Value) -> Self {
        Self {
            status: StatusCode::OK,
            body: Some(body),
            link: None,
        }
    }

    pub(crate) fn created(body: Value) -> Self {
        Self {
            status: StatusCode::CREATED,
            ..Self::ok(body)
        }
    }

    pub(crate) fn empty() -> Self {
        Self {
            status: StatusCode::NO_CONTENT,
            body: None,
            link: None,
        }
    }
}

pub(crate) type Handler = fn(&mut Call<'_>) -> Answer;

/// Who answers a method on a path. `{id}` in the path stands for a number.
#[derive(Debug)]
pub(crate) struct Route {
    method: Method,
    path: String,
    handler: Handler,
}

impl Route {
    pub(crate) fn new(method: Method, path: &str, handler: Handler) -> Self {
        let path = path.to_owned();
        Self {
            method,
            path,
            handler,
        }
    }
}

pub(crate) fn get(path: &str, handler: Handler) -> Route {
    Route::new(Method::GET, path, handler)
}

pub(crate) fn post(path: &str, handler: Handler) -> Route {
    Route::new(Method::POST, path, handler)
}

pub(crate) fn put(path: &str, handler: Handler) -> Route {
    Route::new(Method::PUT, path, handler)
}

pub(crate) fn delete(path: &str, handler: Handler) -> Route {
    Route::new(Method::DELETE, path, handler)
}

/// All routes.
#[derive(Debug)]
pub(crate) struct Routes(pub(crate) Vec<Route>);

impl Routes {
    /// Who answers on a path, by method; with the numbers in the path. None where nobody does.
    pub(crate) fn find(&self, path: &str) -> Option<(Vec<(&Method, Handler)>, Vec<i64>)> {
        let fitting: Vec<_> = self
            .0
            .iter()
            .filter_map(|route| Some((route, numbers(&route.path, path)?)))
            .collect();
        let ids = fitting.first()?.1.clone();
        let handlers = fitting
            .iter()
            .map(|(route, _)| (&route.method, route.handler));
        Some((handlers.collect(), ids))
    }
}

fn numbers(pattern: &str, path: &str) -> Option<Vec<i64>> {
    let mut ids = Vec::new();
    let mut segments = path.split('/');
    for wanted in pattern.split('/') {
        let segment = segments.next()?;
        if wanted == "{id}" {
            ids.push(segment.parse().ok().filter(|&id| id > 0)?);
        } else if wanted != segment {
            return None;
        }
    }
    segments.next().is_none().then_some(ids)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_in_paths() {
        assert_eq!(numbers("/servers/{id}", "/servers/12"), Some(vec![12]));
        assert_eq!(numbers("/a/{id}/b/{id}", "/a/1/b/2"), Some(vec![1, 2]));
        for path in [
            "/servers",
            "/servers/x",
            "/servers/0",
            "/servers/1/",
            "/servers/1/actions",
        ] {
            assert_eq!(numbers("/servers/{id}", path), None, "{path}");
        }
    }

    #[test]
    fn a_name_may_come_several_times() {
        let query = Query::parse("id=1&id=2&name=a%20b");
        assert_eq!(query.all("id"), ["1", "2"]);
        assert_eq!(query.first("name"), Some("a b"));
        assert_eq!(query.first("page"), None);
    }
}
