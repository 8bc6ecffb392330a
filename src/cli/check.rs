//! `bivouac check`.

use super::{Failure, Global, Outcome};

/// Arguments of `check`.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    #[arg(long, hide = true, value_name = "SHARE")]
    pub(crate) read_data: Option<String>,
    #[arg(long, hide = true)]
    pub(crate) deep: bool,
}

pub(crate) fn run(_global: &Global, _args: Args) -> Result<Outcome, Failure> {
    Err(Failure::not_supported_yet("`check`"))
}
