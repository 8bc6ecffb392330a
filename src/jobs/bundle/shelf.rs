//! Where the bytes of a bundle's objects come from. Every byte of the pool is hashed on its way out: what was damaged here must
//! not be spread.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Cursor, Read};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use sha2::{Digest as _, Sha256};

use super::CannotBundle;
use super::state::LiveState;
use crate::apk::ObjectId;
use crate::disk::durable;
use crate::jobs::{Error, Mirror};
use crate::snapshot::manifest::What;

/// The objects of the state that is sent.
#[derive(Clone, Copy)]
pub(super) struct Shelf<'s> {
    mirror: &'s Mirror<'s>,
    indexes: &'s BTreeMap<ObjectId, Vec<u8>>,
    generation: u64,
}

/// What was found wrong with an object while it was read by one who knows of reading alone.
pub(super) type Fault = Rc<RefCell<Option<CannotBundle>>>;

impl<'s> Shelf<'s> {
    pub(super) fn new(mirror: &'s Mirror<'s>, state: &'s LiveState) -> Self {
        Shelf { mirror, indexes: &state.indexes, generation: state.generation }
    }

    /// An object's bytes, exactly `size` of them. The last of them are given out only when all of them are right; else `fault`
    /// says what is wrong.
    pub(super) fn open(
        &self,
        object: &ObjectId,
        size: u64,
        what: &What,
        fault: &Fault,
    ) -> Result<Box<dyn Read>, CannotBundle> {
        if let Some(bytes) = self.indexes.get(object) {
            return Ok(Box::new(Cursor::new(bytes.clone())));
        }
        let path = self.mirror.pool.path(object);
        let file = File::open(&path).map_err(|cause| self.unopened(object, what, &path, cause))?;
        let length = file.metadata().map_err(|cause| durable::Error::new("look at", &path, cause))?.len();
        if length != size {
            return Err(CannotBundle::Damaged { what: what.to_string(), object: *object });
        }
        let (hash, what, fault) = (Sha256::new(), what.to_string(), Rc::clone(fault));
        Ok(Box::new(Checked { file, path, left: size, hash, what, object: *object, fault }))
    }

    /// The whole object.
    pub(super) fn load(&self, object: &ObjectId, size: u64, what: &What) -> Result<Vec<u8>, Error> {
        let fault = Fault::default();
        let mut bytes = Vec::new();
        let read = self.open(object, size, what, &fault)?.read_to_end(&mut bytes);
        match (fault.take(), read) {
            (Some(fault), _) => Err(fault.into()),
            (None, Ok(_)) => Ok(bytes),
            (None, Err(cause)) => Err(durable::Error::new("read", self.mirror.pool.path(object), cause).into()),
        }
    }

    /// An object that is not there: a prune took it with a generation that is live no more, or it is lost.
    fn unopened(&self, object: &ObjectId, what: &What, path: &Path, cause: io::Error) -> CannotBundle {
        if cause.kind() != io::ErrorKind::NotFound {
            return durable::Error::new("open", path, cause).into();
        }
        match self.mirror.tree.live() {
            Ok(Some(live)) if live == self.generation => CannotBundle::Lost { what: what.to_string(), object: *object },
            _ => CannotBundle::Gone { what: what.to_string() },
        }
    }
}

/// Hashes what it reads, and fails instead of giving out the end of a wrong object.
struct Checked {
    file: File,
    path: PathBuf,
    left: u64,
    hash: Sha256,
    what: String,
    object: ObjectId,
    fault: Fault,
}

impl Checked {
    /// Leaves word of what is wrong.
    fn refuse(&self, fault: CannotBundle) -> io::Error {
        self.fault.replace(Some(fault));
        io::Error::other("an object cannot be read")
    }
}

impl Read for Checked {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = buffer.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        if most == 0 {
            return Ok(0);
        }
        let read = match self.file.read(&mut buffer[..most]) {
            Ok(read) => read,
            Err(cause) if cause.kind() == io::ErrorKind::Interrupted => return Err(cause),
            Err(cause) => return Err(self.refuse(durable::Error::new("read", &self.path, cause).into())),
        };
        self.hash.update(&buffer[..read]);
        self.left -= read as u64;
        let is_over = self.left == 0 || read == 0;
        if is_over && ObjectId::new(self.hash.finalize_reset().into()) != self.object {
            return Err(self.refuse(CannotBundle::Damaged { what: self.what.clone(), object: self.object }));
        }
        Ok(read)
    }
}
