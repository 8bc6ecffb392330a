//! Upstream changes or lacks something while a sync is at it: an index is followed to its newest complete state, and one whose
//! packages do not all come is refused or carried, as the configuration says.

use super::fixture::{Built, Package, UPSTREAM};
use super::site::{MAIN, Site, hello, index_of, libgreet};
use super::upstream::Fault;

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

// --- carry ------------------------------------------------------------------------------------------------------------

/// A site whose repository carries what is incomplete, synced once. Of main's second state, which stands at upstream:
/// `libssl` and its sibling, which needs it by exact version, are one origin; `hello` and `libgreet` are others.
struct Carrying {
    site: Site,
}

fn ssl(version: &str) -> [Package; 2] {
    let lib = Package::new("libssl", version).of_origin("openssl").provides(&format!("so:libssl.so.1={version}"));
    [lib, Package::new("openssl", version).of_origin("openssl").depends(&format!("libssl={version}"))]
}

fn built(packages: &[Package]) -> Vec<Built> {
    packages.iter().map(|package| package.build(&UPSTREAM)).collect()
}

/// Main with these versions.
fn state(ssl_version: &str, hello_version: &str) -> Vec<Built> {
    built(&[&ssl(ssl_version)[..], &[hello(hello_version), libgreet()]].concat())
}

const STARTED: [&str; 6] =
    ["corp-tool-1.0-r0", "extra-1.0-r0", "hello-1.0-r0", "libgreet-1.0-r0", "libssl-1-r0", "openssl-1-r0"];
const CARRIED: [&str; 6] =
    ["corp-tool-1.0-r0", "extra-1.0-r0", "hello-1.1-r0", "libgreet-1.0-r0", "libssl-1-r0", "openssl-1-r0"];
const MOVED: [&str; 6] =
    ["corp-tool-1.0-r0", "extra-1.0-r0", "hello-1.1-r0", "libgreet-1.0-r0", "libssl-2-r0", "openssl-2-r0"];

impl Carrying {
    fn standing() -> Carrying {
        let carrying = Carrying { site: Site::before_the_first_sync() };
        carrying.says("incomplete = \"carry\"\n");
        carrying.main(1, &state("1-r0", "1.0-r0"));
        carrying.site.env.bivouac(&["sync"]).exits_with(0);
        assert_eq!(carrying.site.live(), STARTED);
        carrying.site.env.upstream.take_log();
        carrying
    }

    /// The repository's block ends with `rule`.
    fn says(&self, rule: &str) {
        let file = self.site.env.path("bivouac.toml");
        let text = std::fs::read_to_string(&file).unwrap().replace("incomplete = \"carry\"\n", "");
        std::fs::write(&file, text + rule).unwrap();
    }

    fn main(&self, count: u32, packages: &[Built]) {
        self.site.main(count, &packages.iter().collect::<Vec<_>>());
    }

    /// Main's second state, without these files.
    fn moves_without(&self, missing: &[&str]) {
        let next = state("2-r0", "1.1-r0");
        self.main(2, &next);
        self.lacks(missing);
    }

    fn lacks(&self, missing: &[&str]) {
        for file in missing {
            self.site.env.upstream.files().remove(&format!("{MAIN}/{file}"));
        }
    }
}

#[test]
fn three_that_are_404_for_ever_keep_the_whole_index_where_the_rule_is_refuse() {
    let carrying = Carrying::standing();
    carrying.says("");
    carrying.moves_without(&["libssl-2-r0.apk", "openssl-2-r0.apk", "hello-1.1-r0.apk"]);
    for _ in 0..2 {
        let run = carrying.site.env.bivouac(&["--json", "sync"]);
        let value = run.exits_with(4).json();
        run.tells(&["index v3.23/main/x86_64 from source \"up\" is incomplete: 3 of its packages", "404"]);
        assert_eq!(carrying.site.live(), STARTED, "{run}");
        let repository = &value["repositories"][0];
        assert_eq!(repository["refused"].as_array().unwrap().len(), 3, "{value}");
        assert_eq!(repository["error"]["code"], "incomplete");
        assert_eq!(repository["carried"], serde_json::json!([]));
    }
    carrying.main(2, &state("2-r0", "1.1-r0"));
    carrying.site.env.bivouac(&["sync"]).exits_with(0);
    assert_eq!(carrying.site.live(), MOVED);
    carrying.site.watch.stop();
}

