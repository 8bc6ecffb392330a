//! What a bundle says of itself: the state that it brings, and every object in it.
//!
//! ```text
//! manifest.json      this, as JSON; signed as it stands, byte for byte
//! objects.<n>        the objects of volume n, one behind the other, in the manifest's order and without anything between them
//! ```
//!
//! A manifest lists the *whole* state by its indexes, and of the objects only those that the bundle carries. What is not in it
//! the receiver has already, or a bundle before it brought it: [`Manifest::base`] says which. Each object is carried whole, or
//! as a delta over another one that the receiver has, named by its digest; never over one of the same bundle, so that volumes
//! can come in any order.

use std::collections::BTreeSet;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::apk::names::{Arch, KeyName, PackageName, RepositoryName, VersionText};
use crate::apk::{Identity, ObjectId};

pub use super::dated_id::{BadBundleId, BundleId};

/// The form of the text below; a reader refuses others.
pub const FORM: u32 = 1;

/// What the file name of a bundle ends in, where a folder is searched.
pub const SUFFIX: &str = ".bundle";

/// What a bundle says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// [`FORM`].
    pub bundle: u32,
    /// Its name. Of two bundles of one sender the later one has the greater id, whatever the sender's clock did.
    pub id: BundleId,
    /// When it was made.
    pub time: Timestamp,
    /// When its receiver ought to have had a newer one. It only warns.
    pub expires: Timestamp,
    /// What its receiver is held to have; none: nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<Base>,
    /// The sender's public keys, those that sign now: for people to compare, never a reason to trust.
    pub keys: Vec<SenderKey>,
    /// The state that it brings: all of the sender's chosen repositories.
    pub repositories: Vec<Carried>,
    /// How many volumes its objects are in; 0 where all of them lie beside it.
    pub volumes: u32,
    /// What is in it, in this order in each volume.
    pub objects: Vec<Packed>,
    /// The program that rides along.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool: Option<Tool>,
}

/// What the receiver of a bundle is held to have.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Base {
    /// The bundle whose state that is; none where a receipt told of objects and of no bundle in force.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<BundleId>,
    /// When that was made, or the receipt.
    pub time: Timestamp,
    /// Whose receipt told what is there; none where the sender's own record did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub receipt_of: Option<String>,
}

/// A public key of the sender.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SenderKey {
    /// Its file name.
    pub name: KeyName,
    /// PEM, SubjectPublicKeyInfo.
    pub pem: String,
}

/// One repository of the state, for one arch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Carried {
    /// Its name at the sender.
    pub name: RepositoryName,
    /// The arch.
    pub arch: Arch,
    /// The index file as the sender publishes it.
    pub index: ObjectId,
    /// Upstream's own signed index files that it follows from.
    pub origins: Vec<ObjectId>,
    /// The one of them all of whose packages the state holds: the receiver can publish it in place of the sender's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub whole: Option<ObjectId>,
    /// How many packages the index lists.
    pub packages: u64,
    /// Their sizes' sum, bytes.
    pub bytes: u64,
}

impl Carried {
    /// Every index file of it, the sender's first.
    pub fn indexes(&self) -> impl Iterator<Item = &ObjectId> {
        std::iter::once(&self.index).chain(&self.origins)
    }
}

/// One object that a bundle carries.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Packed {
    /// SHA-256 of the object.
    pub sha256: ObjectId,
    /// Its size in bytes.
    pub size: u64,
    /// What it is.
    #[serde(flatten)]
    pub what: What,
    /// How it is carried.
    #[serde(flatten)]
    pub form: Form,
}

/// What an object is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum What {
    /// An index file.
    Index(RepositoryName, Arch),
    /// A package.
    Package(PackageName, VersionText, Identity),
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            What::Index(name, arch) => write!(f, "an index of {name}/{arch}"),
            What::Package(name, version, _) => write!(f, "{name}-{version}.apk"),
        }
    }
}

/// How an object is carried.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", tag = "form")]
pub enum Form {
    /// As it is, in this volume.
    Whole {
        /// Counted from 1.
        volume: u32,
    },
    /// As a delta, see [`crate::delta`].
    Delta {
        /// Counted from 1.
        volume: u32,
        /// The delta's length in bytes.
        length: u64,
        /// SHA-256 of the delta.
        delta: ObjectId,
        /// What it is over; none where it holds the object by itself.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        base: Option<ObjectId>,
    },
    /// As a file of its own beside the manifest's: a path below that folder.
    Beside {
        /// Checked segments joined by `/`.
        path: FilePath,
    },
}

/// The program that rides along.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tool {
    /// SHA-256 of it.
    pub sha256: ObjectId,
    /// Its size in bytes.
    pub size: u64,
    /// Which release it is, and what it runs on.
    pub about: String,
}

/// A file's path below a bundle's folder: segments that are plain names, joined by `/`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct FilePath(Box<str>);

impl FromStr for FilePath {
    type Err = BadManifest;

