//! Why a package is mirrored, or is not: its chain in each repository and arch, from the snapshot in force by today's rules.
//! Nothing is fetched, and no lock is taken.

use serde::Serialize;

use super::sync::choose::{self, Choice};
use super::sync::indexes::{self, Asked};
use super::sync::want::{self, Draft};
use super::sync::{layers_of, offer};
use super::{Error, Mirror, states};
use crate::apk::Entry;
use crate::apk::dependency;
use crate::apk::names::{Arch, PackageName, RepositoryName, SourceName};
use crate::config::{Config, IndexMode, Repository};
use crate::ledger::Withdrawn;
use crate::merge::{Cause, Shadowed};
use crate::snapshot::IndexKey;

pub use super::sync::choose::{Because, Step, in_one_line};

/// Why a package is mirrored, or is not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct WhyReport {
    /// Its name.
    pub name: PackageName,
    /// The snapshot that was looked at.
    pub snapshot: String,
    /// Whether some repository has it.
    pub mirrored: bool,
    /// In the configuration's order.
    pub repositories: Vec<WhyRepository>,
}

/// The same of one repository and arch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct WhyRepository {
    /// The repository.
    pub name: RepositoryName,
    /// The arch.
    pub arch: Arch,
    /// The versions that are mirrored.
    pub packages: Vec<Mirrored>,
    /// The versions that its sources list and that are not mirrored; also why there is none at all.
    pub left_out: Vec<LeftOut>,
}

/// A version that is mirrored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Mirrored {
    /// Its file.
    pub file: String,
    /// Which index supplies it: `v3.23/main/x86_64 from source "alpine"`.
    pub from: String,
    /// From it back to what was asked for.
    pub chain: Vec<Step>,
}

/// A version that is not mirrored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LeftOut {
    /// Its file; absent where no source lists one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// Which index lists it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// Stable word: `excluded`, `withdrawn`, `reserved`, `shadowed`, `enough-versions`, `not-reached`, `not-listed`, `no-index`,
    /// `held`.
    pub reason: &'static str,
    /// One line.
    pub message: String,
}

/// Looks for `name` in every repository; an error where no source lists it.
pub fn why(config: &Config, name: &PackageName) -> Result<WhyReport, Error> {
    let mirror = Mirror::open(config)?;
    let snapshot = states::snapshot(&mirror, None)?;
    let repositories: Vec<&Repository> = config.repositories.iter().collect();
    let mut asked = indexes::of_snapshot(&mirror, &repositories, snapshot.clone())?;
    let drafts = want::drafts(&mirror, &repositories, &mut asked)?;
    require_listed(&asked, name)?;
    let withdrawn = mirror.ledger.withdrawn()?;
    let look = Look { mirror: &mirror, asked: &asked, withdrawn: &withdrawn, name };
    let repositories: Vec<WhyRepository> = drafts.iter().map(|draft| look.one(draft)).collect();
    Ok(WhyReport {
        name: name.clone(),
        snapshot: snapshot.id,
        mirrored: repositories.iter().any(|repository| !repository.packages.is_empty()),
        repositories,
    })
}

/// Fails unless some index lists the name; then with what may have been meant.
fn require_listed(asked: &Asked, name: &PackageName) -> Result<(), Error> {
    let entries = || asked.indexes.iter().flat_map(|index| index.all_entries());
    if entries().any(|entry| entry.name() == name) {
        return Ok(());
    }
    let provides = |entry: &&Entry| {
        let provided = dependency::parse_provides(entry.field(b'p').unwrap_or_default());
        provided.flatten().any(|provide| provide.name == name.as_str())
    };
    let likeness = |entry: &&Entry| strsim::jaro(entry.name().as_str(), name.as_str());
    let nearest = entries().find(provides).or_else(|| {
        entries().max_by(|one, other| likeness(one).total_cmp(&likeness(other))).filter(|one| likeness(one) > 0.8)
    });
    Err(Error::NoSuchPackage { name: name.clone(), nearest: nearest.map(|entry| entry.name().to_string()) })
}

struct Look<'l> {
    mirror: &'l Mirror<'l>,
    asked: &'l Asked,
    withdrawn: &'l [Withdrawn],
    name: &'l PackageName,
}

