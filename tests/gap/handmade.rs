//! Bundles taken apart and put together again by hand, after the description of the format: whatever a test wants to be wrong
//! with one is wrong, and nothing else. Signed by whom the test likes.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::PathBuf;

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tar::{EntryType, Header};

use super::fixture::{Built, Form, Key, hex};

/// An entry of a volume.
pub(crate) struct Entry {
    pub(crate) name: String,
    pub(crate) kind: EntryType,
    pub(crate) bytes: Vec<u8>,
}

impl Entry {
    pub(crate) fn file(name: &str, bytes: &[u8]) -> Entry {
        Entry { name: name.to_owned(), kind: EntryType::Regular, bytes: bytes.to_vec() }
    }
}

/// A tar of these.
pub(crate) fn archive(entries: &[Entry]) -> Vec<u8> {
    let mut archive = Vec::new();
    for Entry { name, kind, bytes } in entries {
        let mut header = Header::new_ustar();
        // Past the checks of `set_path`: names that lead elsewhere are wanted here.
        header.as_ustar_mut().unwrap().name[..name.len()].copy_from_slice(name.as_bytes());
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        header.set_mtime(0);
        header.set_entry_type(*kind);
        header.set_cksum();
        archive.extend(header.as_bytes());
        archive.extend(bytes);
        archive.resize(archive.len().next_multiple_of(512), 0);
    }
    archive.resize(archive.len() + 1024, 0);
    archive
}

