//! Trouble of the site's own while something comes in: a full disk, a medium that nobody may write to, a kill at any moment.

use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use super::fixture::OURS;
use super::sites::{Gap, SITE, seen};

/// A small file system of its own; gone when dropped.
struct Small(PathBuf);

impl Small {
    /// `None`, said aloud, where this user may not mount.
    fn mount(at: PathBuf, size: &str) -> Option<Small> {
        std::fs::create_dir_all(&at).unwrap();
        let mounted = run("mount", &["-t", "tmpfs", "-o", &format!("size={size},mode=0755"), "tmpfs"], &at);
        if !mounted {
            println!("skipped: cannot mount a small file system");
        }
        mounted.then(|| Small(at))
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

/// Moves the site's store onto a small file system.
fn on_a_small_disk(gap: &Gap, size: &str) -> Option<Small> {
    let (store, aside) = (gap.site.path("store"), gap.site.path("aside"));
    std::fs::rename(&store, &aside).unwrap();
    let small = Small::mount(store.clone(), size)?;
    assert!(Command::new("cp").arg("-a").arg(aside.join(".")).arg(&store).status().unwrap().success());
    Some(small)
}

/// Fills a disk, but for so many bytes.
fn fill(folder: &Path, left: usize) -> PathBuf {
    let filler = folder.join("filler");
    let mut file = std::fs::File::create(&filler).unwrap();
    while std::io::Write::write_all(&mut file, &[7; 4096]).is_ok() {}
    let length = file.metadata().unwrap().len();
    file.set_len(length.saturating_sub(left as u64)).unwrap();
    filler
}

#[test]
fn a_full_disk_in_the_middle_of_an_import() {
    // What is known beforehand is told beforehand; this is of what is not.
    let gap = Gap::standing_with(&format!("{SITE}\n[retain]\nmin_free = \"0%\"\n"));
    let parcel = gap.increment();
    gap.carry("x.bundle", &parcel.volume(1, &OURS));
    let Some(_small) = on_a_small_disk(&gap, "16m") else { return };
    let before = gap.seen();
    // From no room at all to room for all but the last files.
    let mut words = std::collections::BTreeSet::new();
    let mut imported = false;
    for left in (0..64).map(|step| step * (8 << 10)) {
        let filler = fill(&gap.site.path("store"), left);
        let ran = gap.site.bivouac(&["--json", "import", "medium/x.bundle"]);
        std::fs::remove_file(filler).unwrap();
        if ran.code == Some(0) {
            imported = true;
            break;
        }
        ran.exits_with(1).tells(&["error: "]);
        words.insert(ran.json()["error"]["code"].as_str().unwrap().to_owned());
        assert_eq!(gap.seen(), before, "{left} bytes left: {ran}");
    }
    assert!(imported, "{words:?}");
    assert!(words.iter().all(|word| ["disk-full", "too-little-space"].contains(&&**word)), "{words:?}");
    assert!(words.contains("disk-full"), "{words:?}");
    gap.takes(&["x.bundle"]);
    gap.site.bivouac(&["check"]).exits_with(0);
}

/// User and group `nobody`: whom file modes bind, which they do not bind root.
const NOBODY: u32 = 65534;

/// Runs the program as a user whom modes bind. It is copied: its own folder may be closed to others.
fn by_nobody(gap: &Gap, arguments: &[&str]) -> Output {
    let mut command = gap.site.command(arguments);
    if rustix::process::geteuid().is_root() {
        let program = gap.site.path("bivouac");
        if !program.exists() {
            std::fs::copy(command.get_program(), &program).unwrap();
            assert!(run("chown", &["-R", &format!("{NOBODY}:{NOBODY}")], &gap.site.path("")));
        }
        let mut other = Command::new(program);
        other.args(arguments).current_dir(gap.site.path("")).env_clear().env("LC_ALL", "C").uid(NOBODY).gid(NOBODY);
        command = other;
    }
    command.output().unwrap()
}

/// All that a medium is: names, modes, times, bytes.
fn medium(gap: &Gap) -> Vec<(PathBuf, u32, std::time::SystemTime, Vec<u8>)> {
    let files = gap.site.files_below("medium").into_iter().chain([gap.site.path("medium")]);
    files
        .map(|path| {
            let metadata = path.metadata().unwrap();
            let bytes = if metadata.is_file() { std::fs::read(&path).unwrap() } else { Vec::new() };
            (path, metadata.permissions().mode(), metadata.modified().unwrap(), bytes)
        })
        .collect()
}

#[test]
fn a_medium_that_nobody_may_write_to() {
    let gap = Gap::standing();
    let parcel = gap.increment().in_two_volumes();
    std::fs::remove_file(gap.site.path("medium/first.bundle")).unwrap();
    let modes = |path: &Path| std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o555)).unwrap();
    for number in [1, 2] {
        modes(&gap.carry(&format!("x.{number}.bundle"), &parcel.volume(number, &OURS)));
    }
    by_nobody(&gap, &["status"]);
    let folder = gap.site.path("medium");
    modes(&folder);
    let before = medium(&gap);
    let ran = by_nobody(&gap, &["import", "medium"]);
    assert_eq!(ran.status.code(), Some(0), "{}", String::from_utf8_lossy(&ran.stderr));
    let ran = by_nobody(&gap, &["sync"]);
    assert_eq!(ran.status.code(), Some(0), "{}", String::from_utf8_lossy(&ran.stderr));
    assert_eq!(medium(&gap), before);
    gap.shows(2);
    std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o755)).unwrap();
}

