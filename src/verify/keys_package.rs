//! Which public keys a package of keys holds (`alpine-keys`): evidence for a key that signs for the first time. The package
//! itself is verified already; it is read into memory, within bounds, and nothing of it is unpacked.

use std::io::{self, Read};

use flate2::bufread::MultiGzDecoder;

use super::keyring::PublicKey;
use crate::apk::v2::tarball::{self, BadTar};

/// Most that is inflated, bytes. Alpine's own package has 60 kB.
const MOST: u64 = 16 << 20;
/// What the file name of a public key ends in.
const SUFFIX: &str = ".rsa.pub";

/// Why a package was not looked into.
#[derive(Debug, thiserror::Error)]
pub enum Unread {
    /// Its file cannot be read, or is no gzip.
    #[error("it cannot be read")]
    Io(#[from] io::Error),
    /// More comes out than a package of keys holds.
    #[error("it inflates to more than {MOST} bytes")]
    TooLarge,
    /// It is no archive as apk reads one.
    #[error("it is no archive that apk reads")]
    Tar(#[from] BadTar),
}

/// The public keys in a package, wherever they lie in it, under their file names. Signature and control section are cut tars,
/// so that all sections together read as one. What ends in `.rsa.pub` and is no key is passed over.
pub fn public_keys(package: impl io::BufRead) -> Result<Vec<PublicKey>, Unread> {
    let mut inflated = Vec::new();
    MultiGzDecoder::new(package).take(MOST + 1).read_to_end(&mut inflated)?;
    if inflated.len() as u64 > MOST {
        return Err(Unread::TooLarge);
    }
    let files = tarball::read(&inflated)?.files;
    let key = |file: tarball::File<'_>| {
        let name = file.name.rsplit('/').next().filter(|name| name.ends_with(SUFFIX))?;
        PublicKey::parse(name.parse().ok()?, file.content).ok()
    };
    Ok(files.into_iter().filter_map(key).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::apk::v2::index::gzip;
    use crate::apk::v2::package::Recipe;

    const KEY: &[u8] = include_bytes!("../../tests/data/signing-keys/public-half.rsa.pub");

    #[test]
    fn keys_are_found_under_their_names_and_nothing_else_is() {
        let recipe = Recipe::new("corp-keys".parse().unwrap(), "1-r0".parse().unwrap(), "x86".parse().unwrap())
            .file("etc/apk/keys/a@x-1.rsa.pub", 0o644, KEY)
            .file("etc/apk/keys/b@x-2.rsa.pub", 0o644, *b"no key")
            .file("etc/apk/keys/README", 0o644, KEY);
        let package = recipe.write(0).unwrap().with_signatures(&[]);
        let keys = public_keys(&package[..]).unwrap();
        let names: Vec<&str> = keys.iter().map(|key| key.name().as_str()).collect();
        assert_eq!(names, ["a@x-1.rsa.pub"]);
    }

    #[test]
    fn what_is_no_package_of_keys_is_said_to_be_none() {
        assert!(matches!(public_keys(&b"no gzip"[..]), Err(Unread::Io(_))));
        assert!(matches!(public_keys(&gzip(&[1; 700])[..]), Err(Unread::Tar(_))));
        let bomb = gzip(&vec![0; usize::try_from(MOST).unwrap() + 1]);
        assert!(matches!(public_keys(&bomb[..]), Err(Unread::TooLarge)));
    }
}
