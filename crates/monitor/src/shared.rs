//! A view that one run writes and any number of readers show.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bluegreen::{engine::Event, migration::MigrationEvent};
use tokio::sync::watch;

use crate::View;

/// A handle to a shared [`View`]: one owner feeds it, any number read it and are told of each change.
/// Clones are cheap, and are the same view.
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
    /// Adds an event of the run to the view.
    pub fn take(&self, event: &Event<MigrationEvent>) {
        self.update(|view| view.take(event));
    }

    /// Changes the view, and tells every reader.
    pub fn update(&self, change: impl FnOnce(&mut View)) {
        change(&mut self.lock());
        self.changed.send_modify(|count| *count += 1);
    }

    /// Returns a copy of the view as it is now.
    #[must_use]
    pub fn view(&self) -> View {
        self.lock().clone()
    }

    /// Reads the view without a copy.
    pub fn with<T>(&self, look: impl FnOnce(&View) -> T) -> T {
        look(&self.lock())
    }

    /// Returns a receiver that is told of each change, with the count of changes.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    fn lock(&self) -> MutexGuard<'_, View> {
        self.view.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
