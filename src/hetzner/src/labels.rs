//! Labels and label selectors, after the section "Label Selector" of the reference.

use std::collections::BTreeMap;
use std::fmt;

/// Labels of a resource.
pub type Labels = BTreeMap<String, String>;

/// Length of a label's name and of its value, in characters.
const NAME_MAX: usize = 63;
/// Length of the prefix of a key, in characters.
const PREFIX_MAX: usize = 253;
/// Keys below it belong to Hetzner.
const RESERVED_PREFIX: &str = "hetzner.cloud";

/// A label that the API would refuse.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LabelError {
    /// The key does not follow the grammar.
    #[error("label key {key:?} {problem}")]
    Key {
        /// The key.
        key: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// The value does not follow the grammar.
    #[error("value {value:?} of label {key} {problem}")]
    Value {
        /// The key.
        key: String,
        /// The value.
        value: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// A selector over no values selects nothing, or everything.
    #[error("the selector names no value for label {key}")]
    NoValues {
        /// The key.
        key: String,
    },
}

/// Checks a key: `[prefix/]name`, the prefix a DNS subdomain, the name up to 63 letters, digits, `-`, `_` and `.`.
pub fn check_key(key: &str) -> Result<(), LabelError> {
    let (prefix, name) = match key.split_once('/') {
        Some((prefix, name)) => (Some(prefix), name),
        None => (None, key),
    };
    let problem = prefix.and_then(problem_of_prefix).or_else(|| match name {
        "" => Some("has no name"),
        _ => problem_of(name),
    });
    match problem {
        Some(problem) => Err(LabelError::Key {
            key: key.to_owned(),
            problem,
        }),
        None => Ok(()),
    }
}

/// Checks a value: empty, or the same shape as a key's name.
pub fn check_value(key: &str, value: &str) -> Result<(), LabelError> {
    match problem_of(value) {
        Some(problem) if !value.is_empty() => Err(LabelError::Value {
            key: key.to_owned(),
            value: value.to_owned(),
            problem,
        }),
        _ => Ok(()),
    }
}

/// Checks keys and values.
pub fn check(labels: &Labels) -> Result<(), LabelError> {
    labels.iter().try_for_each(|(key, value)| {
        check_key(key)?;
        check_value(key, value)
    })
}

fn problem_of(name: &str) -> Option<&'static str> {
    let alphanumeric = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    let bytes = name.as_bytes();
    if !bytes
        .iter()
        .all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(byte))
    {
        Some("has characters other than letters, digits, '-', '_' and '.'")
    } else if bytes.len() > NAME_MAX {
        Some("is longer than 63 characters")
    } else if !alphanumeric(bytes.first()) || !alphanumeric(bytes.last()) {
        Some("must start and end with a letter or digit")
    } else {
        None
    }
}

fn problem_of_prefix(prefix: &str) -> Option<&'static str> {
    let is_label = |label: &str| {
        let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        (1..=NAME_MAX).contains(&label.len())
            && label.bytes().all(inner)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    if prefix == RESERVED_PREFIX {
        Some("has a prefix that is reserved for Hetzner")
    } else if prefix.len() > PREFIX_MAX {
        Some("has a prefix longer than 253 characters")
    } else if !prefix.split('.').all(is_label) {
        Some("has a prefix that is not a DNS subdomain")
    } else {
        None
    }
}

/// Selects resources by labels. Several requirements must all hold; none at all selects everything.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LabelSelector(Vec<String>);

impl LabelSelector {
    /// Selects everything.
    pub fn new() -> Self {
        Self::default()
    }

    /// Selects what has all of `labels`.
    pub fn of(labels: &Labels) -> Result<Self, LabelError> {
        labels
            .iter()
            .try_fold(Self::new(), |selector, (key, value)| {
                selector.equals(key, value)
            })
    }

    /// The label is there.
    pub fn exists(self, key: &str) -> Result<Self, LabelError> {
        self.require(key, &[], key.to_owned())
    }

    /// The label is not there.
    pub fn absent(self, key: &str) -> Result<Self, LabelError> {
        self.require(key, &[], format!("!{key}"))
    }

    /// The label has this value.
    pub fn equals(self, key: &str, value: &str) -> Result<Self, LabelError> {
        self.require(key, &[value], format!("{key}={value}"))
    }

    /// The label is not there, or has another value.
    pub fn not_equals(self, key: &str, value: &str) -> Result<Self, LabelError> {
        self.require(key, &[value], format!("{key}!={value}"))
    }

    /// The label has one of the values.
    pub fn one_of(self, key: &str, values: &[&str]) -> Result<Self, LabelError> {
        self.set(key, "in", values)
    }

    /// The label is not there, or has none of the values.
    pub fn none_of(self, key: &str, values: &[&str]) -> Result<Self, LabelError> {
        self.set(key, "notin", values)
    }

    fn set(self, key: &str, operator: &str, values: &[&str]) -> Result<Self, LabelError> {
        if values.is_empty() {
            return Err(LabelError::NoValues {
                key: key.to_owned(),
            });
        }
        self.require(
            key,
            values,
            format!("{key} {operator} ({})", values.join(",")),
        )
    }

    fn require(
        mut self,
        key: &str,
        values: &[&str],
        requirement: String,
    ) -> Result<Self, LabelError> {
        check_key(key)?;
        values
            .iter()
            .try_for_each(|value| check_value(key, value))?;
        self.0.push(requirement);
        Ok(self)
    }
}

impl fmt::Display for LabelSelector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0.join(","))
    }
}

#[cfg(test)]
#[path = "labels_tests.rs"]
mod tests;
