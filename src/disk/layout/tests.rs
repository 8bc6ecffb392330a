use std::os::unix::fs::{PermissionsExt as _, symlink};

use std::collections::BTreeMap;

use super::*;
use crate::apk::names::{Place, TreeName};

#[test]
fn a_store_is_made_once_for_us_alone_and_opened_again() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("var/store");
    assert!(matches!(Store::open(&root), Err(Error::Absent { .. })));
    let store = Store::open_or_create(&root).unwrap();
    assert_eq!(fs::metadata(&root).unwrap().permissions().mode() & 0o777, 0o700);
    assert_eq!(fs::read_to_string(root.join("format")).unwrap(), "bivouac store 1\n");
    assert_eq!(Store::open(&root).unwrap(), store);
    assert_eq!(Store::open_or_create(&root).unwrap(), store);
}

#[test]
fn a_store_that_was_half_made_is_finished() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("lost+found")).unwrap();
    fs::write(folder.path().join(".bivouac-1-0.tmp"), "bivouac st").unwrap();
    let store = Store::open_or_create(folder.path()).unwrap();
    fs::remove_dir(store.accepted_folder()).unwrap();
    Store::open_or_create(folder.path()).unwrap();
    assert!(store.accepted_folder().is_dir());
}

#[test]
fn a_folder_with_other_files_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("thesis.tex"), "x").unwrap();
    let error = Store::open_or_create(folder.path()).unwrap_err();
    assert!(error.to_string().ends_with("holds \"thesis.tex\""), "{error}");
    assert_eq!(error.class(), Class::Usage);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn a_later_format_is_refused_by_name_and_an_unknown_one_is_damage() {
    let folder = tempfile::tempdir().unwrap();
    let format = folder.path().join("format");
    fs::write(&format, "bivouac store 2\n").unwrap();
    let error = Store::open_or_create(folder.path()).unwrap_err();
    assert!(error.to_string().contains("\"bivouac store 2\""), "{error}");
    for text in ["", "bivouac store", "bivouac store x", "bivouac store 0", "something"] {
        fs::write(&format, text).unwrap();
        assert_eq!(Store::open(folder.path()).unwrap_err().class(), Class::Damaged, "{text:?}");
    }
}

const BACKUP: &str = "20261124T031700Z-9f3a1c20";

fn lock(store: &Store) -> crate::disk::Lock {
    use crate::disk::lock::{Lock, Patience, Purpose};
    Lock::take(store, Purpose::Restore, jiff::Timestamp::UNIX_EPOCH, Patience::None).unwrap()
}

#[test]
fn a_store_that_is_being_restored_is_for_the_same_restore_alone() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("lost+found")).unwrap();
    fs::write(folder.path().join(".bivouac-1-0.tmp"), "20261124T03").unwrap();
    let root = folder.path();
    let store = Store::begin_restore(root, BACKUP).unwrap();
    assert_eq!(fs::metadata(root).unwrap().permissions().mode() & 0o777, 0o700);
    assert!(!store.format_file().exists());
    let held = lock(&store);
    fs::write(store.pins_file(), "[]").unwrap();
    for refused in [Store::open(root), Store::look(root), Store::open_or_create(root)] {
        let error = refused.unwrap_err();
        assert_eq!((error.class(), error.code()), (Class::Damaged, "restore-unfinished"), "{error}");
        assert!(error.to_string().contains(BACKUP), "{error}");
    }
    let error = Store::begin_restore(root, "20261125T031700Z-00000000").unwrap_err();
    assert_eq!((error.class(), error.code()), (Class::Usage, "restoring-other"), "{error}");
    assert_eq!(Store::begin_restore(root, BACKUP).unwrap(), store);

    store.end_restore(&held).unwrap();
    assert_eq!(Store::open(root).unwrap(), store);
    assert_eq!(fs::read_to_string(root.join("format")).unwrap(), "bivouac store 1\n");
    assert!(!store.restoring_file().exists() && store.pins_file().exists());
    let error = Store::begin_restore(root, BACKUP).unwrap_err();
    assert_eq!((error.class(), error.code()), (Class::Usage, "store-exists"), "{error}");
}

