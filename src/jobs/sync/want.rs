//! What each repository wants of the indexes at hand, by its rules: what it could list ([`offer`]), and of that what is asked
//! for and needed ([`choose`](super::choose)), where it matters with a look at the repositories [`beside`] it.

use std::collections::{BTreeMap, HashSet};
use std::rc::Rc;

use super::indexes::{Asked, Index};
use super::offer::Offer;
use super::{Error, Mirror, Setback, beside, kept, layers_of, offer};
use crate::apk::names::{Arch, PackageName, RepositoryName, VersionText};
use crate::apk::{Entry, Identity};
use crate::config::{Config, IndexMode, Repository};
use crate::jobs::reserve::Reserve;
use crate::jobs::selection::{self, Selection};
use crate::ledger::Withdrawn;
use crate::merge::Shadowed;
use crate::snapshot::IndexKey;

/// What one repository wants for one arch.
#[derive(Clone, Debug)]
pub(in crate::jobs) struct Wish {
    pub(in crate::jobs) name: RepositoryName,
    pub(in crate::jobs) arch: Arch,
    /// By layer: the index, and the entries wanted of it.
    pub(in crate::jobs) layers: Vec<(IndexKey, Vec<Entry>)>,
    /// What the repositories beside it list for the same arch, by repository: packages that the same clients can install. Of
    /// one that a failure keeps as it was, what it would have listed.
    pub(in crate::jobs) beside: Vec<(RepositoryName, Vec<Entry>)>,
    /// An index that is needed and that is not there.
    pub(in crate::jobs) missing: Option<IndexKey>,
    /// Why its own rules keep it as it is.
    pub(in crate::jobs) forbidden: Option<Setback>,
    /// What lost in the merge: decided here, because what is shadowed is never fetched.
    pub(in crate::jobs) shadowed: Vec<Shadowed>,
    /// A line for each item of `packages` that is a plain name, and that none of its sources has.
    pub(in crate::jobs) unmatched: Vec<String>,
    /// What is worth a line: selectors that name nothing, needs that nothing provides, shadowed entries that are newer.
    pub(in crate::jobs) warnings: Vec<String>,
}

impl Wish {
    /// It keeps its former state, and nothing is fetched for it.
    pub(super) fn forbid(&mut self, setback: Setback) {
        self.forbidden = Some(setback);
        self.layers.iter_mut().for_each(|(_, entries)| entries.clear());
    }
}

/// The wishes of `repositories`, in their order. Indexes in force are loaded where no candidate takes their place.
pub(super) fn all(mirror: &Mirror<'_>, repositories: &[&Repository], asked: &mut Asked) -> Result<Vec<Wish>, Error> {
    all_of(mirror, repositories, asked, Index::entries)
}

/// Which entries of an index count.
type Sight = fn(&Index) -> Option<&[Entry]>;

/// The same of other entries of each index than those that the run works with.
pub(super) fn all_of(
    mirror: &Mirror<'_>,
    repositories: &[&Repository],
    asked: &mut Asked,
    sight: Sight,
) -> Result<Vec<Wish>, Error> {
    let wish = |mut draft: Draft<'_>| {
        draft.wish.warnings.append(&mut draft.told);
        draft.wish
    };
    Ok(drafts_of(mirror, repositories, asked, sight)?.into_iter().map(wish).collect())
}

/// The same with what they were chosen from.
pub(in crate::jobs) fn drafts<'c>(
    mirror: &Mirror<'c>,
    repositories: &[&'c Repository],
    asked: &mut Asked,
) -> Result<Vec<Draft<'c>>, Error> {
    drafts_of(mirror, repositories, asked, Index::entries)
}

fn drafts_of<'c>(
    mirror: &Mirror<'c>,
    repositories: &[&'c Repository],
    asked: &mut Asked,
    sight: Sight,
) -> Result<Vec<Draft<'c>>, Error> {
    for index in &mut asked.indexes {
        if index.candidate.is_none() {
            index.load(mirror)?;
        }
    }
    kept::look(mirror, asked)?;
    let everyone = beside::reach(mirror.config, repositories);
    beside::load(mirror, &everyone, asked)?;
    let reserve = Reserve::of(mirror.config)?;
    let withdrawn = mirror.ledger.withdrawn()?;
    let rules = Rules {
        config: mirror.config,
        reserve: &reserve,
        withdrawn: &withdrawn,
        entries: EntriesOf::new(asked, sight),
    };
    let mut drafts = Vec::new();
    for repository in everyone {
        let selection = Rc::new(selection::selection(repository)?);
        for arch in &repository.arches {
            drafts.push(draft(repository, &selection, &rules, arch));
        }
    }
    beside::choose_all(mirror, &mut drafts);
    // Those that are only beside a chosen one come last.
    let chosen = repositories.iter().map(|repository| repository.arches.len()).sum();
    drafts.truncate(chosen);
    Ok(drafts)
}

/// What holds for every repository.
struct Rules<'a> {
    reserve: &'a Reserve<'a>,
    config: &'a Config,
    withdrawn: &'a [Withdrawn],
    entries: EntriesOf<'a>,
}

/// The entries of each index as this run sees them.
struct EntriesOf<'a>(BTreeMap<&'a IndexKey, Entries<'a>>);

