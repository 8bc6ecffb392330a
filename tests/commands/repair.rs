//! `repair`: what was lost or garbled comes back from the nearest who has it, and what nobody has is told.

use std::collections::BTreeMap;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::env::{Env, rot};
use super::fixture::{CORP, UPSTREAM, hex};
use super::site::{MAIN, REPOSITORY, SOURCES, Site, hello, libgreet};
use super::upstream::Fault;

const FILE: &str = "hello-1.0-r0.apk";

/// A mirror that stands, its upstream's log empty. `rest` follows the configuration.
fn standing(rest: &str) -> Env {
    let Site { env, watch } = Site::standing();
    // What is harmed on purpose is not the watcher's to see.
    watch.stop();
    if !rest.is_empty() {
        env.configure(&format!("{SOURCES}{REPOSITORY}{rest}"));
        env.bivouac(&["sync"]).exits_with(0);
        env.upstream.take_log();
    }
    env
}

/// The bytes that upstream published.
fn published() -> Vec<u8> {
    hello("1.0-r0").build(&UPSTREAM).bytes
}

fn live(env: &Env, file: &str) -> PathBuf {
    env.public().join("v3.23/site/x86_64").join(file)
}

/// Where the pool has these bytes.
fn object(env: &Env, bytes: &[u8]) -> PathBuf {
    let name = hex(&Sha256::digest(bytes));
    env.path(&format!("store/pool/objects/{}/{name}", &name[..2]))
}

/// The pool's object of [`FILE`], garbled, and with it every name that leads there.
fn rotten(env: &Env) -> PathBuf {
    let path = object(env, &published());
    rot(&path);
    assert_ne!(std::fs::read(live(env, FILE)).unwrap(), published(), "the tree has a link to it");
    env.bivouac(&["check"]).exits_with(5);
    path
}

/// Repairs, with `code`; what came, as `[file, from]` each.
#[track_caller]
fn repaired(env: &Env, arguments: &[&str], code: i32) -> (Value, Vec<[String; 2]>) {
    let report = env.bivouac(&[&["--json", "repair"], arguments].concat()).exits_with(code).json();
    let text = |one: &Value, key: &str| one[key].as_str().unwrap().to_owned();
    let came = report["repaired"].as_array().unwrap().iter();
    let came = came.map(|one| [text(one, "file"), text(one, "from")]).collect();
    (report, came)
}

/// All is what it was: clients get the right bytes, stored once, and every check agrees.
#[track_caller]
fn is_whole(env: &Env) {
    assert_eq!(std::fs::read(live(env, FILE)).unwrap(), published());
    let object = std::fs::metadata(object(env, &published())).unwrap();
    assert_eq!(object.permissions().mode() & 0o7777, 0o444);
    let shown = std::fs::metadata(live(env, FILE)).unwrap();
    assert_eq!((object.dev(), object.ino()), (shown.dev(), shown.ino()), "it is stored once");
    env.bivouac(&["check", "--deep"]).exits_with(0);
    let again = env.bivouac(&["--json", "repair"]).exits_with(0).json();
    assert_eq!((&again["findings"], &again["repaired"]), (&json!([]), &json!([])), "{again}");
    assert_eq!(env.files_below("store/pool/incoming"), Vec::<PathBuf>::new());
}

fn codes(report: &Value) -> Vec<&str> {
    report["findings"].as_array().unwrap().iter().map(|one| one["code"].as_str().unwrap()).collect()
}

/// Every file below the root with its bytes, inode, mode and times.
fn all(env: &Env) -> BTreeMap<PathBuf, (u64, u32, i64, i64, Vec<u8>)> {
    let files = ["store", "site"].into_iter().flat_map(|top| env.files_below(top));
    files
        .map(|path| {
            let found = std::fs::symlink_metadata(&path).unwrap();
            let bytes = if found.is_symlink() { Vec::new() } else { std::fs::read(&path).unwrap() };
            (path, (found.ino(), found.mode(), found.mtime(), found.mtime_nsec(), bytes))
        })
        .collect()
}

#[test]
fn a_rotten_object_is_fetched_again_with_one_request() {
    let env = standing("");
    rotten(&env);
    let (report, came) = repaired(&env, &[], 0);
    assert_eq!(came, [[FILE, "source \"up\""]]);
    assert_eq!((&report["findings"], &report["relinked"]), (&json!([]), &1.into()), "{report}");
    let log = env.upstream.take_log();
    let asked: Vec<_> = log.iter().map(|request| (&*request.path, request.status)).collect();
    assert_eq!(asked, [(&*format!("{MAIN}/{FILE}"), 200)]);
    is_whole(&env);
    assert!(env.upstream.take_log().is_empty(), "what is right is not asked for");
}

