use std::num::NonZeroUsize;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};

use super::*;
use crate::apk::{Identity, PackageFile};
use crate::error::{Class, Trouble as _};

fn pool(folder: &tempfile::TempDir) -> Pool {
    Pool::open(&folder.path().join("pool")).unwrap()
}

fn object(bytes: &[u8]) -> ObjectId {
    ObjectId::new(Sha256::digest(bytes).into())
}

fn put(restoring: &Restoring<'_>, bytes: &[u8]) -> Put {
    restoring.put(&object(bytes), bytes.len() as u64, &mut &*bytes).unwrap()
}

fn parts(pool: &Pool) -> Vec<String> {
    durable::list(&pool.incoming_folder()).unwrap()
}

/// A `refs` line of an object.
fn line(number: u8, bytes: &[u8]) -> String {
    format!("{} {} {} p{number} 1-r0\n", Identity::new([number; 20]).hex(), bytes.len(), object(bytes).hex())
}

fn codes(pool: &Pool) -> Vec<&'static str> {
    let report = pool.audit(&Default::default(), None, NonZeroUsize::MIN, &|_| {}).unwrap();
    report.findings.iter().map(|finding| finding.code).collect()
}

/// Puts other bytes in an object's place; the inode that trees link to is another.
fn damage(pool: &Pool, object: &ObjectId, bytes: &[u8]) {
    let path = pool.path(object);
    let _ = fs::remove_file(&path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, bytes).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o444)).unwrap();
}

/// Gives some bytes and then an error.
struct Pulled<'b>(&'b [u8]);

impl Read for Pulled<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.0.read(buffer)? {
            0 => Err(io::Error::other("pulled out")),
            length => Ok(length),
        }
    }
}

#[test]
fn what_was_put_is_found_by_identity_and_lies_read_only_after_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let restored = pool(&folder);
    let restoring = restored.restoring().unwrap();
    assert_eq!(put(&restoring, b"one"), Put::New);
    assert_eq!(put(&restoring, b"one"), Put::Already, "it waits for its batch");
    assert_eq!(put(&restoring, b""), Put::New, "an object of no bytes is one, too");
    let text = line(1, b"one") + &line(2, b"never restored") + "no line\n";
    restoring.finish(&super::super::parse_refs(text.as_bytes())).unwrap();

    let path = restored.path(&object(b"one"));
    assert_eq!(fs::read(&path).unwrap(), b"one");
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o444);
    assert_eq!((codes(&restored), parts(&restored)), (vec![], vec![]));
    let file = PackageFile::new(&"p1".parse().unwrap(), &"1-r0".parse().unwrap()).unwrap();
    let refs = fs::read_to_string(folder.path().join("pool/refs")).unwrap();
    assert_eq!(refs, line(1, b"one"), "what is said of absent objects is left out");
    let found = |pool: &Pool| {
        pool.with_refs(|refs| {
            let found = refs.find(Identity::new([1; 20]), 3, |object| restored.path(object))?;
            Some((found.object, found.file.clone()))
        })
    };
    let expected = Some((object(b"one"), file));
    assert_eq!((found(&restored), found(&pool(&folder))), (expected.clone(), expected));
}

#[test]
fn the_lines_of_some_objects_come_back_through_a_text() {
    let folder = tempfile::tempdir().unwrap();
    let from = pool(&folder);
    let text = line(3, b"three") + &line(1, b"one") + &line(2, b"two");
    from.with_refs(|refs| refs.add(&super::super::parse_refs(text.as_bytes()))).unwrap();
    let some = HashSet::from([object(b"one"), object(b"three"), object(b"unknown")]);
    assert_eq!(from.refs_text(&some), line(1, b"one") + &line(3, b"three"));
    assert_eq!(from.refs_text(&HashSet::new()), "");
}

#[test]
fn other_bytes_are_refused_and_leave_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let pool = pool(&folder);
    let restoring = pool.restoring().unwrap();
    let right = vec![7; 3 * BUFFER + 5];
    let size = right.len() as u64;
    let mut flipped = right.clone();
    flipped[BUFFER] ^= 1;
    let endless = [&right[..], b"x"].concat();
    for (bytes, found) in [
        (&flipped[..], Found::Digest(object(&flipped))),
        (&endless, Found::More),
        (&right[1..], Found::Fewer(size - 1)),
        (b"", Found::Fewer(0)),
    ] {
        let error = restoring.put(&object(&right), size, &mut &*bytes).unwrap_err();
        assert!(matches!(&error, RestoreError::WrongBytes { found: was, .. } if *was == found), "{error}");
        assert_eq!((error.class(), parts(&pool)), (Class::Damaged, vec![]));
        assert!(!pool.path(&object(&right)).exists());
    }
    // The right bytes under another size than the list says.
    let error = restoring.put(&object(&right), size + 1, &mut &*right).unwrap_err();
    assert_eq!(error.to_string().split(" is ").last(), Some(&*format!("{size} bytes long")));
    assert_eq!(put(&restoring, &right), Put::New);
}

