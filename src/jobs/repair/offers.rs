//! Who may have what is wrong, the nearest first. Nothing is fetched here, and nobody on the network is asked.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::folders::Files;
use super::look::{Bad, Seen};
use crate::apk::{Arch, KeyId, ObjectId, PackageFile, SourceName};
use crate::backup::catalog::{self, Backup, Unverified};
use crate::backup::{self, Target};
use crate::bundle::{self, Offered, Verified, Volume};
use crate::config::{Source, SourceKind};
use crate::error::{Class, Trouble as _};
use crate::finding::Finding;
use crate::jobs::check::{hash, tolerate};
use crate::jobs::error::in_one_line;
use crate::jobs::import::{deliveries, inbox};
use crate::jobs::{Error, Mirror, backup as backups, seal};
use crate::places::Folder;
use crate::report::Reporter;
use crate::sign::rotation::UsedKey;
use crate::sources::seed::Seed;
use crate::sources::{self, PackageRequest, directory};
use crate::verify::{Keyring, PublicKey};

/// Who may have what.
#[derive(Default)]
pub(super) struct Offers {
    /// Files that may be an object, by object.
    pub(super) files: BTreeMap<ObjectId, Vec<PathBuf>>,
    /// Files that may be any index.
    pub(super) indexes: Vec<PathBuf>,
    /// Backups, the newest of each target first.
    pub(super) backups: Vec<Shelved>,
    /// Volumes of bundles.
    pub(super) bundles: Vec<Opened>,
    /// What may be asked for by URL, by object.
    pub(super) urls: BTreeMap<ObjectId, Vec<Request>>,
    /// Media that are not there.
    pub(super) away: Vec<Away>,
    /// Records of ours that say whom to believe, and do not read.
    pub(super) unreadable: Vec<Finding>,
}

/// A backup that has something of what is wanted.
pub(super) struct Shelved {
    pub(super) target: Target,
    pub(super) backup: Backup,
    pub(super) objects: BTreeSet<ObjectId>,
}

impl Shelved {
    pub(super) fn shown(&self) -> String {
        format!("backup {} in {}", self.backup.id(), self.target.place().shown())
    }
}

/// A volume of a bundle that has something of what is wanted.
pub(super) struct Opened {
    pub(super) volume: Volume,
    pub(super) verified: Verified,
    pub(super) objects: BTreeSet<ObjectId>,
}

impl Opened {
    pub(super) fn shown(&self) -> String {
        format!("bundle {}", self.volume.path().display())
    }
}

/// A package as one source lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Request {
    pub(super) source: SourceName,
    pub(super) path: String,
    pub(super) arch: Arch,
    pub(super) file: PackageFile,
    pub(super) size: u64,
}

impl Request {
    pub(super) fn as_package(&self) -> PackageRequest<'_> {
        PackageRequest { path: &self.path, arch: &self.arch, file: &self.file, size: self.size }
    }
}

/// A medium that is not there, and may have what is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Away {
    /// What it is, and what is the matter.
    pub(super) what: String,
    /// Of which source; none: it may have anything.
    pub(super) source: Option<SourceName>,
}

impl Away {
    /// Whether it may have this object.
    pub(super) fn may_have(&self, bad: &Bad) -> bool {
        let Some(source) = &self.source else { return true };
        let mut keys = bad.names.iter().filter_map(|name| name.key.as_ref()).peekable();
        keys.peek().is_none() || keys.any(|key| key.source == *source)
    }
}

impl Offers {
    /// Looks at trees, seeds, directory sources, backups and bundles, then at what `from` names.
    ///
    /// # Errors
    /// Where `from` names what is not there: whoever named it must know.
    pub(super) fn collect(
        mirror: &Mirror<'_>,
        seen: &Seen,
        from: &[PathBuf],
        reporter: &dyn Reporter,
    ) -> Result<Offers, Error> {
        let mut offers = Offers::default();
        for path in from {
            std::fs::metadata(path).map_err(|cause| sources::Error::Folder { path: path.clone(), cause })?;
        }
        let wanted = Wanted::of(seen);
        if wanted.is_nothing() {
            return Ok(offers);
        }
        for (object, bad) in &seen.objects {
            offers.files.entry(*object).or_default().extend(bad.copies.iter().cloned());
        }
        for source in mirror.config.sources.values() {
            offers.of_source(source, seen, &wanted, reporter);
        }
        // Without this record, nobody is known who may have signed backups and bundles, but whom the configuration names.
        let signing = tolerate(mirror.ledger.signing(), &mut offers.unreadable)?;
        let used: Vec<UsedKey> = signing.into_iter().flat_map(|signing| signing.used).collect();
        let (keys, keyrings) = (keys(mirror, &used), keyrings(mirror, used)?);
        let collector = Collector { wanted: &wanted, reporter, keys, keyrings };
        for backup in mirror.config.backups.values() {
            match backups::target::open(backup) {
                Ok(target) => collector.backups(&mut offers, target),
                Err(error) if error.class() == Class::Upstream => offers
                    .away
                    .push(Away { what: format!("backup \"{}\": {}", backup.name, in_one_line(&error)), source: None }),
                Err(error) => reporter.warning(&format!("backup \"{}\": {}", backup.name, in_one_line(&error))),
            }
        }
        for inbox in inbox::all(mirror.config)? {
            if !inbox.folder.exists() {
                let what =
                    format!("the bundles of source \"{}\": there is no {}", inbox.source, inbox.folder.display());
                offers.away.push(Away { what, source: Some(inbox.source) });
                continue;
            }
            if std::fs::read_dir(&inbox.folder).is_ok_and(|mut entries| entries.next().is_none()) {
                let what = format!("the bundles of source \"{}\": {} is empty", inbox.source, inbox.folder.display());
                offers.away.push(Away { what, source: Some(inbox.source) });
                continue;
            }
            collector.bundles(&mut offers, &inbox.folder);
        }
        for path in from {
            collector.path(&mut offers, path)?;
        }
        // Deltas are over what earlier ones brought.
        offers.bundles.sort_by(|a, b| a.verified.manifest().id.cmp(&b.verified.manifest().id));
        Ok(offers)
    }