#[test]
fn what_a_check_remembered_as_damaged_is_forgotten() {
    let env = standing("");
    rotten(&env);
    let damaged = || std::fs::read_to_string(env.path("store/runs/damaged")).unwrap_or_default();
    assert_eq!(damaged().lines().count(), 1);
    // Nothing else is read again where only that is asked for.
    let (report, came) = repaired(&env, &["--known"], 0);
    assert_eq!((&report["checked"]["objects"], came.len()), (&1.into(), 1), "{report}");
    assert_eq!(damaged(), "");
    is_whole(&env);
}

#[test]
fn a_lost_object_comes_from_a_tree_and_is_stored_once_again() {
    let env = standing("");
    std::fs::remove_file(object(&env, &published())).unwrap();
    let (_, came) = repaired(&env, &[], 0);
    assert_eq!(came.len(), 1);
    assert_eq!(came[0][0], FILE);
    assert!(came[0][1].ends_with(&format!("/v3.23/site/x86_64/{FILE}")), "{came:?}");
    assert!(env.upstream.take_log().is_empty());
    is_whole(&env);
}

#[test]
fn a_lost_object_and_its_lost_name_are_fetched_again() {
    let env = standing("");
    std::fs::remove_file(object(&env, &published())).unwrap();
    std::fs::remove_file(live(&env, FILE)).unwrap();
    let (_, came) = repaired(&env, &[], 0);
    assert_eq!(came.len(), 2, "{came:?}");
    assert_eq!(came[1][1], "the pool");
    is_whole(&env);
}

#[test]
fn a_whole_pool_that_was_lost_comes_back() {
    let env = standing("");
    let trees: Vec<PathBuf> = env.files_below("site").into_iter().filter(|path| path.ends_with(FILE)).collect();
    assert_eq!(trees.len(), 1);
    for path in env.files_below("store/pool/objects") {
        rot(&path);
    }
    // A directory source has its own; the rest is upstream's.
    let (_, came) = repaired(&env, &[], 0);
    let tool = came.iter().find(|one| one[0] == "corp-tool-1.0-r0.apk").unwrap();
    assert!(tool[1].ends_with("packages/corp-tool-1.0-r0.apk"), "{came:?}");
    assert_eq!((came.len(), env.upstream.take_log().len()), (4, 3), "{came:?}");
    is_whole(&env);
}

#[test]
fn a_seed_goes_before_the_wire() {
    let env = standing("");
    let text = std::fs::read_to_string(env.path("bivouac.toml")).unwrap();
    env.write("bivouac.toml", text.replace("timeout = \"1s\"", "timeout = \"1s\"\nseed = [\"old\"]").as_bytes());
    let other = libgreet().build(&CORP);
    env.write("old/x86_64/hello-1.0-r0.apk", &other.bytes);
    env.write("old/v3.23/main/x86_64/hello-1.0-r0.apk", &published());
    rotten(&env);
    let (_, came) = repaired(&env, &[], 0);
    assert!(came[0][1].ends_with(&format!("old/v3.23/main/x86_64/{FILE}")), "{came:?}");
    assert!(env.upstream.take_log().is_empty());
    is_whole(&env);
}

#[test]
fn a_backup_brings_back_what_upstream_has_no_more() {
    for deltas in ["false", "true"] {
        let env = standing(&format!("[backups.disk]\ntarget = \"disk\"\ntool = false\ndeltas = {deltas}\n"));
        std::fs::create_dir(env.path("disk")).unwrap();
        env.bivouac(&["backup", "init"]).exits_with(0);
        env.bivouac(&["backup"]).exits_with(0);
        env.upstream.files().remove(&format!("{MAIN}/{FILE}"));
        rotten(&env);
        let (_, came) = repaired(&env, &[], 0);
        assert!(came[0][1].starts_with("backup 2") && came[0][1].ends_with("/disk"), "{came:?}");
        assert!(env.upstream.take_log().is_empty());
        is_whole(&env);

        // Also where the configuration does not name it, and an index that nobody else has.
        env.configure(&format!("{SOURCES}{REPOSITORY}"));
        rotten(&env);
        rot(&live(&env, "APKINDEX.tar.gz"));
        let (report, _) = repaired(&env, &[], 5);
        assert_eq!(codes(&report), ["object-damaged", "index-damaged"], "{report}");
        let (_, came) = repaired(&env, &["--from", "disk"], 0);
        assert_eq!(came.len(), 2, "{came:?}");
        is_whole(&env);
    }
}

