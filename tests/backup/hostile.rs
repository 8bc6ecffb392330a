//! A disk that somebody else had: nothing of this host's is read, written or removed through it, and nothing is believed that only
//! the disk says.

use std::os::unix::fs::PermissionsExt as _;

use super::fixture::OURS;
use super::world::{World, our_key, tree};

#[test]
fn a_link_in_place_of_a_folder_leads_nowhere() {
    let world = World::new("keep = { last = 1 }");
    world.backup();
    let before = world.env.files_below("store/snapshots");
    for folder in ["tool", "segments", "backups"] {
        let (there, aside) = (world.env.path(&format!("disk/{folder}")), world.env.path("aside"));
        if there.exists() {
            std::fs::rename(&there, &aside).unwrap();
        }
        std::os::unix::fs::symlink("../store/snapshots", &there).unwrap();
        for words in
            [&["--json", "backup", "prune"][..], &["--json", "backup", "prune", "--dry-run"], &["--json", "backup"]]
        {
            let ran = world.env.bivouac(words);
            ran.exits_with(5);
            assert!(ran.to_string().contains("is a link"), "{folder}: {ran}");
        }
        assert_eq!(world.env.files_below("store/snapshots"), before, "{folder}");
        std::fs::remove_file(&there).unwrap();
        if aside.exists() {
            std::fs::rename(&aside, &there).unwrap();
        }
    }
    world.env.bivouac(&["check"]).exits_with(0);
    assert_eq!(world.found(), [""; 0]);
}

#[test]
fn a_prune_removes_programs_of_ours_alone_and_names_them() {
    let world = World::new("keep = { last = 1 }");
    world.backup();
    for name in ["bivouac-0123abcd", "bivouac-0123ABCD", "rescue", "bivouac-0123abcde"] {
        world.env.write(&format!("disk/tool/{name}"), b"a program");
    }
    for (words, left) in [(&["--json", "backup", "prune", "--dry-run"][..], 4), (&["--json", "backup", "prune"], 3)] {
        let report = world.env.bivouac(words).exits_with(0).json();
        assert_eq!(report[0]["tools"], serde_json::json!(["bivouac-0123abcd"]), "{report}");
        assert_eq!(world.env.files_below("disk/tool").len(), left);
    }
}

#[test]
fn private_keys_come_back_as_their_owners_alone() {
    for (was, is) in [(0o777, 0o700), (0o440, 0o400)] {
        let world = World::new("");
        let config = std::fs::read_to_string(world.env.path("bivouac.toml")).unwrap();
        let accepted = config.replace("[signing]", "[signing]\nexposed = \"accept\"");
        world.env.write("bivouac.toml", accepted.as_bytes());
        let key = our_key(&world.env);
        std::fs::set_permissions(&key, std::fs::Permissions::from_mode(was)).unwrap();
        world.backup();
        world.restore("back", &[]).exits_with(0);
        let back = world.env.path("back").join(key.strip_prefix(world.env.path(".")).unwrap());
        assert_eq!(back.metadata().unwrap().permissions().mode() & 0o7777, is, "{was:o}");
        assert!(std::fs::read(back).unwrap() == std::fs::read(key).unwrap());
    }
}

#[test]
fn of_what_the_label_speaks_against_nothing_is_opened() {
    let world = World::new("");
    world.backup();
    // An identity that fits nothing: it is not even tried.
    let other = World::new("");
    let label = "0".repeat(64);
    let identity = other.identity.to_str().unwrap();
    let words = ["--json", "restore", "--from", "disk", "--to", "back", "--key", &label, "--identity", identity];
    let ran = world.env.bivouac(&words);
    ran.exits_with(3);
    assert_eq!(ran.json()["error"]["code"], "unknown-signer");
}

