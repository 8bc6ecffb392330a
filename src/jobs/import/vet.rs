//! Is the state that a bundle brings whole, and does it come from where it says? Asked when all of it is here, before it is
//! put in force.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::fs::File;
use std::io::Read as _;
use std::sync::Arc;

use super::inbox::{Inbox, Origin};
use crate::apk::dependency::{parse_list, parse_provides};
use crate::apk::v2::sections::Limits;
use crate::apk::version::Version;
use crate::apk::{Arch, Entry, ObjectId};
use crate::error::Class;
use crate::jobs::sync::Setback;
use crate::jobs::{Error, Mirror};
use crate::snapshot::manifest::{Carried, Manifest};
use crate::verify::package::{PackageVerifier, Promise};
use crate::verify::{self, Keyring, VerifiedIndex};

/// How many packages a message names.
const NAMED: usize = 5;

/// What of a bundle's state is not here.
#[derive(Debug, Default)]
pub(super) struct Lacking {
    /// Index files.
    pub(super) indexes: Vec<String>,
    /// Packages that its indexes list.
    pub(super) packages: Vec<String>,
}

impl Lacking {
    pub(super) fn is_nothing(&self) -> bool {
        self.indexes.is_empty() && self.packages.is_empty()
    }
}

/// One repository of a bundle whose indexes are here.
struct Read<'m> {
    carried: &'m Carried,
    index: VerifiedIndex,
}

/// What is not here of what `manifest` says, or why it is refused.
pub(super) fn vet(mirror: &Mirror<'_>, inbox: &Inbox, manifest: &Manifest) -> Result<Result<Lacking, Setback>, Error> {
    let mut lacking = Lacking::default();
    let keyring = inbox.of_indexes()?;
    let mut read = Vec::new();
    for carried in &manifest.repositories {
        let place = format!("{}/{}", carried.name, carried.arch);
        let here = carried.indexes().map(|index| mirror.ledger.bundled_index(&inbox.source, index));
        let here: Vec<Option<Vec<u8>>> = here.collect::<Result<_, _>>()?;
        let Some(bytes) = here.iter().all(Option::is_some).then(|| here.into_iter().next().flatten()).flatten() else {
            lacking.indexes.push(place);
            continue;
        };
        match verify::index::verify(bytes, &keyring, &carried.arch, &Limits::default()) {
            Ok(index) => read.push(Read { carried, index }),
            Err(error) => {
                let message = format!("refused bundle {}: its index of {place} is not to be trusted", manifest.id);
                let mut setback = Setback::of(message, &error);
                if inbox.origin.is_none() {
                    let hint =
                        format!("if it is the origin's own: name its keys under sources.{}.origin", inbox.source);
                    setback.hint = setback.hint.or(Some(hint));
                }
                return Ok(Err(setback));
            }
        }
    }
    for Read { index, carried } in &read {
        let missing = |entry: &&Entry| mirror.pool.find(entry).is_none();
        lacking.packages.extend(index.entries().iter().filter(missing).map(|entry| entry.file().to_string()));
        // The receiver may publish it in place of the sender's.
        if let Some(whole) = carried.whole.filter(|whole| *whole != carried.index) {
            let entries = mirror.ledger.bundled_entries(&inbox.source, &whole)?;
            lacking.packages.extend(entries.iter().filter(missing).map(|entry| entry.file().to_string()));
        }
    }
    lacking.packages.sort();
    lacking.packages.dedup();
    if !lacking.is_nothing() {
        return Ok(Ok(lacking));
    }
    if let Some(origin) = &inbox.origin {
        for read in &read {
            if let Some(setback) = unproved(mirror, inbox, origin, manifest, read)? {
                return Ok(Err(setback));
            }
        }
    }
    Ok(Ok(lacking))
}