#[test]
fn a_disk_that_is_not_mounted_may_have_it() {
    let env = standing("[backups.disk]\ntarget = \"disk\"\ntool = false\n");
    env.upstream.files().remove(&format!("{MAIN}/{FILE}"));
    rotten(&env);
    let run = env.bivouac(&["repair"]);
    run.exits_with(4);
    for words in ["backup \"disk\": ", "there is no backup target at", "404", "hint: mount what is missing"] {
        assert!(run.stdout.contains(words), "{words}: {run}");
    }
}

#[test]
fn what_nobody_has_stays_as_it_is_and_is_told_until_somebody_brings_it() {
    let env = standing("");
    env.upstream.files().remove(&format!("{MAIN}/{FILE}"));
    let path = rotten(&env);
    let garbled = std::fs::read(&path).unwrap();
    let (report, came) = repaired(&env, &[], 5);
    assert!(came.is_empty(), "{report}");
    let finding = &report["findings"][0];
    assert_eq!(
        (finding["code"].as_str(), finding["subject"].as_str()),
        (Some("object-damaged"), path.to_str()),
        "{report}"
    );
    for words in [FILE, "404"] {
        assert!(finding["message"].as_str().unwrap().contains(words), "{report}");
    }
    assert!(finding["hint"].as_str().unwrap().contains("bivouac repair --from PATH"), "{report}");
    assert_eq!(std::fs::read(&path).unwrap(), garbled, "somebody may still save what is left of it");
    assert_eq!(env.files_below("store/pool/incoming"), Vec::<PathBuf>::new());

    // A folder of anything, in which it is called anything.
    env.write("found/deep/er/what-is-this", &published());
    let mut wrong = published();
    wrong[100] ^= 1;
    env.write("found/a-first-one-of-that-size", &wrong);
    let (_, came) = repaired(&env, &["--from", "found"], 0);
    assert!(came[0][1].ends_with("found/deep/er/what-is-this"), "{came:?}");
    is_whole(&env);
}

#[test]
fn a_package_by_itself_will_do() {
    let env = standing("");
    env.upstream.files().remove(&format!("{MAIN}/{FILE}"));
    rotten(&env);
    env.write("one.apk", &published());
    repaired(&env, &["--from", "one.apk"], 0);
    is_whole(&env);
    for _ in ["nothing is wrong", "something is"] {
        env.bivouac(&["repair", "--from", "none.apk"]).exits_with(4).tells(&["none.apk"]);
        rot(&object(&env, &published()));
    }
}

#[test]
fn other_bytes_under_the_same_name_are_refused() {
    let env = standing("");
    let path = rotten(&env);
    let garbled = std::fs::read(&path).unwrap();
    let mut rebuilt = published();
    let last = rebuilt.len() - 1;
    rebuilt[last] ^= 1;
    for other in [rebuilt, hello("1.0-r0").with_noise(500).build(&UPSTREAM).bytes] {
        env.upstream.put(&format!("{MAIN}/{FILE}"), other);
        let (report, came) = repaired(&env, &[], 3);
        assert_eq!((codes(&report), came.len()), (vec!["object-damaged"], 0), "{report}");
        assert_eq!(std::fs::read(&path).unwrap(), garbled);
        assert_eq!(env.files_below("store/pool/incoming"), Vec::<PathBuf>::new());
    }
    env.upstream.put(&format!("{MAIN}/{FILE}"), published());
    repaired(&env, &[], 0);
    is_whole(&env);
}

#[test]
fn a_cut_answer_is_gone_on_from() {
    let env = standing("");
    rotten(&env);
    env.upstream.fail(&format!("{MAIN}/{FILE}"), [Fault::CutAfter(300)]);
    repaired(&env, &[], 0);
    let log = env.upstream.take_log();
    assert_eq!(log.len(), 2, "{log:?}");
    assert_eq!(log[1].range.as_deref(), Some("bytes=300-"), "{log:?}");
    is_whole(&env);
}

