//! What is wrong: with objects that records reach, and with the files of the trees that are kept.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::Metadata;
use std::num::NonZeroUsize;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::Extent;
use crate::apk::{Arch, ObjectId, PackageFile, Place, TreeName};
use crate::config::SourceKind;
use crate::finding::{Finding, Severity};
use crate::jobs::check::{Checked, hash, tolerate};
use crate::jobs::reserve::Reserve;
use crate::jobs::sync::layers_of;
use crate::jobs::{Error, Mirror};
use crate::plan::publish::{Generation, Placed, RepositoryState};
use crate::snapshot::IndexKey;
use crate::snapshot::manifest::What;

/// The name under which every client asks for an index.
pub(super) const INDEX: &str = "APKINDEX.tar.gz";

/// What is said of a name that is a link: what it leads to may change without it.
const A_LINK: &str = "a link is in its place";

/// What a look found.
#[derive(Debug, Default)]
pub(super) struct Seen {
    pub(super) checked: Checked,
    /// Objects that something reaches and that are missing or damaged.
    pub(super) objects: BTreeMap<ObjectId, Bad>,
    /// All that is damaged in the pool, reached or not.
    pub(super) damaged: BTreeSet<ObjectId>,
    /// Objects that this run hashed and found right.
    pub(super) right: BTreeSet<ObjectId>,
    /// Objects that are right and have another mode than they must.
    pub(super) modes: Vec<Finding>,
    /// That `refs` has lines that cannot be read.
    pub(super) refs: Option<Finding>,
    /// Files of trees that are not what was published, index files aside.
    pub(super) files: Vec<BadFile>,
    /// Index files that are not what was published.
    pub(super) indexes: Vec<BadIndex>,
    /// Index files of kept trees, whatever their state, by what they must be: where the others may be had from.
    pub(super) index_files: BTreeMap<ObjectId, Vec<PathBuf>>,
    /// Folders of repositories that lack the link to themselves.
    pub(super) links: Vec<BadLink>,
    /// What the trees show whose whole folders are gone.
    pub(super) gone: Vec<Generation>,
    /// The trees that were seen beside a live one whose folder is gone, and with it the links to them.
    pub(super) lost_names: BTreeMap<TreeName, u64>,
    /// The generation that the public link led to, where the link is gone.
    pub(super) lost_link: Option<u64>,
    /// What is wrong beyond any repair.
    pub(super) beyond: Vec<Finding>,
}

/// An object that is missing or damaged.
#[derive(Debug)]
pub(super) struct Bad {
    /// As a check tells it.
    pub(super) finding: Finding,
    /// Its size in bytes.
    pub(super) size: u64,
    /// What it is called, and where it came from as far as is known.
    pub(super) names: Vec<Name>,
    /// Files in trees that have the right bytes and are no links to it.
    pub(super) copies: Vec<PathBuf>,
}

impl Bad {
    /// What it is for a person.
    pub(super) fn shown(&self) -> &str {
        self.names.first().map_or("an object", |name| name.file.as_str())
    }
}

/// What an object is called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Name {
    /// The index that lists it, or that a repository which shows it takes from.
    pub(super) key: Option<IndexKey>,
    /// The folder that clients look in.
    pub(super) arch: Option<Arch>,
    pub(super) file: PackageFile,
}

/// A name in a tree.
#[derive(Debug)]
pub(super) struct BadFile {
    pub(super) path: PathBuf,
    pub(super) object: ObjectId,
    pub(super) state: FileState,
}

/// What a name in a tree leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum FileState {
    /// Nothing, other bytes, or a file that does not read: with the code word and what is to be said.
    Wrong(&'static str, String),
    /// The pool's damaged file itself.
    Linked,
    /// A file of its own that is right, while the pool's is not.
    Right,
}

/// An index file that is not what was published.
#[derive(Debug)]
pub(super) struct BadIndex {
    pub(super) path: PathBuf,
    /// What it must be.
    pub(super) index: ObjectId,
    pub(super) whose: Whose,
    pub(super) code: &'static str,
    pub(super) message: String,
}