    fn of_source(&mut self, source: &Source, seen: &Seen, wanted: &Wanted, reporter: &dyn Reporter) {
        match &source.kind {
            SourceKind::Url { seed, .. } => {
                let (seed, missing) = Seed::open(seed.iter().cloned());
                self.away.extend(missing.into_iter().map(|missing| Away {
                    what: format!("a seed of source \"{}\": there is no {}", source.name, missing.subject),
                    source: Some(source.name.clone()),
                }));
                for (object, bad) in &seen.objects {
                    for request in requests(source, bad) {
                        self.files.entry(*object).or_default().extend(seed.find(&request.as_package()));
                        self.urls.entry(*object).or_default().push(request);
                    }
                }
            }
            SourceKind::Directory { path, .. } => match directory::scan(path) {
                Ok(scan) => {
                    let files = scan.candidates.into_iter().map(|one| (one.stamp.size, one.path));
                    files.for_each(|(size, path)| self.add_file(wanted, size, &path));
                }
                Err(error) if error.class() == Class::Upstream => self.away.push(Away {
                    what: format!("source \"{}\": {}", source.name, in_one_line(&error)),
                    source: Some(source.name.clone()),
                }),
                Err(error) => reporter.warning(&format!("source \"{}\": {}", source.name, in_one_line(&error))),
            },
            // Its folder is looked at as a medium.
            SourceKind::Bundles { .. } => {}
        }
    }

    /// A file of this size may be any object of it.
    fn add_file(&mut self, wanted: &Wanted, size: u64, path: &Path) {
        for object in wanted.by_size.get(&size).into_iter().flatten() {
            let files = self.files.entry(*object).or_default();
            if !files.iter().any(|known| known == path) {
                files.push(path.to_owned());
            }
        }
    }

    /// Who would give an object, or be asked first for it; none: nobody is known who may have it. Files are read.
    pub(super) fn first(&self, object: &ObjectId) -> Option<String> {
        let is_it = |path: &&PathBuf| hash(path).is_ok_and(|digest| digest == *object);
        let file = self.files.get(object).and_then(|files| files.iter().find(is_it));
        let file = file.map(|path| path.display().to_string());
        let backup = || self.backups.iter().find(|one| one.objects.contains(object)).map(Shelved::shown);
        let bundle = || self.bundles.iter().find(|one| one.objects.contains(object)).map(Opened::shown);
        let url = || self.urls.get(object)?.first().map(|request| format!("source \"{}\"", request.source));
        file.or_else(backup).or_else(bundle).or_else(url)
    }
}

/// An object as `source` lists it, in each place.
fn requests(source: &Source, bad: &Bad) -> Vec<Request> {
    let mut requests: Vec<Request> = Vec::new();
    for name in &bad.names {
        let (Some(key), Some(arch)) = (&name.key, &name.arch) else { continue };
        let request = Request {
            source: source.name.clone(),
            path: key.path.clone(),
            arch: arch.clone(),
            file: name.file.clone(),
            size: bad.size,
        };
        if key.source == source.name && !requests.contains(&request) {
            requests.push(request);
        }
    }
    requests
}

/// What is wanted, as a medium is asked.
struct Wanted {
    by_size: BTreeMap<u64, Vec<ObjectId>>,
    /// Objects, and index files.
    all: BTreeSet<ObjectId>,
    indexes: BTreeSet<ObjectId>,
}

impl Wanted {
    fn of(seen: &Seen) -> Wanted {
        let mut by_size: BTreeMap<u64, Vec<ObjectId>> = BTreeMap::new();
        for (object, bad) in &seen.objects {
            by_size.entry(bad.size).or_default().push(*object);
        }
        let indexes: BTreeSet<ObjectId> = seen.indexes.iter().map(|bad| bad.index).collect();
        Wanted { by_size, all: seen.objects.keys().chain(&indexes).copied().collect(), indexes }
    }

    fn is_nothing(&self) -> bool {
        self.all.is_empty()
    }
}

