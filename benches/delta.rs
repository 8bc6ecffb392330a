//! `cargo bench --bench delta`: what deltas between real packages weigh, how fast they are made and applied, and how much
//! memory that takes. Every one of them is applied and compared. `$BIVOUAC_REAL_ALPINE` names the folder of real Alpine data.

// A bench is a program of its own that prints; the library's house rules end at its door.
#![allow(clippy::print_stdout, clippy::print_stderr, clippy::disallowed_methods, missing_docs)]

mod timing;

#[path = "../tests/delta/pairs.rs"]
mod pairs;

use std::path::Path;
use std::process::{Command, ExitCode};
use std::time::Instant;

use bivouac::delta::{self, Limits, Method};

use pairs::Pair;
use timing::Outcome;
use wait4::Wait4 as _;

fn main() -> ExitCode {
    timing::on_real_data(measure)
}

/// Behind this argument stand a base and a target: make and apply the delta between them and end.
const ONE: &str = "--one";

fn measure(real: &Path) -> Outcome<()> {
    let arguments: Vec<String> = std::env::args().collect();
    if let Some([_, base, target]) =
        arguments.iter().position(|argument| argument == ONE).map(|at| &arguments[at..at + 3])
    {
        let (base, target) = (std::fs::read(base)?, std::fs::read(target)?);
        let delta = delta::make(Some(&base), &target);
        delta::apply(Some(&base), &delta, &Limits::default())?;
        return Ok(());
    }
    let mut steps = pairs::steps(real);
    for (name, pairs) in &steps {
        println!("{name}");
        for pair in pairs {
            Sum::default().add(pair)?.print(&pair.target.file_stem().unwrap_or_default().to_string_lossy());
        }
    }
    steps.push(("every pair of a name", pairs::all(real)));
    println!("in all");
    for (name, pairs) in &steps {
        let sum = pairs.iter().try_fold(Sum::default(), |sum, pair| sum.add(pair))?;
        sum.print(name);
        let length = |pair: &&Pair| std::fs::metadata(&pair.target).map_or(0, |file| file.len());
        if let Some(largest) = pairs.iter().max_by_key(length) {
            println!("  {:<32} {:>4} MB of memory for the largest pair", "", peak(largest)? / 1_000_000);
        }
    }
    Ok(())
}

/// The most memory, in bytes, that a process takes which makes and applies this delta.
fn peak(pair: &Pair) -> Outcome<u64> {
    let mut command = Command::new(std::env::current_exe()?);
    let mut child = command.args(["--bench", ONE]).args([&pair.base, &pair.target]).spawn()?;
    let done = child.wait4()?;
    if done.status.success() { Ok(done.rusage.maxrss) } else { Err(done.status.to_string().into()) }
}

/// Bytes and seconds over several pairs.
#[derive(Default)]
struct Sum {
    pairs: usize,
    target: usize,
    delta: usize,
    /// zstd with the old file as prefix, on the files as they are.
    files: usize,
    /// The target's plain form alone, without a base.
    alone: usize,
    /// Over the base's signature.
    against: usize,
    /// Those signatures.
    signatures: usize,
    making: f64,
    applying: f64,
    whole: usize,
    differ: usize,
}

impl Sum {
    fn add(mut self, pair: &Pair) -> Outcome<Sum> {
        let (base, target) = (std::fs::read(&pair.base)?, std::fs::read(&pair.target)?);
        let started = Instant::now();
        let delta = delta::make(Some(&base), &target);
        self.making += started.elapsed().as_secs_f64();
        let rebuilt = delta::apply(Some(&base), &delta, &Limits::default())?;
        self.applying += timing::median(1, || delta::apply(Some(&base), &delta, &Limits::default()));
        if rebuilt != target {
            return Err(format!("{}: not rebuilt", pair.target.display()).into());
        }
        match delta::form::inspect(&delta)?.method {
            Method::Whole => self.whole += 1,
            Method::Differ => self.differ += 1,
            Method::Prefix | Method::Rsync => {}
        }
        self.pairs += 1;
        self.target += target.len();
        self.delta += delta.len();
        self.alone += delta::make(None, &target).len();
        let signature = delta::signature(&base).ok_or("a base is too large")?;
        self.against += delta::make_against(&signature, &target)?.len();
        self.signatures += signature.len();
        self.files += patch_from(&base, &target)?;
        Ok(self)
    }

    fn print(&self, name: &str) {
        let share = |bytes: usize| bytes as f64 * 100.0 / self.target as f64;
        let rate = |seconds: f64| self.target as f64 / seconds / 1e6;
        println!(
            "  {name:<32} {:>3} pairs ({:>3} differ, {:>2} whole) {:>9} B → {:>8} B {:>6.2} % | on the files {:>5.1} %, \
             without base {:>5.1} %, against signatures {:>5.1} % (they {:>4.1} %) | made {:>6.2} MB/s, applied {:>6.2} MB/s",
            self.pairs,
            self.differ,
            self.whole,
            self.target,
            self.delta,
            share(self.delta),
            share(self.files),
            share(self.alone),
            share(self.against),
            share(self.signatures),
            rate(self.making),
            rate(self.applying),
        );
    }
}

/// What `zstd -19 --patch-from` makes of the two files.
fn patch_from(base: &[u8], target: &[u8]) -> Outcome<usize> {
    use std::io::Write as _;
    let mut encoder = zstd::Encoder::with_ref_prefix(Vec::new(), 19, base)?;
    encoder.window_log(27)?;
    encoder.long_distance_matching(true)?;
    encoder.write_all(target)?;
    Ok(encoder.finish()?.len())
}
