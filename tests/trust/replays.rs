//! An upstream that shows what it showed before, what is older, or what never changes.

use super::fixture::{Built, Package, UPSTREAM, signed, unsigned_index};
use super::pair::{Pair, URLS, state};

#[test]
fn one_url_replays_and_the_other_has_what_is_in_force() {
    let pair = Pair::after(&[1, 2]);
    pair.serve(URLS[0], 1);
    let ran = pair.env.bivouac(&["--log", "json", "sync"]);
    ran.exits_with(0).tells(&["\"event\":\"index_lags\"", "v3.23.0-1-g0123456789"]);
    assert_eq!(pair.live(), ["tea-2.0-r0"]);
    assert_eq!(pair.status()["lagging"], serde_json::Value::Null, "it is confirmed");
    pair.sync().exits_with(0);
}

#[test]
fn one_url_replays_and_the_other_has_news() {
    let pair = Pair::after(&[1, 2]);
    pair.serve(URLS[0], 1);
    pair.serve(URLS[1], 3);
    pair.sync().exits_with(0);
    assert_eq!(pair.live(), ["tea-3.0-r0"]);
}

#[test]
fn every_url_replays_which_is_lag_until_stale_after_has_passed() {
    let pair = Pair::after(&[1, 2]);
    pair.both(1);
    let before = pair.env.generation();
    let confirmed = |pair: &Pair| {
        let state = std::fs::read(pair.env.path("store/state.json")).unwrap();
        serde_json::from_slice::<serde_json::Value>(&state).unwrap()["indexes"][0]["confirmed"].clone()
    };
    let was = confirmed(&pair);
    let ran = pair.env.bivouac(&["--json", "sync"]);
    ran.exits_with(0).tells(&["main/x86_64 from source \"up\" lags", "v3.23.0-1-g0123456789"]);
    let warnings = ran.json()["repositories"][0]["warnings"].to_string();
    assert!(warnings.contains("lags"), "{warnings}");
    assert_eq!((pair.live(), pair.env.generation()), (vec!["tea-2.0-r0".to_owned()], before));
    assert_eq!(confirmed(&pair), was, "what lags confirms nothing");
    let status = pair.status();
    assert_eq!(status["lagging"]["description"], "v3.23.0-1-g0123456789");
    assert_eq!(status["description"], "v3.23.0-2-g0123456789");
    let told = pair.env.bivouac(&["status"]);
    assert!(told.exits_with(0).stdout.contains("up:main/x86_64 lags since"), "{told}");

    pair.hours_passed_since("confirmed", 27);
    let ran = pair.env.bivouac(&["--json", "sync"]);
    ran.exits_with(4).tells(&["lags", "last confirmed", "hint"]);
    assert_eq!(ran.json()["repositories"][0]["error"]["code"], "lagging");
    pair.env.bivouac(&["status"]).exits_with(4);
    assert_eq!(pair.live(), ["tea-2.0-r0"]);
    // A source of which more patience is asked.
    pair.configure(super::pair::BY_FILE, "stale_after = \"30h\"");
    pair.sync().exits_with(0);
    pair.env.bivouac(&["status"]).exits_with(0);
    pair.configure(super::pair::BY_FILE, "stale_after = \"26h\"");
    pair.sync().exits_with(4);
    // Upstream catches up, and all is well.
    pair.both(2);
    pair.sync().exits_with(0);
    assert_eq!(pair.status()["lagging"], serde_json::Value::Null);
    pair.env.bivouac(&["status"]).exits_with(0);
}

/// One URL lags and the other is away: the source answers, and has nothing new.
#[test]
fn one_url_replays_and_the_other_is_away() {
    let pair = Pair::after(&[1, 2]);
    pair.serve(URLS[0], 1);
    pair.env.upstream.files().remove(&format!("{}/APKINDEX.tar.gz", URLS[1]));
    pair.sync().exits_with(0).tells(&["lags"]);
    pair.serve(URLS[1], 1);
    pair.env.upstream.files().remove(&format!("{}/APKINDEX.tar.gz", URLS[0]));
    pair.sync().exits_with(0).tells(&["lags"]);
}

#[test]
fn a_lower_state_that_was_never_seen_is_refused() {
    let pair = Pair::after(&[5]);
    pair.both(4);
    for _ in 0..2 {
        let ran = pair.env.bivouac(&["--json", "sync"]);
        ran.exits_with(3).tells(&[
            "main/x86_64 from source \"up\"",
            "counts lower",
            "in force: v3.23.0-5-g0123456789, newest package built 2026-",
            "came: v3.23.0-4-g0123456789",
            &format!("url: {}/one/main/x86_64/APKINDEX.tar.gz", pair.env.upstream.url()),
            "--accept-older",
        ]);
        assert_eq!(ran.json()["repositories"][0]["error"]["code"], "older");
        assert_eq!(pair.live(), ["tea-5.0-r0"]);
    }
    // The next URL is asked before anything is refused.
    pair.serve(URLS[1], 5);
    pair.sync().exits_with(0).tells(&["counts lower", "another URL"]);
    pair.serve(URLS[1], 6);
    pair.sync().exits_with(0);
    assert_eq!(pair.live(), ["tea-6.0-r0"]);
}

