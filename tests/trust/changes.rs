//! The configuration changes, files are lost, one repository is synced before another: what is in force stays right, and
//! the next sync gets on.

use super::fixture::{CORP, Package, UPSTREAM};
use super::site::{COMMUNITY, FIRST, MAIN, SOURCES, Site, hello, libgreet};

/// Two repositories that take from one index each, `packages` of it.
fn two(from: [&str; 2], packages: [&str; 2]) -> String {
    let repository = |name: &str, from: &str, packages: &str| {
        format!(
            "\n[[repositories]]\nname = \"{name}\"\narches = [\"x86_64\"]\nfrom = [\"{from}\"]\npackages = {packages}\n\
             dependencies = false\n"
        )
    };
    format!("{SOURCES}{}{}", repository("a", from[0], packages[0]), repository("b", from[1], packages[1]))
}

#[test]
fn two_indexes_list_a_package_that_one_of_them_does_not_have() {
    let site = Site::before_the_first_sync();
    let (hello, tea) = (hello("1.0-r0").build(&UPSTREAM), Package::new("tea", "1.0-r0").build(&UPSTREAM));
    site.main(2, &[&hello, &tea]);
    site.community(2, &[&hello, &tea]);
    let from = ["up:v3.23/main", "up:v3.23/community"];
    site.env.configure(&two(from, ["[\"hello\"]"; 2]));
    site.env.bivouac(&["sync"]).exits_with(0);
    site.env.configure(&two(from, ["[\"hello\", \"tea\"]"; 2]));
    site.env.upstream.files().remove(&format!("{MAIN}/{}", tea.file));
    site.env.bivouac(&["sync"]).exits_with(4).tells(&["tea-1.0-r0", "v3.23/main/x86_64"]);
    // The other index had it, and a package is the same wherever it came from.
    for repository in ["a", "b"] {
        assert_eq!(site.env.live(repository, "x86_64"), ["hello-1.0-r0", "tea-1.0-r0"]);
    }
    site.env.bivouac(&["sync"]).exits_with(0);
    site.watch.stop();
}

/// Syncing one repository accepts an index of which another has published something: its bytes stay as they are.
#[test]
fn a_rebuilt_package_does_not_come_in_by_another_repository() {
    let site = Site::before_the_first_sync();
    site.env.configure(&two(["up:v3.23/main"; 2], ["[\"libgreet\"]", "[\"hello\"]"]));
    site.env.bivouac(&["sync"]).exits_with(0);
    let rebuilt = hello("1.0-r0").with_file("usr/share/hello/more", b"rebuilt").build(&UPSTREAM);
    site.main(2, &[&rebuilt, &libgreet().build(&UPSTREAM)]);
    site.env.bivouac(&["sync", "a"]).exits_with(0);
    for _ in 0..2 {
        site.env.bivouac(&["sync"]).exits_with(3).tells(&["hello-1.0-r0", "other bytes"]);
        let published = std::fs::read(site.env.public().join("b/x86_64/hello-1.0-r0.apk")).unwrap();
        assert!(published == hello("1.0-r0").build(&UPSTREAM).bytes);
    }
    // A new revision ends it.
    let next = hello("1.0-r1").with_file("usr/share/hello/more", b"rebuilt").build(&UPSTREAM);
    site.main(3, &[&next, &libgreet().build(&UPSTREAM)]);
    site.env.bivouac(&["sync"]).exits_with(0);
    assert_eq!(site.env.live("b", "x86_64"), ["hello-1.0-r1"]);
    site.watch.stop();
}

/// The private package goes, and upstream has other bytes under its name and version.
#[test]
fn the_layer_below_has_other_bytes_under_the_name_of_what_was_withdrawn() {
    let site = Site::before_the_first_sync();
    let (ours, theirs) = (
        Package::new("tea", "1.0-r0").build(&CORP),
        Package::new("tea", "1.0-r0").with_file("usr/share/tea/more", b"theirs").build(&UPSTREAM),
    );
    let path = site.env.write(&format!("packages/{}", ours.file), &ours.bytes);
    site.main(2, &[&hello("1.0-r0").build(&UPSTREAM), &libgreet().build(&UPSTREAM), &theirs]);
    site.env.bivouac(&["sync"]).exits_with(0);
    std::fs::remove_file(path).unwrap();
    site.env.bivouac(&["sync"]).exits_with(3).tells(&["tea-1.0-r0", "other bytes"]);
    let published = std::fs::read(site.env.public().join("v3.23/site/x86_64/tea-1.0-r0.apk")).unwrap();
    assert!(published == ours.bytes);
    site.watch.stop();
}

