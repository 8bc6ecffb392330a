//! `cargo bench --bench backup`: a backup, the next one, and bringing all of it back; beside restic and borg on the same packages.
//! On the 5,000 packages of `main_job`, and when 250 of them were rebuilt. Prints tables and asserts nothing about time.
//!
//! restic encrypts whatever it stores and borg is told not to; ours encrypts keys alone. restic and borg store the published
//! tree, ours stores it with the records that make it a mirror again. Tools that are missing are skipped with a word.

// A bench is a program of its own that prints and writes scratch files; the library's house rules end at its door.
#![allow(clippy::print_stdout, clippy::print_stderr, clippy::disallowed_methods, missing_docs)]

#[path = "../main_job/chance.rs"]
mod chance;
#[path = "../main_job/key.rs"]
mod key;
#[path = "../main_job/measure.rs"]
#[allow(dead_code, reason = "shared")]
mod measure;
#[path = "../main_job/outcome.rs"]
mod outcome;
#[path = "../main_job/package.rs"]
mod package;
#[path = "../main_job/tree.rs"]
#[allow(dead_code, reason = "shared")]
mod tree;

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use measure::{Run, Series, print_ratio, run, settle};
use outcome::Outcome;

/// What the bench calls itself with to make packages: their memory would count as the peak of every program started after it.
const GENERATE: &str = "--generate-tree";
const REBUILD: &str = "--rebuild";
/// One package in so many is rebuilt.
const STEP: usize = 20;
/// Each tool does each thing so many times, in turns.
const ROUNDS: usize = 3;

fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    let is = |flag: &str| arguments.iter().any(|argument| argument == flag);
    let data = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("bench-data");
    let done = match std::env::var_os("BIVOUAC_REAL_ALPINE").map(PathBuf::from) {
        None => {
            println!("skipped: no real Alpine data");
            Ok(())
        }
        Some(real) if is(GENERATE) => tree::generate(&data, &real),
        Some(real) if is(REBUILD) => tree::rebuild(&data, &real, STEP, &data.join("rebuilt")),
        // `cargo test --benches` starts benches without this flag, and wants no measurement.
        Some(_) if !is("--bench") => Ok(()),
        Some(_) => measured(&data),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn measured(data: &Path) -> Outcome<()> {
    let me = |flag: &str| -> Outcome<()> {
        match Command::new(std::env::current_exe()?).arg(flag).status()?.success() {
            true => Ok(()),
            false => Err(format!("{flag} failed").into()),
        }
    };
    if tree::find(data).is_none() {
        me(GENERATE)?;
    }
    let tree = tree::find(data).ok_or("the tree is not complete")?;
    let rebuilt = data.join("rebuilt");
    if rebuilt.exists() {
        fs::remove_dir_all(&rebuilt)?;
    }
    me(REBUILD)?;
    let scratch = data.join("backup");
    if scratch.exists() {
        fs::remove_dir_all(&scratch)?;
    }
    let mirror = Mirror::lay(&scratch.join("mirror"), &tree.packages_dir)?;
    let contestants: Vec<Contestant> =
        [Contestant::Bivouac, Contestant::Restic, Contestant::Borg].into_iter().filter(Contestant::is_there).collect();
    println!("{} packages, {:.2} GB; {ROUNDS} rounds in turns", tree.packages, tree.bytes as f64 / 1e9);
    for (what, goal) in [(Step::First, "1 at least"), (Step::Again, "-"), (Step::Restore, "1 at least")] {
        println!("{}", what.name());
        let mut all: Vec<Series> = contestants.iter().map(|_| Series::default()).collect();
        for _ in 0..ROUNDS {
            for (contestant, series) in contestants.iter().zip(&mut all) {
                series.push(contestant.step(what, &scratch, &mirror)?);
            }
        }
        for (contestant, series) in contestants.iter().zip(&all) {
            series.print(contestant.name());
        }
        for (peer, series) in contestants.iter().zip(&all).skip(1) {
            println!("  beside {}", peer.name());
            print_ratio(&all[0], series, goal);
        }
    }
    increment(&scratch, &mirror, &rebuilt, &contestants)?;
    fs::remove_dir_all(&scratch)?;
    Ok(())
}

/// What each target grows by when one package in [`STEP`] was rebuilt.
fn increment(scratch: &Path, mirror: &Mirror, rebuilt: &Path, contestants: &[Contestant]) -> Outcome<()> {
    let new: u64 = sizes(rebuilt)?;
    // A target with whole versions of all, before anything is new.
    Contestant::Deltas.step(Step::First, scratch, mirror)?;
    mirror.take(rebuilt)?;
    println!("one package in {STEP} rebuilt, {:.1} MB of packages", new as f64 / 1e6);
    for contestant in contestants.iter().chain([&Contestant::Deltas]) {
        let before = sizes(&contestant.target(scratch))?;
        let Run { seconds, cpu, peak } = contestant.step(Step::Again, scratch, mirror)?;
        let grown = sizes(&contestant.target(scratch))? - before;
        println!(
            "  {:<34} {seconds:>9.3} s  cpu {cpu:>7.2} s  peak {:>6.1} MB  {grown:>11} B  {:>6.2} % of new packages",
            contestant.name(),
            peak as f64 / 1e6,
            grown as f64 * 100.0 / new as f64
        );
    }
    Ok(())
}

/// Bytes of all files below a folder.
fn sizes(folder: &Path) -> Outcome<u64> {
    let mut sum = 0;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let found = entry.metadata()?;
        sum += if found.is_dir() { sizes(&entry.path())? } else { found.len() };
    }
    Ok(sum)
}