/// Looks through media. What cannot be read or is not believed is a warning: something else may have what is wanted.
struct Collector<'c> {
    wanted: &'c Wanted,
    reporter: &'c dyn Reporter,
    /// Who may have signed backups.
    keys: Vec<KeyId>,
    /// Who may have made bundles.
    keyrings: Vec<Keyring>,
}

impl Collector<'_> {
    /// The backups of one target that have something, until all is found.
    fn backups(&self, offers: &mut Offers, target: Target) {
        let mut missing = self.wanted.all.clone();
        let ids = match catalog::ids(&target) {
            Ok((ids, _)) => ids,
            Err(error) => return self.warn(&target.place().shown(), &error),
        };
        for id in ids.iter().rev() {
            if missing.is_empty() {
                return;
            }
            let opened = Unverified::open(&target, id).and_then(|one| one.verify(|key| self.keys.contains(key)));
            let backup = match opened {
                Ok(backup) => backup,
                Err(error) => {
                    self.warn(&target.place().shown(), &error);
                    continue;
                }
            };
            let there = backup.objects().iter().map(|stored| stored.sha256);
            let objects: BTreeSet<ObjectId> = there.filter(|object| missing.contains(object)).collect();
            if !objects.is_empty() {
                missing.retain(|object| !objects.contains(object));
                offers.backups.push(Shelved { target: target.clone(), backup, objects });
            }
        }
    }

    /// The bundles at `path`: a file, or a folder of them.
    fn bundles(&self, offers: &mut Offers, path: &Path) {
        let files = match deliveries::files(path) {
            Ok(files) => files,
            Err(error) => return self.warn(&path.display().to_string(), &error),
        };
        for file in files {
            match self.bundle(&file) {
                Ok((volume, verified)) => {
                    let has = Offered::of(&volume, &verified, |object| self.wanted.all.contains(object));
                    let objects: BTreeSet<ObjectId> = has.iter().map(|offered| offered.packed().sha256).collect();
                    drop(has);
                    if !objects.is_empty() {
                        offers.bundles.push(Opened { volume, verified, objects });
                    }
                }
                Err(error) => self.warn(&file.display().to_string(), &error),
            }
        }
    }

    fn bundle(&self, file: &Path) -> Result<(Volume, Verified), bundle::Error> {
        let volume = Volume::open(file)?;
        let mut refused = bundle::Error::UnknownSigner { path: file.to_owned(), signers: volume.claimed_signers() };
        for keyring in &self.keyrings {
            match volume.verify(keyring) {
                Ok(verified) => return Ok((volume, verified)),
                Err(bundle::Error::UnknownSigner { .. }) => {}
                Err(error) => refused = error,
            }
        }
        Err(refused)
    }

    /// What the command line names: whatever it is.
    fn path(&self, offers: &mut Offers, path: &Path) -> Result<(), Error> {
        let failed = |cause| sources::Error::Folder { path: path.to_owned(), cause };
        let path = std::fs::canonicalize(path).map_err(failed)?;
        let files = Files::below(&path, &|size| self.wanted.by_size.contains_key(&size));
        files.unreadable.iter().for_each(|line| self.reporter.warning(line));
        for folder in &files.targets {
            match Target::open(Arc::new(Folder::new(folder))) {
                Ok(target) => self.backups(offers, target),
                Err(error) => self.warn(&folder.display().to_string(), &error),
            }
        }
        files.bundles.iter().for_each(|file| self.bundles(offers, file));
        for (size, path) in files.by_size.iter().flat_map(|(size, paths)| paths.iter().map(move |path| (size, path))) {
            offers.add_file(self.wanted, *size, path);
        }
        if !self.wanted.indexes.is_empty() {
            offers.indexes.extend(files.indexes);
        }
        Ok(())
    }

    fn warn(&self, what: &str, error: &(dyn std::error::Error + 'static)) {
        self.reporter.warning(&format!("{what}: {}", in_one_line(error)));
    }
}

/// All keys that sign for us, or ever did. A key that cannot be opened now signed under a name that is remembered.
fn keys(mirror: &Mirror<'_>, used: &[UsedKey]) -> Vec<KeyId> {
    let mut keys: Vec<KeyId> = used.iter().map(|used| used.key.clone()).collect();
    if let Ok(Some(seal)) = seal::of_config(mirror.config) {
        keys.extend(seal.keys());
    }
    keys
}

/// Whoever makes bundles for us, and we ourselves, who make them for others.
fn keyrings(mirror: &Mirror<'_>, used: Vec<UsedKey>) -> Result<Vec<Keyring>, Error> {
    let mut ours = Keyring::new();
    for used in used {
        // Two of one name cannot be: a key is refused that would be the second.
        if let Ok(key) = PublicKey::parse(used.key.name, used.pem.as_bytes()) {
            let _ = ours.add(key);
        }
    }
    Ok(inbox::all(mirror.config)?.into_iter().map(|inbox| inbox.keyring).chain([ours]).collect())
}

/// Whether an error of a backup says that its medium is not there.
pub(super) fn is_away(error: &backup::Error) -> bool {
    error.class() == Class::Upstream
}
