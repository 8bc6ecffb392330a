//! `cargo bench --bench main_job [-- first-sync no-news verify index]`: the main job beside the programs that people use
//! for it today, on 5,000 packages of 1.6 GB made from the real 3.17 index. Prints tables and asserts nothing about time.
//!
//! `$BIVOUAC_REAL_ALPINE` names the folder of real Alpine data. The tree is made once, below `target/bench-data`; nginx,
//! rsync and apk 2.14 are skipped with a word where they are missing.

// A bench is a program of its own that prints and writes scratch files; the library's house rules end at its door.
#![allow(clippy::print_stdout, clippy::print_stderr, clippy::disallowed_methods, missing_docs)]

mod chance;
mod contests;
mod key;
mod measure;
mod outcome;
mod package;
mod peers;
#[allow(dead_code, reason = "shared")]
mod tree;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Instant;

use contests::Ground;
use outcome::Outcome;

/// What the bench calls itself with to make the tree: the generator's memory would otherwise count as the peak of every
/// program started after it, because a child's resident set begins as its parent's.
const GENERATE: &str = "--generate-tree";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let data = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("bench-data");
    let done = match std::env::var_os("BIVOUAC_REAL_ALPINE").map(PathBuf::from) {
        None => {
            println!("skipped: no real Alpine data");
            Ok(())
        }
        Some(real) if arguments.iter().any(|argument| argument == GENERATE) => tree::generate(&data, &real),
        // `cargo test --benches` starts benches without this flag, and wants no measurement.
        Some(_) if !arguments.iter().any(|argument| argument == "--bench") => Ok(()),
        Some(real) => {
            let chosen: Vec<&str> =
                arguments.iter().map(String::as_str).filter(|name| !name.starts_with("--")).collect();
            compare(&data, &real, &chosen)
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Runs the comparisons named in `chosen`, or all. One that fails is reported and the others still run.
fn compare(data: &Path, real: &Path, chosen: &[&str]) -> Outcome<()> {
    if tree::find(data).is_none() {
        println!("making the tree below {} …", data.display());
        let started = Instant::now();
        let status = Command::new(std::env::current_exe()?).arg(GENERATE).status()?;
        if !status.success() {
            return Err("the tree could not be made".into());
        }
        println!("made in {:.0} s", started.elapsed().as_secs_f64());
    }
    let tree = tree::find(data).ok_or("the tree is not complete")?;
    let ground =
        Ground { tree: &tree, bivouac: Path::new(env!("CARGO_BIN_EXE_bivouac")), scratch: data.join("scratch") };
    std::fs::create_dir_all(&ground.scratch)?;
    let apk = peers::Apk::unpack(data, real)?;

    let contests: [(&str, &dyn Fn() -> Outcome<()>); 4] = [
        ("first-sync", &|| contests::first_sync(&ground)),
        ("no-news", &|| contests::no_news(&ground)),
        ("verify", &|| contests::verify(&ground, apk.as_ref())),
        ("index", &|| contests::index(&ground, apk.as_ref())),
    ];
    let mut failed = Vec::new();
    for (name, contest) in contests {
        if (chosen.is_empty() || chosen.contains(&name))
            && let Err(error) = contest()
        {
            println!("  failed: {error}");
            failed.push(name);
        }
    }
    if failed.is_empty() { Ok(()) } else { Err(format!("without a figure: {}", failed.join(", ")).into()) }
}
