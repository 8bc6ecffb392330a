//! `incomplete = "carry"`: what no URL has, or has with other bytes, keeps its former version, with its whole origin; the rest
//! of its index moves on. The index in force is upstream's newest; what the snapshot says beside it tells which origins keep
//! the entries of which earlier state ([`snapshot::carried`](crate::snapshot::carried)). Each sync tries them again.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::indexes::{Asked, Candidate, Index};
use super::want::{self, Wish};
use super::{Accepted, Error, Mirror, Refused, Setback, takers};
use crate::apk::Entry;
use crate::apk::names::PackageFile;
use crate::config::{Incomplete, Repository};
use crate::error::Class;
use crate::jobs::sync::report::Carried;
use crate::report::Reporter;
use crate::select;
use crate::snapshot::carried::{self, CarriedFrom};
use crate::snapshot::{InForce, IndexKey, Role};

/// How many single packages are named in an error's text.
const NAMED: usize = 5;

/// What every URL answers with 404 or with wrong bytes. A cut connection says nothing about what upstream has.
const FOR_GOOD: [&str; 2] = ["not-found", "wrong-bytes"];

/// Origins of an index that keep earlier entries, and what is listed therefore.
#[derive(Clone)]
pub(in crate::jobs) struct Carry {
    kept: Vec<Kept>,
    view: Vec<Entry>,
}

#[derive(Clone)]
struct Kept {
    state: Arc<Accepted>,
    origins: BTreeSet<String>,
}

impl Carry {
    fn new(index: &[Entry], mut kept: Vec<Kept>) -> Self {
        kept.retain(|kept| !kept.origins.is_empty());
        let view = carried::view(index, kept.iter().map(|kept| (&kept.origins, kept.state.entries())));
        Carry { kept, view }
    }

    /// What a snapshot says of `index`; `None` where nothing is carried.
    pub(super) fn load(mirror: &Mirror<'_>, index: &Accepted, in_force: &[CarriedFrom]) -> Result<Option<Self>, Error> {
        if in_force.is_empty() {
            return Ok(None);
        }
        let load = |from: &CarriedFrom| -> Result<Kept, Error> {
            let state = Arc::new(mirror.ledger.accepted(&from.accepted)?);
            Ok(Kept { state, origins: from.origins.clone() })
        };
        let kept = in_force.iter().map(load).collect::<Result<_, _>>()?;
        Ok(Some(Carry::new(index.entries(), kept)))
    }

    /// The entries that are listed.
    pub(super) fn entries(&self) -> &[Entry] {
        &self.view
    }

    /// Saves the states that are carried from, with the objects that are there now; what the snapshot says of them.
    fn save(&self, mirror: &Mirror<'_>) -> Result<Vec<CarriedFrom>, Error> {
        let mut carried = Vec::new();
        for Kept { state, origins } in &self.kept {
            let accepted = mirror.ledger.save_accepted(&state.with_objects(|entry| mirror.pool.find(entry)))?;
            carried.push(CarriedFrom { accepted, origins: origins.clone() });
        }
        carried.sort();
        Ok(carried)
    }

    fn keeps(&self, entry: &Entry) -> bool {
        self.kept.iter().any(|kept| kept.origins.contains(carried::origin(entry)))
    }

    fn origins(&self) -> BTreeSet<String> {
        self.kept.iter().flat_map(|kept| kept.origins.iter().cloned()).collect()
    }
}

/// What a snapshot says of an index whose accepted state has the id `accepted`.
pub(super) fn in_force(mirror: &Mirror<'_>, index: &Index, accepted: String) -> Result<InForce, Error> {
    let carried = index.carry_in_force.as_ref().map(|carry| carry.save(mirror)).transpose()?;
    Ok(InForce { carried: carried.unwrap_or_default(), ..InForce::of(index.key.clone(), Role::Listed, accepted) })
}

/// What an accepted state in force lists.
pub(in crate::jobs) fn listed(mirror: &Mirror<'_>, in_force: &InForce) -> Result<Vec<Entry>, Error> {
    let accepted = mirror.ledger.accepted(&in_force.accepted)?;
    let carry = Carry::load(mirror, &accepted, &in_force.carried)?;
    Ok(carry.map_or_else(|| accepted.entries().to_vec(), |carry| carry.view))
}

/// Whether `key` may be carried: all repositories that take from it say so, for it has one state for all of them.
fn may_carry(mirror: &Mirror<'_>, key: &IndexKey) -> bool {
    takers(mirror.config, key).all(|(repository, _)| repository.incomplete == Incomplete::Carry)
}