/// What an index file belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Whose {
    /// The tree of this generation, where it has this date.
    Tree(u64, Timestamp),
    /// The record of what was accepted, by its id.
    Record(String),
}

/// A folder that lacks the link to itself.
#[derive(Debug)]
pub(super) struct BadLink {
    pub(super) folder: PathBuf,
    pub(super) arch: Arch,
}

/// Looks at what `extent` says. `progress` is told bytes as they are read.
pub(super) fn look(
    mirror: &Mirror<'_>,
    extent: Extent,
    threads: NonZeroUsize,
    progress: &(dyn Fn(u64) + Sync),
) -> Result<Seen, Error> {
    let mut seen = Seen::default();
    let states = states(mirror, &mut seen)?;
    let generations = generations(mirror, &mut seen)?;
    let shown = generations.iter().flat_map(|generation| &generation.repositories).flat_map(|state| &state.files);
    let mut required: BTreeSet<ObjectId> = states.values().flatten().copied().collect();
    required.extend(shown.map(|placed| placed.object));

    // Where a record does not read, nobody knows what it needed.
    let is_blind = !seen.beyond.is_empty();

    let only = match extent {
        Extent::All => None,
        Extent::Known => {
            let mut only = tolerate(mirror.ledger.damaged_objects(), &mut seen.beyond)?.unwrap_or_default();
            // What a name is to lead to must be seen to be right first.
            only.extend(suspects(mirror, &generations));
            Some(only)
        }
    };
    let audit = mirror.pool.audit(&required, only.as_ref(), threads, progress)?;
    seen.checked.objects = audit.objects;
    seen.checked.bytes = audit.bytes;
    let bad = required.iter().filter(|object| audit.damaged.contains(object) || !mirror.pool.has(object));
    let bad: BTreeSet<ObjectId> = bad.chain(&audit.damaged).copied().collect();
    let mut named = names(mirror, &states, &generations, &bad)?;
    let mut by_path: BTreeMap<String, Finding> = BTreeMap::new();
    for finding in audit.findings {
        match finding.code {
            "object-missing" | "object-damaged" | "object-unreadable" if !Path::new(&finding.subject).is_dir() => {
                by_path.insert(finding.subject.clone(), finding);
            }
            "object-mode" => seen.modes.push(finding),
            "pool-refs-damaged" => seen.refs = Some(finding),
            _ => seen.beyond.push(finding),
        }
    }
    seen.damaged = audit.damaged;
    seen.right = audit.right;
    for object in bad {
        // One that came back while we looked is no finding.
        let Some(finding) = by_path.remove(&mirror.pool.path(&object).display().to_string()) else { continue };
        // What has no name cannot be asked for.
        let (why, hint) = match named.remove(&object) {
            Some((size, names)) => {
                seen.objects.insert(object, Bad { finding, size, names, copies: Vec::new() });
                continue;
            }
            None if required.contains(&object) => {
                ("the record that says what it is does not read", "`bivouac repair` again when the record is back")
            }
            None if is_blind => (
                "no record that can be read needs it, and not all can be read",
                "`bivouac repair` again when the records are back",
            ),
            None => ("nothing needs it", "`bivouac prune` takes it away"),
        };
        let message = format!("{}; {why}", finding.message);
        seen.beyond.push(Finding { message, hint: Some(hint.into()), ..finding });
    }
    for generation in &generations {
        for state in &generation.repositories {
            compare(mirror, generation.number, state, only.as_ref(), &mut seen, progress);
        }
    }
    Ok(seen)
}

/// The accepted states that snapshots name, each with its objects.
fn states(mirror: &Mirror<'_>, seen: &mut Seen) -> Result<BTreeMap<String, Vec<ObjectId>>, Error> {
    let mut states: BTreeMap<String, Vec<ObjectId>> = BTreeMap::new();
    let ids = mirror.ledger.snapshot_ids()?;
    for id in ids.iter().rev() {
        let Some(snapshot) = tolerate(mirror.ledger.snapshot(id), &mut seen.beyond)? else { continue };
        for state in snapshot.indexes.iter().flat_map(|index| index.states()) {
            if states.contains_key(state) {
                continue;
            }
            let is_right = record(mirror, state, seen)?;
            let objects = if Some(id) == ids.last() && is_right == Right::Yes {
                // What is in force is read whole, as a check does; that its objects do not read is told once.
                tolerate(mirror.ledger.accepted(state), &mut seen.beyond)?;
                tolerate(mirror.ledger.accepted_objects(state), &mut Vec::new())?
            } else {
                tolerate(mirror.ledger.accepted_objects(state), &mut seen.beyond)?
            };
            states.insert(state.to_owned(), objects.unwrap_or_default());
        }
    }
    Ok(states)
}

