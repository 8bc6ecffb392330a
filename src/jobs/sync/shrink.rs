//! `max_shrink`: an index that loses many of its names at once is held. A mirror that is being emptied, or an upstream that
//! fell over half way, looks like that; a signature says nothing against it.

use std::collections::BTreeSet;

use super::indexes::{Asked, Candidate};
use super::rebuilt::Outlook;
use super::{Error, Mirror, Setback, is_accepted_for, takers};
use crate::apk::names::RepositoryName;
use crate::config::Config;
use crate::error::Class;
use crate::report::Reporter;
use crate::snapshot::IndexKey;

/// So many names may always go: in a small index a quarter is soon reached.
const LEAST: usize = 20;

/// How many names an error tells.
const NAMED: usize = 5;

/// Sets aside new indexes in which too many of the names are gone that were taken from the one in force, unless one of the
/// repositories that take from it is `accepted`, by name or as `name/arch`.
pub(super) fn refuse(
    mirror: &Mirror<'_>,
    asked: &mut Asked,
    accepted: &[RepositoryName],
    reporter: &dyn Reporter,
) -> Result<Outlook, Error> {
    let mut outlook = Outlook::Same;
    for index in &mut asked.indexes {
        let Some(most) = mirror.config.sources[&index.key.source].max_shrink else { continue };
        if !matches!(index.candidate, Some(Candidate::Signed(_))) || is_accepted(mirror.config, &index.key, accepted) {
            continue;
        }
        index.load(mirror)?;
        let (Some(listed), Some(former)) = (index.candidate_entries(), index.former_entries()) else { continue };
        let listed: BTreeSet<&str> = listed.iter().map(|entry| entry.name().as_str()).collect();
        let taken = former.iter().filter(|entry| mirror.pool.find(entry).is_some());
        let taken: BTreeSet<&str> = taken.map(|entry| entry.name().as_str()).collect();
        let gone: Vec<&str> = taken.difference(&listed).copied().collect();
        if gone.len() < LEAST || !most.is_exceeded_by(gone.len(), taken.len()) {
            continue;
        }
        let key = &index.key;
        let message = format!(
            "refused index {key}: {} of the {} names taken from it are gone, more than {most}",
            gone.len(),
            taken.len()
        );
        let mut setback = Setback::new(Class::Refused, "shrink", message);
        setback.details.push(format!("{} and {} more", gone[..NAMED].join(", "), gone.len() - NAMED));
        if let Some((repository, arch)) = takers(mirror.config, key).next() {
            let flag =
                format!("if that is right, `bivouac sync --accept-shrink {}/{arch}` passes it once", repository.name);
            setback.hint = Some(flag);
        }
        reporter.index_failed(&key.source, &key.path, &key.arch, &setback.one_line());
        index.set_aside();
        index.setback = Some(setback);
        outlook = Outlook::Changed;
    }
    Ok(outlook)
}

fn is_accepted(config: &Config, key: &IndexKey, accepted: &[RepositoryName]) -> bool {
    takers(config, key).any(|(repository, arch)| is_accepted_for(accepted, repository, arch))
}
