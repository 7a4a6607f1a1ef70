//! How answers are read: forgiving about what is written differently from day to day.

use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

/// `null` where a list, a map or a structure belongs is an empty one.
pub(crate) fn nullable<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + Default,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// A whole number that may be written `40` or `40.0`.
pub(crate) fn whole<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: TryFrom<u64>,
{
    let number = serde_json::Number::deserialize(deserializer)?;
    let whole = number.as_u64().or_else(|| match number.as_f64() {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "checked: not negative, no fraction, and within the integers that f64 has"
        )]
        Some(float) if (0.0..9e15).contains(&float) && float.fract() == 0.0 => Some(float as u64),
        _ => None,
    });
    let fitting = whole.and_then(|whole| T::try_from(whole).ok());
    fitting
        .ok_or_else(|| D::Error::custom(format!("{number} is not a whole number that fits here")))
}

/// An identifier or a name; the API takes either.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum IdOrName {
    /// The identifier.
    Id(i64),
    /// The name.
    Name(String),
}

impl Default for IdOrName {
    fn default() -> Self {
        Self::Name(String::new())
    }
}

impl From<i64> for IdOrName {
    fn from(id: i64) -> Self {
        Self::Id(id)
    }
}

impl From<&str> for IdOrName {
    fn from(name: &str) -> Self {
        Self::Name(name.to_owned())
    }
}

impl From<String> for IdOrName {
    fn from(name: String) -> Self {
        Self::Name(name)
    }
}

/// The root of an answer: what was asked for stands under a name of its own. Without `Debug`: it may hold a password.
#[derive(Deserialize)]
#[serde(transparent)]
pub(crate) struct Envelope(Map<String, Value>);

impl Envelope {
    /// What stands under `key`.
    pub(crate) fn take<T: DeserializeOwned>(&mut self, key: &str) -> Result<T, serde_json::Error> {
        match self.0.remove(key) {
            Some(value) => serde_json::from_value(value),
            None => Err(serde_json::Error::custom(format!("missing field `{key}`"))),
        }
    }

    /// What stands under `key`, or nothing: without it, or with `null`.
    pub(crate) fn take_optional<T>(&mut self, key: &str) -> Result<T, serde_json::Error>
    where
        T: DeserializeOwned + Default,
    {
        match self.0.remove(key) {
            Some(Value::Null) | None => Ok(T::default()),
            Some(value) => serde_json::from_value(value),
        }
    }
}
