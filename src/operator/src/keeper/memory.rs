//! What saves requests. All of it can be lost at any time: then the next tick looks again.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::picture::Look;

/// How long it is believed that what stands around servers is still so.
const AROUND: Duration = Duration::from_mins(10);
/// How long it is believed that stock is still so.
pub(super) const STOCK: Duration = Duration::from_mins(1);

/// What is remembered of all fleets, by their unique ids.
#[derive(Debug, Default)]
pub(super) struct Memory(Mutex<HashMap<String, Remembered>>);

/// What is remembered of a fleet.
#[derive(Debug, Default)]
struct Remembered {
    /// What was seen of the project at the last full look, and for which generation of the spec.
    look: Option<(Option<i64>, Arc<Look>)>,
    /// The servers whose bootstrap tokens are known to be gone, if somebody has looked.
    without_tokens: Option<BTreeSet<String>>,
}

impl Memory {
    /// The last full look, if it is of this generation and not too old.
    pub(super) fn look(&self, fleet: &str, generation: Option<i64>) -> Option<Arc<Look>> {
        let all = self.lock();
        let (of, look) = all.get(fleet)?.look.as_ref()?;
        let is_good = *of == generation && look.at + AROUND > Instant::now();
        is_good.then(|| Arc::clone(look))
    }

    pub(super) fn keep_look(&self, fleet: &str, generation: Option<i64>, look: Look) {
        self.of(fleet, |it| it.look = Some((generation, Arc::new(look))));
    }

    /// Something is going to change.
    pub(super) fn forget_look(&self, fleet: &str) {
        self.of(fleet, |it| it.look = None);
    }

    /// Whether it is known that these have no tokens any more.
    pub(super) fn are_without_tokens(&self, fleet: &str, joined: &BTreeSet<String>) -> bool {
        let all = self.lock();
        all.get(fleet)
            .is_some_and(|it| it.without_tokens.as_ref() == Some(joined))
    }

    /// `None` where a token is made.
    pub(super) fn keep_tokens(&self, fleet: &str, joined: Option<BTreeSet<String>>) {
        self.of(fleet, |it| it.without_tokens = joined);
    }

    pub(super) fn forget(&self, fleet: &str) {
        self.lock().remove(fleet);
    }

    fn of(&self, fleet: &str, change: impl FnOnce(&mut Remembered)) {
        change(self.lock().entry(fleet.to_owned()).or_default());
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Remembered>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
