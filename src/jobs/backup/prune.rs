//! Backups that no rule keeps go, and with them what only they needed.
//!
//! The order is that of names before what they name, each on the medium before the next, and what gives room before what takes
//! some: a disk that is full can be pruned.
//!
//! 1. backups that go lose their files;
//! 2. segments of which no kept backup names anything go;
//! 3. what is needed of segments that hold little else is written into new ones;
//! 4. every kept backup that names a moved object is written again, signed by today's keys: the same, found elsewhere;
//! 5. the segments that this emptied go, and programs.
//!
//! Killed at any moment, every kept backup names what is there: in the old segments or in the new ones, which both are there
//! until 5. The next prune finds what is left. A backup that cannot be read may name anything: while there is one, no segment
//! goes, for what it names would be lost with it. Where there is no room for 3 or 4, new segments that nothing names go again.
//!
//! Signing anew raises no signature: what retired keys alone signed, anybody may have who stole one of them. Such a backup stays as
//! it is, and the segments that it names stay whole.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use jiff::Timestamp;
use serde::Serialize;

use super::CannotBackup;
use super::target::{self, damage};
use crate::apk::{BackupName, ObjectId};
use crate::backup::catalog::{self, Backup, Texts, Unverified, Writing};
use crate::backup::restore::Shelf;
use crate::backup::segment;
use crate::backup::target::{SEGMENTS, TOOLS};
use crate::backup::{Segments, Target};
use crate::config::{self, Config};
use crate::finding::Finding;
use crate::jobs::prune::Mode;
use crate::jobs::{Error, seal};
use crate::plan::backup::{BackupPrunePlan, Needed, OF_PRUNES, segments};
use crate::plan::bundle::sending_time;
use crate::plan::retain::{self, Rules};
use crate::sign::Seal;
use crate::sign::rotation::SigningRecord;
use crate::snapshot::backup::{
    BackupId, Segment, SegmentName, Stored, StoredForm, is_tool_name, print_files, print_objects, tool_name,
};

/// What went from a target, or would go.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct BackupPruneReport {
    /// The configuration's name for it.
    pub name: BackupName,
    /// Where it is.
    pub place: String,
    /// Backups that are kept, the newest first.
    pub kept: Vec<BackupId>,
    /// Backups that went.
    pub dropped: Vec<BackupId>,
    /// Segments that went because nothing in them is needed.
    pub removed: Vec<SegmentName>,
    /// Segments that went after what is needed of them was moved.
    pub repacked: Vec<SegmentName>,
    /// Programs that went: no kept backup names them. Only files that we named so ourselves.
    pub tools: Vec<String>,
    /// Bytes that the target became smaller by, about.
    pub freed: u64,
    /// What was not done, and why.
    pub notes: Vec<String>,
    /// What cannot be read there.
    pub findings: Vec<Finding>,
}

/// Prunes the targets that are asked for, or shows what would go.
pub fn prune(
    config: &Config,
    name: Option<&BackupName>,
    mode: Mode,
    now: Timestamp,
) -> Result<Vec<BackupPruneReport>, Error> {
    let seal = seal::of_config(config)?.ok_or(CannotBackup::Unsigned)?;
    let chosen = target::chosen(config, name)?;
    chosen.into_iter().map(|backup| one(config, backup, &seal, mode, now)).collect()
}

/// What lies in a target.
struct Holdings {
    backups: Vec<Backup>,
    ids: Vec<BackupId>,
    there: BTreeMap<SegmentName, u64>,
    findings: Vec<Finding>,
}

fn one(
    config: &Config,
    backup: &config::Backup,
    seal: &Seal,
    mode: Mode,
    now: Timestamp,
) -> Result<BackupPruneReport, Error> {
    let target = target::open(backup)?;
    let _held = match mode {
        Mode::Show => None,
        Mode::Perform => Some(target.lock()?),
    };
    let mut holdings = look(config, seal, &target)?;
    let (plan, notes) = plan(backup.keep.as_ref(), &holdings, &seal::remembered(config)?);
    let is_kept = |one: &Backup| !plan.drop.contains(one.id());
    let (kept, dropped): (Vec<Backup>, Vec<Backup>) =
        std::mem::take(&mut holdings.backups).into_iter().partition(is_kept);
    let there = holdings.there.clone();
    let sizes = |names: &BTreeSet<SegmentName>| names.iter().map(|name| there[name]).sum::<u64>();
    let mut freed = sizes(&plan.remove) + sizes(&plan.repack);
    let mut repacked = plan.repack.clone();
    for id in dropped.iter().map(Backup::id) {
        freed += target.place().length(&catalog::path(id))?.unwrap_or(0);
    }
    if mode == Mode::Perform {
        for id in &plan.drop {
            target.place().remove(&catalog::path(id))?;
        }
        for name in &plan.remove {
            target.place().remove(&segment::path(name))?;
        }
        let moved = move_needed(&target, &kept, &plan.repack, &mut holdings, seal, now)?;
        repacked.retain(|name| !moved.stay.contains(name));
        freed = freed.saturating_sub(moved.bytes + sizes(&moved.stay));
        for name in &repacked {
            target.place().remove(&segment::path(name))?;
        }
    }
    // A backup that cannot be read may name any of them.
    let tools = if holdings.findings.is_empty() { drop_tools(&target, &kept, mode, &mut freed)? } else { Vec::new() };
    Ok(BackupPruneReport {
        name: backup.name.clone(),
        place: target.place().shown(),
        kept: kept.iter().rev().map(|one| one.id().clone()).collect(),
        dropped: plan.drop.iter().rev().cloned().collect(),
        removed: plan.remove.into_iter().collect(),
        repacked: repacked.into_iter().collect(),
        tools,
        freed,
        notes,
        findings: holdings.findings,
    })
}

