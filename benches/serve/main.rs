//! `cargo bench --bench serve`: our `serve` beside nginx, as `web-config` sets it up, on the same tree over loopback. Needs
//! nginx, wrk and two processors: the server has one, wrk the other, so that both servers have one worker. Each case is
//! measured in turn, ours and theirs, several times, so that what else the machine does meets both. Both keep an access log.
//! Prints a table in Markdown and asserts nothing about time.

// A bench is a program of its own that prints and writes scratch files; the library's house rules end at its door.
#![allow(clippy::print_stdout, clippy::print_stderr, clippy::disallowed_methods, missing_docs)]

mod contestants;
mod load;
#[path = "../main_job/outcome.rs"]
mod outcome;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use contestants::{Contestant, bivouac, nginx};
use load::{Case, Load, Measured, with_connections};
use outcome::Outcome;

/// Where the files lie below the tree, whose arch is of no matter.
const FOLDER: &str = "v3.23/main/x86_64";
/// An odd number has a median that was really measured.
const ROUNDS: usize = 5;

const CASES: [Case; 6] = [
    Case { name: "package of 2 KB", file: "small-1.0-r0.apk", load: Load::Whole, connections: 64, goal: 0.8 },
    Case { name: "package of 20 KB", file: "medium-1.0-r0.apk", load: Load::Whole, connections: 64, goal: 0.8 },
    Case { name: "304, by ETag", file: "APKINDEX.tar.gz", load: Load::ByTag, connections: 64, goal: 0.8 },
    Case { name: "index of 660 KB", file: "APKINDEX.tar.gz", load: Load::Whole, connections: 16, goal: 0.7 },
    Case { name: "package of 50 MB", file: "large-1.0-r0.apk", load: Load::Whole, connections: 4, goal: 0.7 },
    Case { name: "2 KB, 1,000 connections", file: "small-1.0-r0.apk", load: Load::Whole, connections: 1000, goal: 0.8 },
];

fn main() -> ExitCode {
    // `cargo test --benches` starts benches without this flag, and wants no measurement.
    if !std::env::args().any(|argument| argument == "--bench") {
        return ExitCode::SUCCESS;
    }
    for tool in ["nginx", "wrk", "taskset"] {
        if contestants::program(tool).is_none() {
            println!("skipped: no {tool}");
            return ExitCode::SUCCESS;
        }
    }
    match measured() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn measured() -> Outcome<()> {
    let scratch = laid_out()?;
    let contestants = [bivouac(&scratch)?, nginx(&scratch)?];
    println!("| {ROUNDS} rounds, median (least to most) | bivouac | nginx | ratio | goal |");
    println!("|---|---|---|---|---|");
    for case in &CASES {
        let mut series: [Vec<Measured>; 2] = Default::default();
        for _ in 0..ROUNDS {
            for (contestant, series) in contestants.iter().zip(&mut series) {
                series.push(case.run(contestant)?);
            }
        }
        let [ours, theirs] = series;
        println!("{}", case.row(&ours, &theirs));
    }
    for (name, file) in [
        ("memory, 1,000 connections idle", "small-1.0-r0.apk"),
        ("memory, 1,000 of 50 MB under way", "large-1.0-r0.apk"),
    ] {
        let memory = |contestant: &Contestant| with_connections(contestant, file, 1000);
        let (ours, theirs) = (memory(&contestants[0])?, memory(&contestants[1])?);
        println!("| {name} | {:.1} MB | {:.1} MB | | < 60 MB |", ours as f64 / 1e6, theirs as f64 / 1e6);
    }
    drop(contestants);
    std::fs::remove_dir_all(&scratch)?;
    Ok(())
}

/// A published tree as `publish` leaves it, with files of the sizes that matter.
fn laid_out() -> Outcome<PathBuf> {
    let scratch = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("bench-data").join("serve");
    if scratch.exists() {
        std::fs::remove_dir_all(&scratch)?;
    }
    let folder = scratch.join("mirror/.generations/1").join(FOLDER);
    std::fs::create_dir_all(&folder)?;
    let hour_ago = std::time::SystemTime::now() - std::time::Duration::from_secs(3600);
    for (name, size) in [
        ("small-1.0-r0.apk", 2 << 10),
        ("medium-1.0-r0.apk", 20 << 10),
        ("APKINDEX.tar.gz", 660 << 10),
        ("large-1.0-r0.apk", 50 << 20),
    ] {
        let mut bytes = vec![0; size];
        getrandom::fill(&mut bytes)?;
        std::fs::write(folder.join(name), bytes)?;
        std::fs::File::options().write(true).open(folder.join(name))?.set_modified(hour_ago)?;
    }
    std::os::unix::fs::symlink(".generations/1", scratch.join("mirror/alpine"))?;
    let config = "store = \"store\"\npublic = \"mirror/alpine\"\n[sources.up]\nurl = [\"http://127.0.0.1:1/\"]\n\
                  keyring = \"alpine\"\n[[repositories]]\nname = \"v3.23/main\"\nfrom = [\"up:v3.23/main\"]\n\
                  arches = [\"x86_64\"]\nindex = \"upstream\"\n";
    std::fs::write(scratch.join("bivouac.toml"), config)?;
    Ok(scratch)
}
