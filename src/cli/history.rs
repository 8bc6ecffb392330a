//! `bivouac history`.

use super::{Failure, Global, Outcome};

/// Arguments of `history`.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    #[arg(hide = true)]
    pub(crate) hex: Option<String>,
}

pub(crate) fn run(_global: &Global, _args: Args) -> Result<Outcome, Failure> {
    Err(Failure::not_supported_yet("`history`"))
}
