//! Our signature.
//!
//! A [`Signer`] holds a private key; [`index`] puts its signatures in front of a merged index, or in front of upstream's own
//! signed bytes. What comes out is a [`SignedIndex`], which only this room makes and which alone (beside upstream's own
//! file) can be published as an index.

pub mod index;
pub mod key_file;

pub use index::{Digests, SignedIndex};
pub use key_file::PrivateKey;

use crate::apk::names::KeyName;
use crate::apk::v2::signature::{Algorithm, Signature};

/// Holds a private key.
pub trait Signer: Send + Sync {
    /// The public key's file name, as clients have it in `/etc/apk/keys`.
    fn key_name(&self) -> &KeyName;
    /// An RSA PKCS#1 v1.5 signature over `bytes`, checked against the public half before it is handed out.
    fn sign(&self, algorithm: Algorithm, bytes: &[u8]) -> Result<Signature, key_file::Error>;
}

impl Signer for PrivateKey {
    fn key_name(&self) -> &KeyName {
        PrivateKey::key_name(self)
    }

    fn sign(&self, algorithm: Algorithm, bytes: &[u8]) -> Result<Signature, key_file::Error> {
        PrivateKey::sign(self, algorithm, bytes)
    }
}