/// Whether the index file of a record is the one that it names.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Right {
    Yes,
    No,
}

/// Looks at the index file of an accepted state.
fn record(mirror: &Mirror<'_>, id: &str, seen: &mut Seen) -> Result<Right, Error> {
    let Some(record) = tolerate(mirror.ledger.accepted_record(id), &mut seen.beyond)? else { return Ok(Right::No) };
    let path = mirror.ledger.accepted_file(id)?;
    let (code, message) = match hash(&path) {
        Ok(digest) if digest == record.index => return Ok(Right::Yes),
        Ok(_) => ("record-damaged", "it is not the index that was accepted".to_owned()),
        Err(cause) => ("record-missing", cause.to_string()),
    };
    let whose = Whose::Record(id.to_owned());
    seen.indexes.push(BadIndex { path, index: record.index, whose, code, message });
    Ok(Right::No)
}

/// The whole records of what clients see, whether or not the trees are there, and of the other generations whose trees are.
/// What clients see comes first: it is the first to be put right.
fn generations(mirror: &Mirror<'_>, seen: &mut Seen) -> Result<Vec<Generation>, Error> {
    let trees = mirror.tree.trees()?;
    let recorded = mirror.ledger.generation_numbers()?;
    let live = match mirror.tree.live()? {
        Some(live) => Some(live),
        None => lost_link(mirror, &trees, &recorded, seen),
    };
    if live.is_some_and(|live| !mirror.tree.generation(live).is_dir()) {
        // A name is never taken away, and what it showed last is kept.
        for number in recorded.iter().filter(|number| trees.contains(number)) {
            if let Ok(Place::Beside(name)) = mirror.ledger.generation_summary(*number).map(|summary| summary.place) {
                seen.lost_names.insert(name, *number);
            }
        }
    }
    let mut numbers: Vec<u64> = live.into_iter().collect();
    let rest = recorded.into_iter().rev().filter(|number| trees.contains(number));
    let named = mirror.tree.named()?.into_values().chain(seen.lost_names.values().copied());
    for number in named.chain(rest) {
        if !numbers.contains(&number) {
            numbers.push(number);
        }
    }
    let mut generations = Vec::new();
    for number in numbers {
        let Some(generation) = tolerate(mirror.ledger.generation(number), &mut seen.beyond)? else { continue };
        if Some(number) == live {
            tolerate(mirror.ledger.require_snapshot(&generation.snapshot), &mut seen.beyond)?;
        }
        if !mirror.tree.generation(number).is_dir() {
            seen.gone.push(generation.clone());
        }
        generations.push(generation);
    }
    Ok(generations)
}

/// The generation that was live, where the public link is gone: the newest of those that were made to be, as long as its tree is
/// there, which is whole from the moment on that it has its number.
fn lost_link(mirror: &Mirror<'_>, trees: &BTreeSet<u64>, recorded: &[u64], seen: &mut Seen) -> Option<u64> {
    let was_live = |number: &&u64| {
        let summary = mirror.ledger.generation_summary(**number);
        summary.is_ok_and(|summary| summary.place == Place::Live)
    };
    let newest = recorded.iter().rev().find(was_live).copied()?;
    if trees.contains(&newest) {
        seen.lost_link = Some(newest);
        return Some(newest);
    }
    seen.beyond.push(Finding {
        code: "tree-gone",
        severity: Severity::Error,
        subject: mirror.tree.link().display().to_string(),
        message: format!("the public link is gone, and so is the tree of generation {newest}, which was live"),
        hint: Some("`bivouac publish` shows the newest snapshot".into()),
    });
    None
}

