//! What is damaged is neither recorded as right nor shown on in silence, and one thing that cannot be mended holds up no other.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::env::{Env, rot};
use super::fixture::{UPSTREAM, hex};
use super::site::{COMMUNITY, MAIN, SOURCES, extra, hello, libgreet, publish};
use super::upstream::Fault;

/// Two repositories, one of each of upstream's; `rules` are further keys of the first.
fn configure(env: &Env, rules: &str) {
    env.configure(&format!(
        "{SOURCES}\n[[repositories]]\nname = \"v3.23/one\"\narches = [\"x86_64\"]\nfrom = [\"up:v3.23/main\"]\n{rules}\n\
         [[repositories]]\nname = \"v3.23/two\"\narches = [\"x86_64\"]\nfrom = [\"up:v3.23/community\"]\n"
    ));
}

fn standing() -> Env {
    let env = Env::new();
    std::fs::create_dir_all(env.path("packages")).unwrap();
    publish(&env, MAIN, 1, &[&hello("1.0-r0").build(&UPSTREAM), &libgreet().build(&UPSTREAM)], &UPSTREAM);
    publish(&env, COMMUNITY, 1, &[&extra("1.0-r0").build(&UPSTREAM)], &UPSTREAM);
    configure(&env, "");
    env.bivouac(&["sync"]).exits_with(0);
    env.upstream.take_log();
    env
}

fn index(env: &Env) -> PathBuf {
    env.public().join("v3.23/one/x86_64/APKINDEX.tar.gz")
}

/// What the record of a generation says of the first repository.
fn recorded(env: &Env, number: u64) -> Value {
    let text = std::fs::read_to_string(env.path(&format!("store/generations/{number}.json"))).unwrap();
    let record: Value = serde_json::from_str(&text).unwrap();
    let state = &record["repositories"][0];
    assert_eq!(state["name"], "v3.23/one", "{record}");
    serde_json::json!([state["index"], state["inputs"], state["signers"], state["published"]])
}

/// The next state of what the second repository takes.
fn news(env: &Env, version: &str) {
    publish(env, COMMUNITY, 2, &[&extra(version).build(&UPSTREAM)], &UPSTREAM);
}

const SHUT: &str = "must_install = [\"nobody-has-this\"]";
const TOLD: &str = "the index file of v3.23/one/x86_64 is not what was published";

#[test]
fn a_publication_that_shows_a_rotten_index_on_records_what_was_published() {
    let env = standing();
    let (right, before) = (std::fs::read(index(&env)).unwrap(), recorded(&env, 1));
    rot(&index(&env));
    // The gate is shut for it, and the other is another: a generation is made, with the rotten file.
    news(&env, "1.1-r0");
    configure(&env, SHUT);
    env.bivouac(&["sync", "--no-publish"]);
    env.bivouac(&["publish"]).exits_with(5).tells(&[TOLD, "is held: ", "`bivouac repair --from PATH`"]);
    assert_eq!(env.live("v3.23/two", "x86_64"), ["extra-1.1-r0"]);
    assert_eq!(recorded(&env, 2), before);
    // So the right bytes are known when they come.
    env.write("found/APKINDEX.tar.gz", &right);
    env.bivouac(&["repair", "--from", "found"]).exits_with(0);
    assert_eq!(std::fs::read(index(&env)).unwrap(), right);
    env.bivouac(&["check"]).exits_with(0);
}

#[test]
fn a_sync_that_makes_a_tree_makes_a_rotten_index_anew() {
    for harm in [|path: &Path| rot(path), |path: &Path| std::fs::remove_file(path).unwrap()] {
        let env = standing();
        harm(&index(&env));
        // Without news nothing is read.
        env.bivouac(&["sync"]).exits_with(0);
        assert_eq!(env.live("v3.23/two", "x86_64"), ["extra-1.0-r0"]);
        news(&env, "1.1-r0");
        env.bivouac(&["sync"]).exits_with(0);
        assert_eq!(env.live("v3.23/two", "x86_64"), ["extra-1.1-r0"]);
        assert_eq!(env.live("v3.23/one", "x86_64"), ["hello-1.0-r0", "libgreet-1.0-r0"]);
        env.bivouac(&["check"]).exits_with(0);
    }
}

