//! `bivouac serve`: the public tree over HTTP.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;

use bivouac::jobs::serve::{self as job, Access, AccessLog, Unlogged};
use serde::Serialize;

use super::global::Output;
use super::{Failure, Global, Outcome, out, progress};

/// Arguments of `serve`.
#[derive(clap::Args, Debug)]
#[command(after_help = "\
    Serves until it is stopped; whatever a sync publishes meanwhile is served from then on. The access log goes to standard \
    output in the combined format.")]
pub(crate) struct Args {
    /// Where to listen; port 0 takes any that is free
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
}

#[derive(Serialize)]
struct Listening {
    listening: SocketAddr,
}

pub(crate) fn run(global: &Global, args: Args) -> Result<Outcome, Failure> {
    let config = super::config::load(global)?;
    let log = access_log(global);
    super::block_on(global, async {
        let server = job::listen(&config, args.listen, super::now, log).await?;
        match global.output() {
            // The one value: whoever asked for port 0 learns the port, and a supervisor that it listens.
            Output::Json => out::json(&Listening { listening: server.address() })?,
            Output::Text if global.quiet => {}
            Output::Text => {
                progress::note(format_args!("serving {} on http://{}/", config.public.display(), server.address()))
            }
        }
        let never: Infallible = server.run().await;
        match never {}
    })
}

/// Lines on standard output, but for `--json`, whose one value was printed already, and `-q`.
pub(super) fn access_log(global: &Global) -> Box<dyn AccessLog> {
    match global.output() {
        Output::Text if !global.quiet => Box::new(Lines),
        Output::Text | Output::Json => Box::new(Unlogged),
    }
}

struct Lines;

impl AccessLog for Lines {
    fn answered(&self, access: &Access) {
        // That nobody reads the log is no reason to stop serving.
        let _ = out::line(access);
    }

    fn unreadable(&self, target: &str, error: &io::Error) {
        progress::note(format_args!("warning: {target}: {error}"));
    }
}