/// A disk whole by another hand: its own key, sealed to our recipient's public name. `rest` is in its configuration; `files` lie
/// where the forger has them while he makes it.
fn forged(rest: &str, files: &[&std::path::Path]) -> World {
    let forger = World::new("");
    let config = std::fs::read_to_string(forger.env.path("bivouac.toml")).unwrap() + rest;
    forger.env.write("bivouac.toml", config.as_bytes());
    for file in files {
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, "a:b").unwrap();
        std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o600)).unwrap();
    }
    forger.backup();
    for file in files {
        std::fs::remove_file(file).unwrap();
    }
    forger
}

/// Takes away what there was but for the disk and the identity.
fn empty_machine(world: &World) {
    for gone in ["store", "site", "keys", "trusted", "packages"] {
        std::fs::remove_dir_all(world.env.path(gone)).unwrap();
    }
    std::fs::remove_file(world.env.path("bivouac.toml")).unwrap();
}

#[test]
fn a_recipients_name_proves_nothing_and_no_file_goes_where_a_forger_wants_it() {
    let elsewhere = tempfile::tempdir().unwrap();
    let job = elsewhere.path().join("cron.d/job");
    let source = format!(
        "\n[sources.z]\nurl = [\"https://example.org\"]\nkeyring = \"alpine\"\nauth = {{ basic_file = \"{}\" }}\n",
        job.display()
    );
    let world = forged(&source, &[&job]);
    let label = world.env.bivouac(&["--json", "backup", "list"]).exits_with(0).json()[0]["backups"][0]["signers"][0]
        ["fingerprint"]
        .as_str()
        .unwrap()
        .to_owned();
    empty_machine(&world);
    let identity = world.identity.to_str().unwrap().to_owned();
    let restore = |rest: &[&str]| {
        world.env.bivouac(&[&["--json", "restore", "--from", "disk", "--identity", &identity], rest].concat())
    };
    let refused = restore(&[]);
    refused.exits_with(3);
    assert_eq!(refused.json()["error"]["code"], "untrusted");
    assert!(refused.to_string().contains(&label) && refused.to_string().contains("cron.d/job"), "{refused}");
    assert!(!job.exists() && !world.env.path("bivouac.toml").exists());
    // Below a folder of its own nothing is where its paths say.
    let to = restore(&["--to", "back"]);
    assert_eq!(to.exits_with(0).json()["proof"], "recipient");
    assert!(to.stderr.contains("Compare the label") && to.stderr.contains(&label), "{to}");
    assert!(!job.exists());
    // By the label everything goes where it was.
    let by_label = restore(&["--key", &label]);
    assert_eq!(by_label.exits_with(0).json()["proof"], "label");
    assert!(job.is_file() && !by_label.stderr.contains("Compare the label"), "{by_label}");
}

#[test]
fn by_identity_alone_a_folder_with_others_files_is_not_the_configurations_own() {
    let world = forged("", &[]);
    empty_machine(&world);
    // The disk and the identity lie in the very folder that the backup calls the configuration's.
    let words = ["--json", "restore", "--from", "disk", "--identity", "safe/identity.txt"];
    let refused = world.env.bivouac(&words);
    refused.exits_with(3);
    assert_eq!(refused.json()["error"]["code"], "untrusted");
}

