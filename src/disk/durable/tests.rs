use std::os::unix::fs::MetadataExt as _;

use rustix::io::Errno;

use super::*;

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().mode() & 0o7777
}

#[test]
fn a_written_file_replaces_the_old_one_and_leaves_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.json");
    write(&path, b"old", 0o600).unwrap();
    write(&path, b"new", 0o644).unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"new");
    assert_eq!(mode(&path), 0o644);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn a_staged_file_that_is_dropped_is_gone() {
    let folder = tempfile::tempdir().unwrap();
    let mut staged = Staged::in_folder(folder.path()).unwrap();
    staged.write(b"half").unwrap();
    assert_eq!(staged.len(), 4);
    drop(staged);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn temporaries_of_a_killed_run_are_swept_and_nothing_else_is() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join(".bivouac-1-0.tmp"), b"left").unwrap();
    fs::write(folder.path().join(".bivouac-notes"), b"kept").unwrap();
    fs::write(folder.path().join("a.tmp"), b"kept").unwrap();
    sweep_temporaries(folder.path()).unwrap();
    let mut left: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    left.sort();
    assert_eq!(left, [".bivouac-notes", "a.tmp"]);
}

#[test]
fn a_link_is_switched_over_an_old_link_but_never_over_a_folder() {
    let folder = tempfile::tempdir().unwrap();
    let link = folder.path().join("public");
    switch_link(&link, Path::new(".generations/1")).unwrap();
    switch_link(&link, Path::new(".generations/2")).unwrap();
    assert_eq!(fs::read_link(&link).unwrap(), Path::new(".generations/2"));

    let real = folder.path().join("real");
    fs::create_dir(&real).unwrap();
    fs::write(real.join("precious"), b"x").unwrap();
    let error = switch_link(&real, Path::new(".generations/2")).unwrap_err();
    assert!(error.to_string().starts_with("cannot switch the link "), "{error}");
    assert!(real.join("precious").exists());
    assert!(!fs::read_dir(folder.path()).unwrap().any(|entry| is_temporary(&entry.unwrap().file_name())));
}

#[test]
fn folders_get_their_mode_with_their_parents_and_existing_ones_keep_theirs() {
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), Permissions::from_mode(0o711)).unwrap();
    let deep = folder.path().join("a/b");
    create_folder(&deep, 0o755).unwrap();
    create_folder(&deep, 0o700).unwrap();
    assert_eq!((mode(folder.path()), mode(&folder.path().join("a")), mode(&deep)), (0o711, 0o755, 0o755));
    let file = folder.path().join("file");
    fs::write(&file, b"").unwrap();
    assert!(create_folder(&file.join("x"), 0o755).is_err());
}

#[test]
fn appended_bytes_follow_and_a_torn_end_can_be_cut() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("refs");
    append(&path, b"one\n", 0o600).unwrap();
    append(&path, b"two\nthr", 0o600).unwrap();
    truncate(&path, 8).unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"one\ntwo\n");
    assert_eq!(mode(&path), 0o600);
}

#[test]
fn names_in_a_tree_are_hard_links_and_keep_mode_and_time() {
    let folder = tempfile::tempdir().unwrap();
    let from = folder.path().join("object");
    write(&from, b"bytes", 0o444).unwrap();
    let tree = folder.path().join("tree");
    create_folder(&tree, 0o755).unwrap();
    let mut links = LinkedTree::new();
    assert_eq!(links.add(&from, &tree.join("a.apk")).unwrap(), Linked::Hard);
    links.flush(&tree).unwrap();
    assert_eq!(links.count(Linked::Hard), 1);
    assert_eq!(fs::metadata(&from).unwrap().ino(), fs::metadata(tree.join("a.apk")).unwrap().ino());
    // A name that is taken is a mistake of the caller's, not something to replace.
    assert_eq!(links.add(&from, &tree.join("a.apk")).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
}

#[test]
fn across_file_systems_a_name_is_a_copy_with_mode_and_time() {
    let here = tempfile::tempdir().unwrap();
    let Ok(there) = tempfile::tempdir_in("/dev/shm") else {
        println!("skipped: no second file system at /dev/shm");
        return;
    };
    if fs::metadata(here.path()).unwrap().dev() == fs::metadata(there.path()).unwrap().dev() {
        println!("skipped: /dev/shm is the file system of the temporary folder");
        return;
    }
    let from = here.path().join("object");
    let time = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_700_000_000);
    write_dated(&from, &[7; 100_000], 0o444, time).unwrap();
    let to = there.path().join("a.apk");
    let mut links = LinkedTree::new();
    assert_eq!(links.add(&from, &to).unwrap(), Linked::Copy);
    links.flush(there.path()).unwrap();
    assert_eq!(fs::read(&to).unwrap(), fs::read(&from).unwrap());
    assert_eq!(mode(&to), 0o444);
    assert_eq!(fs::metadata(&to).unwrap().modified().unwrap(), time);
}

