//! `bivouac web-config`: a web server's configuration for the public tree.

use std::path::{Path, PathBuf};

use bivouac::jobs::web_config::{self as job, Listen, Server, ServerName, Tls, Wanted};

use super::global::Output;
use super::{Failure, Global, Outcome, out};

/// Arguments of `web-config`.
#[derive(clap::Args, Debug)]
#[command(after_help = "\
    Prints, and changes nothing: look at it, and put it where the server reads it. Packages may be kept by caches for good, but \
    where a source has rebuilt = \"accept\"; run it again when that or the public link's path changes.")]
pub(crate) struct Args {
    /// For which server
    #[arg(value_enum)]
    server: Kind,
    /// The name under which clients know the server [default: any]
    #[arg(long, value_name = "NAME")]
    server_name: Option<ServerName>,
    /// PORT or ADDRESS:PORT [default: 80, with TLS 443, on all addresses]
    #[arg(long, value_name = "ADDR")]
    listen: Option<Listen>,
    /// The certificate, PEM, those that lead to its authority after it
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// Its private key, PEM
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
    /// The access log [default: in the server's folder below /var/log]
    #[arg(long, value_name = "FILE")]
    access_log: Option<PathBuf>,
}

#[derive(clap::ValueEnum, Clone, Copy, Debug)]
enum Kind {
    Nginx,
    Lighttpd,
    Caddy,
    BusyboxHttpd,
}

pub(crate) fn run(global: &Global, args: Args) -> Result<Outcome, Failure> {
    let config = super::config::load_unspread(global)?;
    let server = match args.server {
        Kind::Nginx => Server::Nginx,
        Kind::Lighttpd => Server::Lighttpd,
        Kind::Caddy => Server::Caddy,
        Kind::BusyboxHttpd => Server::BusyboxHttpd,
    };
    let tls = match (args.tls_cert, args.tls_key) {
        (Some(certificate), Some(key)) => Some(Tls { certificate: absolute(&certificate)?, key: absolute(&key)? }),
        _ => None,
    };
    let log = args.access_log.as_deref().map(absolute).transpose()?;
    let wanted = Wanted { server, name: args.server_name, listen: args.listen, tls, log };
    let web = job::web_config(&config, &wanted)?;
    match global.output() {
        Output::Json => out::json(&web)?,
        Output::Text => out::text(&web.text)?,
    }
    Ok(Outcome::Done)
}

/// A server starts in another folder than ours.
fn absolute(path: &Path) -> Result<PathBuf, Failure> {
    std::path::absolute(path)
        .map_err(|error| Failure::host(format_args!("{} has no absolute path", path.display()), &error))
}
