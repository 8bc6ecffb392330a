//! A package, fed chunk by chunk while it arrives: one pass, nothing inflated but its first two sections, memory bounded by
//! them. → [`VerifiedPackage`].
//!
//! The steps are apk-tools' own, plus two that clients leave out: size, identity of the control section, name and version,
//! then the datahash over all bytes behind it. They establish exactly what a client establishes from a trusted index.

use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use super::index::sha1_hint;
use super::keyring::{Keyring, Signer, Untrusted};
use crate::apk::names::{Arch, PackageFile};
use crate::apk::sha1::{Collision, Sha1Policy};
use crate::apk::v2::pkginfo::{BadPkgInfo, PkgInfo};
use crate::apk::v2::sections::{BadSections, Head, HeadReader, Limits};
use crate::apk::{Datahash, Entry, Identity, ObjectId};
use crate::error::{Class, Trouble};

/// What a package's bytes are measured against.
#[derive(Clone, Debug)]
pub enum Promise {
    /// An entry of a verified index.
    Entry(Entry),
    /// The package's own signature by a key that is trusted for this arch; without one, for the arch that the package says
    /// (for `noarch`, for any).
    Signature(Arc<Keyring>, Option<Arch>),
    /// Nothing but itself: the operator takes this source's packages as they are.
    AsItIs,
}

/// A package whose bytes are what was promised. Only [`PackageVerifier::finish`] makes one.
#[derive(Clone, Debug)]
pub struct VerifiedPackage {
    object_id: ObjectId,
    identity: Identity,
    size: u64,
    info: PkgInfo,
    file: PackageFile,
    signers: Vec<Signer>,
}

impl VerifiedPackage {
    /// SHA-256 of the whole file.
    pub fn object_id(&self) -> ObjectId {
        self.object_id
    }

    /// Identity, recomputed from the bytes.
    pub fn identity(&self) -> Identity {
        self.identity
    }

    /// Bytes.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// `NAME-VERSION.apk` by its own name and version.
    pub fn file(&self) -> PackageFile {
        self.file.clone()
    }

    /// What it says of itself.
    pub fn info(&self) -> &PkgInfo {
        &self.info
    }

    /// Whose signature vouched for it; empty when an index did, or nobody was asked.
    pub fn signers(&self) -> &[Signer] {
        &self.signers
    }
}

