//! What came in bundles, and what sites have of those that were sent.

use std::path::PathBuf;
use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;

use super::seconds_since;
use crate::apk::{KeyId, ObjectId, SiteName, SourceName};
use crate::config::{Source, SourceKind};
use crate::jobs::{Error, Mirror, import};
use crate::ledger::SiteRecord;
use crate::plan::publish::{Generation, RepositoryState};
use crate::snapshot::manifest::{BundleId, Form, Manifest};

/// A source with bundles.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct BundlesStatus {
    /// The source.
    pub source: SourceName,
    /// Where its bundles are looked for.
    pub folder: PathBuf,
    /// The bundle whose state it gives; none before the first was complete.
    pub in_force: Option<InForceBundle>,
    /// Seconds since that was made.
    pub age_seconds: Option<u64>,
    /// Whether that is longer ago than the source's `stale_after`, or nothing came.
    pub stale: bool,
    /// That span, seconds.
    pub stale_after_seconds: u64,
    /// Bundles of which something is missing, the earliest first.
    pub pending: Vec<PendingBundle>,
}

/// The bundle in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct InForceBundle {
    /// Which.
    pub id: BundleId,
    /// When its sender made it.
    pub time: Timestamp,
    /// When its sender meant a newer one to be here.
    pub expires: Timestamp,
    /// Whether that is past.
    pub expired: bool,
}

/// A bundle that is not complete.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PendingBundle {
    /// Which.
    pub id: BundleId,
    /// When its sender made it.
    pub time: Timestamp,
    /// How many volumes it has; 0: its objects lie beside it as files.
    pub volumes: u32,
    /// Volumes that did not come.
    pub missing_volumes: Vec<u32>,
    /// Objects that it carries and that are not here.
    pub missing_objects: u64,
    /// Of those, deltas over what is not here: whether they came cannot be told, and they are of no use before that.
    pub waiting_objects: u64,
    /// The bundle that it builds on, if that was never complete here.
    pub missing_base: Option<BundleId>,
    /// The site by whose receipt it was made.
    pub receipt_of: Option<String>,
}

/// A site that bundles were made for by its receipt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SiteStatus {
    /// Which site.
    pub site: SiteName,
    /// When it wrote the last receipt that was used here, by its own clock.
    pub receipt: Timestamp,
    /// Seconds since then.
    pub age_seconds: u64,
    /// Who signed the receipt; none: nobody.
    pub key: Option<KeyId>,
    /// Packages that it held.
    pub objects: u64,
    /// The bundle of ours that was in force there, and that is remembered here.
    pub in_force: Option<BundleId>,
    /// The newest bundle that it can take; none: none was made.
    pub newest: Option<BundleId>,
    /// Bundles for it, or for anybody, that are newer than what it has.
    pub behind_bundles: u64,
    /// Seconds between the making of what it has and of the newest.
    pub behind_seconds: Option<u64>,
    /// Indexes that are live here, of the repositories that the newest bundle brings it.
    pub live_indexes: u64,
    /// Of those, how many it has otherwise or not at all.
    pub behind_indexes: u64,
    /// Seconds for which one of those has been live, at least.
    pub behind_live_seconds: Option<u64>,
}

/// Every source with bundles, by name.
pub(super) fn sources(mirror: &Mirror<'_>, now: Timestamp) -> Result<Vec<BundlesStatus>, Error> {
    let mut found = Vec::new();
    for source in mirror.config.sources.values() {
        if let SourceKind::Bundles { path, stale_after, .. } = &source.kind {
            found.push(source_status(mirror, source, path.clone(), *stale_after, now)?);
        }
    }
    Ok(found)
}

fn source_status(
    mirror: &Mirror<'_>,
    source: &Source,
    folder: PathBuf,
    stale_after: Duration,
    now: Timestamp,
) -> Result<BundlesStatus, Error> {
    let in_force = mirror.ledger.bundle_in_force(&source.name)?;
    let age = in_force.as_ref().map(|manifest| seconds_since(manifest.time, now));
    let pending = mirror.ledger.pending_bundles(&source.name)?;
    Ok(BundlesStatus {
        source: source.name.clone(),
        folder,
        age_seconds: age,
        stale: age.is_none_or(|age| age > stale_after.as_secs()),
        stale_after_seconds: stale_after.as_secs(),
        pending: pending.iter().map(|manifest| pending_status(mirror, source, manifest)).collect::<Result<_, _>>()?,
        in_force: in_force.map(|manifest| InForceBundle {
            expired: manifest.expires < now,
            id: manifest.id,
            time: manifest.time,
            expires: manifest.expires,
        }),
    })
}

