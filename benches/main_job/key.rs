//! The key that signs the bench's packages and index: RSA-4096 as Alpine's own, so that verification costs the same.

use std::path::{Path, PathBuf};

use bivouac::apk::v2::signature::{Algorithm, Signature};
use ring::rand::SystemRandom;
use ring::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use rsa::PrivateKey;
use rsa::pkcs1::{DecodeRsaPrivateKey as _, EncodeRsaPrivateKey as _, LineEnding};
use rsa::pkcs8::EncodePublicKey as _;

use crate::chance::Chance;
use crate::outcome::Outcome;

const NAME: &str = "bench@example.org-5f2c1a00.rsa";

/// The bench key, ready to sign.
pub(crate) struct BenchKey(RsaKeyPair);

/// Where `keys` keeps the private key, as abuild-keygen writes it.
pub(crate) fn private_path(keys: &Path) -> PathBuf {
    keys.join(NAME)
}

/// Makes the key pair in `keys` if it is not there: `keys/NAME` and `keys/public/NAME.pub`, the latter in a folder of its own
/// because that is what `--keys-dir` takes.
pub(crate) fn ensure(keys: &Path) -> Outcome<BenchKey> {
    let private = private_path(keys);
    if !private.exists() {
        std::fs::create_dir_all(keys.join("public"))?;
        let key = PrivateKey::new(&mut Chance::new(4096), 4096)?;
        std::fs::write(
            keys.join("public").join(format!("{NAME}.pub")),
            key.to_public_key().to_public_key_pem(LineEnding::LF)?,
        )?;
        std::fs::write(&private, key.to_pkcs1_pem(LineEnding::LF)?.as_bytes())?;
        std::fs::set_permissions(&private, std::os::unix::fs::PermissionsExt::from_mode(0o600))?;
    }
    let key = PrivateKey::from_pkcs1_pem(&std::fs::read_to_string(&private)?)?;
    let pair = RsaKeyPair::from_der(key.to_pkcs1_der()?.as_bytes());
    Ok(BenchKey(pair.map_err(|why| format!("{} cannot sign: {why}", private.display()))?))
}

impl BenchKey {
    /// An RSA256 signature over `signed`.
    pub(crate) fn sign(&self, signed: &[u8]) -> Outcome<Signature> {
        let mut bytes = vec![0; self.0.public().modulus_len()];
        self.0
            .sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), signed, &mut bytes)
            .map_err(|_| "the bench key cannot sign")?;
        Ok(Signature { algorithm: Algorithm::Sha256, key: format!("{NAME}.pub").parse()?, bytes })
    }
}
