//! Answers of the proxy's own, in the form of the API that it stands before.

use bytes::Bytes;
use http::{
    HeaderValue, Response, StatusCode,
    header::{CONTENT_TYPE, RETRY_AFTER},
};
use http_body_util::Full;
use serde_json::{Value, json};

use super::forward::Kind;

pub(super) fn refusal(kind: Kind, code: u16) -> Response<Full<Bytes>> {
    let status = StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let body = match kind {
        Kind::Kubernetes => of_kubernetes(status),
        Kind::Cloud => of_cloud(status),
    };
    let mut answer = Response::new(Full::from(body.to_string()));
    *answer.status_mut() = status;
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if status == StatusCode::TOO_MANY_REQUESTS {
        headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
    }
    answer
}

fn of_kubernetes(status: StatusCode) -> Value {
    let reason = match status.as_u16() {
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "NotFound",
        409 => "Conflict",
        410 => "Expired",
        429 => "TooManyRequests",
        500 => "InternalError",
        503 => "ServiceUnavailable",
        504 => "Timeout",
        _ => "",
    };
    json!({
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": "refused by the proxy of a test",
        "reason": reason,
        "code": status.as_u16(),
    })
}

fn of_cloud(status: StatusCode) -> Value {
    let code = match status.as_u16() {
        401 => "unauthorized",
        403 => "forbidden",
        404 => "not_found",
        409 => "conflict",
        412 => "resource_unavailable",
        423 => "locked",
        429 => "rate_limit_exceeded",
        503 => "unavailable",
        504 => "timeout",
        _ => "server_error",
    };
    json!({"error": {"code": code, "message": "refused by the proxy of a test", "details": null}})
}
