//! A disk in trouble: each is found and named, and what can be restored still is.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use super::env::{Env, Ran};
use super::fixture::{NEXT, OURS, STRANGER};
use super::world::{World, our_key, tree};

/// A world with a backup, and the one package's bytes.
fn backed_up() -> World {
    let world = World::new("");
    world.package("two", 1, 2_000);
    world.sync();
    world.backup();
    world
}

fn code(ran: &Ran) -> String {
    ran.json()["error"]["code"].as_str().unwrap_or_default().to_owned()
}

/// Restores what can be, and what is lost.
fn lost(world: &World) -> Vec<String> {
    let refused = world.restore("refused", &[]);
    refused.exits_with(5);
    assert_eq!(code(&refused), "backup-incomplete", "{refused}");
    assert!(!world.env.path("refused/public").exists(), "nothing of it is shown");
    let ran = world.restore("back", &["--keep-going"]);
    ran.exits_with(5);
    let report = ran.json();
    report["lost"].as_array().unwrap().iter().map(|one| one["what"].as_str().unwrap().to_owned()).collect()
}

fn flip(path: &Path, at: usize) {
    let mut bytes = std::fs::read(path).unwrap();
    bytes[at] ^= 1;
    std::fs::write(path, bytes).unwrap();
}

/// Where in a segment the package `name` begins.
fn offset_of(world: &World, name: &str) -> usize {
    let package = std::fs::read(world.env.public().join(format!("v3.23/site/x86_64/{name}-1-r1.apk"))).unwrap();
    let segment = std::fs::read(&world.segments()[0]).unwrap();
    segment.windows(package.len()).position(|window| window == package).unwrap()
}

#[test]
fn a_segment_cut_short() {
    let world = backed_up();
    let segment = &world.segments()[0];
    let bytes = std::fs::read(segment).unwrap();
    let end = offset_of(&world, "two").max(offset_of(&world, "one")) + 100;
    std::fs::write(segment, &bytes[..end]).unwrap();
    let found = world.found();
    assert!(found.contains(&"segment-cut".to_owned()) && found.contains(&"object-damaged".to_owned()), "{found:?}");
    let lost = lost(&world);
    // By its name, unless the record that has it lies behind the cut as well: where each is follows from digests.
    assert!(lost.iter().any(|what| what.ends_with(".apk") || what.starts_with("object ")), "{lost:?}");
    // What the host still has is stored again.
    world.env.bivouac(&["backup"]).exits_with(5);
    world.restore("again", &[]).exits_with(0);
    assert!(tree(&world.env.path("again/public")) == tree(&world.env.public()));
}

#[test]
fn a_flipped_bit_in_a_package() {
    let world = backed_up();
    flip(&world.segments()[0], offset_of(&world, "two") + 50);
    assert_eq!(world.found(), ["object-damaged"]);
    let lost = lost(&world);
    assert_eq!(lost[0], "v3.23/site/x86_64/two-1-r1.apk", "{lost:?}");
    // The records are back, and the other package; the repository that lists the lost one is not shown.
    assert!(world.env.path("back/store/format").is_file());
    assert_eq!(world.env.files_below("back/store/pool/objects").len(), 1);
    assert!(!world.env.path("back/public").exists());
    // It was found damaged: the next backup stores it again.
    assert_eq!(world.backup()["objects_written"], 1);
    world.restore("healed", &[]).exits_with(0);
    assert!(tree(&world.env.path("healed/public")) == tree(&world.env.public()));
}

#[test]
fn a_missing_segment() {
    let world = backed_up();
    std::fs::remove_file(&world.segments()[0]).unwrap();
    assert_eq!(world.found(), ["segment-missing"]);
    let ran = world.restore("back", &["--keep-going"]);
    ran.exits_with(5);
    let again = world.env.bivouac(&["--json", "backup"]);
    again.exits_with(5);
    assert!(again.json()["objects_written"].as_u64().unwrap() > 5, "all is stored again: {again}");
    world.restore("again", &[]).exits_with(0);
}

