//! `bivouac promote`: what is beside live becomes live.

use bivouac::apk::TreeName;
use bivouac::jobs::publish as job;

use super::rollback::tell;
use super::sync::{call, listener};
use super::{Failure, Global, Outcome};

/// Arguments of `promote`.
#[derive(clap::Args, Debug)]
#[command(after_help = "\
    Clients see exactly the indexes that they saw below @NAME, in one switch. The tree at @NAME stays.")]
pub(crate) struct Args {
    /// The tree's name: `qa` for <public>/@qa
    name: TreeName,
}

pub(crate) fn run(global: &Global, args: Args) -> Result<Outcome, Failure> {
    let config = super::config::load(global)?;
    let report = job::promote(&config, &args.name, call(global)?, &listener(global))?;
    super::after::measure(global, &config);
    tell(global, &report)
}