/// Why the packages of one repository are not proved to come from the origin. Each must be listed by an index of the origin's
/// that the bundle carries for that repository, be signed by the origin itself, or have a name for which the sender's word is
/// enough.
fn unproved(
    mirror: &Mirror<'_>,
    inbox: &Inbox,
    origin: &Origin,
    manifest: &Manifest,
    read: &Read<'_>,
) -> Result<Option<Setback>, Error> {
    let Carried { name, arch, .. } = read.carried;
    let foreign: Vec<&Entry> = read.index.entries().iter().filter(|entry| !origin.is_own(entry)).collect();
    if foreign.is_empty() {
        return Ok(None);
    }
    let mut proofs = Vec::new();
    let mut distrusted = Vec::new();
    for id in read.carried.indexes() {
        let bytes = mirror.ledger.bundled_index(&inbox.source, id)?.expect("the caller has seen that it is here");
        match verify::index::verify(bytes, &origin.keyring, arch, &Limits::default()) {
            Ok(index) => proofs.push(index),
            Err(error) => distrusted.push(error.to_string()),
        }
    }
    let message = |what: String| {
        let message = format!("refused bundle {}: {name}/{arch} {what}", manifest.id);
        let mut setback = Setback::new(Class::Refused, "no-origin", message);
        setback.hint = Some(format!(
            "ask the sender how that came about; sources.{}.own = [\"NAME\"] takes the sender's own word for a name",
            inbox.source
        ));
        setback
    };
    if proofs.is_empty() {
        let mut setback = message(format!("carries no index that a key of sources.{}.origin signed", inbox.source));
        distrusted.sort();
        distrusted.dedup();
        setback.details = distrusted;
        return Ok(Some(setback));
    }
    let keyring = Arc::new(origin.keyring.clone());
    let proof = Proof::of(&proofs, read.index.entries());
    let mut without = Vec::new();
    for entry in foreign.into_iter().filter(|entry| !proof.listed.contains(entry.text())) {
        let object = mirror.pool.find(entry).expect("the caller has seen that it is here");
        if proof.is_passed_over(entry) || !is_signed(mirror, &object, entry, &keyring, arch)? {
            without.push(entry.file().to_string());
        }
    }
    let own = read.index.entries().iter().filter(|entry| origin.is_own(entry));
    without.extend(own.filter(|entry| proof.is_reached_into(entry, origin)).map(|entry| entry.file().to_string()));
    if without.is_empty() {
        return Ok(None);
    }
    let count = without.len();
    let mut setback = message(format!("lists {count} packages for which nothing of the origin's vouches"));
    setback.details.push(without.iter().take(NAMED).cloned().collect::<Vec<_>>().join(", "));
    if count > NAMED {
        setback.details.push(format!("and {} more", count - NAMED));
    }
    Ok(Some(setback))
}

/// What an origin's indexes say of one repository.
struct Proof<'p> {
    /// Their records, whole: a sender may leave one out and may not change one.
    listed: HashSet<&'p str>,
    /// By name, the newest of them.
    newest: HashMap<&'p str, &'p Entry>,
    /// What the sender lists of them.
    shown: HashSet<&'p str>,
}

impl<'p> Proof<'p> {
    fn of(proofs: &'p [VerifiedIndex], shown: &'p [Entry]) -> Self {
        let mut newest: HashMap<&str, &Entry> = HashMap::new();
        for entry in proofs.iter().flat_map(|index| index.entries()) {
            let best = newest.entry(entry.name().as_str()).or_insert(entry);
            let version = |entry: &'p Entry| Version::new(entry.version().as_str());
            if version(entry).compare(version(best)).is_gt() {
                *best = entry;
            }
        }
        let listed: HashSet<&str> = proofs.iter().flat_map(|index| index.entries()).map(Entry::text).collect();
        let shown = shown.iter().map(Entry::text).filter(|text| listed.contains(text)).collect();
        Proof { listed, newest, shown }
    }

    /// Whether the origin has the name and the sender does not show its newest: an older version alone would be a way back.
    fn is_passed_over(&self, entry: &Entry) -> bool {
        self.newest.get(entry.name().as_str()).is_some_and(|newest| !self.shown.contains(newest.text()))
    }

    /// Whether a package that is the sender's own would stand in for one of the origin's: it provides its name, or installs itself
    /// beside packages none of which is the sender's own.
    fn is_reached_into(&self, entry: &Entry, origin: &Origin) -> bool {
        let terms = |letter| parse_list(entry.field(letter).unwrap_or_default()).flatten();
        let provides = parse_provides(entry.field(b'p').unwrap_or_default()).flatten();
        let mut beside = terms(b'i').map(|term| term.name).peekable();
        let provides_theirs = provides.into_iter().any(|provide| self.newest.contains_key(provide.name));
        provides_theirs || (beside.peek().is_some() && !beside.any(|name| origin.is_own_name(name)))
    }
}

/// Whether a package's own signature is by a key of `keyring`, and its record says what it says. Older versions that a sender kept
/// stand in no index of the origin's any more.
fn is_signed(
    mirror: &Mirror<'_>,
    object: &ObjectId,
    entry: &Entry,
    keyring: &Arc<Keyring>,
    arch: &Arch,
) -> Result<bool, Error> {
    let path = mirror.pool.path(object);
    let unreadable = |cause| crate::disk::durable::Error::new("read", &path, cause);
    let mut file = File::open(&path).map_err(unreadable)?;
    let promise = Promise::Signature(Arc::clone(keyring), Some(arch.clone()));
    let mut verifier = PackageVerifier::new(promise, Limits::default()).under(keyring.sha1());
    let mut buffer = vec![0; 256 << 10];
    loop {
        match file.read(&mut buffer).map_err(unreadable)? {
            0 => break,
            read if verifier.feed(&buffer[..read]).is_err() => return Ok(false),
            _ => {}
        }
    }
    let Ok(package) = verifier.finish() else { return Ok(false) };
    let Ok(own) = package.info().entry(&package.identity(), package.size(), arch) else { return Ok(false) };
    // What decides what a client installs; the order of terms does not.
    let terms = |entry: &Entry, letter| -> BTreeSet<String> {
        entry.field(letter).unwrap_or_default().split_whitespace().map(str::to_owned).collect()
    };
    let same = |letter: &u8| terms(&own, *letter) == terms(entry, *letter);
    Ok(package.object_id() == *object && b"Dpik".iter().all(same))
}
