//! What can go wrong, and what may be done about it. The token is in none of it.

use reqwest::StatusCode;
use serde::Deserialize;

use crate::actions::ActionError;
use crate::code::ErrorCode;
use crate::decode::nullable;
use crate::labels::LabelError;

/// What can go wrong between us and the API.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The API answers with an error.
    #[error(transparent)]
    Api(Box<ApiError>),
    /// There is no answer: no connection, no time left, or a connection that broke.
    #[error("{request} got no answer")]
    Transport {
        /// Method and path.
        request: String,
        /// What happened, without the address.
        source: reqwest::Error,
    },
    /// There is an answer, and it is not what it should be.
    #[error("failed to understand the answer to {request}")]
    Decode {
        /// Method and path.
        request: String,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// Something else carries the name.
    #[error("the {kind} {name:?} (id {id}) exists and is not ours")]
    NameTaken {
        /// The kind of resource, for example `server`.
        kind: &'static str,
        /// The name.
        name: String,
        /// The identifier of what carries it.
        id: i64,
    },
    /// What the API was doing did not succeed.
    #[error(transparent)]
    Action(Box<ActionError>),
    /// A label that the API would refuse.
    #[error(transparent)]
    Label(#[from] LabelError),
    /// The token has characters that no token has, or none.
    #[error("the API token is empty or has characters that no token has")]
    Token,
    /// The endpoint is not a URL with http or https.
    #[error("{endpoint:?} is not an http or https URL")]
    Endpoint {
        /// What was given.
        endpoint: String,
    },
    /// The HTTP client cannot be made, for example without certificate authorities.
    #[error("failed to set up the HTTP client")]
    Setup(#[source] reqwest::Error),
}

/// An error that the API answers with.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{request} was refused: {message} ({code}, status {status}{})", suffix(.correlation_id.as_deref()))]
#[non_exhaustive]
pub struct ApiError {
    /// Method and path.
    pub request: String,
    /// The HTTP status.
    pub status: u16,
    /// The kind of error.
    pub code: ErrorCode,
    /// For people.
    pub message: String,
    /// Which fields are wrong, or which limits are reached.
    pub details: Details,
    /// What Hetzner's support wants to know (`X-Correlation-Id`).
    pub correlation_id: Option<String>,
}

/// Details of an error.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct Details {
    /// Fields that are wrong.
    #[serde(default, deserialize_with = "nullable")]
    pub fields: Vec<Field>,
    /// Limits that are reached.
    #[serde(default, deserialize_with = "nullable")]
    pub limits: Vec<Limit>,
    /// Where the end of an endpoint was announced.
    #[serde(default)]
    pub announcement: Option<String>,
}

/// A field of a request that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Field {
    /// Its name.
    pub name: String,
    /// What is wrong with it.
    #[serde(default, deserialize_with = "nullable")]
    pub messages: Vec<String>,
}

/// A limit of the project that is reached.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Limit {
    /// Its name, for example `server_limit`.
    pub name: String,
}

fn suffix(correlation_id: Option<&str>) -> String {
    correlation_id.map_or_else(String::new, |id| format!(", correlation id {id}"))
}

/// The body of an error.
#[derive(Debug, Deserialize)]
struct Body {
    error: BodyError,
}

#[derive(Debug, Deserialize)]
struct BodyError {
    code: ErrorCode,
    #[serde(default, deserialize_with = "nullable")]
    message: String,
    #[serde(default)]
    details: serde_json::Value,
}

impl ApiError {
    /// From an answer with an error status. A body that is not the API's own comes from something in between.
    pub(crate) fn new(request: String, status: StatusCode, body: &[u8]) -> Self {
        let (code, message, details) = if let Ok(Body { error }) = serde_json::from_slice(body) {
            let details = serde_json::from_value(error.details).unwrap_or_default();
            (error.code, error.message, details)
        } else {
            let message = "the answer does not come from the API".to_owned();
            (ErrorCode::of_status(status), message, Details::default())
        };
        Self {
            request,
            status: status.as_u16(),
            code,
            message,
            details,
            correlation_id: None,
        }
    }
}

impl From<ApiError> for Error {
    fn from(error: ApiError) -> Self {
        Self::Api(Box::new(error))
    }
}

impl From<ActionError> for Error {
    fn from(error: ActionError) -> Self {
        Self::Action(Box::new(error))
    }
}

impl Error {
    /// The API's own error, where it is one.
    pub fn api(&self) -> Option<&ApiError> {
        match self {
            Self::Api(error) => Some(error),
            _ => None,
        }
    }

    /// The kind of the API's own error.
    pub fn code(&self) -> Option<&ErrorCode> {
        self.api().map(|error| &error.code)
    }