#[test]
fn by_identity_alone_an_empty_machine_comes_back() {
    let world = World::new("");
    // A folder without a hidden part, as a server has it.
    let server = tempfile::Builder::new().prefix("server-").tempdir().unwrap();
    let (home, media) = (server.path().join("mirror"), server.path().join("media"));
    let copied = std::process::Command::new("cp").arg("-a").arg(world.env.path(".")).arg(&home).status().unwrap();
    assert!(copied.success());
    // The store remembers where the key was; there it is no more.
    std::fs::remove_dir_all(world.env.path("keys")).unwrap();
    let bivouac = |words: &[&str], stop: &str| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_bivouac"));
        command.args(words).current_dir(server.path()).env_clear();
        if !stop.is_empty() {
            command.env("BIVOUAC_STOP_AT_STEP", stop);
        }
        command.output().unwrap()
    };
    let config = home.join("bivouac.toml");
    let config = config.to_str().unwrap();
    assert!(bivouac(&["--config", config, "backup"], "").status.success());
    let before = tree(&home.join("site/alpine"));
    std::fs::create_dir(&media).unwrap();
    for name in ["disk", "safe"] {
        std::fs::rename(home.join(name), media.join(name)).unwrap();
    }
    std::fs::remove_dir_all(&home).unwrap();
    let words = ["restore", "--from", "media/disk", "--identity", "media/safe/identity.txt"];
    // Stopped in the middle, the same command goes on.
    for step in ["4", "25"] {
        assert_eq!(bivouac(&words, step).status.code(), None, "killed");
    }
    let ran = bivouac(&words, "");
    let told = String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success() && told.contains("Compare the label"), "{told}");
    assert!(tree(&home.join("site/alpine")) == before);
    assert!(bivouac(&["--config", config, "check"], "").status.success());
    // One that calls a folder its own whose files are obeyed.
    let hidden = server.path().join(".hidden");
    std::fs::rename(&home, &hidden).unwrap();
    std::fs::rename(media.join("disk"), hidden.join("disk")).unwrap();
    let hidden_config = hidden.join("bivouac.toml");
    assert!(bivouac(&["--config", hidden_config.to_str().unwrap(), "backup"], "").status.success());
    std::fs::rename(hidden.join("disk"), media.join("disk")).unwrap();
    std::fs::remove_dir_all(&hidden).unwrap();
    assert_eq!(bivouac(&words, "").status.code(), Some(3));
    assert!(!hidden.exists());
}

#[test]
fn the_pages_way_by_hand_is_not_led_astray_by_a_segment() {
    let world = World::new("");
    world.backup();
    // A segment more, with a list and a key's files in place of ours, a link, and an object of ours with other bytes.
    let root = world.env.path(".");
    let planted = "mkdir -p planted/objects planted/keys; cd planted\n\
                   echo evil > evil; sum=$(sha256sum evil | cut -d' ' -f1); cp evil objects/$sum\n\
                   echo \"$sum  evil.sh\" > SHA256SUMS\n\
                   for text in manifest.json files.list objects.list bivouac.toml keys.age; do cp evil $text; done\n\
                   ln -s .. up; tar -cf ../disk/segments/20991231T000000Z-0123abcd.1.tar *\n\
                   cd ..; rm -r planted";
    let ran = std::process::Command::new("sh").args(["-euc", planted]).current_dir(&root).output().unwrap();
    assert!(ran.status.success(), "{ran:?}");
    let page = std::fs::read_to_string(world.env.path("disk/README.txt")).unwrap();
    let by_hand = &page[page.find("    cd /an/empty/folder").unwrap()..page.find("  Now public/ is").unwrap()];
    let commands: String =
        by_hand.lines().filter_map(|line| Some(format!("{}\n", line.strip_prefix("    ")?))).collect();
    std::fs::create_dir(world.env.path("by-hand")).unwrap();
    let key = world.env.path(&format!("keys/{}", OURS.name)).display().to_string();
    let id = world.backups()[0].file_name().unwrap().to_str().unwrap().to_owned();
    let script = commands
        .replace("/an/empty/folder", &world.env.path("by-hand").display().to_string())
        .replace("/media/backup ", &format!("{} ", world.env.path("disk").display()))
        .replace("-verify KEY.rsa.pub", &format!("-verify {key}"))
        .replace("KEY.rsa.pub", OURS.name)
        .replace("ID.tar", &id);
    let ran = std::process::Command::new("sh").args(["-euc", &script]).current_dir(root).output().unwrap();
    let printed = String::from_utf8_lossy(&ran.stdout) + String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success() && printed.contains("Verified OK"), "{script}\n{printed}");
    assert!(!printed.contains("not what was signed"), "{printed}");
    assert!(!world.env.path("by-hand/evil.sh").exists(), "{printed}");
    assert!(tree(&world.env.path("by-hand/public")) == tree(&world.env.public()));
    let config = std::fs::read(world.env.path("by-hand/bivouac.toml")).unwrap();
    assert!(config == std::fs::read(world.env.path("bivouac.toml")).unwrap());
}