#[test]
fn times_are_set_on_files() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("APKINDEX.tar.gz");
    write(&path, b"x", 0o644).unwrap();
    let time = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_600_000_000);
    set_modified(&path, time).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().modified().unwrap(), time);
}

#[test]
fn a_part_grows_over_several_runs_even_when_it_was_finished() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("aa.part");
    let mut part = PartFile::open(path.clone()).unwrap();
    part.write(b"hello ").unwrap();
    drop(part);
    let mut part = PartFile::open(path.clone()).unwrap();
    assert_eq!(part.len(), 6);
    part.write(b"world, too much").unwrap();
    part.truncate(11).unwrap();
    let mut text = String::new();
    io::Read::read_to_string(&mut part.reader().unwrap(), &mut text).unwrap();
    assert_eq!(text, "hello world");
    part.finish(0o444).unwrap();
    assert_eq!(mode(&path), 0o444);
    let mut part = PartFile::open(path).unwrap();
    part.write(b"!").unwrap();
    assert_eq!(part.len(), 12);
}

#[test]
fn a_full_disk_is_the_hosts_trouble_with_a_hint() {
    let error = Error::new("write", "/x", Errno::NOSPC);
    assert_eq!((error.class(), error.code()), (Class::Host, "disk-full"));
    assert!(error.hint().unwrap().starts_with("free space"));
    assert_eq!(error.to_string(), "cannot write /x");
    assert_eq!(Error::new("write", "/x", Errno::ACCESS).code(), "no-permission");
    assert_eq!(Error::new("write", "/x", Errno::ROFS).code(), "read-only");
}

#[test]
fn old_temporaries_are_told_by_their_age() {
    let folder = tempfile::tempdir().unwrap();
    let [old, new, other] = [".bivouac-1-1.tmp", ".bivouac-1-2.tmp", "mine"].map(|name| folder.path().join(name));
    for path in [&old, &new, &other] {
        fs::write(path, b"").unwrap();
    }
    let day = std::time::Duration::from_secs(24 * 60 * 60);
    let time = SystemTime::UNIX_EPOCH + 20_000 * day;
    set_modified(&old, time - day).unwrap();
    set_modified(&new, time).unwrap();
    set_modified(&other, time - day).unwrap();
    sweep_old_temporaries(folder.path(), time).unwrap();
    assert_eq!([old, new, other].map(|path| path.exists()), [false, true, true]);
    sweep_old_temporaries(&folder.path().join("none"), time).unwrap();
}

#[test]
fn a_spool_has_no_name() {
    let folder = tempfile::tempdir().unwrap();
    let mut spool = Spool::in_folder(folder.path()).unwrap();
    assert_eq!((spool.add(b"one").unwrap(), spool.add(b"").unwrap(), spool.add(b"three").unwrap()), (0, 3, 3));
    assert_eq!(spool.read(3, 5).unwrap(), b"three");
    assert_eq!(spool.read(0, 3).unwrap(), b"one");
    assert!(spool.read(5, 4).is_err());
    assert!(list(folder.path()).unwrap().is_empty());
}

#[test]
fn a_name_is_replaced_by_one_rename_and_the_old_file_stays_for_who_has_it_open() {
    let folder = tempfile::tempdir().unwrap();
    let (good, shown) = (folder.path().join("object"), folder.path().join("tree/a.apk"));
    create_folder(&folder.path().join("tree"), 0o755).unwrap();
    write(&good, b"right", 0o444).unwrap();
    write(&shown, b"wrong", 0o444).unwrap();
    let mut open = File::open(&shown).unwrap();
    let mut links = LinkedTree::new();
    assert_eq!(links.replace(&good, &shown, folder.path()).unwrap(), Linked::Hard);
    assert_eq!(fs::metadata(&good).unwrap().ino(), fs::metadata(&shown).unwrap().ino());
    let mut old = String::new();
    io::Read::read_to_string(&mut open, &mut old).unwrap();
    assert_eq!(old, "wrong");
    // One that is not there is made, and a folder is not replaced; nothing is left aside.
    fs::remove_file(&shown).unwrap();
    links.replace(&good, &shown, folder.path()).unwrap();
    assert!(links.replace(&good, &folder.path().join("tree"), folder.path()).is_err());
    let mut names = list(folder.path()).unwrap();
    names.sort();
    assert_eq!(names, ["object", "tree"]);
    write_dated_aside(&shown, b"index", 0o644, SystemTime::UNIX_EPOCH, folder.path()).unwrap();
    assert_eq!((fs::read(&shown).unwrap(), mode(&shown)), (b"index".to_vec(), 0o644));
    assert_eq!(fs::metadata(&shown).unwrap().modified().unwrap(), SystemTime::UNIX_EPOCH);
}
