//! Connections: how many, how slow they may be, and one task for each.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::net::{TcpListener, TcpSocket};

use super::access::AccessLog;
use super::answer::{Beside, Rules, Shared, Usual};
use super::connection::Connection;
use super::crowd::Crowd;
use super::entrance::Entrance;
use super::error::Error;
use super::pages::{Audience, Pages};
use super::patience::Pace;
use super::shares::Shares;
use super::traffic::Traffic;
use super::tree::Tree;
use super::turns::Turns;

/// Bounds on what clients may take.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections served at once. For further ones, those are closed that have been idle for longest. As many requests of
    /// HTTP/2 may be under way on all of them; further ones are told to come again.
    pub connections: usize,
    /// Of these and those, how many one address may have (of IPv6, 64 bits of it).
    pub of_one_address: usize,
    /// How long a client may take for a handshake of TLS, and to send a request's head, the pause before it counted.
    pub head: Duration,
    /// How fast a client must take a reply.
    pub pace: Pace,
}

impl Default for Limits {
    /// The pace is 1 KiB a second, averaged over a minute: a quarter of what GPRS brings, the slowest link on which somebody
    /// may still wait for a package.
    fn default() -> Self {
        Limits {
            connections: 4096,
            of_one_address: 1024,
            head: Duration::from_secs(30),
            pace: Pace { least: 60 << 10, within: Duration::from_secs(60) },
        }
    }
}

impl Limits {
    /// Lowered to what a process can serve that may have so many files open: a connection needs two, a request of HTTP/2 another
    /// one, and others need some.
    pub fn within(self, files: u64) -> Limits {
        let room = usize::try_from(files.saturating_sub(OTHER_FILES) / 3).unwrap_or(usize::MAX).max(1);
        Limits { connections: self.connections.min(room), ..self }
    }
}

/// Files that are open beside those of connections: logs, sockets, what a sync in the same process has open.
const OTHER_FILES: u64 = 128;

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
        let listener = listening(address).map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        Ok(Server { listener, address, shared: shared(tree, clock, log), limits, entrance: Arc::default() })
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
        Ok(Server { listener, address, shared: shared(tree, clock, log), limits, entrance: Arc::default() })
    }

    /// With pages beside the tree; of two that have the same path the first that was given counts.
    pub fn with(mut self, pages: Arc<dyn Pages>) -> Server {
        let shared = Arc::get_mut(&mut self.shared).expect("nothing is served yet, so nobody else has it");
        shared.pages.push(Beside::new(pages));
        self
    }

    /// By these rules instead of the [`Usual`] ones.
    pub fn by(mut self, rules: Arc<dyn Rules>) -> Server {
        Arc::get_mut(&mut self.shared).expect("nothing is served yet, so nobody else has it").rules = rules;
        self
    }

    /// Counting what it does there.
    pub fn counting(mut self, traffic: Arc<Traffic>) -> Server {
        Arc::get_mut(&mut self.shared).expect("nothing is served yet, so nobody else has it").traffic = traffic;
        self
    }

    /// For those alone who get in there.
    pub fn behind(mut self, entrance: Entrance) -> Server {
        let shared = Arc::get_mut(&mut self.shared).expect("nothing is served yet, so nobody else has it");
        shared.audience = entrance.audience();
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
        let traffic = Arc::clone(&self.shared.traffic);
        let crowd = Crowd::new(self.limits.connections, self.limits.of_one_address, traffic);
        let shares = Shares::new(self.limits);
        loop {
            match self.listener.accept().await {
                Ok((stream, peer)) => {
                    let Some(seat) = crowd.enter(peer.ip().to_canonical(), &*self.shared.log).await else { continue };
                    let connection = Connection {
                        shared: Arc::clone(&self.shared),
                        entrance: Arc::clone(&self.entrance),
                        limits: self.limits,
                        shares: Arc::clone(&shares),
                        place: Arc::clone(&seat.place),
                    };
                    tokio::spawn(async move {
                        connection.serve(stream).await;
                        drop(seat);
                    });
                }
                // A client that went away before it was accepted, or no file descriptors left: both pass. Without the
                // pause the latter would spin.
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        }
    }
}

/// As many connections as the system lets wait until they are accepted. The usual 128 are there within milliseconds where many
/// clients come at once, and whoever finds no room among them tries again only after a second.
const BACKLOG: u32 = 4096;

fn listening(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    // A server that was stopped a moment ago may be started again.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

pub(super) fn shared(tree: PathBuf, clock: fn() -> SystemTime, log: Box<dyn AccessLog>) -> Arc<Shared> {
    let tree = Arc::new(Tree::new(tree));
    Arc::new(Shared {
        tree,
        pages: Vec::new(),
        folders: Turns::new(),
        rules: Arc::new(Usual),
        audience: Audience::All,
        generations: Default::default(),
        clock,
        log,
        traffic: Arc::default(),
        chunks: Arc::default(),
        favourites: Default::default(),
    })
}

#[cfg(test)]
mod tests;
