//! The calls that came.

use std::sync::{Mutex, MutexGuard, PoisonError};

use http::{HeaderMap, HeaderValue, Method, Uri, header::USER_AGENT};

/// A call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// For example `POST`.
    pub method: String,
    /// Without the query.
    pub path: String,
    /// Without the question mark; empty if there is none.
    pub query: String,
    /// Whether it is a watch of Kubernetes: those are not counted.
    pub is_watch: bool,
    /// Who calls, by its own words.
    pub user_agent: String,
    /// What the caller was answered; none where it was not, or not yet.
    pub status: Option<u16>,
}

impl Call {
    pub(super) fn new(method: &Method, uri: &Uri, headers: &HeaderMap) -> Self {
        let query = uri.query().unwrap_or_default();
        let is_watch = query
            .split('&')
            .any(|pair| matches!(pair, "watch=true" | "watch=1" | "watch"));
        let user_agent = headers.get(USER_AGENT).map(HeaderValue::as_bytes);
        Self {
            method: method.to_string(),
            path: uri.path().to_owned(),
            query: query.to_owned(),
            is_watch,
            user_agent: String::from_utf8_lossy(user_agent.unwrap_or_default()).into_owned(),
            status: None,
        }
    }

    /// Whether it asks for a change.
    pub fn is_write(&self) -> bool {
        !matches!(self.method.as_str(), "GET" | "HEAD" | "OPTIONS")
    }
}

#[derive(Default)]
pub(super) struct Log(Mutex<Calls>);

#[derive(Default)]
struct Calls {
    calls: Vec<Call>,
    /// How many were forgotten, so that a call keeps its number.
    forgotten: usize,
}

impl Log {
    /// Its number.
    pub(super) fn came(&self, call: Call) -> usize {
        let mut calls = self.lock();
        calls.calls.push(call);
        calls.forgotten + calls.calls.len() - 1
    }

    pub(super) fn answered(&self, number: usize, status: u16) {
        let mut calls = self.lock();
        let index = number.checked_sub(calls.forgotten);
        if let Some(call) = index.and_then(|index| calls.calls.get_mut(index)) {
            call.status = Some(status);
        }
    }

    pub(super) fn calls(&self) -> Vec<Call> {
        self.lock().calls.clone()
    }

    pub(super) fn forget(&self) {
        let mut calls = self.lock();
        calls.forgotten += calls.calls.len();
        calls.calls.clear();
    }

    fn lock(&self) -> MutexGuard<'_, Calls> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
