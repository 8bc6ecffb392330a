//! Memory that threads share out among them.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// Plain forms, in bytes, that may lie in memory at once: `delta::make` says that it takes less than 300 MB with this. What is
/// larger by itself is made alone.
const PLAIN_FORMS: u64 = 96 << 20;

/// So many bytes.
#[derive(Debug)]
pub(super) struct Budget {
    all: u64,
    left: Mutex<u64>,
    freed: Condvar,
}

/// A part of it; given back when dropped.
pub(super) struct Share<'m> {
    budget: &'m Budget,
    bytes: u64,
}

impl Budget {
    /// What deltas may take that are made at once.
    pub(super) fn of_deltas() -> Self {
        Budget { all: PLAIN_FORMS, left: Mutex::new(PLAIN_FORMS), freed: Condvar::new() }
    }

    /// Waits until so much is free; one who wants more than there is gets all of it.
    pub(super) fn take(&self, bytes: u64) -> Share<'_> {
        let bytes = bytes.min(self.all);
        let wait = self.freed.wait_while(lock(&self.left), |left| *left < bytes);
        *wait.unwrap_or_else(PoisonError::into_inner) -= bytes;
        Share { budget: self, bytes }
    }
}

impl Drop for Share<'_> {
    fn drop(&mut self) {
        *lock(&self.budget.left) += self.bytes;
        self.budget.freed.notify_all();
    }
}

/// What these hold is whole at each point where a thread could panic.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
