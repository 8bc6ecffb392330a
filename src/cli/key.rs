//! `bivouac key`.

use super::{Failure, Global, Outcome};

/// Arguments of `key`.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) action: Action,
}

/// What to do with keys.
#[derive(clap::Subcommand, Debug)]
pub(crate) enum Action {
    /// Make a signing key and its public half, as abuild-keygen does
    New {
        /// Its name [default: user@host and 8 hex digits]
        name: Option<String>,
        /// RSA modulus bits
        #[arg(long, default_value_t = 4096)]
        bits: usize,
    },
    /// List the keys that this configuration signs with and trusts
    List,
    /// Print the public key that clients put in /etc/apk/keys
    Export,
}

pub(crate) fn run(_global: &Global, _args: Args) -> Result<Outcome, Failure> {
    Err(Failure::not_supported_yet("`key`"))
}
