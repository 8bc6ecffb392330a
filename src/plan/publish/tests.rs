use super::*;

fn at(hours: i64) -> Timestamp {
    Timestamp::from_second(1_700_000_000 + hours * 3600).unwrap()
}

fn placed(name: &str, byte: u8) -> Placed {
    Placed {
        file: PackageFile::new(&name.parse().unwrap(), &"1-r0".parse().unwrap()).unwrap(),
        object: ObjectId::new([byte; 32]),
        identity: Identity::new([byte; 20]),
        size: 1,
        left: None,
    }
}

fn listing(content: u8, files: &[Placed]) -> Wish {
    Wish::Listing(Box::new(RepositoryState {
        name: "v3.23/main".parse().unwrap(),
        arch: "x86_64".parse().unwrap(),
        mode: Mode::Ours,
        inputs: String::new(),
        content: ContentId::new([content; 32]),
        index: ObjectId::new([content; 32]),
        description: format!("{content}"),
        signers: vec!["k".into()],
        keys: vec![crate::apk::KeyId { name: "k.rsa.pub".parse().unwrap(), fingerprint: "f".into() }],
        published: at(0),
        packages: files.len() as u64,
        bytes: files.len() as u64,
        shadowed: 0,
        shadowed_newer: 0,
        warnings: Vec::new(),
        unmatched: Vec::new(),
        files: files.to_vec(),
    }))
}

const DAY: SignedDuration = SignedDuration::from_hours(24);

fn next(former: Option<&Generation>, wish: Wish, now: Timestamp) -> PublishPlan {
    decide(former, 0, "snapshot", vec![wish], DAY, now)
}

fn names(plan: &PublishPlan) -> Vec<(&str, bool)> {
    let files = &plan.generation.repositories[0].files;
    files.iter().map(|placed| (placed.file.as_str(), placed.left.is_some())).collect()
}

#[test]
fn a_package_that_left_stays_for_linger_and_is_timed_from_when_it_left() {
    let one = next(None, listing(1, &[placed("a", 1), placed("b", 2)]), at(0));
    let two = next(Some(&one.generation), listing(2, &[placed("b", 2)]), at(1));
    assert_eq!(names(&two), [("a-1-r0.apk", true), ("b-1-r0.apk", false)]);
    let three = next(Some(&two.generation), listing(3, &[placed("b", 2), placed("c", 3)]), at(24));
    assert_eq!(names(&three), [("a-1-r0.apk", true), ("b-1-r0.apk", false), ("c-1-r0.apk", false)]);
    let four = next(Some(&three.generation), listing(4, &[placed("b", 2)]), at(25));
    assert_eq!(names(&four), [("b-1-r0.apk", false), ("c-1-r0.apk", true)]);
}

#[test]
fn a_package_that_came_back_lingers_no_more() {
    let one = next(None, listing(1, &[placed("a", 1)]), at(0));
    let two = next(Some(&one.generation), listing(2, &[]), at(1));
    let three = next(Some(&two.generation), listing(1, &[placed("a", 1)]), at(2));
    assert_eq!(names(&three), [("a-1-r0.apk", false)]);
}

#[test]
fn the_same_text_and_signers_keep_the_file_and_nothing_changes() {
    let one = next(None, listing(1, &[placed("a", 1)]), at(0));
    assert_eq!((one.indexes[0], one.change), (IndexFile::New, Change::Something));
    let two = next(Some(&one.generation), listing(1, &[placed("a", 1)]), at(5));
    assert_eq!((two.indexes[0], two.change), (IndexFile::Kept, Change::Nothing));
    assert_eq!(two.generation.repositories[0].published, one.generation.repositories[0].published);
}

#[test]
fn publication_times_only_grow_even_when_the_clock_is_set_back() {
    let one = next(None, listing(1, &[]), at(10));
    let two = next(Some(&one.generation), listing(2, &[]), at(3));
    let (first, second) = (one.generation.repositories[0].published, two.generation.repositories[0].published);
    assert_eq!(second.as_second(), first.as_second() + 1);
    assert_eq!(two.generation.number, 2);
}

#[test]
fn a_number_that_was_used_is_never_used_again() {
    assert_eq!(decide(None, 7, "s", vec![], DAY, at(0)).generation.number, 8);
}

#[test]
fn a_failed_repository_keeps_its_former_state() {
    let one = next(None, listing(1, &[placed("a", 1)]), at(0));
    let former = Wish::Former("v3.23/main".parse().unwrap(), "x86_64".parse().unwrap());
    let two = next(Some(&one.generation), former.clone(), at(5));
    assert_eq!((names(&two), two.change), (vec![("a-1-r0.apk", false)], Change::Nothing));
    assert_eq!(next(None, former, at(0)).generation.repositories, []);
}