#[test]
fn a_backup_of_another_operators() {
    let world = backed_up();
    // The same mirror, signed by somebody who took the disk and made a key of the same name.
    let thief = World::new("");
    thief.env.write(&format!("keys/{}", OURS.name), STRANGER.public_pem().as_bytes());
    let private = our_key(&thief.env);
    std::fs::write(&private, STRANGER.private_pem()).unwrap();
    std::fs::remove_dir_all(thief.env.path("store")).unwrap();
    std::fs::remove_dir_all(thief.env.path("site")).unwrap();
    thief.sync();
    std::fs::copy(world.env.path("disk/bivouac-backup"), thief.env.path("disk/bivouac-backup")).unwrap();
    thief.backup();
    // Of two in one second the later one is named a second later.
    thief.backup();
    let theirs = thief.backups().pop().unwrap();
    let name = theirs.file_name().unwrap();
    std::fs::copy(&theirs, world.env.path("disk/backups").join(name)).unwrap();
    std::fs::copy(&thief.segments()[0], world.env.path("disk/segments").join(thief.segments()[0].file_name().unwrap()))
        .unwrap();
    assert!(world.found().contains(&"unknown-signer".to_owned()));
    let backup = world.env.bivouac(&["--json", "backup"]);
    backup.exits_with(3);
    assert_eq!(code(&backup), "target-foreign");
    // Its encrypted part is for another recipient; by the label it is not ours.
    let label = world.env.bivouac(&["--json", "key", "list"]).exits_with(0).json().to_string();
    let begin = label.find("\"fingerprint\":\"").unwrap() + 15;
    let words = ["--json", "restore", "--from", "disk", "--to", "back", "--key", &label[begin..begin + 64]];
    let ran = world.env.bivouac(&words);
    ran.exits_with(3);
    assert_eq!(code(&ran), "unknown-signer");
    assert!(!world.env.path("back").exists());
    let nobody = world.env.bivouac(&["--json", "restore", "--from", "disk", "--to", "back"]);
    nobody.exits_with(3);
    assert_eq!(code(&nobody), "untrusted");
}

#[test]
fn an_older_backup_under_a_newer_name() {
    let world = backed_up();
    let older = &world.backups()[0];
    std::fs::copy(older, world.env.path("disk/backups/20991231T000000Z-00000000.tar")).unwrap();
    assert_eq!(world.found(), ["backup-misplaced"]);
    let ran = world.restore("back", &[]);
    ran.exits_with(3);
    assert_eq!(code(&ran), "backup-misplaced");
    assert!(ran.json()["error"]["hint"].as_str().unwrap().contains("--at"), "{ran}");
    let id = older.file_stem().unwrap().to_str().unwrap().to_owned();
    world.restore("back", &["--at", &id]).exits_with(0);
}

#[test]
fn before_the_first_backup_and_with_a_wrong_passphrase() {
    let world = backed_up();
    let early = world.restore("back", &["--at", "2020-01-01"]);
    early.exits_with(2);
    assert!(early.json()["error"]["message"].as_str().unwrap().contains("the earliest is"), "{early}");
    let config = std::fs::read_to_string(world.env.path("bivouac.toml")).unwrap();
    let line = config.lines().find(|line| line.starts_with("recipients")).unwrap();
    let config = config.replace(line, "passphrase_file = \"safe/passphrase\"").replace("\"disk\"", "\"other\"");
    world.env.write("bivouac.toml", config.as_bytes());
    for (name, words) in [("passphrase", "four words of mine"), ("wrong", "four words of yours")] {
        let file = world.env.write(&format!("safe/{name}"), words.as_bytes());
        std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o600)).unwrap();
    }
    std::fs::create_dir(world.env.path("other")).unwrap();
    world.env.bivouac(&["backup", "init"]).exits_with(0);
    world.backup();
    let restore = |file: &str| {
        let words = ["--json", "restore", "--from", "other", "--to", "back", "--passphrase-file", file];
        world.env.bivouac(&words)
    };
    let wrong = restore("safe/wrong");
    wrong.exits_with(2);
    assert_eq!(code(&wrong), "passphrase-wrong");
    assert!(!world.env.path("back").exists());
    let keys = restore("safe/passphrase").exits_with(0).json()["keys"].clone();
    assert_eq!(keys.as_array().unwrap().len(), 1);
}

