//! Indexes that a trusted key signed and that are hostile all the same.

use super::fixture::{Package, STRANGER, UPSTREAM, signed, unsigned_index};
use super::site::{COMMUNITY, FIRST, MAIN, Site, extra, hello, libgreet};
use super::upstream::Fault;

fn main_entries(site: &Site, entries: &[&str]) {
    site.main_index(signed(&unsigned_index(entries, "v3.23.0-2-g0123456789"), &[&UPSTREAM]));
}

/// Clients ask for both under one URL, so only one of them can be listed.
#[test]
fn two_names_and_versions_that_make_one_file_name() {
    let site = Site::standing();
    let first = Package::new("a-1", "2-r0").build(&UPSTREAM);
    let second = Package::new("a", "1-2-r0").build(&UPSTREAM);
    assert_eq!(first.file, second.file);
    site.main(2, &[&hello("1.0-r0").build(&UPSTREAM), &libgreet().build(&UPSTREAM), &first]);
    site.community(2, &[&extra("1.0-r0").build(&UPSTREAM), &second]);
    let run = site.env.bivouac(&["sync"]);
    run.exits_with(0);
    assert_eq!(site.live(), ["a-1-2-r0", "corp-tool-1.0-r0", "extra-1.0-r0", "hello-1.0-r0", "libgreet-1.0-r0"]);
    site.watch.stop();
}

#[test]
fn another_name_for_a_package_that_the_pool_has() {
    let site = Site::standing();
    let (hello, libgreet) = (hello("1.0-r0").build(&UPSTREAM), libgreet().build(&UPSTREAM));
    let renamed = libgreet.entry.replace("P:libgreet", "P:openssl").replace("V:1.0-r0", "V:9.0-r0");
    main_entries(&site, &[&hello.entry, &libgreet.entry, &renamed]);
    site.env.upstream.put(&format!("{MAIN}/openssl-9.0-r0.apk"), libgreet.bytes.clone());
    site.env.bivouac(&["sync"]).exits_with(3).tells(&["openssl-9.0-r0", "calls itself libgreet"]);
    assert_eq!(site.live(), FIRST);
    site.watch.stop();
}

#[test]
fn two_names_for_one_package_in_one_index() {
    let site = Site::standing();
    let (hello, libgreet) = (hello("1.1-r0").build(&UPSTREAM), libgreet().build(&UPSTREAM));
    let renamed = hello.entry.replace("P:hello", "P:openssl");
    main_entries(&site, &[&hello.entry, &libgreet.entry, &renamed]);
    site.env.upstream.put(&format!("{MAIN}/{}", hello.file), hello.bytes.clone());
    site.env.upstream.put(&format!("{MAIN}/openssl-1.1-r0.apk"), hello.bytes.clone());
    site.env.bivouac(&["sync"]).exits_with(3).tells(&["openssl-1.1-r0", "calls itself hello"]);
    assert_eq!(site.live(), FIRST);
    site.watch.stop();
}

/// One of the two is wrong; it must not stop the other.
#[test]
fn one_identity_under_two_sizes() {
    let site = Site::standing();
    let right = hello("1.1-r0").build(&UPSTREAM);
    let wrong = right.entry.replace(&format!("S:{}", right.bytes.len()), &format!("S:{}", right.bytes.len() + 1));
    // The other source lists it, too, under a name that main does not supply: both are fetched at once.
    let wrong = wrong.replace("P:hello", "P:hello-too");
    site.main(2, &[&right, &libgreet().build(&UPSTREAM)]);
    site.env.upstream.put(
        &format!("{COMMUNITY}/APKINDEX.tar.gz"),
        signed(
            &unsigned_index(&[&extra("1.0-r0").build(&UPSTREAM).entry, &wrong], "v3.23.0-2-g0123456789"),
            &[&UPSTREAM],
        ),
    );
    site.env.upstream.put(&format!("{COMMUNITY}/hello-too-1.1-r0.apk"), [&right.bytes[..], b"!"].concat());
    site.env.bivouac(&["sync"]).exits_with(3).tells(&["v3.23/community/x86_64", "hello-too-1.1-r0"]);
    assert_eq!(site.live(), ["corp-tool-1.0-r0", "extra-1.0-r0", "hello-1.1-r0", "libgreet-1.0-r0"]);
    site.watch.stop();
}

/// Whom nobody trusts gets nothing inflated: the index is refused for its signer, not for its size.
#[test]
fn a_bomb_by_a_stranger() {
    let site = Site::standing();
    let bomb = super::fixture::gzip(&vec![0; 320 << 20]);
    for (index, why) in [(bomb.clone(), "not signed"), (signed(&bomb, &[&STRANGER]), STRANGER.name)] {
        site.main_index(index);
        site.env.bivouac(&["sync"]).exits_with(3).tells(&["v3.23/main/x86_64", why]);
        assert_eq!(site.live(), FIRST);
    }
    site.watch.stop();
}

/// What upstream calls so large that sums of sizes overflow is refused for its size, like any other.
#[test]
fn sizes_beyond_all_measure() {
    let site = Site::standing();
    let (hello, libgreet) = (hello("1.1-r0").build(&UPSTREAM), libgreet().build(&UPSTREAM));
    let huge = |entry: &str, size: usize| entry.replace(&format!("S:{size}"), &format!("S:{}", u64::MAX));
    main_entries(&site, &[&huge(&hello.entry, hello.bytes.len()), &huge(&libgreet.entry, libgreet.bytes.len())]);
    site.env.bivouac(&["sync"]).exits_with(3).tells(&["v3.23/main/x86_64", "`S:` says"]);
    assert_eq!(site.live(), FIRST);
    site.watch.stop();
}

/// The index is signed, so these are upstream's own words; they may not steer a terminal or fill a disk.
#[test]
fn a_description_that_steers_terminals() {
    let site = Site::standing();
    let (hello, libgreet) = (hello("1.1-r0").build(&UPSTREAM), libgreet().build(&UPSTREAM));
    let words = format!("\x1b[2Jv3.23\n{}", "x".repeat(1 << 20));
    let index = signed(&unsigned_index(&[&hello.entry, &libgreet.entry], &words), &[&UPSTREAM]);
    site.env.upstream.put(&format!("{MAIN}/{}", hello.file), hello.bytes.clone());
    site.main_index(index);
    site.env.bivouac(&["sync"]).exits_with(0);
    let records = site.env.files_below("store/accepted");
    for record in records.iter().filter(|path| path.ends_with("accepted.json")) {
        let text = std::fs::read_to_string(record).unwrap();
        assert!(text.len() < 4096 && !text.contains("\\u001b"), "{}", &text[..text.len().min(4096)]);
    }
    site.watch.stop();
}

/// Of several troubles the worst decides, whichever source comes first.
#[test]
fn one_index_away_and_another_refused() {
    let site = Site::standing();
    site.env.upstream.fail_always(&format!("{MAIN}/APKINDEX.tar.gz"), Fault::Status(404));
    let extra = extra("1.1-r0").build(&UPSTREAM);
    let unknown = signed(&unsigned_index(&[&extra.entry], "v3.23.0-2-g0123456789"), &[&STRANGER]);
    site.env.upstream.put(&format!("{COMMUNITY}/APKINDEX.tar.gz"), unknown);
    site.env.bivouac(&["sync"]).exits_with(3).tells(&[STRANGER.name]);
    assert_eq!(site.live(), FIRST);
    site.watch.stop();
}
