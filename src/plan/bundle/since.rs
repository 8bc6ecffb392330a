//! Which bundle an operator means.

use jiff::Timestamp;

use crate::snapshot::manifest::BundleId;

/// A text that stands for no bundle.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoBundle {
    /// None was ever made here, or all are forgotten.
    #[error("no bundle was made here yet")]
    NothingSent,
    /// No id begins so.
    #[error("no bundle's id begins with {text:?}; the newest is {newest}")]
    Unknown {
        /// What was typed.
        text: String,
        /// The newest one.
        newest: BundleId,
    },
    /// Several do.
    #[error("{text:?} begins the ids of {count} bundles: {first}, {second}, …")]
    Ambiguous {
        /// What was typed.
        text: String,
        /// How many.
        count: usize,
        /// The oldest of them.
        first: BundleId,
        /// The next.
        second: BundleId,
    },
    /// The first one is later.
    #[error("no bundle was made at or before {text}; the earliest that is remembered is {earliest}")]
    NoneBefore {
        /// What was typed.
        text: String,
        /// The earliest one.
        earliest: BundleId,
    },
    /// It looks like a date and is none.
    #[error("{text:?} is no date (2026-11-20, 2026-11-20T08:00:00Z)")]
    NoDate {
        /// What was typed.
        text: String,
    },
}

/// The one of `ids`, the earliest first, that `text` means: its id or a beginning of it, or the newest that was made at or before
/// a time, or by the end of a day (UTC).
pub fn meant<'i>(ids: &'i [BundleId], text: &str) -> Result<&'i BundleId, NoBundle> {
    let (Some(earliest), Some(newest)) = (ids.first(), ids.last()) else { return Err(NoBundle::NothingSent) };
    let text = text.to_owned();
    // Ids have their first dash behind the time.
    if text.as_bytes().get(4) == Some(&b'-') {
        let Some(end) = end_of(&text) else { return Err(NoBundle::NoDate { text }) };
        let is_by_then = |id: &&BundleId| id.time().is_some_and(|time| time <= end);
        return match ids.iter().rev().find(is_by_then) {
            Some(id) => Ok(id),
            None => Err(NoBundle::NoneBefore { text, earliest: earliest.clone() }),
        };
    }
    let found: Vec<&BundleId> =
        ids.iter().filter(|id| !text.is_empty() && id.as_str().starts_with(text.as_str())).collect();
    match found.as_slice() {
        [] => Err(NoBundle::Unknown { text, newest: newest.clone() }),
        [one] => Ok(one),
        [first, second, ..] => {
            let (first, second) = ((*first).clone(), (*second).clone());
            Err(NoBundle::Ambiguous { text, count: found.len(), first, second })
        }
    }
}

/// The last moment that a date or time covers.
pub(in crate::plan) fn end_of(text: &str) -> Option<Timestamp> {
    let whole_day = || format!("{text}T23:59:59Z").parse().ok().filter(|_| text.len() == "2026-11-20".len());
    text.parse().ok().or_else(whole_day)
}
