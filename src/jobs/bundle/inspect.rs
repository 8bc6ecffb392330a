//! Look into a bundle, without a store or a configuration, and change nothing.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::Serialize;

use super::{CannotBundle, RepositorySent};
use crate::apk::{KeyId, KeyName};
use crate::bundle::{self, Volume};
use crate::config::{Config, KeyringChoice};
use crate::disk::durable;
use crate::error::{Class, Trouble as _};
use crate::jobs::error::in_one_line;
use crate::jobs::import::inbox;
use crate::jobs::{Error, keyring};
use crate::plan::bundle::MOST_VOLUMES;
use crate::snapshot::manifest::{Base, BundleId, FilePath, Form, Manifest, Packed, SUFFIX, SenderKey, Tool, What};
use crate::verify::keyring::Signer;
use crate::verify::{Keyring, PublicKey};

/// What lies in a folder, or a file and what belongs to it.
#[derive(Debug, Serialize)]
pub struct InspectReport {
    /// The bundles, in order of their names.
    pub bundles: Vec<BundleSeen>,
    /// Files that are no good bundle.
    pub broken: Vec<BrokenFile>,
}

/// One bundle.
#[derive(Debug, Serialize)]
pub struct BundleSeen {
    /// Its name.
    pub id: BundleId,
    /// When it was made.
    pub time: Timestamp,
    /// After which time its receiver ought to have had a newer one.
    pub expires: Timestamp,
    /// What its receiver is held to have; none: nothing.
    pub base: Option<Base>,
    /// The sender's public keys, as it says itself.
    pub keys: Vec<KeyId>,
    /// What was found of its signatures.
    pub signature: SignatureSeen,
    /// The state that it brings.
    pub repositories: Vec<RepositorySent>,
    /// Packages that it carries.
    pub packages: u64,
    /// Of these, how many as deltas.
    pub deltas: u64,
    /// And how many whole.
    pub full: u64,
    /// Index files that it carries.
    pub indexes: u64,
    /// Bytes that its objects take in it.
    pub bytes: u64,
    /// Bytes of its objects, each whole.
    pub full_bytes: u64,
    /// How many volumes it has; 0 where its objects lie beside it.
    pub of_volumes: u32,
    /// Those that are here, in order.
    pub volumes: Vec<VolumeSeen>,
    /// The numbers of those that are not.
    pub missing_volumes: Vec<u32>,
    /// Files beside it that are not there, or of another size.
    pub missing_files: u64,
    /// The program that rides along.
    pub tool: Option<Tool>,
}

/// A volume's file.
#[derive(Debug, Serialize)]
pub struct VolumeSeen {
    /// The file.
    pub file: PathBuf,
    /// Its number; none where the objects lie beside it.
    pub number: Option<u32>,
}

/// What was found of a manifest's signatures.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case", tag = "verdict")]
pub enum SignatureSeen {
    /// There were no keys to check them by.
    NotChecked {
        /// Who signed, as it says itself.
        signers: Vec<KeyName>,
    },
    /// By these keys they are good.
    Good {
        /// The keys.
        signers: Vec<KeyId>,
    },
    /// It is refused.
    Refused {
        /// The error's word.
        code: &'static str,
        /// Why.
        message: String,
        /// Whose trouble it is.
        #[serde(skip)]
        class: Class,
    },
}

/// A file that is no good bundle.
#[derive(Debug, Serialize)]
pub struct BrokenFile {
    /// The file.
    pub file: PathBuf,
    /// The error's word.
    pub code: &'static str,
    /// What is the matter with it.
    pub message: String,
    /// Whose trouble it is.
    #[serde(skip)]
    pub class: Class,
}

impl InspectReport {
    /// What asks for another exit code than 0.
    pub fn troubles(&self) -> impl Iterator<Item = Class> {
        let refused = self.bundles.iter().filter_map(|bundle| match bundle.signature {
            SignatureSeen::Refused { class, .. } => Some(class),
            SignatureSeen::NotChecked { .. } | SignatureSeen::Good { .. } => None,
        });
        refused.chain(self.broken.iter().map(|broken| broken.class))
    }
}

/// Reads the public keys at `path`, a file or a folder.
pub fn keys_at(path: &Path) -> Result<Keyring, Error> {
    keyring::load(&KeyringChoice::Files(vec![path.to_owned()]))
        .map_err(|cause| CannotBundle::Keys(Box::new(cause)).into())
}

/// Who may make bundles for the sources of `config`.
pub fn keys_of(config: &Config) -> Result<Vec<Keyring>, Error> {
    Ok(inbox::all(config)?.into_iter().map(|inbox| inbox.keyring).collect())
}

/// Looks at the file `path` and the other volumes beside it, or at all bundles in the folder `path`. A signature is good when
/// it is by one of `keyrings`; without any it is not checked.
pub fn inspect(path: &Path, keyrings: &[Keyring]) -> Result<InspectReport, Error> {
    let mut found = Found { keyrings, bundles: BTreeMap::new(), broken: Vec::new() };
    if path.is_dir() {
        for name in bundles_in(path)? {
            found.look_at(&path.join(name))?;
        }
        return Ok(found.report());
    }
    let id = found.add(Volume::open(path)?)?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    for name in bundles_in(folder)?.into_iter().filter(|name| Some(name.as_ref()) != path.file_name()) {
        found.look_at(&folder.join(name))?;
    }
    // What else lies there was not asked for.
    found.bundles.retain(|other, _| *other == id);
    found.broken.clear();
    Ok(found.report())
}