/// Objects that have a name in a tree which seems to lead elsewhere. Nothing is read.
fn suspects(mirror: &Mirror<'_>, generations: &[Generation]) -> BTreeSet<ObjectId> {
    let mut found = BTreeSet::new();
    for generation in generations {
        let tree = mirror.tree.generation(generation.number);
        for state in &generation.repositories {
            let folder = tree.join(state.name.folder(&state.arch));
            found
                .extend(state.files.iter().filter(|placed| seems_wrong(mirror, &folder, placed)).map(|one| one.object));
        }
    }
    found
}

fn seems_wrong(mirror: &Mirror<'_>, folder: &Path, placed: &Placed) -> bool {
    let of = |path: &Path| std::fs::symlink_metadata(path).ok().filter(Metadata::is_file);
    match (of(&folder.join(placed.file.as_str())), of(&mirror.pool.path(&placed.object))) {
        (Some(here), Some(there)) => !is_same(&here, &there) && here.len() != there.len(),
        _ => true,
    }
}

/// What bad objects are called that something reaches.
#[derive(Default)]
struct Names(BTreeMap<ObjectId, (u64, Vec<Name>)>);

impl Names {
    fn note(&mut self, object: ObjectId, size: u64, name: Name) {
        let (_, names) = self.0.entry(object).or_insert_with(|| (size, Vec::new()));
        if !names.contains(&name) {
            names.push(name);
        }
    }

    fn has_a_source(&self, object: &ObjectId) -> bool {
        self.0.get(object).is_some_and(|(_, names)| names.iter().any(|name| name.key.is_some()))
    }
}

/// Of each bad object that something reaches, its size and what it is called.
fn names(
    mirror: &Mirror<'_>,
    states: &BTreeMap<String, Vec<ObjectId>>,
    generations: &[Generation],
    bad: &BTreeSet<ObjectId>,
) -> Result<BTreeMap<ObjectId, (u64, Vec<Name>)>, Error> {
    let mut found = Names::default();
    for (id, _) in states.iter().filter(|(_, objects)| objects.iter().any(|object| bad.contains(object))) {
        // That a record is damaged was told where it was looked at; an old one tells no names then.
        let Some(accepted) = tolerate(mirror.ledger.accepted(id), &mut Vec::new())? else { continue };
        for (at, entry) in accepted.entries().iter().enumerate() {
            if let Some(object) = accepted.object(at).filter(|object| bad.contains(object)) {
                let arch = entry.arch().unwrap_or(&accepted.key().arch).clone();
                let name = Name { key: Some(accepted.key().clone()), arch: Some(arch), file: entry.file().clone() };
                found.note(object, entry.size(), name);
            }
        }
    }
    let reserve = Reserve::of(mirror.config)?;
    for state in generations.iter().flat_map(|generation| &generation.repositories) {
        for placed in state.files.iter().filter(|placed| bad.contains(&placed.object)) {
            let (object, size) = (placed.object, placed.size);
            let name = |key| Name { key, arch: Some(state.arch.clone()), file: placed.file.clone() };
            found.note(object, size, name(None));
            if found.has_a_source(&object) {
                continue;
            }
            // It only lingers, and nobody wrote down whose it was: any source of its repository may have it still. Nobody is
            // asked for a name that is reserved for another.
            let takers = mirror.config.repositories.iter().filter(|repository| repository.name == state.name);
            let keys = takers.flat_map(|repository| layers_of(repository, &state.arch));
            for key in keys.filter(|key| !reserve.is_kept_from(&key.source, placed.file.name())) {
                found.note(object, size, name(Some(key)));
            }
        }
    }
    for source in mirror.config.sources.values() {
        let SourceKind::Bundles { .. } = source.kind else { continue };
        // That it is damaged stops an import, which says so.
        let manifest = tolerate(mirror.ledger.bundle_in_force(&source.name), &mut Vec::new())?;
        let Some(manifest) = manifest.flatten() else { continue };
        for packed in manifest.objects.iter().filter(|packed| bad.contains(&packed.sha256)) {
            if let What::Package(name, version, _) = &packed.what
                && let Ok(file) = PackageFile::new(name, version)
            {
                found.note(packed.sha256, packed.size, Name { key: None, arch: None, file });
            }
        }
    }
    Ok(found.0)
}

