//! `bivouac client`.

use super::{Failure, Global, Outcome};

/// Arguments of `client`.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// The address under which clients reach the public tree
    #[arg(long, value_name = "URL")]
    pub(crate) url: Option<String>,
}

pub(crate) fn run(_global: &Global, _args: Args) -> Result<Outcome, Failure> {
    Err(Failure::not_supported_yet("`client`"))
}
