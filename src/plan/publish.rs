//! Which files the next generation holds.
//!
//! A generation is a whole public tree. Each repository and arch either keeps its former index file (its text and signers are
//! the same, so clients and caches need not fetch it again) or gets a new one, dated strictly later than the former. Packages
//! that left the index stay for `linger`, because clients hold older indexes.

use std::collections::{BTreeMap, HashMap};

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::apk::names::{Arch, PackageFile, Place, RepositoryName, TreeName};
use crate::apk::{ContentId, Identity, KeyId, ObjectId};

/// One package file of a repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placed {
    /// Its name.
    pub file: PackageFile,
    /// Its bytes.
    pub object: ObjectId,
    /// Its identity.
    pub identity: Identity,
    /// Its size in bytes.
    pub size: u64,
    /// When it left the index; `None` while it is listed.
    pub left: Option<Timestamp>,
}

impl Placed {
    /// Whether the index lists it; else it lingers.
    pub fn is_listed(&self) -> bool {
        self.left.is_none()
    }
}

/// Whose index a repository shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Merged and signed by us.
    Ours,
    /// Upstream's own file.
    Upstream,
    /// Upstream's signed bytes with our signature in front.
    Cosigned,
}

/// One repository and arch as published.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RepositoryState {
    /// The repository.
    pub name: RepositoryName,
    /// The arch.
    pub arch: Arch,
    /// Whose index it shows.
    pub mode: Mode,
    /// Digest of everything that its index followed from: accepted indexes, rules, key. Equal inputs need no merge.
    pub inputs: String,
    /// SHA-256 of its APKINDEX text.
    pub content: ContentId,
    /// SHA-256 of its index file.
    pub index: ObjectId,
    /// Its description.
    pub description: String,
    /// Names of its signature entries.
    pub signers: Vec<String>,
    /// Our keys that signed it, where we did, the newest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub keys: Vec<KeyId>,
    /// When the index file was published, whole seconds: its modification time.
    pub published: Timestamp,
    /// How many packages its index lists.
    pub packages: u64,
    /// Their sizes' sum, bytes.
    pub bytes: u64,
    /// Entries that lost in the merge.
    pub shadowed: u64,
    /// Of those, how many were newer than what is supplied.
    pub shadowed_newer: u64,
    /// What was worth a line when it was merged; it is told again while nothing changes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
    /// A line for each item of `packages` that is a plain name, and that none of its sources had.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unmatched: Vec<String>,
    /// All package files, listed and lingering, in order of their names. Stored beside the rest.
    #[serde(skip)]
    pub files: Vec<Placed>,
}

impl RepositoryState {
    /// The files that its index lists.
    pub fn listed(&self) -> impl Iterator<Item = &Placed> {
        self.files.iter().filter(|placed| placed.is_listed())
    }

    /// Whether this is the state of `name` and `arch`.
    pub fn is_for(&self, name: &RepositoryName, arch: &Arch) -> bool {
        self.name == *name && self.arch == *arch
    }
}

/// A published tree.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Generation {
    /// Its number; it only grows.
    pub number: u64,
    /// When it was made.
    pub time: Timestamp,
    /// The snapshot whose indexes it shows.
    pub snapshot: String,
    /// Where it was made to be seen.
    #[serde(default)]
    pub place: Place,
    /// Why it was made.
    #[serde(default)]
    pub cause: Cause,
    /// Links in it, each with the folder that it leads to; both are relative to the tree.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub aliases: BTreeMap<RepositoryName, RepositoryName>,
    /// What it holds, in the configuration's order.
    pub repositories: Vec<RepositoryState>,
}

/// Why a generation was made.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Cause {
    /// A snapshot was published.
    #[default]
    Publication,
    /// It shows again the indexes of the generation with this number. While such a generation is live, publishing is held.
    Rollback(u64),
    /// It shows the indexes of the tree that had this name.
    Promotion(TreeName),
    /// It shows the generation with this number as a backup brought it back.
    Restore(u64),
}

impl Generation {
    /// Whether nothing is to be published without being asked for while this is live. It is part of the generation's record
    /// and not a note beside it: the one rename that makes a rollback live begins the hold, and the one that makes the next
    /// generation live ends it.
    pub fn is_hold(&self) -> bool {
        match self.cause {
            Cause::Rollback(_) => true,
            Cause::Publication | Cause::Promotion(_) | Cause::Restore(_) => false,
        }
    }

