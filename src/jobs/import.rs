//! What bundles bring, taken in: volumes are found and verified ([`deliveries`]), their objects go into the pool, and when all of
//! a bundle is here and its origin is proved ([`vet`]) its state is what the source gives from then on.
//!
//! ```text
//! medium ──verify──▶ objects into the pool ──all here?──▶ indexes and origin verified ──▶ in force ──▶ snapshot
//!                      │ nothing is undone                  │ refused: the former state stays
//! ```
//!
//! A bundle is named by its id, which tells the order: one that came before, and one that is older than what is in force, adds
//! objects at most. The medium is only read. A run that ended early is taken up by the next: objects that are here are passed
//! over, and manifests of which something is missing are remembered.

pub(in crate::jobs) mod deliveries;
pub(in crate::jobs) mod inbox;
mod vet;

use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use super::sync::space::require_bytes;
use super::sync::{Broken, Setback};
use super::{Error, Mirror};
use crate::apk::{ObjectId, SourceName};
use crate::bundle::{self, Place, Received, Shelf};
use crate::config::Config;
use crate::disk::durable;
use crate::disk::layout::Store;
use crate::disk::lock::Lock;
use crate::error::Class;
use crate::ledger::Ledger;
use crate::report::Reporter;
use crate::snapshot::manifest::{BundleId, Manifest, Packed, SUFFIX, What};
use deliveries::{Deliveries, Delivery};
use inbox::Inbox;
use vet::Lacking;

/// How many things a message names.
const NAMED: usize = 5;
/// How far the sender's clock may be ahead of ours.
const MOST_AHEAD: SignedDuration = SignedDuration::from_hours(24);

/// What became of one bundle.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct BundleReport {
    /// Its id; none for a file that is no bundle for us.
    pub id: Option<BundleId>,
    /// The source that it came for.
    pub source: Option<SourceName>,
    /// The files, as they were found.
    pub files: Vec<PathBuf>,
    /// What became of it.
    pub outcome: Outcome,
    /// Packages that are here now and were not before.
    pub packages: u64,
    /// Of those, how many were rebuilt from deltas.
    pub deltas_applied: u64,
    /// Bytes of objects that were read.
    pub bytes_read: u64,
    /// What went wrong.
    pub error: Option<Broken>,
}

/// What became of a bundle.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// All of it is here, and its state is in force.
    Imported,
    /// It was imported before.
    Before,
    /// It is older than what is in force: its objects are here, nothing else follows from it.
    Older,
    /// Something of it, or of what it builds on, is not here yet.
    Incomplete,
    /// It is not trusted, or not what it says.
    Refused,
}

/// Which bundles are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::jobs) enum Zeal {
    /// Those whose import was not finished: what a scheduled run finds on the medium again and again.
    Unfinished,
    /// All of them: somebody asked for it. What the pool has lost comes back.
    All,
    /// All of them, and what is older takes the place of what is in force: the sender went back, or its clock did.
    GoingBack,
}

/// The index files of one source.
struct SourceShelf<'a> {
    ledger: &'a Ledger,
    source: &'a SourceName,
}

impl Shelf for SourceShelf<'_> {
    fn index(&self, id: &ObjectId) -> durable::Result<Option<Vec<u8>>> {
        self.ledger.bundled_index(self.source, id)
    }

    fn keep(&self, bytes: &[u8]) -> durable::Result<()> {
        self.ledger.save_bundled_index(self.source, bytes).map(drop)
    }
}

/// Where bundles are looked for.
pub(in crate::jobs) enum Media {
    /// In the folders of the sources with bundles. One that is not there is a medium that is not: nothing came.
    Folders,
    /// Where the command line says.
    Paths(Vec<PathBuf>),
    /// The same, and one that is older than what is in force takes its place.
    PathsGoingBack(Vec<PathBuf>),
}

/// Takes in what there is, away from the thread that listens for signals.
pub(in crate::jobs) async fn on_media(
    config: &Config,
    store: &Store,
    lock: &Lock,
    media: Media,
    now: Timestamp,
    reporter: &Arc<dyn Reporter>,
) -> Result<Vec<BundleReport>, Error> {
    let inboxes = inbox::all(config)?;
    let (paths, zeal) = match media {
        Media::Paths(paths) => (paths, Zeal::All),
        Media::PathsGoingBack(paths) => (paths, Zeal::GoingBack),
        Media::Folders => {
            let folders: BTreeSet<&Path> = inboxes.iter().map(|inbox| &*inbox.folder).collect();
            (folders.into_iter().filter(|path| path.exists()).map(Path::to_owned).collect(), Zeal::Unfinished)
        }
    };
    if paths.is_empty() {
        return Ok(Vec::new());
    }
    super::call::begin(&Mirror::on(config, store.clone())?, lock, now)?;
    let (config, store, reporter) = (config.clone(), store.clone(), Arc::clone(reporter));
    let work = move || take_in(&Mirror::on(&config, store)?, &inboxes, &paths, zeal, now, &reporter);
    tokio::task::spawn_blocking(work).await.map_err(Error::Crashed)?
}