#[test]
fn what_no_url_has_keeps_its_former_version_with_its_whole_origin() {
    let carrying = Carrying::standing();
    carrying.moves_without(&["libssl-2-r0.apk"]);
    let run = carrying.site.env.bivouac(&["--json", "sync"]);
    let value = run.exits_with(4).json();
    run.tells(&["lacks 1 of its packages", "openssl keeps former versions", "libssl-2-r0", "404"]);
    assert_eq!(carrying.site.live(), CARRIED, "{run}");
    let repository = &value["repositories"][0];
    assert_eq!(repository["error"]["code"], "carried", "{value}");
    let carried = repository["carried"].as_array().unwrap();
    let pairs: Vec<_> =
        carried.iter().map(|one| (one["file"].as_str().unwrap(), one["kept"].as_str().unwrap())).collect();
    assert_eq!(pairs, [("libssl-2-r0.apk", "libssl-1-r0.apk"), ("openssl-2-r0.apk", "openssl-1-r0.apk")]);
    assert!(carried[0]["reason"].as_str().unwrap().contains("404"), "{value}");
    assert!(carried[1]["reason"].as_str().unwrap().contains("openssl"), "{value}");
    // All that is in force has its objects, and what came is not thrown away.
    carrying.site.env.bivouac(&["check"]).exits_with(0);

    // Upstream says that nothing changed; what is missing is asked for all the same, and nothing else moves.
    carrying.site.env.upstream.take_log();
    let generation = carrying.site.env.generation();
    let again = carrying.site.env.bivouac(&["--json", "sync"]).exits_with(4).json();
    assert_eq!(again["snapshot"], value["snapshot"]);
    assert_eq!(again["repositories"][0]["carried"], value["repositories"][0]["carried"]);
    assert_eq!(carrying.site.env.generation(), generation);
    let log = carrying.site.env.upstream.take_log();
    let packages: Vec<_> = log.iter().map(|one| &*one.path).filter(|path| path.ends_with(".apk")).collect();
    assert_eq!(packages, [format!("{MAIN}/libssl-2-r0.apk")], "openssl-2-r0 is in the pool already");

    // Any snapshot can be published from what it names, and shows the same.
    carrying.site.env.bivouac(&["publish"]).exits_with(0);
    assert_eq!(carrying.site.live(), CARRIED);

    // Once it is there, without any news of the index, the origin moves.
    carrying.main(2, &state("2-r0", "1.1-r0"));
    carrying.site.env.bivouac(&["sync"]).exits_with(0);
    assert_eq!(carrying.site.live(), MOVED);
    let log = carrying.site.env.upstream.take_log();
    let asked: Vec<_> = log.iter().filter(|one| one.path == index_path()).map(|one| one.status).collect();
    assert_eq!(asked, [304, 304], "and read again at the end");
    carrying.site.watch.stop();
}

