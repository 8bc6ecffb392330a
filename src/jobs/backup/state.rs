//! What a backup is of: the store's records, every package and index file that they name, the configuration and what it names.
//!
//! No lock is held, so another run may move on meanwhile. What is read first is what others depend on least: snapshots and
//! generations, and after them the memory that is saved *before* a snapshot is (`trust.json`). So what is in the backup never
//! names what is not in it, and a memory that knows more than its snapshot is what a stopped run leaves, too.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, Cursor, Read};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use super::CannotBackup;
use crate::apk::ObjectId;
use crate::apk::names::{Arch, PackageFile, Place, RepositoryName, TreeName};
use crate::backup::save::{Shelf, Wanted};
use crate::disk::durable;
use crate::jobs::prune::bundled;
use crate::jobs::{Error, Mirror};
use crate::ledger;
use crate::plan::publish::{Generation, RepositoryState};
use crate::snapshot::backup::{KeptFile, KeptPath};

/// The evidence is only ever added to: in pieces of this size, bytes, a backup stores what came since and little more.
const PIECE: usize = 1 << 20;

/// Our own state.
#[derive(Debug, Default)]
pub(super) struct State {
    /// Every file that is no package.
    pub(super) files: Vec<KeptFile>,
    /// Every object, files first, each once.
    pub(super) wanted: Vec<Wanted>,
    /// Packages of the generations, by object: what they are called, and where.
    pub(super) packages: HashMap<ObjectId, (RepositoryName, Arch, PackageFile)>,
    pub(super) snapshot: Option<String>,
    pub(super) live: Option<u64>,
    pub(super) beside: BTreeMap<TreeName, u64>,
    pub(super) trees: BTreeSet<u64>,
    /// For `sha256sum -c`: the packages and indexes of the live tree.
    live_sums: String,
    sources: HashMap<ObjectId, Source>,
    pool: PathBufOf,
    seen: HashSet<ObjectId>,
}

/// Where an object's bytes are; in the pool, unless it says otherwise.
#[derive(Debug)]
enum Source {
    File(PathBuf),
    Memory(Vec<u8>),
}

/// Where the pool keeps an object.
#[derive(Debug, Default)]
struct PathBufOf(Option<crate::pool::Pool>);

impl Shelf for State {
    fn open(&self, wanted: &Wanted) -> io::Result<Box<dyn Read + '_>> {
        Ok(match self.sources.get(&wanted.object) {
            Some(Source::Memory(bytes)) => Box::new(Cursor::new(bytes)),
            Some(Source::File(path)) => Box::new(File::open(path)?),
            None => {
                let pool = self.pool.0.as_ref().ok_or(io::ErrorKind::NotFound)?;
                Box::new(File::open(pool.path(&wanted.object))?)
            }
        })
    }
}

impl State {
    /// All of it, as it is now. `former` tells of files of the last backup: records that never change are not hashed again.
    pub(super) fn of(mirror: &Mirror<'_>, former: &[KeptFile]) -> Result<Self, Error> {
        let former = Former::new(former);
        let mut state = State { pool: PathBufOf(Some(mirror.pool.clone())), ..State::default() };
        state.generations(mirror, &former)?;
        state.snapshots(mirror, &former)?;
        for object in bundled(mirror)? {
            state.package(mirror, object)?;
        }
        state.records(mirror)?;
        Ok(state)
    }

    /// Adds a file of which the bytes are here.
    pub(super) fn add(&mut self, path: KeptPath, bytes: Vec<u8>, mode: u32, modified: i64) -> ObjectId {
        let sha256 = ObjectId::new(Sha256::digest(&bytes).into());
        let size = bytes.len() as u64;
        self.files.push(KeptFile { sha256, size, mode, modified, path });
        if self.want(sha256, size) {
            self.sources.insert(sha256, Source::Memory(bytes));
        }
        sha256
    }

    /// Adds a file whose bytes are in the target already.
    pub(super) fn add_stored(&mut self, file: KeptFile) {
        self.want(file.sha256, file.size);
        self.files.push(file);
    }

    /// Adds a file of this host; none where it is not there.
    pub(super) fn add_file(&mut self, path: KeptPath, from: &Path) -> Result<Option<ObjectId>, Error> {
        let Some(bytes) = durable::read_if_present(from)? else { return Ok(None) };
        let found = from.metadata().map_err(|cause| durable::Error::new("look at", from, cause))?;
        Ok(Some(self.add(path, bytes, found.mode() & 0o7777, found.mtime())))
    }

