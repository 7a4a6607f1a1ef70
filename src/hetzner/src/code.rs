//! Error codes, after the section "Errors" of the reference, and what each means for a repetition.

use reqwest::StatusCode;

use crate::open::open_enum;

open_enum! {
    /// The kind of an error, of a request or of an action.
    pub enum ErrorCode {
        /// The body is not JSON.
        JsonError = "json_error",
        /// The token is missing or unknown.
        Unauthorized = "unauthorized",
        /// The token may not do this.
        Forbidden = "forbidden",
        /// The token is read-only; replaced by `forbidden` in 2026.
        TokenReadonly = "token_readonly",
        /// Hetzner works on this part.
        Maintenance = "maintenance",
        /// A limit of the project is reached.
        ResourceLimitExceeded = "resource_limit_exceeded",
        /// There is no such resource.
        NotFound = "not_found",
        /// The resource has no such method.
        MethodNotAllowed = "method_not_allowed",
        /// A name, or another field that must be unique, is taken.
        UniquenessError = "uniqueness_error",
        /// Something else changes the resource at the same time.
        Conflict = "conflict",
        /// The endpoint does not exist any more.
        DeprecatedApiEndpoint = "deprecated_api_endpoint",
        /// Out of stock, or a location that is closed to this account.
        ResourceUnavailable = "resource_unavailable",
        /// A field is wrong.
        InvalidInput = "invalid_input",
        /// A part of the API failed.
        ServiceError = "service_error",
        /// The resource cannot do this.
        UnsupportedError = "unsupported_error",
        /// There is no host for the server, for example within its placement group.
        PlacementError = "placement_error",
        /// No room for a volume in this location.
        NoSpaceLeftInLocation = "no_space_left_in_location",
        /// An action runs on the resource.
        Locked = "locked",
        /// The resource is protected.
        Protected = "protected",
        /// The requests of the project are used up.
        RateLimitExceeded = "rate_limit_exceeded",
        /// The API failed.
        ServerError = "server_error",
        /// The API could not reach a part of itself.
        BadGateway = "bad_gateway",
        /// The API is out of order.
        Unavailable = "unavailable",
        /// The API took too long.
        Timeout = "timeout",
        /// The firewall is still applied.
        ResourceInUse = "resource_in_use",
        /// The primary IP is still assigned.
        MustBeUnassigned = "must_be_unassigned",
        /// The server must be off.
        ServerNotStopped = "server_not_stopped",
        /// The firewall is applied to it already.
        FirewallAlreadyApplied = "firewall_already_applied",
        /// The firewall is not applied to it, or there is no such resource.
        FirewallResourceNotFound = "firewall_resource_not_found",
        /// The server is in the network already.
        ServerAlreadyAttached = "server_already_attached",
        /// The server is in a placement group already.
        AlreadyInPlacementGroup = "already_in_placement_group",
        /// The primary IP has a server already.
        PrimaryIpAlreadyAssigned = "primary_ip_already_assigned",
    }
}

impl ErrorCode {
    /// What a status means when something in between answers instead of the API.
    pub(crate) fn of_status(status: StatusCode) -> Self {
        match status.as_u16() {
            401 => Self::Unauthorized,
            403 => Self::Forbidden,
            404 => Self::NotFound,
            429 => Self::RateLimitExceeded,
            500 => Self::ServerError,
            502 => Self::BadGateway,
            503 => Self::Unavailable,
            504 => Self::Timeout,
            other => Self::Other(format!("http_{other}")),
        }
    }

    /// Another server type or location may be had.
    pub fn is_out_of_stock(&self) -> bool {
        matches!(
            self,
            Self::ResourceUnavailable | Self::PlacementError | Self::NoSpaceLeftInLocation
        )
    }

    /// Nothing was done, and the reason passes within seconds.
    pub(crate) fn passes(&self) -> bool {
        matches!(
            self,
            Self::Conflict | Self::Locked | Self::RateLimitExceeded
        )
    }
}