#[test]
fn a_directory_becomes_an_upstream_that_is_away() {
    let site = Site::before_the_first_sync();
    let repository = "\n[[repositories]]\nname = \"private\"\narches = [\"x86_64\"]\nfrom = [\"corp\"]\n";
    site.env.configure(&format!("{SOURCES}{repository}"));
    site.env.bivouac(&["sync"]).exits_with(0);
    let sources = SOURCES.replace("directory = \"packages\"", "url = [\"{upstream}/corp\"]");
    site.env.configure(&format!("{sources}{repository}index = \"upstream\"\n"));
    site.env.bivouac(&["sync"]).exits_with(4).tells(&["\"corp\""]);
    assert_eq!(site.env.live("private", "x86_64"), ["corp-tool-1.0-r0"]);
    site.watch.stop();
}

/// A key that is trusted no longer: what it signed is not confirmed any more, and someone is told.
#[test]
fn the_key_that_signed_what_is_in_force_leaves_the_keyring() {
    let site = Site::standing();
    let config = std::fs::read_to_string(site.env.path("bivouac.toml")).unwrap();
    let without = config.replace(UPSTREAM.name, CORP.name);
    assert_ne!(config, without);
    site.env.write("bivouac.toml", without.as_bytes());
    for _ in 0..2 {
        site.env.bivouac(&["sync"]).exits_with(3).tells(&["v3.23/main/x86_64", UPSTREAM.name]);
        assert_eq!(site.live(), FIRST);
    }
    site.env.write("bivouac.toml", config.as_bytes());
    site.env.bivouac(&["sync"]).exits_with(0);
    site.watch.stop();
}

#[test]
fn a_directorys_package_that_the_pool_lost_comes_back() {
    let site = Site::standing();
    let tool = std::fs::read(site.env.path("packages/corp-tool-1.0-r0.apk")).unwrap();
    let objects = site.env.files_below("store/pool/objects");
    let lost = objects.iter().find(|object| std::fs::read(object).unwrap() == tool).unwrap();
    std::fs::remove_file(lost).unwrap();
    site.env.bivouac(&["sync"]).exits_with(0);
    assert!(lost.is_file());
    site.watch.stop();
}

#[test]
fn a_folder_of_noarch_packages_goes_to_every_arch() {
    let site = Site::standing();
    let words = Package::new("corp-words", "1.0-r0").arch("noarch").build(&CORP);
    site.env.write(&format!("packages/noarch/{}", words.file), &words.bytes);
    site.env.bivouac(&["sync"]).exits_with(0);
    assert!(site.live().contains(&"corp-words-1.0-r0".to_owned()), "{:?}", site.live());
    site.watch.stop();
}

/// A file that was a package is a damaged package, not a file that never was one: nothing is withdrawn for it.
#[test]
fn a_directorys_package_is_damaged() {
    let site = Site::standing();
    let good = std::fs::read(site.env.path("packages/corp-tool-1.0-r0.apk")).unwrap();
    let mut damaged = good.clone();
    damaged[12..200].fill(0xff);
    for bad in [damaged, vec![0; good.len()]] {
        site.env.write("packages/corp-tool-1.0-r0.apk", &bad);
        site.env.bivouac(&["sync"]).exits_with(3).tells(&["corp-tool-1.0-r0"]);
        assert_eq!(site.live(), FIRST);
    }
    site.env.write("packages/corp-tool-1.0-r0.apk", &good);
    site.env.bivouac(&["sync"]).exits_with(0);
    assert_eq!(site.live(), FIRST);
    site.watch.stop();
}

/// Both indexes are in use; only the first is synced.
#[test]
fn an_upstream_that_loses_an_index_keeps_the_other_going() {
    let site = Site::standing();
    site.env.upstream.files().remove(&format!("{COMMUNITY}/APKINDEX.tar.gz"));
    site.main(2, &[&hello("1.1-r0").build(&UPSTREAM), &libgreet().build(&UPSTREAM)]);
    site.env.bivouac(&["sync"]).exits_with(4);
    assert!(site.live().contains(&"hello-1.1-r0".to_owned()));
    site.watch.stop();
}