fn look(config: &Config, seal: &Seal, target: &Target) -> Result<Holdings, Error> {
    let keys = target::our_keys(config, seal)?;
    let (ids, _) = catalog::ids(target)?;
    let (mut backups, mut findings) = (Vec::new(), Vec::new());
    for id in &ids {
        match Unverified::open(target, id).and_then(|one| one.verify(|key| keys.contains(key))) {
            Ok(backup) => backups.push(backup),
            Err(error) => findings.push(damage(&error)),
        }
    }
    let mut there = BTreeMap::new();
    for name in target.place().list(SEGMENTS)? {
        let Ok(name) = name.parse::<SegmentName>() else { continue };
        if let Some(size) = target.place().length(&segment::path(&name))? {
            there.insert(name, size);
        }
    }
    Ok(Holdings { backups, ids, there, findings })
}

fn plan(keep: Option<&config::Keep>, holdings: &Holdings, signing: &SigningRecord) -> (BackupPrunePlan, Vec<String>) {
    let mut plan = BackupPrunePlan::default();
    if let Some(config::Keep { last, daily, weekly, monthly }) = keep.copied() {
        let times: Vec<Timestamp> = holdings.backups.iter().map(|one| one.manifest().time).collect();
        let stay = retain::by_time(&times, &Rules { last, daily, weekly, monthly });
        let goes = |(at, one): (usize, &Backup)| (!stay.contains(&at)).then(|| one.id().clone());
        plan.drop = holdings.backups.iter().enumerate().filter_map(goes).collect();
    }
    // What cannot be read may name any of them.
    if !holdings.findings.is_empty() {
        return (plan, Vec::new());
    }
    let mut needed = Needed::default();
    let kept = || holdings.backups.iter().filter(|one| !plan.drop.contains(one.id()));
    for one in kept() {
        one.objects().iter().for_each(|stored| needed.add(&one.segment(stored).name, stored));
    }
    let (remove, mut repack) = segments(&holdings.there, &needed, holdings.ids.last());
    let mut notes = Vec::new();
    for one in kept().filter(|one| one.signers().iter().all(|key| signing.is_retired(key))) {
        let names: Vec<&SegmentName> = one.manifest().segments.iter().map(|segment| &segment.name).collect();
        let before = repack.len();
        repack.retain(|name| !names.contains(&name));
        if repack.len() < before {
            notes.push(format!(
                "{} that hold little stay whole: backup {} needs them, and only a retired key signed it",
                super::check::count(before - repack.len(), "segment"),
                one.id()
            ));
        }
    }
    (plan.remove, plan.repack) = (remove, repack);
    (plan, notes)
}

/// What was written into new segments.
#[derive(Default)]
struct Moved {
    segments: Vec<Segment>,
    /// By the segment that an object was in.
    objects: HashMap<(SegmentName, ObjectId), Stored>,
    /// Segments that stay after all: something needed of them cannot be read.
    stay: BTreeSet<SegmentName>,
    bytes: u64,
}

