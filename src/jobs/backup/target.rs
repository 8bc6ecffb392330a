//! A configured target, and what lies there.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use super::CannotBackup;
use super::state::State;
use crate::apk::{BackupName, KeyId, ObjectId};
use crate::backup::catalog::{self, Backup, Unverified};
use crate::backup::save::Wanted;
use crate::backup::segment::{self, Kind, Scanned};
use crate::backup::target::{README, README_TEXT, SEGMENTS, TOOLS};
use crate::backup::{self, Target};
use crate::config::{self, Config};
use crate::error::{Class, Trouble as _};
use crate::finding::{Finding, Severity};
use crate::jobs::error::in_one_line;
use crate::jobs::{Error, seal};
use crate::places::{Folder, Place};
use crate::report::Reporter;
use crate::sign::Seal;
use crate::snapshot::backup::{BackupId, KeptFile, Segment, SegmentName, Stored, StoredForm};

/// What a backup's own file takes for each object and file, about, bytes.
const PER_LINE: u64 = 250;

/// The backups that are meant: the one with this name, or all.
pub(in crate::jobs) fn chosen<'c>(
    config: &'c Config,
    name: Option<&BackupName>,
) -> Result<Vec<&'c config::Backup>, Error> {
    let Some(name) = name else {
        if config.backups.is_empty() {
            return Err(CannotBackup::NoneConfigured.into());
        }
        return Ok(config.backups.values().collect());
    };
    let likeness = |one: &BackupName| strsim::jaro(one.as_str(), name.as_str());
    let nearest =
        || config.backups.keys().max_by(|a, b| likeness(a).total_cmp(&likeness(b))).filter(|one| likeness(one) > 0.7);
    match config.backups.get(name) {
        Some(backup) => Ok(vec![backup]),
        None => Err(CannotBackup::NoSuchBackup { name: name.clone(), nearest: nearest().cloned() }.into()),
    }
}

/// Where a backup goes.
pub(in crate::jobs) fn place(backup: &config::Backup) -> Arc<dyn Place> {
    Arc::new(Folder::new(&backup.target))
}

/// Opens a backup's target, which must be there.
pub(in crate::jobs) fn open(backup: &config::Backup) -> Result<Target, Error> {
    Ok(Target::open(place(backup))?)
}

/// All keys that sign for us, or ever did.
pub(in crate::jobs) fn our_keys(config: &Config, seal: &Seal) -> Result<Vec<KeyId>, Error> {
    let mut keys = seal.keys();
    keys.extend(seal::remembered(config)?.used.into_iter().map(|used| used.key));
    Ok(keys)
}

/// Where an object is in a target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Located {
    segment: SegmentName,
    at: u64,
    size: u64,
    form: StoredForm,
}

/// What lies in a target already.
#[derive(Debug, Default)]
pub(super) struct Known {
    /// By digest, where each object is.
    pub(super) objects: HashMap<ObjectId, Located>,
    /// The newest backup's name, readable or not.
    pub(super) newest: Option<BackupId>,
    /// What is wrong there.
    pub(super) findings: Vec<Finding>,
    damaged: BTreeMap<SegmentName, BTreeSet<ObjectId>>,
    /// Deltas, until it is known of which the base is there.
    deltas: HashMap<ObjectId, Vec<Located>>,
    sizes: BTreeMap<SegmentName, u64>,
    last: Option<Backup>,
}

impl Known {
    /// Reads the lists of all backups, and hashes segments that none of them names.
    pub(super) fn load(
        target: &Target,
        ours: &[KeyId],
        damaged: &BTreeMap<SegmentName, BTreeSet<ObjectId>>,
        reporter: &dyn Reporter,
    ) -> Result<Self, Error> {
        let mut known = Known { damaged: damaged.clone(), ..Known::default() };
        let mut there = BTreeMap::new();
        for name in target.place().list(SEGMENTS)? {
            let Ok(name) = name.parse::<SegmentName>() else { continue };
            if let Some(size) = target.place().length(&segment::path(&name))? {
                there.insert(name, size);
            }
        }
        let (ids, _) = catalog::ids(target)?;
        known.newest = ids.last().cloned();
        let mut named = BTreeSet::new();
        for id in &ids {
            match Unverified::open(target, id).and_then(|one| one.verify(|key| ours.contains(key))) {
                Ok(backup) => known.take(backup, &there, &mut named, target),
                Err(backup::Error::UnknownSigner { id, place, signers }) => {
                    let signer = signers.iter().map(|key| key.name.to_string()).collect::<Vec<_>>().join(", ");
                    return Err(CannotBackup::OtherOperator { place, id: id.to_string(), signer }.into());
                }
                Err(error) if matches!(error.class(), Class::Damaged | Class::Refused) => {
                    known.findings.push(damage(&error));
                }
                Err(error) => return Err(error.into()),
            }
        }
        for (name, size) in there.iter().filter(|(name, _)| !named.contains(*name)) {
            known.adopt(target, name, *size, reporter)?;
        }
        known.settle_deltas();
        Ok(known)
    }