#[test]
fn files_of_trees_are_put_right_from_the_pool() {
    let env = standing("");
    let folder = env.public().join("v3.23/site/x86_64");
    std::fs::remove_file(folder.join(FILE)).unwrap();
    std::fs::remove_file(folder.join("extra-1.0-r0.apk")).unwrap();
    std::fs::write(folder.join("extra-1.0-r0.apk"), b"other bytes").unwrap();
    env.bivouac(&["check"]).exits_with(5);
    let (_, came) = repaired(&env, &[], 0);
    assert_eq!(came.len(), 2, "{came:?}");
    assert!(came.iter().all(|one| one[1] == "the pool"), "{came:?}");
    is_whole(&env);
    std::fs::remove_dir_all(&folder).unwrap();
    let (report, came) = repaired(&env, &[], 5);
    assert_eq!((codes(&report), came.len()), (vec!["index-missing"], 4), "{report}");
    assert_eq!(std::fs::metadata(&folder).unwrap().permissions().mode() & 0o7777, 0o755);
}

#[test]
fn a_tree_on_another_file_system_has_copies_which_are_put_right_and_give_back() {
    let Ok(there) = tempfile::tempdir_in("/dev/shm") else {
        println!("skipped: no second file system at /dev/shm");
        return;
    };
    let env = standing("");
    if std::fs::metadata(env.path("")).unwrap().dev() == std::fs::metadata(there.path()).unwrap().dev() {
        println!("skipped: /dev/shm is the file system of the temporary folder");
        return;
    }
    let public = there.path().join("alpine");
    let text = std::fs::read_to_string(env.path("bivouac.toml")).unwrap();
    env.write("bivouac.toml", text.replace("site/alpine", public.to_str().unwrap()).as_bytes());
    env.bivouac(&["sync"]).exits_with(0);
    env.upstream.take_log();
    let copy = public.join("v3.23/site/x86_64").join(FILE);
    rot(&copy);
    env.bivouac(&["check"]).exits_with(5);
    let (_, came) = repaired(&env, &[], 0);
    assert_eq!(came, [[copy.canonicalize().unwrap().to_str().unwrap(), "the pool"]]);
    assert_eq!(std::fs::read(&copy).unwrap(), published());
    env.bivouac(&["check"]).exits_with(0);

    rot(&object(&env, &published()));
    let (_, came) = repaired(&env, &[], 0);
    assert_eq!(came, [[FILE, copy.canonicalize().unwrap().to_str().unwrap()]]);
    assert!(env.upstream.take_log().is_empty());
    env.bivouac(&["check", "--deep"]).exits_with(0);
}

#[test]
fn an_index_of_upstreams_comes_from_what_was_accepted_with_its_date() {
    let env = standing("\n[[repositories]]\nfrom = [\"up:v3.23/main\"]\narches = [\"x86_64\"]\nindex = \"upstream\"\n");
    let index = env.public().join("v3.23/main/x86_64/APKINDEX.tar.gz");
    let (bytes, before) = (std::fs::read(&index).unwrap(), std::fs::metadata(&index).unwrap());
    rot(&index);
    env.bivouac(&["check"]).exits_with(5);
    let (_, came) = repaired(&env, &[], 0);
    assert!(came[0][1].starts_with("what was accepted of v3.23/main/x86_64"), "{came:?}");
    let after = std::fs::metadata(&index).unwrap();
    assert_eq!((std::fs::read(&index).unwrap(), after.mode()), (bytes, before.mode()));
    assert_eq!(after.modified().unwrap(), before.modified().unwrap(), "clients ask by it");
    std::fs::remove_file(&index).unwrap();
    repaired(&env, &[], 0);
    assert!(env.upstream.take_log().is_empty());
    env.bivouac(&["check", "--deep"]).exits_with(0);
}