fn pending_status(mirror: &Mirror<'_>, source: &Source, manifest: &Manifest) -> Result<PendingBundle, Error> {
    let missing = import::missing(mirror, &source.name, manifest)?;
    let mut missing_volumes = Vec::new();
    let mut waiting_objects = 0;
    for packed in &missing {
        match packed.form {
            Form::Delta { base: Some(base), .. } if !is_here(mirror, source, &base)? => waiting_objects += 1,
            Form::Delta { .. } | Form::Whole { .. } | Form::Beside { .. } => missing_volumes.extend(packed.volume()),
        }
    }
    missing_volumes.sort_unstable();
    missing_volumes.dedup();
    let imported = mirror.ledger.imported_bundles(&source.name)?;
    let base = manifest.base.as_ref();
    let was_here = |id: &&BundleId| imported.iter().any(|one| one.id == **id);
    Ok(PendingBundle {
        id: manifest.id.clone(),
        time: manifest.time,
        volumes: manifest.volumes,
        missing_volumes,
        missing_objects: missing.len() as u64,
        waiting_objects,
        missing_base: base.and_then(|base| base.id.as_ref()).filter(|id| !was_here(id)).cloned(),
        receipt_of: base.and_then(|base| base.receipt_of.clone()),
    })
}

fn is_here(mirror: &Mirror<'_>, source: &Source, object: &ObjectId) -> Result<bool, Error> {
    Ok(mirror.pool.has(object) || mirror.ledger.bundled_index(&source.name, object)?.is_some())
}

/// Every site that a receipt came from, by name.
pub(super) fn sites(mirror: &Mirror<'_>, live: Option<&Generation>, now: Timestamp) -> Result<Vec<SiteStatus>, Error> {
    let sites = mirror.ledger.sites()?;
    if sites.is_empty() {
        return Ok(Vec::new());
    }
    let sent = Sent { manifests: mirror.ledger.sent_bundles()?, live, now };
    Ok(sites.into_iter().map(|site| sent.site(site)).collect())
}

/// What was sent, and what is live.
struct Sent<'l> {
    /// The earliest first.
    manifests: Vec<Manifest>,
    live: Option<&'l Generation>,
    now: Timestamp,
}

impl Sent<'_> {
    fn site(&self, record: SiteRecord) -> SiteStatus {
        let has = self.manifests.iter().find(|manifest| Some(&manifest.id) == record.in_force.as_ref());
        let is_for = |manifest: &&Manifest| {
            let site = manifest.base.as_ref().and_then(|base| base.receipt_of.as_deref());
            site.is_none_or(|site| site == record.site.as_str())
        };
        let newest = self.manifests.iter().rfind(is_for);
        let is_newer = |manifest: &&Manifest| record.in_force.as_ref().is_none_or(|has| manifest.id > *has);
        let carried = |of: Option<&Manifest>, shown: &RepositoryState| {
            of.and_then(|manifest| Some(manifest.carried(shown.name.as_str(), &shown.arch)?.index))
        };
        // A site may get some of the repositories only: those that were chosen last.
        let mut live: Vec<&RepositoryState> = self.live.iter().flat_map(|live| &live.repositories).collect();
        live.retain(|shown| newest.is_none() || carried(newest, shown).is_some());
        let behind = live.iter().filter(|shown| carried(has, shown) != Some(shown.index));
        let published: Vec<Timestamp> = behind.map(|shown| shown.published).collect();
        let time = record.in_force.as_ref().and_then(BundleId::time);
        SiteStatus {
            receipt: record.time,
            age_seconds: seconds_since(record.time, self.now),
            key: record.key,
            objects: record.objects,
            newest: newest.map(|newest| newest.id.clone()),
            behind_bundles: self.manifests.iter().filter(is_for).filter(is_newer).count() as u64,
            behind_seconds: time.zip(newest).map(|(time, newest)| seconds_since(time, newest.time)),
            live_indexes: live.len() as u64,
            behind_indexes: published.len() as u64,
            behind_live_seconds: published.into_iter().min().map(|time| seconds_since(time, self.now)),
            in_force: record.in_force,
            site: record.site,
        }
    }
}
