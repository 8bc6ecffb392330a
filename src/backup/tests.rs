use std::collections::HashMap;
use std::io::{self, Cursor, Read};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;
use sha2::{Digest as _, Sha256};

use super::catalog::{Texts, Writing, ids, readme, write};
use super::save::{Shelf, Wanted, Why, save};
use super::segment::{Kind, State, scan};
use super::*;
use crate::disk::private_file::Exposed;
use crate::places::Folder;
use crate::sign::{Digests, KeyFile, KeyPlace, Seal};
use crate::snapshot::backup::*;

fn seal() -> Seal {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data/signing-keys/pkcs8.rsa");
    let place = KeyPlace::File(KeyFile { path, passphrase_file: None, exposed: Exposed::Accept });
    Seal::of(crate::sign::open(&place).unwrap(), Digests::Sha256)
}

fn target(folder: &Path) -> Target {
    let place = Arc::new(Folder::new(folder));
    Target::open(place.clone()).or_else(|_| Target::create(place, [7; 16])).unwrap()
}

#[derive(Default)]
struct Memory(HashMap<ObjectId, Vec<u8>>);

impl Memory {
    fn add(&mut self, bytes: &[u8]) -> Wanted {
        let object = ObjectId::new(Sha256::digest(bytes).into());
        self.0.insert(object, bytes.to_vec());
        Wanted { object, size: bytes.len() as u64 }
    }
}

impl Shelf for Memory {
    fn open(&self, wanted: &Wanted) -> io::Result<Box<dyn Read + '_>> {
        let bytes = self.0.get(&wanted.object).ok_or(io::ErrorKind::NotFound)?;
        Ok(Box::new(Cursor::new(bytes)))
    }
}

fn id() -> BackupId {
    BackupId::new("2026-11-24T03:17:00Z".parse().unwrap(), [1; 4])
}

fn save_all(target: &Target, shelf: &Memory, wanted: &[Wanted], limit: u64) -> (Vec<Segment>, Vec<Stored>) {
    let mut segments = Segments::new(target, id()).unwrap().with_limit(limit);
    let lost = save(&mut segments, wanted, shelf, NonZeroUsize::new(2).unwrap(), &|_| {}).unwrap();
    assert!(lost.is_empty(), "{lost:?}");
    segments.finish().unwrap()
}

fn written(target: &Target, segments: Vec<Segment>, stored: &[Stored]) -> Unverified {
    let time: Timestamp = "2026-11-24T03:17:00Z".parse().unwrap();
    let manifest = BackupManifest {
        backup: FORM,
        id: id(),
        time,
        target: target.id().clone(),
        repacked: None,
        objects: ObjectId::new([0; 32]),
        files: ObjectId::new([0; 32]),
        sums: ObjectId::new([0; 32]),
        readme: readme(target).unwrap(),
        keys: Vec::new(),
        places: Places { config: "/c".into(), store: "/s".into(), public: "/p".into(), named: [].into() },
        snapshot: None,
        live: None,
        beside: [].into(),
        trees: [].into(),
        count: Count::default(),
        deltas: 0,
        sealed: None,
        left_out: Vec::new(),
        lost: Vec::new(),
        segments,
        tool: None,
    };
    let texts = Texts { objects: print_objects(stored), ..Texts::default() };
    let bytes = write(target, manifest, &texts, &seal(), Writing::New).unwrap();
    assert_eq!(target.place().length(&catalog::path(&id())).unwrap(), Some(bytes));
    Unverified::open(target, &id()).unwrap()
}

