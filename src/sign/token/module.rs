//! PKCS#11 itself: load the module, find the token, log in, find the key, sign.

use std::path::Path;

use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::error::{Error as Pkcs11Error, RvError};
use cryptoki::mechanism::Mechanism;
use cryptoki::object::{Attribute, KeyType, ObjectClass, ObjectHandle};
use cryptoki::session::UserType;
use cryptoki::slot::{Slot, TokenInfo};
use cryptoki::types::AuthPin;
use sha1::{Digest as _, Sha1};
use sha2::{Sha256, Sha512};

use super::{Error, MAX_PIN, TokenKey};
use crate::apk::v2::signature::Algorithm;
use crate::disk::private_file::{self, Unread};

/// RFC 8017 9.2, note 1: what stands before the digest.
const SHA1_PREFIX: &[u8] = &[0x30, 0x21, 0x30, 0x09, 0x06, 0x05, 0x2b, 0x0e, 0x03, 0x02, 0x1a, 0x05, 0x00, 0x04, 0x14];
const SHA256_PREFIX: &[u8] =
    &[0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00, 0x04, 0x20];
const SHA512_PREFIX: &[u8] =
    &[0x30, 0x51, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x03, 0x05, 0x00, 0x04, 0x40];

/// The DER DigestInfo of `bytes`: what RSA PKCS#1 v1.5 pads and signs.
pub(super) fn digest_info(algorithm: Algorithm, bytes: &[u8]) -> Vec<u8> {
    match algorithm {
        Algorithm::Sha1 => [SHA1_PREFIX, &Sha1::digest(bytes)[..]].concat(),
        Algorithm::Sha256 => [SHA256_PREFIX, &Sha256::digest(bytes)[..]].concat(),
        Algorithm::Sha512 => [SHA512_PREFIX, &Sha512::digest(bytes)[..]].concat(),
    }
}

/// Logged in, with the key at hand.
pub(super) struct Session {
    session: cryptoki::session::Session,
    key: ObjectHandle,
}

impl Session {
    /// Goes all the way to the key. The PIN is tried at most once.
    pub(super) fn open(key: &TokenKey) -> Result<Session, Error> {
        let module = load(&key.library)?;
        let (slot, token) = find_token(&module, key)?;
        let session = module.open_ro_session(slot).map_err(failed("opening a session"))?;
        if let Some(pin) = pin(key)? {
            log_in(&session, &token, &pin)?;
        }
        let wanted = find_key(&session, key, &token)?;
        Ok(Session { session, key: wanted })
    }

    /// `CKM_RSA_PKCS` over a DigestInfo.
    pub(super) fn sign(&self, digest_info: &[u8]) -> Result<Vec<u8>, Error> {
        self.session.sign(&Mechanism::RsaPkcs, self.key, digest_info).map_err(failed("signing"))
    }
}

fn failed(what: &'static str) -> impl FnOnce(Pkcs11Error) -> Error {
    move |cause| Error::Failed { what, why: cause.to_string() }
}

fn load(library: &Path) -> Result<Pkcs11, Error> {
    let unusable = |cause: Pkcs11Error| Error::Module { library: library.to_owned(), why: cause.to_string() };
    let module = Pkcs11::new(library).map_err(unusable)?;
    // Never unloaded: a module may have threads, and another signer of this process may use it.
    std::mem::forget(module.clone());
    match module.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK)) {
        // Another signer of this process did.
        Ok(()) | Err(Pkcs11Error::Pkcs11(RvError::CryptokiAlreadyInitialized, _)) => Ok(module),
        Err(cause) => Err(unusable(cause)),
    }
}

