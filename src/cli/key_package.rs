//! `bivouac key package`: a package that installs our public keys.

use std::path::PathBuf;

use bivouac::apk::PackageName;
use bivouac::jobs::keyring_package as job;

use super::global::Output;
use super::{Failure, Global, Outcome, out, sync};

/// Arguments of `key package`.
#[derive(clap::Args, Debug)]
#[command(after_help = "\
    With `[signing] keyring_package` set the package is in every index that we merge, and clients get the next key by `apk \
    upgrade`. The file is for images, and for clients' first installation: `apk add --allow-untrusted ./FILE`.")]
pub(crate) struct Args {
    /// The folder it is written to
    #[arg(long, value_name = "DIR", default_value = ".")]
    to: PathBuf,
    /// Its name [default: as configured, or HOST-keys]
    #[arg(long)]
    name: Option<PackageName>,
}

pub(crate) fn run(global: &Global, args: Args) -> Result<Outcome, Failure> {
    let config = super::config::load(global)?;
    let report = job::write(&config, args.name, &args.to, sync::timestamp()?)?;
    if global.output() == Output::Json {
        out::json(&report)?;
    } else {
        out::line(report.file.display())?;
        for key in &report.keys {
            out::line(format_args!("  etc/apk/keys/{}  {}", key.name, key.fingerprint))?;
        }
    }
    Ok(Outcome::Done)
}
