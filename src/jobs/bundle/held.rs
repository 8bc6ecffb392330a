//! What the receiver has, and what of it new objects are like.

use std::collections::HashMap;
use std::path::PathBuf;

use super::state::{LiveState, entries_of};
use super::{CannotBundle, receipt};
use crate::apk::names::{Arch, PackageFile, RepositoryName};
use crate::apk::{Entry, ObjectId};
use crate::jobs::states::still_there;
use crate::jobs::{Error, Mirror};
use crate::ledger::SiteRecord;
use crate::plan::bundle::{Bases, Held, Likeness, SentPlace, meant};
use crate::plan::publish::Placed;
use crate::report::Reporter;
use crate::snapshot::manifest::{Base, BundleId};
use crate::snapshot::receipt::outline::Outline;

/// Whose state the receiver is held to have.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Since {
    /// Nobody's: the bundle is whole.
    #[default]
    Nothing,
    /// That of a bundle that was made here: its id or a beginning of it, or a date.
    Bundle(String),
    /// That of the site which wrote this receipt.
    Receipt(PathBuf),
}

/// Who is to receive a bundle.
#[derive(Debug, Default)]
pub(super) struct Receiver {
    /// What it is held to have.
    pub(super) held: Held,
    /// What is to be remembered of its receipt.
    pub(super) site: Option<SiteRecord>,
    /// What its receipt tells of packages that it has and that are not here.
    pub(super) outlined: Outlined,
}

/// Who is to receive a bundle, and what it has.
pub(super) fn receiver(mirror: &Mirror<'_>, since: &Since, reporter: &dyn Reporter) -> Result<Receiver, Error> {
    match since {
        Since::Nothing => Ok(Receiver::default()),
        Since::Bundle(text) => Ok(Receiver { held: held_since(mirror, text)?, ..Receiver::default() }),
        Since::Receipt(path) => receipt::receiver(mirror, path, reporter),
    }
}

/// The state of the bundle that `text` means.
fn held_since(mirror: &Mirror<'_>, text: &str) -> Result<Held, Error> {
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
    let base = held.base.as_ref();
    match base.and_then(|base| base.id.as_ref()) {
        Some(id) if base.is_some_and(|base| base.receipt_of.is_none()) => known.extend(of_sent(mirror, id)?),
        // A site's pool holds what any bundle brought; and here, what was live once and what was sent tells names.
        _ if base.is_some() => known.extend(of_all(mirror)?),
        _ => {}
    }
    known.retain(|likeness| held.objects.contains(&likeness.object) && mirror.pool.path(&likeness.object).is_file());
    // Of equal ones the first counts, so their order must not be chance.
    known.sort_by(|a, b| (&a.place, &a.name, a.object).cmp(&(&b.place, &b.name, b.object)));
    known.dedup_by(|a, b| a.object == b.object && a.place == b.place);
    Ok(known.into_iter().collect())
}

fn of_sent(mirror: &Mirror<'_>, id: &BundleId) -> Result<Vec<Likeness>, Error> {
    let mut known = Vec::new();
    for place in &mirror.ledger.sent_bundle(id)?.1 {
        // Without its index only the names are known, which suffice for most.
        let index = mirror.ledger.sent_index(&place.carried.index)?;
        known.extend(of_place(place, index.as_deref().unwrap_or_default())?);
    }
    Ok(known)
}

/// Packages that only the receiver has, and what it told of them.
#[derive(Debug, Default)]
pub(super) struct Outlined {
    bases: Bases,
    signatures: HashMap<ObjectId, Vec<u8>>,
}

impl FromIterator<Outline> for Outlined {
    fn from_iter<I: IntoIterator<Item = Outline>>(outlines: I) -> Self {
        let mut signatures = HashMap::new();
        let likeness = |outline: Outline| {
            signatures.insert(outline.object, outline.signature);
            Likeness {
                place: outline.place,
                name: outline.name.as_str().into(),
                version: outline.version.as_str().into(),
                origin: None,
                object: outline.object,
                // It is not here: a delta over it takes no room for it.
                size: 0,
                plain: 0,
            }
        };
        let bases = outlines.into_iter().map(likeness).collect();
        Outlined { bases, signatures }
    }
}

impl Outlined {
    /// What was told of those that `new` is likest to, the best first.
    pub(super) fn of(&self, new: &Likeness) -> impl Iterator<Item = &[u8]> {
        self.bases.of(new).into_iter().map(|base| &*self.signatures[&base.object])
    }
}

/// All packages that are remembered with a name, the latest first: those of bundles, and those of generations.
fn of_all(mirror: &Mirror<'_>) -> Result<Vec<Likeness>, Error> {
    let mut known = Vec::new();
    for id in mirror.ledger.sent_bundle_ids()?.iter().rev() {
        known.extend(of_sent(mirror, id)?);
    }
    for number in mirror.ledger.generation_numbers()?.into_iter().rev() {
        let Some(generation) = still_there(mirror.ledger.generation(number))? else { continue };
        for state in &generation.repositories {
            let place = (state.name.clone(), state.arch.clone());
            known.extend(state.files.iter().map(|placed| of_placed(&place, placed, None)));
        }
    }
    Ok(known)
}

fn of_place(place: &SentPlace, index: &[u8]) -> Result<Vec<Likeness>, Error> {
    let entries = if index.is_empty() { Vec::new() } else { entries_of(index)? };
    let entries: HashMap<&PackageFile, &Entry> = entries.iter().map(|entry| (entry.file(), entry)).collect();
    let SentPlace { carried, files } = place;
    let place = (carried.name.clone(), carried.arch.clone());
    Ok(files.iter().map(|placed| of_placed(&place, placed, entries.get(&placed.file).copied())).collect())
}

/// What a package is like by its name, and by its entry where that is known.
fn of_placed(place: &(RepositoryName, Arch), placed: &Placed, entry: Option<&Entry>) -> Likeness {
    Likeness {
        place: place.clone(),
        name: placed.file.name().into(),
        version: placed.file.version().into(),
        origin: entry.and_then(|entry| entry.origin()).map(Into::into),
        object: placed.object,
        size: placed.size,
        plain: entry.map_or(placed.size * 4, |entry| entry.installed_size()).max(placed.size),
    }
}
