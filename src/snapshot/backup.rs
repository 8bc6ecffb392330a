//! What a backup says of itself: what is in it, and where.
//!
//! ```text
//! backups/<id>.tar
//!   manifest.json            this, as JSON; signed as it stands, byte for byte
//!   manifest.json.<key>.sig  RSA PKCS#1 v1.5 over SHA-256 of exactly its bytes, one for each key that signs
//!   objects.list             where every object is, a line each (below)
//!   files.list               every file that is no package, a line each (below)
//!   SHA256SUMS               for `sha256sum -c`: all files, and the packages of the live tree, as a restore lays them out
//! ```
//!
//! The manifest names the SHA-256 of the three texts, so one signature covers all of them. A line of `objects.list` is
//!
//! ```text
//! <sha256> <bytes> <segment> <offset>                                        it is there, whole
//! <sha256> <bytes> <segment> <offset> <length> <sha256 of the delta> <base>  as a delta over another one that is there whole
//! ```
//!
//! `segment` counts [`BackupManifest::segments`] from 0, `offset` is that of its first byte in the segment's file. A line of
//! `files.list` is `<sha256> <bytes> <mode, octal> <time, seconds> <path>`; the path is to the end of the line. Paths are below the
//! folder that `restore --to` fills:
//!
//! ```text
//! bivouac.toml               the configuration as it was
//! keys/…, files/…            what it names: public keys, certificates, worlds
//! keys.age                   what nobody else may read; see backup::vault
//! store/…                    the records of the store, without its pool
//! trees/<n>/<repository>/<arch>/APKINDEX.tar.gz    the index files of a generation whose tree was there
//! ```

mod lines;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::manifest::Tool;
use crate::apk::names::{KeyName, TreeName};
use crate::apk::{KeyId, ObjectId};

pub use super::dated_id::{BackupId, BadBackupId};
pub use lines::{BadLines, parse_files, parse_objects, print_files, print_objects};

/// The form of the texts; a reader refuses others.
pub const FORM: u32 = 1;

/// Tells one target from another: 32 hex digits, by chance.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TargetId(Box<str>);

/// Text that is no [`TargetId`].
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("it is no target's id (32 hex digits)")]
pub struct BadTargetId;

impl TargetId {
    /// From random bytes.
    pub fn new(random: [u8; 16]) -> Self {
        TargetId(crate::apk::checksum::hex(&random).into())
    }

    /// The checked text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for TargetId {
    type Err = BadTargetId;

    fn from_str(text: &str) -> Result<Self, BadTargetId> {
        let is_hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        if text.len() == 32 && text.bytes().all(is_hex) { Ok(TargetId(text.into())) } else { Err(BadTargetId) }
    }
}

impl std::fmt::Display for TargetId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(&self.0)
    }
}

impl Serialize for TargetId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for TargetId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// A path below the folder that a restore fills: plain segments joined by `/`, on one line, at most 1000 bytes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct KeptPath(Box<str>);

/// Text that is no [`KeptPath`].
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("it is no path of a backup's: {0:?}")]
pub struct BadKeptPath(String);

impl FromStr for KeptPath {
    type Err = BadKeptPath;

    fn from_str(text: &str) -> Result<Self, BadKeptPath> {
        let control = |c: char| c.is_control() || c == '\\';
        let plain =
            |segment: &str| !matches!(segment, "" | "." | "..") && segment.len() <= 255 && !segment.contains(control);
        let good = text.len() <= 1000 && text.split('/').all(plain);
        if good { Ok(KeptPath(text.into())) } else { Err(BadKeptPath(text.chars().take(80).collect())) }
    }
}

impl KeptPath {
    /// The checked text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The relative path. The only way from this text to one.
    pub fn path(&self) -> &Path {
        Path::new(&*self.0)
    }

    /// What follows `folder` and a slash.
    pub fn below(&self, folder: &str) -> Option<&str> {
        self.0.strip_prefix(folder)?.strip_prefix('/')
    }
}

impl std::fmt::Display for KeptPath {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(&self.0)
    }
}

