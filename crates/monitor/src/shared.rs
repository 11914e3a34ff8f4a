//! A view that a run writes and others read.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bluegreen::{engine::Event, migration::MigrationEvent};
use tokio::sync::watch;

use crate::View;

/// A [`View`] in several hands: one feeds it, any number look at it and learn when it changes. A
/// cheap handle; clones are the same view.
#[derive(Debug, Clone)]
pub struct Shared {
    view: Arc<Mutex<View>>,
    changed: Arc<watch::Sender<u64>>,
}

impl Default for Shared {
    fn default() -> Self {
        Self {
            view: Arc::default(),
            changed: Arc::new(watch::Sender::new(0)),
        }
    }
}

impl Shared {
    /// Takes an event of the run.
    pub fn take(&self, event: &Event<MigrationEvent>) {
        self.update(|view| view.take(event));
    }

    /// Changes the view and tells everybody.
    pub fn update(&self, change: impl FnOnce(&mut View)) {
        change(&mut self.lock());
        self.changed.send_modify(|count| *count += 1);
    }

    /// The view as it is now.
    #[must_use]
    pub fn view(&self) -> View {
        self.lock().clone()
    }

    /// Looks at the view without copying it.
    pub fn with<T>(&self, look: impl FnOnce(&View) -> T) -> T {
        look(&self.lock())
    }

    /// Tells of each change, by their count.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    fn lock(&self) -> MutexGuard<'_, View> {
        self.view.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
