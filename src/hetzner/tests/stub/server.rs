//! An API that answers what it is told to, in order, and remembers what it was asked.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, Method, Response, StatusCode, Uri, header};
use fleet_hetzner::{Builder, Client};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// As long as a real one.
pub(crate) const TOKEN: &str = "vErYsEcReTvErYsEcReTvErYsEcReTvErYsEcReTvErYsEcReTvErYsEcReT1234";

/// What happens to a request.
pub(crate) enum Reply {
    /// An answer, with further headers.
    Answer(u16, Vec<(&'static str, String)>, String),
    /// The connection breaks.
    Lost,
    /// Nothing, for ever.
    Silence,
}

pub(crate) fn json(status: u16, body: &Value) -> Reply {
    Reply::Answer(status, vec![], body.to_string())
}

pub(crate) fn ok(body: &Value) -> Reply {
    json(200, body)
}

pub(crate) fn error(status: u16, code: &str) -> Reply {
    json(
        status,
        &json!({ "error": { "code": code, "message": "no", "details": null } }),
    )
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Request {
    /// Method, path and parameters.
    pub(crate) line: String,
    pub(crate) body: Value,
    pub(crate) headers: HeaderMap,
}

#[derive(Default)]
struct Script {
    replies: VecDeque<Reply>,
    requests: Vec<Request>,
}

type Shared = Arc<Mutex<Script>>;

pub(crate) struct Stub {
    script: Shared,
    pub(crate) endpoint: String,
    serving: JoinHandle<()>,
}

impl Drop for Stub {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn reply(
    State(script): State<Shared>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response<Body> {
    let request = Request {
        line: format!("{method} {uri}"),
        body: serde_json::from_slice(&body).unwrap_or_default(),
        headers,
    };
    let reply = {
        let mut script = script.lock().unwrap();
        script.requests.push(request);
        script.replies.pop_front()
    };
    match reply {
        // What no test expects, and no client repeats.
        None => answer(418, vec![], "nothing more to say".into()),
        Some(Reply::Answer(status, headers, body)) => answer(status, headers, body.into()),
        Some(Reply::Lost) => {
            let broken =
                futures_util::stream::once(async { Err::<Bytes, _>(io::Error::other("lost")) });
            answer(200, vec![], Body::from_stream(broken))
        }
        Some(Reply::Silence) => std::future::pending().await,
    }
}

fn answer(status: u16, headers: Vec<(&'static str, String)>, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = StatusCode::from_u16(status).unwrap();
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, "application/json".parse().unwrap());
    for (name, value) in headers {
        response.headers_mut().insert(name, value.parse().unwrap());
    }
    response
}

impl Stub {
    pub(crate) async fn start(replies: impl IntoIterator<Item = Reply>) -> Self {
        let script = Shared::default();
        script.lock().unwrap().replies.extend(replies);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}/v1", listener.local_addr().unwrap());
        let router = Router::new()
            .fallback(reply)
            .with_state(Arc::clone(&script));
        let serving = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self {
            script,
            endpoint,
            serving,
        }
    }

    pub(crate) fn builder(&self) -> Builder {
        Client::builder(TOKEN.into()).endpoint(&self.endpoint)
    }

    pub(crate) fn client(&self) -> Client {
        self.builder().build().unwrap()
    }

    pub(crate) fn then(&self, reply: Reply) {
        self.script.lock().unwrap().replies.push_back(reply);
    }

    /// All that came, the first one first.
    pub(crate) fn requests(&self) -> Vec<Request> {
        self.script.lock().unwrap().requests.clone()
    }

    /// Their methods, paths and parameters, without `/v1`.
    pub(crate) fn lines(&self) -> Vec<String> {
        let lines = self.requests().into_iter();
        lines
            .map(|request| request.line.replacen(" /v1", " ", 1))
            .collect()
    }

    /// How many came. All answers must have been asked for.
    pub(crate) fn count(&self) -> usize {
        let script = self.script.lock().unwrap();
        assert!(
            script.replies.is_empty(),
            "{} answers are left",
            script.replies.len()
        );
        script.requests.len()
    }
}
