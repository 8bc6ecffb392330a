//! A whole bundle as a folder: a plain repository, in which apk finds everything, with the manifest beside it.

use std::collections::BTreeMap;

use super::{Piece, SentPlace};
use crate::apk::ObjectId;
use crate::snapshot::manifest::{Carried, FilePath, Form, Packed};

/// The name under which every client asks for an index.
const INDEX: &str = "APKINDEX.tar.gz";

/// One file of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TreeFile {
    /// Where it lies.
    pub path: FilePath,
    /// What it holds.
    pub object: ObjectId,
}

/// The files of all `places`, and how the manifest calls their objects: each by the first of its files. Upstream's indexes that
/// no place shows lie in a folder `origins` beside the index that follows from them.
pub fn tree(places: &[SentPlace], pieces: &[Piece]) -> (Vec<TreeFile>, Vec<Packed>) {
    let mut files = Vec::new();
    for SentPlace { carried, files: packages } in places {
        let folder = folder(carried);
        files.push(file(format!("{folder}/{INDEX}"), carried.index));
        files.extend(packages.iter().map(|placed| file(format!("{folder}/{}", placed.file), placed.object)));
    }
    let mut firsts: BTreeMap<ObjectId, FilePath> = BTreeMap::new();
    files.iter().for_each(|file| note(&mut firsts, file));
    for SentPlace { carried, .. } in places {
        for origin in &carried.origins {
            if !firsts.contains_key(origin) {
                let file = file(format!("{}/origins/{}.{INDEX}", folder(carried), &origin.hex()[..16]), *origin);
                note(&mut firsts, &file);
                files.push(file);
            }
        }
    }
    let packed = pieces.iter().map(|piece| {
        let path = firsts.get(&piece.sha256).expect("every object of a place is one of its files").clone();
        piece.packed(Form::Beside { path })
    });
    let packed = packed.collect();
    (files, packed)
}

fn note(firsts: &mut BTreeMap<ObjectId, FilePath>, file: &TreeFile) {
    firsts.entry(file.object).or_insert_with(|| file.path.clone());
}

fn file(path: String, object: ObjectId) -> TreeFile {
    TreeFile { path: path.parse().expect("it is made of checked names"), object }
}

/// A client adds the arch to the line that it is given. In the public tree a link lets that be where the name holds the arch
/// already; a medium may know no links, so here the folder is there twice.
fn folder(carried: &Carried) -> String {
    format!("{}/{}", carried.name.line(&carried.arch), carried.arch)
}