/// A mirror of ours with the packages.
struct Mirror {
    root: PathBuf,
}

impl Mirror {
    fn lay(root: &Path, packages: &Path) -> Outcome<Self> {
        fs::create_dir_all(root.join("packages/aarch64"))?;
        let mirror = Mirror { root: root.to_owned() };
        mirror.bivouac(&["key", "new", "bench-1", "--bits", "4096"])?;
        fs::write(
            root.join("bivouac.toml"),
            "store = \"store\"\npublic = \"mirror/alpine\"\n[signing]\nkey = \"keys/bench-1.rsa\"\n\
             [sources.packages]\ndirectory = \"packages\"\nunsigned = \"accept\"\n\
             [[repositories]]\nname = \"main\"\nfrom = [\"packages\"]\narches = [\"aarch64\"]\n\
             [retain]\nmin_free = \"0%\"\n\
             [backups.bivouac]\ntarget = \"../bivouac\"\ntool = false\n\
             [backups.deltas]\ntarget = \"../deltas\"\ntool = false\ndeltas = true\n",
        )?;
        mirror.take(packages)?;
        Ok(mirror)
    }

    /// Takes in packages beside those that are there.
    fn take(&self, packages: &Path) -> Outcome<()> {
        for entry in fs::read_dir(packages)? {
            let from = entry?.path();
            let name = from.file_name().unwrap_or_default().to_owned();
            if name.to_string_lossy().ends_with(".apk") {
                let to = self.root.join("packages/aarch64").join(name);
                if fs::hard_link(&from, &to).is_err() {
                    fs::copy(&from, &to)?;
                }
            }
        }
        self.bivouac(&["sync"])?;
        Ok(())
    }

    fn bivouac(&self, words: &[&str]) -> Outcome<Run> {
        settle();
        let mut command = Command::new(env!("CARGO_BIN_EXE_bivouac"));
        run(command.current_dir(&self.root).arg("-q").args(words), &self.root.with_extension("log"))
    }

    /// The tree that clients see.
    fn public(&self) -> Outcome<PathBuf> {
        Ok(fs::canonicalize(self.root.join("mirror/alpine"))?)
    }
}

#[derive(Clone, Copy)]
enum Step {
    First,
    Again,
    Restore,
}

impl Step {
    fn name(self) -> &'static str {
        match self {
            Step::First => "the first backup",
            Step::Again => "nothing new",
            Step::Restore => "all of it brought back",
        }
    }
}

#[derive(Clone, Copy)]
enum Contestant {
    Bivouac,
    /// Ours, with deltas.
    Deltas,
    Restic,
    Borg,
}

