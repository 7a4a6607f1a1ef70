//! What containers may take, and what is kept on volumes.
#![expect(
    unreachable_pub,
    reason = "the derive repeats the structs where nothing can reach them"
)]

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::rules;

/// What a container is given and may take.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Resources {
    /// What is kept free for it.
    #[serde(default, skip_serializing_if = "Amounts::is_empty")]
    pub requests: Amounts,
    /// More than this it does not get.
    #[serde(default, skip_serializing_if = "Amounts::is_empty")]
    pub limits: Amounts,
}

impl Resources {
    /// Whether it says nothing.
    pub fn is_empty(&self) -> bool {
        self.requests.is_empty() && self.limits.is_empty()
    }
}

/// Amounts of what a machine has.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, KubeSchema)]
pub struct Amounts {
    /// Processors, for example `500m` for half of one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = kube::core::Rule::new(rules::QUANTITY.rule).message(rules::QUANTITY.message))]
    #[schemars(length(min = 1, max = 32))]
    pub cpu: Option<String>,
    /// Memory, for example `256Mi`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = kube::core::Rule::new(rules::QUANTITY.rule).message(rules::QUANTITY.message))]
    #[schemars(length(min = 1, max = 32))]
    pub memory: Option<String>,
}

impl Amounts {
    /// Whether it says nothing.
    pub fn is_empty(&self) -> bool {
        self.cpu.is_none() && self.memory.is_none()
    }
}

/// A volume of the cluster's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Volume {
    /// Its size, for example `50Gi`. It can grow, where its class allows that, and not shrink.
    #[x_kube(
        validation = kube::core::Rule::new(rules::QUANTITY.rule).message(rules::QUANTITY.message),
        validation = kube::core::Rule::new(rules::ONLY_GROWS.rule).message(rules::ONLY_GROWS.message)
    )]
    #[schemars(length(min = 1, max = 32))]
    pub size: String,
    /// Its `StorageClass`. Without it the cluster's default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = kube::core::Rule::new(rules::CLASS_FIXED.rule).message(rules::CLASS_FIXED.message))]
    #[schemars(length(min = 1, max = 253))]
    pub storage_class_name: Option<String>,
}

impl Volume {
    /// One of the cluster's default class.
    pub fn of(size: &str) -> Self {
        Self {
            size: size.to_owned(),
            storage_class_name: None,
        }
    }
}

/// What an amount comes to, in units of one; `None` where it is not an amount.
/// <https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/>
pub fn quantity(text: &str) -> Option<f64> {
    let is_number = |c: char| c.is_ascii_digit() || c == '.' || c == '+' || c == '-';
    let end = text.find(|c| !is_number(c)).unwrap_or(text.len());
    let (number, suffix) = text.split_at(end);
    let factor = match suffix {
        "" => 1.0,
        "n" => 1e-9,
        "u" => 1e-6,
        "m" => 1e-3,
        "k" => 1e3,
        "M" => 1e6,
        "G" => 1e9,
        "T" => 1e12,
        "P" => 1e15,
        "E" => 1e18,
        "Ki" => 1024.0,
        "Mi" => 1024.0_f64.powi(2),
        "Gi" => 1024.0_f64.powi(3),
        "Ti" => 1024.0_f64.powi(4),
        "Pi" => 1024.0_f64.powi(5),
        "Ei" => 1024.0_f64.powi(6),
        exponent => {
            let power = exponent.strip_prefix(['e', 'E'])?;
            10.0_f64.powi(power.parse().ok()?)
        }
    };
    Some(number.parse::<f64>().ok()? * factor)
}

#[cfg(test)]
mod tests {
    use super::quantity;

    #[test]
    fn amounts_are_read_as_the_cluster_reads_them() {
        for (text, amount) in [
            ("1", Some(1.0)),
            ("500m", Some(0.5)),
            ("1.5Gi", Some(1_610_612_736.0)),
            ("2e3", Some(2000.0)),
            ("1E", Some(1e18)),
            ("10GB", None),
            ("", None),
            ("Gi", None),
            ("lots", None),
        ] {
            assert_eq!(quantity(text), amount, "{text}");
        }
    }
}
