//! A source's keyring, read from where its configuration says.

use std::io;
use std::path::{Path, PathBuf};

use crate::config::KeyringChoice;
use crate::error::{Class, Trouble};
use crate::verify::keyring::{BadKey, Keyring, Listing, PublicKey};

/// What a public key's file name ends in; other files of a folder are passed over, so that a folder may hold our private
/// keys, too.
const PUBLIC: &str = "pub";

/// Largest public key file; an RSA key of 8192 bits takes 1.5 kB.
const MAX_FILE: u64 = 64 << 10;

/// Why a keyring could not be read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file or folder of keys is not there or cannot be read.
    #[error("public keys in {} cannot be read", .path.display())]
    Unreadable {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A folder without a single key: everything would be refused.
    #[error("{} holds no public key (*.{PUBLIC})", .folder.display())]
    Empty {
        /// The folder.
        folder: PathBuf,
    },
    /// A file whose name no signature can carry.
    #[error("public key {} has a name that no client's /etc/apk/keys can hold", .path.display())]
    BadName {
        /// The file.
        path: PathBuf,
    },
    /// A file that is no public key.
    #[error("public key {} cannot be used", .path.display())]
    BadKey {
        /// The file.
        path: PathBuf,
        /// What is the matter with it.
        #[source]
        source: BadKey,
    },
    /// Two keyrings that belong together cannot be one.
    #[error("its keyring and its origin do not fit together")]
    Rivals {
        /// Why not.
        #[source]
        cause: BadKey,
    },
}

impl Trouble for Error {
    fn class(&self) -> Class {
        match self {
            Error::Unreadable { source, .. } if source.kind() != io::ErrorKind::NotFound => Class::Host,
            Error::Unreadable { .. }
            | Error::Empty { .. }
            | Error::BadName { .. }
            | Error::BadKey { .. }
            | Error::Rivals { .. } => Class::Usage,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Error::Unreadable { .. } => "keyring-unreadable",
            Error::Empty { .. } => "keyring-empty",
            Error::BadName { .. } | Error::BadKey { .. } | Error::Rivals { .. } => "keyring-bad-key",
        }
    }
}

/// Reads the keyring that a source's configuration chose. Of a folder, every `*.pub` file is taken, in the order of names.
pub fn load(choice: &KeyringChoice) -> Result<Keyring, Error> {
    let mut keyring = Keyring::new();
    match choice {
        KeyringChoice::Official => return Ok(Keyring::official()),
        KeyringChoice::Files(places) => {
            for (path, listing) in key_files(places)? {
                let key = read(&path)?;
                keyring.add_as(key, None, listing).map_err(|source| Error::BadKey { path, source })?;
            }
        }
        KeyringChoice::ByArch(by_arch) => {
            for (arch, places) in by_arch {
                for (path, listing) in key_files(places)? {
                    let key = read(&path)?;
                    let arch = Some(arch.clone());
                    keyring.add_as(key, arch, listing).map_err(|source| Error::BadKey { path, source })?;
                }
            }
        }
    }
    Ok(keyring)
}

/// The key files in `places`, each a file or a folder, and which of the two it came by.
fn key_files(places: &[PathBuf]) -> Result<Vec<(PathBuf, Listing)>, Error> {
    let mut files = Vec::new();
    for place in places {
        let unreadable = |source| Error::Unreadable { path: place.clone(), source };
        if !place.metadata().map_err(unreadable)?.is_dir() {
            files.push((place.clone(), Listing::ByFile));
            continue;
        }
        let mut inside = Vec::new();
        for entry in place.read_dir().map_err(unreadable)? {
            let path = entry.map_err(unreadable)?.path();
            if path.extension().is_some_and(|extension| extension == PUBLIC) {
                inside.push(path);
            }
        }
        if inside.is_empty() {
            return Err(Error::Empty { folder: place.clone() });
        }
        inside.sort();
        files.extend(inside.into_iter().map(|path| (path, Listing::InFolder)));
    }
    Ok(files)
}

