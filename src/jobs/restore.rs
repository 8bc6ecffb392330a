//! All of a backup brought back: store, configuration, keys and the live tree, verified, ready to serve.
//!
//! The order is that of what is believed: the backup's signer first, then every object by the digest that the signed list gives
//! it. Until the end the store is one that only the same restore opens (see [`crate::disk::layout`]): killed at any moment, the
//! same command goes on where it was. What is live comes last but for that end.
//!
//! Into a store that is there, a restore adds what is missing and removes nothing: objects, records, trees, files. What is live
//! stays live; damaged objects are replaced by good ones.

mod error;
mod live;
mod part;
mod place;
mod records;
mod source;
mod trust;

use std::collections::{BTreeSet, HashSet};
use std::num::NonZero;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use jiff::Timestamp;
use serde::Serialize;

use super::{Error, Mirror};
use crate::apk::{KeyId, ObjectId, RepositoryName};
use crate::backup::{Backup, Target};
use crate::disk::durable;
use crate::disk::layout::{self, PublicTree, Store};
use crate::disk::lock::{Lock, Patience, Purpose};
use crate::places::Folder;
use crate::plan::publish::Generation;
use crate::pool::{Pool, parse_refs};
use crate::report::{Reporter, Work};
use crate::snapshot::backup::{BackupId, StoredForm};

use part::Part;
use place::{CONFIG, Destination};
use source::Source;
use trust::{Believed, believed};

pub use error::CannotRestore;
pub use source::Lost;
pub use trust::{OpenWith, Proof, Trust};

/// What is to be restored.
#[derive(Clone, Debug)]
pub struct RestoreRequest {
    /// The folder that is the target.
    pub from: PathBuf,
    /// Which backup: an id or its beginning, a time or a date; none: the newest.
    pub at: Option<String>,
    /// Below which folder; none: where it was.
    pub to: Option<PathBuf>,
    /// Whom to trust.
    pub trust: Trust,
    /// What may be there already.
    pub into: Into,
    /// Only these repositories; empty: all.
    pub only: Vec<RepositoryName>,
    /// What becomes of a backup of which something is lost.
    pub loss: Loss,
    /// Threads that read at once.
    pub threads: NonZero<usize>,
    /// How long to wait for another run.
    pub patience: Patience,
    /// The time of the call.
    pub now: Timestamp,
}

/// What may be where a backup is restored to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Into {
    /// Nothing.
    #[default]
    Empty,
    /// A store, to which is added what it lacks.
    Existing,
}

/// What becomes of a backup of which something is lost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Loss {
    /// Nothing of it is shown to clients.
    #[default]
    Refuse,
    /// The rest is.
    KeepGoing,
}

/// What came back, or would.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RestoreReport {
    /// When the backup was made.
    pub at: Timestamp,
    /// Which it is.
    pub id: BackupId,
    /// Who signed it, by the label or the encrypted part.
    pub signer: KeyId,
    /// Why that is believed.
    pub proof: Proof,
    /// Packages that are in the pool now.
    pub objects: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Always: nothing else is taken in.
    pub verified: bool,
    /// Of the objects, how many took the place of one that was damaged.
    pub healed: u64,
    /// The configuration's file.
    pub config: PathBuf,
    /// The store.
    pub store: PathBuf,
    /// The public link.
    pub public: PathBuf,
    /// The snapshot that was in force.
    pub snapshot: Option<String>,
    /// The generation that was live in it.
    pub was_live: Option<u64>,
    /// The one that is live now.
    pub generation: Option<u64>,
    /// Generations whose trees came back.
    pub trees: BTreeSet<u64>,
    /// Private files that came back.
    pub keys: Vec<PathBuf>,
    /// Private files that did not: they were left out of the backup, or nothing opened its encrypted part.
    pub without_keys: Vec<PathBuf>,
    /// Files that are there with other bytes, and stay.
    pub differ: Vec<PathBuf>,
    /// What did not come back.
    pub lost: Vec<Lost>,
    /// How long it took.
    pub seconds: f64,
}