fn take_in(
    mirror: &Mirror<'_>,
    inboxes: &[Inbox],
    paths: &[PathBuf],
    zeal: Zeal,
    now: Timestamp,
    reporter: &Arc<dyn Reporter>,
) -> Result<Vec<BundleReport>, Error> {
    let mut deliveries = Deliveries::default();
    for path in paths {
        match deliveries::files(path) {
            Ok(files) if files.is_empty() && zeal != Zeal::Unfinished => {
                let message = format!("there is no bundle in {}", path.display());
                let mut setback = Setback::new(Class::Upstream, "no-bundle", message);
                setback.hint = Some(format!("mount the medium; bundles are files that end in {}", SUFFIX));
                deliveries.refused.push((path.clone(), setback));
            }
            Ok(files) => files.iter().for_each(|file| deliveries.add(file, inboxes)),
            Err(error) => deliveries.refuse(path, &error),
        }
    }
    let mut reports: Vec<BundleReport> = Vec::new();
    for ((source, id), delivery) in deliveries.bundles {
        let inbox = inboxes.iter().find(|inbox| inbox.source == source).expect("it is an inbox's bundle");
        let import = Import { mirror, inbox, id: &id, delivery: &delivery, now, reporter };
        reports.extend(match import.run(zeal) {
            // The medium, or an object of ours, is in trouble: of this bundle nothing comes, and the others go on.
            Err(Error::Bundle(error)) => {
                let setback = Setback::of(format!("bundle {id} could not be read"), &*error);
                Some(import.report(outcome_of(setback.class), Received::default(), Some(&setback)))
            }
            done => done?,
        });
    }
    let broken = |(file, setback): (PathBuf, Setback)| BundleReport {
        files: vec![file],
        error: Some(Broken::from(&setback)),
        ..BundleReport::new(outcome_of(setback.class))
    };
    reports.extend(deliveries.refused.into_iter().map(broken));
    Ok(reports)
}

fn outcome_of(class: Class) -> Outcome {
    match class {
        Class::Refused => Outcome::Refused,
        Class::Host | Class::Usage | Class::Upstream | Class::Damaged | Class::Locked => Outcome::Incomplete,
    }
}

impl BundleReport {
    fn new(outcome: Outcome) -> Self {
        BundleReport {
            id: None,
            source: None,
            files: Vec::new(),
            outcome,
            packages: 0,
            deltas_applied: 0,
            bytes_read: 0,
            error: None,
        }
    }
}

/// One bundle on its way in.
struct Import<'a> {
    mirror: &'a Mirror<'a>,
    inbox: &'a Inbox,
    id: &'a BundleId,
    delivery: &'a Delivery,
    now: Timestamp,
    reporter: &'a Arc<dyn Reporter>,
}

