//! A disk that somebody else had: nothing of this host's is read, written or removed through it, and nothing is believed that only
//! the disk says.

use std::os::unix::fs::PermissionsExt as _;

use super::world::{World, our_key};

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