    /// The generation whose indexes it shows: its own number, unless it shows another's again.
    pub fn shows(&self) -> u64 {
        match self.cause {
            Cause::Rollback(number) | Cause::Restore(number) => number,
            Cause::Publication | Cause::Promotion(_) => self.number,
        }
    }

    /// Why a generation is made that brings this one back from a backup. One that held publishing does so again: a disaster is
    /// no reason to publish what was rolled back.
    pub fn cause_of_restore(&self) -> Cause {
        if self.is_hold() { self.cause.clone() } else { Cause::Restore(self.number) }
    }

    /// The state of `name` and `arch` in it.
    pub fn repository(&self, name: &RepositoryName, arch: &Arch) -> Option<&RepositoryState> {
        self.repositories.iter().find(|state| state.is_for(name, arch))
    }
}

/// What one repository and arch is to become.
#[derive(Clone, Debug)]
pub enum Wish {
    /// This listing; `files` are the listed ones, in any order.
    Listing(Box<RepositoryState>),
    /// This state as it was published once, `files` being all that it held, with an index file that is dated anew even where the
    /// former generation shows the same: a client may have seen a later one, which nobody here remembers.
    Anew(Box<RepositoryState>),
    /// What the former generation has.
    Former(RepositoryName, Arch),
}

/// Where a repository's index file comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IndexFile {
    /// It is the former generation's.
    Kept,
    /// It is written anew.
    New,
}

/// What is to be published.
#[derive(Clone, Debug)]
pub struct PublishPlan {
    /// The tree.
    pub generation: Generation,
    /// For each of its repositories.
    pub indexes: Vec<IndexFile>,
    /// The former generation, from which kept index files are taken.
    pub former: Option<u64>,
    /// Whether clients would see anything else than now.
    pub change: Change,
}

/// Whether a plan changes what clients see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Nothing: no generation needs to be made.
    Nothing,
    /// Something.
    Something,
}

impl PublishPlan {
    /// Gives the tree these links.
    pub fn set_aliases(&mut self, aliases: BTreeMap<RepositoryName, RepositoryName>) {
        if self.generation.aliases != aliases {
            self.generation.aliases = aliases;
            self.change = Change::Something;
        }
    }
}

/// Decides the next generation of a place, where `former` is seen now. `last_number` is the highest that was ever used. The
/// plan is for the live place and a publication, and keeps the former links; who means another says so in the generation.
pub fn decide(
    former: Option<&Generation>,
    last_number: u64,
    snapshot: &str,
    wishes: Vec<Wish>,
    linger: SignedDuration,
    now: Timestamp,
) -> PublishPlan {
    let mut repositories = Vec::new();
    let mut indexes = Vec::new();
    for wish in wishes {
        match wish {
            Wish::Former(name, arch) => {
                if let Some(state) = former.and_then(|former| former.repository(&name, &arch)) {
                    let mut state = state.clone();
                    state.files.retain(|placed| stays(placed, linger, now));
                    repositories.push(state);
                    indexes.push(IndexFile::Kept);
                }
            }
            Wish::Anew(mut state) => {
                let before = former.and_then(|former| former.repository(&state.name, &state.arch));
                let listed = state.listed().cloned().collect();
                // What lingered then comes second: a client of the former generation is the one that still asks.
                let files = with_lingering(listed, before, linger, now);
                state.files = with_lingering(files, Some(&state), linger, now);
                let latest = before.map_or(state.published, |before| before.published.max(state.published));
                state.published = publication_time(Some(latest), now);
                indexes.push(IndexFile::New);
                repositories.push(*state);
            }
            Wish::Listing(mut state) => {
                let before = former.and_then(|former| former.repository(&state.name, &state.arch));
                state.files = with_lingering(std::mem::take(&mut state.files), before, linger, now);
                match before {
                    Some(before) if is_same_index(before, &state) => {
                        state.index = before.index;
                        state.description.clone_from(&before.description);
                        state.published = before.published;
                        indexes.push(IndexFile::Kept);
                    }
                    before => {
                        state.published = publication_time(before.map(|before| before.published), now);
                        indexes.push(IndexFile::New);
                    }
                }
                repositories.push(*state);
            }
        }
    }
    let same = former.is_some_and(|former| {
        former.repositories.len() == repositories.len()
            && former.repositories.iter().zip(&repositories).all(|(was, is)| {
                was.is_for(&is.name, &is.arch)
                    && (was.index, was.published) == (is.index, is.published)
                    && shown(was).eq(shown(is))
            })
    });
    let number = last_number.max(former.map_or(0, |former| former.number)) + 1;
    PublishPlan {
        generation: Generation {
            number,
            time: now,
            snapshot: snapshot.to_owned(),
            place: Place::Live,
            cause: Cause::Publication,
            aliases: former.map(|former| former.aliases.clone()).unwrap_or_default(),
            repositories,
        },
        indexes,
        former: former.map(|former| former.number),
        change: if same { Change::Nothing } else { Change::Something },
    }
}

