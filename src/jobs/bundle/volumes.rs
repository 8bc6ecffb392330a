//! Splits a bundle for media of a size.

use super::CannotBundle;
use crate::bundle::write::overhead;
use crate::plan::bundle::{DoesNotFit, MOST_VOLUMES, Room, in_volumes};
use crate::snapshot::manifest::{Form, Manifest, Packed};

/// Puts each object in a volume, so that none has more than `size` bytes.
pub(super) fn spread(manifest: &mut Manifest, size: u64) -> Result<(), CannotBundle> {
    // The manifest is in every volume, and its length depends on the numbers in it: with the longest of them it is longest.
    set_volumes(manifest, std::iter::repeat(MOST_VOLUMES), MOST_VOLUMES);
    let (text, keys) = (manifest.print().len() as u64, manifest.keys.len());
    let others = overhead(text, keys, None);
    let first = overhead(text, keys, manifest.tool.as_ref());
    let lengths: Vec<u64> = manifest.objects.iter().map(Packed::length).collect();
    let largest = manifest.objects.iter().max_by_key(|packed| packed.length());
    let least = first.max(others + largest.map_or(0, Packed::length));
    let too_small = |what: String, length: u64| CannotBundle::VolumeTooSmall { what, length, size, least };
    if size < first {
        let what = if manifest.tool.is_some() { "the manifest and the program" } else { "the manifest" };
        return Err(too_small(what.to_owned(), first));
    }
    match in_volumes(&lengths, Room { first: size - first, others: size - others }) {
        Ok((volumes, of)) => {
            set_volumes(manifest, volumes.into_iter(), of);
            Ok(())
        }
        Err(DoesNotFit::Object(at)) => {
            let largest = largest.unwrap_or(&manifest.objects[at]);
            Err(too_small(largest.what.to_string(), largest.length()))
        }
        Err(DoesNotFit::All) => Err(CannotBundle::TooManyVolumes { size }),
    }
}

fn set_volumes(manifest: &mut Manifest, volumes: impl Iterator<Item = u32>, of: u32) {
    manifest.volumes = of;
    for (packed, number) in manifest.objects.iter_mut().zip(volumes) {
        if let Form::Whole { volume } | Form::Delta { volume, .. } = &mut packed.form {
            *volume = number;
        }
    }
}
