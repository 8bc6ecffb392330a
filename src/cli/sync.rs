//! `bivouac sync`.

use super::{Failure, Global, Outcome};

/// Arguments of `sync`.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// Only these repositories, by name as published: v3.23/main
    #[arg(value_name = "REPOSITORY")]
    pub(crate) repositories: Vec<bivouac::apk::RepositoryName>,
    /// Print the plan (packages, bytes, disk, deletions) and change nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Take a snapshot, publish nothing
    #[arg(long)]
    pub(crate) no_publish: bool,
    #[arg(long, hide = true)]
    pub(crate) accept_older: bool,
    #[arg(long, hide = true, value_name = "REPOSITORY[/ARCH]")]
    pub(crate) accept_shrink: Vec<String>,
}

pub(crate) fn run(_global: &Global, _args: Args) -> Result<Outcome, Failure> {
    Err(Failure::not_supported_yet("`sync`"))
}
