//! Whether others may count on this program now.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

type Check = Box<dyn Fn() -> Option<String> + Send + Sync>;

/// Named checks. The program is ready when none of them has a reason why not.
#[derive(Clone, Default)]
pub struct Readiness(Arc<Mutex<Vec<(String, Check)>>>);

impl Readiness {
    /// Adds a check: `None` where all is well, else the reason why not.
    pub fn add(&self, name: &str, check: impl Fn() -> Option<String> + Send + Sync + 'static) {
        let mut checks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        checks.push((name.to_owned(), Box::new(check)));
    }

    /// Why the program is not ready, as (check, reason).
    pub fn reasons(&self) -> Vec<(String, String)> {
        let checks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        checks
            .iter()
            .filter_map(|(name, check)| Some((name.clone(), check()?)))
            .collect()
    }
}

impl fmt::Debug for Readiness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.reasons()).finish()
    }
}
