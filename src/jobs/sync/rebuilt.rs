//! The bytes first published under a name and version stay: whoever holds an index that names them would see a bad signature.
//! What was published is remembered as far back as generations are recorded, also when it left the index long ago.

use std::collections::BTreeMap;

use super::indexes::{Asked, Index};
use super::want::Wish;
use super::{Error, Mirror, Refused, Setback};
use crate::apk::Entry;
use crate::apk::names::{Arch, Place, RepositoryName};
use crate::config::Rebuilt as Rule;
use crate::error::{Class, Trouble as _};
use crate::plan::publish::{Generation, Published, Rebuilt};
use crate::report::Reporter;
use crate::snapshot::IndexKey;

/// Whether what is wanted has to be decided anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outlook {
    /// What was decided stands.
    Same,
    /// Another candidate took the place of one, or none did.
    Changed,
}

/// What was published. Most entries of a new index are live already, so older records are read only when one is not.
pub(super) struct History {
    live: Option<Generation>,
    /// The other recorded generations, the latest first, once they were needed.
    older: Option<Vec<Generation>>,
}

impl History {
    pub(super) fn open(mirror: &Mirror<'_>) -> Result<Self, Error> {
        Ok(History { live: mirror.published(&Place::Live)?, older: None })
    }

    /// Which of `entries` would replace bytes that were published at this repository.
    fn rebuilt(
        &mut self,
        mirror: &Mirror<'_>,
        (name, arch): (&RepositoryName, &Arch),
        entries: &[Entry],
        reporter: &dyn Reporter,
    ) -> Result<Vec<Rebuilt>, Error> {
        let listed = |entry: &'_ Entry| (entry.file().clone(), *entry.identity(), entry.size());
        let live = self.live.as_ref().and_then(|live| live.repository(name, arch));
        let live = Published::of(live.into_iter());
        let (known, unknown): (Vec<&Entry>, Vec<&Entry>) = entries.iter().partition(|entry| live.knows(entry.file()));
        let mut seen = live.rebuilt(known.into_iter().map(listed));
        if !unknown.is_empty() {
            let older = match &mut self.older {
                Some(older) => older,
                unread => unread.insert(older_than_live(mirror, self.live.as_ref(), reporter)?),
            };
            let states = older.iter().filter_map(|generation| generation.repository(name, arch));
            seen.extend(Published::of(states).rebuilt(unknown.into_iter().map(listed)));
        }
        Ok(seen)
    }
}

/// The recorded generations that are not live, the latest first. The damage of one costs its memory, not the run.
fn older_than_live(
    mirror: &Mirror<'_>,
    live: Option<&Generation>,
    reporter: &dyn Reporter,
) -> Result<Vec<Generation>, Error> {
    let mut generations = Vec::new();
    let numbers = mirror.ledger.generation_numbers()?.into_iter().rev();
    for number in numbers.filter(|number| live.is_none_or(|live| live.number != *number)) {
        match mirror.ledger.generation(number) {
            Ok(generation) => generations.push(generation),
            Err(error) if error.class() == Class::Damaged => {
                reporter.warning(&format!("{error}; what generation {number} published is not compared with"));
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(generations)
}

/// Sets aside candidates that would replace published bytes under the same name and version of their own. Where no candidate
/// is to blame (another layer supplied the name until now, the selection changed, the index was accepted for a repository
/// that does not show the package) the repository keeps its former state. What a source may replace costs a warning.
pub(super) fn refuse(
    mirror: &Mirror<'_>,
    asked: &mut Asked,
    wishes: &mut [Wish],
    history: &mut History,
    reporter: &dyn Reporter,
) -> Result<Outlook, Error> {
    let mut to_set_aside: BTreeMap<IndexKey, Vec<Rebuilt>> = BTreeMap::new();
    for wish in wishes {
        let (mut forbidden, mut warnings) = (None, Vec::new());
        for (key, entries) in &wish.layers {
            let seen = history.rebuilt(mirror, (&wish.name, &wish.arch), entries, reporter)?;
            if seen.is_empty() {
                continue;
            }
            if mirror.config.sources[&key.source].rebuilt == Rule::Accept {
                warnings.extend(seen.iter().map(|rebuilt| accepted(wish, key, rebuilt)));
                continue;
            }
            let index =
                asked.indexes.iter_mut().find(|index| index.key == *key).expect("wishes name only indexes asked for");
            index.load(mirror)?;
            if is_by_candidate(index, &seen, wish.layers.len()) {
                to_set_aside.insert(key.clone(), seen);
            } else {
                let what = format!("{} from {key} is refused for {}/{}: it has", seen[0].file, wish.name, wish.arch);
                forbidden.get_or_insert(refusal(&what, key, &seen));
            }
        }
        wish.warnings.extend(warnings);
        if let Some(setback) = forbidden {
            wish.forbid(setback);
        }
    }
    let outlook = if to_set_aside.is_empty() { Outlook::Same } else { Outlook::Changed };
    for (key, seen) in to_set_aside {
        let index = asked.indexes.iter_mut().find(|index| index.key == key).expect("it was found above");
        set_aside(index, &seen, reporter);
    }
    Ok(outlook)
}

/// Whether the candidate rebuilt a package of its own: its accepted state lists the name and version with other bytes, or not
/// at all where nobody else can have supplied what was published.
fn is_by_candidate(index: &Index, seen: &[Rebuilt], layers: usize) -> bool {
    let accepted = index.former_entries().unwrap_or_default();
    index.candidate.is_some()
        && seen.iter().any(|rebuilt| match accepted.iter().find(|entry| *entry.file() == rebuilt.file) {
            Some(entry) => (*entry.identity(), entry.size()) != rebuilt.is,
            None => layers == 1,
        })
}

fn set_aside(index: &mut Index, seen: &[Rebuilt], reporter: &dyn Reporter) {
    let key = index.key.clone();
    let setback = refusal(&format!("refused index {key}: {} has", seen[0].file), &key, seen);
    reporter.index_failed(&key.source, &key.path, &key.arch, &setback.one_line());
    index.set_aside();
    index.refused.extend(seen.iter().map(|rebuilt| Refused {
        file: rebuilt.file.to_string(),
        reason: "other bytes than were published under this name and version".into(),
        code: "rebuilt".into(),
        class: Class::Refused,
    }));
    index.setback = Some(setback);
}

fn accepted(wish: &Wish, key: &IndexKey, rebuilt: &Rebuilt) -> String {
    format!(
        "{}/{}: {} of source \"{}\" has other bytes than were published under this name: clients with the former index \
         will see BAD signature until they update",
        wish.name, wish.arch, rebuilt.file, key.source
    )
}

fn refusal(what: &str, key: &IndexKey, seen: &[Rebuilt]) -> Setback {
    let first = &seen[0];
    let mut setback =
        Setback::new(Class::Refused, "rebuilt", format!("{what} other bytes than were published under this name"));
    setback.details.push(if first.was.0 == first.is.0 {
        format!("published and now listed: {}, then {} bytes, now {}", first.was.0, first.was.1, first.is.1)
    } else {
        format!("published: {}, now listed: {}", first.was.0, first.is.0)
    });
    if seen.len() > 1 {
        setback.details.push(format!("and {} more of its packages", seen.len() - 1));
    }
    setback.hint = Some(format!(
        "publish the new bytes under a new revision (-rN); or rebuilt = \"accept\" under sources.{} replaces them",
        key.source
    ));
    setback
}