#[test]
fn a_disk_that_is_not_mounted_or_read_only_or_pulled_out() {
    let world = backed_up();
    let disk = world.env.path("disk");
    // Not mounted: the mount point is there, and empty.
    std::fs::rename(&disk, world.env.path("elsewhere")).unwrap();
    std::fs::create_dir(&disk).unwrap();
    let ran = world.env.bivouac(&["--json", "backup"]);
    ran.exits_with(4);
    assert_eq!(code(&ran), "no-target");
    assert_eq!(std::fs::read_dir(&disk).unwrap().count(), 0, "nothing is put there");
    std::fs::remove_dir(&disk).unwrap();
    std::fs::rename(world.env.path("elsewhere"), &disk).unwrap();
    // Pulled out: a folder that is there when the list is read, and is not when it is written to.
    std::fs::rename(disk.join("segments"), disk.join("kept-segments")).unwrap();
    std::fs::write(disk.join("segments"), "").unwrap();
    let ran = world.env.bivouac(&["--json", "backup"]);
    assert!(matches!(ran.code, Some(1 | 4)), "{ran}");
    std::fs::remove_file(disk.join("segments")).unwrap();
    std::fs::rename(disk.join("kept-segments"), disk.join("segments")).unwrap();
    assert_eq!(world.found(), [""; 0]);
    world.restore("back", &[]).exits_with(0);
}

/// A file system of its own at `disk`, of so many bytes and with these options, in a name space of its own.
fn mounted(env: &Env, options: &str, script: &str) -> Option<(i32, String)> {
    let disk = env.path("disk");
    let mounted = format!("mount -t tmpfs -o {options} none {}", disk.display());
    let unshare = Command::new("unshare")
        .args(["-rm", "sh", "-euc", &format!("{mounted}\n{script}")])
        .current_dir(env.path("."))
        .env("BIVOUAC", env!("CARGO_BIN_EXE_bivouac"))
        .output()
        .ok()?;
    let printed = String::from_utf8_lossy(&unshare.stdout) + String::from_utf8_lossy(&unshare.stderr);
    if printed.contains("unshare:") || printed.contains("mount:") {
        println!("skipped: no file system of one's own here: {printed}");
        return None;
    }
    Some((unshare.status.code().unwrap(), printed.into_owned()))
}

#[test]
fn a_full_disk_is_told_before_anything_is_written() {
    let world = World::new("");
    world.package("large", 1, 3_000_000);
    world.sync();
    let script = "$BIVOUAC backup init >/dev/null\nset +e\n$BIVOUAC --json backup\necho exit $?\nls disk/segments 2>/dev/null | wc -l";
    let Some((_, printed)) = mounted(&world.env, "size=2m", script) else { return };
    assert!(printed.contains("\"code\":\"disk-full\"") && printed.contains("exit 1\n0\n"), "{printed}");
    assert!(printed.contains("bytes free"), "{printed}");
}

#[test]
fn a_full_disk_in_the_middle_keeps_what_was_stored() {
    let world = World::new("");
    // No more files have room after the segment: the list that would make it a backup has none.
    let script = "$BIVOUAC backup init >/dev/null\nset +e\n$BIVOUAC --json backup\necho exit $?\nls disk/segments | wc -l\n\
                  mount -o remount,nr_inodes=100 disk\n$BIVOUAC --json backup\necho again $?\n\
                  $BIVOUAC -q backup check --read-data 100%\necho check $?";
    let Some((_, printed)) = mounted(&world.env, "size=8m,nr_inodes=7", script) else { return };
    assert!(printed.contains("\"code\":\"disk-full\"") && printed.contains("exit 1\n1\n"), "{printed}");
    // Only the encrypted part is made anew: of one without a backup nothing is remembered.
    assert!(printed.contains("\"objects_written\":1,") && printed.contains("again 0\n"), "{printed}");
    assert!(printed.contains("check 0\n"), "{printed}");
}

/// Three backups, of a small package that stays and of large ones that change; `rest` goes on from there.
fn after_three(rest: &str) -> Option<(World, String)> {
    let world = World::new("keep = { last = 1 }");
    world.package("small", 1, 300_000);
    for revision in 1..4 {
        world.package("large", revision, 1_500_000);
        world.package("gone", revision, 700_000);
        let mut copy = Command::new("cp");
        copy.arg("-r").arg(world.env.path("packages")).arg(world.env.path(&format!("packages-{revision}")));
        assert!(copy.status().unwrap().success());
    }
    let script = format!(
        "$BIVOUAC backup init >/dev/null\nfor revision in 1 2 3; do\n\
         rm -rf packages; cp -r packages-$revision packages\n$BIVOUAC -q sync; $BIVOUAC -q backup\ndone\nset +e\n{rest}"
    );
    let (_, printed) = mounted(&world.env, "size=40m", &script)?;
    Some((world, printed))
}

