//! README's way to a backup and back at 3 a.m.: its commands, run as they stand there.

use super::env::Env;
use super::fixture::OURS;
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
            .replace("bivouac restore", &format!("{} restore", env!("CARGO_BIN_EXE_bivouac")))
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
    // One of the release before, as after the first upgrade, and one that somebody put there.
    for name in ["bivouac-00000000", "bivouac-ffffffff"] {
        let program = env.write(&format!("disk/tool/{name}"), b"#!/bin/sh\ntouch ran-by-root\n");
        std::fs::set_permissions(program, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    }
    let before = tree(&env.public());
    for gone in ["store", "site", "keys", "trusted", "packages"] {
        std::fs::remove_dir_all(env.path(gone)).unwrap();
    }
    std::fs::remove_file(env.path("bivouac.toml")).unwrap();
    let lines = run(env, &world, &block("sh", "restore --from /media/backup"), &label);
    assert!(lines <= 10, "{lines}");
    assert!(tree(&env.public()) == before);
    assert_eq!(std::fs::read_to_string(env.path("bivouac.toml")).unwrap(), ours);
    assert!(!env.path("ran-by-root").exists());
}

#[test]
fn of_the_programs_on_the_disk_only_the_signed_one_runs() {
    let world = World::new("");
    let env = &world.env;
    let config = std::fs::read_to_string(env.path("bivouac.toml")).unwrap();
    env.write("bivouac.toml", config.replace("tool = false\n", "").as_bytes());
    let report = world.backup();
    let (label, id) = (report["signer"].as_str().unwrap(), report["id"].as_str().unwrap());
    let ours = env.files_below("disk/tool").pop().unwrap();
    for name in ["bivouac-00000000", "bivouac-ffffffff"] {
        env.write(&format!("disk/tool/{name}"), b"#!/bin/sh\necho evil\n");
    }
    let commands = block("sh", "/media/backup/tool/")
        .replace("mktemp -d", &format!("mktemp -d -p {}", env.path(".").display()))
        .replace("ID.tar", &format!("{id}.tar"))
        .replace("/etc/apk/keys/", &format!("{}/", env.path("keys").display()))
        .replace("KEY", OURS.name)
        .replace("/media/backup", &env.path("disk").display().to_string());
    let script = format!("{commands}\n./bivouac restore --from \"$DISK\" --to ../back --key {label}\n");
    let run = || {
        let mut shell = std::process::Command::new("sh");
        shell.args(["-euc", &script]).current_dir(env.path(".")).env_clear().env("PATH", "/usr/bin:/bin");
        let ran = shell.env("DISK", env.path("disk")).output().unwrap();
        let printed = String::from_utf8_lossy(&ran.stdout) + String::from_utf8_lossy(&ran.stderr);
        (ran.status.success(), printed.into_owned())
    };
    let (well, printed) = run();
    assert!(well && printed.contains("Verified OK") && printed.contains("bivouac: OK"), "{printed}");
    assert!(tree(&env.path("back/public")) == tree(&env.public()));
    // Under its name lies another one.
    std::fs::remove_file(&ours).unwrap();
    std::fs::write(&ours, b"#!/bin/sh\necho evil\n").unwrap();
    let (well, printed) = run();
    assert!(!well && !printed.contains("evil"), "{printed}");
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