/// What would be done, or is about to be.
struct Plan {
    backup: Backup,
    signer: KeyId,
    proof: Proof,
    destination: Destination,
    generations: Vec<Generation>,
    /// None where all of it is asked for.
    part: Option<Part>,
    wanted: HashSet<ObjectId>,
    bytes: u64,
    without_keys: Vec<PathBuf>,
}

/// Opens the target and tells what would come back; changes nothing.
pub fn show(request: &RestoreRequest) -> Result<RestoreReport, Error> {
    let started = Instant::now();
    let target = open(request)?;
    let Believed { backup, vault, signer, proof } = believed(&target, request.at.as_deref(), &request.trust)?;
    let mut lost = missing(&target, &backup)?;
    let mut source = Source::new(&target, &backup);
    let plan = plan(request, &backup, vault, (signer, proof), &mut source)?;
    if request.into == Into::Empty {
        require_empty(&plan, &source)?;
    }
    lost.append(&mut source.lost);
    Ok(report(&plan, started).with(|report| {
        report.lost = lost;
        report.keys = plan.destination.private.iter().map(|(path, _, _)| path.clone()).collect();
    }))
}

/// Restores.
pub fn restore(request: &RestoreRequest, reporter: &Arc<dyn Reporter>) -> Result<RestoreReport, Error> {
    let started = Instant::now();
    let target = open(request)?;
    let Believed { backup, vault, signer, proof } = believed(&target, request.at.as_deref(), &request.trust)?;
    let mut source = Source::new(&target, &backup);
    for lost in missing(&target, &backup)? {
        reporter.warning(&format!("{}: {}", lost.what, lost.message));
    }
    if proof == Proof::Recipient {
        reporter.warning(&format!(
            "nothing but the disk says who wrote this: whoever knows a recipient's public name could have. Compare the label: \
             signed by {}, --key {}",
            signer.name, signer.fingerprint
        ));
    }
    let plan = plan(request, &backup, vault, (signer, proof), &mut source)?;
    let destination = &plan.destination;
    let store = match request.into {
        Into::Empty => {
            require_empty(&plan, &source)?;
            Store::begin_restore(&destination.store, backup.id().as_str())?
        }
        Into::Existing => existing(destination, &backup)?,
    };
    let lock = Lock::take(&store, Purpose::Restore, request.now, request.patience)?;
    // Another restore may have had the lock before: whose store is it now?
    if request.into == Into::Empty {
        Store::begin_restore(&destination.store, backup.id().as_str())?;
    }
    require_space(&store, &plan)?;
    let differ = destination.write_files(&mut source)?;

    let pool = Pool::open(&store.pool_folder())?;
    reporter.work_begun(Work::Restore, plan.wanted.len() as u64, plan.bytes);
    let restoring = pool.restoring()?;
    let wanted = |object: &ObjectId| plan.wanted.contains(object);
    let restored =
        source.shelf().restore(&wanted, &restoring, request.threads, &|bytes| reporter.object_done(bytes))?;
    let refs = source.text(records::REFS)?.unwrap_or_default();
    restoring.finish(&parse_refs(refs.as_bytes()))?;
    reporter.work_done(Work::Restore);
    let (objects, bytes, healed) = (restored.objects, restored.bytes, restored.healed);
    source.note_objects(restored.lost, &plan.generations);
    note_absent(&mut source, &plan);
    if request.loss == Loss::Refuse {
        source.require_all()?;
    }
    records::write(&store, destination, &mut source, plan.part.as_ref())?;
    let mirror = Mirror::on(&destination.config, store)?;
    if plan.part.is_some() {
        let is_ours = |number| mirror.store.restoring_file().exists() || !mirror.store.generation_file(number).exists();
        for generation in plan.generations.iter().filter(|generation| is_ours(generation.number)) {
            mirror.ledger.save_generation(generation)?;
        }
    }
    let (fitting, undone) = part::fitting(&mirror, &plan.generations);
    live::make_trees(&mirror, fitting, &mut source)?;
    if request.loss == Loss::Refuse {
        source.require_all()?;
    }
    live::record(&mirror, &backup, &plan.signer, request.now)?;
    let generation = live::show(&mirror, &backup, &plan.generations, request.now, &**reporter)?;
    if mirror.store.restoring_file().exists() {
        mirror.store.end_restore(&lock)?;
    }
    let mut lost = std::mem::take(&mut source.lost);
    lost.dedup();
    // The medium has them: nothing was held up for their sake.
    lost.extend(undone);
    Ok(report(&plan, started).with(|report| {
        (report.objects, report.bytes, report.healed) = (objects, bytes, healed);
        report.keys = destination.private.iter().map(|(path, _, _)| path.clone()).collect();
        (report.generation, report.differ, report.lost) = (generation, differ, lost);
    }))
}

