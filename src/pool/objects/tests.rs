#![expect(clippy::disallowed_methods, reason = "tests leave states behind by hand")]

use std::collections::BTreeSet;
use std::fs;
use std::num::NonZeroUsize;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::time::{Duration, SystemTime};

use super::*;
use crate::apk::PackageFile;
use crate::apk::v2::package::Recipe;
use crate::apk::v2::sections::Limits;
use crate::error::Trouble as _;
use crate::verify::package::{PackageVerifier, Promise};

/// A real package and what the verifier says of it.
fn package(name: &str) -> (Vec<u8>, VerifiedPackage) {
    let recipe = Recipe::new(name.parse().unwrap(), "1.0-r0".parse().unwrap(), "x86_64".parse().unwrap());
    let bytes = recipe.file("usr/share/x", 0o644, name.repeat(1000)).write(1_700_000_000).unwrap().with_signatures(&[]);
    let mut verifier = PackageVerifier::new(Promise::AsItIs, Limits::default());
    verifier.feed(&bytes).unwrap();
    (bytes, verifier.finish().unwrap())
}

fn pool(folder: &tempfile::TempDir) -> Pool {
    Pool::open(&folder.path().join("pool")).unwrap()
}

fn insert(pool: &Pool, bytes: &[u8], verified: &VerifiedPackage) -> ObjectId {
    let mut incoming = pool.begin(&verified.identity()).unwrap();
    incoming.truncate(0).unwrap();
    incoming.write(bytes).unwrap();
    pool.insert(incoming, verified).unwrap()
}

fn found(pool: &Pool, identity: &Identity, size: u64) -> Option<ObjectId> {
    pool.with_found(identity, size, |found| found.object)
}

fn parts(pool: &Pool) -> usize {
    fs::read_dir(pool.incoming_folder()).unwrap().count()
}

fn audit(pool: &Pool, required: &[ObjectId]) -> Vec<(&'static str, String)> {
    let required: BTreeSet<_> = required.iter().copied().collect();
    let report = pool.audit(&required, None, NonZeroUsize::new(3).unwrap(), &|_| {}).unwrap();
    let name = |subject: &str| Path::new(subject).file_name().unwrap().to_str().unwrap().to_owned();
    report.findings.iter().map(|finding| (finding.code, name(&finding.subject))).collect()
}

#[test]
fn an_inserted_package_is_found_at_once_and_lies_read_only_after_the_commit() {
    let folder = tempfile::tempdir().unwrap();
    let pool = pool(&folder);
    let (bytes, verified) = package("a");
    assert_eq!(found(&pool, &verified.identity(), verified.size()), None);
    let object = insert(&pool, &bytes, &verified);
    assert_eq!(found(&pool, &verified.identity(), verified.size()), Some(object));
    assert_eq!(found(&pool, &verified.identity(), verified.size() + 1), None);
    assert!(pool.has(&object) && !pool.path(&object).exists());
    pool.commit().unwrap();
    assert_eq!(fs::read(pool.path(&object)).unwrap(), bytes);
    assert_eq!(fs::metadata(pool.path(&object)).unwrap().permissions().mode() & 0o7777, 0o444);
    assert_eq!(parts(&pool), 0);

    let again = Pool::open(&folder.path().join("pool")).unwrap();
    assert_eq!(found(&again, &verified.identity(), verified.size()), Some(object));
    assert_eq!(audit(&again, &[object]), []);
}

#[test]
fn a_package_is_found_for_an_entry_of_its_own_name_and_version_only() {
    let folder = tempfile::tempdir().unwrap();
    let pool = pool(&folder);
    let (bytes, verified) = package("a-b");
    let object = insert(&pool, &bytes, &verified);
    let text = verified.info().entry(&verified.identity(), verified.size(), &"x86_64".parse().unwrap()).unwrap();
    let entry = |name: &str, version: &str| {
        let renamed = text.text().replace("P:a-b", &format!("P:{name}")).replace("V:1.0-r0", &format!("V:{version}"));
        Entry::parse(&renamed).unwrap()
    };
    for committed in [false, true] {
        assert_eq!(pool.find(&entry("a-b", "1.0-r0")), Some(object), "committed: {committed}");
        // The last one makes the same file name.
        for (name, version) in [("openssl", "1.0-r0"), ("a-b", "9.0-r0"), ("a", "b-1.0-r0")] {
            assert_eq!(pool.find(&entry(name, version)), None, "{name} {version}, committed: {committed}");
        }
        pool.commit().unwrap();
    }
}