impl Look<'_> {
    fn one(&self, draft: &Draft<'_>) -> WhyRepository {
        let packages = self.mirrored(draft);
        let mut left_out = self.left_out(draft, &packages);
        if packages.is_empty() && left_out.is_empty() {
            let reason = LeftOut {
                file: None,
                from: None,
                reason: "not-listed",
                message: "none of its sources lists it".into(),
            };
            left_out.push(reason);
        }
        WhyRepository { name: draft.wish.name.clone(), arch: draft.wish.arch.clone(), packages, left_out }
    }

    fn mirrored(&self, draft: &Draft<'_>) -> Vec<Mirrored> {
        let mirrored = |key: &IndexKey, entry: &Entry, chain: Vec<Step>| Mirrored {
            file: entry.file().to_string(),
            from: key.to_string(),
            chain,
        };
        if let (Some(offer), Some(packages)) = (&draft.offer, &draft.selection.packages) {
            let choice = Choice { mirror: self.mirror, repository: draft.repository, packages, offer };
            let beside: Vec<&[Entry]> = draft.wish.beside.iter().map(|(_, entries)| entries.as_slice()).collect();
            let explained = choose::explain(&choice, &beside, self.name.as_str());
            return explained.into_iter().map(|one| mirrored(&offer.keys[one.layer], &one.entry, one.chain)).collect();
        }
        let whole = |source: &SourceName, entry: &Entry| Step {
            name: entry.name().to_string(),
            file: entry.file().to_string(),
            because: Because::Whole { source: source.clone() },
        };
        let listed = draft.wish.layers.iter().flat_map(|(key, entries)| entries.iter().map(move |entry| (key, entry)));
        let listed = listed.filter(|(_, entry)| entry.name() == self.name);
        listed.map(|(key, entry)| mirrored(key, entry, vec![whole(&key.source, entry)])).collect()
    }

    fn left_out(&self, draft: &Draft<'_>, packages: &[Mirrored]) -> Vec<LeftOut> {
        let keys = layers_of(draft.repository, &draft.wish.arch);
        let mut left_out = Vec::new();
        for (layer, key) in keys.iter().enumerate() {
            let Some(index) = self.asked.indexes.iter().find(|index| index.key == *key) else { continue };
            let mine = index.all_entries().filter(|entry| entry.name() == self.name);
            for entry in mine {
                let from = key.to_string();
                if packages.iter().any(|one| one.file == entry.file().as_str()) && self.is_same(draft, layer, entry) {
                    continue;
                }
                let (reason, message) = self.reason(draft, &keys, layer, entry);
                left_out.push(LeftOut { file: Some(entry.file().to_string()), from: Some(from), reason, message });
            }
        }
        left_out
    }

    /// Whether an entry is what is mirrored under its file name: its layer supplies it, or another the very same package.
    fn is_same(&self, draft: &Draft<'_>, layer: usize, entry: &Entry) -> bool {
        !draft.wish.shadowed.iter().any(|lost| lost.layer == layer && lost.file == *entry.file())
    }

    fn reason(&self, draft: &Draft<'_>, keys: &[IndexKey], layer: usize, entry: &Entry) -> (&'static str, String) {
        let wish = &draft.wish;
        if let Some(key) = &wish.missing {
            return ("no-index", format!("index {key}, which it takes from too, was never accepted"));
        }
        if let Some(setback) = &wish.forbidden {
            return ("held", setback.one_line());
        }
        if draft.repository.index == IndexMode::Ours && self.withdrawn.iter().any(|rule| rule.names(entry.file())) {
            return ("withdrawn", "it was withdrawn".into());
        }
        if let Some(selector) = draft.selection.exclude.iter().find(|selector| selector.names(entry)) {
            return ("excluded", format!("exclude names it: \"{}\"", selector.as_str()));
        }
        if let Some(lost) = wish.shadowed.iter().find(|lost| lost.layer == layer && lost.file == *entry.file()) {
            return shadowed(lost, keys);
        }
        let offered = draft.offer.as_ref().is_some_and(|offer| offer.layers[layer].contains(entry));
        if offered {
            return ("not-reached", "packages does not name it, and nothing that is chosen needs it".into());
        }
        ("enough-versions", "newer versions are enough (keep_versions)".into())
    }
}

fn shadowed(lost: &Shadowed, keys: &[IndexKey]) -> (&'static str, String) {
    let by = |layer: &usize| &keys[*layer].source;
    match &lost.cause {
        Cause::Name { by: winner } => ("shadowed", format!("source \"{}\" supplies the name", by(winner))),
        Cause::Version { by: winner } => ("shadowed", format!("source \"{}\" has a newer version", by(winner))),
        Cause::Conflict { by: winner } => {
            ("shadowed", format!("source \"{}\" has this name and version with other bytes", by(winner)))
        }
        cause => ("reserved", offer::reserved_for(cause).unwrap_or_default()),
    }
}
