//! One object of a bundle: where it lies in a volume, and how its bytes are had from there.

use std::io::Read;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use super::Error;
use super::container::open_plain;
use super::read::{Verified, Volume};
use crate::apk::ObjectId;
use crate::delta::{self, BadDelta, Limits};
use crate::snapshot::manifest::{Form, Packed};

/// The longest object that is made whole in memory here, bytes: no delta gives more.
const LARGEST_DELTA: u64 = delta::LARGEST_TARGET as u64 + (1 << 20);

/// One object that a volume has.
pub(super) struct Task<'a> {
    volume: &'a Volume,
    pub(super) packed: &'a Packed,
    /// Where it begins in the volume's stream; for one that lies beside, its file.
    from: From,
}

enum From {
    Stream(u64),
    File(PathBuf),
}

/// All objects that `volume` has, in its order.
pub(super) fn tasks_of<'a>(volume: &'a Volume, verified: &'a Verified) -> Vec<Task<'a>> {
    let manifest = verified.manifest();
    let folder = volume.path().parent().unwrap_or(Path::new(""));
    let mut tasks: Vec<Task<'_>> = match volume.number() {
        Some(number) => {
            manifest.volume(number).map(|(begin, packed)| Task { volume, packed, from: From::Stream(begin) }).collect()
        }
        None => Vec::new(),
    };
    let beside = |(path, packed): (&crate::snapshot::manifest::FilePath, _)| {
        let from = From::File(folder.join(path.path()));
        Task { volume, packed, from }
    };
    tasks.extend(manifest.beside().map(beside));
    tasks
}

/// The objects of a volume that somebody asks for by their digests, of which nothing is taken in here.
pub struct Offered<'a>(Task<'a>);

impl<'a> Offered<'a> {
    /// Those that `wanted` names.
    pub fn of(volume: &'a Volume, verified: &'a Verified, wanted: impl Fn(&ObjectId) -> bool) -> Vec<Self> {
        tasks_of(volume, verified).into_iter().filter(|task| wanted(&task.packed.sha256)).map(Offered).collect()
    }

    /// What it is.
    pub fn packed(&self) -> &Packed {
        self.0.packed
    }

    /// Its bytes, made whole where it is a delta, over what `base_of` has: `None` where that lacks the base. Whole objects are
    /// not compared with their digest here: who takes them in does.
    pub fn open(
        &self,
        base_of: impl FnOnce(&ObjectId) -> Result<Option<Vec<u8>>, Error>,
    ) -> Result<Option<Box<dyn Read>>, Error> {
        let base = match self.0.packed.form {
            Form::Whole { .. } | Form::Beside { .. } => return self.0.open().map(Some),
            Form::Delta { base: None, .. } => None,
            Form::Delta { base: Some(base), .. } => match base_of(&base)? {
                Some(bytes) => Some(bytes),
                None => return Ok(None),
            },
        };
        let bytes = self.0.rebuild(base.as_deref(), &self.0.delta()?)?;
        Ok(Some(Box::new(std::io::Cursor::new(bytes))))
    }
}

impl Task<'_> {
    /// The bytes of a delta. The manifest is signed and names their digest, so nothing of a delta is decoded that its sender did
    /// not write.
    pub(super) fn delta(&self) -> Result<Vec<u8>, Error> {
        let Form::Delta { length, delta: named, .. } = self.packed.form else {
            unreachable!("the caller has matched the form");
        };
        // No sender's delta is much longer than what it gives.
        if length > LARGEST_DELTA {
            return Err(self.wrong());
        }
        let bytes = self.read_all(length)?;
        if digest(&bytes) == named { Ok(bytes) } else { Err(self.wrong()) }
    }

    /// The object that a delta gives, over the bytes of its base.
    pub(super) fn rebuild(&self, base: Option<&[u8]>, delta: &[u8]) -> Result<Vec<u8>, Error> {
        let named = match self.packed.form {
            Form::Delta { base, .. } => base,
            Form::Whole { .. } | Form::Beside { .. } => None,
        };
        // What the manifest does not say it gives need not be made.
        let size = usize::try_from(self.packed.size).unwrap_or(usize::MAX);
        let limits = Limits { target: size.min(delta::LARGEST_TARGET), ..Limits::default() };
        let refused = |cause| Error::Delta { path: self.path(), what: self.packed.what.to_string(), cause };
        let target = delta::apply(base, delta, &limits).map_err(|cause| match cause {
            // The object that was asked for is not what its name says.
            BadDelta::WrongBase { needs, .. } if named == Some(ObjectId::new(needs)) => {
                Error::DamagedBase { object: ObjectId::new(needs) }
            }
            cause => refused(cause),
        })?;
        if digest(&target) != self.packed.sha256 {
            return Err(self.wrong());
        }
        Ok(target)
    }

    pub(super) fn open(&self) -> Result<Box<dyn Read>, Error> {
        Ok(match &self.from {
            From::Stream(begin) => Box::new(self.volume.objects(*begin, self.packed.length())?),
            From::File(path) => {
                let file = open_plain(path)?;
                // One byte more than there may be tells a file that is too long.
                Box::new(file.take(self.packed.size.saturating_add(1)))
            }
        })
    }

    pub(super) fn read_all(&self, length: u64) -> Result<Vec<u8>, Error> {
        let mut bytes = Vec::new();
        self.open()?.read_to_end(&mut bytes).map_err(|cause| Error::medium(&self.path(), cause))?;
        if bytes.len() as u64 == length { Ok(bytes) } else { Err(self.wrong()) }
    }

    pub(super) fn path(&self) -> PathBuf {
        match &self.from {
            From::Stream(_) => self.volume.path().to_owned(),
            From::File(path) => path.clone(),
        }
    }

    pub(super) fn wrong(&self) -> Error {
        Error::WrongObject { path: self.path(), what: self.packed.what.to_string() }
    }
}

pub(super) fn digest(bytes: &[u8]) -> ObjectId {
    ObjectId::new(Sha256::digest(bytes).into())
}
