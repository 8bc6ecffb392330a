//! `bivouac man`.

use std::path::{Path, PathBuf};

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
        out::text(page(Man::new(table)))?;
        return Ok(Outcome::Done);
    };
    std::fs::metadata(&folder)
        .map_err(|error| Failure::host(format_args!("{} cannot be written to", folder.display()), &error))?;
    let mut pages = vec![("bivouac.1".to_owned(), page(Man::new(table.clone())))];
    pages.extend(of_commands(&table, "bivouac"));
    for (name, text) in &pages {
        bivouac::jobs::write_page(&folder.join(name), text)?;
    }
    if !global.quiet {
        progress::note(format_args!("{} pages in {}", pages.len(), shown(&folder)));
    }
    Ok(Outcome::Done)
}

fn shown(folder: &Path) -> impl std::fmt::Display + '_ {
    folder.display()
}

/// A page for each command, and for each of its own.
fn of_commands(table: &clap::Command, above: &str) -> Vec<(String, String)> {
    let mut pages = Vec::new();
    for command in table.get_subcommands().filter(|command| !command.is_hide_set()) {
        let name = format!("{above}-{}", command.get_name());
        pages.extend(of_commands(command, &name));
        // The page's own name is one word, the command it tells of is not.
        let spaced = name.replacen('-', " ", name.matches('-').count());
        let shown = command.clone().name(name.clone()).bin_name(spaced);
        pages.push((format!("{name}.1"), page(Man::new(shown))));
    }
    pages
}

fn page(man: Man) -> String {
    let mut text = Vec::new();
    man.render(&mut text).expect("memory takes all that is written to it");
    String::from_utf8_lossy(&text).into_owned()
}