#[test]
fn without_the_key_what_was_carried_stays_and_nothing_more_is() {
    let carrying = Carrying::standing();
    carrying.moves_without(&["libssl-2-r0.apk"]);
    carrying.site.env.bivouac(&["sync"]).exits_with(4);
    assert_eq!(carrying.site.live(), CARRIED);
    carrying.says("");
    carrying.site.env.bivouac(&["sync"]).exits_with(4).tells(&["is incomplete: 1 of its packages"]);
    assert_eq!(carrying.site.live(), CARRIED);
    // A third state, and its hello does not come either: all of it is refused.
    let next = state("2-r0", "1.2-r0");
    carrying.main(3, &next);
    carrying.lacks(&["libssl-2-r0.apk", "hello-1.2-r0.apk"]);
    carrying.site.env.bivouac(&["sync"]).exits_with(4);
    assert_eq!(carrying.site.live(), CARRIED);
    carrying.says("incomplete = \"carry\"\n");
    carrying.main(4, &state("2-r0", "1.3-r0"));
    carrying.lacks(&["libssl-2-r0.apk"]);
    carrying.site.env.bivouac(&["sync"]).exits_with(4);
    assert_eq!(carrying.site.live()[2..], ["hello-1.3-r0", "libgreet-1.0-r0", "libssl-1-r0", "openssl-1-r0"]);
    carrying.site.watch.stop();
}

#[test]
fn each_origin_keeps_the_state_that_it_was_last_whole_in() {
    let carrying = Carrying::standing();
    carrying.moves_without(&["libssl-2-r0.apk"]);
    carrying.site.env.bivouac(&["sync"]).exits_with(4);
    carrying.main(3, &state("3-r0", "1.2-r0"));
    carrying.lacks(&["openssl-3-r0.apk", "hello-1.2-r0.apk"]);
    let run = carrying.site.env.bivouac(&["sync"]);
    run.exits_with(4).tells(&["lacks 2 of its packages", "hello, openssl keep former versions"]);
    // openssl from the first state, hello from the second.
    assert_eq!(carrying.site.live(), CARRIED, "{run}");
    carrying.site.env.bivouac(&["publish"]).exits_with(0);
    assert_eq!(carrying.site.live(), CARRIED);
    carrying.site.env.bivouac(&["prune"]).exits_with(0);
    carrying.site.env.bivouac(&["check"]).exits_with(0);
    carrying.site.watch.stop();
}

#[test]
fn wrong_bytes_are_carried_too_and_exit_with_3() {
    let carrying = Carrying::standing();
    let wrong = vec![7; 400];
    carrying.site.watch.poison(&wrong);
    carrying.moves_without(&[]);
    carrying.site.env.upstream.put(&format!("{MAIN}/openssl-2-r0.apk"), wrong);
    carrying.site.env.bivouac(&["sync"]).exits_with(3).tells(&["openssl keeps former versions", "wrong bytes"]);
    assert_eq!(carrying.site.live(), CARRIED);
    carrying.site.watch.stop();
}

#[test]
fn a_cut_connection_is_never_carried() {
    let carrying = Carrying::standing();
    carrying.moves_without(&["libssl-2-r0.apk"]);
    carrying.site.env.upstream.fail_always(&format!("{MAIN}/hello-1.1-r0.apk"), Fault::CutAfter(20));
    let run = carrying.site.env.bivouac(&["sync"]);
    run.exits_with(4).tells(&["is incomplete: 2 of its packages", "connection closed"]);
    assert_eq!(carrying.site.live(), STARTED);
    carrying.site.watch.stop();
}

#[test]
fn what_would_lose_a_provider_is_refused_with_its_chain() {
    let carrying = Carrying::standing();
    // The new hello needs what only the new libssl provides.
    let mut next = built(&ssl("2-r0").map(|package| package.provides("so:libssl.so.2=2")));
    next.extend(built(&[hello("1.1-r0").depends("so:libssl.so.2"), libgreet()]));
    carrying.main(2, &next);
    carrying.lacks(&["libssl-2-r0.apk"]);
    // The sibling provides it as well, and is of the same origin.
    let run = carrying.site.env.bivouac(&["--json", "sync"]);
    let value = run.exits_with(4).json();
    run.tells(&[
        "is incomplete: 1 of its packages",
        "hello-1.1-r0 needs so:libssl.so.2, which only libssl-2-r0 provides",
    ]);
    assert_eq!(carrying.site.live(), STARTED, "{run}");
    assert_eq!(value["repositories"][0]["carried"], serde_json::json!([]));
    assert_eq!(value["repositories"][0]["error"]["code"], "incomplete");
    carrying.main(2, &next);
    carrying.site.env.bivouac(&["sync"]).exits_with(0);
    assert_eq!(carrying.site.live(), MOVED);
    carrying.site.watch.stop();
}

