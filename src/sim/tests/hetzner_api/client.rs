//! Asking the API as a program would that knows nothing but HTTP and JSON.

use std::time::Duration;

use fleet_sim::hetzner::{Api, Options, Pace, TOKEN};
use reqwest::header::HeaderMap;
use reqwest::{Client as Http, Method};
use serde_json::{Value, json};

/// What every action takes in these tests.
pub(crate) const ACTION: Duration = Duration::from_secs(10);

pub(crate) struct Client {
    http: Http,
    endpoint: String,
    token: Option<String>,
}

pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
}

/// An API where actions take [`ACTION`], and who asks it.
pub(crate) async fn start() -> (Api, Client) {
    start_with(|_| {}).await
}

pub(crate) async fn start_with(change: impl FnOnce(&mut Options)) -> (Api, Client) {
    let mut options = Options {
        pace: Pace::uniform(ACTION),
        ..Options::default()
    };
    change(&mut options);
    let api = Api::start(options).await.expect("a port");
    let client = Client::new(&api.endpoint(), Some(TOKEN));
    (api, client)
}

impl Client {
    pub(crate) fn new(endpoint: &str, token: Option<&str>) -> Self {
        // Fails where another test was faster.
        let _ = rustls::crypto::ring::default_provider().install_default();
        // With no timer at all: a paused clock jumps to the next one.
        let http = Http::builder().pool_idle_timeout(None).build();
        Self {
            http: http.expect("a client"),
            endpoint: endpoint.to_owned(),
            token: token.map(ToOwned::to_owned),
        }
    }

    pub(crate) fn with_token(&self, token: Option<&str>) -> Self {
        Self::new(&self.endpoint, token)
    }

    pub(crate) async fn try_send(
        &self,
        method: Method,
        path: &str,
        body: Option<String>,
    ) -> reqwest::Result<Reply> {
        let mut request = self
            .http
            .request(method, format!("{}{path}", self.endpoint));
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
        }
        if let Some(body) = body {
            request = request.body(body);
        }
        let response = request.send().await?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let text = response.text().await?;
        let body = if text.is_empty() {
            Value::Null
        } else {
            serde_json::from_str(&text).expect("JSON")
        };
        Ok(Reply {
            status,
            headers,
            body,
        })
    }

    pub(crate) async fn send(&self, method: Method, path: &str, body: Option<String>) -> Reply {
        self.try_send(method, path, body).await.expect("an answer")
    }

    pub(crate) async fn get(&self, path: &str) -> Reply {
        self.send(Method::GET, path, None).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Reply {
        self.send(Method::POST, path, Some(body.to_string())).await
    }

    pub(crate) async fn put(&self, path: &str, body: Value) -> Reply {
        self.send(Method::PUT, path, Some(body.to_string())).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Reply {
        self.send(Method::DELETE, path, None).await
    }

    /// Makes a server and waits until it runs.
    pub(crate) async fn running_server(&self, name: &str) -> i64 {
        let made = self.post("/servers", server(name)).await.expect(201);
        pass(2 * ACTION).await;
        made["server"]["id"].as_i64().expect("an ID")
    }

    /// Makes a resource and returns it as it was answered.
    pub(crate) async fn make(&self, kind: &str, body: Value) -> Value {
        let made = self.post(&format!("/{kind}s"), body).await.expect(201);
        made[kind].clone()
    }

    /// Does something to a resource and waits until it is done.
    pub(crate) async fn act(&self, path: &str, body: Value) -> Value {
        let action = self.post(path, body).await.expect(201)["action"].clone();
        pass(ACTION).await;
        let action = self
            .get(&format!("/actions/{}", action["id"]))
            .await
            .expect(200)["action"]
            .clone();
        assert_eq!(action["status"], "success", "{action}");
        action
    }
}

impl Reply {
    /// The body, if this is the status.
    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.body);
        self.body
    }

    /// Asserts that the request was refused like this.
    #[track_caller]
    pub(crate) fn refused(&self, status: u16, code: &str) {
        assert_eq!(
            (self.status, &self.body["error"]["code"]),
            (status, &json!(code)),
            "{}",
            self.body
        );
    }

    /// The names of the fields that were wrong.
    pub(crate) fn wrong_fields(&self) -> Vec<&str> {
        let fields = self.body["error"]["details"]["fields"]
            .as_array()
            .expect("fields");
        fields
            .iter()
            .map(|field| field["name"].as_str().expect("a name"))
            .collect()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        let value = self
            .headers
            .get(name)
            .unwrap_or_else(|| panic!("no {name}"));
        value.to_str().expect("text")
    }
}

/// Lets time pass.
pub(crate) async fn pass(time: Duration) {
    tokio::time::advance(time).await;
}

/// The smallest order for a server.
pub(crate) fn server(name: &str) -> Value {
    json!({"name": name, "server_type": "cpx11", "image": "debian-13", "location": "ash"})
}