#[derive(Clone, Copy)]
struct Entries<'a> {
    listed: &'a [Entry],
    /// Older versions that are kept beside them.
    kept: &'a [Entry],
    /// Whether this is upstream's index as it is.
    is_whole: bool,
}

impl<'a> EntriesOf<'a> {
    fn new(asked: &'a Asked, sight: Sight) -> Self {
        let here = asked.indexes.iter().filter_map(|index| {
            let entries = Entries { listed: sight(index)?, kept: &index.kept, is_whole: !index.is_carried() };
            Some((&index.key, entries))
        });
        let aside = asked.beside.iter().map(|(key, aside)| {
            let entries = Entries { listed: &aside.listed, kept: &aside.kept, is_whole: true };
            (key, entries)
        });
        EntriesOf(aside.chain(here).collect())
    }
}

/// A wish with what it is chosen from.
pub(in crate::jobs) struct Draft<'c> {
    pub(in crate::jobs) repository: &'c Repository,
    pub(in crate::jobs) selection: Rc<Selection>,
    /// What there is to choose from, where something has to be chosen.
    pub(in crate::jobs) offer: Option<Offer>,
    pub(in crate::jobs) wish: Wish,
    /// What the choice has to tell.
    pub(super) told: Vec<String>,
}

fn draft<'c>(repository: &'c Repository, selection: &Rc<Selection>, rules: &Rules<'_>, arch: &Arch) -> Draft<'c> {
    let keys = layers_of(repository, arch);
    let wish = Wish {
        name: repository.name.clone(),
        arch: arch.clone(),
        layers: Vec::new(),
        beside: Vec::new(),
        missing: None,
        forbidden: None,
        shadowed: Vec::new(),
        unmatched: Vec::new(),
        warnings: Vec::new(),
    };
    let mut draft = Draft { repository, selection: Rc::clone(selection), offer: None, wish, told: Vec::new() };
    let wish = &mut draft.wish;
    let (mut layers, mut gone): (Vec<Vec<Entry>>, Vec<Entry>) = (Vec::new(), Vec::new());
    for key in &keys {
        // An index that is not whole cannot be shown as it is.
        let may_show = |entries: &&Entries<'_>| repository.index == IndexMode::Ours || entries.is_whole;
        let Some(entries) = rules.entries.0.get(key).filter(may_show) else {
            wish.missing = Some(key.clone());
            return draft;
        };
        // Upstream's own index is shown as it is, and nothing can be taken out of it.
        let stays = |entry: &&Entry| {
            repository.index != IndexMode::Ours || !rules.withdrawn.iter().any(|rule| rule.names(entry.file()))
        };
        let (listed, out): (Vec<&Entry>, Vec<&Entry>) = entries.listed.iter().partition(stays);
        let listed: Vec<Entry> = listed.into_iter().cloned().collect();
        gone.extend(out.into_iter().cloned());
        let kept: Vec<Entry> = entries.kept.iter().filter(stays).cloned().collect();
        layers.push(kept::layer(repository, &rules.config.sources[&key.source].kind, listed, &kept));
    }
    let guard = rules.reserve.guard(keys.iter().map(|key| &key.source).zip(layers.iter().map(Vec::as_slice)));
    // Upstream's own index is shown as it is: all of it is wanted, also what a merge would drop.
    if repository.index != IndexMode::Ours {
        let forbidden = offer::shows_reserved(&keys, &layers, &guard);
        wish.layers = keys.into_iter().zip(layers).collect();
        if let Some(setback) = forbidden {
            wish.forbid(setback);
        }
        return draft;
    }
    let mut offer = offer::offer(repository, selection, &guard, keys, layers);
    wish.warnings.extend(offer::warnings(&format!("{}/{arch}", wish.name), &offer));
    offer.left_out.append(&mut gone);
    wish.shadowed = std::mem::take(&mut offer.shadowed);
    if selection.packages.is_none() {
        wish.layers = offer.keys.into_iter().zip(offer.layers).collect();
    } else {
        wish.layers = offer.keys.iter().cloned().map(|key| (key, Vec::new())).collect();
        draft.offer = Some(offer);
    }
    draft
}

/// One package that is wanted and that the pool lacks.
#[derive(Clone, Debug)]
pub(super) struct Lacking {
    /// Which index lists it (the first that does).
    pub(super) key: IndexKey,
    pub(super) entry: Entry,
    /// The first repository that wants it: where the report counts it.
    pub(super) wish: usize,
}

/// What the pool lacks of all wishes, each package once; `hopeful` says from which index it is to be had. Two indexes may list
/// one package, and where the first does not have it, the second may.
pub(super) fn lacking(mirror: &Mirror<'_>, wishes: &[Wish], hopeful: impl Fn(&IndexKey) -> bool) -> Vec<Lacking> {
    let mut seen: HashSet<(Identity, u64, &PackageName, &VersionText)> = HashSet::new();
    let mut all = Vec::new();
    for (number, wish) in wishes.iter().enumerate() {
        for (key, entries) in wish.layers.iter().filter(|(key, _)| hopeful(key)) {
            for entry in entries {
                let package = (*entry.identity(), entry.size(), entry.name(), entry.version());
                if seen.insert(package) && mirror.pool.find(entry).is_none() {
                    all.push(Lacking { key: key.clone(), entry: entry.clone(), wish: number });
                }
            }
        }
    }
    all
}
