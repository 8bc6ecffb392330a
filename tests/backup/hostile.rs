//! A disk that somebody else had: nothing of this host's is read, written or removed through it, and nothing is believed that only
//! the disk says.

use super::world::World;

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