#[test]
fn a_package_cut_off_is_continued_by_the_next_run() {
    let folder = tempfile::tempdir().unwrap();
    let (bytes, verified) = package("a");
    let mut incoming = pool(&folder).begin(&verified.identity()).unwrap();
    incoming.write(&bytes[..100]).unwrap();
    drop(incoming);

    let pool = pool(&folder);
    let mut incoming = pool.begin(&verified.identity()).unwrap();
    assert_eq!(incoming.len(), 100);
    let mut verifier = PackageVerifier::new(Promise::AsItIs, Limits::default());
    let mut there = Vec::new();
    incoming.reader().unwrap().read_to_end(&mut there).unwrap();
    verifier.feed(&there).unwrap();
    verifier.feed(&bytes[100..]).unwrap();
    incoming.write(&bytes[100..]).unwrap();
    let object = pool.insert(incoming, &verifier.finish().unwrap()).unwrap();
    pool.commit().unwrap();
    assert_eq!(fs::read(pool.path(&object)).unwrap(), bytes);
}

#[test]
fn a_run_killed_before_its_commit_leaves_whole_parts_to_the_next() {
    let folder = tempfile::tempdir().unwrap();
    let (bytes, verified) = package("a");
    let object = insert(&pool(&folder), &bytes, &verified);

    // The kill came before the commit: the part is complete and read-only, nothing else knows of it.
    let pool = pool(&folder);
    assert_eq!(found(&pool, &verified.identity(), verified.size()), None);
    let incoming = pool.begin(&verified.identity()).unwrap();
    assert_eq!(incoming.len(), verified.size());
    assert_eq!(pool.insert(incoming, &verified).unwrap(), object);
    pool.commit().unwrap();
    assert_eq!(audit(&pool, &[object]), []);
}

#[test]
fn a_run_killed_between_refs_and_renames_is_made_good() {
    let folder = tempfile::tempdir().unwrap();
    let (bytes, verified) = package("a");
    let first = pool(&folder);
    let object = insert(&first, &bytes, &verified);
    first.inner.state().refs.add(&[Ref::of(&verified)]).unwrap();
    drop(first);

    let pool = pool(&folder);
    assert_eq!(found(&pool, &verified.identity(), verified.size()), None, "refs name an object that is not there");
    let incoming = pool.begin(&verified.identity()).unwrap();
    pool.insert(incoming, &verified).unwrap();
    pool.commit().unwrap();
    assert_eq!(found(&pool, &verified.identity(), verified.size()), Some(object));
    let lines = fs::read_to_string(folder.path().join("pool/refs")).unwrap();
    assert_eq!(lines.lines().count(), 1);
}

#[test]
fn an_object_that_is_there_keeps_its_file() {
    let folder = tempfile::tempdir().unwrap();
    let (bytes, verified) = package("a");
    let first = pool(&folder);
    let object = insert(&first, &bytes, &verified);
    first.commit().unwrap();
    let inode = fs::metadata(first.path(&object)).unwrap().ino();
    fs::remove_file(folder.path().join("pool/refs")).unwrap();

    let pool = pool(&folder);
    assert_eq!(found(&pool, &verified.identity(), verified.size()), None);
    insert(&pool, &bytes, &verified);
    pool.commit().unwrap();
    assert_eq!(fs::metadata(pool.path(&object)).unwrap().ino(), inode);
    assert_eq!(parts(&pool), 0);
}

#[test]
fn the_same_package_signed_anew_is_another_object() {
    let folder = tempfile::tempdir().unwrap();
    let pool = pool(&folder);
    let (bytes, verified) = package("a");
    let one = Ref::of(&verified);
    let other = Ref { object: ObjectId::new([7; 32]), size: one.size - 1, ..one.clone() };
    insert(&pool, &bytes, &verified);
    let mut incoming = pool.begin(&one.identity).unwrap();
    assert!(incoming.is_empty(), "the first has its name by now");
    incoming.write(&bytes[1..]).unwrap();
    pool.insert_ref(incoming, other.clone()).unwrap();
    pool.commit().unwrap();
    assert_eq!(found(&pool, &one.identity, one.size), Some(one.object));
    assert_eq!(found(&pool, &one.identity, other.size), Some(other.object));
}