/// SHA-256 as a manifest writes it.
pub(crate) fn digest(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// A bundle in its parts.
#[derive(Clone)]
pub(crate) struct Parcel {
    pub(crate) manifest: Value,
    /// What stands for each object in its volume, by the object's digest.
    pub(crate) bodies: BTreeMap<String, Vec<u8>>,
}

impl Parcel {
    /// Reads all volumes of a bundle.
    pub(crate) fn open(volumes: &[PathBuf]) -> Parcel {
        let mut parcel = Parcel { manifest: Value::Null, bodies: BTreeMap::new() };
        for volume in volumes {
            let mut objects = None;
            for entry in tar::Archive::new(std::fs::File::open(volume).unwrap()).entries().unwrap() {
                let mut entry = entry.unwrap();
                let mut bytes = Vec::new();
                entry.read_to_end(&mut bytes).unwrap();
                let name = entry.path().unwrap().display().to_string();
                match name.strip_prefix("objects.") {
                    Some(number) => objects = Some((number.parse::<u64>().unwrap(), bytes)),
                    None if name == "manifest.json" => parcel.manifest = serde_json::from_slice(&bytes).unwrap(),
                    None => {}
                }
            }
            let Some((number, mut stream)) = objects else { continue };
            for object in parcel.objects().to_vec().iter().filter(|object| object["volume"] == number) {
                let rest = stream.split_off(usize::try_from(length(object)).unwrap());
                parcel.bodies.insert(sha256(object), std::mem::replace(&mut stream, rest));
            }
        }
        parcel
    }

    pub(crate) fn objects(&self) -> &[Value] {
        self.manifest["objects"].as_array().map_or(&[], Vec::as_slice)
    }

    pub(crate) fn objects_mut(&mut self) -> &mut Vec<Value> {
        self.manifest["objects"].as_array_mut().unwrap()
    }

    pub(crate) fn id(&self) -> &str {
        self.manifest["id"].as_str().unwrap()
    }

    /// The object that is this package, or the first that is an index.
    #[track_caller]
    pub(crate) fn object(&mut self, package: &str) -> &mut Value {
        let is = |object: &&mut Value| file(object) == package;
        self.objects_mut().iter_mut().find(is).unwrap_or_else(|| panic!("{package} is not in it"))
    }

    /// What is sent to a site that has `base`: a delta for whatever has a former version there, the rest whole.
    pub(crate) fn since(&self, base: &Parcel) -> Parcel {
        let mut sent = Parcel { manifest: self.manifest.clone(), bodies: BTreeMap::new() };
        sent.manifest["base"] = json!({ "id": base.id(), "time": base.manifest["time"] });
        sent.objects_mut().retain(|object| !base.bodies.contains_key(&sha256(object)));
        for at in 0..sent.objects().len() {
            let object = &sent.objects()[at];
            let digest_of = sha256(object);
            let body = &self.bodies[&digest_of];
            let former = base.objects().iter().find(|former| subject(former) == subject(object)).map(sha256);
            let Some(former) = former else {
                sent.bodies.insert(digest_of, body.clone());
                continue;
            };
            let delta = bivouac::delta::make(Some(&base.bodies[&former]), body);
            let object = &mut sent.objects_mut()[at];
            object["form"] = "delta".into();
            object["base"] = former.into();
            sent.set_body(&digest_of, delta);
        }
        sent.name_anew();
        sent
    }

    /// Another delta for an object, of which the manifest says the truth.
    pub(crate) fn set_body(&mut self, object: &str, delta: Vec<u8>) {
        let found = self.objects_mut().iter_mut().find(|found| sha256(found) == object).unwrap();
        found["length"] = delta.len().into();
        found["delta"] = digest(&delta).into();
        self.bodies.insert(object.to_owned(), delta);
    }

    fn place(&mut self, repository: &str) -> &mut Value {
        let places = self.manifest["repositories"].as_array_mut().unwrap();
        places.iter_mut().find(|place| place["name"] == repository).unwrap()
    }

    /// Another index for a repository, whole and alone: without one of upstream's beside it.
    pub(crate) fn set_index(&mut self, repository: &str, bytes: &[u8]) {
        let place = self.place(repository);
        let former = place["index"].as_str().unwrap().to_owned();
        place["index"] = digest(bytes).into();
        place["origins"] = json!([]);
        place.as_object_mut().unwrap().remove("whole");
        let arch = place["arch"].clone();
        self.objects_mut().retain(|object| sha256(object) != former);
        self.add(json!({ "index": [repository, arch] }), bytes);
    }

    /// One more of upstream's indexes from which a repository follows.
    pub(crate) fn add_index(&mut self, repository: &str, bytes: &[u8]) {
        let place = self.place(repository);
        place["origins"].as_array_mut().unwrap().push(digest(bytes).into());
        let arch = place["arch"].clone();
        self.add(json!({ "index": [repository, arch] }), bytes);
    }

    /// One more package, or one in another's place.
    pub(crate) fn add_package(&mut self, package: &Built) {
        let line = |letter: &str| package.entry.lines().find_map(|line| line.strip_prefix(letter)).unwrap();
        self.add(json!({ "package": [line("P:"), line("V:"), line("C:")] }), &package.bytes);
    }

    fn add(&mut self, mut object: Value, bytes: &[u8]) {
        object["sha256"] = digest(bytes).into();
        object["size"] = bytes.len().into();
        object["form"] = "whole".into();
        object["volume"] = 1.into();
        self.objects_mut().push(object);
        self.bodies.insert(digest(bytes), bytes.to_vec());
    }

    /// An id that follows from what it brings, at the time that it has.
    pub(crate) fn name_anew(&mut self) {
        let content = digest(self.manifest["objects"].to_string().as_bytes());
        let time = self.id().split('-').next().unwrap().to_owned();
        self.manifest["id"] = format!("{time}-{}", &content[..8]).into();
    }

    /// Puts the objects into two volumes in turn.
    pub(crate) fn in_two_volumes(mut self) -> Parcel {
        self.manifest["volumes"] = 2.into();
        for (at, object) in self.objects_mut().iter_mut().enumerate() {
            object["volume"] = (at % 2 + 1).into();
        }
        self.name_anew();
        self
    }

    /// What a volume holds, its manifest signed by `key`.
    pub(crate) fn entries(&self, number: u64, key: &Key) -> Vec<Entry> {
        let text = self.manifest.to_string().into_bytes();
        let (_, signature) = key.sign(Form::Rsa256, &text);
        let stream = self.objects().iter().filter(|object| object["volume"] == number);
        let stream: Vec<u8> = stream.flat_map(|object| self.bodies[&sha256(object)].clone()).collect();
        vec![
            Entry::file("manifest.json", &text),
            Entry::file(&format!("manifest.json.{}.sig", key.name), &signature),
            Entry::file(&format!("objects.{number}"), &stream),
        ]
    }

    pub(crate) fn volume(&self, number: u64, key: &Key) -> Vec<u8> {
        archive(&self.entries(number, key))
    }
}

/// The digest of an object.
pub(crate) fn sha256(object: &Value) -> String {
    object["sha256"].as_str().unwrap().to_owned()
}

fn length(object: &Value) -> u64 {
    object[if object["form"] == "delta" { "length" } else { "size" }].as_u64().unwrap()
}

/// The package's file, or `index`.
pub(crate) fn file(object: &Value) -> String {
    match object["package"].as_array() {
        Some(package) => format!("{}-{}.apk", package[0].as_str().unwrap(), package[1].as_str().unwrap()),
        None => "index".to_owned(),
    }
}

/// What stays the same from version to version.
fn subject(object: &Value) -> String {
    let package = &object["package"][0];
    if package.is_null() { object["index"].to_string() } else { package.to_string() }
}