impl<'de> Deserialize<'de> for KeptPath {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// The signed part of a backup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackupManifest {
    /// [`FORM`].
    pub backup: u32,
    /// Its name. Of two backups of one target the later one has the greater id, whatever the clock did.
    pub id: BackupId,
    /// When it was made.
    pub time: Timestamp,
    /// The target that it was made on.
    pub target: TargetId,
    /// When its place in the target was changed last: a prune moved objects and signed anew.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repacked: Option<Timestamp>,
    /// SHA-256 of `objects.list`.
    pub objects: ObjectId,
    /// SHA-256 of `files.list`.
    pub files: ObjectId,
    /// SHA-256 of `SHA256SUMS`.
    pub sums: ObjectId,
    /// SHA-256 of the target's `README.txt` at that time.
    pub readme: ObjectId,
    /// Our public keys, those that sign now. They say by what to check the signature, and are no reason to trust it.
    pub keys: Vec<PublicKeyText>,
    /// Where everything was.
    pub places: Places,
    /// The snapshot that was in force.
    pub snapshot: Option<String>,
    /// The generation that was live.
    pub live: Option<u64>,
    /// The trees beside live.
    pub beside: BTreeMap<TreeName, u64>,
    /// The generations whose trees are in it.
    pub trees: BTreeSet<u64>,
    /// How many objects there are, and the bytes of all of them, each whole.
    pub count: Count,
    /// Objects that are stored as deltas: reading them needs this program, not tar alone.
    pub deltas: u64,
    /// The encrypted part; none where nobody was named to whom it could be.
    pub sealed: Option<Sealed>,
    /// Private files that are left out.
    pub left_out: Vec<PathBuf>,
    /// Objects that our state names and that could not be read, or had other bytes.
    pub lost: Vec<ObjectId>,
    /// The files of the target that objects are in.
    pub segments: Vec<Segment>,
    /// The program beside the segments.
    pub tool: Option<Tool>,
}

/// A public key of ours.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublicKeyText {
    /// Its file name.
    pub name: KeyName,
    /// SHA-256 of its DER, hex: what stands on the disk's label.
    pub fingerprint: String,
    /// PEM, SubjectPublicKeyInfo.
    pub pem: String,
}

impl PublicKeyText {
    /// Which key it says to be.
    pub fn id(&self) -> KeyId {
        KeyId { name: self.name.clone(), fingerprint: self.fingerprint.clone() }
    }
}

/// Where everything was on the host that was backed up; absolute.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Places {
    /// The configuration's file.
    pub config: PathBuf,
    /// The store.
    pub store: PathBuf,
    /// The public link.
    pub public: PathBuf,
    /// Files that the configuration names and that are in the backup in the clear: where each was.
    pub named: BTreeMap<KeptPath, PathBuf>,
}

/// How much is in a backup.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Count {
    /// Objects.
    pub objects: u64,
    /// Their bytes, each whole.
    pub bytes: u64,
}

/// The encrypted part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sealed {
    /// The object that it is.
    pub object: ObjectId,
    /// What opens it: recipients' public names; empty: a passphrase.
    pub recipients: Vec<String>,
    /// Where the files in it were.
    pub files: Vec<PathBuf>,
}

/// A file of the target that objects are in.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Segment {
    /// Its file name below `segments/`.
    pub name: SegmentName,
    /// Its bytes.
    pub size: u64,
}

/// A segment's file name: the id of the backup that wrote it, and a number: `20261124T031700Z-9f3a1c20.1.tar`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SegmentName(Box<str>);

/// Text that is no [`SegmentName`].
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("it is no segment's name (20261124T031700Z-9f3a1c20.1.tar)")]
pub struct BadSegmentName;

impl SegmentName {
    /// The name of the `number`th segment, counted from 1, that the backup `id` writes.
    pub fn new(id: &BackupId, number: u32) -> Self {
        SegmentName(format!("{id}.{number}.tar").into())
    }

    /// Whether it was written under this id.
    pub fn is_of(&self, id: &BackupId) -> bool {
        self.0.strip_prefix(id.as_str()).is_some_and(|rest| rest.starts_with('.'))
    }

    /// Whether the id that it was written under has these digits, see [`BackupId::new`].
    pub fn has_digits(&self, digits: [u8; 4]) -> bool {
        let id = self.0.split_once('.').map_or("", |(id, _)| id);
        id.ends_with(&format!("-{}", crate::apk::checksum::hex(&digits)))
    }

    /// The checked text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for SegmentName {
    type Err = BadSegmentName;

    fn from_str(text: &str) -> Result<Self, BadSegmentName> {
        let good = || {
            let (id, number) = text.strip_suffix(".tar")?.split_once('.')?;
            id.parse::<BackupId>().ok()?;
            let number: u32 = number.parse().ok().filter(|parsed: &u32| parsed.to_string() == number)?;
            (number > 0).then_some(())
        };
        good().map(|()| SegmentName(text.into())).ok_or(BadSegmentName)
    }
}

impl std::fmt::Display for SegmentName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(&self.0)
    }
}

