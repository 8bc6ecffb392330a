//! `bivouac demo`: see the whole job done on a small upstream made here.

use std::convert::Infallible;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use bivouac::config::Current;
use bivouac::jobs::demo::{self as job, Demo};
use bivouac::jobs::serve::{self, Server};
use serde::Serialize;

use super::global::Output;
use super::{Failure, Global, Outcome, out, progress, sync};

/// Arguments of `demo`.
#[derive(clap::Args, Debug)]
#[command(after_help = "\
    Needs no network and no configuration. Everything it makes is in one folder; run it again to start from there, delete \
    the folder to be rid of it.")]
pub(crate) struct Args {
    /// The folder that holds everything the demo makes
    #[arg(long, value_name = "DIR", default_value = "bivouac-demo")]
    dir: PathBuf,
    /// Where the result is served [default: 127.0.0.1:8080, or a free port]
    #[arg(long, value_name = "ADDR")]
    listen: Option<SocketAddr>,
    /// Stop after the sync instead of serving its result
    #[arg(long)]
    once: bool,
}

#[derive(Serialize)]
struct Json<'a> {
    folder: &'a std::path::Path,
    config: &'a std::path::Path,
    key: &'a str,
    /// Where the result is served; `null` with `--once`.
    listening: Option<SocketAddr>,
    sync: &'a bivouac::jobs::sync::SyncReport,
}

pub(crate) fn run(global: &Global, args: Args) -> Result<Outcome, Failure> {
    let log = super::serve::access_log(global);
    super::block_on(global, async {
        let reporter = progress::reporter(global);
        let patience = sync::patience(global);
        let demo = job::demo(&args.dir, patience, super::now, &mut getrandom::SysRng, reporter).await?;
        let server = if args.once { None } else { Some(listen(&demo, args.listen, log).await?) };
        let address = server.as_ref().map(Server::address);
        let outcome = tell(global, &demo, address)?;
        match server {
            Some(server) => {
                let never: Infallible = server.run().await;
                match never {}
            }
            None => Ok(outcome),
        }
    })
}

/// On the address asked for; without one on the usual port, or where that is taken on any that is free.
async fn listen(
    demo: &Demo,
    address: Option<SocketAddr>,
    log: Box<dyn serve::AccessLog>,
) -> Result<Server, serve::Error> {
    let usual = SocketAddr::from((Ipv4Addr::LOCALHOST, 8080));
    let address = match address {
        Some(address) => address,
        None if is_taken(usual).await => SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
        None => usual,
    };
    let beside = super::serve::beside(&Current::new(demo.config.clone()));
    serve::listen(&demo.config, serve::At::Address(address), super::now, log, beside).await
}

async fn is_taken(address: SocketAddr) -> bool {
    matches!(tokio::net::TcpListener::bind(address).await, Err(error) if error.kind() == io::ErrorKind::AddrInUse)
}

fn tell(global: &Global, demo: &Demo, address: Option<SocketAddr>) -> Result<Outcome, Failure> {
    if global.output() == Output::Json {
        out::json(&Json {
            folder: &demo.folder,
            config: &demo.config.file,
            key: demo.key.as_str(),
            listening: address,
            sync: &demo.sync,
        })?;
        return Ok(Outcome::of(demo.sync.troubles()));
    }
    let outcome = sync::tell(global, &demo.sync)?;
    if global.quiet {
        return Ok(outcome);
    }
    let folder = demo.folder.display();
    let public = demo.config.public.display();
    let keys = demo.client_keys();
    let (site, how) = match address {
        Some(address) => (format!("http://{address}/v3.23/site"), format!("served on http://{address}/ until Ctrl-C")),
        None => (format!("{public}/v3.23/site"), "not served: --once".to_owned()),
    };
    out::text(format_args!(
        "
All of it is in {folder}:
  upstream/        somebody else's mirror, signed with its own key
  packages/        a private source; its rope shadows upstream's
  bivouac.toml     what joins them; try `bivouac --config {folder}/bivouac.toml status`
  public/          what clients see, signed with our key; {how}

What an apk client would type, as root:
  cp {key} /etc/apk/keys/
  echo {site} >> /etc/apk/repositories
  apk update
  apk add base-camp trail-log

Or into a root of its own, which changes nothing on the machine:
  apk add --root /tmp/bivouac-client --initdb --no-scripts --arch x86_64 \\
    --keys-dir {keys} --repository {site} base-camp trail-log
",
        key = keys.join(demo.key.as_str()).display(),
        keys = keys.display(),
    ))?;
    Ok(outcome)
}
