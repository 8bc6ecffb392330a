//! Reads a volume.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use super::container::{MANIFEST, OBJECTS, Reader, TOOL, signature_name};
use super::{Error, LARGEST_MANIFEST};
use sha2::{Digest as _, Sha256};

use crate::apk::v2::signature::Algorithm;
use crate::apk::{KeyName, ObjectId};
use crate::snapshot::manifest::Manifest;
use crate::verify::Keyring;
use crate::verify::keyring::{Signer, Verdict};

/// Most signatures of a manifest: during a rotation there are two.
const MOST_SIGNATURES: usize = 16;
/// The longest signature, bytes: RSA of 16384 bits.
const LONGEST_SIGNATURE: u64 = 2048;

/// A volume of which nothing is trusted yet.
#[derive(Debug)]
pub struct Volume {
    path: PathBuf,
    file: File,
    text: Vec<u8>,
    signatures: Vec<(KeyName, Vec<u8>)>,
    objects: Option<Objects>,
    /// The program's place and length in bytes.
    tool: Option<(u64, u64)>,
}

#[derive(Clone, Copy, Debug)]
struct Objects {
    number: u32,
    at: u64,
    length: u64,
}

/// A manifest that a trusted key signed. Only [`Volume::verify`] makes one.
#[derive(Clone, Debug)]
pub struct Verified {
    manifest: Manifest,
    signers: Vec<Signer>,
}

impl Verified {
    /// The manifest.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Whose good signatures were found; at least one.
    pub fn signers(&self) -> &[Signer] {
        &self.signers
    }
}

impl Volume {
    /// Opens a volume and looks at what is in it, by name; no object is read.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let mut reader = Reader::open(path)?;
        let not_one = || Error::NotOne { path: path.to_owned() };
        let first = reader.next()?.filter(|entry| entry.name == MANIFEST).ok_or_else(not_one)?;
        if first.size > LARGEST_MANIFEST {
            return Err(reader.foreign(first.name, "longer than any manifest"));
        }
        let text = reader.bytes(&first)?;
        let (mut signatures, mut objects, mut tool) = (Vec::new(), None, None);
        while let Some(entry) = reader.next()? {
            let number = entry.name.strip_prefix(OBJECTS).and_then(|number| number.parse().ok());
            if let Some(key) = key_of(&entry.name).filter(|_| objects.is_none() && tool.is_none()) {
                if signatures.len() == MOST_SIGNATURES || entry.size > LONGEST_SIGNATURE {
                    return Err(reader.foreign(entry.name, "a signature too many or too long"));
                }
                signatures.push((key, reader.bytes(&entry)?));
            } else if entry.name == TOOL && tool.is_none() && objects.is_none() {
                tool = Some((entry.at, entry.size));
            } else if let Some(number) = number.filter(|_| objects.is_none()) {
                objects = Some(Objects { number, at: entry.at, length: entry.size });
            } else {
                return Err(reader.foreign(entry.name, "a file"));
            }
        }
        Ok(Volume { path: path.to_owned(), file: reader.into_file(), text, signatures, objects, tool })
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Who signed, as the volume says.
    pub fn claimed_signers(&self) -> Vec<KeyName> {
        self.signatures.iter().map(|(key, _)| key.clone()).collect()
    }

    /// The manifest, if a key of `keyring` signed it. One bad signature by a trusted key refuses it, whatever the others say.
    pub fn verify(&self, keyring: &Keyring) -> Result<Verified, Error> {
        let path = || self.path.clone();
        if self.signatures.is_empty() {
            return Err(Error::Unsigned { path: path() });
        }
        let mut signers = Vec::new();
        for (name, signature) in &self.signatures {
            let Some(key) = keyring.keys().find(|key| key.name() == name) else { continue };
            if key.verifies(Algorithm::Sha256, &self.text, signature) != Verdict::Good {
                return Err(Error::BadSignature { path: path(), signer: name.clone() });
            }
            signers.push(Signer { key: name.clone(), fingerprint: key.fingerprint() });
        }
        if signers.is_empty() {
            return Err(Error::UnknownSigner { path: path(), signers: self.claimed_signers() });
        }
        let manifest = Manifest::parse(&self.text).map_err(|cause| Error::Manifest { path: path(), cause })?;
        self.check_length(&manifest)?;
        self.check_tool(&manifest)?;
        Ok(Verified { manifest, signers })
    }

