//! Refusals: the codes of the API and the HTTP status that each of them has.

use axum::http::StatusCode;
use serde_json::{Value, json};

/// What a request is refused with.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ApiError {
    pub(crate) status: StatusCode,
    pub(crate) code: String,
    pub(crate) message: String,
    pub(crate) details: Value,
}

impl ApiError {
    pub(crate) fn new(code: impl Into<String>, message: impl Into<String>) -> Self {
        let code = code.into();
        Self {
            status: status(&code),
            code,
            message: message.into(),
            details: Value::Null,
        }
    }

    pub(crate) fn with_details(mut self, details: Value) -> Self {
        self.details = details;
        self
    }

    /// Something is wrong with these fields of the request; each comes with what is wrong.
    pub(crate) fn fields(wrong: &[(String, String)]) -> Self {
        let mut fields: Vec<(&str, Vec<&str>)> = Vec::new();
        for (name, message) in wrong {
            match fields.iter_mut().find(|(known, _)| known == name) {
                Some((_, messages)) => messages.push(message),
                None => fields.push((name, vec![message])),
            }
        }
        let names: Vec<_> = fields.iter().map(|(name, _)| format!("'{name}'")).collect();
        let s = if names.len() == 1 { "" } else { "s" };
        let message = format!("invalid input in field{s} {}", names.join(", "));
        let fields = fields
            .iter()
            .map(|(name, messages)| json!({"name": name, "messages": messages}));
        let details = json!({"fields": fields.collect::<Vec<_>>()});
        Self::new("invalid_input", message).with_details(details)
    }

    pub(crate) fn field(name: &str, message: impl Into<String>) -> Self {
        Self::fields(&[(name.to_owned(), message.into())])
    }

    pub(crate) fn not_unique(kind: &str, field: &str) -> Self {
        Self::new(
            "uniqueness_error",
            format!("{kind} {field} is already used"),
        )
        .with_details(json!({"fields": [{"name": field}]}))
    }

    pub(crate) fn not_found(kind: &str, id: i64) -> Self {
        Self::new("not_found", format!("{kind} with ID '{id}' not found"))
    }

    /// What clients have to do without.
    pub(crate) fn deprecated(message: &str, announcement: &str) -> Self {
        let details = json!({"announcement": announcement});
        Self::new("deprecated_api_endpoint", message).with_details(details)
    }

    pub(crate) fn locked(kind: &str) -> Self {
        let message = format!("cannot perform operation because {kind} is locked");
        Self::new("locked", message)
    }

    pub(crate) fn body(&self) -> Value {
        json!({"error": {"code": self.code, "message": self.message, "details": self.details}})
    }
}

fn status(code: &str) -> StatusCode {
    match code {
        "json_error" => StatusCode::BAD_REQUEST,
        "unauthorized" => StatusCode::UNAUTHORIZED,
        "forbidden" | "maintenance" | "resource_limit_exceeded" => StatusCode::FORBIDDEN,
        "not_found" | "firewall_resource_not_found" => StatusCode::NOT_FOUND,
        "method_not_allowed" => StatusCode::METHOD_NOT_ALLOWED,
        "uniqueness_error" | "conflict" => StatusCode::CONFLICT,
        "deprecated_api_endpoint" => StatusCode::GONE,
        "resource_unavailable" | "primary_ip_version_mismatch" => StatusCode::PRECONDITION_FAILED,
        "locked" | "protected" => StatusCode::LOCKED,
        "rate_limit_exceeded" => StatusCode::TOO_MANY_REQUESTS,
        "server_error" => StatusCode::INTERNAL_SERVER_ERROR,
        "bad_gateway" => StatusCode::BAD_GATEWAY,
        "unavailable" => StatusCode::SERVICE_UNAVAILABLE,
        "timeout" => StatusCode::GATEWAY_TIMEOUT,
        // `invalid_input`, and whatever belongs to one operation.
        _ => StatusCode::UNPROCESSABLE_ENTITY,
    }
}

/// The code that the API's own gateway writes for a status.
pub(crate) fn gateway_code(status: u16) -> &'static str {
    match status {
        429 => "rate_limit_exceeded",
        500 => "server_error",
        502 => "bad_gateway",
        503 => "unavailable",
        504 => "timeout",
        423 => "locked",
        409 => "conflict",
        403 => "forbidden",
        _ => "unknown_error",
    }
}