impl Contestant {
    fn name(self) -> &'static str {
        match self {
            Contestant::Bivouac => "bivouac",
            Contestant::Deltas => "bivouac, deltas = true",
            Contestant::Restic => "restic",
            Contestant::Borg => "borg",
        }
    }

    fn is_there(&self) -> bool {
        let there = match self {
            Contestant::Bivouac | Contestant::Deltas => true,
            Contestant::Restic => Command::new("restic").arg("version").output().is_ok(),
            Contestant::Borg => Command::new("borg").arg("--version").output().is_ok(),
        };
        if !there {
            println!("skipped: no {}", self.name());
        }
        there
    }

    fn target(self, scratch: &Path) -> PathBuf {
        scratch.join(match self {
            Contestant::Bivouac => "bivouac",
            Contestant::Deltas => "deltas",
            Contestant::Restic => "restic",
            Contestant::Borg => "borg",
        })
    }

    fn step(self, step: Step, scratch: &Path, mirror: &Mirror) -> Outcome<Run> {
        let target = self.target(scratch);
        let restored = scratch.join("restored");
        if let Step::First = step {
            if target.exists() {
                fs::remove_dir_all(&target)?;
            }
            fs::create_dir_all(&target)?;
            self.init(&target, scratch, mirror)?;
        }
        if restored.exists() {
            fs::remove_dir_all(&restored)?;
        }
        fs::create_dir_all(&restored)?;
        let name = format!("{}", std::process::id());
        let archive = format!("{}::{name}-{}", target.display(), sizes(&target)?);
        let mut command = match (self, step) {
            (Contestant::Bivouac | Contestant::Deltas, Step::First | Step::Again) => {
                let name = if let Contestant::Deltas = self { "deltas" } else { "bivouac" };
                let mut command = Command::new(env!("CARGO_BIN_EXE_bivouac"));
                command.current_dir(&mirror.root).args(["-q", "backup", name]);
                command
            }
            (Contestant::Bivouac | Contestant::Deltas, Step::Restore) => {
                let key = fs::read_to_string(scratch.join("fingerprint"))?;
                let mut command = Command::new(env!("CARGO_BIN_EXE_bivouac"));
                command.args(["-q", "restore", "--from"]).arg(&target).arg("--to").arg(&restored).args(["--key", &key]);
                command
            }
            (Contestant::Restic, Step::First | Step::Again) => {
                let mut command = restic(&target);
                command.arg("backup").arg(mirror.public()?);
                command
            }
            (Contestant::Restic, Step::Restore) => {
                let mut command = restic(&target);
                command.args(["restore", "latest", "--target"]).arg(&restored);
                command
            }
            (Contestant::Borg, Step::First | Step::Again) => {
                let mut command = borg();
                command.arg("create").arg(&archive).arg(mirror.public()?);
                command
            }
            (Contestant::Borg, Step::Restore) => {
                let listed = borg().args(["list", "--short", "--last", "1"]).arg(&target).output()?;
                let last = String::from_utf8(listed.stdout)?;
                let mut command = borg();
                command.current_dir(&restored).arg("extract").arg(format!("{}::{}", target.display(), last.trim()));
                command
            }
        };
        settle();
        run(&mut command, &scratch.join("output.log"))
    }

    fn init(self, target: &Path, scratch: &Path, mirror: &Mirror) -> Outcome<()> {
        let log = scratch.join("output.log");
        match self {
            Contestant::Bivouac | Contestant::Deltas => {
                let name = if let Contestant::Deltas = self { "deltas" } else { "bivouac" };
                mirror.bivouac(&["backup", "init", name])?;
                let keys = Command::new(env!("CARGO_BIN_EXE_bivouac"))
                    .current_dir(&mirror.root)
                    .args(["--json", "key", "list"])
                    .output()?;
                let text = String::from_utf8(keys.stdout)?;
                let begin = text.find("\"fingerprint\":\"").ok_or("no key is listed")? + 15;
                fs::write(scratch.join("fingerprint"), &text[begin..begin + 64])?;
            }
            Contestant::Restic => drop(run(restic(target).arg("init"), &log)?),
            Contestant::Borg => drop(run(borg().args(["init", "-e", "none"]).arg(target), &log)?),
        }
        Ok(())
    }
}

fn restic(target: &Path) -> Command {
    let mut command = Command::new("restic");
    command.env("RESTIC_PASSWORD", "bench").env("RESTIC_CACHE_DIR", target.with_extension("cache"));
    command.arg("-q").arg("-r").arg(target);
    command
}

fn borg() -> Command {
    let mut command = Command::new("borg");
    command.env("BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK", "yes").env("BORG_RELOCATED_REPO_ACCESS_IS_OK", "yes");
    command
}
