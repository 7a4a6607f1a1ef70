//! One request: through the budget, with what is repeated and what is not.

use std::time::Duration;

use backon::{ExponentialBuilder, Retryable};
use reqwest::header::AUTHORIZATION;
use reqwest::{Method, StatusCode, Url};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::time::Instant;
use tracing::debug;

use crate::budget::Told;
use crate::client::{Client, Inner};
use crate::code::ErrorCode;
use crate::decode::Envelope;
use crate::error::{ApiError, Error};

/// What is sent. Without `Debug`: a body may hold secrets.
pub(crate) struct Call {
    method: Method,
    path: String,
    query: Vec<(&'static str, String)>,
    body: Option<Value>,
    /// Twice is the same as once. Otherwise it is repeated only when it certainly had no effect.
    repeatable: bool,
}

impl Call {
    fn new(method: Method, path: impl Into<String>) -> Self {
        let repeatable = method != Method::POST;
        Self {
            method,
            path: path.into(),
            query: Vec::new(),
            body: None,
            repeatable,
        }
    }

    pub(crate) fn get(path: impl Into<String>) -> Self {
        Self::new(Method::GET, path)
    }

    pub(crate) fn put(path: impl Into<String>) -> Self {
        Self::new(Method::PUT, path)
    }

    pub(crate) fn post(path: impl Into<String>) -> Self {
        Self::new(Method::POST, path)
    }

    pub(crate) fn delete(path: impl Into<String>) -> Self {
        Self::new(Method::DELETE, path)
    }

    pub(crate) fn query(mut self, query: Vec<(&'static str, String)>) -> Self {
        self.query.extend(query);
        self
    }

    pub(crate) fn body(mut self, body: &impl Serialize) -> Self {
        let value = serde_json::to_value(body)
            .expect("requests have text as keys and nothing that JSON cannot say");
        self.body = Some(value);
        self
    }

    /// A POST that may be repeated, because twice is the same as once.
    pub(crate) fn repeatable(mut self) -> Self {
        self.repeatable = true;
        self
    }

    /// How errors name it.
    fn name(&self) -> String {
        format!("{} /{}", self.method, self.path)
    }

    /// Whether it may be sent again after `error`.
    fn may_repeat(&self, error: &Error) -> bool {
        match error {
            Error::Api(api) if api.code.passes() => true,
            Error::Api(api) => self.repeatable && api.status >= 500,
            // Without a connection nothing was sent.
            Error::Transport { source, .. } => self.repeatable || source.is_connect(),
            _ => false,
        }
    }
}

/// The pauses between repetitions: 0.5 s to 16 s and as much again by chance, half a minute to a minute in all.
fn pauses() -> ExponentialBuilder {
    ExponentialBuilder::default()
        .with_min_delay(Duration::from_millis(500))
        .with_max_delay(Duration::from_secs(16))
        .with_max_times(6)
        .with_jitter()
}

/// Without a connection it is given up when the pauses get longer than this, after 4 to 8 s in all.
const LONGEST_WITHOUT_CONNECTION: Duration = Duration::from_secs(4);

/// Some errors want other pauses, or an end.
fn adjust(error: &Error, pause: Option<Duration>) -> Option<Duration> {
    match error {
        // The gate lets everybody wait.
        Error::Api(api) if api.code == ErrorCode::RateLimitExceeded => {
            pause.map(|_| Duration::ZERO)
        }
        // It takes its time, and haste does not help it.
        Error::Api(api) if api.code == ErrorCode::Unavailable => pause.map(|pause| pause * 2),
        // Whoever sits at a machine without a network wants to know it soon.
        Error::Transport { source, .. } if source.is_connect() => {
            pause.filter(|pause| *pause < LONGEST_WITHOUT_CONNECTION)
        }
        _ => pause,
    }
}

impl Inner {
    fn url(&self, call: &Call) -> Url {
        let mut url = self.endpoint.clone();
        // Only a URL that cannot be a base has no segments; the endpoint has a host.
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(call.path.split('/'));
        }
        if !call.query.is_empty() {
            url.query_pairs_mut().extend_pairs(&call.query);
        }
        url
    }
}

impl Client {
    /// Sends, repeats what may be repeated, and decodes the answer.
    pub(crate) async fn answer<T: DeserializeOwned>(&self, call: Call) -> Result<T, Error> {
        let body = self.send(&call).await?;
        serde_json::from_slice(&body).map_err(|source| Error::Decode {
            request: call.name(),
            source,
        })
    }

    /// The same, for answers that may be empty.
    pub(crate) async fn answer_if_any(&self, call: Call) -> Result<Option<Envelope>, Error> {
        let body = self.send(&call).await?;
        if body.is_empty() {
            return Ok(None);
        }
        let decoded = serde_json::from_slice(&body).map_err(|source| Error::Decode {
            request: call.name(),
            source,
        })?;
        Ok(Some(decoded))
    }

    /// The same, for what stands under `key`.
    pub(crate) async fn one<T: DeserializeOwned>(&self, call: Call, key: &str) -> Result<T, Error> {
        let request = call.name();
        let mut envelope: Envelope = self.answer(call).await?;
        envelope
            .take(key)
            .map_err(|source| Error::Decode { request, source })
    }

    async fn send(&self, call: &Call) -> Result<Vec<u8>, Error> {
        (|| self.attempt(call))
            .retry(pauses())
            .when(|error| call.may_repeat(error))
            .adjust(adjust)
            .notify(|error, pause| debug!(%error, ?pause, "a request is repeated"))
            .await
    }

    async fn attempt(&self, call: &Call) -> Result<Vec<u8>, Error> {
        let inner = &self.inner;
        let transport = |error: reqwest::Error| Error::Transport {
            request: call.name(),
            source: error.without_url(),
        };
        let mut request = inner
            .http
            .request(call.method.clone(), inner.url(call))
            .header(AUTHORIZATION, inner.authorization.clone());
        if let Some(body) = &call.body {
            request = request.json(body);
        }

        let pass = inner.gate.pass().await;
        let started = Instant::now();
        let response = request.send().await;
        if let Some(answered) = &inner.answered {
            let status = response.as_ref().ok();
            let writes = call.method != Method::GET;
            answered(writes, status.map(|response| response.status().as_u16()));
        }
        let response = response.map_err(transport)?;
        let status = response.status();
        let told = Told::by(response.headers());
        pass.answered(told, status == StatusCode::TOO_MANY_REQUESTS);
        let correlation_id = correlation_id(&response);
        let body = response.bytes().await.map_err(transport)?;
        debug!(
            request = call.name(),
            status = status.as_u16(),
            duration_ms = started.elapsed().as_millis(),
            correlation_id,
            "answered"
        );
        if status.is_success() {
            return Ok(body.into());
        }
        let mut error = ApiError::new(call.name(), status, &body);
        error.correlation_id = correlation_id;
        Err(error.into())
    }
}

fn correlation_id(response: &reqwest::Response) -> Option<String> {
    let value = response.headers().get("x-correlation-id")?;
    value.to_str().ok().map(str::to_owned)
}
