//! `bivouac init`.

use super::{Failure, Global, Outcome};

/// Arguments of `init`.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// The folder to write into [default: the current one]
    pub(crate) dir: Option<std::path::PathBuf>,
}

pub(crate) fn run(_global: &Global, _args: Args) -> Result<Outcome, Failure> {
    Err(Failure::not_supported_yet("`init`"))
}
