//! Connections: how many, how slow they may be, and one task for each.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::net::TcpListener;
use tokio::sync::Semaphore;

use super::access::AccessLog;
use super::answer::{Beside, Shared};
use super::connection::Connection;
use super::entrance::Entrance;
use super::error::Error;
use super::pages::Pages;

/// Bounds on what clients may take.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections served at once; further ones wait in the system's queue. Requests of HTTP/2 under way on all of them, too.
    pub connections: usize,
    /// How long a client may take for a handshake of TLS, and to send a request's head, the pause before it counted.
    pub head: Duration,
    /// How long a client may take nothing of a reply before it is cut off.
    pub stall: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { connections: 512, head: Duration::from_secs(30), stall: Duration::from_secs(60) }
    }
}

/// A server that listens.
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    shared: Arc<Shared>,
    limits: Limits,
    entrance: Arc<Entrance>,
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
        let shared = Arc::new(Shared { tree, pages: Vec::new(), clock, log });
        Ok(Server { listener, address, shared, limits, entrance: Arc::default() })
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
        let shared = Arc::new(Shared { tree, pages: Vec::new(), clock, log });
        Ok(Server { listener, address, shared, limits, entrance: Arc::default() })
    }

    /// With pages beside the tree; of two that have the same path the first that was given counts.
    pub fn with(mut self, pages: Arc<dyn Pages>) -> Server {
        let shared = Arc::get_mut(&mut self.shared).expect("nothing is served yet, so nobody else has it");
        shared.pages.push(Beside::new(pages));
        self
    }

    /// For those alone who get in there.
    pub fn behind(self, entrance: Entrance) -> Server {
        Server { entrance: Arc::new(entrance), ..self }
    }

    /// Who gets in.
    pub fn entrance(&self) -> &Arc<Entrance> {
        &self.entrance
    }

    /// Where it listens; the port is known now.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves for as long as it is polled. Requests under way end with the runtime.
    pub async fn run(self) -> Infallible {
        let free = Arc::new(Semaphore::new(self.limits.connections));
        let requests = Arc::new(Semaphore::new(self.limits.connections));
        loop {
            let permit = Arc::clone(&free).acquire_owned().await.expect("this semaphore is never closed");
            match self.listener.accept().await {
                Ok((stream, peer)) => {
                    let connection = Connection {
                        shared: Arc::clone(&self.shared),
                        entrance: Arc::clone(&self.entrance),
                        limits: self.limits,
                        requests: Arc::clone(&requests),
                        peer: peer.ip(),
                    };
                    tokio::spawn(async move {
                        connection.serve(stream).await;
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

#[cfg(test)]
mod tests;