#[test]
fn a_full_disk_can_be_pruned() {
    let script = "mount -o remount,size=$(( $(df -k disk | tail -1 | awk '{print $3}') + 60 ))k disk\n\
                  $BIVOUAC --json backup prune\necho exit $?\nls disk/backups | wc -l\n\
                  $BIVOUAC -q backup check --read-data 100%\necho check $?";
    let Some((_, printed)) = after_three(script) else { return };
    assert!(printed.contains("exit 0\n1\n") && printed.contains("check 0\n"), "{printed}");
    assert!(printed.contains("\"repacked\":[\"2"), "{printed}");
}

#[test]
fn a_prune_that_has_no_room_leaves_no_segment_that_nothing_names() {
    // What it would remove is gone, and one more file has room: the new segment, and not the list that names it.
    let script = "ls disk/backups | head -2 | while read file; do rm disk/backups/$file; done\n\
                  $BIVOUAC --json backup prune --dry-run | grep -o '\"removed\":[^]]*' | grep -o '[0-9TZa-f-]*\\.[0-9]*\\.tar' |\n\
                  while read file; do rm disk/segments/$file; done\n\
                  mount -o remount,nr_inodes=$(( $(df -i disk | tail -1 | awk '{print $3}') + 1 )) disk\n\
                  ls disk/segments > before\n\
                  for run in 1 2; do $BIVOUAC --json backup prune; echo exit $?; done\n\
                  ls disk/segments > after; cmp before after; echo same $?\n\
                  $BIVOUAC -q backup check --read-data 100%\necho check $?\n\
                  mount -o remount,nr_inodes=1000 disk\n$BIVOUAC --json backup prune; echo exit $?\n\
                  ls disk/segments > after; cmp before after >/dev/null; echo same $?\n\
                  $BIVOUAC -q backup check --read-data 100%\necho check $?";
    let Some((_, printed)) = after_three(script) else { return };
    let told: Vec<&str> =
        printed.lines().filter(|line| ["exit ", "same ", "check "].iter().any(|word| line.starts_with(word))).collect();
    assert_eq!(told, ["exit 1", "exit 1", "same 0", "check 0", "exit 0", "same 1", "check 0"], "{printed}");
    assert!(printed.contains("disk-full"), "{printed}");
}

#[test]
fn a_disk_that_turns_read_only_keeps_what_is_there() {
    let world = World::new("");
    world.package("large", 1, 900_000);
    world.sync();
    let script = "$BIVOUAC backup init >/dev/null\n$BIVOUAC -q backup\n\
                  mount -o remount,ro disk\nset +e\n$BIVOUAC --json backup\necho exit $?\n\
                  mount -o remount,rw,size=1200k disk\n$BIVOUAC -q backup check --read-data 100%\necho check $?\n\
                  $BIVOUAC restore -q --from disk --to back --identity safe/identity.txt\necho restore $?";
    let Some((_, printed)) = mounted(&world.env, "size=8m", script) else { return };
    assert!(printed.contains("\"code\":\"read-only\"") && printed.contains("exit 1\n"), "{printed}");
    assert!(printed.contains("check 0\n") && printed.contains("restore 0\n"), "{printed}");
}

#[test]
fn two_backups_at_once_and_private_keys_that_nobody_may_read() {
    let world = backed_up();
    let lock = std::fs::File::open(world.env.path("disk/lock")).unwrap();
    lock.lock().unwrap();
    let ran = world.env.bivouac(&["--json", "backup"]);
    ran.exits_with(6);
    assert_eq!(code(&ran), "locked");
    drop(lock);
    // Without recipients the key is left out, each time that is said, and it is nowhere in the clear.
    let key = std::fs::read_to_string(our_key(&world.env)).unwrap();
    let body = key.lines().nth(3).unwrap().to_owned();
    let config = std::fs::read_to_string(world.env.path("bivouac.toml")).unwrap();
    let line = config.lines().find(|line| line.starts_with("recipients")).unwrap().to_owned();
    world.env.write("bivouac.toml", config.replace(&line, "").as_bytes());
    for _ in 0..2 {
        let told = world.env.bivouac(&["backup"]).exits_with(0).to_string();
        assert!(told.contains("NOT in it: 1 private file"), "{told}");
    }
    for file in world.env.files_below("disk") {
        let bytes = std::fs::read(&file).unwrap();
        assert!(!bytes.windows(body.len()).any(|window| window == body.as_bytes()), "{}", file.display());
    }
}

