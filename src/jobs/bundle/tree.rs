//! Writes a whole bundle as a plain repository, the manifest beside it. It is a bundle from the moment when the manifest has its
//! name, which comes last.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};

use super::CannotBundle;
use super::medium::{Parcel, Target, Written, folder_of, remove, require_absent, require_space, write_one};
use super::shelf::{Fault, Shelf};
use crate::apk::ObjectId;
use crate::disk::durable::{self, Staged};
use crate::jobs::Error;
use crate::plan::bundle::TreeFile;
use crate::report::{Reporter, Work};
use crate::snapshot::manifest::{Manifest, Packed};

/// The program's name.
const PROGRAM: &str = "bivouac";
/// Bytes moved at once.
const CHUNK: usize = 256 << 10;
/// What each file takes at least, bytes: a cluster of the usual file systems.
const CLUSTER: u64 = 4096;

/// Writes the files, makes them safe, and writes the manifest. Where something fails, nothing but empty folders stays.
pub(super) fn write(
    to: &Target,
    files: &[TreeFile],
    parcel: Parcel<'_>,
    reporter: &dyn Reporter,
) -> Result<Written, Error> {
    let volume = to.volumes(parcel.manifest).remove(0);
    let root = folder_of(&volume).to_owned();
    let program = root.join(PROGRAM);
    let paths: Vec<PathBuf> = files.iter().map(|file| root.join(file.path.path())).collect();
    require_absent(paths.iter().chain([&volume]).chain(parcel.program.map(|_| &program)))?;
    to.make_folder()?;
    let packed = by_digest(parcel.manifest);
    let sizes = || files.iter().map(|file| packed[&file.object].size);
    let around = parcel.program.map_or(0, |program| program.tool.size) + parcel.manifest.print().len() as u64 + CLUSTER;
    require_space(&root, sizes().map(|size| size.next_multiple_of(CLUSTER)).sum::<u64>() + around)?;
    reporter.work_begun(Work::Bundle, files.len() as u64, sizes().sum());
    let mut made = Vec::new();
    let result = (|| {
        for (file, path) in files.iter().zip(&paths) {
            copy(parcel.shelf, packed[&file.object], path)?;
            made.push(path.clone());
            reporter.object_done(packed[&file.object].size);
        }
        if let Some(riding) = parcel.program {
            let mut staged = Staged::beside(&program)?;
            staged.write(&riding.bytes)?;
            staged.persist_unflushed(&program, 0o755)?;
            made.push(program.clone());
        }
        durable::flush_file_system(&root)?;
        write_one(&volume, 0, parcel, reporter)
    })();
    match result {
        Ok(bytes) => {
            reporter.work_done(Work::Bundle);
            let bytes = bytes + sizes().sum::<u64>() + parcel.program.map_or(0, |program| program.tool.size);
            Ok(Written { volumes: vec![volume], bytes })
        }
        Err(error) => {
            remove(&made);
            Err(error)
        }
    }
}

fn by_digest(manifest: &Manifest) -> HashMap<ObjectId, &Packed> {
    manifest.objects.iter().map(|packed| (packed.sha256, packed)).collect()
}

/// Copies one object, which is compared with its digest on the way.
fn copy(shelf: Shelf<'_>, packed: &Packed, path: &Path) -> Result<(), Error> {
    // Where names that differ in case are one, the second of two is in the first one's way.
    require_absent([&path.to_owned()].into_iter())?;
    durable::create_folder_unflushed(folder_of(path), 0o755)?;
    let fault = Fault::default();
    let mut reader = shelf.open(&packed.sha256, packed.size, &packed.what, &fault)?;
    let mut staged = Staged::beside(path)?;
    let mut buffer = vec![0; CHUNK];
    loop {
        match reader.read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => staged.write(&buffer[..read])?,
            Err(cause) if cause.kind() == io::ErrorKind::Interrupted => {}
            Err(cause) => {
                let told = || CannotBundle::from(durable::Error::new("read", path, cause));
                return Err(fault.take().unwrap_or_else(told).into());
            }
        }
    }
    Ok(staged.persist_unflushed(path, 0o644)?)
}
