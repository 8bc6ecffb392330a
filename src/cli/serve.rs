//! `bivouac serve`: the public tree over HTTP or HTTPS.

use std::convert::Infallible;
use std::fmt::{Display, Write as _};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bivouac::config::Current;
use bivouac::error::in_one_line;
use bivouac::jobs::serve::{self as job, Access, AccessLog, At, Beside, ByConfig, Entrance, Error, Server, Traffic};
use bivouac::ops::pages::OpsPages;
use bivouac::ops::service::{self, Word};
use bivouac::site::Site;
use jiff::Timestamp;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
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
    configuration anew for its pages, and looks at certificate, key and logins at once: changed ones are taken up by themselves \
    when somebody comes. A socket that systemd hands over is \
    taken first. Beside the tree there are pages for people at /, \
    client set-up at /setup, /metrics (Prometheus) and /healthz. The access log goes to standard output in the \
    combined format.")]
pub(crate) struct Args {
    /// Where to listen; port 0 takes any that is free [else: [serve] listen, or 127.0.0.1:8080]
    #[arg(long, value_name = "ADDR")]
    listen: Option<SocketAddr>,
}

/// Lines of the access log that come within this time are written together.
const GATHERING: Duration = Duration::from_millis(5);

#[derive(Serialize)]
struct Listening {
    listening: SocketAddr,
    tls: bool,
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
        tokio::spawn(reload_when_asked(global.clone(), config.clone(), Arc::clone(server.entrance()), hangup));
        service::tell(&[Word::Ready]);
        let never: Infallible = server.run().await;
        match never {}
    })
}

/// SIGHUP: the configuration of which pages and metrics tell is read anew, and what the certificate's files and the logins' hold. Where it listens, which
/// files those are, and what it serves, stays.
async fn reload_when_asked(global: Global, config: Current, entrance: Arc<Entrance>, mut hangup: Signal) {
    while hangup.recv().await.is_some() {
        service::tell(&[Word::Reloading]);
        match super::config::load(&global) {
            Ok(read) => config.set(read),
            Err(failure) => failure.kept("the former configuration stays in use").print(Output::Text),
        }
        look(&global, &entrance);
        service::tell(&[Word::Ready]);
    }
}

/// Looks at the files that let clients in; what cannot be used is told.
pub(super) fn look(global: &Global, entrance: &Entrance) {
    for error in entrance.look() {
        progress::warn(global, former_stays(&error));
    }
}

fn former_stays(error: &Error) -> String {
    format!("{}; what was read before stays in use", in_one_line(error))
}

/// A server that listens, and says so.
pub(super) async fn listen(global: &Global, config: &Current, at: At) -> Result<Server, Failure> {
    raise_open_files();
    let server = job::listen(&config.get(), at, super::now, access_log(global), beside(config)).await?;
    match global.output() {
        // The one value: whoever asked for port 0 learns the port, and a supervisor that it listens.
        Output::Json => out::json(&Listening { listening: server.address(), tls: server.entrance().is_encrypted() })?,
        Output::Text if global.quiet => {}
        Output::Text => {
            let public = config.get().public.clone();
            let scheme = if server.entrance().is_encrypted() { "https" } else { "http" };
            progress::note(format_args!("serving {} on {scheme}://{}/", public.display(), server.address()))
        }
    }
    if is_told_in_the_clear(server.entrance(), server.address()) {
        let words = "passwords come in the clear: [serve] has a basic_file and no tls; where a server in front speaks TLS, listen \
                     on loopback";
        progress::warn(global, words);
    }
    Ok(server)
}

/// As many open files as we may have: each connection may need three. What the soft limit protects are programs that use `select`,
/// which we do not.
pub(super) fn raise_open_files() {
    let allowed = getrlimit(Resource::Nofile);
    // Where it cannot be raised, fewer are served at once.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: allowed.maximum, ..allowed });
}

/// What stands beside the tree.
pub(super) fn beside(config: &Current) -> Beside {
    let clock = || sync::timestamp().unwrap_or(Timestamp::UNIX_EPOCH);
    let told = |error: &dyn Display| progress::note(format_args!("warning: a page cannot be made: {error}"));
    let traffic = Arc::<Traffic>::default();
    Beside {
        pages: vec![
            Arc::new(OpsPages::new(config.clone(), Arc::clone(&traffic), clock, told)),
            Arc::new(Site::new(config.clone(), clock, told)),
        ],
        rules: Arc::new(ByConfig::new(config.clone())),
        traffic,
    }
}

/// Whether passwords may cross a network as they are.
fn is_told_in_the_clear(entrance: &Entrance, address: SocketAddr) -> bool {
    entrance.has_logins() && !entrance.is_encrypted() && !address.ip().to_canonical().is_loopback()
}

/// Lines on standard output, but for `--json`, whose one value was printed already, and `-q`.
pub(super) fn access_log(global: &Global) -> Box<dyn AccessLog> {
    let out = match global.output() {
        // That it cannot be written is its reader's trouble.
        Output::Text if !global.quiet => Some(Aside::gathering(GATHERING, |lines: Vec<String>| {
            drop(out::text(lines.concat()));
        })),
        Output::Text | Output::Json => None,
    };
    let told = global.clone();
    let warnings = Aside::new(move |warning: String| progress::warn(&told, warning));
    Box::new(Lines { out, warnings })
}

/// Written aside, warnings too: a log that nobody reads is no reason to stop serving. Warnings are told where no log is kept, too.
struct Lines {
    out: Option<Aside<String>>,
    warnings: Aside<String>,
}

impl AccessLog for Lines {
    fn answered(&self, access: &Access) {
        if let Some(out) = &self.out {
            let mut line = String::with_capacity(256);
            let _ = writeln!(line, "{access}");
            out.give(line);
        }
    }

    fn unreadable(&self, target: &str, error: &io::Error) {
        self.warnings.give(format!("{target}: {error}"));
    }

    fn not_renewed(&self, error: &Error) {
        self.warnings.give(former_stays(error));
    }

    fn crowded(&self, open: usize, of: Option<IpAddr>) {
        let (whose, may) = match of {
            None => (String::new(), "there may be"),
            Some(peer) => (format!(" of {peer}"), "one address may have"),
        };
        self.warnings.give(format!(
            "{open} connections{whose} are open, as many as {may}: those idle for longest are closed for new ones"
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_without_tls_are_warned_of_where_others_may_listen() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("users");
        #[expect(clippy::disallowed_methods, reason = "a test lays out its own folder")]
        std::fs::write(&file, "ops:pw").unwrap();
        #[expect(clippy::disallowed_methods, reason = "a test lays out its own folder")]
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
        let with_logins = Entrance::open(None, Some(file)).unwrap();
        for (address, expected) in [
            ("127.0.0.1:80", false),
            ("127.8.8.8:80", false),
            ("[::1]:80", false),
            ("[::ffff:127.0.0.1]:80", false),
            ("0.0.0.0:80", true),
            ("[::]:80", true),
            ("192.0.2.7:80", true),
        ] {
            let address = address.parse().unwrap();
            assert_eq!(is_told_in_the_clear(&with_logins, address), expected, "{address}");
            assert!(!is_told_in_the_clear(&Entrance::default(), address), "{address}");
        }
    }
}
