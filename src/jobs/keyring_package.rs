//! The package that brings our public keys to clients: `apk upgrade` installs the next one before the former is retired.
//!
//! It lies in a folder of the store's, `keyring/`, which the configuration has as a source of its own (never the operator's
//! folder), so that it comes into every index of ours by the same way as any private package. A new edition is made when the
//! set of keys that sign changes; the package of an edition always has the same bytes, as long as the same keys sign it.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use super::seal::{remembered, seal_of};
use super::{Error, Mirror};
use crate::apk::names::{PackageFile, PackageName, Place};
use crate::apk::v2::package::{BadRecipe, Recipe};
use crate::apk::{KeyId, ObjectId};
use crate::config::Config;
use crate::disk::durable;
use crate::error::{Class, Trouble};
use crate::plan::publish::{Mode, RepositoryState};
use crate::sign::rotation::{Edition, Noted, SigningRecord};
use crate::sign::{self, Seal};

/// Why there is no keyring package.
#[derive(Debug, thiserror::Error)]
pub enum NoPackage {
    /// Nothing is signed by us.
    #[error("{} names no signing key", .config.display())]
    NoSigning {
        /// The configuration.
        config: PathBuf,
    },
    /// Nobody said what it is called, and the key's name does not lead to a package's.
    #[error("no name for a keyring package follows from the key's name, {}", .key.name)]
    NoName {
        /// The key.
        key: KeyId,
    },
    /// A bug: keys and dates are all that is written into it.
    #[error("a keyring package cannot be written")]
    Recipe(#[from] BadRecipe),
    /// A key.
    #[error(transparent)]
    Sign(#[from] sign::Error),
    /// The disk.
    #[error(transparent)]
    Disk(#[from] durable::Error),
    /// The records.
    #[error(transparent)]
    Mirror(#[from] Box<Error>),
}

impl Trouble for NoPackage {
    fn class(&self) -> Class {
        match self {
            NoPackage::NoSigning { .. } | NoPackage::NoName { .. } => Class::Usage,
            NoPackage::Recipe(_) => Class::Host,
            NoPackage::Sign(error) => error.class(),
            NoPackage::Disk(error) => error.class(),
            NoPackage::Mirror(error) => error.class(),
        }
    }

    fn code(&self) -> &'static str {
        match self {
            NoPackage::NoSigning { .. } => "no-signing-key",
            NoPackage::NoName { .. } => "package-name",
            NoPackage::Recipe(_) => "bug",
            NoPackage::Sign(error) => error.code(),
            NoPackage::Disk(error) => error.code(),
            NoPackage::Mirror(error) => error.code(),
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            NoPackage::NoSigning { .. } => Some("`bivouac key new` makes one; name it under [signing] as key".into()),
            NoPackage::NoName { .. } => Some("give it one with --name, or as [signing] keyring_package".into()),
            NoPackage::Recipe(_) => None,
            NoPackage::Sign(error) => error.hint(),
            NoPackage::Disk(error) => error.hint(),
            NoPackage::Mirror(error) => error.hint(),
        }
    }
}

/// A keyring package that was written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PackageReport {
    /// The file.
    pub file: PathBuf,
    /// The keys in it, the newest first.
    pub keys: Vec<KeyId>,
}

/// Writes the package with all keys that sign now into `folder`. `name` goes before the configured one.
pub fn write(
    config: &Config,
    name: Option<PackageName>,
    folder: &Path,
    now: Timestamp,
) -> Result<PackageReport, NoPackage> {
    let signing = config.signing.as_ref().ok_or_else(|| NoPackage::NoSigning { config: config.file.clone() })?;
    let mut record = remembered(config).map_err(Box::new)?;
    let seal = seal_of(signing, &record)?;
    let keys = seal.keys();
    let name = match name.or_else(|| signing.keyring_package.clone()) {
        Some(name) => name,
        None => usual_name(&keys[0]).ok_or_else(|| NoPackage::NoName { key: keys[0].clone() })?,
    };
    let (file, bytes, _) = current(&mut record, &name, &seal, now)?;
    let path = folder.join(file.to_string());
    durable::write(&path, &bytes, 0o644)?;
    Ok(PackageReport { file: path, keys })
}

/// `example.org-keys` for `ops@example.org-6743a0c1.rsa.pub`.
fn usual_name(key: &KeyId) -> Option<PackageName> {
    let host = key.name.as_str().strip_suffix(".rsa.pub")?.rsplit('@').next()?;
    let host = host.rsplit_once('-').map_or(host, |(host, _)| host);
    format!("{host}-keys").parse().ok()
}

/// Brings the package in the store's folder up to date with the keys that sign, where the configuration asks for it.
pub(super) fn refresh(mirror: &Mirror<'_>, seal: &Seal, now: Timestamp) -> Result<Option<PackageFile>, Error> {
    let signing = mirror.config.signing.as_ref();
    let Some(name) = signing.and_then(|signing| signing.keyring_package.as_ref()) else { return Ok(None) };
    let folder = mirror.config.keyring_folder();
    let mut record = mirror.ledger.signing()?;
    let current = current(&mut record, name, seal, now);
    let (file, bytes, noted) = current.map_err(|error| Error::KeyringPackage(Box::new(error)))?;
    let path = folder.join(file.to_string());
    if noted == Noted::New {
        // The edition counts from here on; its package is made of nothing else.
        mirror.ledger.save_signing(&record)?;
    }
    if durable::read_if_present(&path)?.is_some_and(|there| there == bytes) {
        return Ok(Some(file));
    }
    durable::create_folder(&folder, 0o700)?;
    durable::write(&path, &bytes, 0o600)?;
    for other in durable::list(&folder)?.iter().filter(|other| **other != file.to_string()) {
        durable::remove_file(&folder.join(other))?;
    }
    Ok(Some(file))
}

/// The keyring package, where the configuration promises `new` to clients by it, and some index that is live does not list it.
pub(super) fn unpublished(
    mirror: &Mirror<'_>,
    record: &SigningRecord,
    new: &KeyId,
) -> Result<Option<PackageName>, Error> {
    let signing = mirror.config.signing.as_ref();
    let Some(name) = signing.and_then(|signing| signing.keyring_package.as_ref()) else { return Ok(None) };
    let Some(live) = mirror.published(&Place::Live)? else { return Ok(None) };
    let edition = record.edition.as_ref().filter(|edition| edition.name == *name && edition.keys.contains(new));
    let file = edition.map(|edition| file_of(edition).to_string());
    let lists = |state: &RepositoryState| {
        state.files.iter().any(|placed| placed.is_listed() && Some(placed.file.to_string()) == file)
    };
    let ours = live.repositories.iter().filter(|state| state.mode == Mode::Ours);
    Ok(ours.into_iter().any(|state| !lists(state)).then(|| name.clone()))
}

fn file_of(edition: &Edition) -> PackageFile {
    PackageFile::new(&edition.name, &edition.version).expect("both are checked types, and short")
}

/// The package with the keys that sign, and whether there is anything to remember of it. What was published under a version keeps
/// its bytes: where the same keys make others (by another digest, or a later version of this program), it is the next edition.
fn current(
    record: &mut SigningRecord,
    name: &PackageName,
    seal: &Seal,
    now: Timestamp,
) -> Result<(PackageFile, Vec<u8>, Noted), NoPackage> {
    let (mut edition, _) = record.edition(name, &seal.keys(), now);
    let object = |bytes: &[u8]| Some(ObjectId::new(Sha256::digest(bytes).into()));
    let (mut file, mut bytes) = package(&edition, seal)?;
    if edition.object.is_some() && edition.object != object(&bytes) {
        edition = record.next_edition(name, &seal.keys(), now);
        (file, bytes) = package(&edition, seal)?;
    }
    let noted = if edition.object.is_some() { Noted::Before } else { Noted::New };
    record.edition = Some(Edition { object: object(&bytes), ..edition });
    Ok((file, bytes, noted))
}

/// The package of an edition.
fn package(edition: &Edition, seal: &Seal) -> Result<(PackageFile, Vec<u8>), NoPackage> {
    let mut recipe = Recipe::new(
        edition.name.clone(),
        edition.version.clone(),
        "noarch".parse().expect("it is in the alphabet of arches"),
    );
    recipe.description = "Public keys of this mirror, for /etc/apk/keys".to_owned();
    recipe.license = "MIT".to_owned();
    for signer in seal.signers() {
        recipe = recipe.file(&format!("etc/apk/keys/{}", signer.key_name()), 0o644, signer.public_pem());
    }
    let built = u64::try_from(edition.time.as_second()).unwrap_or_default();
    let unsigned = recipe.write(built)?;
    let signatures = seal.signatures(unsigned.signed_bytes())?;
    Ok((file_of(edition), unsigned.with_signatures(&signatures)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packages_usual_name_follows_from_the_keys_host() {
        for (key, name) in [
            ("ops@example.org-6743a0c1.rsa.pub", Some("example.org-keys")),
            ("ops@build-1.example.org-6743a0c1.rsa.pub", Some("build-1.example.org-keys")),
            ("plain.rsa.pub", Some("plain-keys")),
            ("plain.pub", None),
        ] {
            let key = KeyId { name: key.parse().unwrap(), fingerprint: String::new() };
            assert_eq!(usual_name(&key), name.map(|name| name.parse().unwrap()), "{}", key.name);
        }
    }
}
