//! `together`: which repositories move as one.

use super::Resolver;
use crate::config::written::{self, At};

impl Resolver<'_> {
    /// The word that a repository moves under. `block` is the one of a block that says no word of its own: the name and first
    /// arch of its first row, which no other block has, or what it takes of bundles.
    pub(super) fn together(
        &mut self,
        label: &str,
        written: &written::Repository,
        block: impl FnOnce() -> String,
    ) -> Option<String> {
        let At { value, line } = written.together.as_ref()?;
        match value {
            written::Together::No => None,
            written::Together::Block => Some(block()),
            written::Together::Word(word) => {
                if word.trim().is_empty() {
                    self.problems.add(*line, format!("{label} moves together with nothing"));
                }
                Some(word.clone())
            }
        }
    }
}