    /// The manifest, whoever signed it: for people to look at.
    pub fn unverified(&self) -> Result<Manifest, Error> {
        Manifest::parse(&self.text).map_err(|cause| Error::Manifest { path: self.path.clone(), cause })
    }

    fn check_length(&self, manifest: &Manifest) -> Result<(), Error> {
        let Some(Objects { number, length, .. }) = self.objects else { return Ok(()) };
        let expected = manifest.volume(number).last().map(|(begin, packed)| begin.saturating_add(packed.length()));
        if (1..=manifest.volumes).contains(&number) && expected.unwrap_or(0) == length {
            return Ok(());
        }
        Err(Error::Damaged { path: self.path.clone(), what: "its objects are not those of its manifest" })
    }

    /// The program is as long as the manifest says and hashes to what it says: people run it on the bundle's word.
    fn check_tool(&self, manifest: &Manifest) -> Result<(), Error> {
        let wrong = || Error::WrongObject { path: self.path.clone(), what: TOOL.to_owned() };
        let (at, length) = match (self.tool, &manifest.tool) {
            (Some(place), Some(_)) => place,
            (Some(_), None) => return Err(wrong()),
            // It is in the first volume; of a folder it lies beside.
            (None, Some(_)) if self.number() == Some(1) => return Err(wrong()),
            (None, _) => return Ok(()),
        };
        let tool = manifest.tool.as_ref().filter(|tool| tool.size == length).ok_or_else(wrong)?;
        let file = self.file.try_clone().map_err(|cause| Error::medium(&self.path, cause))?;
        let (mut hasher, mut slice) = (Sha256::new(), Slice { file, at, left: length });
        let mut buffer = vec![0; 256 << 10];
        loop {
            match slice.read(&mut buffer).map_err(|cause| Error::medium(&self.path, cause))? {
                0 => break,
                read => hasher.update(&buffer[..read]),
            }
        }
        if ObjectId::new(hasher.finalize().into()) == tool.sha256 { Ok(()) } else { Err(wrong()) }
    }

    /// Which volume it is; none where the objects lie beside it.
    pub fn number(&self) -> Option<u32> {
        self.objects.map(|objects| objects.number)
    }

    /// Reads `length` bytes of the objects' stream from `begin` on; a file that is shorter by now ends early.
    ///
    /// # Panics
    /// When there is no such stream; [`Volume::number`] tells.
    pub fn objects(&self, begin: u64, length: u64) -> Result<impl Read + use<>, Error> {
        let objects = self.objects.expect("the caller knows the volume's number");
        let file = self.file.try_clone().map_err(|cause| Error::medium(&self.path, cause))?;
        Ok(Slice { file, at: objects.at + begin, left: length })
    }
}

/// The key whose signature an entry of this name is.
fn key_of(name: &str) -> Option<KeyName> {
    let key: KeyName = name.strip_prefix(MANIFEST)?.strip_prefix('.')?.strip_suffix(".sig")?.parse().ok()?;
    (signature_name(key.as_str()) == name).then_some(key)
}

/// A part of a file, read by its place: several may be read at once.
struct Slice {
    file: File,
    at: u64,
    left: u64,
}

impl Read for Slice {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = buffer.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        let read = self.file.read_at(&mut buffer[..most], self.at)?;
        self.at += read as u64;
        self.left -= read as u64;
        Ok(read)
    }
}
