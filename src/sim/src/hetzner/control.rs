//! What people and tests may know and do beside the API, below `/sim`.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{ConnectInfo, Request, State as Extract};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::Value;

use super::Shared;
use super::gate::{Incoming, Outcome};
use super::line::Client;

/// Larger bodies are refused, as the API does.
const LARGEST_BODY: usize = 1024 * 1024;

pub(crate) fn router(shared: Arc<Shared>) -> Router {
    Router::new()
        .route("/sim/bill", get(bill))
        .route("/sim/requests", get(requests).delete(forget_requests))
        .route("/sim/faults", post(arm).delete(clear_faults))
        .route("/sim/state", get(state))
        .fallback(api)
        .with_state(shared)
}

async fn bill(Extract(shared): Extract<Arc<Shared>>) -> Response {
    Json(shared.now().project.bill()).into_response()
}

async fn requests(Extract(shared): Extract<Arc<Shared>>) -> Response {
    Json(&shared.now().seen).into_response()
}

async fn forget_requests(Extract(shared): Extract<Arc<Shared>>) -> StatusCode {
    shared.now().seen.clear();
    StatusCode::NO_CONTENT
}

async fn state(Extract(shared): Extract<Arc<Shared>>) -> Response {
    Json(&shared.now().project.state).into_response()
}

async fn arm(Extract(shared): Extract<Arc<Shared>>, body: Bytes) -> Response {
    let armed = serde_json::from_slice::<Value>(&body).and_then(|json| shared.faults.arm(json));
    match armed {
        Ok(()) => StatusCode::NO_CONTENT.into_response(),
        Err(error) => (StatusCode::BAD_REQUEST, format!("{error}\n")).into_response(),
    }
}

async fn clear_faults(Extract(shared): Extract<Arc<Shared>>) -> StatusCode {
    shared.faults.clear();
    StatusCode::NO_CONTENT
}

/// Everything else belongs to the API.
async fn api(
    Extract(shared): Extract<Arc<Shared>>,
    ConnectInfo(client): ConnectInfo<Client>,
    request: Request,
) -> Response {
    let (head, body) = request.into_parts();
    let Ok(body) = axum::body::to_bytes(body, LARGEST_BODY).await else {
        return StatusCode::PAYLOAD_TOO_LARGE.into_response();
    };
    let incoming = Incoming {
        method: &head.method,
        uri: &head.uri,
        headers: &head.headers,
        body: &body,
    };
    let path = head.uri.path();
    // Outside of `/v1` there is no route; the whole path is one that nobody has.
    let path = path.strip_prefix("/v1").unwrap_or("");
    let outcome = shared.now().pass(path, &incoming);
    match outcome {
        Outcome::Answer(response) => response,
        Outcome::Cut => {
            client.cut.cancel();
            StatusCode::NO_CONTENT.into_response()
        }
        Outcome::Silence => std::future::pending().await,
    }
}
