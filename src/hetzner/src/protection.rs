//! Protection from being deleted, the same for all kinds but servers.

use serde::{Deserialize, Serialize};

use crate::actions::Action;
use crate::api::{Api, Managed};
use crate::error::Error;

/// What a resource is protected from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Protection {
    /// From being deleted.
    #[serde(default)]
    pub delete: bool,
}

pub(crate) async fn protect<T: Managed>(
    api: &Api<T>,
    id: i64,
    protection: Protection,
) -> Result<Action, Error> {
    let call = Api::<T>::action(id, "change_protection")
        .body(&protection)
        .repeatable();
    api.act(call).await
}