/// Lets the origins of what failed keep their former entries. `false` where that may not be, or does not help.
pub(super) fn carry(
    mirror: &Mirror<'_>,
    index: &mut Index,
    failures: &[Refused],
    reporter: &Arc<dyn Reporter>,
) -> Result<bool, Error> {
    let for_good = failures.iter().all(|refused| FOR_GOOD.contains(&&*refused.code));
    if !for_good || !may_carry(mirror, &index.key) {
        return Ok(false);
    }
    index.load(mirror)?;
    let (Some(candidate), Some(in_force)) = (index.candidate_entries(), &index.in_force) else { return Ok(false) };
    let former = index.former_entries().expect("it is loaded");
    let before = index.carry.as_ref().map(Carry::origins).unwrap_or_default();
    let is_kept = |entry: &&Entry| before.contains(carried::origin(entry));
    let wanted: BTreeSet<&str> =
        candidate.iter().filter(|entry| !is_kept(entry)).map(|entry| entry.file().as_str()).collect();
    // Where an entry that is kept is itself not to be had, there is nothing left to stand in.
    if !failures.iter().all(|refused| wanted.contains(&*refused.file)) {
        return Ok(false);
    }
    let failed: BTreeSet<&str> = failures.iter().map(|refused| &*refused.file).collect();
    let missing = candidate.iter().filter(|entry| is_kept(entry) || failed.contains(entry.file().as_str()));
    let mut affected = carried::affected(candidate, former, missing);
    let mut kept = Vec::new();
    for earlier in index.carry_in_force.iter().flat_map(|carry| &carry.kept) {
        let origins: BTreeSet<String> = earlier.origins.intersection(&affected).cloned().collect();
        affected.retain(|origin| !origins.contains(origin));
        kept.push(Kept { state: Arc::clone(&earlier.state), origins });
    }
    kept.push(Kept { state: Arc::new(in_force.clone()), origins: affected });
    let carry = Carry::new(candidate, kept);
    index.refused.extend(failures.iter().cloned());
    let setback = setback(index, &carry);
    let key = &index.key;
    reporter.index_failed(&key.source, &key.path, &key.arch, &setback.one_line());
    index.setback = Some(setback);
    index.carry = Some(carry);
    Ok(true)
}

/// Tells what is carried, and why.
fn setback(index: &Index, carry: &Carry) -> Setback {
    let class = Class::worst(index.refused.iter().map(|refused| refused.class)).unwrap_or(Class::Upstream);
    let origins: Vec<String> = carry.origins().into_iter().collect();
    let shown = match origins.len() {
        0..=NAMED => origins.join(", "),
        more => format!("{} and {} more", origins[..NAMED].join(", "), more - NAMED),
    };
    let message = format!(
        "index {} lacks {} of its packages: {shown} keep{} former versions",
        index.key,
        index.refused.len(),
        if origins.len() == 1 { "s" } else { "" }
    );
    let mut setback = Setback::new(class, "carried", message);
    setback.details = Refused::told(&index.refused);
    setback
}

/// An index that lists former versions where upstream's own is to be shown.
pub(super) fn not_whole(key: &IndexKey) -> Setback {
    let message = format!("index {key} lacks packages that keep former versions, so it cannot be shown as it is");
    Setback::new(Class::Upstream, "incomplete", message)
}

/// What the wishes are with each carried index whole, and with its former state.
struct Elsewise {
    whole: Vec<Wish>,
    former: Vec<Wish>,
}

impl Elsewise {
    /// `None` where nothing is carried.
    fn of(mirror: &Mirror<'_>, repositories: &[&Repository], asked: &mut Asked) -> Result<Option<Self>, Error> {
        if asked.indexes.iter().all(|index| index.carry.is_none()) {
            return Ok(None);
        }
        let whole = want::all_of(mirror, repositories, asked, Index::whole_entries)?;
        let former = want::all_of(mirror, repositories, asked, Index::former_entries)?;
        Ok(Some(Elsewise { whole, former }))
    }
}

/// What came of looking at what is carried.
pub(super) enum Verdict {
    /// What was installable stays so; by wish: what it lists in place of what it lacks.
    Stands(Vec<Vec<Carried>>),
    /// Something would be lost: the index it is lost by, and the chain.
    Loses(IndexKey, String),
}