#[test]
fn a_medium_that_does_not_give_its_bytes_is_told_from_a_disk_that_does_not_take_them() {
    let folder = tempfile::tempdir().unwrap();
    let pool = pool(&folder);
    let restoring = pool.restoring().unwrap();
    let error = restoring.put(&object(b"one"), 3, &mut Pulled(b"on")).unwrap_err();
    assert!(matches!(&error, RestoreError::Read { cause, .. } if cause.to_string() == "pulled out"), "{error}");
    assert_eq!((error.class(), error.code(), parts(&pool)), (Class::Upstream, "medium", vec![]));

    // A folder in the part's place stands for a disk that is full or read-only.
    fs::create_dir(pool.part_of(&object(b"one"))).unwrap();
    let error = restoring.put(&object(b"one"), 3, &mut &b"one"[..]).unwrap_err();
    assert!(matches!(error, RestoreError::Pool(Error::Disk(_))), "{error}");
    assert_eq!(error.class(), Class::Host);
}

#[test]
fn what_is_there_and_right_is_not_read_again_and_what_is_damaged_is_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let pool = pool(&folder);
    let (right, flipped, cut) = (&b"right"[..], &b"flipped"[..], &b"cut short"[..]);
    damage(&pool, &object(right), right);
    damage(&pool, &object(flipped), b"flopped");
    damage(&pool, &object(cut), b"cut");
    let inode = fs::metadata(pool.path(&object(right))).unwrap().ino();
    let tree = folder.path().join("a tree's name for it");
    fs::hard_link(pool.path(&object(flipped)), &tree).unwrap();
    let restoring = pool.restoring().unwrap();
    let nothing = &mut Pulled(b"");
    assert_eq!(restoring.put(&object(right), right.len() as u64, nothing).unwrap(), Put::Already);
    // Wrong bytes do not take the place even of wrong ones.
    restoring.put(&object(cut), cut.len() as u64, &mut &b"cut too"[..]).unwrap_err();
    assert_eq!(fs::read(pool.path(&object(cut))).unwrap(), b"cut");
    assert_eq!((put(&restoring, flipped), put(&restoring, cut)), (Put::Healed, Put::Healed));
    assert_eq!(fs::read(pool.path(&object(flipped))).unwrap(), b"flopped", "replaced in one moment, not removed first");
    restoring.finish(&[]).unwrap();
    assert_eq!(codes(&pool), [""; 0]);
    assert_eq!(fs::metadata(pool.path(&object(right))).unwrap().ino(), inode);
    assert_eq!(fs::read(tree).unwrap(), b"flopped");
}

#[test]
fn a_restore_that_was_dropped_keeps_its_batches_and_the_next_one_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let pool = pool(&folder);
    let restoring = pool.restoring().unwrap();
    put(&restoring, b"named");
    restoring.commit_batch().unwrap();
    put(&restoring, b"not yet named");
    drop(restoring);
    assert_eq!(parts(&pool).len(), 1);
    let fetched = pool.incoming_folder().join(format!("{}.part", Identity::new([1; 20]).hex()));
    fs::write(&fetched, "a package that is being fetched").unwrap();

    let restoring = pool.restoring().unwrap();
    assert_eq!(parts(&pool), [fetched.file_name().unwrap().to_str().unwrap()]);
    assert_eq!((put(&restoring, b"named"), put(&restoring, b"not yet named")), (Put::Already, Put::New));
    restoring.finish(&[]).unwrap();
    assert!(pool.has(&object(b"not yet named")));
}

#[test]
fn an_object_arrives_once_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let pool = pool(&folder);
    let restoring = pool.restoring().unwrap();
    let first = restoring.arrive(&object(b"one")).unwrap();
    let error = restoring.put(&object(b"one"), 3, &mut &b"one"[..]).unwrap_err();
    assert_eq!(error.code(), "bug");
    drop(first);
    assert_eq!(put(&restoring, b"one"), Put::New);
}

