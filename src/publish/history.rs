//! Dropping the trees of generations that nobody is shown.

use std::collections::BTreeSet;

use super::Error;
use crate::disk::durable;
use crate::disk::layout::PublicTree;

/// Removes these trees. Each loses its name first, so that a tree under its number is whole at any time; a run that is stopped
/// leaves a hidden folder, which the next one sweeps. A reader that has a file open goes on reading it.
///
/// # Errors
///
/// One that is shown, live or beside live, is refused: whoever asks for it has a plan that is not of this moment.
pub fn drop_trees(tree: &PublicTree, numbers: &BTreeSet<u64>) -> Result<(), Error> {
    let live = tree.live()?;
    let named = tree.named()?;
    for number in numbers {
        if live == Some(*number) || named.values().any(|shown| shown == number) {
            return Err(Error::Shown { number: *number });
        }
        let beside = tree.half_made_generation(*number);
        durable::remove_tree(&beside)?;
        durable::rename(&tree.generation(*number), &beside)?;
        durable::remove_tree(&beside)?;
    }
    Ok(())
}
