//! Where everything of a backup belongs: where it was, or below another folder.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::path::{Component, Path, PathBuf};

use super::CannotRestore;
use super::source::Source;
use crate::apk::KeyId;
use crate::backup::Vault;
use crate::backup::vault::owners_mode;
use crate::config::{self, Config};
use crate::disk::durable;
use crate::jobs::Error;
use crate::snapshot::backup::{BackupId, BackupManifest, KeptPath};

/// Where systemd lays a service's credentials: nothing can be put there by hand.
const CREDENTIALS: &str = "/run/credentials";

/// The folder of trees beside a public link; see [`crate::disk::layout`].
const TREES: &str = ".generations";

/// The configuration's name in a backup, and below `--to`.
pub(super) const CONFIG: &str = "bivouac.toml";

/// Where a backup goes.
#[derive(Debug)]
pub(super) struct Destination {
    /// The configuration's file.
    pub(super) config_file: PathBuf,
    /// The store.
    pub(super) store: PathBuf,
    /// The public link.
    pub(super) public: PathBuf,
    /// The configuration as it is to be there.
    pub(super) text: String,
    /// The same, read.
    pub(super) config: Config,
    /// Where each file that is named in records or in the configuration was, and where it goes.
    pub(super) moved: BTreeMap<PathBuf, PathBuf>,
    /// What nobody else may read, with its mode.
    pub(super) private: Vec<(PathBuf, u32, crate::backup::vault::Secret)>,
    /// Other files that the configuration names.
    pub(super) open: Vec<(PathBuf, KeptPath)>,
}

impl Destination {
    /// For a backup whose configuration reads `text`.
    pub(super) fn of(
        manifest: &BackupManifest,
        text: &str,
        vault: Option<Vault>,
        to: Option<&Path>,
    ) -> Result<Self, Error> {
        let places = &manifest.places;
        let refused = |cause| CannotRestore::Config { id: manifest.id.clone(), cause };
        let folder = places.config.parent().unwrap_or(Path::new("/"));
        let credentials = Path::new(CREDENTIALS).join("bivouac");
        let then = Config::parse(text, &places.config, folder, Some(&credentials)).map_err(refused)?;
        let to = to.map(absolute).transpose()?;
        let config_file = to.as_ref().map_or_else(|| places.config.clone(), |to| to.join(CONFIG));
        let home = |kept: &KeptPath, from: &Path| match &to {
            Some(to) => to.join(kept.path()),
            None if from.starts_with(CREDENTIALS) => folder.join("keys").join(from.file_name().unwrap_or_default()),
            None => from.to_owned(),
        };
        let mut moved = BTreeMap::new();
        let mut open = Vec::new();
        for (kept, from) in &places.named {
            let path = home(kept, from);
            moved.insert(from.clone(), path.clone());
            open.push((path, kept.clone()));
        }
        let mut private = Vec::new();
        for file in vault.into_iter().flat_map(|vault| vault.files) {
            let path = home(&file.path, &file.from);
            moved.insert(file.from, path.clone());
            private.push((path, file.mode, file.bytes));
        }
        let (store, public, text) = match &to {
            None => (places.store.clone(), places.public.clone(), text.to_owned()),
            Some(to) => {
                let mut homes = config::homes(&then);
                homes.insert(places.store.clone(), "store".into());
                homes.insert(places.public.clone(), "public".into());
                let text = config::relocate(text, folder, Some(&credentials), &homes)
                    .map_err(|cause| CannotRestore::Relocate { id: manifest.id.clone(), cause })?;
                (to.join("store"), to.join("public"), text)
            }
        };
        let folder = config_file.parent().unwrap_or(Path::new("/")).to_owned();
        let config = Config::parse(&text, &config_file, &folder, Some(&credentials)).map_err(refused)?;
        Ok(Destination { config_file, store, public, text: text.to_owned(), config, moved, private, open })
    }

