//! The admin server of a program: `/metrics`, `/healthz`, `/readyz` and `PUT /debug/log-level`.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::{ConnectInfo, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, put};
use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tracing::{error, info};

use crate::logging::Level;
use crate::readiness::Readiness;

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The admin server cannot listen.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address} for metrics and health")]
pub struct AdminError {
    address: SocketAddr,
    source: std::io::Error,
}

/// What the admin server shows.
#[derive(Debug)]
pub struct Admin {
    /// All metrics of the program.
    pub registry: Registry,
    /// Whether the program is ready.
    pub readiness: Readiness,
    /// The log level, where it can be changed.
    pub level: Option<Level>,
}

impl Admin {
    /// Serves until it is cancelled. Gives the address, for a port that the system chose.
    pub async fn serve(
        self,
        address: SocketAddr,
        cancelled: CancellationToken,
    ) -> Result<SocketAddr, AdminError> {
        let failed = |source| AdminError { address, source };
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        let bound = listener.local_addr().map_err(failed)?;
        let router = Router::new()
            .route("/metrics", get(metrics))
            .route("/healthz", get(|| async { "ok\n" }))
            .route("/readyz", get(readyz))
            .route("/debug/log-level", put(log_level))
            .with_state(Arc::new(self))
            .into_make_service_with_connect_info::<SocketAddr>();
        let serving =
            axum::serve(listener, router).with_graceful_shutdown(cancelled.cancelled_owned());
        tokio::spawn(async move {
            if let Err(error) = serving.await {
                error!(%error, "the server for metrics and health ended");
            }
        });
        info!(address = %bound, "metrics and health are served");
        Ok(bound)
    }
}

async fn metrics(State(admin): State<Arc<Admin>>) -> Response {
    let mut text = String::new();
    match encode(&mut text, &admin.registry) {
        Ok(()) => ([(header::CONTENT_TYPE, OPEN_METRICS)], text).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

async fn readyz(State(admin): State<Arc<Admin>>) -> Response {
    let reasons = admin.readiness.reasons();
    if reasons.is_empty() {
        return "ready\n".into_response();
    }
    let reasons: serde_json::Map<_, _> = reasons
        .into_iter()
        .map(|(name, reason)| (name, reason.into()))
        .collect();
    let body = serde_json::json!({ "ready": false, "reasons": reasons });
    (StatusCode::SERVICE_UNAVAILABLE, axum::Json(body)).into_response()
}

/// Only from this machine: whoever reaches the port from elsewhere may read, not change.
async fn log_level(
    State(admin): State<Arc<Admin>>,
    ConnectInfo(from): ConnectInfo<SocketAddr>,
    level: String,
) -> Response {
    let Some(handle) = &admin.level else {
        return StatusCode::NOT_FOUND.into_response();
    };
    if !from.ip().to_canonical().is_loopback() {
        return (StatusCode::FORBIDDEN, "only from this machine\n").into_response();
    }
    match handle.set(level.trim()) {
        Ok(()) => StatusCode::NO_CONTENT.into_response(),
        Err(_) => (
            StatusCode::BAD_REQUEST,
            "not a log level, for example info\n",
        )
            .into_response(),
    }
}
