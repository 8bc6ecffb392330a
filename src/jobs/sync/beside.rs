//! Repositories that the same clients have: what they list meets needs, and is not listed again for that.
//!
//! Two may be beside each other, or several in a ring. What each lists then follows from what the others do: all are chosen
//! anew, each with a look at the others as they are known so far, until none grows. A choice only ever grows with what it
//! sees, and never beyond its sources: so this ends, with the smallest answer there is.

use super::choose::{self, Choice};
use super::indexes::{Aside, Asked};
use super::want::Draft;
use super::{Error, Mirror, carry};
use crate::apk::Entry;
use crate::apk::names::RepositoryName;
use crate::config::{Config, Repository};

/// These repositories, then those beside them, those beside those, and so on, each once.
pub(super) fn reach<'c>(config: &'c Config, repositories: &[&'c Repository]) -> Vec<&'c Repository> {
    let mut all: Vec<&Repository> = repositories.to_vec();
    let mut next = 0;
    while let Some(repository) = all.get(next).copied() {
        next += 1;
        for name in &repository.beside {
            let same_name = config.repositories.iter().filter(|one| one.name == *name);
            for one in same_name {
                if !all.iter().any(|known| std::ptr::eq(*known, one)) {
                    all.push(one);
                }
            }
        }
    }
    all
}

/// Loads the accepted indexes of repositories that this run does not ask for.
pub(super) fn load(mirror: &Mirror<'_>, everyone: &[&Repository], asked: &mut Asked) -> Result<(), Error> {
    let Some(snapshot) = &asked.snapshot else { return Ok(()) };
    for key in super::keys_of(everyone) {
        let is_known = asked.beside.contains_key(&key) || asked.indexes.iter().any(|index| index.key == key);
        if let Some(in_force) = snapshot.in_force(&key).filter(|_| !is_known) {
            let kept = match snapshot.kept(&key) {
                Some(id) => mirror.ledger.accepted(id)?.entries().to_vec(),
                None => Vec::new(),
            };
            asked.beside.insert(key, Aside { listed: carry::listed(mirror, in_force)?, kept });
        }
    }
    Ok(())
}

/// Chooses for every draft that has something to choose from.
pub(super) fn choose_all(mirror: &Mirror<'_>, drafts: &mut [Draft<'_>]) {
    let neighbours: Vec<Vec<usize>> = (0..drafts.len()).map(|at| neighbours(drafts, at)).collect();
    let (rest, linked): (Vec<usize>, Vec<usize>) = (0..drafts.len()).partition(|at| neighbours[*at].is_empty());
    for at in rest {
        choose_one(mirror, drafts, at, &[]);
    }
    loop {
        let mut grew = false;
        for &at in &linked {
            let before = count(&drafts[at]);
            choose_one(mirror, drafts, at, &neighbours[at]);
            grew |= count(&drafts[at]) > before;
        }
        if !grew {
            break;
        }
    }
    for at in linked {
        let beside = neighbours[at].iter().map(|neighbour| {
            let wish = &drafts[*neighbour].wish;
            (wish.name.clone(), wish.layers.iter().flat_map(|(_, entries)| entries.iter().cloned()).collect())
        });
        drafts[at].wish.beside = beside.collect::<Vec<(RepositoryName, Vec<Entry>)>>();
    }
}

/// The drafts beside the one at `at`, for the same arch.
fn neighbours(drafts: &[Draft<'_>], at: usize) -> Vec<usize> {
    let Draft { repository, wish, .. } = &drafts[at];
    let is_beside = |other: &Draft<'_>| repository.beside.contains(&other.wish.name) && other.wish.arch == wish.arch;
    (0..drafts.len()).filter(|other| is_beside(&drafts[*other])).collect()
}

fn count(draft: &Draft<'_>) -> usize {
    draft.wish.layers.iter().map(|(_, entries)| entries.len()).sum()
}

fn choose_one(mirror: &Mirror<'_>, drafts: &mut [Draft<'_>], at: usize, neighbours: &[usize]) {
    let draft = &drafts[at];
    let (Some(offer), Some(packages)) = (&draft.offer, &draft.selection.packages) else { return };
    let choice = Choice { mirror, repository: draft.repository, packages, offer };
    let beside: Vec<&[Entry]> =
        neighbours.iter().flat_map(|at| &drafts[*at].wish.layers).map(|(_, entries)| entries.as_slice()).collect();
    let place = format!("{}/{}", draft.wish.name, draft.wish.arch);
    let chosen = choose::choose(&choice, &beside, &place);
    let wish = &mut drafts[at].wish;
    for ((_, entries), chosen) in wish.layers.iter_mut().zip(chosen.layers) {
        *entries = chosen;
    }
    wish.unmatched = chosen.unmatched;
    drafts[at].told = chosen.warnings;
}
