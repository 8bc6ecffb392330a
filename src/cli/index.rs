//! `bivouac index`: the engine on a folder of loose packages, like `apk index`.

use std::error::Error as _;
use std::path::PathBuf;

use bivouac::apk::Arch;
use bivouac::jobs::index::{self as job, Detached, IndexRequest};

use super::global::Output;
use super::{Failure, Global, Outcome, out, sign};

/// Arguments of `index`.
#[derive(clap::Args, Debug)]
#[command(after_help = "\
        Lists every *.apk file of DIR by what its head says; noarch packages are listed under the index's \
        arch, because clients look for them in its folder. The same packages give the same bytes. When one \
        package cannot be listed, nothing is written and all such packages are named: exit code 3.")]
pub(crate) struct Args {
    /// The folder whose *.apk files are listed
    #[arg(value_name = "DIR")]
    dir: PathBuf,
    /// Where the index goes [default: DIR/APKINDEX.tar.gz]
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Text for DESCRIPTION, at most 160 bytes
    #[arg(short, long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    description: String,
    /// The index's arch [default: the one arch that the packages have]
    #[arg(long, value_name = "ARCH")]
    arch: Option<Arch>,
    /// Sign with this private key [default: the configured one, if any]
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// Also write a raw SHA-256 signature of the file beside it, *.sign
    #[arg(long)]
    detached: bool,
}

pub(crate) fn run(global: &Global, args: Args) -> Result<Outcome, Failure> {
    let request = IndexRequest {
        output: args.output.unwrap_or_else(|| args.dir.join("APKINDEX.tar.gz")),
        folder: args.dir,
        arch: args.arch,
        description: args.description,
        signing: sign::signing_key(global, args.key)?,
        detached: if args.detached { Detached::Write } else { Detached::Leave },
        threads: super::threads(),
    };
    let report = job::index(&request).map_err(failure)?;
    match global.output() {
        Output::Json => out::json(&report)?,
        Output::Text if global.quiet => {}
        Output::Text => {
            let signed = report.signed_by.map_or("not signed".to_owned(), |name| format!("signed by {name}"));
            let arch = report.arch.map(|arch| format!(" for {arch}")).unwrap_or_default();
            out::line(format_args!("{}: {} packages{arch}, {signed}", report.file.display(), report.packages))?;
            if let Some(detached) = report.detached {
                out::line(format_args!("{}: its raw signature, SHA-256", detached.display()))?;
            }
        }
    }
    Ok(Outcome::Done)
}

/// Names every package that stands in the way.
fn failure(error: job::Error) -> Failure {
    let job::Error::Packages { refused, .. } = &error else { return error.into() };
    let lines: Vec<String> = refused
        .iter()
        .map(|file| match file.reason.source() {
            Some(cause) => format!("{}: {}: {cause}", file.name, file.reason),
            None => format!("{}: {}", file.name, file.reason),
        })
        .collect();
    lines.into_iter().fold(error.into(), Failure::detail)
}