#[test]
fn into_a_store_that_is_there_nothing_is_removed() {
    let world = backed_up();
    let before = tree(&world.env.public());
    // A store that has gone on, lost a package, and has one that is damaged.
    world.package("three", 1, 1_000);
    world.sync();
    let objects = world.env.files_below("store/pool/objects");
    let newest = tree(&world.env.public());
    let two = &before[Path::new("v3.23/site/x86_64/two-1-r1.apk")];
    let damaged = objects.iter().find(|path| std::fs::read(path).unwrap() == *two).unwrap();
    std::fs::remove_file(damaged).unwrap();
    std::fs::write(damaged, "damaged").unwrap();
    let refused = world.env.bivouac(&["--json", "restore", "--from", "disk", "--identity", "safe/identity.txt"]);
    refused.exits_with(2);
    assert_eq!(code(&refused), "store-exists");
    let words = ["--json", "restore", "--from", "disk", "--identity", "safe/identity.txt", "--into-existing"];
    let report = world.env.bivouac(&words).exits_with(0).json();
    assert_eq!(report["healed"], 1, "{report}");
    assert!(tree(&world.env.public()) == newest, "what is live stays live");
    assert!(std::fs::read(damaged).unwrap() == *two);
    world.env.bivouac(&["check"]).exits_with(0);
}

#[test]
fn a_dry_run_and_a_part() {
    let world = backed_up();
    let identity = world.identity.to_str().unwrap();
    let words = ["restore", "--from", "disk", "--to", "back", "--identity", identity, "--dry-run"];
    let told = world.env.bivouac(&words).exits_with(0).to_string();
    assert!(told.contains("would bring back 2 packages") && told.contains("nothing was changed"), "{told}");
    assert!(!world.env.path("back").exists());
    let none = world.restore("back", &["--only", "v3.23/other"]);
    none.exits_with(2);
    assert_eq!(code(&none), "no-such-repository");
    let part = world.restore("back", &["--only", "v3.23/site"]).exits_with(0).json();
    assert_eq!(part["objects"], 2);
    assert!(tree(&world.env.path("back/public")) == tree(&world.env.public()));
}

#[test]
fn a_deep_check_looks_at_what_an_operator_can_go_back_to() {
    let world = World::new("");
    let config = std::fs::read_to_string(world.env.path("bivouac.toml")).unwrap();
    world
        .env
        .write("bivouac.toml", config.replace("generations = { last = 1 }", "generations = { last = 3 }").as_bytes());
    world.package("two", 1, 2_000);
    world.sync();
    world.env.bivouac(&["check", "--deep"]).exits_with(0);
    let former = world.env.path("site/.generations/1/v3.23/site/x86_64/APKINDEX.tar.gz");
    flip(&former, 600);
    world.env.bivouac(&["check"]).exits_with(0);
    let report = world.env.bivouac(&["--json", "check", "--deep"]);
    report.exits_with(5);
    assert_eq!(report.json()["findings"][0]["code"], "index-damaged");
    // A record that was changed with the index does not help: nobody signed it.
    let index = world.env.public().join("v3.23/site/x86_64/APKINDEX.tar.gz");
    let before = std::fs::read(&index).unwrap();
    flip(&index, before.len() - 40);
    use sha2::Digest as _;
    let hex = |bytes: &[u8]| super::fixture::hex(&sha2::Sha256::digest(bytes));
    let record = world.env.path("store/generations/2.json");
    let text = std::fs::read_to_string(&record).unwrap().replace(&hex(&before), &hex(&std::fs::read(&index).unwrap()));
    std::fs::write(&record, text).unwrap();
    world.env.bivouac(&["check"]).exits_with(0);
    let report = world.env.bivouac(&["--json", "check", "--deep"]);
    report.exits_with(5);
    let codes: Vec<String> =
        report.json()["findings"].as_array().unwrap().iter().map(|one| one["code"].to_string()).collect();
    assert!(codes.len() >= 2, "{codes:?}");
}

/// The hint of an error.
fn hint(ran: &Ran) -> String {
    ran.json()["error"]["hint"].as_str().unwrap_or_default().to_owned()
}