#[test]
fn a_package_arrives_once_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let pool = pool(&folder);
    let (_, verified) = package("a");
    let first = pool.begin(&verified.identity()).unwrap();
    assert!(matches!(pool.begin(&verified.identity()), Err(Error::Busy { .. })));
    drop(first);
    pool.begin(&verified.identity()).unwrap();
}

#[test]
fn other_bytes_than_were_verified_are_not_taken() {
    let folder = tempfile::tempdir().unwrap();
    let pool = pool(&folder);
    let (bytes, verified) = package("a");
    let mut incoming = pool.begin(&verified.identity()).unwrap();
    incoming.write(&bytes[1..]).unwrap();
    assert!(matches!(pool.insert(incoming, &verified), Err(Error::Unmatched { .. })));
    let incoming = pool.begin(&Identity::new([1; 20])).unwrap();
    assert!(matches!(pool.insert(incoming, &verified), Err(Error::Unmatched { .. })));
    pool.commit().unwrap();
    assert!(!pool.has(&verified.object_id()));
}

#[test]
fn a_file_is_taken_in_as_a_copy_and_one_that_changed_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let pool = pool(&folder);
    let (bytes, verified) = package("a");
    let path = folder.path().join("a-1.0-r0.apk");
    let mut changed = bytes.clone();
    *changed.last_mut().unwrap() ^= 1;
    let longer = [&bytes[..], b"x"].concat();
    for wrong in [&changed[..], &longer, &bytes[1..], b""] {
        fs::write(&path, wrong).unwrap();
        let error = pool.insert_file(&path, &verified).unwrap_err();
        assert!(error.to_string().ends_with("a-1.0-r0.apk changed while it was read"), "{error}");
        assert_eq!(parts(&pool), 0);
    }
    fs::write(&path, &bytes).unwrap();
    let object = pool.insert_file(&path, &verified).unwrap();
    pool.commit().unwrap();
    fs::write(&path, "written over by its owner").unwrap();
    assert_eq!(fs::read(pool.path(&object)).unwrap(), bytes);
    assert_eq!(pool.insert_file(&path, &verified).unwrap(), object, "it is there already");
    assert_eq!(pool.insert_file(&folder.path().join("none"), &package("b").1).unwrap_err().code(), "disk");
}

#[test]
fn many_threads_fill_one_pool_and_batches_commit_themselves() {
    let folder = tempfile::tempdir().unwrap();
    let pool = pool(&folder);
    let count = BATCH_PACKAGES + 50;
    let verified = |number: usize| {
        let bytes = number.to_le_bytes();
        let object = ObjectId::new(Sha256::digest(bytes).into());
        let mut identity = [0; 20];
        identity[..8].copy_from_slice(&bytes);
        let file = PackageFile::new(&format!("p{number}").parse().unwrap(), &"1-r0".parse().unwrap()).unwrap();
        Ref { identity: Identity::new(identity), size: 8, object, file }
    };
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let pool = &pool;
            scope.spawn(move || {
                for number in (thread..count).step_by(4) {
                    let mut incoming = pool.begin(&verified(number).identity).unwrap();
                    incoming.write(&number.to_le_bytes()).unwrap();
                    pool.insert_ref(incoming, verified(number)).unwrap();
                }
            });
        }
    });
    let placed = (0..count).filter(|number| pool.path(&verified(*number).object).exists()).count();
    assert!(placed >= BATCH_PACKAGES, "a full batch is not left pending: {placed}");
    pool.commit().unwrap();
    let again = Pool::open(&folder.path().join("pool")).unwrap();
    for number in 0..count {
        let Ref { identity, size, object, .. } = verified(number);
        assert_eq!(found(&again, &identity, size), Some(object));
    }
    assert_eq!(audit(&again, &[]), []);
}

