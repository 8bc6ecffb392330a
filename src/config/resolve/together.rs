//! `together`: which repositories move as one.

use super::Resolver;
use crate::config::Repository;
use crate::config::written::{self, At};

impl Resolver<'_> {
    /// The word that `repository` moves under. A block that says no word of its own gets that of its first row: its name and
    /// first arch, which no other block has.
    pub(super) fn together(
        &mut self,
        repository: &Repository,
        written: &written::Repository,
        block: &mut Option<String>,
    ) -> Option<String> {
        let At { value, line } = written.together.as_ref()?;
        match value {
            written::Together::No => None,
            written::Together::Block => {
                let word = || format!("{}/{}", repository.name, repository.arches[0]);
                Some(block.get_or_insert_with(word).clone())
            }
            written::Together::Word(word) => {
                if word.trim().is_empty() {
                    self.problems.add(*line, format!("repository \"{}\" moves together with nothing", repository.name));
                }
                Some(word.clone())
            }
        }
    }
}