    /// Fails where a file would go to other ground than the configuration's and the store's own. Of a backup that only a recipient's
    /// public name speaks for, all paths may be a forger's choice: a key of his in a folder whose files are obeyed would be his
    /// way in. Own ground is the folder of a configuration that is there, or one with nothing else in it and no hidden part.
    pub(super) fn require_own_ground(&self, id: &BackupId, signer: &KeyId) -> Result<(), Error> {
        let abroad =
            |path: &Path| CannotRestore::Abroad { id: id.clone(), path: path.to_owned(), signer: signer.clone() };
        let folder = self.config_file.parent().unwrap_or(Path::new("/"));
        let files = || self.private.iter().map(|(path, _, _)| path).chain(self.open.iter().map(|(path, _)| path));
        let ours = || files().chain([&self.config_file, &self.store, &self.public]);
        if let Some(path) = ours().find(|path| path.components().any(|part| part == Component::ParentDir)) {
            return Err(abroad(path).into());
        }
        if let Some(path) = files().find(|path| !path.starts_with(folder) && !path.starts_with(&self.store)) {
            return Err(abroad(path).into());
        }
        if self.config_file.is_file() {
            return Ok(());
        }
        if let Some(path) = ours().find(|path| path.iter().any(|part| part.as_encoded_bytes().starts_with(b"."))) {
            return Err(abroad(path).into());
        }
        if !folder.is_dir() {
            return Ok(());
        }
        let below = |path: &'_ PathBuf| path.strip_prefix(folder).ok()?.iter().next().map(OsStr::to_owned);
        let mut expected: BTreeSet<OsString> = ours().filter_map(below).collect();
        // The trees lie beside the public link.
        expected.extend(self.public.parent().and_then(|beside| below(&beside.join(TREES))));
        let is_other = |name: &String| !expected.contains(OsStr::new(name)) && !durable::is_temporary(name.as_ref());
        match durable::list(folder)?.into_iter().find(is_other) {
            Some(name) => Err(abroad(&folder.join(name)).into()),
            None => Ok(()),
        }
    }

    /// Fails where a file is that the backup would put there with other bytes.
    pub(super) fn require_free(&self, source: &Source<'_>) -> Result<(), Error> {
        let in_the_way = |path: &Path, bytes: &[u8]| -> Result<(), Error> {
            match durable::read_if_present(path)? {
                Some(found) if found != bytes => Err(CannotRestore::InTheWay { path: path.to_owned() }.into()),
                _ => Ok(()),
            }
        };
        in_the_way(&self.config_file, self.text.as_bytes())?;
        for (path, _, bytes) in &self.private {
            in_the_way(path, bytes.reveal())?;
        }
        for (path, kept) in &self.open {
            if let Some(bytes) = source.peek(kept) {
                in_the_way(path, &bytes)?;
            }
        }
        Ok(())
    }

    /// Puts the configuration, keys and other files where they belong. What is there stays; tells which of them differ.
    pub(super) fn write_files(&self, source: &mut Source<'_>) -> Result<Vec<PathBuf>, Error> {
        let mut differ = Vec::new();
        for (path, mode, bytes) in &self.private {
            put(path, bytes.reveal(), owners_mode(*mode), 0o700, &mut differ)?;
        }
        for (path, kept) in &self.open {
            let Some((bytes, mode)) = source.file(kept)? else { continue };
            put(path, &bytes, mode, 0o755, &mut differ)?;
        }
        put(&self.config_file, self.text.as_bytes(), source.mode_of_config(), 0o755, &mut differ)?;
        Ok(differ)
    }

    /// A record that names files, with the names that they have now.
    pub(super) fn with_moved(&self, mut record: serde_json::Value) -> serde_json::Value {
        self.rename(&mut record);
        record
    }

    fn rename(&self, value: &mut serde_json::Value) {
        match value {
            serde_json::Value::String(text) => {
                if let Some(now) = self.moved.get(Path::new(text)) {
                    *text = now.to_string_lossy().into_owned();
                }
            }
            serde_json::Value::Array(values) => values.iter_mut().for_each(|value| self.rename(value)),
            serde_json::Value::Object(values) => values.values_mut().for_each(|value| self.rename(value)),
            serde_json::Value::Null | serde_json::Value::Bool(_) | serde_json::Value::Number(_) => {}
        }
    }
}

fn put(path: &Path, bytes: &[u8], mode: u32, folder_mode: u32, differ: &mut Vec<PathBuf>) -> Result<(), Error> {
    match durable::read_if_present(path)? {
        Some(found) if found == bytes => {}
        Some(_) => differ.push(path.to_owned()),
        None => {
            durable::create_folder(path.parent().unwrap_or(Path::new("/")), folder_mode)?;
            durable::write(path, bytes, mode)?;
        }
    }
    Ok(())
}

fn absolute(path: &Path) -> Result<PathBuf, Error> {
    Ok(std::path::absolute(path).map_err(|cause| durable::Error::new("find", path, cause))?)
}
