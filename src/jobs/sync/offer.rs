//! What a repository could list: its layers without what is excluded, reserved for others, or shadowed.

use std::num::NonZeroUsize;

use super::Setback;
use crate::apk::Entry;
use crate::config::{self, Repository};
use crate::error::Class;
use crate::jobs::reserve::Guard;
use crate::jobs::selection::Selection;
use crate::merge::{self, Cause, Prefer, Rank, Shadowed};
use crate::snapshot::IndexKey;

/// How many entries of one kind a repository's warnings name; `shadowed_entries` has them all.
const NAMED: usize = 5;

/// What a repository could list for one arch.
pub(in crate::jobs) struct Offer {
    /// By layer: the index.
    pub(in crate::jobs) keys: Vec<IndexKey>,
    /// By layer: the entries that are supplied.
    pub(in crate::jobs) layers: Vec<Vec<Entry>>,
    /// What its sources list and it does not: withdrawn, excluded, reserved for others, or shadowed.
    pub(in crate::jobs) left_out: Vec<Entry>,
    /// What lost.
    pub(in crate::jobs) shadowed: Vec<Shadowed>,
}

/// Leaves out what is excluded, then what is reserved, then what another layer's entries shadow.
pub(super) fn offer(
    repository: &Repository,
    selection: &Selection,
    guard: &Guard<'_>,
    keys: Vec<IndexKey>,
    mut layers: Vec<Vec<Entry>>,
) -> Offer {
    let mut left_out: Vec<Entry> = Vec::new();
    for layer in &mut layers {
        let is_excluded = |entry: &mut Entry| selection.exclude.iter().any(|selector| selector.names(entry));
        left_out.extend(layer.extract_if(.., is_excluded));
    }
    let reserved = leave_out_reserved(&keys, &mut layers, guard, &mut left_out);
    let views: Vec<Vec<&Entry>> = layers.iter().map(|layer| layer.iter().collect()).collect();
    let effective = merge::effective(&views, prefer(repository));
    let mut shadowed = merge::shadowed(&views, &effective);
    shadowed.extend(reserved);
    let mut supplied: Vec<Vec<Entry>> = vec![Vec::new(); layers.len()];
    for (layer, at) in effective.winners {
        supplied[layer].push(layers[layer][at].clone());
    }
    left_out.extend(effective.losers.iter().map(|(layer, at)| layers[*layer][*at].clone()));
    Offer { keys, layers: supplied, left_out, shadowed }
}

fn prefer(repository: &Repository) -> Prefer {
    match repository.prefer {
        config::Prefer::Order => Prefer::Order,
        config::Prefer::Newest => Prefer::Newest(repository.keep_versions.unwrap_or(NonZeroUsize::MIN)),
        config::Prefer::All => Prefer::All,
    }
}

/// Takes out what other sources may not supply, provide or join.
fn leave_out_reserved(
    keys: &[IndexKey],
    layers: &mut [Vec<Entry>],
    guard: &Guard<'_>,
    left_out: &mut Vec<Entry>,
) -> Vec<Shadowed> {
    let mut out = Vec::new();
    for (number, (layer, key)) in layers.iter_mut().zip(keys).enumerate() {
        layer.retain(|entry| {
            let Some(cause) = guard.forbids(&key.source, entry) else { return true };
            left_out.push(entry.clone());
            out.push(Shadowed { file: entry.file().clone(), layer: number, cause, rank: Rank::NotNewer });
            false
        });
    }
    out
}

/// From an index that is shown byte for byte nothing can be left out.
pub(super) fn shows_reserved(keys: &[IndexKey], layers: &[Vec<Entry>], guard: &Guard<'_>) -> Option<Setback> {
    let (key, entry, cause) = keys.iter().zip(layers).find_map(|(key, layer)| {
        layer.iter().find_map(|entry| Some((key, entry, guard.forbids(&key.source, entry)?)))
    })?;
    let why = reserved_for(&cause)?;
    let message = format!("index {key} cannot be shown as it is: it lists {}, and {why}", entry.file());
    let mut setback = Setback::new(Class::Refused, "reserved", message);
    setback.hint = Some("index = \"ours\" leaves it out".into());
    Some(setback)
}

/// Why an entry is not its source's to supply; `None` where it lost to another entry.
pub(in crate::jobs) fn reserved_for(cause: &Cause) -> Option<String> {
    Some(match cause {
        Cause::Reserved { owner } => format!("its name is reserved for source \"{owner}\""),
        Cause::Provides { name, owner } => {
            format!("it provides {name}, a name that is reserved for source \"{owner}\"")
        }
        Cause::InstallIf { name, owner } => {
            format!("it installs itself beside {name}, a name that is reserved for source \"{owner}\"")
        }
        Cause::Name { .. } | Cause::Version { .. } | Cause::Conflict { .. } => return None,
    })
}

/// What of the shadowed entries is worth a line: those that are newer than what is supplied, and those that are not their
/// source's to supply.
pub(super) fn warnings(place: &str, offer: &Offer) -> Vec<String> {
    let source = |layer: usize| &offer.keys[layer].source;
    let (mut newer, mut foreign) = (Vec::new(), Vec::new());
    for one in &offer.shadowed {
        let what = format!("{place}: {} of source \"{}\"", one.file, source(one.layer));
        match (&one.cause, one.rank) {
            (Cause::Name { by } | Cause::Version { by } | Cause::Conflict { by }, Rank::Newer) => {
                newer.push(format!("{what} is newer than what \"{}\" supplies", source(*by)));
            }
            (cause, _) => foreign.extend(reserved_for(cause).map(|why| format!("{what} is left out: {why}"))),
        }
    }
    let cut = |mut lines: Vec<String>, what: &str| {
        if lines.len() > NAMED {
            let more = lines.len() - NAMED;
            lines.truncate(NAMED);
            lines.push(format!("{place}: and {more} more {what}"));
        }
        lines
    };
    [cut(newer, "that are newer than what is supplied"), cut(foreign, "that are left out")].concat()
}