    /// For `sha256sum -c`: all files, and the live tree, under the paths that a restore gives them.
    pub(super) fn sums(&self) -> String {
        let mut text = String::new();
        for KeptFile { sha256, path, .. } in &self.files {
            line(&mut text, sha256, path.as_str());
        }
        text + &self.live_sums
    }

    /// In which order objects are stored: what nothing comes back without goes first, packages last. Of a segment that is cut
    /// short the beginning is there.
    pub(super) fn by_worth(&self) -> impl Fn(&Wanted) -> u8 + use<> {
        let is_first = |file: &&KeptFile| !file.path.as_str().contains('/');
        let first: HashSet<ObjectId> = self.files.iter().filter(is_first).map(|file| file.sha256).collect();
        let files: HashSet<ObjectId> = self.files.iter().map(|file| file.sha256).collect();
        move |wanted| match () {
            () if first.contains(&wanted.object) => 0,
            () if files.contains(&wanted.object) => 1,
            () => 2,
        }
    }

    fn want(&mut self, object: ObjectId, size: u64) -> bool {
        let new = self.seen.insert(object);
        if new {
            self.wanted.push(Wanted { object, size });
        }
        new
    }

    fn package(&mut self, mirror: &Mirror<'_>, object: ObjectId) -> Result<(), Error> {
        if self.seen.contains(&object) {
            return Ok(());
        }
        let path = mirror.pool.path(&object);
        let size = match path.symlink_metadata() {
            Ok(found) => found.len(),
            // Told when it is to be stored.
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => 0,
            Err(cause) => return Err(durable::Error::new("look at", path, cause).into()),
        };
        self.want(object, size);
        Ok(())
    }

    /// A record of the store that never changes under its name.
    fn record(&mut self, mirror: &Mirror<'_>, former: &Former<'_>, path: &Path) -> Result<(), Error> {
        let kept = kept_path(mirror, path)?;
        let found = match path.symlink_metadata() {
            Ok(found) => found,
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => {
                return Err(ledger::Error::Missing(path.to_owned()).into());
            }
            Err(cause) => return Err(durable::Error::new("look at", path, cause).into()),
        };
        if let Some(file) = former.same(&kept, found.len(), found.mtime()) {
            if self.want(file.sha256, file.size) {
                self.sources.insert(file.sha256, Source::File(path.to_owned()));
            }
            self.files.push(file.clone());
            return Ok(());
        }
        match self.add_file(kept, path)? {
            Some(_) => Ok(()),
            None => Err(ledger::Error::Missing(path.to_owned()).into()),
        }
    }

    fn generations(&mut self, mirror: &Mirror<'_>, former: &Former<'_>) -> Result<(), Error> {
        let trees = mirror.tree.trees()?;
        self.live = mirror.tree.live()?;
        self.beside = mirror.tree.named()?;
        let recorded = mirror.ledger.generation_numbers()?;
        for number in recorded.into_iter().filter(|number| trees.contains(number)) {
            let generation = mirror.ledger.generation(number)?;
            let record = mirror.store.generation_file(number);
            self.record(mirror, former, &record)?;
            self.record(mirror, former, &record.with_extension("files"))?;
            for repository in &generation.repositories {
                self.repository(mirror, &generation, repository)?;
            }
            self.trees.insert(number);
        }
        if let Some(live) = self.live.filter(|live| !self.trees.contains(live)) {
            return Err(ledger::Error::Missing(mirror.store.generation_file(live)).into());
        }
        Ok(())
    }

    fn repository(
        &mut self,
        mirror: &Mirror<'_>,
        generation: &Generation,
        state: &RepositoryState,
    ) -> Result<(), Error> {
        let folder = state.name.folder(&state.arch);
        let is_live = generation.place == Place::Live && self.live == Some(generation.number);
        let index = mirror.tree.generation(generation.number).join(&folder).join("APKINDEX.tar.gz");
        let found = index.metadata().map_err(|cause| match cause.kind() {
            io::ErrorKind::NotFound => Error::from(ledger::Error::Missing(index.clone())),
            _ => durable::Error::new("look at", &index, cause).into(),
        })?;
        let path = kept(&format!("trees/{}/{}/APKINDEX.tar.gz", generation.number, folder.display()))?;
        let (sha256, size) = (state.index, found.len());
        self.files.push(KeptFile { sha256, size, mode: 0o644, modified: state.published.as_second(), path });
        if self.want(sha256, size) {
            self.sources.insert(sha256, Source::File(index));
        }
        if is_live {
            line(&mut self.live_sums, &sha256, &format!("public/{}/APKINDEX.tar.gz", folder.display()));
        }
        for placed in &state.files {
            self.want(placed.object, placed.size);
            let named = || (state.name.clone(), state.arch.clone(), placed.file.clone());
            self.packages.entry(placed.object).or_insert_with(named);
            if is_live {
                let path = format!("public/{}/{}", folder.display(), placed.file.as_str());
                line(&mut self.live_sums, &placed.object, &path);
            }
        }
        Ok(())
    }

