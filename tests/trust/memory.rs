//! What is remembered outlives whatever becomes of the runs and of the record.

use std::path::Path;

use super::pair::Pair;

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let (path, to) = (entry.path(), to.join(entry.file_name()));
        match entry.file_type().unwrap() {
            kind if kind.is_dir() => copy(&path, &to),
            kind if kind.is_symlink() => std::os::unix::fs::symlink(std::fs::read_link(&path).unwrap(), to).unwrap(),
            _ => std::fs::copy(&path, &to).map(drop).unwrap(),
        }
    }
}

/// Stopped between what is remembered and the snapshot: what was noted never took effect, and is news when it comes again.
#[test]
fn a_run_was_stopped_before_the_snapshot() {
    let pair = Pair::after(&[1]);
    let kept = pair.env.path("before");
    for part in ["store", "site"] {
        copy(&pair.env.path(part), &kept.join(part));
    }
    pair.both(2);
    pair.sync().exits_with(0);
    let trust = std::fs::read(pair.env.path("store/trust.json")).unwrap();
    for part in ["store", "site"] {
        std::fs::remove_dir_all(pair.env.path(part)).unwrap();
        std::fs::rename(kept.join(part), pair.env.path(part)).unwrap();
    }
    pair.env.write("store/trust.json", &trust);
    pair.sync().exits_with(0);
    assert_eq!(pair.live(), ["tea-2.0-r0"]);
    pair.both(1);
    pair.sync().exits_with(0).tells(&["lags"]);
}

/// An older record beside a newer snapshot: what is in force is remembered before anything else happens.
#[test]
fn what_is_in_force_is_remembered_though_the_record_does_not_know_it() {
    let pair = Pair::after(&[1]);
    let trust = std::fs::read(pair.env.path("store/trust.json")).unwrap();
    pair.both(2);
    pair.sync().exits_with(0);
    pair.env.write("store/trust.json", &trust);
    pair.both(3);
    pair.sync().exits_with(0);
    for replayed in [1, 2] {
        pair.both(replayed);
        pair.sync().exits_with(0).tells(&["lags"]);
        assert_eq!(pair.live(), ["tea-3.0-r0"]);
    }
}

/// A store of an earlier bivouac has no such record: it begins with what lies in the store.
#[test]
fn a_store_without_the_record_begins_with_what_was_accepted() {
    let pair = Pair::after(&[1, 2, 3]);
    std::fs::remove_file(pair.env.path("store/trust.json")).unwrap();
    pair.both(2);
    pair.sync().exits_with(0).tells(&["lags"]);
    assert_eq!(pair.live(), ["tea-3.0-r0"]);
    pair.edit("trust.json", |trust| assert_eq!(trust["indexes"][0]["states"].as_array().map(Vec::len), Some(3)));
}

/// An empty memory would take any replay for news.
#[test]
fn a_damaged_record_stops_the_sync() {
    let pair = Pair::after(&[1, 2]);
    let trust = std::fs::read(pair.env.path("store/trust.json")).unwrap();
    pair.both(1);
    for damaged in [&b""[..], &trust[..trust.len() / 2], b"[]"] {
        pair.env.write("store/trust.json", damaged);
        pair.sync().exits_with(5).tells(&["trust.json is damaged"]);
        let check = pair.env.bivouac(&["check"]);
        assert!(check.exits_with(5).stdout.contains("trust.json is damaged"), "{check}");
        assert_eq!(pair.live(), ["tea-2.0-r0"]);
    }
    pair.env.write("store/trust.json", &trust);
    pair.sync().exits_with(0).tells(&["lags"]);
}

/// The repository leaves the configuration and comes back: what was accepted of it is still known.
#[test]
fn a_repository_that_was_taken_out_is_no_first_contact() {
    let pair = Pair::after(&[1, 2]);
    let config = std::fs::read(pair.env.path("bivouac.toml")).unwrap();
    let other = String::from_utf8(config.clone()).unwrap().replace("up:main", "up:other");
    pair.env.write("bivouac.toml", other.as_bytes());
    pair.sync();
    pair.env.write("bivouac.toml", &config);
    pair.both(1);
    pair.sync().exits_with(3).tells(&["accepted last: v3.23.0-2-", "came: v3.23.0-1-", "--accept-older"]);
    pair.env.bivouac(&["sync", "--accept-older"]).exits_with(0);
    assert_eq!(pair.live(), ["tea-1.0-r0"]);
}

/// A dry run tells what it sees and remembers nothing.
#[test]
fn a_dry_run_leaves_the_record_as_it_is() {
    let pair = Pair::new("[\"trusted\"]", "");
    pair.both(1);
    pair.sync().exits_with(0);
    let trust = std::fs::read(pair.env.path("store/trust.json")).unwrap();
    for url in super::pair::URLS {
        pair.index(url, super::pair::state(2, &[&super::fixture::CORP]));
    }
    pair.env.bivouac(&["sync", "--dry-run"]).exits_with(3).tells(&["held index"]);
    assert_eq!(std::fs::read(pair.env.path("store/trust.json")).unwrap(), trust);
}
