//! A source that listed packages and lists none any more keeps its former state. A folder of packages that is empty is more
//! likely one that is not mounted, and a signed index without entries a mishap of whoever made it, than that all is meant to
//! go: that is said by taking the source out of `from`.

use std::sync::Arc;

use super::indexes::{Asked, Candidate, Index};
use super::{Error, Mirror, Setback};
use crate::apk::names::SourceName;
use crate::error::Class;
use crate::report::Reporter;

/// Sets aside the candidates that list nothing in place of something.
pub(super) fn hold(mirror: &Mirror<'_>, asked: &mut Asked, reporter: &Arc<dyn Reporter>) -> Result<(), Error> {
    let lists_nothing = |index: &Index| index.candidate.is_some() && index.entries().is_none_or(<[_]>::is_empty);
    if !asked.indexes.iter().any(lists_nothing) {
        // Nothing is read of the store where nothing is new.
        return Ok(());
    }
    for index in asked.indexes.iter_mut().filter(|index| index.candidate.is_none()) {
        index.load(mirror)?;
    }
    for at in 0..asked.indexes.len() {
        let class = match &asked.indexes[at].candidate {
            Some(Candidate::Signed(fetched)) if fetched.index.entries().is_empty() => Class::Refused,
            // One arch may well have nothing left where others have.
            Some(Candidate::Gathered(_)) if is_empty(asked, &asked.indexes[at].key.source) => Class::Upstream,
            _ => continue,
        };
        let index = &mut asked.indexes[at];
        index.load(mirror)?;
        let before = index.in_force.as_ref().map_or(0, |accepted| accepted.entries().len());
        if before > 0 {
            let setback = setback(index, before, class);
            let key = &index.key;
            reporter.index_failed(&key.source, &key.path, &key.arch, &setback.one_line());
            index.set_aside();
            index.setback = Some(setback);
        }
    }
    Ok(())
}

/// Whether a directory holds nothing for any arch that is asked for.
fn is_empty(asked: &Asked, source: &SourceName) -> bool {
    asked.indexes.iter().filter(|index| index.key.source == *source).all(|index| {
        let was_held = index.setback.as_ref().is_some_and(|setback| setback.code == CODE);
        was_held || index.entries().is_none_or(<[_]>::is_empty)
    })
}

const CODE: &str = "emptied";

fn setback(index: &Index, before: usize, class: Class) -> Setback {
    let message = format!("packages of {} are all gone: {before} were there, and none is listed now", index.key);
    let mut setback = Setback::new(class, CODE, message);
    setback.hint = Some(match class {
        Class::Upstream => "is its folder mounted? If all is meant to go, take the source out of `from`".into(),
        _ => "if all is meant to go, take the source out of `from`".into(),
    });
    setback
}