impl Import<'_> {
    /// `None` where nothing was to be done.
    fn run(&self, zeal: Zeal) -> Result<Option<BundleReport>, Error> {
        let (ledger, source) = (&self.mirror.ledger, &self.inbox.source);
        let manifest = self.delivery.volumes[0].1.manifest();
        let before = ledger.imported_bundles(source)?.iter().any(|one| one.id == *self.id);
        if before && zeal == Zeal::Unfinished {
            return Ok(None);
        }
        if let Some((volume, _)) = self.delivery.volumes.iter().find(|(_, other)| other.manifest() != manifest) {
            let message = format!("bundle {} is refused: two manifests have its id", self.id);
            let mut setback = Setback::new(Class::Refused, "bundle-two-manifests", message);
            setback.details.push(volume.path().display().to_string());
            return Ok(Some(self.report(Outcome::Refused, Received::default(), Some(&setback))));
        }
        let in_force = ledger.bundle_in_force(source)?;
        let order = in_force.as_ref().map_or(Ordering::Greater, |in_force| self.id.cmp(&in_force.id));
        let standing = match (order, before) {
            (Ordering::Less, _) if zeal == Zeal::GoingBack => Outcome::Imported,
            // Also one that was in force before a step back.
            (Ordering::Greater, _) => Outcome::Imported,
            (Ordering::Equal, _) | (Ordering::Less, true) => Outcome::Before,
            (Ordering::Less, false) => Outcome::Older,
        };
        if let Some(setback) = self.made_in_the_future(manifest) {
            return Ok(Some(self.report(Outcome::Refused, Received::default(), Some(&setback))));
        }
        if standing == Outcome::Imported {
            ledger.save_pending_bundle(source, manifest)?;
        }
        let received = self.receive(manifest)?;
        self.mirror.pool.commit()?;
        if standing != Outcome::Imported {
            let damaged = self.damaged(&received);
            if damaged.is_none() && received.lacking_bases.is_empty() {
                ledger.note_imported(source, manifest, self.now)?;
            } else if damaged.is_none() && received.packages == 0 && zeal == Zeal::Unfinished {
                // It was told when it came.
                return Ok(None);
            }
            return Ok(Some(self.report(standing, received, damaged.as_ref())));
        }
        let vetted = vet::vet(self.mirror, self.inbox, manifest)?;
        let setback = match vetted {
            Err(setback) => {
                ledger.drop_pending_bundle(source, self.id)?;
                ledger.drop_bundled_indexes(source)?;
                Some(setback)
            }
            Ok(lacking) if lacking.is_nothing() => None,
            Ok(lacking) => Some(self.incomplete(manifest, &received, &lacking)?),
        };
        if setback.is_none() {
            ledger.save_bundle_in_force(source, manifest)?;
            ledger.note_imported(source, manifest, self.now)?;
            // What is older and still incomplete changes nothing any more, however much of it comes.
            for passed in ledger.pending_bundles(source)?.iter().filter(|pending| pending.id < *self.id) {
                ledger.drop_pending_bundle(source, &passed.id)?;
            }
            ledger.drop_bundled_indexes(source)?;
        }
        let outcome = setback.as_ref().map_or(Outcome::Imported, |setback| outcome_of(setback.class));
        Ok(Some(self.report(outcome, received, setback.as_ref())))
    }

    fn receive(&self, manifest: &Manifest) -> Result<Received, Error> {
        let came: BTreeSet<Option<u32>> = self.delivery.volumes.iter().map(|(volume, _)| volume.number()).collect();
        let is_new = |packed: &&Packed| {
            let is_package = matches!(packed.what, What::Package(..));
            is_package && came.contains(&packed.volume()) && !self.mirror.pool.has(&packed.sha256)
        };
        let sizes = || manifest.objects.iter().filter(is_new).map(|packed| packed.size);
        require_bytes(self.mirror, sizes().fold(0, u64::saturating_add))?;
        self.reporter.fetch_planned(sizes().count() as u64, sizes().fold(0, u64::saturating_add));
        let shelf = SourceShelf { ledger: &self.mirror.ledger, source: &self.inbox.source };
        let place = Place {
            pool: &self.mirror.pool,
            shelf: &shelf,
            sha1: self.mirror.config.policy.sha1,
            reporter: &**self.reporter,
        };
        let mut received = Received::default();
        for (volume, verified) in &self.delivery.volumes {
            match bundle::receive(volume, verified, &place) {
                Ok(more) => received.add(more),
                Err(error) => {
                    // What is in already is kept.
                    self.mirror.pool.commit()?;
                    self.reporter.fetch_done();
                    return Err(error.into());
                }
            }
        }
        self.reporter.fetch_done();
        Ok(received)
    }

    fn report(&self, outcome: Outcome, received: Received, setback: Option<&Setback>) -> BundleReport {
        BundleReport {
            id: Some(self.id.clone()),
            source: Some(self.inbox.source.clone()),
            files: self.delivery.volumes.iter().map(|(volume, _)| volume.path().to_owned()).collect(),
            packages: received.packages,
            deltas_applied: received.deltas,
            bytes_read: received.bytes_read,
            error: setback.map(Broken::from),
            ..BundleReport::new(outcome)
        }
    }

    /// What was not taken in, if anything.
    fn damaged(&self, received: &Received) -> Option<Setback> {
        let mut setback = Setback::of(format!("bundle {} is damaged", self.id), received.refused.first()?);
        if received.refused.len() > 1 {
            setback.details.push(format!("and {} more", received.refused.len() - 1));
        }
        Some(setback)
    }

    /// That a bundle says it was made later than now: once in force, it would keep out all that is made until then.
    fn made_in_the_future(&self, manifest: &Manifest) -> Option<Setback> {
        let ahead = manifest.time.duration_since(self.now);
        if ahead <= MOST_AHEAD {
            return None;
        }
        let message = format!(
            "held bundle {}: it says that it was made on {}, which is to come",
            self.id,
            manifest.time.strftime("%Y-%m-%d %H:%M UTC")
        );
        let mut setback = Setback::new(Class::Refused, "bundle-from-the-future", message);
        setback.hint =
            Some("compare the clocks of both sides; then import it again, or ask for one with the right time".into());
        Some(setback)
    }

    /// What is missing, and what to ask the sender for.
    fn incomplete(&self, manifest: &Manifest, received: &Received, lacking: &Lacking) -> Result<Setback, Error> {
        // Damage comes before all that follows from it.
        if let Some(setback) = self.damaged(received) {
            return Ok(setback);
        }
        let volumes = self.missing_volumes(manifest)?;
        let told = |names: &[String]| {
            let mut line = names.iter().take(NAMED).cloned().collect::<Vec<_>>().join(", ");
            if names.len() > NAMED {
                line.push_str(&format!(" and {} more", names.len() - NAMED));
            }
            line
        };
        let message = |what: String| format!("bundle {} is not complete: {what}", self.id);
        let mut setback = if volumes.is_empty() {
            let (what, hint) = match &manifest.base {
                None => ("packages are missing that it does not carry".to_owned(), None),
                Some(base) => match (&base.receipt_of, &base.id) {
                    (Some(site), _) => (
                        format!("it was made for what {site} had on {}", base.time.strftime("%Y-%m-%d %H:%M UTC")),
                        None,
                    ),
                    (None, Some(id)) => (
                        format!("it builds on bundle {id}, and not all of that is here"),
                        Some(format!("import bundle {id} first")),
                    ),
                    (None, None) => ("it builds on what is not here".to_owned(), None),
                },
            };
            let receipt =
                "send the sender what `bivouac receipt` writes here: `bundle --receipt` then carries what is missing";
            let hint = hint.map_or(receipt.to_owned(), |hint| format!("{hint}; or {receipt}"));
            Setback { hint: Some(hint), ..Setback::new(Class::Upstream, "bundle-base-missing", message(what)) }
        } else {
            let numbers: Vec<String> = volumes.iter().map(u32::to_string).collect();
            let what = format!("of its {} volumes these are missing: {}", manifest.volumes, numbers.join(", "));
            let hint = format!("import volume {} of bundle {}, too; what came is kept", numbers.join(", "), self.id);
            Setback { hint: Some(hint), ..Setback::new(Class::Upstream, "bundle-volume-missing", message(what)) }
        };
        if !lacking.indexes.is_empty() {
            setback.details.push(format!("without an index: {}", told(&lacking.indexes)));
        }
        if !lacking.packages.is_empty() {
            setback.details.push(format!(
                "{} packages are not here: {}",
                lacking.packages.len(),
                told(&lacking.packages)
            ));
        }
        if !received.lacking_bases.is_empty() {
            let count = received.lacking_bases.len();
            setback.details.push(format!("{count} deltas have no base here"));
        }
        Ok(setback)
    }

    /// Volumes that hold something that is not here and that did not come in this run.
    fn missing_volumes(&self, manifest: &Manifest) -> Result<BTreeSet<u32>, Error> {
        let came: BTreeSet<u32> = self.delivery.volumes.iter().filter_map(|(volume, _)| volume.number()).collect();
        let missing = missing(self.mirror, &self.inbox.source, manifest)?;
        Ok(missing.into_iter().filter_map(Packed::volume).filter(|volume| !came.contains(volume)).collect())
    }
}