#[test]
fn many_threads_fill_one_restore_and_batches_commit_themselves() {
    let folder = tempfile::tempdir().unwrap();
    let pool = pool(&folder);
    let restoring = pool.restoring().unwrap();
    let count = 2 * BATCH_PACKAGES + 50;
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let restoring = &restoring;
            scope.spawn(move || {
                for number in (thread..count).step_by(4) {
                    assert_eq!(put(restoring, &number.to_le_bytes()), Put::New);
                }
            });
        }
    });
    let named = (0..count).filter(|number| pool.path(&object(&number.to_le_bytes())).exists()).count();
    assert!(named >= BATCH_PACKAGES, "a full batch is not left pending: {named}");
    restoring.finish(&[]).unwrap();
    assert_eq!((codes(&pool), parts(&pool).len()), (vec![], 0));
    assert!((0..count).all(|number| pool.has(&object(&number.to_le_bytes()))));
}

/// A damaged object, and a restore that goes on from what an earlier one left of it.
#[test]
fn what_arrives_in_chunks_goes_on_from_an_earlier_run_and_heals() {
    let folder = tempfile::tempdir().unwrap();
    let pool = pool(&folder);
    let bytes = b"all of it";
    damage(&pool, &object(bytes), b"rotten :(");
    // Whole, cut, empty; or too long, which is forgotten.
    for (left, goes_on_at) in [(&b"all of it"[..], 9), (b"all", 3), (b"", 0), (b"all of it and more", 0)] {
        fs::write(pool.part_of(&object(bytes)), left).unwrap();
        let restoring = pool.mending();
        let mut arriving = restoring.begin(&object(bytes), 9).unwrap().unwrap();
        assert_eq!(arriving.len(), goes_on_at, "{left:?}");
        assert_eq!(arriving.check().is_ok(), goes_on_at == 9);
        arriving.feed(&bytes[goes_on_at as usize..]).unwrap();
        assert_eq!(arriving.settle().unwrap(), Put::Healed);
        assert_eq!(fs::read(pool.path(&object(bytes))).unwrap(), b"rotten :(", "until the batch is named");
        restoring.finish(&[]).unwrap();
        assert_eq!(fs::read(pool.path(&object(bytes))).unwrap(), bytes);
        assert_eq!((codes(&pool), parts(&pool)), (vec![], vec![]));
        assert!(pool.mending().begin(&object(bytes), 9).unwrap().is_none(), "it is right");
        damage(&pool, &object(bytes), b"rotten :(");
    }
}

#[test]
fn other_bytes_in_chunks_are_refused_and_can_begin_again() {
    let folder = tempfile::tempdir().unwrap();
    let pool = pool(&folder);
    fs::write(pool.part_of(&object(b"right")), b"torn").unwrap();
    let restoring = pool.mending();
    let mut arriving = restoring.begin(&object(b"right"), 5).unwrap().unwrap();
    assert!(matches!(restoring.begin(&object(b"right"), 5), Err(RestoreError::Busy { .. })));
    assert!(matches!(arriving.feed(b"xx"), Err(RestoreError::WrongBytes { found: Found::More, .. })));
    assert!(matches!(arriving.check(), Err(RestoreError::WrongBytes { found: Found::Fewer(4), .. })));
    arriving.feed(b"x").unwrap();
    assert!(matches!(arriving.check(), Err(RestoreError::WrongBytes { found: Found::Digest(_), .. })));
    arriving.restart().unwrap();
    assert!(arriving.is_empty());
    arriving.feed(b"right").unwrap();
    drop(arriving);
    assert_eq!(parts(&pool).len(), 1, "left for a later run");
    let arriving = restoring.begin(&object(b"right"), 5).unwrap().unwrap();
    assert_eq!(arriving.settle().unwrap(), Put::New);
    restoring.finish(&[]).unwrap();
    let arriving = pool.mending();
    let arriving = arriving.begin(&object(b"never"), 5).unwrap().unwrap();
    assert_eq!(parts(&pool).len(), 1);
    arriving.discard().unwrap();
    assert_eq!((codes(&pool), parts(&pool)), (vec![], vec![]));
}

#[test]
fn of_a_mending_one_without_a_place_is_told_and_the_others_get_theirs() {
    let folder = tempfile::tempdir().unwrap();
    let pool = pool(&folder);
    let (barred, free) = (b"barred".as_slice(), b"free".as_slice());
    fs::create_dir_all(pool.path(&object(barred))).unwrap();
    let restoring = pool.mending();
    put(&restoring, barred);
    put(&restoring, free);
    restoring.commit().unwrap();
    let failed: Vec<ObjectId> = restoring.failed().into_iter().map(|(object, _)| object).collect();
    assert_eq!(failed, [object(barred)]);
    assert!(!restoring.is_pending(&object(barred)) && restoring.failed().is_empty());
    restoring.finish(&[]).unwrap();
    assert_eq!(fs::read(pool.path(&object(free))).unwrap(), free);
    assert_eq!(parts(&pool), Vec::<String>::new());
}