/// Compares one repository's folder with its record.
fn compare(
    mirror: &Mirror<'_>,
    number: u64,
    state: &RepositoryState,
    only: Option<&BTreeSet<ObjectId>>,
    seen: &mut Seen,
    progress: &(dyn Fn(u64) + Sync),
) {
    let folder = mirror.tree.generation(number).join(state.name.folder(&state.arch));
    if state.name.is_by_arch()
        && std::fs::read_link(folder.join(state.arch.as_str())).ok().as_deref() != Some(Path::new("."))
    {
        seen.links.push(BadLink { folder: folder.clone(), arch: state.arch.clone() });
    }
    let path = folder.join(INDEX);
    seen.checked.files += 1;
    let wrong = match std::fs::symlink_metadata(&path) {
        Ok(found) if found.is_dir() => {
            seen.beyond.push(in_the_way(&path));
            None
        }
        Ok(found) if found.is_symlink() => Some(("index-damaged", A_LINK.to_owned())),
        _ => match hash(&path) {
            Ok(digest) if digest == state.index => None,
            Ok(_) => Some(("index-damaged", "it is not the index that was published".to_owned())),
            Err(cause) => Some(("index-missing", cause.to_string())),
        },
    };
    if std::fs::symlink_metadata(&path).is_ok_and(|found| found.is_file()) {
        seen.index_files.entry(state.index).or_default().push(path.clone());
    }
    if let Some((code, message)) = wrong {
        let whose = Whose::Tree(number, state.published);
        seen.indexes.push(BadIndex { path, index: state.index, whose, code, message });
    }
    for placed in &state.files {
        let path = folder.join(placed.file.as_str());
        let object = placed.object;
        seen.checked.files += 1;
        let there = std::fs::symlink_metadata(mirror.pool.path(&object)).ok().filter(Metadata::is_file);
        let mut bad = seen.objects.get_mut(&object);
        let is_passed_over = |here: &Metadata, there: &Metadata| {
            here.len() == there.len() && bad.is_none() && only.is_some_and(|only| !only.contains(&object))
        };
        let found = match (std::fs::symlink_metadata(&path), there) {
            (Ok(here), _) if here.is_symlink() => Some(FileState::Wrong("file-damaged", A_LINK.to_owned())),
            (Err(cause), _) => Some(FileState::Wrong("file-missing", cause.to_string())),
            (Ok(here), _) if here.is_dir() => {
                seen.beyond.push(in_the_way(&path));
                None
            }
            (Ok(here), Some(there)) if is_same(&here, &there) => bad.is_some().then_some(FileState::Linked),
            (Ok(here), Some(there)) if is_passed_over(&here, &there) => None,
            (Ok(here), _) => {
                progress(here.len());
                match hash(&path) {
                    Ok(digest) if digest == object => bad.as_mut().map(|bad| {
                        bad.copies.push(path.clone());
                        FileState::Right
                    }),
                    Ok(_) => {
                        let message = "it is not the package that was published".to_owned();
                        Some(FileState::Wrong("file-damaged", message))
                    }
                    Err(cause) => Some(FileState::Wrong("file-unreadable", cause.to_string())),
                }
            }
        };
        seen.files.extend(found.map(|state| BadFile { path, object, state }));
    }
}

/// That a folder is where a file belongs: somebody made it, and nothing is removed that we did not make.
fn in_the_way(path: &Path) -> Finding {
    Finding {
        code: "file-damaged",
        severity: Severity::Error,
        subject: path.display().to_string(),
        message: "a folder is in its place".into(),
        hint: Some("move it away, then `bivouac repair` again".into()),
    }
}

/// Whether two names lead to one file.
pub(super) fn is_same(one: &Metadata, other: &Metadata) -> bool {
    (one.dev(), one.ino()) == (other.dev(), other.ino())
}
