//! A package on its own, with no index to promise what it is: its own signature vouches for the control section, and that
//! for the data. → [`LoosePackage`], from which nothing is stored, so no object id is computed: one hash less over all bytes.

use sha2::{Digest as _, Sha256};

use super::keyring::{Keyring, Signer};
use super::package::{RefusedPackage, examine_signed_head};
use crate::apk::Datahash;
use crate::apk::names::Arch;
use crate::apk::v2::pkginfo::PkgInfo;
use crate::apk::v2::sections::{HeadReader, Limits};

/// A package that a key of the keyring signed. Only [`LooseVerifier::finish`] makes one.
#[derive(Clone, Debug)]
pub struct LoosePackage {
    info: PkgInfo,
    signers: Vec<Signer>,
    size: u64,
}

impl LoosePackage {
    /// What it says of itself.
    pub fn info(&self) -> &PkgInfo {
        &self.info
    }

    /// Whose signatures vouched for it, in file order.
    pub fn signers(&self) -> &[Signer] {
        &self.signers
    }

    /// Bytes.
    pub fn size(&self) -> u64 {
        self.size
    }
}

/// Takes a loose package's bytes in order.
pub struct LooseVerifier<'k> {
    keyring: &'k Keyring,
    arch: &'k Arch,
    taken: u64,
    stage: Stage,
}

enum Stage {
    Head(Box<HeadReader>),
    Data { info: Box<PkgInfo>, signers: Vec<Signer>, promised: Datahash, data: Sha256, from: u64 },
}

impl<'k> LooseVerifier<'k> {
    /// A verifier that trusts what `keyring` trusts for `arch`.
    pub fn new(keyring: &'k Keyring, arch: &'k Arch, limits: Limits) -> Self {
        LooseVerifier { keyring, arch, taken: 0, stage: Stage::Head(Box::new(HeadReader::new(limits))) }
    }

    /// Takes the next bytes; refuses as soon as it is certain.
    pub fn feed(&mut self, chunk: &[u8]) -> Result<(), RefusedPackage> {
        let mut rest = chunk;
        if let Stage::Head(reader) = &mut self.stage {
            let used = reader.feed(rest)?;
            rest = &rest[used..];
            if let Some(head) = reader.head() {
                let (info, promised, signers) = examine_signed_head(head, self.keyring, self.arch)?;
                let from = self.taken + used as u64;
                self.stage = Stage::Data { info: Box::new(info), signers, promised, data: Sha256::new(), from };
            }
        }
        if let Stage::Data { data, .. } = &mut self.stage {
            data.update(rest);
        }
        self.taken += chunk.len() as u64;
        Ok(())
    }

    /// The package, if all of it came and its hashes agree.
    pub fn finish(self) -> Result<LoosePackage, RefusedPackage> {
        match self.stage {
            Stage::Head(reader) => {
                reader.finish()?;
                Err(RefusedPackage::NoData)
            }
            Stage::Data { from, .. } if from == self.taken => Err(RefusedPackage::NoData),
            Stage::Data { info, signers, promised, data, .. } => {
                if Datahash::new(data.finalize().into()) != promised {
                    return Err(RefusedPackage::Datahash);
                }
                Ok(LoosePackage { info: *info, signers, size: self.taken })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::apk::v2::package::Recipe;

    fn package() -> Vec<u8> {
        let recipe = Recipe::new("a".parse().unwrap(), "1-r0".parse().unwrap(), "x86_64".parse().unwrap());
        recipe.file("usr/a", 0o644, vec![7; 100_000]).write(0).unwrap().with_signatures(&[])
    }

    fn verify(bytes: &[u8], chunk: usize) -> Result<LoosePackage, RefusedPackage> {
        let (keyring, arch) = (Keyring::official(), "x86_64".parse().unwrap());
        let mut verifier = LooseVerifier::new(&keyring, &arch, Limits::default());
        for chunk in bytes.chunks(chunk) {
            verifier.feed(chunk)?;
        }
        verifier.finish()
    }

    #[test]
    fn an_unsigned_package_is_refused_before_its_data() {
        use super::super::keyring::Untrusted;
        for chunk in [1, 7, 1 << 20] {
            let refused = verify(&package(), chunk);
            assert!(matches!(refused, Err(RefusedPackage::Untrusted(Untrusted::Unsigned))), "{refused:?}");
        }
    }

    #[test]
    fn an_official_package_is_accepted_whole_and_refused_cut_or_changed() {
        // 882 bytes, signed by k1@example.org-00000002; the vector of the format notes' section 7.5.
        let bytes = include_bytes!("../../tests/data/vectors/vec-1.0-r0.apk");
        let pem = include_bytes!("../../tests/data/vectors/k1@example.org-00000002.rsa.pub");
        let mut keyring = Keyring::new();
        let name = "k1@example.org-00000002.rsa.pub".parse().unwrap();
        keyring.add(super::super::keyring::PublicKey::parse(name, pem).unwrap()).unwrap();
        let arch = "x86_64".parse().unwrap();
        let verify = |bytes: &[u8], chunk| {
            let mut verifier = LooseVerifier::new(&keyring, &arch, Limits::default());
            bytes.chunks(chunk).try_for_each(|chunk| verifier.feed(chunk))?;
            verifier.finish()
        };
        for chunk in [1, 100, 4096] {
            let package = verify(bytes, chunk).unwrap();
            assert_eq!((package.size(), package.info().name.as_str()), (882, "vec"));
            assert_eq!(package.signers().len(), 1);
            for at in (0..bytes.len()).step_by(13) {
                let mut changed = bytes.to_vec();
                changed[at] ^= 1;
                // Unused bits of the signature part's gzip header (time, flags of the packer) are covered by nothing.
                if !(4..10).contains(&at) {
                    assert!(verify(&changed, chunk).is_err(), "byte {at}");
                }
                assert!(verify(&bytes[..at], chunk).is_err(), "cut at {at}");
            }
        }
    }
}
