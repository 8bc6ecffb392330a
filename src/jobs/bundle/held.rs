//! What the receiver has, and what of it new objects are like.

use std::collections::HashMap;

use super::CannotBundle;
use super::state::{LiveState, entries_of};
use crate::apk::names::PackageFile;
use crate::apk::{Entry, ObjectId};
use crate::jobs::{Error, Mirror};
use crate::plan::bundle::{Bases, Held, Likeness, SentPlace, meant};
use crate::snapshot::manifest::Base;

/// Whose state the receiver is held to have.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Since {
    /// Nobody's: the bundle is whole.
    #[default]
    Nothing,
    /// That of a bundle that was made here: its id or a beginning of it, or a date.
    Bundle(String),
}

/// What the receiver has.
pub(super) fn held(mirror: &Mirror<'_>, since: &Since) -> Result<Held, Error> {
    let Since::Bundle(text) = since else { return Ok(Held::default()) };
    let ids = mirror.ledger.sent_bundle_ids()?;
    let id = meant(&ids, text).map_err(CannotBundle::from)?;
    let (manifest, places) = mirror.ledger.sent_bundle(id)?;
    let mut held =
        Held { base: Some(Base { id: Some(manifest.id), time: manifest.time, receipt_of: None }), ..Held::default() };
    for SentPlace { carried, files } in places {
        held.objects.extend(carried.indexes());
        held.objects.extend(files.iter().map(|placed| placed.object));
        held.indexes.insert((carried.name.clone(), carried.arch.clone()), carried.indexes().copied().collect());
    }
    Ok(held)
}

/// What each package of the state is like.
pub(super) fn likenesses(state: &LiveState) -> Result<HashMap<ObjectId, Likeness>, Error> {
    let mut found = HashMap::new();
    for place in &state.places {
        for likeness in of_place(place, &state.indexes[&place.carried.index])? {
            found.entry(likeness.object).or_insert(likeness);
        }
    }
    Ok(found)
}

/// What the receiver has and the pool, too. What prune dropped here counts as held, and is no base.
pub(super) fn bases(mirror: &Mirror<'_>, held: &Held, live: &HashMap<ObjectId, Likeness>) -> Result<Bases, Error> {
    let mut known: Vec<Likeness> = live.values().cloned().collect();
    if let Some(id) = held.base.as_ref().and_then(|base| base.id.as_ref()) {
        for place in &mirror.ledger.sent_bundle(id)?.1 {
            // Without its index only the names are known, which suffice for most.
            let index = mirror.ledger.sent_index(&place.carried.index)?;
            known.extend(of_place(place, index.as_deref().unwrap_or_default())?);
        }
    }
    known.retain(|likeness| held.objects.contains(&likeness.object) && mirror.pool.path(&likeness.object).is_file());
    // Of equal ones the first counts, so their order must not be chance.
    known.sort_by(|a, b| (&a.place, &a.name, a.object).cmp(&(&b.place, &b.name, b.object)));
    known.dedup_by(|a, b| a.object == b.object && a.place == b.place);
    Ok(known.into_iter().collect())
}

fn of_place(place: &SentPlace, index: &[u8]) -> Result<Vec<Likeness>, Error> {
    let entries = if index.is_empty() { Vec::new() } else { entries_of(index)? };
    let entries: HashMap<&PackageFile, &Entry> = entries.iter().map(|entry| (entry.file(), entry)).collect();
    let SentPlace { carried, files } = place;
    let likeness = |placed: &crate::plan::publish::Placed| {
        let entry = entries.get(&placed.file);
        Likeness {
            place: (carried.name.clone(), carried.arch.clone()),
            name: placed.file.name().into(),
            version: placed.file.version().into(),
            origin: entry.and_then(|entry| entry.origin()).map(Into::into),
            object: placed.object,
            size: placed.size,
            plain: entry.map_or(placed.size * 4, |entry| entry.installed_size()).max(placed.size),
        }
    };
    Ok(files.iter().map(likeness).collect())
}