#[test]
fn a_new_package_of_a_carried_origin_waits_and_one_that_left_it_stays() {
    let carrying = Carrying::standing();
    let [lib, tool] = ssl("2-r0");
    let doc = Package::new("openssl-doc", "2-r0").of_origin("openssl");
    carrying.main(2, &built(&[lib, tool, doc, hello("1.1-r0"), libgreet()]));
    carrying.lacks(&["libssl-2-r0.apk"]);
    let value = carrying.site.env.bivouac(&["--json", "sync"]).exits_with(4).json();
    assert_eq!(carrying.site.live(), CARRIED);
    let carried = value["repositories"][0]["carried"].as_array().unwrap();
    let doc = carried.iter().find(|one| one["file"] == "openssl-doc-2-r0.apk").unwrap();
    assert!(doc["kept"].is_null(), "{doc}");
    // openssl itself left upstream; the origin is kept whole.
    carrying.main(3, &built(&[ssl("3-r0")[0].clone(), hello("1.1-r0"), libgreet()]));
    carrying.lacks(&["libssl-3-r0.apk"]);
    carrying.site.env.bivouac(&["sync"]).exits_with(4);
    assert_eq!(carrying.site.live(), CARRIED);
    carrying.site.watch.stop();
}

#[test]
fn a_first_sync_has_nothing_to_carry_from() {
    let site = Site::before_the_first_sync();
    let carrying = Carrying { site };
    carrying.says("incomplete = \"carry\"\n");
    carrying.main(1, &state("1-r0", "1.0-r0"));
    carrying.lacks(&["libssl-1-r0.apk"]);
    carrying.site.env.bivouac(&["sync"]).exits_with(4).tells(&["is incomplete: 1 of its packages"]);
    assert!(!carrying.site.env.public().exists());
    carrying.site.watch.stop();
}

#[test]
fn an_index_is_carried_only_if_all_who_take_from_it_say_so_and_never_shown_as_it_is_then() {
    let carrying = Carrying::standing();
    let file = carrying.site.env.path("bivouac.toml");
    let ours = std::fs::read_to_string(&file).unwrap();
    let with_mirror = |rule: &str| {
        let mirror = "[[repositories]]\nname = \"mirror\"\nfrom = [\"up:v3.23/main\"]\narches = [\"x86_64\"]\n";
        std::fs::write(&file, format!("{ours}{mirror}{rule}")).unwrap();
    };
    with_mirror("");
    carrying.site.env.bivouac(&["sync"]).exits_with(0);
    carrying.moves_without(&["libssl-2-r0.apk"]);
    carrying.site.env.bivouac(&["sync"]).exits_with(4).tells(&["is incomplete: 1 of its packages"]);
    assert_eq!(carrying.site.live(), STARTED);

    with_mirror("incomplete = \"carry\"\n");
    carrying.site.env.bivouac(&["sync"]).exits_with(4).tells(&["openssl keeps former versions"]);
    assert_eq!(carrying.site.live(), CARRIED);

    // What is in force is not upstream's index any more, and is not passed off as it.
    with_mirror("index = \"upstream\"\n");
    let value = carrying.site.env.bivouac(&["--json", "sync"]).exits_with(4).json();
    let mirror = &value["repositories"][1];
    assert_eq!((&mirror["name"], &mirror["error"]["code"]), (&"mirror".into(), &"incomplete".into()), "{value}");
    assert_eq!(carrying.site.live(), CARRIED);
    carrying.site.watch.stop();
}
