//! What nobody else may read, and the other files that the configuration names.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::CannotBackup;
use super::state::{State, kept};
use super::target::Known;
use crate::backup::vault::{Passphrase, PrivateFile, SealTo, Secret, Vault, owners_mode};
use crate::config::{self, Config, FileKind, Sealing};
use crate::disk::private_file::Exposed;
use crate::jobs::{Error, Mirror};
use crate::ledger::SealedVault;
use crate::sign::{KeyPlace, Seal};
use crate::snapshot::backup::{KeptFile, KeptPath, Sealed};

/// The encrypted part's place in a backup.
pub(super) const VAULT: &str = "keys.age";
/// The configuration's.
const CONFIG: &str = "bivouac.toml";

/// Files beside the store that a restore must bring back.
pub(super) struct Private {
    /// The configuration's file, absolute.
    pub(super) config: PathBuf,
    open: BTreeMap<PathBuf, KeptPath>,
    private: BTreeMap<PathBuf, KeptPath>,
}

/// An encrypted part that is stored, or to be.
pub(super) struct SealedPart {
    pub(super) sealed: Sealed,
    pub(super) stored: SealedVault,
}

impl Private {
    /// Finds them: what the configuration names, and the private halves of all keys that sign or did.
    pub(super) fn of(config: &Config, mirror: &Mirror<'_>) -> Result<Self, Error> {
        let file = std::path::absolute(&config.file)
            .map_err(|cause| CannotBackup::Private { path: config.file.clone(), cause })?;
        let mut found = Private { config: file, open: BTreeMap::new(), private: BTreeMap::new() };
        let homes = config::homes(config);
        for named in config.named_files() {
            let home = homes[&named.path].to_string_lossy().into_owned();
            match named.kind {
                FileKind::Keys | FileKind::Open => found.add_open_file(&named.path, &home)?,
                FileKind::Private => found.add_private(&named.path, &home)?,
            }
        }
        let record = mirror.ledger.signing()?;
        let rotation = record.rotation.iter().flat_map(|rotation| [&rotation.old.place, &rotation.new.place]);
        for place in record.used.iter().map(|used| &used.place).chain(rotation) {
            let KeyPlace::File(key) = place else { continue };
            for path in std::iter::once(&key.path).chain(&key.passphrase_file) {
                let name = path.file_name().unwrap_or_default().to_string_lossy();
                found.add_private(path, &format!("keys/{name}"))?;
            }
        }
        Ok(found)
    }

    fn add_open_file(&mut self, path: &Path, home: &str) -> Result<(), Error> {
        if !path.is_dir() {
            self.open.insert(path.to_owned(), kept(home)?);
            return Ok(());
        }
        // A folder of public keys.
        let mut names = crate::disk::durable::list(path)?;
        names.sort();
        for name in names.into_iter().filter(|name| path.join(name).is_file()) {
            self.open.insert(path.join(&name), kept(&format!("{home}/{name}"))?);
        }
        Ok(())
    }

    fn add_private(&mut self, path: &Path, home: &str) -> Result<(), Error> {
        // A key that was retired may be gone, and a credential is there only while its service runs.
        if !path.is_file() || self.private.contains_key(path) {
            return Ok(());
        }
        let taken: BTreeSet<&KeptPath> = self.private.values().chain(self.open.values()).collect();
        let mut home = kept(home)?;
        for number in 2.. {
            if !taken.contains(&home) {
                break;
            }
            home = kept(&format!("{home}-{number}"))?;
        }
        // The public half, which people hand to clients, lies beside the private one.
        let beside = |path: &Path| PathBuf::from(format!("{}.pub", path.display()));
        let public = beside(path);
        if public.is_file() && !self.open.contains_key(&public) {
            self.open.insert(public, kept(&format!("{home}.pub"))?);
        }
        self.private.insert(path.to_owned(), home);
        Ok(())
    }

    /// The private files.
    pub(super) fn paths(&self) -> Vec<PathBuf> {
        self.private.keys().cloned().collect()
    }

    /// Adds the configuration and what it names that everybody may read; tells where each was.
    pub(super) fn add_open(&self, state: &mut State) -> Result<BTreeMap<KeptPath, PathBuf>, Error> {
        state.add_file(kept(CONFIG)?, &self.config)?;
        let mut named = BTreeMap::new();
        for (path, home) in &self.open {
            if state.add_file(home.clone(), path)?.is_some() {
                named.insert(home.clone(), path.clone());
            }
        }
        Ok(named)
    }

    /// Adds the encrypted part, where somebody is named to whom it can be. One that is in the target already and has the same in
    /// it for the same is used again.
    pub(super) fn seal(
        &self,
        backup: &config::Backup,
        seal: &Seal,
        before: Option<&SealedVault>,
        known: &Known,
        state: &mut State,
        time: Timestamp,
    ) -> Result<Option<SealedPart>, Error> {
        let (to, recipients) = match &backup.sealing {
            Sealing::None => return Ok(None),
            Sealing::Recipients(recipients) => {
                let parsed = recipients.iter().map(|one| one.parse()).collect::<Result<_, _>>();
                (SealTo::Recipients(parsed.expect("they were read with the configuration")), recipients.clone())
            }
            Sealing::PassphraseFile(path) => {
                (SealTo::Passphrase(Passphrase::load(path, Exposed::Refuse).map_err(CannotBackup::from)?), Vec::new())
            }
        };
        let vault = Vault { signers: seal.keys(), files: self.read()? };
        let digest = format!("{}{}", vault.digest(&to), stamp(&backup.sealing));
        let sealed = |object| Sealed { object, recipients: recipients.clone(), files: self.paths() };
        if let Some(before) = before.filter(|before| before.digest == digest && known.holds(&before.object)) {
            state.add_stored(KeptFile {
                sha256: before.object,
                size: before.size,
                mode: 0o600,
                modified: time.as_second(),
                path: kept(VAULT)?,
            });
            return Ok(Some(SealedPart { sealed: sealed(before.object), stored: before.clone() }));
        }
        let bytes = vault.seal(&to, time).map_err(CannotBackup::from)?;
        let size = bytes.len() as u64;
        let object = state.add(kept(VAULT)?, bytes, 0o600, time.as_second());
        Ok(Some(SealedPart { sealed: sealed(object), stored: SealedVault { digest, object, size } }))
    }

    fn read(&self) -> Result<Vec<PrivateFile>, Error> {
        let mut files = Vec::new();
        for (path, home) in &self.private {
            let unreadable = |cause: io::Error| CannotBackup::Private { path: path.clone(), cause };
            let bytes = std::fs::read(path).map_err(unreadable)?;
            let mode = owners_mode(path.metadata().map_err(unreadable)?.mode());
            files.push(PrivateFile { path: home.clone(), from: path.clone(), mode, bytes: Secret::new(bytes) });
        }
        Ok(files)
    }
}

/// Tells whether a passphrase's file is the one that it was: of what is in it nothing may be remembered.
fn stamp(sealing: &Sealing) -> String {
    let Sealing::PassphraseFile(path) = sealing else { return String::new() };
    let found = path.metadata();
    found.map_or_else(|_| String::new(), |found| format!(" {} {} {}", found.ino(), found.ctime(), found.ctime_nsec()))
}