/// Why a package was refused.
#[derive(Debug, thiserror::Error)]
pub enum RefusedPackage {
    /// More or fewer bytes than the index says.
    #[error("its size is {found} bytes, the index says {promised}")]
    Size {
        /// `S:`.
        promised: u64,
        /// What came (at least).
        found: u64,
    },
    /// Another control section.
    #[error("its identity is {found}, the index says {promised}")]
    Identity {
        /// `C:`.
        promised: Identity,
        /// What came.
        found: Identity,
    },
    /// The index calls it something else than it calls itself.
    #[error("it calls itself {found}, the index says {promised}")]
    Name {
        /// The index's name and version.
        promised: PackageFile,
        /// The package's own.
        found: String,
    },
    /// Another data section.
    #[error("its data section is not what its datahash says")]
    Datahash,
    /// No datahash: apk 3 refuses such packages, and 2.x identifies them in another way.
    #[error("it has no datahash, as packages of before 2010; apk 3 refuses it")]
    NoDatahash,
    /// Nothing behind the control section.
    #[error("it has no data section")]
    NoData,
    /// Its container is broken, or of another kind.
    #[error(transparent)]
    Sections(#[from] BadSections),
    /// Its `.PKGINFO` is refused.
    #[error(transparent)]
    PkgInfo(#[from] BadPkgInfo),
    /// Its control section was made so that another one has its identity.
    #[error("its identity says nothing")]
    Collision(#[from] Collision),
    /// No trust follows from its own signature.
    #[error(transparent)]
    Untrusted(#[from] Untrusted),
}

impl Trouble for RefusedPackage {
    fn class(&self) -> Class {
        match self {
            RefusedPackage::Size { .. }
            | RefusedPackage::Identity { .. }
            | RefusedPackage::Name { .. }
            | RefusedPackage::Datahash
            | RefusedPackage::NoDatahash
            | RefusedPackage::NoData
            | RefusedPackage::Sections(_)
            | RefusedPackage::PkgInfo(_)
            | RefusedPackage::Collision(_)
            | RefusedPackage::Untrusted(_) => Class::Refused,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            RefusedPackage::Size { .. } => "wrong-size",
            RefusedPackage::Identity { .. } => "wrong-identity",
            RefusedPackage::Name { .. } => "wrong-name",
            RefusedPackage::Datahash => "wrong-datahash",
            RefusedPackage::NoDatahash => "no-datahash",
            RefusedPackage::NoData => "bad-package",
            RefusedPackage::Sections(BadSections::ApkV3(_)) => "apk-v3",
            RefusedPackage::Sections(_) => "bad-package",
            RefusedPackage::PkgInfo(_) => "bad-pkginfo",
            RefusedPackage::Untrusted(Untrusted::Unsigned) => "unsigned",
            RefusedPackage::Untrusted(Untrusted::UnknownSigner(_)) => "unknown-signer",
            RefusedPackage::Untrusted(Untrusted::OtherArch { .. }) => "signer-of-other-arch",
            RefusedPackage::Untrusted(Untrusted::BadSignature(_)) => "bad-signature",
            RefusedPackage::Untrusted(Untrusted::Sha1Refused(_)) => "sha1-refused",
            RefusedPackage::Collision(_) | RefusedPackage::Untrusted(Untrusted::Sha1Collision(_)) => "sha1-collision",
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            RefusedPackage::Untrusted(Untrusted::Sha1Refused(keys)) => Some(sha1_hint(keys)),
            _ => None,
        }
    }
}

/// Takes a package's bytes in order and tells what they are.
pub struct PackageVerifier {
    promise: Promise,
    sha1: Sha1Policy,
    taken: u64,
    whole: Sha256,
    stage: Stage,
}

enum Stage {
    Head(Box<HeadReader>),
    Data {
        identity: Identity,
        info: Box<PkgInfo>,
        file: Box<PackageFile>,
        datahash: Datahash,
        signers: Vec<Signer>,
        data: Sha256,
        empty: Empty,
    },
}

#[derive(PartialEq)]
enum Empty {
    Yes,
    No,
}

impl PackageVerifier {
    /// A verifier that holds the bytes against `promise` and looks for attacks on SHA-1.
    pub fn new(promise: Promise, limits: Limits) -> Self {
        let stage = Stage::Head(Box::new(HeadReader::new(limits)));
        PackageVerifier { promise, sha1: Sha1Policy::Detect, taken: 0, whole: Sha256::new(), stage }
    }

    /// The same, SHA-1 trusted so far.
    pub fn under(self, sha1: Sha1Policy) -> Self {
        PackageVerifier { sha1, ..self }
    }

    /// Bytes taken so far.
    pub fn taken(&self) -> u64 {
        self.taken
    }

    /// Takes the next bytes; refuses as soon as it is certain.
    pub fn feed(&mut self, chunk: &[u8]) -> Result<(), RefusedPackage> {
        self.taken += chunk.len() as u64;
        // 1. The size bounds everything else.
        if let Promise::Entry(entry) = &self.promise
            && self.taken > entry.size()
        {
            return Err(RefusedPackage::Size { promised: entry.size(), found: self.taken });
        }
        self.whole.update(chunk);
        let mut rest = chunk;
        if let Stage::Head(reader) = &mut self.stage {
            // 2. and 3. Signature and control sections, inflated within limits.
            let used = reader.feed(rest)?;
            rest = &rest[used..];
            let Some(head) = reader.head() else { return Ok(()) };
            self.stage = examine(head, &self.promise, self.sha1)?;
        }
        if let Stage::Data { data, empty, .. } = &mut self.stage
            && !rest.is_empty()
        {
            // 5. The data section is only hashed.
            data.update(rest);
            *empty = Empty::No;
        }
        Ok(())
    }

    /// The package, if all of it came and is what was promised.
    pub fn finish(self) -> Result<VerifiedPackage, RefusedPackage> {
        if let Promise::Entry(entry) = &self.promise
            && self.taken != entry.size()
        {
            return Err(RefusedPackage::Size { promised: entry.size(), found: self.taken });
        }
        match self.stage {
            Stage::Head(reader) => {
                reader.finish()?;
                Err(RefusedPackage::NoData)
            }
            Stage::Data { empty: Empty::Yes, .. } => Err(RefusedPackage::NoData),
            Stage::Data { identity, info, file, datahash, signers, data, empty: Empty::No } => {
                if Datahash::new(data.finalize().into()) != datahash {
                    return Err(RefusedPackage::Datahash);
                }
                let object_id = ObjectId::new(self.whole.finalize().into());
                Ok(VerifiedPackage { object_id, identity, size: self.taken, info: *info, file: *file, signers })
            }
        }
    }
}

/// What can be said once the control section is complete.
fn examine(head: &Head, promise: &Promise, sha1: Sha1Policy) -> Result<Stage, RefusedPackage> {
    let identity = Identity::of(&head.control, sha1)?;
    let mut signers = Vec::new();
    if let Promise::Entry(entry) = promise
        && *entry.identity() != identity
    {
        return Err(RefusedPackage::Identity { promised: *entry.identity(), found: identity });
    }
    let info = Box::new(PkgInfo::parse(&head.pkginfo)?);
    if let Promise::Signature(keyring, arch) = promise {
        signers = keyring.verify(arch.as_ref().unwrap_or(&info.arch), &head.control, &head.signatures)?;
    }
    // 4. Clients do not compare names, so an index can rename a package at will; here it cannot.
    if let Promise::Entry(entry) = promise
        && (info.name != *entry.name() || info.version != *entry.version())
    {
        let found = format!("{}-{}", info.name, info.version);
        return Err(RefusedPackage::Name { promised: entry.file().clone(), found });
    }
    let file =
        PackageFile::new(&info.name, &info.version).map_err(|source| BadPkgInfo::Name { key: "pkgname", source })?;
    let datahash = info.datahash.ok_or(RefusedPackage::NoDatahash)?;
    Ok(Stage::Data { identity, info, file: Box::new(file), datahash, signers, data: Sha256::new(), empty: Empty::Yes })
}

/// What a complete head says, its own signature checked: the description, the datahash that the data must have, the signers.
pub(super) fn examine_signed_head(
    head: &Head,
    keyring: &Keyring,
    arch: &Arch,
) -> Result<(PkgInfo, Datahash, Vec<Signer>), RefusedPackage> {
    let signers = keyring.verify(arch, &head.control, &head.signatures)?;
    let info = PkgInfo::parse(&head.pkginfo)?;
    let datahash = info.datahash.ok_or(RefusedPackage::NoDatahash)?;
    Ok((info, datahash, signers))
}

/// Reads only the head of a package for its index entry, as `apk index` does: `bytes` must hold at least the first two
/// sections. The datahash is not compared.
pub fn examine_head(head: &Head) -> Result<(Identity, PkgInfo), RefusedPackage> {
    match examine(head, &Promise::AsItIs, Sha1Policy::Detect)? {
        Stage::Data { identity, info, .. } => Ok((identity, *info)),
        Stage::Head(_) => unreachable!("a complete head leads to the data section"),
    }
}
