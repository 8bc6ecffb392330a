//! Serve the public tree over HTTP or HTTPS.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::SystemTime;

use crate::config::Config;
use crate::serve::{Limits, TlsFiles};

pub use crate::serve::{Access, AccessLog, Entrance, Error, Pages, Server, Unlogged};

/// Where to listen.
#[derive(Debug)]
pub enum At {
    /// On this address; port 0 takes any that is free.
    Address(SocketAddr),
    /// On a socket that listens already.
    Socket(TcpListener),
}

/// A server that listens for requests on the configured public tree, which need not be there yet, and for `pages` beside it;
/// over TLS and for those who log in, where the configuration says so. Takes no lock: what is published does not change under its name.
pub async fn listen(
    config: &Config,
    at: At,
    clock: fn() -> SystemTime,
    log: Box<dyn AccessLog>,
    pages: Vec<Arc<dyn Pages>>,
) -> Result<Server, Error> {
    let entrance = entrance(config)?;
    let (tree, limits) = (config.public.clone(), Limits::default());
    let server = match at {
        At::Address(address) => Server::listen(address, tree, limits, clock, log).await?,
        At::Socket(socket) => Server::on(socket, tree, limits, clock, log)?,
    };
    Ok(pages.into_iter().fold(server, Server::with).behind(entrance))
}

/// Who gets in, by the configuration: what it names is read before anything listens.
fn entrance(config: &Config) -> Result<Entrance, Error> {
    let tls = config.serve.tls.as_ref().map(|files| TlsFiles {
        certificate: files.certificate.clone(),
        key: files.key.clone(),
        client_ca: config.serve.client_ca.clone(),
    });
    Entrance::open(tls, config.serve.basic_file.clone())
}

/// Whether there is a tree that clients see.
pub fn is_live(config: &Config) -> bool {
    config.public.is_dir()
}