impl Serialize for SegmentName {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for SegmentName {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// The file name below `tool/` of the program beside the segments.
pub fn tool_name(tool: &Tool) -> String {
    format!("bivouac-{}", &tool.sha256.hex()[..8])
}

/// Whether a file below `tool/` has a name that [`tool_name`] gives.
pub fn is_tool_name(name: &str) -> bool {
    let is_hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    name.strip_prefix("bivouac-").is_some_and(|digits| digits.len() == 8 && digits.bytes().all(is_hex))
}

/// Where an object is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// SHA-256 of it.
    pub sha256: ObjectId,
    /// Its bytes, whole.
    pub size: u64,
    /// Which of [`BackupManifest::segments`], from 0.
    pub segment: u32,
    /// The offset of its first byte in the segment's file.
    pub at: u64,
    /// How it is stored.
    pub form: StoredForm,
}

impl Stored {
    /// Bytes that it takes in the segment, without its header.
    pub fn length(&self) -> u64 {
        match self.form {
            StoredForm::Whole => self.size,
            StoredForm::Delta { length, .. } => length,
        }
    }
}

/// How an object is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoredForm {
    /// As it is.
    Whole,
    /// As a delta, see [`crate::delta`].
    Delta {
        /// The delta's bytes.
        length: u64,
        /// SHA-256 of the delta.
        delta: ObjectId,
        /// What it is over, stored whole.
        base: ObjectId,
    },
}

/// A file that is no package.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptFile {
    /// The object that it is.
    pub sha256: ObjectId,
    /// Its bytes.
    pub size: u64,
    /// Its mode: permission bits.
    pub mode: u32,
    /// When it was written, seconds since 1970.
    pub modified: i64,
    /// Where it belongs.
    pub path: KeptPath,
}

/// Why a manifest is none.
#[derive(Debug, thiserror::Error)]
pub enum BadBackup {
    /// Written by a later release.
    #[error("it has form {0}, and this release reads form {FORM}")]
    Newer(u32),
    /// Not JSON of this form.
    #[error("it cannot be read")]
    Text(#[source] serde_json::Error),
    /// A text beside it is not the one that it names.
    #[error("its {0} is another text than it names")]
    OtherText(&'static str),
    /// A text beside it does not parse.
    #[error("its {text} cannot be read")]
    Lines {
        /// Which text.
        text: &'static str,
        /// Where and why.
        #[source]
        cause: BadLines,
    },
    /// What it says cannot be.
    #[error("it contradicts itself: {0}")]
    Contradiction(&'static str),
}

impl BackupManifest {
    /// As it is signed and stored.
    pub fn print(&self) -> Vec<u8> {
        let mut text = serde_json::to_vec_pretty(self).expect("a manifest has string keys and no failing parts");
        text.push(b'\n');
        text
    }

    /// Reads a manifest. Whoever uses it has found a signature over these bytes good.
    pub fn parse(bytes: &[u8]) -> Result<Self, BadBackup> {
        #[derive(Deserialize)]
        struct Stub {
            backup: u32,
        }
        let stub: Stub = serde_json::from_slice(bytes).map_err(BadBackup::Text)?;
        if stub.backup != FORM {
            return Err(BadBackup::Newer(stub.backup));
        }
        let manifest: BackupManifest = serde_json::from_slice(bytes).map_err(BadBackup::Text)?;
        if !manifest.id.as_str().starts_with(&manifest.time.strftime("%Y%m%dT%H%M%SZ-").to_string()) {
            return Err(BadBackup::Contradiction("its id tells another time than it does"));
        }
        let mut names = BTreeSet::new();
        if !manifest.segments.iter().all(|segment| names.insert(&segment.name)) {
            return Err(BadBackup::Contradiction("it names a segment twice"));
        }
        if manifest.live.is_some_and(|live| !manifest.trees.contains(&live)) {
            return Err(BadBackup::Contradiction("what was live is not in it"));
        }
        Ok(manifest)
    }

    /// Whether the texts fit: every object is in a segment that there is, inside it, and once; a delta's base is there whole.
    pub fn check_objects(&self, objects: &[Stored]) -> Result<(), BadBackup> {
        let mut whole = BTreeSet::new();
        let mut all = BTreeSet::new();
        for stored in objects {
            let segment = self.segments.get(stored.segment as usize);
            let end = stored.at.checked_add(stored.length());
            if segment.is_none_or(|segment| end.is_none_or(|end| end > segment.size)) {
                return Err(BadBackup::Contradiction("an object is in no segment of it"));
            }
            if !all.insert(stored.sha256) {
                return Err(BadBackup::Contradiction("it holds an object twice"));
            }
            if stored.form == StoredForm::Whole {
                whole.insert(stored.sha256);
            }
        }
        let over_nothing =
            |stored: &Stored| matches!(stored.form, StoredForm::Delta { base, .. } if !whole.contains(&base));
        if objects.iter().any(over_nothing) {
            return Err(BadBackup::Contradiction("a delta is over what it does not hold whole"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
