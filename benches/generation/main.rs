//! `cargo bench --bench generation`: how long it takes until a generation of 30,000 packages is live, published anew by
//! changed rules and gone back to; and until 40 repositories of 5,000 packages each are signed by another key. Prints a table and asserts nothing about time.

// A bench is a program of its own that prints and writes scratch files; the library's house rules end at its door.
#![allow(clippy::print_stdout, clippy::print_stderr, clippy::disallowed_methods, missing_docs)]

#[path = "../main_job/measure.rs"]
#[allow(dead_code, reason = "shared")]
mod measure;
#[path = "../main_job/outcome.rs"]
mod outcome;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use bivouac::apk::v2::package::Recipe;
use measure::{Run, Series, run, settle};
use outcome::Outcome;

const PACKAGES: usize = 30_000;
/// Switches of each kind. An odd number has a median that was really measured.
const ROUNDS: usize = 5;

/// What a rotation goes over.
const REPOSITORIES: usize = 40;
const PACKAGES_EACH: usize = 5_000;
const ROTATIONS: usize = 3;

fn main() -> ExitCode {
    // `cargo test --benches` starts benches without this flag, and wants no measurement.
    if !std::env::args().any(|argument| argument == "--bench") {
        return ExitCode::SUCCESS;
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
    switches()?;
    rotations()
}

/// A folder with so many packages in it, and a key.
fn with_packages(name: &str, packages: usize) -> Outcome<PathBuf> {
    let scratch = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("bench-data").join(name);
    if scratch.exists() {
        std::fs::remove_dir_all(&scratch)?;
    }
    let folder = scratch.join("packages/x86_64");
    std::fs::create_dir_all(&folder)?;
    for number in 0..packages {
        let name = format!("package-{number:05}");
        let recipe = Recipe::new(name.parse()?, "1.0-r0".parse()?, "x86_64".parse()?);
        std::fs::write(folder.join(format!("{name}-1.0-r0.apk")), recipe.write(1_670_000_000)?.with_signatures(&[]))?;
    }
    Ok(scratch)
}

fn bivouac(scratch: &Path, words: &[&str]) -> Outcome<Run> {
    settle();
    let mut command = Command::new(env!("CARGO_BIN_EXE_bivouac"));
    run(command.current_dir(scratch).arg("-q").args(words), &scratch.join("output.log"))
}

/// From one key to the next over many repositories; keys as abuild-keygen makes them.
fn rotations() -> Outcome<()> {
    let scratch = with_packages("rotation", PACKAGES_EACH)?;
    let bivouac = |words: &[&str]| bivouac(&scratch, words);
    for number in 0..=ROTATIONS {
        bivouac(&["key", "new", &format!("bench@example.org-{number}"), "--bits", "4096"])?;
    }
    let mut config =
        "store = \"store\"\npublic = \"mirror/alpine\"\n[signing]\nkey = \"keys/bench@example.org-0.rsa\"\n\
         [sources.bench]\ndirectory = \"packages\"\nunsigned = \"accept\"\n[retain]\nprune = \"never\"\n"
            .to_owned();
    for number in 0..REPOSITORIES {
        config += &format!("[[repositories]]\nname = \"r{number}\"\narches = [\"x86_64\"]\nfrom = [\"bench\"]\n");
    }
    std::fs::write(scratch.join("bivouac.toml"), config)?;
    let first = bivouac(&["sync"])?;
    let (mut begun, mut ended) = (Series::default(), Series::default());
    for number in 1..=ROTATIONS {
        begun.push(bivouac(&["key", "rotate", "--key", &format!("keys/bench@example.org-{number}.rsa")])?);
        ended.push(bivouac(&["key", "retire", &format!("bench@example.org-{}", number - 1), "--now"])?);
    }
    println!("{REPOSITORIES} repositories of {PACKAGES_EACH} packages each, RSA 4096, hard links, flushed to disk");
    println!("  first sync of the folder: {:.2} s", first.seconds);
    begun.print("key rotate: signed by both, live");
    ended.print("key retire: signed by the new one, live");
    std::fs::remove_dir_all(&scratch)?;
    Ok(())
}

fn switches() -> Outcome<()> {
    let scratch = with_packages("generation", PACKAGES)?;
    let bivouac = |words: &[&str]| bivouac(&scratch, words);
    bivouac(&["key", "new", "bench@example.org-1", "--bits", "2048"])?;
    // The rule that changes leaves one package out: the index is another, the rest is as much work as before.
    let rules = |left_out: usize| {
        let config = format!(
            "store = \"store\"\npublic = \"mirror/alpine\"\n[signing]\nkey = \"keys/bench@example.org-1.rsa\"\n\
             [sources.bench]\ndirectory = \"packages\"\nunsigned = \"accept\"\n\
             [[repositories]]\nname = \"v3.23/main\"\narches = [\"x86_64\"]\nfrom = [\"bench\"]\n\
             exclude = [\"package-{left_out:05}\"]\n[retain]\nprune = \"never\"\n"
        );
        std::fs::write(scratch.join("bivouac.toml"), config)
    };
    rules(PACKAGES)?;
    let first = bivouac(&["sync"])?;
    let (mut published, mut back) = (Series::default(), Series::default());
    for round in 1..=ROUNDS {
        rules(round)?;
        published.push(bivouac(&["publish"])?);
        back.push(bivouac(&["rollback"])?);
    }
    println!("a generation of {PACKAGES} packages, hard links, flushed to disk");
    println!("  first sync of the folder: {:.2} s", first.seconds);
    published.print("publish: merged, signed, live");
    back.print("rollback: live");
    std::fs::remove_dir_all(&scratch)?;
    Ok(())
}
