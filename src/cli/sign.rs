//! `bivouac sign`.

use super::{Failure, Global, Outcome};

/// Arguments of `sign`.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// The index or package to sign, in place
    #[arg(value_name = "FILE", required = true)]
    pub(crate) files: Vec<std::path::PathBuf>,
    /// Sign with this private key [default: the configured key]
    #[arg(long, value_name = "FILE")]
    pub(crate) key: Option<std::path::PathBuf>,
}

pub(crate) fn run(_global: &Global, _args: Args) -> Result<Outcome, Failure> {
    Err(Failure::not_supported_yet("`sign`"))
}