    fn snapshots(&mut self, mirror: &Mirror<'_>, former: &Former<'_>) -> Result<(), Error> {
        let mut accepted = BTreeSet::new();
        for id in mirror.ledger.snapshot_ids()? {
            let snapshot = mirror.ledger.snapshot(&id)?;
            self.record(mirror, former, &mirror.store.snapshot_file(&id))?;
            accepted.extend(snapshot.indexes.iter().flat_map(|index| index.states().map(str::to_owned)));
            self.snapshot = Some(snapshot.id);
        }
        for id in accepted {
            let folder = mirror.store.accepted_folder().join(&id);
            for name in ["accepted.json", "APKINDEX.tar.gz", "objects"] {
                self.record(mirror, former, &folder.join(name))?;
            }
            for object in mirror.ledger.accepted_objects(&id)? {
                self.package(mirror, object)?;
            }
        }
        Ok(())
    }

    /// Records that change, and folders of them.
    fn records(&mut self, mirror: &Mirror<'_>) -> Result<(), Error> {
        let store = &mirror.store;
        for path in [
            store.trust_file(),
            store.signing_file(),
            store.pins_file(),
            store.withdrawn_file(),
            store.state_file(),
            store.epochs_file(),
        ] {
            self.add_file(kept_path(mirror, &path)?, &path)?;
        }
        for folder in [store.bundles_folder(), mirror.config.keyring_folder()] {
            self.folder(mirror, &folder)?;
        }
        let evidence = store.evidence_file();
        let bytes = durable::read_if_present(&evidence)?.unwrap_or_default();
        let modified = evidence.metadata().map_or(0, |found| found.mtime());
        for (number, piece) in bytes.chunks(PIECE).enumerate() {
            let path = kept(&format!("store/evidence.log.{:04}", number + 1))?;
            self.add(path, piece.to_vec(), 0o600, modified);
        }
        let refs = mirror.pool.refs_text(&self.seen);
        self.add(kept("store/pool/refs")?, refs.into_bytes(), 0o600, 0);
        Ok(())
    }

    fn folder(&mut self, mirror: &Mirror<'_>, folder: &Path) -> Result<(), Error> {
        let mut names = durable::list(folder)?;
        names.retain(|name| !durable::is_temporary(name.as_ref()));
        names.sort();
        for path in names.iter().map(|name| folder.join(name)) {
            if path.is_dir() {
                self.folder(mirror, &path)?;
            } else {
                self.add_file(kept_path(mirror, &path)?, &path)?;
            }
        }
        Ok(())
    }
}

/// Files of the last backup, by path.
struct Former<'f>(HashMap<&'f KeptPath, &'f KeptFile>);

impl<'f> Former<'f> {
    fn new(files: &'f [KeptFile]) -> Self {
        Former(files.iter().map(|file| (&file.path, file)).collect())
    }

    fn same(&self, path: &KeptPath, size: u64, modified: i64) -> Option<&'f KeptFile> {
        self.0.get(path).copied().filter(|file| (file.size, file.modified) == (size, modified))
    }
}

/// The path of a file of the store in a backup.
fn kept_path(mirror: &Mirror<'_>, path: &Path) -> Result<KeptPath, Error> {
    let below = path.strip_prefix(mirror.store.root()).expect("our records are below the store");
    kept(&format!("store/{}", below.display()))
}

pub(super) fn kept(path: &str) -> Result<KeptPath, Error> {
    path.parse().map_err(|_| CannotBackup::Path { path: path.into() }.into())
}

fn line(text: &mut String, sha256: &ObjectId, path: &str) {
    writeln!(text, "{sha256}  {path}").expect("writing to a string does not fail");
}