#[test]
fn what_is_older_is_taken_when_the_operator_says_so_and_no_url_has_more() {
    for (states, back) in [(&[1, 2][..], 1), (&[5], 4)] {
        let newest = *states.last().unwrap();
        let (newest_live, back_live) = ([format!("tea-{newest}.0-r0")], [format!("tea-{back}.0-r0")]);
        let pair = Pair::after(states);
        pair.serve(URLS[0], back);
        pair.env.bivouac(&["sync", "--accept-older"]).exits_with(0);
        assert_eq!(pair.live(), newest_live, "the other URL has what is in force");
        pair.serve(URLS[1], back);
        pair.env.bivouac(&["sync", "--accept-older=nope"]).exits_with(2).tells(&["no repository is named"]);
        pair.env.bivouac(&["sync", "--accept-older=site/x86_64"]).exits_with(0);
        assert_eq!(pair.live(), back_live);
        // It is what is in force now: no word is needed any more, and nothing is lag.
        pair.sync().exits_with(0);
        assert_eq!((pair.live(), pair.status()["lagging"].clone()), (back_live.into(), serde_json::Value::Null));
        // What upstream then comes to again is news.
        pair.both(newest);
        pair.sync().exits_with(0);
        assert_eq!(pair.live(), newest_live);
    }
}

/// Of several that are behind the newest is taken.
#[test]
fn going_back_goes_no_further_than_it_must() {
    let pair = Pair::after(&[1, 3]);
    pair.serve(URLS[0], 1);
    pair.serve(URLS[1], 2);
    pair.env.bivouac(&["sync", "--accept-older"]).exits_with(0);
    assert_eq!(pair.live(), ["tea-2.0-r0"]);
}

fn index_without_words(packages: &[Built]) -> Vec<u8> {
    let entries: Vec<&str> = packages.iter().map(|package| package.entry.as_str()).collect();
    signed(&unsigned_index(&entries, "edge"), &[&UPSTREAM])
}

/// Upstream's words tell no order, so what it lists decides.
#[test]
fn without_a_description_more_than_half_of_the_names_lowered_is_older() {
    let pair = Pair::new(super::pair::BY_FILE, "");
    let put = |versions: &[(&str, &str)]| {
        let packages: Vec<Built> =
            versions.iter().map(|(name, version)| Package::new(name, version).build(&UPSTREAM)).collect();
        for url in URLS {
            for package in &packages {
                pair.env.upstream.put(&format!("{url}/{}", package.file), package.bytes.clone());
            }
            pair.index(url, index_without_words(&packages));
        }
    };
    put(&[("a", "2-r0"), ("b", "2-r0"), ("c", "2-r0"), ("d", "2-r0")]);
    pair.sync().exits_with(0);
    put(&[("a", "1-r0"), ("b", "1-r0"), ("c", "1-r0"), ("d", "2-r1")]);
    pair.sync().exits_with(3).tells(&["of 4 names that both list, 3 have a lower version"]);
    assert_eq!(pair.live(), ["a-2-r0", "b-2-r0", "c-2-r0", "d-2-r0"]);
    // Half of them is no more than half.
    put(&[("a", "1-r0"), ("b", "1-r0"), ("c", "2-r0"), ("d", "2-r1")]);
    pair.sync().exits_with(0);
    assert_eq!(pair.live(), ["a-1-r0", "b-1-r0", "c-2-r0", "d-2-r1"]);
}

/// The same content, signed once more, is neither lag nor older.
#[test]
fn what_is_in_force_is_signed_anew() {
    let pair = Pair::after(&[1, 2]);
    pair.hours_passed_since("changed", 50);
    for url in URLS {
        pair.index(url, state(2, &[&super::fixture::CORP, &UPSTREAM]));
    }
    pair.sync().exits_with(0);
    pair.sync().exits_with(0);
    assert_eq!(pair.live(), ["tea-2.0-r0"]);
    assert!(pair.status()["unchanged_seconds"].as_u64().unwrap() >= 50 * 3600, "its content is the same");
    // And so is a replay.
    for url in URLS {
        pair.index(url, state(1, &[&super::fixture::CORP, &UPSTREAM]));
    }
    pair.sync().exits_with(0).tells(&["lags"]);
}

#[test]
fn an_index_that_does_not_change_for_too_long_is_worth_a_line() {
    let pair = Pair::after(&[1]);
    pair.hours_passed_since("changed", 24 * 5);
    let frozen = "main/x86_64 from source \"up\" has not changed since";
    let ran = pair.sync();
    assert!(!ran.exits_with(0).stderr.contains(frozen), "{ran}");
    pair.configure(super::pair::BY_FILE, "frozen_after = \"4d\"");
    let ran = pair.env.bivouac(&["--json", "sync"]);
    ran.exits_with(0).tells(&[frozen]);
    assert!(ran.json()["repositories"][0]["warnings"].to_string().contains("has not changed since"), "{ran}");
    let status = pair.env.bivouac(&["status"]);
    assert!(status.exits_with(0).stdout.contains("has not changed for 5d"), "{status}");
    assert_eq!(pair.status()["frozen"], true);
    pair.configure(super::pair::BY_FILE, "frozen_after = \"6d\"");
    let ran = pair.sync();
    assert!(!ran.exits_with(0).stderr.contains(frozen), "{ran}");
    pair.configure(super::pair::BY_FILE, "frozen_after = \"4d\"");
    pair.both(2);
    pair.sync().exits_with(0);
    assert_eq!(pair.status()["frozen"], false);
}

/// While the packages of an index were fetched its URL fell back to what was before.
#[test]
fn a_url_that_replays_while_packages_are_fetched_takes_nothing_back() {
    let pair = Pair::after(&[1]);
    pair.both(2);
    let package = super::pair::tea(2);
    for url in URLS {
        let index = format!("{url}/APKINDEX.tar.gz");
        let old = state(1, &[&UPSTREAM]);
        pair.env.upstream.after(&format!("{url}/{}", package.file), move |files| files.put(&index, old));
    }
    pair.sync().exits_with(0);
    assert_eq!(pair.live(), ["tea-2.0-r0"]);
    pair.sync().exits_with(0);
    assert_eq!(pair.live(), ["tea-2.0-r0"]);
}