fn find_token(module: &Pkcs11, key: &TokenKey) -> Result<(Slot, TokenInfo), Error> {
    let wanted = &key.wanted;
    let mut found = Vec::new();
    for slot in module.get_slots_with_initialized_token().map_err(failed("listing tokens"))? {
        let info = module.get_token_info(slot).map_err(failed("looking at a token"))?;
        let fits = |wanted: &Option<String>, has: &str| wanted.as_ref().is_none_or(|wanted| *wanted == has.trim_end());
        if fits(&wanted.token, info.label()) && fits(&wanted.serial, info.serial_number()) {
            found.push((slot, info));
        }
    }
    let library = key.library.clone();
    match (found.len(), found.pop()) {
        (1, Some(one)) => Ok(one),
        (_, None) => Err(Error::NoToken { library, wanted: wanted.token_words() }),
        (several, _) => Err(Error::Tokens { library, wanted: wanted.token_words(), found: several }),
    }
}

fn pin(key: &TokenKey) -> Result<Option<AuthPin>, Error> {
    let Some(path) = &key.pin_file else { return Ok(None) };
    let read = private_file::read_unless(key.exposed, path, MAX_PIN as u64 + 2);
    let mut bytes = read.map_err(|unread| match unread {
        Unread::Io(cause) => Error::PinUnreadable { path: path.clone(), why: cause.to_string() },
        Unread::Exposed { mode } => Error::PinExposed { path: path.clone(), mode },
    })?;
    if bytes.last() == Some(&b'\n') {
        bytes.pop();
    }
    match String::from_utf8(bytes) {
        Ok(pin) if (1..=MAX_PIN).contains(&pin.len()) && !pin.contains('\n') => Ok(Some(pin.into())),
        _ => Err(Error::PinUnusable { path: path.clone() }),
    }
}

fn log_in(session: &cryptoki::session::Session, token: &TokenInfo, pin: &AuthPin) -> Result<(), Error> {
    let label = || token.label().trim_end().to_owned();
    if token.user_pin_locked() {
        return Err(Error::PinNotTried { token: label(), why: "it is locked" });
    }
    if token.user_pin_final_try() {
        return Err(Error::PinNotTried { token: label(), why: "one more wrong PIN would lock it" });
    }
    match session.login(UserType::User, Some(pin)) {
        // Another signer of this process did.
        Ok(()) | Err(Pkcs11Error::Pkcs11(RvError::UserAlreadyLoggedIn, _)) => Ok(()),
        Err(Pkcs11Error::Pkcs11(refusal, _)) => match why_refused(&refusal) {
            Some(why) => Err(Error::PinRefused { token: label(), why }),
            None => Err(Error::Failed { what: "logging in", why: refusal.to_string() }),
        },
        Err(cause) => Err(failed("logging in")(cause)),
    }
}

fn why_refused(refusal: &RvError) -> Option<&'static str> {
    match refusal {
        RvError::PinIncorrect => Some("it is not the right one"),
        RvError::PinInvalid => Some("it has characters that no PIN has"),
        RvError::PinLenRange => Some("it is too short or too long"),
        RvError::PinExpired => Some("it has expired"),
        RvError::PinLocked => Some("it is locked"),
        RvError::UserPinNotInitialized => Some("none was ever set"),
        _ => None,
    }
}

fn find_key(session: &cryptoki::session::Session, key: &TokenKey, token: &TokenInfo) -> Result<ObjectHandle, Error> {
    let mut template = vec![Attribute::Class(ObjectClass::PRIVATE_KEY), Attribute::KeyType(KeyType::RSA)];
    template.extend(key.wanted.object.iter().map(|label| Attribute::Label(label.clone().into_bytes())));
    template.extend(key.wanted.id.iter().map(|id| Attribute::Id(id.clone())));
    let found = session.find_objects(&template).map_err(failed("looking for the key"))?;
    let (label, wanted) = (token.label().trim_end().to_owned(), key.wanted.key_words());
    match found[..] {
        [one] => Ok(one),
        [] => Err(Error::NoKey { token: label, wanted, logged_in: key.pin_file.is_some() }),
        _ => Err(Error::Keys { token: label, wanted, found: found.len() }),
    }
}
