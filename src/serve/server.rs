//! Connections: how many, how slow they may be, and one task for each.

use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

use super::access::AccessLog;
use super::answer::{Beside, Shared};
use super::pages::Pages;
use super::patience::Patience;
use crate::error::{Class, Trouble};

/// Why the server cannot serve.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address is taken, or not ours to take.
    #[error("cannot listen on {address}")]
    Listen {
        /// The address asked for.
        address: SocketAddr,
        /// Why.
        #[source]
        source: io::Error,
    },
}

impl Trouble for Error {
    fn class(&self) -> Class {
        match self {
            Error::Listen { .. } => Class::Host,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Error::Listen { .. } => "cannot-listen",
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Error::Listen { source, .. } if source.kind() == io::ErrorKind::AddrInUse => {
                Some("choose another with --listen; port 0 takes any that is free".to_owned())
            }
            Error::Listen { .. } => None,
        }
    }
}

/// Bounds on what clients may take.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections served at once; further ones wait in the system's queue.
    pub connections: usize,
    /// How long a client may take to send a request's head, the pause before it counted.
    pub head: Duration,
    /// How long a client may take nothing of a reply before it is cut off.
    pub stall: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { connections: 512, head: Duration::from_secs(30), stall: Duration::from_secs(60) }
    }
}

/// Longest request head, in bytes.
const MAX_HEAD: usize = 16 << 10;

/// A server that listens.
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    shared: Arc<Shared>,
    limits: Limits,
}

impl Server {
    /// Listens on `address` (port 0: any that is free) to serve what lies below `tree`, a folder or a link to one that need
    /// not be there yet. `clock` tells the time of day.
    pub async fn listen(
        address: SocketAddr,
        tree: PathBuf,
        limits: Limits,
        clock: fn() -> SystemTime,
        log: Box<dyn AccessLog>,
    ) -> Result<Server, Error> {
        let failed = |source| Error::Listen { address, source };
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        Ok(Server { listener, address, shared: Arc::new(Shared { tree, pages: Vec::new(), clock, log }), limits })
    }

    /// The same on a socket that listens already, such as one that a service manager handed over.
    pub fn on(
        listener: std::net::TcpListener,
        tree: PathBuf,
        limits: Limits,
        clock: fn() -> SystemTime,
        log: Box<dyn AccessLog>,
    ) -> Result<Server, Error> {
        let unknown = SocketAddr::from(([0, 0, 0, 0], 0));
        let address = listener.local_addr().map_err(|source| Error::Listen { address: unknown, source })?;
        let failed = |source| Error::Listen { address, source };
        listener.set_nonblocking(true).map_err(failed)?;
        let listener = TcpListener::from_std(listener).map_err(failed)?;
        Ok(Server { listener, address, shared: Arc::new(Shared { tree, pages: Vec::new(), clock, log }), limits })
    }

    /// With pages beside the tree; of two that have the same path the first that was given counts.
    pub fn with(mut self, pages: Arc<dyn Pages>) -> Server {
        let shared = Arc::get_mut(&mut self.shared).expect("nothing is served yet, so nobody else has it");
        shared.pages.push(Beside::new(pages));
        self
    }

    /// Where it listens; the port is known now.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves for as long as it is polled. Requests under way end with the runtime.
    pub async fn run(self) -> Infallible {
        let free = Arc::new(Semaphore::new(self.limits.connections));
        loop {
            let permit = Arc::clone(&free).acquire_owned().await.expect("this semaphore is never closed");
            match self.listener.accept().await {
                Ok((stream, peer)) => {
                    let shared = Arc::clone(&self.shared);
                    let limits = self.limits;
                    tokio::spawn(async move {
                        shared.connection(stream, peer.ip(), limits).await;
                        drop(permit);
                    });
                }
                // A client that went away before it was accepted, or no file descriptors left: both pass. Without the
                // pause the latter would spin.
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        }
    }
}

impl Shared {
    async fn connection(self: Arc<Self>, stream: TcpStream, peer: IpAddr, limits: Limits) {
        // Heads and small files are one write each; waiting to join them costs a round trip. Not vital.
        let _ = stream.set_nodelay(true);
        let service = service_fn(|request| {
            let shared = Arc::clone(&self);
            async move { Ok::<_, Infallible>(shared.reply(&request, peer).await) }
        });
        // What goes wrong on a connection is the client's affair: it went away, or it does not speak HTTP.
        let _ = hyper::server::conn::http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(limits.head)
            .max_buf_size(MAX_HEAD)
            .serve_connection(TokioIo::new(Patience::new(stream, limits.stall)), service)
            .await;
    }
}

#[cfg(test)]
mod tests;