/// Writes what is needed of segments into new ones, and the kept backups that name it. What was written for nothing goes again.
fn move_needed(
    target: &Target,
    kept: &[Backup],
    names: &BTreeSet<SegmentName>,
    holdings: &mut Holdings,
    seal: &Seal,
    now: Timestamp,
) -> Result<Moved, Error> {
    if names.is_empty() {
        return Ok(Moved::default());
    }
    let time = sending_time(now, holdings.ids.last().and_then(BackupId::time));
    let id = BackupId::new(time, OF_PRUNES);
    let before: BTreeSet<String> = target.place().list(SEGMENTS)?.into_iter().collect();
    let mut named = BTreeSet::new();
    let mut perform = || -> Result<Moved, Error> {
        let moved = repack(target, kept, names, &id, &mut holdings.findings)?;
        for one in kept {
            named.extend(rewrite(target, one, &moved, seal, now)?);
        }
        Ok(moved)
    };
    perform().inspect_err(|_| {
        // The trouble is what is to be told; what cannot be removed either is found by the next prune.
        let is_new = |name: &SegmentName| {
            SegmentName::is_of(name, &id) && !before.contains(name.as_str()) && !named.contains(name)
        };
        for name in target.place().list(SEGMENTS).unwrap_or_default() {
            if let Some(name) = name.parse().ok().filter(is_new) {
                let _ = target.place().remove(&segment::path(&name));
            }
        }
    })
}

fn repack(
    target: &Target,
    kept: &[Backup],
    names: &BTreeSet<SegmentName>,
    id: &BackupId,
    findings: &mut Vec<Finding>,
) -> Result<Moved, Error> {
    let mut moved = Moved::default();
    let mut new = Segments::new(target, id.clone())?;
    let mut order: Vec<(SegmentName, ObjectId)> = Vec::new();
    let mut taken = BTreeSet::new();
    for one in kept {
        let shelf = Shelf::new(target, one);
        for stored in one.objects() {
            let name = &one.segment(stored).name;
            let place = (name.clone(), stored.sha256);
            if !names.contains(name) || moved.stay.contains(name) || !taken.insert(place.clone()) {
                continue;
            }
            let put = match stored.form {
                StoredForm::Whole => shelf.load(stored).map(|bytes| new.put(&stored.sha256, &bytes)),
                StoredForm::Delta { base, .. } => {
                    shelf.load_delta(stored).map(|delta| new.put_delta(&stored.sha256, stored.size, &base, &delta))
                }
            };
            match put {
                Ok(written) => {
                    written?;
                    order.push(place);
                }
                Err(error) => {
                    findings.push(damage(&error));
                    moved.stay.insert(name.clone());
                }
            }
        }
    }
    moved.bytes = new.bytes();
    let (segments, stored) = new.finish()?;
    moved.segments = segments;
    moved.objects = order.into_iter().zip(stored).filter(|((name, _), _)| !moved.stay.contains(name)).collect();
    Ok(moved)
}

/// Writes a backup again where objects of it were moved; returns the segments that it names then.
fn rewrite(
    target: &Target,
    one: &Backup,
    moved: &Moved,
    seal: &Seal,
    now: Timestamp,
) -> Result<Vec<SegmentName>, Error> {
    let find = |stored: &Stored| moved.objects.get(&(one.segment(stored).name.clone(), stored.sha256));
    if !one.objects().iter().any(|stored| find(stored).is_some()) {
        return Ok(Vec::new());
    }
    let mut placed: Vec<(Segment, Stored)> = one
        .objects()
        .iter()
        .map(|stored| match find(stored) {
            Some(now) => (moved.segments[now.segment as usize].clone(), now.clone()),
            None => (one.segment(stored).clone(), stored.clone()),
        })
        .collect();
    let segments: Vec<Segment> =
        placed.iter().map(|(segment, _)| segment.clone()).collect::<BTreeSet<_>>().into_iter().collect();
    for (segment, stored) in &mut placed {
        let at = segments.binary_search(segment).expect("all are in it");
        stored.segment = u32::try_from(at).expect("a target has not that many segments");
    }
    let mut objects: Vec<Stored> = placed.into_iter().map(|(_, stored)| stored).collect();
    objects.sort_by_key(|stored| (stored.segment, stored.at));
    let mut manifest = one.manifest().clone();
    let names = segments.iter().map(|segment| segment.name.clone()).collect();
    manifest.segments = segments;
    manifest.repacked = Some(now);
    let texts =
        Texts { objects: print_objects(&objects), files: print_files(one.files()), sums: one.sums().to_owned() };
    catalog::write(target, manifest, &texts, seal, Writing::Again)?;
    Ok(names)
}

/// Programs that no kept backup names. Other files there are not ours to remove.
fn drop_tools(target: &Target, kept: &[Backup], mode: Mode, freed: &mut u64) -> Result<Vec<String>, Error> {
    let named: BTreeSet<String> = kept.iter().filter_map(|one| one.manifest().tool.as_ref().map(tool_name)).collect();
    let mut names = target.place().list(TOOLS)?;
    names.retain(|name| is_tool_name(name) && !named.contains(name));
    for name in &names {
        let file = format!("{TOOLS}/{name}");
        *freed += target.place().length(&file)?.unwrap_or(0);
        if mode == Mode::Perform {
            target.place().remove(&file)?;
        }
    }
    Ok(names)
}
