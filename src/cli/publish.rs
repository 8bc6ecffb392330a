//! `bivouac publish`: a snapshot by today's rules and key, live or beside live.

use bivouac::apk::Place;
use bivouac::jobs::publish as job;

use super::sync::{call, listener, tell};
use super::{Failure, Global, Outcome};

/// Arguments of `publish`.
#[derive(clap::Args, Debug)]
#[command(after_help = "\
    Nothing is fetched. Publishing live ends the hold that a rollback began. The next sync publishes what is newest again; \
    to stay on an older state, use `bivouac rollback`.")]
pub(crate) struct Args {
    /// The snapshot: its id or how it begins [else: the newest]
    snapshot: Option<String>,
    /// Publish beside live instead: clients see it below <public>/@NAME
    #[arg(long = "as", value_name = "NAME")]
    beside: Option<Place>,
}

pub(crate) fn run(global: &Global, args: Args) -> Result<Outcome, Failure> {
    let config = super::config::load(global)?;
    let place = args.beside.unwrap_or_default();
    let report = job::publish(&config, args.snapshot.as_deref(), &place, call(global)?, &listener(global))?;
    super::after::measure(global, &config);
    tell(global, &report)
}