fn open(request: &RestoreRequest) -> Result<Target, Error> {
    Ok(Target::open(Arc::new(Folder::new(&request.from))).map_err(CannotRestore::from)?)
}

fn plan(
    request: &RestoreRequest,
    backup: &Backup,
    vault: Option<crate::backup::Vault>,
    (signer, proof): (KeyId, Proof),
    source: &mut Source<'_>,
) -> Result<Plan, Error> {
    let manifest = backup.manifest();
    let without_keys = match (&vault, &manifest.sealed) {
        (None, Some(sealed)) => sealed.files.clone(),
        _ => manifest.left_out.clone(),
    };
    let Some(text) = source.text(CONFIG)? else {
        // Without it nobody knows where anything goes, whatever else is there.
        source.require_all()?;
        return Err(CannotRestore::Record { id: manifest.id.clone(), path: CONFIG.into() }.into());
    };
    let destination = Destination::of(manifest, &text, vault, request.to.as_deref())?;
    if proof == Proof::Recipient && request.to.is_none() {
        destination.require_own_ground(&manifest.id, &signer)?;
    }
    let generations = live::generations(source, backup, &request.only)?;
    for name in &request.only {
        let has = |generation: &Generation| generation.repositories.iter().any(|state| state.name == *name);
        if !generations.iter().any(has) {
            return Err(CannotRestore::NoRepository { id: manifest.id.clone(), name: name.clone() }.into());
        }
    }
    let published = published(&generations);
    let part = if request.only.is_empty() { None } else { Some(Part::of(source, &published)?) };
    let wanted = match &part {
        Some(part) => part.objects.clone(),
        None => wanted(backup, source, &published)?,
    };
    let sizes = backup.objects().iter().filter(|stored| wanted.contains(&stored.sha256));
    let bytes = sizes.map(|stored| stored.size).sum();
    Ok(Plan { backup: backup.clone(), signer, proof, destination, generations, part, wanted, bytes, without_keys })
}

fn published(generations: &[Generation]) -> HashSet<ObjectId> {
    let states = generations.iter().flat_map(|generation| &generation.repositories);
    states.flat_map(|state| &state.files).map(|placed| placed.object).collect()
}

/// The objects that belong into the pool: all but files, and but what is only there because a delta is over it.
fn wanted(backup: &Backup, source: &mut Source<'_>, published: &HashSet<ObjectId>) -> Result<HashSet<ObjectId>, Error> {
    let refs = source.text(records::REFS)?.unwrap_or_default();
    let known: HashSet<ObjectId> = parse_refs(refs.as_bytes()).into_iter().map(|one| one.object()).collect();
    let files = source.file_objects();
    let base = |form: &StoredForm| match form {
        StoredForm::Whole => None,
        StoredForm::Delta { base, .. } => Some(*base),
    };
    let bases: HashSet<ObjectId> = backup.objects().iter().filter_map(|stored| base(&stored.form)).collect();
    let belongs = |object: &ObjectId| {
        published.contains(object) || known.contains(object) || !(files.contains(object) || bases.contains(object))
    };
    Ok(backup.objects().iter().map(|stored| stored.sha256).filter(belongs).collect())
}

/// Segments that are not there whole: what they hold is lost.
fn missing(target: &Target, backup: &Backup) -> Result<Vec<Lost>, Error> {
    use crate::error::Trouble as _;
    let missing = backup.missing_segments(target).map_err(CannotRestore::from)?;
    let lost = |error: crate::backup::Error| Lost {
        what: "a segment".into(),
        code: error.code(),
        message: super::error::in_one_line(&error),
    };
    Ok(missing.into_iter().map(lost).collect())
}