/// Whether clients may keep the index file they have. Of ours only text and signers count: upstream's words for a state may
/// change while the packages do not. Whatever carries upstream's bytes is the same only byte for byte.
fn is_same_index(before: &RepositoryState, state: &RepositoryState) -> bool {
    let same_text = before.content == state.content && before.signers == state.signers && before.keys == state.keys;
    before.index == state.index || (state.mode == Mode::Ours && before.mode == Mode::Ours && same_text)
}

fn shown(state: &RepositoryState) -> impl Iterator<Item = (&PackageFile, &ObjectId)> {
    state.listed().map(|placed| (&placed.file, &placed.object))
}

fn stays(placed: &Placed, linger: SignedDuration, now: Timestamp) -> bool {
    // A clock that was set back makes a file stay longer, never shorter.
    placed.left.is_none_or(|left| now.duration_since(left) < linger)
}

fn with_lingering(
    files: Vec<Placed>,
    before: Option<&RepositoryState>,
    linger: SignedDuration,
    now: Timestamp,
) -> Vec<Placed> {
    let mut all: BTreeMap<PackageFile, Placed> =
        files.into_iter().map(|placed| (placed.file.clone(), placed)).collect();
    for placed in before.map(|before| before.files.as_slice()).unwrap_or_default() {
        if !all.contains_key(&placed.file) {
            let mut placed = placed.clone();
            placed.left.get_or_insert(now);
            if stays(&placed, linger, now) {
                all.insert(placed.file.clone(), placed);
            }
        }
    }
    all.into_values().collect()
}

/// Whole seconds, strictly later than before: clients ask with the time of their last download, and a server that compares
/// would otherwise answer 304 for ever.
fn publication_time(before: Option<Timestamp>, now: Timestamp) -> Timestamp {
    let second = now.as_second().max(before.map_or(i64::MIN, |before| before.as_second() + 1));
    Timestamp::from_second(second).unwrap_or(now)
}

/// What tells one package's bytes from another's before they are here: its identity and its size. The identity covers all
/// but the signature and the compression of the control section, which the size gives away, mostly.
pub type Bytes = (Identity, u64);

/// A file that stands for other bytes than before under the same name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rebuilt {
    /// Its name.
    pub file: PackageFile,
    /// What clients know.
    pub was: Bytes,
    /// What would replace it.
    pub is: Bytes,
}

/// The bytes that each name and version of one repository and arch was published with.
#[derive(Clone, Debug, Default)]
pub struct Published<'g>(HashMap<&'g PackageFile, Bytes>);

impl<'g> Published<'g> {
    /// What these states of it say, the latest first: where bytes were replaced knowingly, the latest are those that count.
    pub fn of(states: impl Iterator<Item = &'g RepositoryState>) -> Self {
        let mut known = HashMap::new();
        for placed in states.flat_map(|state| &state.files) {
            known.entry(&placed.file).or_insert((placed.identity, placed.size));
        }
        Published(known)
    }

    /// Whether this name and version was published.
    pub fn knows(&self, file: &PackageFile) -> bool {
        self.0.contains_key(file)
    }

    /// Which of `entries` would replace published bytes under the same name and version. Clients that hold an index with the
    /// former identity would see a bad signature.
    pub fn rebuilt(&self, entries: impl Iterator<Item = (PackageFile, Identity, u64)>) -> Vec<Rebuilt> {
        entries
            .filter_map(|(file, identity, size)| {
                let is = (identity, size);
                let was = *self.0.get(&file).filter(|known| **known != is)?;
                Some(Rebuilt { file, was, is })
            })
            .collect()
    }
}

#[cfg(test)]
mod tests;
