//! The way of a request: route, faults, rate limit, token, method, and only then the operation.

use std::collections::VecDeque;
use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, DATE, LINK};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, Uri};
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use tokio::time::Instant;

use super::errors::{ApiError, gateway_code};
use super::faults::{Lost, Obstacle};
use super::project::Project;
use super::rate::{Bucket, Level};
use super::route::{Answer, Call, Found, Query, Routes};
use super::{
    actions, firewalls, floating_ips, images, networks, offers, placement_groups, primary_ips,
    servers, ssh_keys, volumes,
};
use crate::random::Random;

/// More requests than these are forgotten, the oldest first.
const REMEMBERED: usize = 100_000;

/// A request that came.
#[derive(Debug, Clone, Serialize)]
pub struct RequestSeen {
    /// For example `POST`.
    pub method: String,
    /// Without `/v1`.
    pub path: String,
    /// As it came, without the question mark.
    pub query: String,
    /// What was answered, also where the answer was lost; none where there was none.
    pub status: Option<u16>,
    /// The code of the error, if it was one.
    pub code: Option<String>,
    /// When, by the clock of the API.
    pub at: Timestamp,
}

/// Who may do what.
#[derive(Clone)]
pub(crate) struct Tokens {
    pub(crate) write: String,
    pub(crate) read: Option<String>,
}

pub(crate) struct Gate {
    pub(crate) project: Project,
    pub(crate) seen: VecDeque<RequestSeen>,
    tokens: Tokens,
    bucket: Bucket,
    routes: Routes,
    random: Random,
    host: String,
}

/// What becomes of a request.
pub(crate) enum Outcome {
    Answer(Response<Body>),
    /// The connection ends.
    Cut,
    /// Nothing, ever.
    Silence,
}

pub(crate) struct Incoming<'a> {
    pub(crate) method: &'a Method,
    pub(crate) uri: &'a Uri,
    pub(crate) headers: &'a HeaderMap,
    pub(crate) body: &'a Bytes,
}

impl Gate {
    pub(crate) fn new(project: Project, tokens: Tokens, bucket: Bucket, host: String) -> Self {
        let routes = [
            actions::routes(),
            firewalls::routes(),
            floating_ips::routes(),
            images::routes(),
            networks::routes(),
            offers::routes(),
            placement_groups::routes(),
            primary_ips::routes(),
            servers::routes(),
            ssh_keys::routes(),
            volumes::routes(),
        ];
        Self {
            project,
            seen: VecDeque::new(),
            tokens,
            bucket,
            routes: Routes(routes.into_iter().flatten().collect()),
            random: Random::new(1),
            host,
        }
    }

    /// Answers a request whose path begins behind `/v1`.
    pub(crate) fn pass(&mut self, path: &str, incoming: &Incoming<'_>) -> Outcome {
        self.project.advance(Instant::now());
        let Incoming { method, uri, .. } = incoming;
        let query = uri.query().unwrap_or_default();
        let faults = Arc::clone(&self.project.faults);
        let obstacle = faults.obstacle(method.as_str(), path);
        let answer = match obstacle {
            Some(Obstacle::Hang) => {
                self.remember(method, path, query, None, None);
                return Outcome::Silence;
            }
            Some(Obstacle::Page { status }) => {
                self.remember(method, path, query, Some(status_of(status)), None);
                return Outcome::Answer(page(status));
            }
            Some(Obstacle::Answer { status, code }) => Err(refusal(status, code)),
            None => self.answer(path, incoming),
        };
        let status = answer
            .as_ref()
            .map_or_else(|error| error.status, |reply| reply.status);
        let code = answer.as_ref().err().map(|error| error.code.clone());
        self.remember(method, path, query, Some(status), code);
        let done = answer.is_ok();
        let lost = done.then(|| faults.lost_answer(method.as_str(), path));
        match lost.flatten() {
            Some(Lost::Cut) => Outcome::Cut,
            Some(Lost::Replaced(status)) => {
                Outcome::Answer(self.response(Err(refusal(status, None))))
            }
            None => Outcome::Answer(self.response(answer)),
        }
    }

