//! README's way to a backup and back at 3 a.m.: its commands, run as they stand there.

use super::env::Env;
use super::world::{World, tree};

const README: &str = include_str!("../../README.md");

/// The block of this language that holds `word`.
fn block(language: &str, word: &str) -> String {
    let mut blocks = README.split("```").skip(1).step_by(2);
    let found = blocks.find(|block| block.starts_with(&format!("{language}\n")) && block.contains(word));
    found.unwrap()[language.len() + 1..].to_owned()
}

/// Runs each line, with the disk and the identity in place of README's.
fn run(env: &Env, world: &World, commands: &str, fingerprint: &str) -> usize {
    let disk = env.path("disk").display().to_string();
    let mut lines = 0;
    for line in commands.lines().filter(|line| !line.is_empty()) {
        lines += 1;
        if line.starts_with('#') {
            continue;
        }
        let command = line.split(" #").next().unwrap().replace("/media/backup", &disk);
        let command = command
            .replace("FINGERPRINT", fingerprint)
            .replace("IDENTITY", world.identity.to_str().unwrap())
            .replace("bivouac backup", &format!("{} backup", env!("CARGO_BIN_EXE_bivouac")))
            .replace("bivouac check", &format!("{} check", env!("CARGO_BIN_EXE_bivouac")))
            .replace("bivouac status", &format!("{} status", env!("CARGO_BIN_EXE_bivouac")));
        let ran = std::process::Command::new("sh")
            .args(["-euc", &command])
            .current_dir(env.path("."))
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .output()
            .unwrap();
        let printed = String::from_utf8_lossy(&ran.stdout) + String::from_utf8_lossy(&ran.stderr);
        assert!(ran.status.success(), "{command}\n{printed}");
    }
    lines
}

#[test]
fn ten_lines_bring_everything_back() {
    let world = World::new("keep = { daily = 7, weekly = 4, monthly = 12 }");
    let env = &world.env;
    // As README has it, the program lies on the disk.
    let config = std::fs::read_to_string(env.path("bivouac.toml")).unwrap();
    let ours = config.replace("tool = false\n", "");
    env.write("bivouac.toml", ours.as_bytes());
    assert!(block("toml", "[backups.disk]").contains("recipients"));
    std::fs::remove_dir_all(env.path("disk")).unwrap();
    std::fs::create_dir(env.path("disk")).unwrap();
    run(env, &world, &block("sh", "bivouac backup init disk"), "");
    let label = world.backup()["signer"].as_str().unwrap().to_owned();
    let before = tree(&env.public());
    for gone in ["store", "site", "keys", "trusted", "packages"] {
        std::fs::remove_dir_all(env.path(gone)).unwrap();
    }
    std::fs::remove_file(env.path("bivouac.toml")).unwrap();
    let lines = run(env, &world, &block("sh", "restore --from /media/backup"), &label);
    assert!(lines <= 10, "{lines}");
    assert!(tree(&env.public()) == before);
    assert_eq!(std::fs::read_to_string(env.path("bivouac.toml")).unwrap(), ours);
}

#[test]
fn status_tells_of_backups_without_the_disk() {
    let world = World::new("");
    let told = world.env.bivouac(&["status"]).exits_with(0).to_string();
    assert!(told.contains("backup \"disk\": none was made yet"), "{told}");
    let id = world.backup()["id"].as_str().unwrap().to_owned();
    std::fs::rename(world.env.path("disk"), world.env.path("put away")).unwrap();
    let status = world.env.bivouac(&["--json", "status"]).exits_with(0).json();
    assert_eq!(status["backups"][0]["last"], id);
    assert!(status["backups"][0]["age_seconds"].is_u64(), "{status}");
    let list = world.env.bivouac(&["--json", "backup", "list"]);
    list.exits_with(4);
    assert_eq!(list.json()[0]["error"]["code"], "no-target");
}