#[test]
fn a_restore_that_was_stopped_between_its_last_two_steps_is_ended_by_the_same_one() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("var/store");
    let store = Store::begin_restore(&root, BACKUP).unwrap();
    fs::remove_dir(store.accepted_folder()).unwrap();
    fs::write(store.format_file(), "bivouac store 1\n").unwrap();
    assert_eq!(Store::open(&root).unwrap_err().code(), "restore-unfinished");
    assert_eq!(Store::begin_restore(&root, "other").unwrap_err().code(), "restoring-other");
    let store = Store::begin_restore(&root, BACKUP).unwrap();
    assert!(store.accepted_folder().is_dir());
    store.end_restore(&lock(&store)).unwrap();
    Store::open(&root).unwrap();

    // A later bivouac's restore is not ended by this one.
    fs::write(store.restoring_file(), BACKUP).unwrap();
    fs::write(store.format_file(), "bivouac store 2\n").unwrap();
    assert_eq!(Store::begin_restore(&root, BACKUP).unwrap_err().code(), "store-newer");
}

#[test]
fn a_folder_with_other_files_is_no_place_for_a_restore() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("thesis.tex"), "x").unwrap();
    assert_eq!(Store::begin_restore(folder.path(), BACKUP).unwrap_err().code(), "not-a-store");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn only_our_own_link_counts_as_live() {
    let folder = tempfile::tempdir().unwrap();
    let public = PublicTree::new(&folder.path().join("alpine"));
    assert_eq!(public.live().unwrap(), None);
    for foreign in ["/srv/other", ".generations/x", ".generations/1/2", ".generations/01", ".generations"] {
        symlink(foreign, public.link()).unwrap();
        assert!(matches!(public.live(), Err(Error::PublicTaken { .. })), "{foreign}");
        fs::remove_file(public.link()).unwrap();
    }
    symlink(PublicTree::link_text(412), public.link()).unwrap();
    assert_eq!(public.live().unwrap(), Some(412));
    fs::remove_file(public.link()).unwrap();
    fs::create_dir(public.link()).unwrap();
    assert!(matches!(public.live(), Err(Error::PublicTaken { .. })));
}

#[test]
fn what_killed_runs_left_half_made_is_swept_and_nothing_else() {
    use crate::disk::lock::{Lock, Patience, Purpose};
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open_or_create(&folder.path().join("store")).unwrap();
    let public = PublicTree::new(&folder.path().join("site/alpine"));
    let name: StateName = "0123abcd".parse().unwrap();
    let left = [store.half_made_accepted(&name), public.half_made_generation(8)];
    let kept = [store.accepted(&name), public.generation(7), public.folder().join("other.new")];
    for folder in left.iter().chain(&kept) {
        fs::create_dir_all(folder.join("v3.23")).unwrap();
    }
    let link = public.folder().join(".bivouac-1-0.tmp");
    symlink(PublicTree::link_text(8), &link).unwrap();
    let lock = Lock::take(&store, Purpose::Sync, jiff::Timestamp::UNIX_EPOCH, Patience::None).unwrap();
    store.sweep_temporaries(&lock).unwrap();
    public.sweep().unwrap();
    assert!(left.iter().all(|folder| !folder.exists()) && fs::symlink_metadata(&link).is_err());
    assert!(kept.iter().all(|folder| folder.join("v3.23").is_dir()));
    assert_eq!(public.highest_generation().unwrap(), 7);
}

#[test]
fn trees_beside_live_are_seen_through_links_of_ours_alone() {
    let folder = tempfile::tempdir().unwrap();
    let public = PublicTree::new(&folder.path().join("alpine"));
    assert_eq!(public.named().unwrap(), BTreeMap::new());
    fs::create_dir_all(public.generation(7).join("@folder")).unwrap();
    symlink(PublicTree::link_text(7), public.link()).unwrap();
    let qa: TreeName = "qa".parse().unwrap();
    symlink(PublicTree::named_link_text(5), public.named_link(7, &qa)).unwrap();
    for (name, target) in [("@out", "../../5"), ("@zero", "../05"), ("@word", "../x"), ("@.x", "../5"), ("up", "../5")]
    {
        symlink(target, public.generation(7).join(name)).unwrap();
    }
    assert_eq!(public.named().unwrap(), BTreeMap::from([(qa.clone(), 5)]));
    assert_eq!(public.shown(&Place::Beside(qa)).unwrap(), Some(5));
    assert_eq!(public.shown(&Place::Live).unwrap(), Some(7));
}

#[test]
fn record_names_have_no_way_out() {
    for bad in ["", ".", "..", "a/b", "a.json", "a\0", "ä", &"x".repeat(101)] {
        assert!(bad.parse::<StateName>().is_err(), "{bad:?}");
    }
    assert_eq!("20261124T031700Z-9f3a1c20".parse::<StateName>().unwrap().as_str(), "20261124T031700Z-9f3a1c20");
}
