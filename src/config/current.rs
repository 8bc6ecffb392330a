//! The configuration of a program that runs on while its file changes.

use std::sync::{Arc, Mutex, PoisonError};

use super::Config;

/// The configuration in use, which a reload replaces.
#[derive(Clone, Debug)]
pub struct Current(Arc<Mutex<Arc<Config>>>);

impl Current {
    /// This one, for now.
    pub fn new(config: Config) -> Current {
        Current(Arc::new(Mutex::new(Arc::new(config))))
    }

    /// The one in use.
    pub fn get(&self) -> Arc<Config> {
        Arc::clone(&self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// From now on, this one.
    pub fn set(&self, config: Config) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(config);
    }
}
