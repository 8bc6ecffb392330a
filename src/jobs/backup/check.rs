//! Is a target what we left there?
//!
//! The structure is always looked at: every list and its signature, every segment by its size, every other file. The contents are
//! read again by share: the segments that were read longest ago first, so that all of them are in a known time.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use super::target::{self, damage};
use crate::apk::{BackupName, KeyId, ObjectId};
use crate::backup::catalog::{self, Backup, Unverified};
use crate::backup::segment::{self, Kind, ScanError, State};
use crate::backup::target::{BACKUPS, MARKER, README, SEGMENTS, TOOLS};
use crate::backup::{self, Target};
use crate::config::{self, Config, Percent};
use crate::error::Trouble as _;
use crate::finding::{Finding, Severity};
use crate::jobs::error::in_one_line;
use crate::jobs::{Error, Mirror, seal};
use crate::snapshot::backup::{BackupId, SegmentName, tool_name};

/// What is to be checked.
#[derive(Clone, Debug)]
pub struct CheckRequest {
    /// Which of the configured ones; none: all.
    pub name: Option<BackupName>,
    /// How much of the contents is read again; none: nothing.
    pub read_data: Option<Percent>,
    /// The time of the call.
    pub now: Timestamp,
}

/// What a check saw.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct BackupCheckReport {
    /// All that is wrong.
    pub findings: Vec<Finding>,
    /// How much was looked at.
    pub checked: Checked,
    /// Of each target, how far reading it again has come.
    pub rota: Vec<Rota>,
}

/// How much was looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Checked {
    /// Backups whose lists were read and believed.
    pub backups: u64,
    /// Objects that were read again.
    pub objects: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// How far reading a target again has come.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Rota {
    /// The configuration's name for it.
    pub name: BackupName,
    /// Its segments.
    pub segments: u64,
    /// Of these, how many were read this time.
    pub read: u64,
    /// How many were never read again.
    pub never: u64,
    /// When the one was read that was read longest ago, if all were.
    pub oldest: Option<Timestamp>,
    /// After how many runs like this one all will have been read.
    pub runs: u64,
}

/// Looks at the targets that are asked for. Takes no lock. `progress` is told bytes as they are read.
pub fn check(config: &Config, request: &CheckRequest, progress: &dyn Fn(u64)) -> Result<BackupCheckReport, Error> {
    let mut keys: Vec<KeyId> = seal::remembered(config)?.used.into_iter().map(|used| used.key).collect();
    if let Ok(Some(seal)) = seal::of_config(config) {
        keys.extend(seal.keys());
    }
    let mut report = BackupCheckReport::default();
    for backup in target::chosen(config, request.name.as_ref())? {
        match target::open(backup) {
            Ok(target) => one(config, backup, &target, &keys, request, progress, &mut report)?,
            Err(error) if request.name.is_none() && config.backups.len() > 1 => report.findings.push(Finding {
                code: error.code(),
                severity: Severity::Error,
                subject: backup.target.display().to_string(),
                message: in_one_line(&error),
                hint: error.hint(),
            }),
            Err(error) => return Err(error),
        }
    }
    Ok(report)
}

fn one(
    config: &Config,
    backup: &config::Backup,
    target: &Target,
    keys: &[KeyId],
    request: &CheckRequest,
    progress: &dyn Fn(u64),
    report: &mut BackupCheckReport,
) -> Result<(), Error> {
    let mut seen = Seen { target, findings: Vec::new(), backups: Vec::new() };
    let there = seen.structure(keys)?;
    report.checked.backups += seen.backups.len() as u64;
    let mirror = Mirror::look(config)?;
    let mut record = mirror.ledger.backup_record(target.id())?;
    record.read.retain(|name, _| there.contains_key(name));
    record.damaged.retain(|name, _| there.contains_key(name));
    if let Some(share) = request.read_data {
        let chosen = by_rota(&there, &record.read, share);
        for name in &chosen {
            let (objects, bytes, damaged) = seen.read(name, there[name], progress)?;
            report.checked.objects += objects;
            report.checked.bytes += bytes;
            record.read.insert(name.clone(), request.now);
            record.damaged.remove(name);
            if !damaged.is_empty() {
                record.damaged.insert(name.clone(), damaged);
            }
        }
        mirror.ledger.save_backup_record(target.id(), &record)?;
        let never = there.keys().filter(|name| !record.read.contains_key(*name)).count() as u64;
        let oldest = if never == 0 { record.read.values().min().copied() } else { None };
        report.rota.push(Rota {
            name: backup.name.clone(),
            segments: there.len() as u64,
            read: chosen.len() as u64,
            never,
            oldest,
            runs: (there.len() as u64).div_ceil((chosen.len() as u64).max(1)),
        });
    }
    report.findings.append(&mut seen.findings);
    Ok(())
}