#[test]
fn a_record_of_what_was_accepted_comes_from_where_it_is_published_or_from_a_backup() {
    let main = "\n[[repositories]]\nfrom = [\"up:v3.23/main\"]\narches = [\"x86_64\"]\nindex = \"upstream\"\n";
    let env = standing(&format!("{main}[backups.disk]\ntarget = \"disk\"\ntool = false\n"));
    std::fs::create_dir(env.path("disk")).unwrap();
    env.bivouac(&["backup", "init"]).exits_with(0);
    env.bivouac(&["backup"]).exits_with(0);
    std::fs::rename(env.path("disk"), env.path("away")).unwrap();
    let records = env.files_below("store/accepted").into_iter().filter(|path| path.ends_with("APKINDEX.tar.gz"));
    let records: Vec<(PathBuf, Vec<u8>)> = records.map(|path| (path.clone(), std::fs::read(path).unwrap())).collect();
    assert_eq!(records.len(), 3);
    records.iter().for_each(|(path, _)| rot(path));
    // Main's own is in the tree; the others were merged into ours.
    let (report, came) = repaired(&env, &[], 4);
    assert_eq!((codes(&report), came.len()), (vec!["record-damaged"; 2], 1), "{report}");
    assert!(came[0][1].ends_with("/v3.23/main/x86_64/APKINDEX.tar.gz"), "{came:?}");
    let (_, came) = repaired(&env, &["--from", "away"], 0);
    assert!(came.len() == 2 && came.iter().all(|one| one[1].starts_with("backup ")), "{came:?}");
    for (path, bytes) in records {
        assert_eq!(std::fs::read(&path).unwrap(), bytes);
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o400);
    }
    assert!(env.upstream.take_log().is_empty());
    is_whole(&env);
}

#[test]
fn what_only_lingers_is_asked_for_where_its_repository_takes_from() {
    let env = standing("\n[retain]\nsnapshots = { last = 1 }\ngenerations = { last = 1 }\n");
    super::site::publish(&env, MAIN, 2, &[&hello("1.1-r0").build(&UPSTREAM), &libgreet().build(&UPSTREAM)], &UPSTREAM);
    env.bivouac(&["sync"]).exits_with(0);
    assert_eq!(env.files_below("store/accepted").len() / 3, 3, "nobody remembers whose it was");
    env.upstream.take_log();
    let path = object(&env, &published());
    rot(&path);
    let (_, came) = repaired(&env, &[], 0);
    assert_eq!(came, [[FILE, "source \"up\""]]);
    is_whole(&env);

    // Unless its name is another's: upstream hears nothing of it.
    let text = std::fs::read_to_string(env.path("bivouac.toml")).unwrap();
    let reserved = text.replace("directory = \"packages\"", "directory = \"packages\"\nreserve = [\"hell*\"]");
    env.write("bivouac.toml", reserved.as_bytes());
    rot(&path);
    env.upstream.take_log();
    repaired(&env, &[], 5);
    assert!(env.upstream.take_log().is_empty());
}

#[test]
fn an_index_of_ours_that_nobody_has_is_made_anew_by_publish() {
    for harm in [|path: &Path| rot(path), |path: &Path| std::fs::remove_file(path).unwrap()] {
        let env = standing("");
        let index = live(&env, "APKINDEX.tar.gz");
        harm(&index);
        let (report, _) = repaired(&env, &[], 5);
        let finding = &report["findings"][0];
        assert!(finding["code"].as_str().unwrap().starts_with("index-"), "{report}");
        assert!(finding["hint"].as_str().unwrap().starts_with("`bivouac publish` makes it anew"), "{report}");
        // The hint is true.
        env.bivouac(&["publish"]).exits_with(0);
        env.bivouac(&["check"]).exits_with(0);
        assert_eq!(env.live("v3.23/site", "x86_64"), super::site::FIRST);
        let again = env.bivouac(&["--json", "publish"]).exits_with(0).json();
        assert_eq!(again["published"], false, "once is enough: {again}");
    }
}

#[test]
fn an_index_shared_by_trees_comes_from_one_that_has_it() {
    let env = standing("\n[publish]\nto = \"qa\"\n");
    // Live and @qa show the same index, one file under two names.
    let beside = env.public().join("@qa/v3.23/site/x86_64/APKINDEX.tar.gz");
    let bytes = std::fs::read(&beside).unwrap();
    assert_eq!(bytes, std::fs::read(live(&env, "APKINDEX.tar.gz")).unwrap());
    std::fs::remove_file(&beside).unwrap();
    let (_, came) = repaired(&env, &[], 0);
    assert!(came[0][1].ends_with("/v3.23/site/x86_64/APKINDEX.tar.gz"), "{came:?}");
    let inode = |path: &Path| std::fs::metadata(path).unwrap().ino();
    assert_eq!(inode(&beside), inode(&live(&env, "APKINDEX.tar.gz")));
    env.bivouac(&["check", "--deep"]).exits_with(0);
}

