//! `bivouac sign`: signs loose files in place, like `abuild-sign`.

use std::path::PathBuf;

use bivouac::config;
use bivouac::jobs::sign::{self as job, SignReport, SigningKey};
use serde::Serialize;

use super::global::Output;
use super::{Failure, Global, Outcome, out};

/// Arguments of `sign`.
#[derive(clap::Args, Debug)]
#[command(after_help = "\
        The signature part is replaced; everything else stays byte for byte, so what an index promises of a \
        package stays true. A package whose data is not what it promises is refused: exit code 3.")]
pub(crate) struct Args {
    /// Indexes, and packages (*.apk)
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    /// Sign with this private key [default: the configured one]
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
}

#[derive(Serialize)]
struct Json<'a> {
    files: &'a [SignReport],
}

pub(crate) fn run(global: &Global, args: Args) -> Result<Outcome, Failure> {
    let key = signing_key(global, args.key)?.ok_or_else(|| {
        Failure::usage("no key to sign with").hint("name one with --key, or make one with `bivouac key new`")
    })?;
    let reports = job::sign(&args.files, &key)?;
    match global.output() {
        Output::Json => out::json(&Json { files: &reports })?,
        Output::Text if global.quiet => {}
        Output::Text => {
            for report in reports {
                out::line(format_args!("{}: signed by {}", report.file.display(), report.signed_by))?;
            }
        }
    }
    Ok(Outcome::Done)
}

/// The key that the command line names, else the configured one, if there is a configuration with one.
pub(super) fn signing_key(global: &Global, named: Option<PathBuf>) -> Result<Option<SigningKey>, Failure> {
    if let Some(file) = named {
        return Ok(Some(SigningKey::in_file(file, config::Digest::default())));
    }
    if global.config.is_none() && super::config::find(global).is_err() {
        return Ok(None);
    }
    Ok(super::config::load(global)?.signing.as_ref().map(SigningKey::from))
}