/// Whether all that could be installed with the whole candidates, or before, still can.
pub(super) fn judge(
    mirror: &Mirror<'_>,
    repositories: &[&Repository],
    asked: &mut Asked,
    wishes: &[Wish],
) -> Result<Verdict, Error> {
    let Some(elsewise) = Elsewise::of(mirror, repositories, asked)? else {
        return Ok(Verdict::Stands(vec![Vec::new(); wishes.len()]));
    };
    let by_key: BTreeMap<&IndexKey, &Index> = asked.indexes.iter().map(|index| (&index.key, index)).collect();
    let mut lists = Vec::new();
    for ((wish, whole), former) in wishes.iter().zip(&elsewise.whole).zip(&elsewise.former) {
        let carrying: Vec<&IndexKey> =
            wish.layers.iter().map(|(key, _)| key).filter(|key| by_key[key].carry.is_some()).collect();
        if carrying.is_empty() {
            lists.push(Vec::new());
            continue;
        }
        let now = all_entries(wish);
        for was in [all_entries(whole), all_entries(former)] {
            let Some(loss) = select::losses(&now, &was).into_iter().next() else { continue };
            let blamed = holder(wish, loss.needed_by).into_iter().chain(holder(whole, loss.provided_by));
            let blamed = blamed.rev().find(|key| carrying.contains(key)).unwrap_or(carrying[0]);
            let chain = format!(
                "{}/{}: {} needs {}, which only {} provides",
                wish.name,
                wish.arch,
                stem(loss.needed_by.file()),
                loss.term,
                stem(loss.provided_by.file())
            );
            return Ok(Verdict::Loses(blamed.clone(), chain));
        }
        lists.push(carrying.iter().flat_map(|key| carried_of(by_key[key], wish, whole)).collect());
    }
    Ok(Verdict::Stands(lists))
}

/// Adds to a setback why its packages were not carried.
pub(super) fn not_carried(setback: &mut Setback, chain: String) {
    setback.details.push(format!("former versions cannot stand in: {chain}"));
}

fn stem(file: &PackageFile) -> &str {
    file.as_str().trim_end_matches(".apk")
}

/// What the clients of a repository have to choose from.
fn all_entries(wish: &Wish) -> Vec<&Entry> {
    let beside = wish.beside.iter().flat_map(|(_, entries)| entries);
    wish.layers.iter().flat_map(|(_, entries)| entries).chain(beside).collect()
}

/// The layer of `wish` that lists `entry`.
fn holder<'w>(wish: &'w Wish, entry: &Entry) -> Option<&'w IndexKey> {
    let lists =
        |entries: &[Entry]| entries.iter().any(|one| one.file() == entry.file() && one.identity() == entry.identity());
    wish.layers.iter().find(|(_, entries)| lists(entries)).map(|(key, _)| key)
}

/// What `wish` would list of `index` if all of it were there, and what it lists in its place.
fn carried_of(index: &Index, wish: &Wish, whole: &Wish) -> Vec<Carried> {
    let Some(carry) = &index.carry else { return Vec::new() };
    let layer = |wish: &'_ Wish| -> Vec<Entry> {
        wish.layers.iter().find(|(key, _)| *key == index.key).map(|(_, entries)| entries.clone()).unwrap_or_default()
    };
    let (now, wanted) = (layer(wish), layer(whole));
    let listed: BTreeSet<&str> = now.iter().map(|entry| entry.file().as_str()).collect();
    let reason = |entry: &Entry| {
        let own = index.refused.iter().find(|refused| refused.file == entry.file().as_str());
        own.map(|refused| refused.reason.clone())
            .unwrap_or_else(|| format!("its origin {} is kept whole", carried::origin(entry)))
    };
    let left_out = wanted.iter().filter(|entry| carry.keeps(entry) && !listed.contains(entry.file().as_str()));
    left_out
        .map(|entry| Carried {
            file: entry.file().to_string(),
            kept: now.iter().rfind(|kept| kept.name() == entry.name()).map(|kept| kept.file().to_string()),
            reason: reason(entry),
        })
        .collect()
}

/// The accepted indexes in force that are not whole are tried again, whole: what was missing may be there now.
pub(super) fn try_again(mirror: &Mirror<'_>, asked: &mut Asked) -> Result<(), Error> {
    for index in &mut asked.indexes {
        // Where nothing could be asked, nothing is there either.
        if index.is_carried_in_force() && index.candidate.is_none() && index.setback.is_none() {
            index.load(mirror)?;
            index.candidate = index.in_force.clone().map(|whole| Candidate::Whole(Box::new(whole)));
        }
    }
    Ok(())
}