#[test]
fn a_sync_that_shows_a_rotten_index_on_says_so() {
    let env = standing();
    let before = recorded(&env, 1);
    rot(&index(&env));
    news(&env, "1.1-r0");
    // The run is not about it.
    let run = env.bivouac(&["--json", "sync", "v3.23/two"]);
    run.exits_with(5).tells(&[TOLD]);
    assert_eq!(run.json()["still_damaged"], serde_json::json!(["v3.23/one/x86_64"]), "{run}");
    assert_eq!(env.live("v3.23/two", "x86_64"), ["extra-1.1-r0"]);
    assert_eq!(recorded(&env, 2), before);
    // A gate keeps it.
    news(&env, "1.2-r0");
    configure(&env, SHUT);
    env.bivouac(&["sync"]).exits_with(5).tells(&[TOLD, "must_install"]);
    assert_eq!(recorded(&env, 3), before);
}

fn bytes() -> Vec<u8> {
    hello("1.0-r0").build(&UPSTREAM).bytes
}

const FILE: &str = "hello-1.0-r0.apk";

fn live(env: &Env) -> PathBuf {
    env.public().join("v3.23/one/x86_64").join(FILE)
}

fn extra_live(env: &Env) -> PathBuf {
    env.public().join("v3.23/two/x86_64/extra-1.0-r0.apk")
}

fn object(env: &Env, bytes: &[u8]) -> PathBuf {
    let name = hex(&Sha256::digest(bytes));
    env.path(&format!("store/pool/objects/{}/{name}", &name[..2]))
}

/// All is as it was published.
#[track_caller]
fn is_whole(env: &Env) {
    assert_eq!(std::fs::read(live(env)).unwrap(), bytes());
    assert!(std::fs::symlink_metadata(object(env, &bytes())).unwrap().is_file());
    env.bivouac(&["check", "--deep"]).exits_with(0);
}

#[test]
fn known_damage_alone_is_read_and_nothing_unread_is_shown() {
    let env = standing();
    // No check has seen it yet.
    rot(&object(&env, &bytes()));
    std::fs::remove_file(live(&env)).unwrap();
    env.bivouac(&["repair", "--known"]).exits_with(0);
    assert_eq!(env.upstream.take_log().len(), 1);
    is_whole(&env);
}

#[test]
fn links_are_neither_objects_nor_files_of_a_tree() {
    let env = standing();
    for known in [&["repair"][..], &["repair", "--known"]] {
        let object = object(&env, &bytes());
        std::fs::rename(&object, env.path("elsewhere")).unwrap();
        std::os::unix::fs::symlink(env.path("elsewhere"), &object).unwrap();
        std::fs::remove_file(live(&env)).unwrap();
        env.bivouac(known).exits_with(0);
        assert_eq!(env.upstream.take_log().len(), 1);
        is_whole(&env);
        for path in [live(&env), index(&env)] {
            std::fs::rename(&path, env.path("aside")).unwrap();
            std::os::unix::fs::symlink(env.path("aside"), &path).unwrap();
            env.write("found/APKINDEX.tar.gz", &std::fs::read(env.path("aside")).unwrap());
            env.bivouac(&[known, &["--from", "found"]].concat()).exits_with(0);
            assert!(std::fs::symlink_metadata(&path).unwrap().is_file());
        }
        is_whole(&env);
    }
}

#[test]
fn a_damaged_record_holds_up_nothing_that_does_not_need_it() {
    let snapshot = |env: &Env| env.files_below("store/snapshots").into_iter().next().unwrap();
    let generation = |env: &Env| env.path("store/generations/1.json");
    let signing = |env: &Env| env.files_below("store").into_iter().find(|path| path.ends_with("signing.json")).unwrap();
    for record in [&snapshot as &dyn Fn(&Env) -> PathBuf, &generation, &signing] {
        let env = standing();
        let path = record(&env);
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        std::fs::write(&path, b"nonsense").unwrap();
        rot(&object(&env, &bytes()));
        let run = env.bivouac(&["repair"]);
        assert!(run.exits_with(5).stdout.contains(path.to_str().unwrap()), "{run}");
        assert_eq!(std::fs::read(object(&env, &bytes())).unwrap(), bytes());
        // Gone, it is told as well.
        std::fs::remove_file(&path).unwrap();
        if !path.ends_with("signing.json") {
            env.bivouac(&["repair"]).exits_with(5);
        }
    }
}

