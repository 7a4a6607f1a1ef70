//! The servers of fleets, kept beside the looks at what is in Kubernetes: a look does not wait for a machine.
//!
//! Each fleet with servers has a task that ticks. What a tick found is kept for the next look, which it calls for.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use fleet_api::ResearchCollector;
use secrecy::SecretString;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::stores::Calls;