/// Each durable step of an import, counted.
fn steps(gap: &Gap) -> Vec<String> {
    let file = gap.site.path("steps");
    let _ = std::fs::remove_file(&file);
    let counted = [("BIVOUAC_COUNT_STEPS", file.to_str().unwrap())];
    gap.site.bivouac_with(&counted, &["import", "medium/x.bundle"]).exits_with(0);
    std::fs::read_to_string(&file).unwrap().lines().map(str::to_owned).collect()
}

/// What is in force of the bundles.
fn in_force(gap: &Gap) -> String {
    let folder = gap.site.path("store/bundles/from/hq/in-force.json");
    let manifest: serde_json::Value = serde_json::from_slice(&std::fs::read(folder).unwrap()).unwrap();
    manifest["id"].as_str().unwrap().to_owned()
}

#[test]
fn an_import_killed_before_each_durable_step() {
    let gap = Gap::standing();
    let parcel = gap.increment();
    gap.carry("x.bundle", &parcel.volume(1, &OURS));
    gap.save();
    let before = gap.seen();
    let steps = steps(&gap);
    assert!(steps.len() > 15, "{steps:?}");
    for name in ["finish part", "flush file system", "append", "rename", "flush folder"] {
        assert!(steps.iter().any(|step| step.ends_with(name)), "no step {name:?} in {steps:?}");
    }
    let mut switched = false;
    for number in 1..=steps.len() {
        gap.restore();
        let stop = [("BIVOUAC_STOP_AT_STEP", &*number.to_string())];
        let ran = gap.site.bivouac_with(&stop, &["import", "medium/x.bundle"]);
        assert_eq!(ran.code, None, "killed before step {number} of {}: {ran}", steps.len());
        // Nothing of it is in force, or all; and once it is, no later step takes that back.
        let now = in_force(&gap);
        assert!(now == gap.first.id() && !switched || now == parcel.id(), "step {number}: {now}");
        switched = now == parcel.id();
        gap.shows(1);
        if !switched {
            assert_eq!(seen(&gap.site), before, "step {number}");
        }
        // Between a snapshot and its line in the evidence nothing but that line is missing.
        let check = gap.site.bivouac(&["--json", "check"]).json();
        let is_line = |finding: &serde_json::Value| finding["code"] == "evidence-missing";
        assert!(check["findings"].as_array().unwrap().iter().all(is_line), "step {number}: {check}");
        // The same again completes it.
        gap.import(&["x.bundle"]).exits_with(0);
        assert_eq!(in_force(&gap), parcel.id(), "step {number}");
        gap.site.bivouac(&["sync"]).exits_with(0);
        gap.shows(2);
        gap.site.bivouac(&["check"]).exits_with(0);
        let left = gap.site.files_below("store").into_iter().filter(|file| {
            let file = file.to_string_lossy();
            file.contains(".new") || file.contains("/incoming/") || file.contains("/pending/")
        });
        assert_eq!(left.collect::<Vec<_>>(), Vec::<PathBuf>::new(), "step {number}");
    }
    assert!(switched);
    println!("killed before each of {} steps", steps.len());
}
