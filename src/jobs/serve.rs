//! Serve the public tree over HTTP.

use std::net::SocketAddr;
use std::time::SystemTime;

use crate::config::Config;
use crate::serve::Limits;

pub use crate::serve::{Access, AccessLog, Error, Server, Unlogged};

/// A server that listens on `address` for requests on the configured public tree, which need not be there yet. Takes no
/// lock: what is published does not change under its name.
pub async fn listen(
    config: &Config,
    address: SocketAddr,
    clock: fn() -> SystemTime,
    log: Box<dyn AccessLog>,
) -> Result<Server, Error> {
    Server::listen(address, config.public.clone(), Limits::default(), clock, log).await
}
