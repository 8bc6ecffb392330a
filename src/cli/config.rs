//! `bivouac config`.

use super::{Failure, Global, Outcome};

/// Arguments of `config`.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) action: Action,
}

/// What to do with the configuration.
#[derive(clap::Subcommand, Clone, Copy, Debug)]
pub(crate) enum Action {
    /// Read it and tell every fault, with its line
    Check,
    /// Print it as understood: rows of `for` written out, paths absolute, secrets hidden
    Show,
}

pub(crate) fn run(_global: &Global, _args: Args) -> Result<Outcome, Failure> {
    Err(Failure::not_supported_yet("`config`"))
}
