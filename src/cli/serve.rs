//! `bivouac serve`: the public tree over HTTP.

use std::convert::Infallible;
use std::fmt::Display;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use bivouac::config::Current;
use bivouac::jobs::serve::{self as job, Access, AccessLog, At, Pages, Server, Unlogged};
use bivouac::ops::pages::OpsPages;
use bivouac::ops::service::{self, Word};
use bivouac::site::Site;
use jiff::Timestamp;
use serde::Serialize;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::aside::Aside;
use super::global::Output;
use super::{Failure, Global, Outcome, out, progress, sync};

/// Where it listens when nobody says where.
const USUAL: &str = "127.0.0.1:8080";

/// Arguments of `serve`.
#[derive(clap::Args, Debug)]
#[command(after_help = "\
    Serves until it is stopped; whatever a sync publishes meanwhile is served from then on. SIGHUP reads the \
    configuration anew for its pages. A socket that systemd hands over is \
    taken first. Beside the tree there are pages for people at /, \
    client set-up at /setup, /metrics (Prometheus) and /healthz. The access log goes to standard output in the \
    combined format.")]
pub(crate) struct Args {
    /// Where to listen; port 0 takes any that is free [else: [serve] listen, or 127.0.0.1:8080]
    #[arg(long, value_name = "ADDR")]
    listen: Option<SocketAddr>,
}

#[derive(Serialize)]
struct Listening {
    listening: SocketAddr,
}

pub(crate) fn run(global: &Global, args: Args) -> Result<Outcome, Failure> {
    // Before there is another thread.
    let socket = service::listener();
    let config = super::config::load(global)?;
    let usual = || USUAL.parse().expect("it is an address");
    let at = match (args.listen, socket) {
        (Some(address), _) => At::Address(address),
        (None, Some(socket)) => At::Socket(socket),
        (None, None) => At::Address(config.serve.listen.unwrap_or_else(usual)),
    };
    let config = Current::new(config);
    super::block_on(global, async {
        let server = listen(global, &config, at).await?;
        let hangup =
            signal(SignalKind::hangup()).map_err(|error| Failure::host("signals cannot be listened for", &error))?;
        tokio::spawn(reload_when_asked(global.clone(), config.clone(), hangup));
        service::tell(&[Word::Ready]);
        let never: Infallible = server.run().await;
        match never {}
    })
}

/// SIGHUP: what metrics tell of is read anew. Where it listens, and what it serves, stays.
async fn reload_when_asked(global: Global, config: Current, mut hangup: Signal) {
    while hangup.recv().await.is_some() {
        service::tell(&[Word::Reloading]);
        match super::config::load(&global) {
            Ok(read) => config.set(read),
            Err(failure) => failure.kept("the former configuration stays in use").print(Output::Text),
        }
        service::tell(&[Word::Ready]);
    }
}

/// A server that listens, and says so.
pub(super) async fn listen(global: &Global, config: &Current, at: At) -> Result<Server, Failure> {
    let server = job::listen(&config.get(), at, super::now, access_log(global), pages(config)).await?;
    match global.output() {
        // The one value: whoever asked for port 0 learns the port, and a supervisor that it listens.
        Output::Json => out::json(&Listening { listening: server.address() })?,
        Output::Text if global.quiet => {}
        Output::Text => {
            let public = config.get().public.clone();
            progress::note(format_args!("serving {} on http://{}/", public.display(), server.address()))
        }
    }
    Ok(server)
}

/// What is answered beside the tree.
pub(super) fn pages(config: &Current) -> Vec<Arc<dyn Pages>> {
    let clock = || sync::timestamp().unwrap_or(Timestamp::UNIX_EPOCH);
    let told = |error: &dyn Display| progress::note(format_args!("warning: a page cannot be made: {error}"));
    vec![Arc::new(OpsPages::new(config.clone(), clock, told)), Arc::new(Site::new(config.clone(), clock, told))]
}

/// Lines on standard output, but for `--json`, whose one value was printed already, and `-q`.
pub(super) fn access_log(global: &Global) -> Box<dyn AccessLog> {
    match global.output() {
        Output::Text if !global.quiet => Box::new(Lines {
            // That it cannot be written is its reader's trouble.
            out: Aside::new(|line: String| drop(out::line(line))),
        }),
        Output::Text | Output::Json => Box::new(Unlogged),
    }
}

/// Written aside: a log that nobody reads is no reason to stop serving.
struct Lines {
    out: Aside<String>,
}

impl AccessLog for Lines {
    fn answered(&self, access: &Access) {
        self.out.give(access.to_string());
    }

    fn unreadable(&self, target: &str, error: &io::Error) {
        progress::note(format_args!("warning: {target}: {error}"));
    }
}