    /// Takes in the deltas whose base is held whole. One whose base is damaged or gone brings nothing back: what it was made of
    /// is as good as not there, and is stored again.
    fn settle_deltas(&mut self) {
        for (object, deltas) in std::mem::take(&mut self.deltas) {
            let is_over_something =
                |located: &Located| matches!(located.form, StoredForm::Delta { base, .. } if self.holds(&base));
            let Some(delta) = deltas.into_iter().find(is_over_something) else { continue };
            self.objects.entry(object).or_insert(delta);
        }
    }

    /// The files of the newest backup that can be read.
    pub(super) fn files(&self) -> &[KeptFile] {
        self.last.as_ref().map(Backup::files).unwrap_or_default()
    }

    /// Whether an object is stored whole.
    pub(super) fn holds(&self, object: &ObjectId) -> bool {
        self.objects.get(object).is_some_and(|located| located.form == StoredForm::Whole)
    }

    /// Where an object is stored whole: segment's path, offset and size.
    pub(super) fn whole(&self, object: &ObjectId) -> Option<(String, u64, u64)> {
        let located = self.objects.get(object).filter(|located| located.form == StoredForm::Whole)?;
        Some((segment::path(&located.segment), located.at, located.size))
    }

    fn take(
        &mut self,
        backup: Backup,
        there: &BTreeMap<SegmentName, u64>,
        named: &mut BTreeSet<SegmentName>,
        target: &Target,
    ) {
        for Segment { name, size } in &backup.manifest().segments {
            if !named.insert(name.clone()) {
                continue;
            }
            if there.get(name) == Some(size) {
                self.sizes.insert(name.clone(), *size);
                continue;
            }
            let place = target.place().shown();
            let found = there.get(name).copied();
            self.findings.push(damage(&backup::Error::Segment {
                segment: name.clone(),
                place,
                found,
                expected: *size,
            }));
        }
        for stored in backup.objects() {
            let segment = backup.segment(stored);
            let is_damaged = self.damaged.get(&segment.name).is_some_and(|damaged| damaged.contains(&stored.sha256));
            if self.sizes.contains_key(&segment.name) && !is_damaged {
                self.note(segment.name.clone(), stored);
            }
        }
        self.last = Some(backup);
    }

    /// One that is stored whole goes before one that is stored as a delta.
    fn note(&mut self, segment: SegmentName, stored: &Stored) {
        let located = Located { segment, at: stored.at, size: stored.size, form: stored.form };
        match stored.form {
            StoredForm::Whole => drop(self.objects.entry(stored.sha256).or_insert(located)),
            StoredForm::Delta { .. } => {
                let deltas = self.deltas.entry(stored.sha256).or_default();
                if !deltas.contains(&located) {
                    deltas.push(located);
                }
            }
        }
    }

    /// Takes over what a run stored that was stopped before its backup was there. All of it is hashed: nobody signed it.
    fn adopt(&mut self, target: &Target, name: &SegmentName, size: u64, reporter: &dyn Reporter) -> Result<(), Error> {
        reporter.warning(&format!("{name} is of a backup that was stopped; what it holds is hashed and used"));
        let reader = target.place().read(&segment::path(name), 0, size)?;
        let mut found: Vec<Scanned> = Vec::new();
        // One that is damaged half-way is used as far as it goes.
        let scanned = segment::scan(reader, &|_| {}, |one| found.push(one));
        self.sizes.insert(name.clone(), size);
        for one in found.iter().filter(|one| one.kind == Kind::Whole && one.state == segment::State::Good) {
            let form = StoredForm::Whole;
            self.note(name.clone(), &Stored { sha256: one.id, size: one.size, segment: 0, at: one.at, form });
        }
        if let Err(cause) = scanned {
            reporter.warning(&format!("{name}: {}", in_one_line(&cause)));
        }
        Ok(())
    }

