//! `bivouac why`: the chain by which a package is mirrored.

use bivouac::apk::PackageName;
use bivouac::error::Class;
use bivouac::jobs::why as job;

use super::global::Output;
use super::{Failure, Global, Outcome, out};

/// Arguments of `why`.
#[derive(clap::Args, Debug)]
#[command(after_help = "\
    From the snapshot in force, by today's rules. Exit code 0: some repository has it; 3: your rules leave it out everywhere; \
    2: no source lists it.")]
pub(crate) struct Args {
    /// The package's name
    name: String,
}

pub(crate) fn run(global: &Global, args: Args) -> Result<Outcome, Failure> {
    let name: PackageName = args.name.parse().map_err(Failure::usage)?;
    let config = super::config::load(global)?;
    let report = job::why(&config, &name)?;
    if global.output() == Output::Json {
        out::json(&report)?;
    } else {
        for repository in &report.repositories {
            let place = format!("{}/{}", repository.name, repository.arch);
            for package in &repository.packages {
                out::line(format_args!("{place}: {}, {}", package.file, package.from))?;
                out::line(format_args!("  {}", job::in_one_line(&package.chain)))?;
            }
            for left_out in &repository.left_out {
                let what = match (&left_out.file, &left_out.from) {
                    (Some(file), Some(from)) => format!("without {file}, {from}"),
                    _ => format!("without {name}"),
                };
                out::line(format_args!("{place}: {what}"))?;
                out::line(format_args!("  {}", left_out.message))?;
            }
        }
    }
    Ok(if report.mirrored { Outcome::Done } else { Outcome::Found(Class::Refused) })
}