#[test]
fn what_is_saved_is_where_it_says() {
    let folder = tempfile::tempdir().unwrap();
    let target = target(folder.path());
    let mut memory = Memory::default();
    // One that is held in memory, one that is not, an empty one.
    let wanted = [memory.add(b"one"), memory.add(&vec![3; 9 << 20]), memory.add(b""), memory.add(&[5; 3000])];
    let (segments, stored) = save_all(&target, &memory, &wanted, 20_000);
    assert_eq!(stored.len(), 4);
    assert_eq!(segments.len(), 2, "one that is longer than the limit has a segment of its own: {segments:?}");
    for stored in &stored {
        let Segment { name, size } = &segments[stored.segment as usize];
        assert_eq!(target.place().length(&segment::path(name)).unwrap(), Some(*size));
        let mut bytes = Vec::new();
        let mut reader = target.place().read(&segment::path(name), stored.at, stored.length()).unwrap();
        reader.read_to_end(&mut bytes).unwrap();
        assert_eq!(bytes, memory.0[&stored.sha256]);
    }
    let mut scanned = 0;
    for Segment { name, .. } in &segments {
        let reader = target.place().read(&segment::path(name), 0, u64::MAX).unwrap();
        scan(reader, &|_| {}, |one| {
            scanned += 1;
            assert_eq!((one.kind, one.state), (Kind::Whole, State::Good));
            assert!(stored.iter().any(|stored| (stored.sha256, stored.at) == (one.id, one.at)));
        })
        .unwrap();
    }
    assert_eq!(scanned, 4);
    let backup = written(&target, segments, &stored).verify(|_| true).unwrap();
    assert_eq!(backup.objects(), stored);
    assert!(backup.missing_segments(&target).unwrap().is_empty());
    assert_eq!(ids(&target).unwrap(), (vec![id()], vec![]));
}

#[test]
fn nothing_is_signed_that_would_not_read() {
    let folder = tempfile::tempdir().unwrap();
    let target = target(folder.path());
    let (object, base) = (ObjectId::new([1; 32]), ObjectId::new([2; 32]));
    let mut manifest = written(&target, Vec::new(), &[]).manifest().clone();
    manifest.segments = vec![Segment { name: SegmentName::new(&id(), 1), size: 4096 }];
    let form = StoredForm::Delta { length: 10, delta: ObjectId::new([3; 32]), base };
    let over_nothing = Stored { sha256: object, size: 100, segment: 0, at: 512, form };
    let texts = Texts { objects: print_objects(&[over_nothing]), ..Texts::default() };
    let before = std::fs::read(folder.path().join(catalog::path(&id()))).unwrap();
    let error = write(&target, manifest, &texts, &seal(), Writing::Again).unwrap_err();
    assert_eq!((error.class(), error.code()), (Class::Host, "bug"), "{error}");
    assert_eq!(std::fs::read(folder.path().join(catalog::path(&id()))).unwrap(), before, "what was there stays");
}

#[test]
fn an_encrypted_part_that_nobody_vouches_for_is_read_only_as_far_as_any_is_long() {
    let folder = tempfile::tempdir().unwrap();
    let target = target(folder.path());
    let (object, base) = (ObjectId::new([1; 32]), ObjectId::new([2; 32]));
    let huge = 40 << 30;
    let mut manifest = written(&target, Vec::new(), &[]).manifest().clone();
    manifest.segments = vec![Segment { name: SegmentName::new(&id(), 1), size: 2 * huge }];
    manifest.sealed = Some(Sealed { object, recipients: Vec::new(), files: Vec::new() });
    let whole = |sha256, size| Stored { sha256, size, segment: 0, at: 512, form: StoredForm::Whole };
    let delta = StoredForm::Delta { length: huge, delta: ObjectId::new([3; 32]), base };
    for stored in [
        vec![whole(base, huge), Stored { form: delta, ..whole(object, 100) }],
        vec![whole(base, 100), Stored { form: delta, ..whole(object, 100) }],
        vec![whole(object, huge)],
    ] {
        let texts = Texts { objects: print_objects(&stored), ..Texts::default() };
        write(&target, manifest.clone(), &texts, &seal(), Writing::Again).unwrap();
        // Where it were read, its segment would be missed.
        let error = Unverified::open(&target, &id()).unwrap().sealed_part(&target).unwrap_err();
        assert_eq!(error.code(), "backup-damaged", "{error}");
    }
}

