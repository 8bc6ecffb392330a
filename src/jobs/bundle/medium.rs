//! Where a bundle lies, and how its volumes get there.

use std::io::{Cursor, Read};
use std::path::{Path, PathBuf};

use super::CannotBundle;
use super::deltas::Deltas;
use super::program::Program;
use super::shelf::{Fault, Shelf};
use crate::bundle::write::{RidingTool, overhead, write_volume};
use crate::bundle::{self, SignedManifest};
use crate::disk::durable;
use crate::jobs::Error;
use crate::plan::bundle::volume_name;
use crate::report::{Reporter, Work};
use crate::snapshot::manifest::{Manifest, Packed, SUFFIX};

/// Where a bundle is to lie.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// Exactly this file; several volumes are numbered.
    File(PathBuf),
    /// In this folder, under its own name.
    Folder(PathBuf),
}

impl Target {
    /// As a person names it: what is a folder already, or ends in `/`, is a folder.
    pub fn of(path: &Path) -> Self {
        use std::os::unix::ffi::OsStrExt as _;
        let is_folder = path.as_os_str().as_bytes().ends_with(b"/") || path.is_dir();
        if is_folder { Target::Folder(path.to_owned()) } else { Target::File(path.to_owned()) }
    }

    /// Fails where something is in the way that is known before any work is done.
    pub(super) fn require_free(&self) -> Result<(), CannotBundle> {
        let Target::File(file) = self else { return Ok(()) };
        let folder = folder_of(file);
        match () {
            () if file.symlink_metadata().is_ok() => Err(CannotBundle::Exists { path: file.clone() }),
            () if !folder.is_dir() => Err(CannotBundle::NoFolder { path: folder.to_owned() }),
            () => Ok(()),
        }
    }
}

/// The folder that holds `file`.
pub(super) fn folder_of(file: &Path) -> &Path {
    file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// What lies on the medium now.
#[derive(Debug)]
pub(super) struct Written {
    pub(super) volumes: Vec<PathBuf>,
    pub(super) bytes: u64,
}

/// What a bundle is made of.
#[derive(Clone, Copy)]
pub(super) struct Parcel<'p> {
    pub(super) manifest: &'p Manifest,
    pub(super) signed: &'p SignedManifest,
    pub(super) shelf: Shelf<'p>,
    pub(super) deltas: Option<&'p Deltas>,
    pub(super) program: Option<&'p Program>,
}

/// Writes all volumes; where one fails, none stays.
pub(super) fn write_volumes(to: &Target, parcel: Parcel<'_>, reporter: &dyn Reporter) -> Result<Written, Error> {
    let manifest = parcel.manifest;
    let paths = to.volumes(manifest);
    require_absent(paths.iter())?;
    to.make_folder()?;
    let objects: u64 = manifest.objects.iter().map(Packed::length).sum();
    let around = overhead(manifest.print().len() as u64, manifest.keys.len(), manifest.tool.as_ref());
    require_space(folder_of(&paths[0]), objects + around * paths.len() as u64)?;
    reporter.work_begun(Work::Bundle, manifest.objects.len() as u64, objects);
    let mut written = Written { volumes: Vec::new(), bytes: 0 };
    for (path, number) in paths.iter().zip(1..) {
        match write_one(path, number, parcel, reporter) {
            Ok(bytes) => {
                written.bytes += bytes;
                written.volumes.push(path.clone());
            }
            Err(error) => {
                remove(&written.volumes);
                return Err(error);
            }
        }
    }
    reporter.work_done(Work::Bundle);
    Ok(written)
}

/// Removes what was written of a bundle that will never be whole. That this cannot be done is not the trouble to be told.
pub(super) fn remove(paths: &[PathBuf]) {
    paths.iter().for_each(|path| drop(durable::remove_file(path)));
}

/// Writes volume `number`; 0 is the one whose objects lie beside it.
pub(super) fn write_one(path: &Path, number: u32, parcel: Parcel<'_>, reporter: &dyn Reporter) -> Result<u64, Error> {
    let fault = Fault::default();
    let objects = parcel.manifest.volume(number).map(|(_, packed)| packed).collect::<Vec<_>>();
    let open = |packed: &Packed| {
        reporter.object_done(packed.length());
        if let Some(delta) = parcel.deltas.map(|deltas| deltas.of(packed)).transpose()?.flatten() {
            return Ok(Box::new(Cursor::new(delta)) as Box<dyn Read>);
        }
        parcel.shelf.open(&packed.sha256, packed.size, &packed.what, &fault).map_err(|found| {
            fault.replace(Some(found));
            // What the writer is told is not what the operator is: `fault` goes first.
            bundle::Error::WrongObject { path: path.to_owned(), what: packed.what.to_string() }
        })
    };
    let program = parcel.program.filter(|_| number == 1);
    let tool = program.map(|program| RidingTool { tool: &program.tool, reader: Box::new(&program.bytes[..]) });
    let written = write_volume(path, parcel.signed, number, tool, objects.into_iter(), open);
    match fault.take() {
        Some(fault) => Err(fault.into()),
        None => Ok(written?),
    }
}

/// Fails where one of these files is there: nothing is overwritten.
pub(super) fn require_absent<'p>(mut paths: impl Iterator<Item = &'p PathBuf>) -> Result<(), CannotBundle> {
    match paths.find(|path| path.symlink_metadata().is_ok()) {
        Some(path) => Err(CannotBundle::Exists { path: path.clone() }),
        None => Ok(()),
    }
}

pub(super) fn require_space(folder: &Path, needed: u64) -> Result<(), Error> {
    let free = durable::free_bytes(folder)?;
    if needed <= free {
        return Ok(());
    }
    Err(CannotBundle::TooLittleSpace { path: folder.to_owned(), needed, free }.into())
}

impl Target {
    /// Makes the folder, where the bundle goes into one.
    pub(super) fn make_folder(&self) -> Result<(), durable::Error> {
        match self {
            Target::File(_) => Ok(()),
            Target::Folder(folder) => durable::create_folder(folder, 0o755),
        }
    }

    /// The files of a bundle's volumes, or the one beside which its objects lie.
    pub(super) fn volumes(&self, manifest: &Manifest) -> Vec<PathBuf> {
        let whole = match self {
            Target::File(file) => file.clone(),
            Target::Folder(folder) => folder.join(format!("{}{SUFFIX}", manifest.id)),
        };
        let name = whole.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let of = manifest.volumes;
        (1..=of.max(1)).map(|number| whole.with_file_name(volume_name(&name, number, of))).collect()
    }
}
