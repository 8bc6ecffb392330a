//! The files of a backup that are no packages, and what of it is lost.

use std::collections::{BTreeMap, HashMap, HashSet};

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::CannotRestore;
use crate::apk::ObjectId;
use crate::backup::restore::{LostObject, Shelf};
use crate::backup::target::MARKER;
use crate::backup::{self, Backup, Target};
use crate::error::{Class, Trouble as _};
use crate::jobs::Error;
use crate::jobs::error::in_one_line;
use crate::plan::publish::Generation;
use crate::snapshot::backup::{KeptFile, KeptPath};

/// Something of a backup that did not come back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Lost {
    /// What it is: a package as it is published, a record's path, or an object's digest.
    pub what: String,
    /// Stable word.
    pub code: &'static str,
    /// What is wrong.
    pub message: String,
}

/// A backup whose files are read.
pub(super) struct Source<'b> {
    target: &'b Target,
    backup: &'b Backup,
    shelf: Shelf<'b>,
    files: BTreeMap<&'b KeptPath, &'b KeptFile>,
    /// What is lost so far.
    pub(super) lost: Vec<Lost>,
    first: Option<backup::Error>,
    /// Not all that is lost is so only because the medium does not give it.
    is_damaged: bool,
}

impl<'b> Source<'b> {
    pub(super) fn new(target: &'b Target, backup: &'b Backup) -> Self {
        let files = backup.files().iter().map(|file| (&file.path, file)).collect();
        Source {
            target,
            backup,
            shelf: Shelf::new(target, backup),
            files,
            lost: Vec::new(),
            first: None,
            is_damaged: false,
        }
    }

    pub(super) fn shelf(&self) -> &Shelf<'b> {
        &self.shelf
    }

    /// All files, in the order of their paths.
    pub(super) fn files(&self) -> Vec<&'b KeptFile> {
        self.files.values().copied().collect()
    }

    /// Every object that is a file.
    pub(super) fn file_objects(&self) -> HashSet<ObjectId> {
        self.files.values().map(|file| file.sha256).collect()
    }

    /// A file's bytes and mode; none where the backup has none, or lost it.
    pub(super) fn file(&mut self, path: &KeptPath) -> Result<Option<(Vec<u8>, u32)>, Error> {
        let Some(file) = self.files.get(path).copied() else { return Ok(None) };
        Ok(self.load(file)?.map(|bytes| (bytes, file.mode)))
    }

    /// The same without noting what is lost.
    pub(super) fn peek(&self, path: &KeptPath) -> Option<Vec<u8>> {
        let file = self.files.get(path)?;
        self.shelf.load(self.shelf.find(&file.sha256)?).ok()
    }

    pub(super) fn load(&mut self, file: &KeptFile) -> Result<Option<Vec<u8>>, Error> {
        let Some(stored) = self.shelf.find(&file.sha256) else {
            self.note(file.path.to_string(), "object-missing", "it was lost before the backup was made".into());
            return Ok(None);
        };
        match self.shelf.load(stored) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.class() == Class::Host => Err(error.into()),
            Err(error) => {
                self.note_error(file.path.to_string(), error);
                Ok(None)
            }
        }
    }

    /// A record that must be there and read.
    pub(super) fn record<T: DeserializeOwned>(&mut self, path: &str) -> Result<Option<T>, Error> {
        let bad = || CannotRestore::Record { id: self.backup.id().clone(), path: path.to_owned() };
        let kept: KeptPath = path.parse().map_err(|_| bad())?;
        let Some((bytes, _)) = self.file(&kept)? else { return Ok(None) };
        let bad = || CannotRestore::Record { id: self.backup.id().clone(), path: path.to_owned() };
        Ok(Some(serde_json::from_slice(&bytes).map_err(|_| bad())?))
    }

    /// A text; none where the backup lost it.
    pub(super) fn text(&mut self, path: &str) -> Result<Option<String>, Error> {
        let bad = || CannotRestore::Record { id: self.backup.id().clone(), path: path.to_owned() };
        let kept: KeptPath = path.parse().map_err(|_| bad())?;
        let Some((bytes, _)) = self.file(&kept)? else { return Ok(None) };
        let bad = || CannotRestore::Record { id: self.backup.id().clone(), path: path.to_owned() };
        Ok(Some(String::from_utf8(bytes).map_err(|_| bad())?))
    }

    pub(super) fn mode_of_config(&self) -> u32 {
        let is_config = |file: &&&KeptFile| file.path.as_str() == "bivouac.toml";
        self.files.values().find(is_config).map_or(0o600, |file| file.mode)
    }

    pub(super) fn note(&mut self, what: String, code: &'static str, message: String) {
        self.is_damaged = true;
        self.lost.push(Lost { what, code, message });
    }

    fn note_error(&mut self, what: String, error: backup::Error) {
        self.is_damaged |= error.class() != Class::Upstream;
        self.lost.push(Lost { what, code: error.code(), message: in_one_line(&error) });
        self.first.get_or_insert(error);
    }

    /// Notes packages that did not come back, by the names that `generations` have for them.
    pub(super) fn note_objects(&mut self, lost: Vec<LostObject>, generations: &[Generation]) {
        if lost.is_empty() {
            return;
        }
        let mut names: HashMap<ObjectId, String> = HashMap::new();
        for state in generations.iter().rev().flat_map(|generation| &generation.repositories) {
            for placed in &state.files {
                let name = || format!("{}/{}/{}", state.name, state.arch, placed.file.as_str());
                names.entry(placed.object).or_insert_with(name);
            }
        }
        for LostObject { object, why, .. } in lost {
            let what = names.get(&object).cloned().unwrap_or_else(|| format!("object {object}"));
            self.note_error(what, why);
        }
    }

    /// Fails where something is lost.
    pub(super) fn require_all(&mut self) -> Result<(), Error> {
        let Some(lost) = self.lost.first() else { return Ok(()) };
        let (id, count, what) = (self.backup.id().clone(), self.lost.len(), lost.what.clone());
        // Of a medium that was pulled out all files are missing, the marker among them.
        let place = self.target.place();
        if !matches!(place.length(MARKER), Ok(Some(_))) {
            self.first = Some(backup::Error::NoMarker { place: place.shown() });
            self.is_damaged = false;
        }
        let class = if self.is_damaged { Class::Damaged } else { Class::Upstream };
        let cause = self.first.take().map(Box::new);
        Err(CannotRestore::Lost { id, count, what, class, cause }.into())
    }
}