#[test]
fn an_old_label_leads_to_the_newest_backup_of_its_key() {
    let world = backed_up();
    let label = world.backup()["signer"].as_str().unwrap().to_owned();
    let by_it = world.backups().pop().unwrap().file_stem().unwrap().to_str().unwrap().to_owned();
    let next = world.env.private_key(&NEXT);
    world.env.bivouac(&["key", "rotate", "--key", &next]).exits_with(0);
    world.env.bivouac(&["key", "retire", OURS.name, "--now"]).exits_with(0);
    world.package("two", 2, 2_000);
    world.sync();
    world.backup();
    let ran = world.restore("back", &["--key", &label]);
    ran.exits_with(3);
    assert!(hint(&ran).contains(&format!("--at {by_it}")) && hint(&ran).contains("rotated"), "{ran}");
    world.restore("back", &["--key", &label, "--at", &by_it]).exits_with(0);
    let nobody = world.restore("other", &["--key", &"0".repeat(64)]);
    nobody.exits_with(3);
    assert!(hint(&nobody).contains("do not use it") && hint(&nobody).contains("rotated"), "{nobody}");
}

#[test]
fn the_hint_to_an_earlier_backup_can_be_followed() {
    let world = backed_up();
    let earlier = world.backups()[0].file_stem().unwrap().to_str().unwrap().to_owned();
    world.package("three", 1, 1_000);
    world.sync();
    world.backup();
    let segment = world.segments().pop().unwrap();
    std::fs::rename(&segment, world.env.path("gone.tar")).unwrap();
    let newest = world.restore("back", &[]);
    newest.exits_with(5);
    assert!(hint(&newest).contains("--at") && hint(&newest).contains("removed"), "{newest}");
    let begun = world.restore("back", &["--at", &earlier]);
    begun.exits_with(2);
    assert_eq!(code(&begun), "restoring-other", "{begun}");
    assert!(hint(&begun).contains("back/store"), "{begun}");
    std::fs::remove_dir_all(world.env.path("back/store")).unwrap();
    world.restore("back", &["--at", &earlier]).exits_with(0);
}

#[test]
fn a_lost_configuration_is_told_with_its_cause() {
    let world = backed_up();
    let config = std::fs::read_to_string(world.env.path("bivouac.toml")).unwrap();
    world.env.write("bivouac.toml", (config + "# another line\n").as_bytes());
    world.backup();
    std::fs::remove_file(world.segments().pop().unwrap()).unwrap();
    let ran = world.restore("back", &["--keep-going"]);
    ran.exits_with(5);
    assert_eq!(code(&ran), "backup-incomplete", "{ran}");
    assert!(ran.to_string().contains("is missing") && hint(&ran).contains("--at"), "{ran}");
    assert!(!world.env.path("back").exists());
}

#[test]
fn a_disk_that_is_pulled_out_while_it_is_read_is_a_medium_that_is_away() {
    let world = backed_up();
    let lock = std::fs::File::open(world.env.path("store/lock")).unwrap();
    lock.lock().unwrap();
    let words =
        ["--json", "--wait=1m", "restore", "--from", "disk", "--identity", "safe/identity.txt", "--into-existing"];
    let mut waits = world.env.command(&words);
    let waits = waits.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped()).spawn().unwrap();
    // By then it has read the list and waits for the store.
    std::thread::sleep(std::time::Duration::from_secs(2));
    std::fs::rename(world.env.path("disk"), world.env.path("pulled-out")).unwrap();
    std::fs::create_dir(world.env.path("disk")).unwrap();
    drop(lock);
    let ended = waits.wait_with_output().unwrap();
    let printed = String::from_utf8_lossy(&ended.stdout) + String::from_utf8_lossy(&ended.stderr);
    assert_eq!(ended.status.code(), Some(4), "{printed}");
    assert!(printed.contains("mount the medium again"), "{printed}");
}

#[test]
fn nobody_is_told_to_leave_out_what_he_did_not_give() {
    let world = World::new("");
    let config = std::fs::read_to_string(world.env.path("bivouac.toml")).unwrap();
    let line = config.lines().find(|line| line.starts_with("recipients")).unwrap().to_owned();
    world.env.write("bivouac.toml", config.replace(&line, "").as_bytes());
    let label = world.env.bivouac(&["--json", "backup"]).exits_with(0).json()["signer"].as_str().unwrap().to_owned();
    let words = ["--json", "restore", "--from", "disk", "--to", "back", "--key", &label];
    let ran = world.env.bivouac_with(&[("BIVOUAC_PASSPHRASE_FILE", "safe/identity.txt")], &words);
    ran.exits_with(2);
    assert!(hint(&ran).contains("BIVOUAC_PASSPHRASE_FILE"), "{ran}");
}
