//! `bivouac status`.

use super::{Failure, Global, Outcome};

/// Arguments of `status`.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    #[arg(long, hide = true)]
    pub(crate) disk: bool,
    #[arg(long, hide = true)]
    pub(crate) watch: bool,
}

pub(crate) fn run(_global: &Global, _args: Args) -> Result<Outcome, Failure> {
    Err(Failure::not_supported_yet("`status`"))
}