/// The segments to read: those that were never read, then those that were longest ago, until they have the share of all bytes.
fn by_rota(
    there: &BTreeMap<SegmentName, u64>,
    read: &BTreeMap<SegmentName, Timestamp>,
    share: Percent,
) -> Vec<SegmentName> {
    let mut order: Vec<&SegmentName> = there.keys().collect();
    order.sort_by_key(|name| (read.get(*name).copied(), *name));
    let wanted = share.of(there.values().sum());
    let mut sum = 0;
    let mut chosen = Vec::new();
    for name in order {
        if sum >= wanted && !chosen.is_empty() {
            break;
        }
        sum += there[name];
        chosen.push(name.clone());
    }
    chosen
}

struct Seen<'t> {
    target: &'t Target,
    findings: Vec<Finding>,
    backups: Vec<Backup>,
}

impl Seen<'_> {
    fn add(&mut self, code: &'static str, severity: Severity, subject: String, message: String) {
        let hint = match code {
            "target-foreign-file" => Some("move it out of the target".into()),
            _ => None,
        };
        self.findings.push(Finding { code, severity, subject, message, hint });
    }

    /// All but the contents of segments; returns those that are there.
    fn structure(&mut self, keys: &[KeyId]) -> Result<BTreeMap<SegmentName, u64>, Error> {
        let place = self.target.place();
        let known = [MARKER, README, "lock", BACKUPS, SEGMENTS, TOOLS, "lost+found"];
        for name in place.list("")?.into_iter().filter(|name| !known.contains(&name.as_str())) {
            self.foreign(name);
        }
        let (ids, foreign) = catalog::ids(self.target)?;
        foreign.into_iter().for_each(|name| self.foreign(format!("{BACKUPS}/{name}")));
        for id in &ids {
            match Unverified::open(self.target, id).and_then(|one| one.verify(|key| keys.contains(key))) {
                Ok(backup) => self.backups.push(backup),
                Err(error) => self.findings.push(damage(&error)),
            }
        }
        let mut there = BTreeMap::new();
        for file in place.list(SEGMENTS)? {
            match file.parse::<SegmentName>() {
                Ok(name) => drop(place.length(&segment::path(&name))?.map(|size| there.insert(name, size))),
                Err(_) => self.foreign(format!("{SEGMENTS}/{file}")),
            }
        }
        self.segments(&there);
        self.other_files()?;
        for backup in &self.backups {
            for object in &backup.manifest().lost {
                let message = "it could not be read when the backup was made, and is not in it".to_owned();
                let (code, severity) = ("object-missing", Severity::Error);
                let subject = format!("{}: object {object}", backup.id());
                self.findings.push(Finding { code, severity, subject, message, hint: None });
            }
        }
        Ok(there)
    }

    fn foreign(&mut self, name: String) {
        let message = "no file of ours has this name".to_owned();
        self.add("target-foreign-file", Severity::Warning, name, message);
    }

    fn segments(&mut self, there: &BTreeMap<SegmentName, u64>) {
        let mut named: BTreeMap<&SegmentName, (u64, Vec<&BackupId>)> = BTreeMap::new();
        for backup in &self.backups {
            for segment in &backup.manifest().segments {
                named.entry(&segment.name).or_insert((segment.size, Vec::new())).1.push(backup.id());
            }
        }
        let mut findings = Vec::new();
        for (name, (expected, hurt)) in &named {
            let found = there.get(*name).copied();
            if found != Some(*expected) {
                let place = self.target.place().shown();
                let error = backup::Error::Segment { segment: (*name).clone(), place, found, expected: *expected };
                let mut finding = damage(&error);
                finding.message = format!("{}; {} name it", finding.message, count(hurt.len(), "backup"));
                findings.push(finding);
            }
        }
        for name in there.keys().filter(|name| !named.contains_key(name)) {
            findings.push(Finding {
                code: "segment-unnamed",
                severity: Severity::Warning,
                subject: name.to_string(),
                message: "no backup that can be read names it".into(),
                hint: Some("the next backup uses what is good of it, or `bivouac backup prune` removes it".into()),
            });
        }
        self.findings.extend(findings);
    }

    /// The page for people and the programs.
    fn other_files(&mut self) -> Result<(), Error> {
        let place = self.target.place();
        if let Some(newest) = self.backups.last() {
            let expected = newest.manifest().readme;
            let found = match place.length(README)? {
                Some(_) => catalog::readme(self.target).ok(),
                None => None,
            };
            if found != Some(expected) {
                let message = "it is not the page that was there when the newest backup was made".to_owned();
                self.add("readme-changed", Severity::Error, README.to_owned(), message);
            }
        }
        let tools: BTreeMap<String, (ObjectId, u64)> = self
            .backups
            .iter()
            .filter_map(|backup| backup.manifest().tool.as_ref())
            .map(|tool| (tool_name(tool), (tool.sha256, tool.size)))
            .collect();
        for (name, (digest, size)) in &tools {
            let path = format!("{TOOLS}/{name}");
            let found = match place.length(&path)? {
                Some(found) if found == *size => digest_of(self.target, &path, *size).ok(),
                _ => None,
            };
            if found != Some(*digest) {
                self.add("tool-damaged", Severity::Error, path, "it is not the program that was put there".into());
            }
        }
        for name in place.list(TOOLS)?.into_iter().filter(|name| !tools.contains_key(name)) {
            self.foreign(format!("{TOOLS}/{name}"));
        }
        Ok(())
    }

    /// Reads a segment again; returns how many objects and bytes that was, and which of them are damaged.
    fn read(
        &mut self,
        name: &SegmentName,
        size: u64,
        progress: &dyn Fn(u64),
    ) -> Result<(u64, u64, BTreeSet<ObjectId>), Error> {
        let path = segment::path(name);
        let (mut objects, mut bytes) = (0, 0);
        let mut bad: Vec<(Kind, ObjectId)> = Vec::new();
        let mut good: BTreeSet<(u64, u64)> = BTreeSet::new();
        let scanned = match self.target.place().read(&path, 0, size) {
            Ok(reader) => segment::scan(reader, progress, |one| {
                objects += 1;
                bytes += one.size;
                match one.state {
                    State::Good => drop(good.insert((one.at, one.size))),
                    State::Damaged => bad.push((one.kind, one.id)),
                }
            }),
            Err(error) => {
                self.findings.push(damage(&error.into()));
                return Ok((0, 0, BTreeSet::new()));
            }
        };
        if let Err(cause) = &scanned {
            let code = match cause {
                ScanError::Io(_) => "medium",
                ScanError::Bad(_) | ScanError::Foreign(_) => "segment-damaged",
            };
            self.add(code, Severity::Error, name.to_string(), in_one_line(cause));
        }
        // Whatever a backup says is there must have been seen there, good.
        let mut damaged = BTreeMap::new();
        for backup in &self.backups {
            for stored in backup.objects().iter().filter(|stored| backup.segment(stored).name == *name) {
                if !good.contains(&(stored.at, stored.length())) {
                    damaged.entry(stored.sha256).or_insert_with(Vec::new).push(backup);
                }
            }
        }
        for (object, hurt) in &damaged {
            let what = hurt.iter().find_map(|backup| named(backup, object));
            let what = what.unwrap_or_else(|| format!("object {object}"));
            let message = format!("{what} is damaged; {} need it", count(hurt.len(), "backup"));
            let subject = format!("{name}: {object}");
            self.findings.push(Finding {
                code: "object-damaged",
                severity: Severity::Error,
                subject,
                message,
                hint: Some("the next backup stores it again, if the pool has it".into()),
            });
        }
        let known: BTreeSet<ObjectId> = damaged.keys().copied().collect();
        for (kind, id) in bad {
            let is_told = known.contains(&id) || (kind == Kind::Delta && !known.is_empty());
            if !is_told {
                let message = "it is damaged, and no backup needs it".to_owned();
                self.add("object-damaged", Severity::Error, format!("{name}: {id}"), message);
            }
        }
        Ok((objects, bytes, known))
    }
}

/// What an object is in a backup, where its list of files tells.
fn named(backup: &Backup, object: &ObjectId) -> Option<String> {
    if let Some(file) = backup.files().iter().find(|file| file.sha256 == *object) {
        return Some(file.path.to_string());
    }
    let hex = object.hex();
    let line = backup.sums().lines().find(|line| line.starts_with(&hex))?;
    line.split_once("  ").map(|(_, path)| path.to_owned())
}

fn digest_of(target: &Target, path: &str, size: u64) -> Result<ObjectId, std::io::Error> {
    let mut hash = Sha256::new();
    let mut reader = target.place().read(path, 0, size).map_err(std::io::Error::other)?;
    let mut buffer = vec![0; 256 << 10];
    loop {
        match std::io::Read::read(&mut reader, &mut buffer)? {
            0 => return Ok(ObjectId::new(hash.finalize().into())),
            read => hash.update(&buffer[..read]),
        }
    }
}

pub(super) fn count(number: usize, what: &str) -> String {
    if number == 1 { format!("1 {what}") } else { format!("{number} {what}s") }
}