#[test]
fn other_bytes_under_a_published_name_are_seen_also_while_it_lingers() {
    let one = next(None, listing(1, &[placed("a", 1), placed("b", 2)]), at(0));
    let two = next(Some(&one.generation), listing(2, &[placed("b", 2)]), at(1));
    let before = &two.generation.repositories[0];
    let (a, b) = (placed("a", 9), placed("b", 2));
    let listed = |placed: &Placed| (placed.file.clone(), placed.identity, placed.size);
    let seen = Published::of([before].into_iter()).rebuilt([&a, &b].into_iter().map(listed));
    let (was, is) = ((Identity::new([1; 20]), a.size), (Identity::new([9; 20]), a.size));
    assert_eq!(seen, [Rebuilt { file: a.file.clone(), was, is }]);
    // Of several states the latest counts, and the earlier for what it does not know.
    let mut replaced = before.clone();
    replaced.files.retain(|placed| placed.file == a.file);
    replaced.files[0].identity = a.identity;
    let published = Published::of([&replaced, before].into_iter());
    assert_eq!(published.rebuilt([&a, &b].into_iter().map(listed)), []);
    assert!(published.knows(&b.file) && !Published::of([&replaced].into_iter()).knows(&b.file));
}

/// The state of a generation as a backup brings it back.
fn anew(generation: &Generation) -> Wish {
    Wish::Anew(Box::new(generation.repositories[0].clone()))
}

#[test]
fn what_a_backup_brings_back_is_dated_anew_whatever_is_live_and_keeps_what_lingered() {
    let one = next(None, listing(1, &[placed("a", 1), placed("b", 2)]), at(0)).generation;
    let two = next(Some(&one), listing(2, &[placed("b", 2)]), at(1)).generation;
    // On an empty machine, where only the restored tree itself is there, or nothing.
    for former in [Some(&two), None] {
        let back = next(former, anew(&two), at(5));
        assert_eq!((back.indexes[0], back.change), (IndexFile::New, Change::Something));
        let state = &back.generation.repositories[0];
        assert_eq!((state.index, state.published), (two.repositories[0].index, at(5)));
        assert_eq!(names(&back), [("a-1-r0.apk", true), ("b-1-r0.apk", false)]);
        assert_eq!(state.files[0].left, Some(at(1)), "it has left when it left");
        // A host whose clock stands before the backup, still strictly later.
        let back = next(former, anew(&two), at(-9));
        assert_eq!(back.generation.repositories[0].published.as_second(), at(1).as_second() + 1);
        let late = next(former, anew(&two), at(25));
        assert_eq!(names(&late), [("b-1-r0.apk", false)], "its time is over");
    }
}

#[test]
fn what_a_backup_brings_back_follows_what_is_live_and_what_clients_have_of_that_lingers() {
    let one = next(None, listing(1, &[placed("a", 1), placed("b", 2)]), at(0)).generation;
    let two = next(Some(&one), listing(2, &[placed("b", 2)]), at(1)).generation;
    let live = next(Some(&two), listing(3, &[placed("a", 9), placed("c", 3)]), at(20)).generation;
    let back = next(Some(&live), anew(&two), at(30));
    assert_eq!(back.generation.number, live.number + 1);
    assert_eq!(names(&back), [("a-1-r0.apk", true), ("b-1-r0.apk", false), ("c-1-r0.apk", true)]);
    let files = &back.generation.repositories[0].files;
    // The bytes that live lists, not those that lingered at the backup's time and would be gone by now.
    assert_eq!((files[0].object, files[0].left), (ObjectId::new([9; 32]), Some(at(30))));
    // A live index that is younger than the clock.
    let back = next(Some(&live), anew(&two), at(2));
    assert_eq!(back.generation.repositories[0].published.as_second(), at(20).as_second() + 1);
}

#[test]
fn a_restore_holds_publishing_where_the_generation_that_it_shows_did() {
    let mut shown = next(None, listing(1, &[placed("a", 1)]), at(0)).generation;
    assert_eq!((shown.shows(), shown.cause_of_restore()), (1, Cause::Restore(1)));
    // The word is part of the record's format.
    assert_eq!(serde_json::to_string(&Cause::Restore(412)).unwrap(), r#"{"restore":412}"#);
    let again = Generation { number: 2, cause: shown.cause_of_restore(), ..shown.clone() };
    assert!(!again.is_hold());
    assert_eq!(again.shows(), 1, "going back once more goes before what it shows");
    shown.cause = Cause::Rollback(7);
    assert_eq!((shown.shows(), shown.cause_of_restore()), (7, Cause::Rollback(7)));
}
