//! The folder of a client's keys, `/etc/apk/keys`, as apk uses it: for a signature it opens the file that the signature names,
//! whatever its ending, and looks at no other. So a folder without a key, and a file that is none, are what is the matter
//! with that client, not mistakes of who asks.

use std::io::Read as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use super::CannotLook;
use crate::config::KeyringChoice;
use crate::doctor::{Diagnosis, Weight, typed};
use crate::error::{Class, in_one_line};
use crate::jobs::keyring::{self, Error};
use crate::verify::keyring::BadKey;
use crate::verify::{Keyring, PublicKey};

/// Largest file that is looked at; an RSA key of 8192 bits takes 1.5 kB.
const MAX_FILE: u64 = 64 << 10;

/// The client's keys, and what is wrong with the folder.
pub(super) fn read(place: &Path) -> Result<(Keyring, Vec<Diagnosis>), CannotLook> {
    let unreadable = |source| Error::Unreadable { path: place.to_owned(), source };
    if !place.metadata().map_err(unreadable)?.is_dir() {
        return Ok((keyring::load(&KeyringChoice::Files(vec![place.to_owned()]))?, Vec::new()));
    }
    let inside: Result<Vec<_>, _> = place.read_dir().map_err(unreadable)?.collect();
    let mut files: Vec<_> = inside.map_err(unreadable)?.into_iter().map(|entry| entry.path()).collect();
    files.sort();
    let (mut keyring, mut seen) = (Keyring::new(), Vec::new());
    for file in files.into_iter().filter(|file| file.is_file()) {
        seen.extend(take(&mut keyring, &file));
    }
    Ok((keyring, seen))
}

/// Takes one file in, if it is a key that a signature can name; else says what it is.
fn take(keyring: &mut Keyring, file: &Path) -> Option<Diagnosis> {
    let wrong = |message: String, hint: String| {
        Some(Diagnosis {
            code: "keyring-bad-key",
            weight: Weight::Warning,
            subject: file.display().to_string(),
            message,
            hint: Some(hint),
        })
    };
    let mut pem = Vec::new();
    if let Err(cause) = std::fs::File::open(file).and_then(|open| open.take(MAX_FILE).read_to_end(&mut pem)) {
        return wrong(format!("it cannot be read: {cause}"), format!("chmod 644 {}", typed(file)));
    }
    let name = file.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let Ok(name) = name.parse() else {
        let is_key = pem.windows(10).any(|ten| ten == b"PUBLIC KEY");
        let message = "no signature can name a file that is called so, so no client ever opens it".to_owned();
        return if is_key { wrong(message, format!("mv {} to the name in the signature", typed(file))) } else { None };
    };
    match PublicKey::parse(name, &pem) {
        // Two of one name cannot lie in one folder.
        Ok(key) => keyring.add(key).err().and_then(|bad| wrong(in_one_line(&bad), AGAIN.to_owned())),
        // Who runs the mirror may keep both halves in one folder, the private one to themselves.
        Err(BadKey::Private(_)) if file.metadata().is_ok_and(|about| about.mode() & 0o077 == 0) => None,
        Err(BadKey::Private(_)) => Some(Diagnosis {
            code: "secret-exposed",
            weight: Weight::Error(Class::Host),
            subject: file.display().to_string(),
            message:
                "it is a private key that others can read: whoever has it signs whatever they like for every client"
                    .to_owned(),
            hint: Some(format!(
                "rm {}, put the public half there (openssl rsa -in KEY -pubout), and if it was on a client: `bivouac key rotate`",
                typed(file)
            )),
        }),
        Err(bad) => wrong(in_one_line(&bad), AGAIN.to_owned()),
    }
}

const AGAIN: &str =
    "copy the public key there again: `bivouac key export` prints it, abuild-keygen made it as NAME.rsa.pub";
