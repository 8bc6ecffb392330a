//! Trouble of the host's: disk full, read-only, no permission, a public path that is taken.

use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use super::env::Env;
use super::world::{CONNECTIONS, State, World};

/// A small file system of its own; gone when dropped.
pub(super) struct Small(PathBuf);

impl Small {
    /// `None`, said aloud, where this user may not mount.
    pub(super) fn mount(at: PathBuf, size: &str) -> Option<Small> {
        std::fs::create_dir_all(&at).unwrap();
        let mounted = run("mount", &["-t", "tmpfs", "-o", &format!("size={size},mode=0755"), "tmpfs"], &at);
        if !mounted {
            println!("skipped: cannot mount a small file system");
        }
        mounted.then(|| Small(at))
    }

    pub(super) fn remount(&self, option: &str) {
        assert!(run("mount", &["-o", &format!("remount,{option}")], &self.0), "remount,{option}");
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        run("umount", &["-l"], &self.0);
    }
}

fn run(program: &str, arguments: &[&str], at: &Path) -> bool {
    Command::new(program).args(arguments).arg(at).output().is_ok_and(|output| output.status.success())
}

/// Synced in state A with these tops of the root on small file systems.
fn between_on(size: &str, mounts: &[&str]) -> Option<(World, Vec<Small>)> {
    let world = World::new();
    let mut small = Vec::new();
    for top in mounts {
        small.push(Small::mount(world.env.path(top), size)?);
    }
    world.sync().exits_with(0);
    world.shows(State::A);
    world.set(State::B);
    world.env.upstream.take_log();
    Some((world, small))
}

#[test]
fn a_store_whose_disk_is_full_keeps_its_state_and_goes_on_later() {
    let Some((world, _small)) = between_on("16m", &["store"]) else { return };
    // All of it fits when the run looks; while it fetches, somebody else fills the disk.
    let filler = world.env.path("store/filler");
    world.env.upstream.after(&world.news()[0], move |_| {
        let mut file = std::fs::File::create(filler).unwrap();
        while std::io::Write::write_all(&mut file, &[7; 4096]).is_ok() {}
    });
    let ran = world.sync();
    ran.exits_with(1).tells(&["error: "]);
    assert!(ran.stderr.contains("store"), "{ran}");
    let log = world.env.upstream.take_log();
    assert!(log.iter().any(|request| request.path.ends_with(".apk")), "it had begun: {log:?}");
    world.shows(State::A);
    // Once more, as a timer would: no worse, and now it is known beforehand.
    let again = world.env.bivouac(&["sync", "--json"]);
    again.exits_with(1).tells(&["hint: free space"]);
    assert!(["disk-full", "too-little-space"].contains(&again.json()["error"]["code"].as_str().unwrap()), "{again}");
    world.env.upstream.take_log();
    world.shows(State::A);
    std::fs::remove_file(world.env.path("store/filler")).unwrap();
    // Beside those that were on their way, those that had arrived a moment ago and could not be noted any more.
    world.recovers_with(Some(State::A), log, 2 * CONNECTIONS);
}

#[test]
fn a_public_folder_whose_disk_is_full_keeps_its_tree_and_goes_on_later() {
    // Copies, because the store is elsewhere: the second tree does not fit beside the first.
    let Some((world, small)) = between_on("640k", &["site"]) else { return };
    let ran = world.sync();
    ran.exits_with(1).tells(&["site/"]);
    assert!(world.env.bivouac(&["sync", "--json"]).json()["error"]["code"] == "disk-full");
    let log = world.env.upstream.take_log();
    world.shows(State::A);
    small[0].remount("size=16m");
    world.recovers(Some(State::A), log);
}

