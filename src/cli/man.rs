//! `bivouac man`.

use std::path::PathBuf;

use clap_mangen::Man;

use super::{Failure, Global, Outcome, out, parse, progress};

/// Arguments of `man`.
#[derive(clap::Args, Debug)]
#[command(after_help = "`bivouac man | man -l -` reads it at once.")]
pub(crate) struct Args {
    /// Write bivouac.1 and a page for each command into this folder
    #[arg(long, value_name = "DIR")]
    to: Option<PathBuf>,
}

pub(crate) fn run(global: &Global, args: Args) -> Result<Outcome, Failure> {
    let table = parse::table();
    let Some(folder) = args.to else {
        let mut text = Vec::new();
        Man::new(table).render(&mut text).expect("memory takes all that is written to it");
        out::text(String::from_utf8_lossy(&text))?;
        return Ok(Outcome::Done);
    };
    clap_mangen::generate_to(table, &folder)
        .map_err(|error| Failure::host(format_args!("the pages were not written to {}", folder.display()), &error))?;
    if !global.quiet {
        progress::note(format_args!("the pages are in {}", folder.display()));
    }
    Ok(Outcome::Done)
}
