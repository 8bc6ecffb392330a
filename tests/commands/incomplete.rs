//! Upstream changes or lacks something while a sync is at it: an index is followed to its newest complete state, and one whose
//! packages do not all come is refused or carried, as the configuration says.

use super::fixture::{Built, Package, UPSTREAM};
use super::site::{MAIN, Site, hello, index_of, libgreet};

fn index_path() -> String {
    format!("{MAIN}/APKINDEX.tar.gz")
}

fn path_of(package: &Built) -> String {
    format!("{MAIN}/{}", package.file)
}

/// How upstream was asked for `path`: statuses, and whether each request was conditional.
fn asked(site: &Site, path: &str) -> Vec<(u16, bool)> {
    let log = site.env.upstream.take_log();
    log.iter().filter(|request| request.path == path).map(|request| (request.status, request.conditional)).collect()
}

/// With the answer to `on`, main becomes what `next` holds.
fn moves_on(site: &Site, on: &str, count: u32, next: &[&Built]) {
    let index = index_of(count, next, &UPSTREAM);
    let packages: Vec<_> = next.iter().map(|package| (path_of(package), package.bytes.clone())).collect();
    site.env.upstream.after(on, move |files| {
        for (path, bytes) in packages {
            files.put(&path, bytes);
        }
        files.put(&index_path(), index);
    });
}

#[test]
fn an_index_swapped_while_its_packages_come_is_followed_and_nothing_is_fetched_twice() {
    let site = Site::standing();
    let (second, third) = (hello("1.1-r0").build(&UPSTREAM), hello("1.2-r0").build(&UPSTREAM));
    let greet = libgreet().build(&UPSTREAM);
    site.main(2, &[&second, &greet]);
    moves_on(&site, &path_of(&second), 3, &[&third, &greet]);
    let run = site.env.bivouac(&["sync"]);
    run.exits_with(0);
    assert_eq!(site.live()[2], "hello-1.2-r0", "{run}");
    let log = site.env.upstream.take_log();
    let packages: Vec<_> = log.iter().map(|request| &request.path).filter(|path| path.ends_with(".apk")).collect();
    assert_eq!(packages, [&path_of(&second), &path_of(&third)], "each once");
    // Read, found to be another one, found to be still that one.
    let asked: Vec<_> =
        log.iter().filter(|request| request.path == index_path()).map(|one| (one.status, one.conditional)).collect();
    assert_eq!(asked, [(200, true), (200, true), (304, true)]);
    site.env.bivouac(&["sync"]).exits_with(0);
    assert_eq!(self::asked(&site, &index_path()), [(304, true)], "the newer one's validators are kept");
    site.watch.stop();
}

#[test]
fn an_index_whose_packages_all_were_there_is_not_read_again() {
    let site = Site::standing();
    site.main(2, &[&libgreet().build(&UPSTREAM)]);
    site.env.bivouac(&["sync"]).exits_with(0);
    assert_eq!(asked(&site, &index_path()), [(200, true)]);
    site.watch.stop();
}

#[test]
fn an_index_that_cannot_be_read_again_is_taken_as_it_was_complete() {
    let site = Site::standing();
    let next = hello("1.1-r0").build(&UPSTREAM);
    site.main(2, &[&next, &libgreet().build(&UPSTREAM)]);
    site.env.upstream.after(&path_of(&next), |files| files.remove(&index_path()));
    let run = site.env.bivouac(&["sync"]);
    run.exits_with(0).tells(&["could not be read again", "404"]);
    assert_eq!(site.live()[2], "hello-1.1-r0");
    site.watch.stop();
}

#[test]
fn an_index_that_changes_without_end_is_followed_only_so_often() {
    let site = Site::standing();
    let greet = libgreet().build(&UPSTREAM);
    let versions: Vec<_> = (1..=6).map(|number| hello(&format!("1.{number}-r0")).build(&UPSTREAM)).collect();
    site.main(2, &[&versions[0], &greet]);
    for (count, pair) in (3..).zip(versions.windows(2)) {
        moves_on(&site, &path_of(&pair[0]), count, &[&pair[1], &greet]);
    }
    let run = site.env.bivouac(&["sync"]);
    run.exits_with(0).tells(&["v3.23/main/x86_64", "changed 3 times", "the last complete one"]);
    assert_eq!(site.live()[2], "hello-1.4-r0", "{run}");
    site.watch.stop();
}

#[test]
fn a_newer_index_that_does_not_come_whole_leaves_the_complete_one() {
    let site = Site::standing();
    let (second, third) = (hello("1.1-r0").build(&UPSTREAM), hello("1.2-r0").build(&UPSTREAM));
    let greet = libgreet().build(&UPSTREAM);
    site.main(2, &[&second, &greet]);
    let newest = index_of(3, &[&third, &greet], &UPSTREAM);
    // Its package is never there.
    site.env.upstream.after(&path_of(&second), move |files| files.put(&index_path(), newest));
    let run = site.env.bivouac(&["--json", "sync"]);
    let value = run.exits_with(4).json();
    assert_eq!(site.live()[2], "hello-1.1-r0", "{run}");
    let repository = &value["repositories"][0];
    assert_eq!(repository["error"]["code"], "incomplete", "{value}");
    assert_eq!(repository["refused"][0]["file"], third.file, "{value}");
    // Once it is there, it is taken, and nothing but it is fetched.
    site.env.upstream.take_log();
    site.main(3, &[&third, &greet]);
    site.env.bivouac(&["sync"]).exits_with(0);
    let log = site.env.upstream.take_log();
    let packages: Vec<_> = log.iter().map(|request| &request.path).filter(|path| path.ends_with(".apk")).collect();
    assert_eq!((packages, &*site.live()[2]), (vec![&path_of(&third)], "hello-1.2-r0"));
    site.watch.stop();
}

#[test]
fn a_package_that_a_swap_made_worthless_is_not_missed() {
    let site = Site::standing();
    let tool = Package::new("tool", "1-r0").build(&UPSTREAM);
    let (second, greet) = (hello("1.1-r0").build(&UPSTREAM), libgreet().build(&UPSTREAM));
    site.main(2, &[&second, &greet, &tool]);
    // Upstream drops a package between two requests, and its index a moment later.
    site.env.upstream.files().remove(&path_of(&tool));
    moves_on(&site, &path_of(&second), 3, &[&second, &greet]);
    let run = site.env.bivouac(&["sync"]);
    run.exits_with(0);
    assert_eq!(site.live(), ["corp-tool-1.0-r0", "extra-1.0-r0", "hello-1.1-r0", "libgreet-1.0-r0"], "{run}");
    site.watch.stop();
}