#[test]
fn a_store_that_became_read_only_is_told_and_kept() {
    let Some((world, small)) = between_on("16m", &["store"]) else { return };
    small[0].remount("ro");
    let ran = world.env.bivouac(&["sync", "--json"]);
    ran.exits_with(1).tells(&["store/"]);
    assert_eq!(ran.json()["error"]["code"], "read-only");
    world.shows(State::A);
    assert!(world.env.upstream.take_log().is_empty(), "nothing is fetched that cannot be kept");
    small[0].remount("rw");
    world.recovers(Some(State::A), Vec::new());
}

#[test]
fn a_public_folder_that_became_read_only_is_told_and_kept() {
    let Some((world, small)) = between_on("16m", &["site"]) else { return };
    small[0].remount("ro");
    let ran = world.env.bivouac(&["sync", "--json"]);
    ran.exits_with(1).tells(&["site/"]);
    assert_eq!(ran.json()["error"]["code"], "read-only");
    world.shows(State::A);
    small[0].remount("rw");
    world.recovers(Some(State::A), world.env.upstream.take_log());
}

/// User and group `nobody`: whom file modes bind, which they do not bind root.
const NOBODY: u32 = 65534;

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// As [`Env::command`], by a user whom modes bind. The binary is copied: its own folder may be closed to others.
fn by_nobody(world: &World, arguments: &[&str]) -> Output {
    let mut command = world.env.command(arguments);
    if is_root() {
        let program = world.env.path("bivouac");
        if !program.exists() {
            std::fs::copy(command.get_program(), &program).unwrap();
        }
        let mut other = Command::new(program);
        other.args(arguments).current_dir(world.env.path("")).env_clear().env("LC_ALL", "C").uid(NOBODY).gid(NOBODY);
        command = other;
    }
    command.output().unwrap()
}

#[test]
fn a_folder_that_is_not_ours_to_write_is_told_and_left_alone() {
    let world = World::around(Env::new());
    if is_root() {
        assert!(run("chown", &["-R", &format!("{NOBODY}:{NOBODY}")], &world.env.path("")));
    }
    let sync = || by_nobody(&world, &["sync"]);
    let first = sync();
    assert_eq!(first.status.code(), Some(0), "{}", String::from_utf8_lossy(&first.stderr));
    world.shows(State::A);
    world.set(State::B);
    if is_root() {
        assert!(run("chown", &["-R", &format!("{NOBODY}:{NOBODY}")], &world.env.path("packages")));
    }
    // In the order in which a run comes to them: each gets a little further than the one before.
    for folder in ["store/pool/incoming", "store/accepted", "store/snapshots", "site/.generations", "site"] {
        let path = world.env.path(folder);
        let mode = std::fs::metadata(&path).unwrap().permissions();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o555)).unwrap();
        let refused = sync();
        std::fs::set_permissions(&path, mode).unwrap();
        let told = String::from_utf8_lossy(&refused.stderr);
        assert_eq!(refused.status.code(), Some(1), "{folder}: {told}");
        assert!(told.contains(folder), "{folder}: {told}");
        world.shows(State::A);
    }
    let last = sync();
    assert_eq!(last.status.code(), Some(0), "{}", String::from_utf8_lossy(&last.stderr));
    world.shows(State::B);
    world.still_serves_a();
    world.has_no_leftovers();
}

#[test]
fn a_real_folder_in_the_public_links_place_is_refused_and_left_alone() {
    let world = World::new();
    let thesis = world.env.write("site/alpine/thesis.tex", b"x");
    for _ in 0..2 {
        world.sync().exits_with(2).tells(&["site/alpine is not a link to a generation of ours", "hint: move"]);
        assert_eq!(std::fs::read(&thesis).unwrap(), b"x");
    }
    let packages = world.env.upstream.take_log().into_iter().filter(|request| request.path.ends_with(".apk"));
    assert_eq!(packages.count(), 0, "nothing is fetched that cannot be shown");
    std::fs::rename(world.env.path("site/alpine"), world.env.path("elsewhere")).unwrap();
    world.sync().exits_with(0);
    world.shows(State::A);
}
