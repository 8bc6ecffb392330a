//! `bivouac history`: what was published when.

use bivouac::jobs::history::{self as job, CauseWord, GenerationReport};

use super::global::Output;
use super::{Failure, Global, Outcome, out, progress};

/// Arguments of `history`.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// Only generations that show an index whose description, as `apk update`
    /// prints it, begins with these hex digits
    hex: Option<String>,
}

pub(crate) fn run(global: &Global, args: Args) -> Result<Outcome, Failure> {
    if let Some(hex) = args.hex.as_ref().filter(|hex| hex.is_empty() || !hex.bytes().all(|b| b.is_ascii_hexdigit())) {
        return Err(Failure::usage(format_args!("{hex:?} is no beginning of a hash in hex digits")));
    }
    let config = super::config::load(global)?;
    let generations = job::history(&config, args.hex.as_deref())?;
    match global.output() {
        Output::Json => out::json(&generations)?,
        Output::Text => {
            for generation in &generations {
                out::line(format_args!(
                    "{:>6}  {}  {} packages, {}, snapshot {}{}{}",
                    generation.id,
                    generation.time.strftime("%Y-%m-%d %H:%M:%S UTC"),
                    generation.packages,
                    progress::bytes(generation.bytes),
                    generation.snapshot,
                    shown_again(generation),
                    if generation.live { "  live" } else { "" }
                ))?;
                if global.verbose || args.hex.is_some() {
                    for shown in &generation.repositories {
                        out::line(format_args!("        {}: {}", shown.name, shown.description))?;
                    }
                }
            }
        }
    }
    Ok(Outcome::Done)
}

/// Of which generation it shows the indexes again.
fn shown_again(generation: &GenerationReport) -> String {
    match (generation.cause, generation.shows) {
        (CauseWord::Rollback, Some(shown)) => format!("  rolled back to {shown}"),
        (CauseWord::Restore, Some(shown)) => format!("  restored from generation {shown}"),
        _ => String::new(),
    }
}
