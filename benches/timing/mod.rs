//! What the benches of single steps have in common: how they start, and how a step is timed.

use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

/// A value, or why there is none.
pub(crate) type Outcome<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// Measures on the folder of real Alpine data that `$BIVOUAC_REAL_ALPINE` names.
pub(crate) fn on_real_data(measure: impl FnOnce(&Path) -> Outcome<()>) -> ExitCode {
    // `cargo test --benches` starts benches without this flag, and wants no measurement.
    if !std::env::args().any(|argument| argument == "--bench") {
        return ExitCode::SUCCESS;
    }
    let done = match std::env::var_os("BIVOUAC_REAL_ALPINE").map(PathBuf::from) {
        None => {
            println!("skipped: no real Alpine data");
            Ok(())
        }
        Some(real) => measure(&real),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// The middle one of `runs` times in seconds, after one that is not counted.
pub(crate) fn median<T>(runs: usize, mut work: impl FnMut() -> T) -> f64 {
    black_box(work());
    let mut seconds: Vec<f64> = (0..runs)
        .map(|_| {
            let started = Instant::now();
            black_box(work());
            started.elapsed().as_secs_f64()
        })
        .collect();
    seconds.sort_by(f64::total_cmp);
    seconds[runs / 2]
}
