//! Writes the volumes of a bundle.

use std::io::Read;
use std::path::Path;

use super::container::{END, MANIFEST, OBJECTS, TOOL, header, padding, signature_name};
use super::{Error, LARGEST_MANIFEST};
use crate::apk::KeyName;
use crate::apk::v2::signature::Algorithm;
use crate::disk::durable::Staged;
use crate::sign::Seal;
use crate::snapshot::manifest::{Manifest, Packed, Tool};

/// Bytes moved at once.
const CHUNK: usize = 256 << 10;

/// A manifest with our signatures.
#[derive(Clone, Debug)]
pub struct SignedManifest {
    text: Vec<u8>,
    signatures: Vec<(KeyName, Vec<u8>)>,
    modified: u64,
}

/// Signs a manifest with every key that signs now.
///
/// # Panics
/// When the manifest is longer than [`LARGEST_MANIFEST`], which takes more packages than Alpine has.
pub fn sign(manifest: &Manifest, seal: &Seal) -> Result<SignedManifest, Error> {
    let text = manifest.print();
    assert!(text.len() as u64 <= LARGEST_MANIFEST, "the manifest has {} bytes", text.len());
    let mut signatures = Vec::new();
    for signer in seal.signers() {
        signatures.push((signer.key_name().clone(), signer.sign(Algorithm::Sha256, &text)?.bytes));
    }
    Ok(SignedManifest { text, signatures, modified: u64::try_from(manifest.time.as_second()).unwrap_or(0) })
}

/// Bytes of a volume without its objects and their header: what a manifest of `manifest` bytes, signed by `keys` keys, and the
/// program take. An upper bound.
pub fn overhead(manifest: u64, keys: usize, tool: Option<&Tool>) -> u64 {
    let file = |size: u64| 512 + size + padding(size);
    // RSA signatures of 16384 bits have 2048 bytes.
    file(manifest) + file(2048) * keys as u64 + tool.map_or(0, |tool| file(tool.size)) + END + 512 + 511
}

/// The program that rides along.
pub struct RidingTool<'a> {
    /// What the manifest says of it.
    pub tool: &'a Tool,
    /// Its bytes.
    pub reader: Box<dyn Read + 'a>,
}

/// Writes one volume to `path`, which is there when it is whole; says how many bytes it has. `objects` are those of the volume
/// in the manifest's order; `open` gives each one's bytes, exactly [`Packed::length`] of them. Volume 0 has none.
pub fn write_volume<'a>(
    path: &Path,
    manifest: &SignedManifest,
    number: u32,
    tool: Option<RidingTool<'_>>,
    objects: impl Iterator<Item = &'a Packed> + Clone,
    mut open: impl FnMut(&Packed) -> Result<Box<dyn Read>, Error>,
) -> Result<u64, Error> {
    let mut volume = Staged::beside(path)?;
    let mut put = |name: &str, bytes: &[u8]| -> Result<(), Error> {
        volume.write(&header(name, bytes.len() as u64, 0o644, manifest.modified))?;
        volume.write(bytes)?;
        Ok(volume.write(&vec![0; padding(bytes.len() as u64) as usize])?)
    };
    put(MANIFEST, &manifest.text)?;
    for (key, signature) in &manifest.signatures {
        put(&signature_name(key.as_str()), signature)?;
    }
    if let Some(RidingTool { tool, mut reader }) = tool {
        volume.write(&header(TOOL, tool.size, 0o755, manifest.modified))?;
        copy(path, &mut *reader, tool.size, TOOL, &mut volume)?;
        volume.write(&vec![0; padding(tool.size) as usize])?;
    }
    if number > 0 {
        let size = objects.clone().map(Packed::length).sum();
        volume.write(&header(&format!("{OBJECTS}{number}"), size, 0o644, manifest.modified))?;
        for packed in objects {
            copy(path, &mut *open(packed)?, packed.length(), &packed.what.to_string(), &mut volume)?;
        }
        volume.write(&vec![0; padding(size) as usize])?;
    }
    volume.write(&[0; END as usize])?;
    let bytes = volume.len();
    volume.persist(path, 0o644)?;
    Ok(bytes)
}

fn copy(path: &Path, reader: &mut dyn Read, length: u64, what: &str, volume: &mut Staged) -> Result<(), Error> {
    let changed = || Error::WrongObject { path: path.to_owned(), what: what.to_owned() };
    let mut left = length;
    let mut buffer = vec![0; CHUNK];
    while left > 0 {
        let most = buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        match reader.read(&mut buffer[..most]).map_err(|cause| Error::medium(path, cause))? {
            0 => return Err(changed()),
            read => {
                volume.write(&buffer[..read])?;
                left -= read as u64;
            }
        }
    }
    Ok(())
}
