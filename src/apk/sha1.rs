//! The one hasher for SHA-1 over bytes that others made: control sections (identities) and what SHA-1 signatures are over.
//!
//! Alpine signs with SHA-1 and identifies packages by it, so it cannot be left out. What is known to be forged can be found:
//! blocks that carry one of the known collision attacks give themselves away while they are hashed (M. Stevens, "Counter-
//! cryptanalysis", CRYPTO 2013; git uses the same method). `tests/house.rs` holds that no other file names a SHA-1 crate,
//! but for those that sign with our own keys.

use sha1::Digest as _;

/// How far SHA-1 is trusted: `[policy] sha1`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Sha1Policy {
    /// As apk trusts it: nothing is looked for.
    Accept,
    /// Bytes that carry a known collision attack are refused.
    #[default]
    Detect,
    /// As `Detect`, and signatures over SHA-1 vouch for nothing.
    Refuse,
}

/// Bytes made so that others have the same SHA-1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("its bytes carry a known SHA-1 collision attack: other bytes with the same digest exist")]
pub struct Collision;

impl Sha1Policy {
    /// The SHA-1 of `bytes`, unless they carry a known attack and the policy looks for one.
    pub fn digest(self, bytes: &[u8]) -> Result<[u8; 20], Collision> {
        match self {
            Sha1Policy::Accept => Ok(sha1::Sha1::digest(bytes).into()),
            Sha1Policy::Detect | Sha1Policy::Refuse => {
                let found = sha1_checked::Sha1::try_digest(bytes);
                if found.has_collision() { Err(Collision) } else { Ok((*found.hash()).into()) }
            }
        }
    }

    /// The word in the configuration.
    pub fn word(self) -> &'static str {
        match self {
            Sha1Policy::Accept => "accept",
            Sha1Policy::Detect => "detect",
            Sha1Policy::Refuse => "refuse",
        }
    }
}

/// The SHA-1 of bytes that we made ourselves.
pub fn digest_of_ours(bytes: &[u8]) -> [u8; 20] {
    sha1::Sha1::digest(bytes).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::apk::checksum::hex;

    const SHATTERED: [&[u8]; 2] = [
        include_bytes!("../../tests/data/sha1/shattered-1.prefix"),
        include_bytes!("../../tests/data/sha1/shattered-2.prefix"),
    ];

    #[test]
    fn the_shattered_files_collide_and_are_found() {
        let [one, two] = SHATTERED;
        assert_ne!(one, two);
        assert_eq!(Sha1Policy::Accept.digest(one), Sha1Policy::Accept.digest(two), "that is the attack");
        for policy in [Sha1Policy::Detect, Sha1Policy::Refuse] {
            for bytes in SHATTERED {
                assert_eq!(policy.digest(bytes), Err(Collision));
                // Whatever follows, the digests stay equal, and so does the finding.
                assert_eq!(policy.digest(&[bytes, b"what follows"].concat()), Err(Collision));
            }
            // Before its last block nothing has collided yet.
            assert!(policy.digest(&one[..256]).is_ok());
        }
    }

    #[test]
    fn digests_are_the_same_under_every_policy() {
        let bytes: Vec<u8> = (0..=255).cycle().take(100_000).collect();
        for length in [0, 1, 55, 56, 63, 64, 65, 119, 128, 100_000] {
            let plain = Sha1Policy::Accept.digest(&bytes[..length]);
            assert_eq!(Sha1Policy::Detect.digest(&bytes[..length]), plain);
            assert_eq!(plain, Ok(digest_of_ours(&bytes[..length])));
        }
        assert_eq!(hex(&digest_of_ours(b"abc")), "a9993e364706816aba3e25717850c26c9cd0d89d");
    }
}