#[test]
fn a_tree_that_is_gone_is_made_again_from_its_record() {
    let env = standing();
    std::fs::create_dir(env.path("found")).unwrap();
    for (number, name) in ["one", "two"].into_iter().enumerate() {
        let folder = env.path(&format!("found/{number}"));
        std::fs::create_dir(&folder).unwrap();
        let index = env.public().join(format!("v3.23/{name}/x86_64/APKINDEX.tar.gz"));
        std::fs::rename(index, folder.join("APKINDEX.tar.gz")).unwrap();
    }
    std::fs::remove_dir_all(env.path("site/.generations/1")).unwrap();
    let run = env.bivouac(&["repair"]);
    assert_eq!(run.exits_with(5).stdout.matches("(index-missing)").count(), 2, "{run}");
    assert_eq!(std::fs::read(live(&env)).unwrap(), bytes());
    env.bivouac(&["repair", "--from", "found"]).exits_with(0);
    is_whole(&env);
    assert!(env.upstream.take_log().is_empty());
}

#[test]
fn trees_beside_live_are_seen_again_where_live_is_gone() {
    let env = standing();
    env.bivouac(&["publish", "--as", "qa"]).exits_with(0);
    let beside = env.public().join("@qa/v3.23/one/x86_64");
    let right = std::fs::read(beside.join("APKINDEX.tar.gz")).unwrap();
    std::fs::remove_dir_all(env.path("site/.generations/1")).unwrap();
    env.bivouac(&["repair"]).exits_with(0);
    assert_eq!(std::fs::read(beside.join("APKINDEX.tar.gz")).unwrap(), right);
    is_whole(&env);
}

#[test]
fn a_lost_index_that_a_gate_holds_is_told_with_what_the_gate_says() {
    let env = standing();
    std::fs::remove_file(index(&env)).unwrap();
    configure(&env, SHUT);
    // Nothing else is new.
    env.bivouac(&["publish"]).exits_with(5).tells(&[TOLD, "is held: ", "must_install", "nobody-has-this"]);
    // Something is.
    news(&env, "1.1-r0");
    env.bivouac(&["sync"]).exits_with(5).tells(&[TOLD, "is held: ", "nobody-has-this"]);
}

#[test]
fn a_public_link_that_is_gone_leads_again_to_what_was_live() {
    let env = standing();
    news(&env, "1.1-r0");
    env.bivouac(&["sync"]).exits_with(0);
    std::fs::remove_file(env.public()).unwrap();
    let run = env.bivouac(&["repair", "--dry-run"]);
    assert!(run.exits_with(0).stdout.contains("would come from the record of what was live"), "{run}");
    assert!(!env.public().exists());
    env.bivouac(&["repair"]).exits_with(0);
    assert_eq!(env.live("v3.23/two", "x86_64"), ["extra-1.1-r0"]);
    is_whole(&env);
}

#[test]
fn one_thing_in_the_way_stops_nothing_else() {
    let env = standing();
    let extra = extra("1.0-r0").build(&UPSTREAM).bytes;
    let mend_the_other = |words: &str| {
        rot(&object(&env, &extra));
        let run = env.bivouac(&["repair"]);
        assert!([1, 5].contains(&run.code.unwrap()) && run.stdout.contains(words), "{run}");
        assert_eq!(std::fs::read(extra_live(&env)).unwrap(), extra);
        run.code.unwrap()
    };
    // A file where a folder of objects belongs.
    let shard = object(&env, &bytes()).parent().unwrap().to_owned();
    std::fs::remove_dir_all(&shard).unwrap();
    std::fs::write(&shard, b"junk").unwrap();
    std::fs::remove_file(live(&env)).unwrap();
    mend_the_other(shard.to_str().unwrap());
    env.write("found/hello", &bytes());
    env.upstream.take_log();
    env.bivouac(&["repair", "--from", "found"]).exits_with(5);
    assert!(env.upstream.take_log().is_empty(), "what has no place is not fetched");
    std::fs::remove_file(&shard).unwrap();
    env.bivouac(&["repair"]).exits_with(0);
    is_whole(&env);

    // A folder where an object is written.
    rot(&object(&env, &bytes()));
    let name = hex(&Sha256::digest(bytes()));
    let part = env.path(&format!("store/pool/incoming/{name}.part"));
    std::fs::create_dir_all(&part).unwrap();
    assert_eq!(mend_the_other(&name), 1);
    std::fs::remove_dir(&part).unwrap();
    env.bivouac(&["repair"]).exits_with(0);
    is_whole(&env);

    // A file where a repository was.
    let folder = env.public().join("v3.23/one/x86_64");
    std::fs::rename(&folder, env.path("aside")).unwrap();
    std::fs::write(&folder, b"junk").unwrap();
    mend_the_other("another name in");
    std::fs::remove_file(&folder).unwrap();
    env.bivouac(&["repair", "--from", "aside"]).exits_with(0);
    is_whole(&env);
}