    /// Takes in what this run stored.
    pub(super) fn add(&mut self, (segments, stored): (Vec<Segment>, Vec<Stored>)) {
        for stored in &stored {
            self.note(segments[stored.segment as usize].name.clone(), stored);
        }
        self.settle_deltas();
        self.sizes.extend(segments.into_iter().map(|segment| (segment.name, segment.size)));
    }

    /// Where all of these objects are, with the bases of those that are deltas: as a backup says it. What is nowhere is left out.
    pub(super) fn place(&self, wanted: &[Wanted]) -> (Vec<Segment>, Vec<Stored>) {
        let mut objects: BTreeMap<ObjectId, &Located> = BTreeMap::new();
        for wanted in wanted {
            let Some(located) = self.objects.get(&wanted.object) else { continue };
            objects.insert(wanted.object, located);
            if let StoredForm::Delta { base, .. } = located.form
                && let Some(located) = self.objects.get(&base)
            {
                objects.insert(base, located);
            }
        }
        let names: BTreeSet<&SegmentName> = objects.values().map(|located| &located.segment).collect();
        let segment = |name: &SegmentName| Segment { name: name.clone(), size: self.sizes[name] };
        let segments: Vec<Segment> = names.into_iter().map(segment).collect();
        let number = |name: &SegmentName| {
            let at = segments.binary_search_by(|segment| segment.name.cmp(name)).expect("all are in it");
            u32::try_from(at).expect("a target has not that many segments")
        };
        let stored = |(sha256, located): (ObjectId, &Located)| Stored {
            sha256,
            size: located.size,
            segment: number(&located.segment),
            at: located.at,
            form: located.form,
        };
        let mut stored: Vec<Stored> = objects.into_iter().map(stored).collect();
        // As they are read.
        stored.sort_by_key(|stored| (stored.segment, stored.at));
        (segments, stored)
    }
}

/// What cannot be read of a target, told beside what was done.
pub(in crate::jobs) fn damage(error: &backup::Error) -> Finding {
    Finding {
        code: error.code(),
        severity: Severity::Error,
        subject: match error {
            backup::Error::Segment { segment, .. } => segment.to_string(),
            backup::Error::Archive { id, .. }
            | backup::Error::Contents { id, .. }
            | backup::Error::Manifest { id, .. }
            | backup::Error::Unsigned { id, .. }
            | backup::Error::BadSignature { id, .. }
            | backup::Error::Misnamed { id, .. }
            | backup::Error::UnknownSigner { id, .. }
            | backup::Error::Misplaced { id, .. } => id.to_string(),
            _ => String::new(),
        },
        message: in_one_line(error),
        hint: error.hint(),
    }
}

/// Fails where the target has not the room: better now than at 99 %.
pub(super) fn require_space(target: &Target, wanted: &[Wanted], state: &State, tool: u64) -> Result<(), Error> {
    let Some(free) = target.place().free()? else { return Ok(()) };
    let objects: u64 = wanted.iter().map(|wanted| crate::places::archive::taken(wanted.size)).sum();
    let lists = (state.wanted.len() + 2 * state.files.len()) as u64 * PER_LINE;
    // The end of each segment and a megabyte for what nobody thinks of.
    let needed = objects + lists + tool + objects / segment::LIMIT * 1024 + (1 << 20);
    if needed <= free {
        return Ok(());
    }
    Err(backup::Error::TooLittleSpace { place: target.place().shown(), needed, free }.into())
}

/// Puts a program beside the segments, unless it is there; returns the bytes written.
pub(super) fn put_tool(target: &Target, name: &str, bytes: &[u8]) -> Result<u64, Error> {
    let file = format!("{TOOLS}/{name}");
    let written = put(target, &file, bytes)?;
    target.place().let_run(&file);
    Ok(written)
}

/// Puts the page back that tells a person what lies here, where it is gone.
pub(super) fn put_readme(target: &Target) -> Result<u64, Error> {
    put(target, README, README_TEXT.as_bytes())
}

fn put(target: &Target, file: &str, bytes: &[u8]) -> Result<u64, Error> {
    let write = || -> Result<u64, crate::places::Error> {
        if target.place().length(file)?.is_some() {
            return Ok(0);
        }
        let mut upload = target.place().begin(file)?;
        upload.write(bytes)?;
        upload.put()?;
        Ok(bytes.len() as u64)
    };
    Ok(write()?)
}