#[test]
fn what_is_wrong_here_is_not_spread() {
    let folder = tempfile::tempdir().unwrap();
    let target = target(folder.path());
    let mut memory = Memory::default();
    let [damaged, gone, longer, good] = [b"a", b"b", b"c", b"d"].map(|text| memory.add(text));
    memory.0.insert(damaged.object, b"x".to_vec());
    memory.0.insert(longer.object, b"cc".to_vec());
    memory.0.remove(&gone.object);
    let mut segments = Segments::new(&target, id()).unwrap();
    let wanted = [damaged, gone, longer, good];
    let lost = save(&mut segments, &wanted, &memory, NonZeroUsize::MIN, &|_| {}).unwrap();
    assert!(lost.iter().map(|lost| lost.wanted).eq([damaged, gone, longer]));
    assert!(matches!([&lost[0].why, &lost[1].why, &lost[2].why], [Why::Damaged, Why::Gone, Why::Damaged]));
    assert_eq!(segments.finish().unwrap().1.len(), 1);
}

#[test]
fn a_backup_that_fails_leaves_no_segment_behind_that_was_begun() {
    let folder = tempfile::tempdir().unwrap();
    let target = target(folder.path());
    let mut memory = Memory::default();
    let good = memory.add(b"good");
    let mut segments = Segments::new(&target, id()).unwrap();
    save(&mut segments, &[good], &memory, NonZeroUsize::MIN, &|_| {}).unwrap();
    drop(segments);
    assert!(target.place().list("segments").unwrap().is_empty());
    // The same name again is not taken: numbers go on.
    save_all(&target, &memory, &[good], 1);
    let (segments, _) = save_all(&target, &memory, &[good], 1);
    assert!(segments[0].name.as_str().ends_with(".2.tar"));
}

#[test]
fn trust_is_asked_for_and_never_assumed() {
    let folder = tempfile::tempdir().unwrap();
    let target = target(folder.path());
    let unverified = written(&target, Vec::new(), &[]);
    let ours = seal().keys();
    assert_eq!(unverified.signers(), ours);
    assert_eq!(unverified.verify(|_| false).unwrap_err().code(), "unknown-signer");
    let unverified = Unverified::open(&target, &id()).unwrap();
    unverified.verify(|key| *key == ours[0]).unwrap();
}

#[test]
fn a_flipped_bit_anywhere_in_a_backup_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let target = target(folder.path());
    let mut memory = Memory::default();
    let wanted = [memory.add(b"one")];
    let (segments, stored) = save_all(&target, &memory, &wanted, 1 << 20);
    written(&target, segments, &stored);
    let file = folder.path().join(catalog::path(&id()));
    let good = std::fs::read(&file).unwrap();
    for at in 0..good.len() {
        let mut bytes = good.clone();
        bytes[at] ^= 1 << (at % 8);
        std::fs::write(&file, &bytes).unwrap();
        assert!(Unverified::open(&target, &id()).is_err(), "byte {at} of {}", good.len());
    }
    for end in (0..good.len()).step_by(7) {
        std::fs::write(&file, &good[..end]).unwrap();
        assert_eq!(Unverified::open(&target, &id()).unwrap_err().code(), "backup-damaged", "{end}");
    }
}

#[test]
fn a_backup_of_another_name_or_target_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let first = target(folder.path());
    written(&first, Vec::new(), &[]);
    let later = BackupId::new("2026-12-24T03:17:00Z".parse().unwrap(), [1; 4]);
    let file = |id: &BackupId| folder.path().join(catalog::path(id));
    std::fs::copy(file(&id()), file(&later)).unwrap();
    let error = Unverified::open(&first, &later).unwrap_err();
    assert_eq!((error.class(), error.code()), (Class::Refused, "backup-misplaced"));
    let other = tempfile::tempdir().unwrap();
    let second = Target::create(Arc::new(Folder::new(other.path())), [8; 16]).unwrap();
    std::fs::create_dir(other.path().join("backups")).unwrap();
    std::fs::copy(file(&id()), other.path().join(catalog::path(&id()))).unwrap();
    assert_eq!(Unverified::open(&second, &id()).unwrap_err().code(), "backup-misplaced");
}