    fn answer(&mut self, path: &str, incoming: &Incoming<'_>) -> Answer {
        let Some(Found { handlers, ids }) = self.routes.find(path) else {
            return Err(ApiError::new("not_found", "api route not found"));
        };
        let now = self.project.now;
        if self.project.faults.empties_bucket() {
            self.bucket.drain(now);
        }
        if !self.bucket.take(now) {
            let message = format!(
                "limit of {} requests per hour reached",
                self.bucket.level().limit
            );
            return Err(ApiError::new("rate_limit_exceeded", message));
        }
        let writes = self.writes(incoming.headers)?;
        let Some((_, handler)) = handlers
            .iter()
            .find(|(method, _)| *method == incoming.method)
        else {
            return Err(ApiError::new("method_not_allowed", "method not allowed"));
        };
        if incoming.method != Method::GET && !writes {
            return Err(ApiError::new(
                "forbidden",
                "insufficient permissions: the token is read-only",
            ));
        }
        let query = Query::parse(incoming.uri.query().unwrap_or_default());
        let url = format!("http://{}/v1{path}", self.host);
        let answer = handler(&mut Call {
            project: &mut self.project,
            ids,
            query: &query,
            body: incoming.body,
            url: &url,
        });
        if incoming.method != Method::GET && answer.is_ok() {
            self.project.labels_may_have_changed();
        }
        answer
    }

    /// Whether the token may write.
    fn writes(&self, headers: &HeaderMap) -> Result<bool, ApiError> {
        let header = headers
            .get(AUTHORIZATION)
            .and_then(|value| value.to_str().ok());
        let token = header
            .and_then(|header| header.strip_prefix("Bearer "))
            .map(str::trim);
        let faults = &self.project.faults;
        match token {
            None | Some("") => Err(ApiError::new("unauthorized", "token is required")),
            Some(token) if token == self.tokens.write && !faults.token_revoked() => {
                Ok(!faults.token_read_only())
            }
            Some(token) if self.tokens.read.as_deref() == Some(token) => Ok(false),
            Some(_) => Err(ApiError::new(
                "unauthorized",
                "the token you have provided is invalid",
            )),
        }
    }

    fn remember(
        &mut self,
        method: &Method,
        path: &str,
        query: &str,
        status: Option<StatusCode>,
        code: Option<String>,
    ) {
        if self.seen.len() >= REMEMBERED {
            self.seen.pop_front();
        }
        self.seen.push_back(RequestSeen {
            method: method.to_string(),
            path: path.to_owned(),
            query: query.to_owned(),
            status: status.map(|status| status.as_u16()),
            code,
            at: self.project.time(),
        });
    }

    fn response(&mut self, answer: Answer) -> Response<Body> {
        let (status, body, link) = match answer {
            Ok(reply) => (reply.status, reply.body, reply.link),
            Err(error) => (error.status, Some(error.body()), None),
        };
        let mut response = Response::new(
            body.as_ref()
                .map_or_else(Body::empty, |body| body.to_string().into()),
        );
        *response.status_mut() = status;
        let headers = response.headers_mut();
        if body.is_some() {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        let mut set = |name: HeaderName, value: String| {
            // All of these are ASCII; a value that were not would be left out.
            if let Ok(value) = HeaderValue::try_from(value) {
                headers.insert(name, value);
            }
        };
        let Level {
            limit,
            remaining,
            full_in,
        } = self.bucket.level();
        let time = self.project.time();
        let full = time.saturating_add(SignedDuration::try_from(full_in).unwrap_or_default());
        let full = full.unwrap_or(time).as_second() + i64::from(full_in.subsec_nanos() > 0);
        set(
            HeaderName::from_static("ratelimit-limit"),
            limit.to_string(),
        );
        set(
            HeaderName::from_static("ratelimit-remaining"),
            remaining.to_string(),
        );
        set(HeaderName::from_static("ratelimit-reset"), full.to_string());
        let correlation = format!("{:016x}", self.random.bits());
        set(HeaderName::from_static("x-correlation-id"), correlation);
        set(DATE, time.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string());
        if let Some(link) = link {
            set(LINK, link);
        }
        response
    }
}

fn refusal(status: u16, code: Option<String>) -> ApiError {
    let code = code.unwrap_or_else(|| gateway_code(status).to_owned());
    let mut error = ApiError::new(code.clone(), format!("simulated fault: {code}"));
    error.status = status_of(status);
    error
}

fn status_of(status: u16) -> StatusCode {
    StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

/// What a proxy in front of the API answers, which knows nothing of JSON.
fn page(status: u16) -> Response<Body> {
    let status = status_of(status);
    let mut response =
        Response::new(format!("<html><body><h1>{status}</h1></body></html>\n").into());
    *response.status_mut() = status;
    let html = HeaderValue::from_static("text/html");
    response.headers_mut().insert(CONTENT_TYPE, html);
    response
}
