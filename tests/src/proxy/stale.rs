//! The last answers of lists, and the freeze in which they are given again.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, header::ACCEPT};
use http_body_util::Full;

use super::{Call, forward::Kind};

/// A list: its URL, and in which form it is wanted.
pub(super) type Question = (String, Option<HeaderValue>);

#[derive(Default)]
pub(super) struct Stale(Mutex<Lists>);

#[derive(Default)]
struct Lists {
    frozen: bool,
    answers: HashMap<Question, (HeaderMap, Bytes)>,
}

impl Stale {
    pub(super) fn freeze(&self, frozen: bool) {
        self.lock().frozen = frozen;
    }

    /// What is served instead of a fresh answer.
    pub(super) fn answer(&self, question: &Question) -> Option<Response<Full<Bytes>>> {
        let lists = self.lock();
        if !lists.frozen {
            return None;
        }
        let (headers, body) = lists.answers.get(question)?;
        let mut answer = Response::new(Full::new(body.clone()));
        *answer.headers_mut() = headers.clone();
        Some(answer)
    }

    /// Keeps an answer that was got before the freeze.
    pub(super) fn keep(&self, question: Question, headers: &HeaderMap, body: &Bytes) {
        let mut lists = self.lock();
        if !lists.frozen {
            let answer = (headers.clone(), body.clone());
            lists.answers.insert(question, answer);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Lists> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// None for what is not a list.
pub(super) fn question(kind: Kind, call: &Call, headers: &HeaderMap) -> Option<Question> {
    let is_list = call.method == "GET" && !call.is_watch && kind.is_collection(&call.path);
    is_list.then(|| {
        let url = format!("{}?{}", call.path, call.query);
        (url, headers.get(ACCEPT).cloned())
    })
}
