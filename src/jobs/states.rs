//! Snapshots and generations as an operator names them.

use super::{Error, Mirror};
use crate::apk::names::TreeName;
use crate::disk::layout::StateName;
use crate::error::{Class, Trouble};
use crate::ledger;
use crate::plan::publish::Generation;
use crate::snapshot::Snapshot;

/// A name that stands for no state of ours.
#[derive(Debug, thiserror::Error)]
pub enum NoState {
    /// Nothing was ever accepted.
    #[error("there is no snapshot yet")]
    NoSnapshots,
    /// No snapshot's id begins so.
    #[error("no snapshot's id begins with {text:?}")]
    NoSnapshot {
        /// What was typed.
        text: String,
    },
    /// Several do.
    #[error("{text:?} begins the ids of {count} snapshots: {first}, {second}, …")]
    Ambiguous {
        /// What was typed.
        text: String,
        /// How many.
        count: usize,
        /// The oldest of them.
        first: StateName,
        /// The next.
        second: StateName,
    },
    /// No generation has this number, or its tree was dropped.
    #[error("there is no generation {number}")]
    NoGeneration {
        /// The number.
        number: u64,
    },
    /// Nothing is live.
    #[error("nothing is live yet")]
    NothingLive,
    /// Nothing older than what is shown was ever live, or it was dropped.
    #[error("no generation before {shown} is kept")]
    NothingBefore {
        /// What clients see.
        shown: u64,
    },
    /// No tree beside live has this name.
    #[error("there is no tree at @{name}")]
    NoTree {
        /// The name.
        name: TreeName,
        /// Those that there are.
        others: Vec<TreeName>,
    },
}

impl Trouble for NoState {
    fn class(&self) -> Class {
        match self {
            NoState::NoSnapshots
            | NoState::NoSnapshot { .. }
            | NoState::Ambiguous { .. }
            | NoState::NoGeneration { .. }
            | NoState::NothingLive
            | NoState::NothingBefore { .. }
            | NoState::NoTree { .. } => Class::Usage,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            NoState::NoSnapshots | NoState::NoSnapshot { .. } => "no-such-snapshot",
            NoState::Ambiguous { .. } => "ambiguous",
            NoState::NoGeneration { .. } | NoState::NothingBefore { .. } => "no-such-generation",
            NoState::NothingLive => "nothing-live",
            NoState::NoTree { .. } => "no-such-tree",
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            NoState::NoSnapshots => Some("`bivouac sync` takes the first one".into()),
            NoState::NoSnapshot { .. } | NoState::Ambiguous { .. } => Some("`bivouac snapshots` lists them".into()),
            NoState::NoGeneration { .. } | NoState::NothingBefore { .. } => {
                Some("`bivouac history` lists those that are kept".into())
            }
            NoState::NothingLive => Some("`bivouac sync` or `bivouac publish` makes the first generation".into()),
            NoState::NoTree { name, others } if others.is_empty() => {
                Some(format!("`bivouac publish --as {name}` makes it"))
            }
            NoState::NoTree { others, .. } => {
                let others: Vec<String> = others.iter().map(|name| format!("@{name}")).collect();
                Some(format!("there are {}", others.join(", ")))
            }
        }
    }
}

/// What was just listed, unless another run dropped it since.
pub(super) fn still_there<T>(loaded: Result<T, ledger::Error>) -> Result<Option<T>, Error> {
    match loaded {
        Ok(record) => Ok(Some(record)),
        Err(ledger::Error::Missing(_)) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// The id that `text` begins, if it begins one alone.
pub(super) fn snapshot_id(mirror: &Mirror<'_>, text: &str) -> Result<StateName, Error> {
    let ids = mirror.ledger.snapshot_ids()?;
    if let Some(whole) = ids.iter().find(|id| id.as_str() == text) {
        return Ok(whole.clone());
    }
    let found: Vec<&StateName> = ids.iter().filter(|id| !text.is_empty() && id.as_str().starts_with(text)).collect();
    match found.as_slice() {
        [] => Err(NoState::NoSnapshot { text: text.to_owned() }.into()),
        [one] => Ok((*one).clone()),
        [first, second, ..] => {
            let (first, second) = ((*first).clone(), (*second).clone());
            Err(NoState::Ambiguous { text: text.to_owned(), count: found.len(), first, second }.into())
        }
    }
}

/// The snapshot whose id `text` begins; without a text the one in force.
pub(super) fn snapshot(mirror: &Mirror<'_>, text: Option<&str>) -> Result<Snapshot, Error> {
    match text {
        Some(text) => Ok(mirror.ledger.snapshot(&snapshot_id(mirror, text)?)?),
        None => mirror.ledger.latest_snapshot()?.ok_or_else(|| NoState::NoSnapshots.into()),
    }
}

/// The whole record of generation `number`, whose tree is there.
pub(super) fn generation(mirror: &Mirror<'_>, number: u64) -> Result<Generation, Error> {
    let recorded = mirror.ledger.generation_numbers()?.contains(&number);
    if !recorded || !mirror.tree.generation(number).is_dir() {
        return Err(NoState::NoGeneration { number }.into());
    }
    Ok(mirror.ledger.generation(number)?)
}
