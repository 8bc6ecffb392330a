//! `bivouac verify`.

use super::{Failure, Global, Outcome};

/// Arguments of `verify`.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// Packages and indexes
    #[arg(value_name = "FILE", required = true)]
    pub(crate) files: Vec<std::path::PathBuf>,
    /// Folder of trusted public keys [default: built in and /etc/apk/keys]
    #[arg(long, value_name = "DIR")]
    pub(crate) keys: Option<std::path::PathBuf>,
}

pub(crate) fn run(_global: &Global, _args: Args) -> Result<Outcome, Failure> {
    Err(Failure::not_supported_yet("`verify`"))
}
