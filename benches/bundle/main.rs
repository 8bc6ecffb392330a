//! `cargo bench --bench bundle`: what an update weighs that crosses an air gap, and how long it takes on both sides; beside
//! the packages as they are and what other tools make of the same step. On the real step 3.13.1 → 3.13.4, and on 250 of 5,000
//! packages rebuilt. Prints tables and asserts nothing about time.
//!
//! `$BIVOUAC_REAL_ALPINE` names the folder of real Alpine data; the tree is the one of `main_job`. rsync and xdelta3 are skipped
//! with a word where they are missing.

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

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use measure::{Run, run, settle};
use outcome::Outcome;

/// What the bench calls itself with to make packages: their memory would count as the peak of every program started after it.
const GENERATE: &str = "--generate-tree";
const REBUILD: &str = "--rebuild";
/// One package in so many is rebuilt.
const STEP: usize = 20;

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
        Some(real) => official(&data, &real).and_then(|()| rebuilt(&data)),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// The real step between two releases of the boot media.
fn official(data: &Path, real: &Path) -> Outcome<()> {
    println!("3.13.1 → 3.13.4, official");
    let media = real.join("official/boot-media");
    let state = |release: &str| packages(&media.join(release).join("apks/aarch64"));
    step(&data.join("gap-official"), &state("3.13.1")?, &state("3.13.4")?)
}

/// A large tree of which one package in [`STEP`] is rebuilt.
fn rebuilt(data: &Path) -> Outcome<()> {
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
    me(REBUILD)?;
    let before = packages(&tree.packages_dir)?;
    let again = packages(&data.join("rebuilt"))?;
    println!("{} of {} packages rebuilt, {:.2} GB in all", again.len(), before.len(), tree.bytes as f64 / 1e9);
    let mut after = before.clone();
    after.extend(again);
    step(&data.join("gap-rebuilt"), &before, &after)
}

/// A state: by name without version, the file.
type State = BTreeMap<String, PathBuf>;

fn packages(folder: &Path) -> Outcome<State> {
    let mut state = State::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        // NAME-VERSION-rN.apk
        if let Some(name) = file.strip_suffix(".apk").and_then(|stem| stem.rsplitn(3, '-').nth(2)) {
            state.insert(name.to_owned(), path.clone());
        }
    }
    Ok(state)
}

/// A folder that holds exactly `state`.
fn lay(folder: &Path, state: &State) -> Outcome<()> {
    if folder.exists() {
        fs::remove_dir_all(folder)?;
    }
    fs::create_dir_all(folder)?;
    for path in state.values() {
        let to = folder.join(path.file_name().unwrap_or_default());
        if fs::hard_link(path, &to).is_err() {
            fs::copy(path, &to)?;
        }
    }
    Ok(())
}