#[test]
fn what_is_at_hand_waits_for_nobody() {
    let env = standing();
    rot(&object(&env, &bytes()));
    std::fs::remove_file(extra_live(&env)).unwrap();
    let libgreet = libgreet().build(&UPSTREAM);
    rot(&object(&env, &libgreet.bytes));
    env.write("found/libgreet", &libgreet.bytes);
    env.upstream.fail_always(&format!("{MAIN}/{FILE}"), Fault::Silence);
    let mut run = env.start(&["repair", "--from", "found"]);
    while env.upstream.take_log().is_empty() {
        assert!(run.try_wait().unwrap().is_none(), "it waits for upstream");
        std::thread::yield_now();
    }
    assert_eq!(std::fs::read(extra_live(&env)).unwrap(), extra("1.0-r0").build(&UPSTREAM).bytes);
    let other = env.public().join("v3.23/one/x86_64").join(&libgreet.file);
    assert_eq!(std::fs::read(other).unwrap(), libgreet.bytes);
    run.kill().unwrap();
    run.wait().unwrap();
    env.upstream.mend();
    env.bivouac(&["repair"]).exits_with(0);
    is_whole(&env);
}

#[test]
fn a_seed_that_is_not_there_may_have_it_and_a_refusal_goes_before() {
    let env = standing();
    let text = std::fs::read_to_string(env.path("bivouac.toml")).unwrap();
    env.write("bivouac.toml", text.replace("timeout = \"1s\"", "timeout = \"1s\"\nseed = [\"old\"]").as_bytes());
    rot(&object(&env, &bytes()));
    env.upstream.files().remove(&format!("{MAIN}/{FILE}"));
    let run = env.bivouac(&["repair"]);
    assert!(run.exits_with(4).stdout.contains("a seed of source \"up\": there is no "), "{run}");
    let mut other = bytes();
    *other.last_mut().unwrap() ^= 1;
    env.upstream.put(&format!("{MAIN}/{FILE}"), other);
    env.bivouac(&["repair"]).exits_with(3);
}

#[test]
fn a_folder_is_searched_for_backups_and_packages_alike() {
    let env = standing();
    let text = std::fs::read_to_string(env.path("bivouac.toml")).unwrap();
    env.write("bivouac.toml", format!("{text}\n[backups.disk]\ntarget = \"media/disk\"\ntool = false\n").as_bytes());
    std::fs::create_dir_all(env.path("media/disk")).unwrap();
    env.bivouac(&["backup", "init"]).exits_with(0);
    env.bivouac(&["backup"]).exits_with(0);
    env.write("bivouac.toml", text.as_bytes());
    let extra = extra("1.0-r0").build(&UPSTREAM).bytes;
    env.write("media/disk/\u{1b}[31mfound", &extra);
    rot(&object(&env, &bytes()));
    rot(&object(&env, &extra));
    for file in [format!("{MAIN}/{FILE}"), format!("{COMMUNITY}/extra-1.0-r0.apk")] {
        env.upstream.files().remove(&file);
    }
    let run = env.bivouac(&["repair", "--from", "media"]);
    assert!(run.exits_with(0).stdout.contains(&format!("{FILE} came from backup ")), "{run}");
    assert!(run.stdout.contains("\\u{1b}[31mfound") && !run.stdout.contains('\u{1b}'), "{run}");
    is_whole(&env);
}
