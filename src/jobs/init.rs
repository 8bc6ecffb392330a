//! A first configuration and a signing key, in a folder that has neither.

use std::io;
use std::path::{Path, PathBuf};

use rsa::rand_core::TryCryptoRng;
use serde::Serialize;

use super::keys::{self, ModulusBits, OwnKey};
use crate::config::{self, Layout, PACKAGED};
use crate::disk::durable;
use crate::error::{Class, Trouble};

/// Why nothing was set up.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A configuration is there already.
    #[error("{} is there already; init overwrites nothing", .file.display())]
    Exists {
        /// The configuration.
        file: PathBuf,
    },
    /// The folder cannot be looked at.
    #[error("{} cannot be looked at", .file.display())]
    Unreadable {
        /// Where the configuration would be.
        file: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The key was not made.
    #[error(transparent)]
    Key(#[from] keys::Error),
    /// The configuration was not written.
    #[error("configuration was not written")]
    Unwritten(#[source] durable::Error),
}

impl Trouble for Error {
    fn class(&self) -> Class {
        match self {
            Error::Exists { .. } => Class::Usage,
            Error::Unreadable { .. } => Class::Host,
            Error::Key(error) => error.class(),
            Error::Unwritten(error) => error.class(),
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Error::Exists { .. } => "config-exists",
            Error::Unreadable { .. } => "config-unreadable",
            Error::Key(error) => error.code(),
            Error::Unwritten(error) => error.code(),
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Error::Exists { .. } => Some("name another folder: bivouac init DIR".into()),
            Error::Unreadable { .. } => None,
            Error::Key(error) => error.hint(),
            Error::Unwritten(error) => error.hint(),
        }
    }
}

/// What was set up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct InitReport {
    /// The configuration.
    pub config: PathBuf,
    /// The signing key that it names.
    pub key: OwnKey,
}

/// Writes `folder/bivouac.toml` (a small partial mirror) and a signing key in `folder/keys`. Nothing is overwritten. The
/// configuration comes last: where it is, the rest is.
pub fn init(
    folder: &Path,
    key_name: &str,
    bits: ModulusBits,
    rng: &mut impl TryCryptoRng,
    layout: Layout,
) -> Result<InitReport, Error> {
    let file = folder.join("bivouac.toml");
    match file.symlink_metadata() {
        Ok(_) => return Err(Error::Exists { file }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(source) => return Err(Error::Unreadable { file, source }),
    }
    durable::create_folder(folder, 0o755).map_err(Error::Unwritten)?;
    let key = keys::make(&folder.join("keys"), key_name, bits, rng)?;
    if layout == Layout::Packaged {
        give(&folder.join("keys"), &key).map_err(Error::Unwritten)?;
    }
    let key_file = key.name.as_str().trim_end_matches(".pub");
    durable::write(&file, config::small_partial_mirror(key_file, layout).as_bytes(), 0o644)
        .map_err(Error::Unwritten)?;
    Ok(InitReport { config: file, key })
}

/// Gives the key to whoever the store's folder belongs to: the user that the services run as.
fn give(keys: &Path, key: &OwnKey) -> Result<(), durable::Error> {
    let store = Path::new(PACKAGED).join("store");
    if !store.is_dir() {
        return Ok(());
    }
    let public = keys.join(key.name.as_str());
    [keys, &key.private, &public].into_iter().try_for_each(|path| durable::give_like(path, &store))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    fn init_in(folder: &Path) -> Result<InitReport, Error> {
        init(folder, "ops@example.org-6743a0c1", ModulusBits::Rsa2048, &mut getrandom::SysRng, Layout::Beside)
    }

    #[test]
    fn what_init_writes_is_a_working_configuration() {
        let folder = tempfile::tempdir().unwrap();
        let site = folder.path().join("a/site");
        let report = init_in(&site).unwrap();
        let config = Config::load(&report.config, None).unwrap();
        assert_eq!(config.signing.as_ref().unwrap().key, report.key.private);
        let list = keys::list(&config, jiff::Timestamp::UNIX_EPOCH).unwrap();
        assert_eq!(list.signing.unwrap().key, report.key);
        assert!(list.trusted.iter().all(|key| key.key.built_in && key.key.source.as_str() == "alpine"));
        assert!(list.trusted.len() >= 18, "{}", list.trusted.len());
        let exported = keys::export(&config, None).unwrap().remove(0);
        assert_eq!(exported.fingerprint, report.key.fingerprint);
        let public = site.join("keys/ops@example.org-6743a0c1.rsa.pub");
        assert_eq!(std::fs::read_to_string(public).unwrap(), exported.pem);
    }

    #[test]
    fn a_packaged_site_has_store_and_public_tree_in_one_folder() {
        let folder = tempfile::tempdir().unwrap();
        let (bits, layout) = (ModulusBits::Rsa2048, Layout::Packaged);
        let report = init(folder.path(), "ops@example.org-6743a0c1", bits, &mut getrandom::SysRng, layout).unwrap();
        let config = Config::load(&report.config, None).unwrap();
        assert_eq!(config.store, Path::new("/srv/bivouac/store"));
        assert_eq!(config.public, Path::new("/srv/bivouac/public/alpine"));
        assert_eq!(config.signing.unwrap().key, report.key.private);
    }

    #[test]
    fn nothing_is_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let report = init_in(folder.path()).unwrap();
        let text = std::fs::read(&report.config).unwrap();
        let error = init_in(folder.path()).unwrap_err();
        assert_eq!(error.class(), Class::Usage);
        assert_eq!(error.to_string(), format!("{} is there already; init overwrites nothing", report.config.display()));
        assert_eq!(std::fs::read(&report.config).unwrap(), text);
        assert_eq!(folder.path().join("keys").read_dir().unwrap().count(), 2);
    }
}