#[test]
fn a_dry_run_changes_nothing_and_asks_nobody() {
    let env = standing("");
    rotten(&env);
    std::fs::remove_file(live(&env, "extra-1.0-r0.apk")).unwrap();
    let before = all(&env);
    let (report, would) = repaired(&env, &["--dry-run"], 0);
    assert_eq!(report["dry_run"], true);
    assert_eq!(would.iter().map(|one| &*one[1]).collect::<Vec<_>>(), ["source \"up\"", "the pool"], "{would:?}");
    let told = env.bivouac(&["repair", "--dry-run"]);
    assert!(told.exits_with(0).stdout.contains(&format!("{FILE} would come from source \"up\"")), "{told}");
    assert!(all(&env) == before, "something changed");
    assert!(env.upstream.take_log().is_empty());
    let (_, came) = repaired(&env, &[], 0);
    assert_eq!(came, would);
    is_whole(&env);
}

#[test]
fn small_things_are_put_right_too_and_what_is_not_ours_is_told() {
    let env = standing("");
    let path = object(&env, &published());
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o400)).unwrap();
    let refs = env.path("store/pool/refs");
    let text = std::fs::read_to_string(&refs).unwrap();
    std::fs::write(&refs, format!("{text}nonsense\n")).unwrap();
    env.bivouac(&["check"]).exits_with(5);
    let (_, came) = repaired(&env, &[], 0);
    assert_eq!(came.len(), 2, "{came:?}");
    is_whole(&env);
    assert_eq!(std::fs::read_to_string(&refs).unwrap().lines().count(), text.lines().count());
    env.write("store/pool/objects/mine", b"");
    let (report, _) = repaired(&env, &[], 5);
    assert_eq!(codes(&report), ["pool-foreign-file"], "{report}");
    std::fs::remove_file(env.path("store/pool/objects/mine")).unwrap();

    // Folders where files belong are somebody's, and stop nothing else.
    let foreign = [live(&env, FILE), live(&env, "APKINDEX.tar.gz"), object(&env, &libgreet().build(&UPSTREAM).bytes)];
    for path in &foreign {
        std::fs::rename(path, env.path("aside")).unwrap();
        std::fs::create_dir(path).unwrap();
    }
    std::fs::remove_file(live(&env, "libgreet-1.0-r0.apk")).unwrap();
    std::fs::remove_file(live(&env, "extra-1.0-r0.apk")).unwrap();
    let (report, came) = repaired(&env, &[], 5);
    assert_eq!(codes(&report), ["file-missing", "pool-foreign-file", "file-damaged", "file-damaged"], "{report}");
    assert_eq!(came.len(), 1, "{came:?}");
    assert!(foreign.iter().all(|path| path.is_dir()));
}

#[test]
fn what_nothing_needs_is_pruned_and_not_fetched() {
    let env = standing(
        "\n[publish]\nlinger = \"0s\"\n[retain]\nsnapshots = { last = 1 }\ngenerations = { last = 1 }\nprune = \"never\"\n",
    );
    super::site::publish(&env, MAIN, 2, &[&hello("1.1-r0").build(&UPSTREAM), &libgreet().build(&UPSTREAM)], &UPSTREAM);
    env.bivouac(&["sync"]).exits_with(0);
    let stray = object(&env, b"nothing of ours");
    std::fs::create_dir_all(stray.parent().unwrap()).unwrap();
    std::fs::write(&stray, b"other bytes").unwrap();
    let (report, _) = repaired(&env, &[], 5);
    assert_eq!(codes(&report), ["object-damaged"], "{report}");
    assert_eq!(report["findings"][0]["hint"], "`bivouac prune` takes it away", "{report}");
    env.bivouac(&["prune"]).exits_with(0);
    repaired(&env, &[], 0);
}

#[test]
fn a_run_that_holds_the_store_is_told() {
    let env = standing("");
    rotten(&env);
    env.upstream.fail_always(&format!("{MAIN}/{FILE}"), Fault::Silence);
    let mut first = env.start(&["repair"]);
    while env.upstream.take_log().is_empty() {
        assert!(first.try_wait().unwrap().is_none(), "it waits for upstream");
        std::thread::yield_now();
    }
    env.bivouac(&["sync"]).exits_with(6).tells(&["locked by `repair`"]);
    first.kill().unwrap();
    first.wait().unwrap();
    env.upstream.mend();
    repaired(&env, &[], 0);
    is_whole(&env);
}