/// Both sides of the gap, and the step from one state to the next.
fn step(scratch: &Path, before: &State, after: &State) -> Outcome<()> {
    if scratch.exists() {
        fs::remove_dir_all(scratch)?;
    }
    let (hq, site) = (scratch.join("hq"), scratch.join("site"));
    fs::create_dir_all(&hq)?;
    fs::create_dir_all(&site)?;
    let log = scratch.join("output.log");
    let bivouac = |at: &Path, words: &[&str]| -> Outcome<Run> {
        settle();
        run(Command::new(env!("CARGO_BIN_EXE_bivouac")).current_dir(at).arg("-q").args(words), &log)
    };
    bivouac(&hq, &["key", "new", "hq-1", "--bits", "4096"])?;
    let ends = "store = \"store\"\npublic = \"mirror/alpine\"\n";
    let takes = "[sources.packages]\ndirectory = \"packages\"\nunsigned = \"accept\"\n\n[[repositories]]\nname = \"main\"\nfrom = \
                 [\"packages\"]\narches = [\"aarch64\"]\n";
    fs::write(hq.join("bivouac.toml"), format!("{ends}[signing]\nkey = \"keys/hq-1.rsa\"\n{takes}"))?;
    let key = hq.join("keys/hq-1.rsa.pub");
    let gets = "[[repositories]]\nfrom = [\"hq:*\"]\nindex = \"upstream\"\n";
    fs::write(
        site.join("bivouac.toml"),
        format!("{ends}[sources.hq]\nbundles = \"stick\"\nkeyring = [{key:?}]\nmax_shrink = \"off\"\n\n{gets}"),
    )?;
    lay(&hq.join("packages/aarch64"), before)?;
    bivouac(&hq, &["sync"])?;
    let (whole, part) = (scratch.join("whole.bundle"), scratch.join("part.bundle"));
    let made = bivouac(&hq, &["bundle", "--to", &whole.to_string_lossy()])?;
    told("whole bundle made", made, fs::metadata(&whole)?.len());
    let came = bivouac(&site, &["import", &whole.to_string_lossy()])?;
    told("whole bundle imported", came, fs::metadata(&whole)?.len());
    lay(&hq.join("packages/aarch64"), after)?;
    bivouac(&hq, &["sync"])?;
    let year = "2999-01-01";
    let made = bivouac(&hq, &["bundle", "--since", year, "--to", &part.to_string_lossy()])?;
    let came = bivouac(&site, &["import", &part.to_string_lossy()])?;
    let size = |path: &PathBuf| Ok::<u64, std::io::Error>(fs::metadata(path)?.len());
    let new: Vec<(&PathBuf, Option<&PathBuf>)> = after
        .iter()
        .filter(|(name, path)| before.get(*name).is_none_or(|was| was.file_name() != path.file_name()))
        .map(|(name, path)| (path, before.get(name)))
        .collect();
    let raw: u64 = new.iter().map(|(path, _)| size(path)).sum::<Result<u64, _>>()?;
    let rate = |run: Run| raw as f64 / run.seconds / 1e6;
    told("step made", made, raw);
    told("step imported", came, raw);
    println!("  {:<34} {:>11} B", format!("(a) {} new packages as they are", new.len()), raw);
    let share = |name: &str, bytes: u64| {
        println!("  {name:<34} {bytes:>11} B  {:>6.2} % of (a)", bytes as f64 * 100.0 / raw as f64);
    };
    let ours = size(&part)?;
    share("bundle", ours);
    if let Some(batch) = rsync(scratch, before, after)? {
        share("(b) rsync --only-write-batch", batch);
        println!("  {:<34} {:>6.2} %", "bundle of (b)", ours as f64 * 100.0 / batch as f64);
    }
    if let Some(bytes) = xdelta3(scratch, &new)? {
        share("(c) xdelta3 -9 per package", bytes);
    }
    share("(d) zstd -19 --patch-from per .apk", patch_from(&new)?);
    println!("  made at {:.2} MB/s, imported at {:.2} MB/s of new packages", rate(made), rate(came));
    fs::remove_dir_all(scratch)?;
    Ok(())
}

fn told(what: &str, run: Run, bytes: u64) {
    println!(
        "  {what:<34} {:>8.2} s  cpu {:>7.2} s  peak {:>6.1} MB  ({bytes} B)",
        run.seconds,
        run.cpu,
        run.peak as f64 / 1e6
    );
}

/// What rsync would send, with the similar file of the former state as base where it finds one.
fn rsync(scratch: &Path, before: &State, after: &State) -> Outcome<Option<u64>> {
    if Command::new("rsync").arg("--version").output().is_err() {
        println!("  skipped: no rsync");
        return Ok(None);
    }
    let (old, new, batch) = (scratch.join("old"), scratch.join("new"), scratch.join("batch"));
    lay(&old, before)?;
    lay(&new, after)?;
    let mut command = Command::new("rsync");
    command.args(["-a", "--fuzzy", "--no-whole-file"]).arg(format!("--only-write-batch={}", batch.display()));
    run(command.arg(format!("{}/", new.display())).arg(format!("{}/", old.display())), &scratch.join("output.log"))?;
    Ok(Some(fs::metadata(&batch)?.len()))
}

fn xdelta3(scratch: &Path, new: &[(&PathBuf, Option<&PathBuf>)]) -> Outcome<Option<u64>> {
    if Command::new("xdelta3").arg("-V").output().is_err() {
        println!("  skipped: no xdelta3");
        return Ok(None);
    }
    let patch = scratch.join("patch");
    let mut bytes = 0;
    for (path, base) in new {
        let mut command = Command::new("xdelta3");
        command.args(["-9", "-f", "-e"]);
        if let Some(base) = base {
            command.arg("-s").arg(base);
        }
        run(command.arg(path).arg(&patch), &scratch.join("output.log"))?;
        bytes += fs::metadata(&patch)?.len();
    }
    Ok(Some(bytes))
}

fn patch_from(new: &[(&PathBuf, Option<&PathBuf>)]) -> Outcome<u64> {
    use std::io::Write as _;
    let mut bytes = 0;
    for (path, base) in new {
        let base = base.map(fs::read).transpose()?.unwrap_or_default();
        let mut encoder = zstd::Encoder::with_ref_prefix(Vec::new(), 19, &base)?;
        encoder.window_log(27)?;
        encoder.long_distance_matching(true)?;
        encoder.write_all(&fs::read(path)?)?;
        bytes += encoder.finish()?.len() as u64;
    }
    Ok(bytes)
}
