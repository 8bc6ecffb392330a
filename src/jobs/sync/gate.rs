//! The gate: what the operator's worlds ask for must be installable from a repository, or its former state stays.
//!
//! The answer is that of apk 2.14 on an empty machine that has this repository, and those beside it after it. A world that
//! changed is asked about even where no index did, and a refusal is repeated by every run until world or packages change or
//! `--accept-gate` lets it through: then this state is published, and asked about again when it changes.

use super::{Error, Setback, is_accepted_for};
use crate::apk::Entry;
use crate::apk::dependency::parse_world;
use crate::apk::names::{Arch, RepositoryName};
use crate::config::Repository;
use crate::error::Class;
use crate::jobs::selection;
use crate::solve::Catalogue;

/// How many obstacles of one world are told.
const TOLD: usize = 8;

/// What the gate says of a state that is to be published.
pub(super) enum Answer {
    /// Every world can be installed, or none is asked about.
    Open,
    /// Not so, but the command line lets it through: what is told then.
    LetThrough(String),
    /// It stays shut.
    Shut(Setback),
}

/// Asks about what a repository is to list for `arch`, `supplies` in a client's order. `accepted` are the repositories that
/// the command line lets through, by name or with the arch behind it.
pub(super) fn ask(
    repository: &Repository,
    arch: &Arch,
    supplies: &[&[Entry]],
    accepted: &[RepositoryName],
) -> Result<Answer, Error> {
    Ok(match shut(repository, arch, supplies)? {
        None => Answer::Open,
        Some(setback) if is_accepted_for(accepted, repository, arch) => Answer::LetThrough(passed(&setback)),
        Some(setback) => Answer::Shut(setback),
    })
}

/// Why the gate stays shut; `None` where every world can be installed.
fn shut(repository: &Repository, arch: &Arch, supplies: &[&[Entry]]) -> Result<Option<Setback>, Error> {
    if repository.must_install.is_empty() {
        return Ok(None);
    }
    let catalogue = Catalogue::new(supplies);
    let mut details = Vec::new();
    for world in selection::selection(repository)?.must_install {
        // Each term was read when the file was.
        let terms: Vec<_> = parse_world(&world.text).flatten().collect();
        let Err(obstacles) = catalogue.resolve(&terms) else { continue };
        details.extend(obstacles.iter().take(TOLD).map(|obstacle| format!("{}: {obstacle}", world.name)));
        if obstacles.len() > TOLD {
            details.push(format!("{}: and {} more", world.name, obstacles.len() - TOLD));
        }
    }
    if details.is_empty() {
        return Ok(None);
    }
    let name = &repository.name;
    let message = format!("refused {name}/{arch}: what must_install asks for cannot be installed from it");
    let hint = format!(
        "take in what is missing (packages, from, beside), or change the world; \
         `bivouac sync --accept-gate {name}/{arch}` lets this state through once"
    );
    Ok(Some(Setback { details, hint: Some(hint), ..Setback::new(Class::Refused, "gate", message) }))
}

/// What a state that was let through is told with.
fn passed(setback: &Setback) -> String {
    let message = setback.message.strip_prefix("refused ").unwrap_or(&setback.message);
    format!("let through once by --accept-gate: {message}: {}", setback.details.join(": "))
}