    /// The API does not know the token.
    pub fn is_unauthorized(&self) -> bool {
        self.code() == Some(&ErrorCode::Unauthorized)
    }

    /// The token may not do this, for example because it is read-only.
    pub fn is_forbidden(&self) -> bool {
        matches!(
            self.code(),
            Some(ErrorCode::Forbidden | ErrorCode::TokenReadonly)
        )
    }

    /// What was asked for does not exist.
    pub fn is_not_found(&self) -> bool {
        self.code() == Some(&ErrorCode::NotFound)
    }

    /// This type cannot be had there now; another type or location may be.
    pub fn is_out_of_stock(&self) -> bool {
        match self {
            Self::Action(error) => error.code().is_some_and(ErrorCode::is_out_of_stock),
            _ => self.code().is_some_and(ErrorCode::is_out_of_stock),
        }
    }

    /// A limit of the project is reached; only a person can raise it.
    pub fn is_limit(&self) -> bool {
        self.code() == Some(&ErrorCode::ResourceLimitExceeded)
    }

    /// Something carries the name already.
    pub fn is_name_taken(&self) -> bool {
        matches!(self, Self::NameTaken { .. }) || self.code() == Some(&ErrorCode::UniquenessError)
    }

    /// The same request may succeed later without anybody doing anything.
    pub fn retriable(&self) -> bool {
        match self {
            Self::Api(error) => {
                error.code.passes() || error.code == ErrorCode::Maintenance || error.status >= 500
            }
            Self::Transport { .. } => true,
            Self::Action(error) => error.retriable(),
            Self::Decode { .. }
            | Self::NameTaken { .. }
            | Self::Label(_)
            | Self::Token
            | Self::Endpoint { .. }
            | Self::Setup(_) => false,
        }
    }

    /// Nobody knows whether the request had its effect: only looking tells.
    pub fn is_uncertain(&self) -> bool {
        match self {
            Self::Api(error) => error.status >= 500,
            Self::Transport { source, .. } => !source.is_connect(),
            Self::Decode { .. } => true,
            _ => false,
        }
    }

    /// What a person does about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Api(error) => error.hint(),
            Self::Transport { source, .. } if source.is_connect() => Some(
                "check the network, the endpoint, and HTTPS_PROXY where there is one".to_owned(),
            ),
            Self::Transport { .. } => {
                Some("try again; look at https://status.hetzner.com if it stays".to_owned())
            }
            Self::NameTaken { kind, id, .. } => Some(format!(
                "rename or delete the {kind} with id {id}, or choose another name"
            )),
            Self::Token => {
                Some("copy it again from the project's Security page, API tokens".to_owned())
            }
            Self::Endpoint { .. } => Some("for example https://api.hetzner.cloud/v1".to_owned()),
            Self::Setup(_) => {
                Some("install the system's certificate authorities (ca-certificates)".to_owned())
            }
            Self::Action(error) => error.hint(),
            Self::Decode { .. } | Self::Label(_) => None,
        }
    }
}

impl ApiError {
    fn hint(&self) -> Option<String> {
        let limits = || {
            let names: Vec<&str> = self
                .details
                .limits
                .iter()
                .map(|limit| limit.name.as_str())
                .collect();
            if names.is_empty() {
                "a limit".to_owned()
            } else {
                names.join(", ")
            }
        };
        let fields = || {
            let told: Vec<String> = self
                .details
                .fields
                .iter()
                .map(|field| format!("{}: {}", field.name, field.messages.join("; ")))
                .collect();
            (!told.is_empty()).then(|| told.join(", "))
        };
        match self.code {
            ErrorCode::Unauthorized => Some("make a new API token in the project and use it".to_owned()),
            ErrorCode::Forbidden | ErrorCode::TokenReadonly => {
                Some("use a token with read and write permission".to_owned())
            }
            ErrorCode::ResourceLimitExceeded => {
                Some(format!("ask Hetzner to raise {} of the project, or delete what is not used", limits()))
            }
            ErrorCode::RateLimitExceeded => {
                Some("others use the same project: wait some minutes, or give this fleet its own project".to_owned())
            }
            ErrorCode::Protected => Some("take the protection off first".to_owned()),
            ErrorCode::Maintenance => Some("Hetzner works on it; try again in some minutes".to_owned()),
            ErrorCode::UniquenessError => Some("the name, or the same SSH key under another name, exists".to_owned()),
            ErrorCode::InvalidInput => fields(),
            ref code if code.is_out_of_stock() => {
                Some("choose another server type or location, or wait; availability changes by the hour".to_owned())
            }
            _ => None,
        }
    }
}