/// The bundles' files in a folder.
fn bundles_in(folder: &Path) -> Result<Vec<String>, Error> {
    let mut names = durable::list(folder)?;
    names.retain(|name| name.ends_with(SUFFIX) && !name.starts_with('.'));
    names.sort();
    Ok(names)
}

/// Volumes by the bundle that they are of.
struct Found<'k> {
    keyrings: &'k [Keyring],
    bundles: BTreeMap<BundleId, (Manifest, BundleSeen)>,
    broken: Vec<BrokenFile>,
}

impl Found<'_> {
    /// A file that may be no bundle.
    fn look_at(&mut self, file: &Path) -> Result<(), Error> {
        match Volume::open(file).map_err(Error::from).and_then(|volume| self.add(volume)) {
            Ok(_) => Ok(()),
            Err(Error::Bundle(error)) => {
                let (code, class, message) = (error.code(), error.class(), in_one_line(&error));
                self.broken.push(BrokenFile { file: file.to_owned(), code, message, class });
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    fn add(&mut self, volume: Volume) -> Result<BundleId, Error> {
        let manifest = volume.unverified()?;
        let signature = self.judge(&volume);
        let folder = volume.path().parent().unwrap_or(Path::new("."));
        let (known, seen) = self.bundles.entry(manifest.id.clone()).or_insert_with(|| {
            let seen = BundleSeen::of(&manifest, folder);
            (manifest.clone(), seen)
        });
        if *known != manifest {
            let what = "it has the name of another bundle, and another manifest";
            return Err(bundle::Error::Damaged { path: volume.path().to_owned(), what }.into());
        }
        seen.volumes.push(VolumeSeen { file: volume.path().to_owned(), number: volume.number() });
        seen.missing_volumes.retain(|missing| Some(*missing) != volume.number());
        if !matches!(seen.signature, SignatureSeen::Refused { .. }) {
            seen.signature = signature;
        }
        Ok(manifest.id)
    }

    fn judge(&self, volume: &Volume) -> SignatureSeen {
        let mut refused = None;
        for keyring in self.keyrings {
            match volume.verify(keyring) {
                Ok(verified) => {
                    return SignatureSeen::Good { signers: verified.signers().iter().map(key_id).collect() };
                }
                // That a key is in no keyring says the least.
                Err(bundle::Error::UnknownSigner { .. }) if refused.is_some() => {}
                Err(error) => refused = Some(error),
            }
        }
        match refused {
            None => SignatureSeen::NotChecked { signers: volume.claimed_signers() },
            Some(error) => {
                let (code, class, message) = (error.code(), error.class(), in_one_line(&error));
                SignatureSeen::Refused { code, message, class }
            }
        }
    }

    fn report(self) -> InspectReport {
        let mut bundles: Vec<BundleSeen> = self.bundles.into_values().map(|(_, seen)| seen).collect();
        bundles.iter_mut().for_each(|seen| seen.volumes.sort_by_key(|volume| volume.number));
        InspectReport { bundles, broken: self.broken }
    }
}

fn key_id(signer: &Signer) -> KeyId {
    KeyId { name: signer.key.clone(), fingerprint: signer.fingerprint.to_string() }
}

impl BundleSeen {
    /// What `manifest` says, and which of the files beside it are in `folder`.
    fn of(manifest: &Manifest, folder: &Path) -> Self {
        let objects = &manifest.objects;
        let packages = || objects.iter().filter(|packed| matches!(packed.what, What::Package(..)));
        let deltas = packages().filter(|packed| matches!(packed.form, Form::Delta { .. })).count() as u64;
        let packages = packages().count() as u64;
        let is_away = |path: &FilePath, size: u64| {
            !folder.join(path.path()).metadata().is_ok_and(|file| file.is_file() && file.len() == size)
        };
        let missing_files = manifest.beside().filter(|(path, packed)| is_away(path, packed.size)).count() as u64;
        BundleSeen {
            id: manifest.id.clone(),
            time: manifest.time,
            expires: manifest.expires,
            base: manifest.base.clone(),
            keys: manifest.keys.iter().filter_map(fingerprinted).collect(),
            signature: SignatureSeen::NotChecked { signers: Vec::new() },
            repositories: manifest.repositories.iter().map(RepositorySent::from).collect(),
            packages,
            indexes: objects.len() as u64 - packages,
            deltas,
            full: packages - deltas,
            bytes: objects.iter().map(Packed::length).sum(),
            full_bytes: objects.iter().map(|packed| packed.size).sum(),
            of_volumes: manifest.volumes,
            volumes: Vec::new(),
            missing_volumes: (1..=manifest.volumes.min(MOST_VOLUMES)).collect(),
            missing_files,
            tool: manifest.tool.clone(),
        }
    }
}

/// A key as the sender shows it; none where that is no key.
fn fingerprinted(key: &SenderKey) -> Option<KeyId> {
    let parsed = PublicKey::parse(key.name.clone(), key.pem.as_bytes()).ok()?;
    Some(KeyId { name: key.name.clone(), fingerprint: parsed.fingerprint().to_string() })
}