/// Packages that were lost before the backup was made.
fn note_absent(source: &mut Source<'_>, plan: &Plan) {
    let mut told = HashSet::new();
    for state in plan.generations.iter().rev().flat_map(|generation| &generation.repositories) {
        for placed in &state.files {
            if source.shelf().find(&placed.object).is_none() && told.insert(placed.object) {
                let what = format!("{}/{}/{}", state.name, state.arch, placed.file.as_str());
                source.note(what, "object-missing", "it was lost before the backup was made".into());
            }
        }
    }
}

/// Nothing is where the backup goes, or what the same restore left there when it was stopped.
fn require_empty(plan: &Plan, source: &Source<'_>) -> Result<(), Error> {
    let destination = &plan.destination;
    let resumed = match Store::open(&destination.store) {
        Err(layout::Error::Absent { .. }) => false,
        Err(layout::Error::Restoring { backup, .. }) if backup == plan.backup.id().as_str() => true,
        Err(layout::Error::Restoring { path, backup: begun }) => {
            return Err(layout::Error::RestoringOther { path, begun, asked: plan.backup.id().to_string() }.into());
        }
        Ok(_) => return Err(layout::Error::Exists { path: destination.store.clone() }.into()),
        Err(error) => return Err(error.into()),
    };
    destination.require_free(source)?;
    let tree = PublicTree::new(&destination.public);
    match tree.live()? {
        Some(live) if !resumed => Err(CannotRestore::Public { path: destination.public.clone(), live }.into()),
        _ => Ok(()),
    }
}

fn existing(destination: &Destination, backup: &Backup) -> Result<Store, Error> {
    match Store::open(&destination.store) {
        Ok(store) => Ok(store),
        // There is none: `--into-existing` allows for a store, and asks for none.
        Err(layout::Error::Absent { .. } | layout::Error::Restoring { .. }) => {
            Ok(Store::begin_restore(&destination.store, backup.id().as_str())?)
        }
        Err(error) => Err(error.into()),
    }
}

fn require_space(store: &Store, plan: &Plan) -> Result<(), Error> {
    let pool = Pool::look(&store.pool_folder())?;
    let new = plan.backup.objects().iter().filter(|stored| plan.wanted.contains(&stored.sha256));
    let objects: u64 = new.filter(|stored| !pool.has(&stored.sha256)).map(|stored| stored.size).sum();
    let files: u64 = plan.backup.files().iter().map(|file| file.size).sum();
    let needed = objects + files;
    let free = durable::free_bytes(store.root())?;
    if needed <= free {
        return Ok(());
    }
    Err(CannotRestore::TooLittleSpace { path: store.root().to_owned(), needed, free }.into())
}

fn report(plan: &Plan, started: Instant) -> RestoreReport {
    let manifest = plan.backup.manifest();
    let destination = &plan.destination;
    RestoreReport {
        at: manifest.time,
        id: manifest.id.clone(),
        signer: plan.signer.clone(),
        proof: plan.proof,
        objects: plan.wanted.len() as u64,
        bytes: plan.bytes,
        verified: true,
        healed: 0,
        config: destination.config_file.clone(),
        store: destination.store.clone(),
        public: destination.public.clone(),
        snapshot: manifest.snapshot.clone(),
        was_live: manifest.live,
        generation: None,
        trees: plan.generations.iter().map(|generation| generation.number).collect(),
        keys: Vec::new(),
        without_keys: plan.without_keys.clone(),
        differ: Vec::new(),
        lost: Vec::new(),
        seconds: started.elapsed().as_secs_f64(),
    }
}

impl RestoreReport {
    fn with(mut self, fill: impl FnOnce(&mut Self)) -> Self {
        fill(&mut self);
        self
    }

    /// Whether all of it came back.
    pub fn is_whole(&self) -> bool {
        self.lost.is_empty()
    }
}