    fn from_str(text: &str) -> Result<Self, BadManifest> {
        let plain = |segment: &str| {
            !segment.is_empty() && segment.len() <= 255 && !segment.starts_with('.') && !segment.contains(['\0', '\\'])
        };
        let good = text.len() <= 1000 && text.split('/').all(plain);
        if good { Ok(FilePath(text.into())) } else { Err(BadManifest::Path(text.chars().take(80).collect())) }
    }
}

impl FilePath {
    /// The relative path. The only way from this text to one.
    pub fn path(&self) -> PathBuf {
        PathBuf::from(&*self.0)
    }
}

impl<'de> Deserialize<'de> for FilePath {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// Why a manifest is none.
#[derive(Debug, thiserror::Error)]
pub enum BadManifest {
    /// Written by a later release.
    #[error("it has form {0}, and this release reads form {FORM}")]
    Newer(u32),
    /// Not JSON of this form.
    #[error("it cannot be read")]
    Text(#[source] serde_json::Error),
    /// A path that leads elsewhere.
    #[error("it names the file {0:?}, which no bundle does")]
    Path(String),
    /// What it says cannot be.
    #[error("it contradicts itself: {0}")]
    Contradiction(&'static str),
}

impl Manifest {
    /// As it is signed and stored.
    pub fn print(&self) -> Vec<u8> {
        let mut text = serde_json::to_vec(self).expect("a manifest has string keys and no failing parts");
        text.push(b'\n');
        text
    }

    /// Reads a manifest whose signature is good: a signature says who wrote it, not that it makes sense.
    pub fn parse(bytes: &[u8]) -> Result<Self, BadManifest> {
        #[derive(Deserialize)]
        struct Stub {
            bundle: u32,
        }
        let stub: Stub = serde_json::from_slice(bytes).map_err(BadManifest::Text)?;
        if stub.bundle != FORM {
            return Err(BadManifest::Newer(stub.bundle));
        }
        let manifest: Manifest = serde_json::from_slice(bytes).map_err(BadManifest::Text)?;
        manifest.check()?;
        Ok(manifest)
    }

    fn check(&self) -> Result<(), BadManifest> {
        if !self.id.as_str().starts_with(&self.time.strftime("%Y%m%dT%H%M%SZ-").to_string()) {
            return Err(BadManifest::Contradiction("its id tells another time than it does"));
        }
        let mut objects = BTreeSet::new();
        for packed in &self.objects {
            if !objects.insert(packed.sha256) {
                return Err(BadManifest::Contradiction("it carries an object twice"));
            }
            if let Form::Whole { volume } | Form::Delta { volume, .. } = packed.form
                && !(1..=self.volumes).contains(&volume)
            {
                return Err(BadManifest::Contradiction("an object is in a volume that there is not"));
            }
        }
        let over_itself =
            |packed: &Packed| matches!(packed.form, Form::Delta { base: Some(base), .. } if objects.contains(&base));
        if self.objects.iter().any(over_itself) {
            return Err(BadManifest::Contradiction("a delta is over an object of the same bundle"));
        }
        let mut places = BTreeSet::new();
        for carried in &self.repositories {
            if !places.insert((&carried.name, &carried.arch)) {
                return Err(BadManifest::Contradiction("it carries a repository twice for one arch"));
            }
            if carried.whole.is_some_and(|whole| !carried.indexes().any(|index| *index == whole)) {
                return Err(BadManifest::Contradiction("an index that it holds whole is none of its indexes"));
            }
        }
        Ok(())
    }

    /// The repository of this name, for `arch`.
    pub fn carried(&self, name: &str, arch: &Arch) -> Option<&Carried> {
        self.repositories.iter().find(|carried| carried.name.as_str() == name && carried.arch == *arch)
    }

    /// The objects of volume `number`, in their order there, each with the bytes before it in that volume's stream.
    pub fn volume(&self, number: u32) -> impl Iterator<Item = (u64, &Packed)> {
        let mut end = 0_u64;
        self.objects.iter().filter(move |packed| packed.volume() == Some(number)).map(move |packed| {
            let begin = end;
            end = end.saturating_add(packed.length());
            (begin, packed)
        })
    }

    /// Objects that lie beside the manifest as files of their own.
    pub fn beside(&self) -> impl Iterator<Item = (&FilePath, &Packed)> {
        self.objects.iter().filter_map(|packed| match &packed.form {
            Form::Beside { path } => Some((path, packed)),
            Form::Whole { .. } | Form::Delta { .. } => None,
        })
    }
}

impl Packed {
    /// Which volume it is in.
    pub fn volume(&self) -> Option<u32> {
        match self.form {
            Form::Whole { volume } | Form::Delta { volume, .. } => Some(volume),
            Form::Beside { .. } => None,
        }
    }

    /// The bytes that it takes in the bundle.
    pub fn length(&self) -> u64 {
        match self.form {
            Form::Whole { .. } | Form::Beside { .. } => self.size,
            Form::Delta { length, .. } => length,
        }
    }
}

#[cfg(test)]
mod tests;