fn read(path: &Path) -> Result<PublicKey, Error> {
    use std::io::Read as _;

    let unreadable = |source| Error::Unreadable { path: path.to_owned(), source };
    let name = path.file_name().and_then(|name| name.to_str()).and_then(|name| name.parse().ok());
    let name = name.ok_or_else(|| Error::BadName { path: path.to_owned() })?;
    let mut pem = Vec::new();
    let file = std::fs::File::open(path).map_err(unreadable)?;
    file.take(MAX_FILE).read_to_end(&mut pem).map_err(unreadable)?;
    PublicKey::parse(name, &pem).map_err(|source| Error::BadKey { path: path.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::durable;

    const KEY: &[u8] = include_bytes!("../../tests/data/signing-keys/public-half.rsa.pub");
    const OTHER: &[u8] = include_bytes!("../../tests/data/vectors/k1@example.org-00000002.rsa.pub");

    fn put(folder: &Path, name: &str, content: &[u8]) -> PathBuf {
        let path = folder.join(name);
        durable::write(&path, content, 0o644).unwrap();
        path
    }

    #[test]
    fn a_folder_gives_its_public_keys_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        put(folder.path(), "b@x-2.rsa.pub", OTHER);
        put(folder.path(), "a@x-1.rsa.pub", KEY);
        put(folder.path(), "a@x-1.rsa", b"-----BEGIN PRIVATE KEY-----");
        put(folder.path(), "README", b"keys");
        let keyring = load(&KeyringChoice::Files(vec![folder.path().to_owned()])).unwrap();
        let names: Vec<_> = keyring.keys().map(|key| key.name().as_str()).collect();
        assert_eq!(names, ["a@x-1.rsa.pub", "b@x-2.rsa.pub"]);
    }

    #[test]
    fn a_key_listed_by_file_is_told_from_one_found_in_a_folder() {
        let folder = tempfile::tempdir().unwrap();
        let file = put(folder.path(), "a@x-1.rsa.pub", KEY);
        put(folder.path(), "b@x-2.rsa.pub", OTHER);
        let arch = "x86_64".parse().unwrap();
        let listings = |places: Vec<PathBuf>| {
            let keyring = load(&KeyringChoice::Files(places)).unwrap();
            let listings: Vec<_> = keyring.keys().map(|key| keyring.listing(&key.fingerprint(), &arch)).collect();
            listings
        };
        assert_eq!(listings(vec![file.clone()]), [Some(Listing::ByFile)]);
        let in_folder = Some(Listing::InFolder);
        assert_eq!(listings(vec![folder.path().to_owned()]), [in_folder, in_folder]);
        assert_eq!(listings(vec![folder.path().to_owned(), file]), [Some(Listing::ByFile), in_folder]);
        let official = load(&KeyringChoice::Official).unwrap();
        let one = official.keys().find(|key| key.name().as_str().ends_with("-6165ee59.rsa.pub")).unwrap();
        assert_eq!(official.listing(&one.fingerprint(), &arch), Some(Listing::BuiltIn));
        assert_eq!(official.listing(&one.fingerprint(), &"aarch64".parse().unwrap()), None);
    }

    #[test]
    fn a_key_by_arch_counts_for_that_arch_alone() {
        let folder = tempfile::tempdir().unwrap();
        let file = put(folder.path(), "a@x-1.rsa.pub", KEY);
        let choice = KeyringChoice::ByArch([("x86_64".parse().unwrap(), vec![file])].into());
        let keyring = load(&choice).unwrap();
        let name = "a@x-1.rsa.pub".parse().unwrap();
        assert!(keyring.find(&name, &"x86_64".parse().unwrap()).is_some());
        assert!(keyring.find(&name, &"aarch64".parse().unwrap()).is_none());
    }

    #[test]
    fn what_cannot_be_a_keyring_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let code = |path: PathBuf| load(&KeyringChoice::Files(vec![path])).unwrap_err().code();
        assert_eq!(code(folder.path().to_owned()), "keyring-empty");
        assert_eq!(code(folder.path().join("none")), "keyring-unreadable");
        assert_eq!(code(put(folder.path(), "a key.pub", KEY)), "keyring-bad-key");
        assert_eq!(code(put(folder.path(), "a.pub", b"no key")), "keyring-bad-key");
        let one = put(folder.path(), "same.rsa.pub", KEY);
        durable::create_folder(&folder.path().join("else"), 0o755).unwrap();
        let other = put(&folder.path().join("else"), "same.rsa.pub", OTHER);
        let error = load(&KeyringChoice::Files(vec![one, other])).unwrap_err();
        assert_eq!((error.code(), error.class()), ("keyring-bad-key", Class::Usage));
    }
}
