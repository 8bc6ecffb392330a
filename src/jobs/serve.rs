//! Serve the public tree over HTTP.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::SystemTime;

use crate::config::Config;
use crate::serve::Limits;

pub use crate::serve::{Access, AccessLog, Error, Pages, Server, Unlogged};

/// Where to listen.
#[derive(Debug)]
pub enum At {
    /// On this address; port 0 takes any that is free.
    Address(SocketAddr),
    /// On a socket that listens already.
    Socket(TcpListener),
}

/// A server that listens for requests on the configured public tree, which need not be there yet, and for `pages` beside it.
/// Takes no lock: what is published does not change under its name.
pub async fn listen(
    config: &Config,
    at: At,
    clock: fn() -> SystemTime,
    log: Box<dyn AccessLog>,
    pages: Vec<Arc<dyn Pages>>,
) -> Result<Server, Error> {
    let (tree, limits) = (config.public.clone(), Limits::default());
    let server = match at {
        At::Address(address) => Server::listen(address, tree, limits, clock, log).await?,
        At::Socket(socket) => Server::on(socket, tree, limits, clock, log)?,
    };
    Ok(pages.into_iter().fold(server, Server::with))
}

/// Whether there is a tree that clients see.
pub fn is_live(config: &Config) -> bool {
    config.public.is_dir()
}