/// What a bundle of `source` carries and that is not here.
pub(in crate::jobs) fn missing<'m>(
    mirror: &Mirror<'_>,
    source: &SourceName,
    manifest: &'m Manifest,
) -> Result<Vec<&'m Packed>, Error> {
    let mut missing = Vec::new();
    for packed in &manifest.objects {
        if !mirror.pool.has(&packed.sha256) && mirror.ledger.bundled_index(source, &packed.sha256)?.is_none() {
            missing.push(packed);
        }
    }
    Ok(missing)
}

/// The error that ends a run for what a bundle's objects met.
impl From<bundle::Error> for Error {
    fn from(error: bundle::Error) -> Self {
        match error {
            bundle::Error::Pool(error) => Error::Pool(error),
            bundle::Error::Disk(error) => Error::Disk(error),
            bundle::Error::Sign(error) => Error::Sign(error),
            error => Error::Bundle(Box::new(error)),
        }
    }
}

impl BundleReport {
    /// That all of a source's bundles are to be published, and none came yet.
    pub(in crate::jobs) fn nothing_imported(source: SourceName) -> Self {
        let message = format!("of source \"{source}\" nothing was imported yet");
        let mut setback = Setback::new(Class::Upstream, "nothing-imported", message);
        setback.hint = Some("`bivouac import PATH`, or mount the medium that the source's `bundles` names".into());
        BundleReport { source: Some(source), error: Some(Broken::from(&setback)), ..Self::new(Outcome::Incomplete) }
    }

    /// Whose trouble its error is.
    pub fn trouble(&self) -> Option<Class> {
        Some(self.error.as_ref()?.class)
    }
}