#[test]
fn an_audit_tells_all_that_is_wrong_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let pool = pool(&folder);
    let names = ["good", "damaged", "cut", "mode"];
    let objects: Vec<ObjectId> = names.iter().map(|name| package(name)).map(|(b, v)| insert(&pool, &b, &v)).collect();
    pool.commit().unwrap();
    let change = |object: &ObjectId, change: &dyn Fn(&mut Vec<u8>)| {
        let path = pool.path(object);
        let mut bytes = fs::read(&path).unwrap();
        change(&mut bytes);
        fs::remove_file(&path).unwrap();
        fs::write(&path, bytes).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o444)).unwrap();
    };
    change(&objects[1], &|bytes| bytes[50] ^= 1);
    change(&objects[2], &|bytes| bytes.truncate(10));
    fs::set_permissions(pool.path(&objects[3]), fs::Permissions::from_mode(0o644)).unwrap();
    let missing = ObjectId::new([0xee; 32]);
    let stray = pool.path(&objects[0]).with_file_name("README");
    fs::write(&stray, "").unwrap();
    fs::create_dir_all(pool.objects_folder().join("zz")).unwrap();
    fs::write(pool.objects_folder().join("zz").join(objects[0].hex()), "").unwrap();

    let mut found = audit(&pool, &[objects[0], missing]);
    found.sort();
    let mut expected = vec![
        ("object-damaged", objects[1].hex()),
        ("object-damaged", objects[2].hex()),
        ("object-mode", objects[3].hex()),
        ("object-missing", missing.hex()),
        ("pool-foreign-file", "README".into()),
        ("pool-foreign-file", objects[0].hex()),
    ];
    expected.sort();
    assert_eq!(found, expected);
}

#[test]
fn only_old_parts_that_nobody_works_on_are_swept() {
    let folder = tempfile::tempdir().unwrap();
    let pool = pool(&folder);
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
    let day = Duration::from_secs(24 * 60 * 60);
    let part_named = |name: String, modified: SystemTime| {
        let path = pool.incoming_folder().join(format!("{name}.part"));
        fs::write(&path, "12345").unwrap();
        File::options().write(true).open(&path).unwrap().set_modified(modified).unwrap();
        path
    };
    let part = |number: u8, modified| part_named(Identity::new([number; 20]).hex(), modified);
    let old = [part(1, now - 8 * day), part_named(ObjectId::new([1; 32]).hex(), now - 8 * day)];
    let kept = [part(2, now - 6 * day), part(3, now + day), part(4, now - 8 * day)];
    let at_work = pool.begin(&Identity::new([4; 20])).unwrap();
    let foreign = pool.incoming_folder().join("notes");
    fs::write(&foreign, "x").unwrap();
    assert_eq!(pool.sweep_incoming(now).unwrap(), (2, 10));
    assert!(old.iter().all(|path| !path.exists()));
    assert!(foreign.exists() && kept.iter().all(|path| path.exists()));
    drop(at_work);
}

#[test]
fn a_full_disk_keeps_what_was_stored_and_the_next_run_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let small = folder.path().join("small");
    fs::create_dir(&small).unwrap();
    let mounted = std::process::Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=256k", "tmpfs"])
        .arg(&small)
        .output()
        .is_ok_and(|output| output.status.success());
    if !mounted {
        println!("skipped: a small tmpfs cannot be mounted here");
        return;
    }
    let result = std::panic::catch_unwind(|| {
        let pool = Pool::open(&small.join("pool")).unwrap();
        let (bytes, verified) = package("a");
        let kept = insert(&pool, &bytes, &verified);
        pool.commit().unwrap();
        let filler = Identity::new([9; 20]);
        let mut incoming = pool.begin(&filler).unwrap();
        let error = loop {
            if let Err(error) = incoming.write(&[1; 50_000]) {
                break error;
            }
        };
        assert_eq!((error.class().exit_code(), error.code()), (1, "disk-full"));
        assert_eq!(incoming.len() % 50_000, 0, "a write that failed adds nothing");
        assert_eq!(incoming.len(), fs::metadata(incoming.part.path()).unwrap().len());
        assert_eq!(audit(&pool, &[kept]), []);
        incoming.discard().unwrap();
        let (bytes, verified) = package("b");
        let next = insert(&pool, &bytes, &verified);
        pool.commit().unwrap();
        assert_eq!(audit(&pool, &[kept, next]), []);
    });
    let unmounted = std::process::Command::new("umount").arg(&small).status().unwrap();
    assert!(unmounted.success());
    result.unwrap();
}
