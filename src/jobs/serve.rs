//! Serve the public tree over HTTP or HTTPS.

use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use rustix::process::{Resource, getrlimit};

use super::Mirror;
use crate::config::Config;
use crate::serve::{Limits, Objects, Pages, TlsFiles};

pub use crate::serve::{Access, AccessLog, Entrance, Error, Rules, Server, Traffic, Unlogged};

/// Where to listen.
#[derive(Debug)]
pub enum At {
    /// On this address; port 0 takes any that is free.
    Address(SocketAddr),
    /// On a socket that listens already.
    Socket(TcpListener),
}

/// What stands beside the tree.
pub struct Beside {
    /// Pages.
    pub pages: Arc<dyn Pages>,
    /// How long clients may keep what.
    pub rules: Box<dyn Rules>,
    /// Where everything is counted.
    pub traffic: Arc<Traffic>,
}

/// A server that listens for requests on the configured public tree, which need not be there yet, and for the pages `beside`
/// it; over TLS and for those who log in, where the configuration says so. It takes as many connections as the process may have
/// files for. Takes no lock: what is published does not change under its name.
pub async fn listen(
    config: &Config,
    at: At,
    clock: fn() -> SystemTime,
    log: Box<dyn AccessLog>,
    beside: Beside,
) -> Result<Server, Error> {
    let entrance = entrance(config)?;
    let limits = Limits::default().within(getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX));
    let tree = config.public.clone();
    let server = match at {
        At::Address(address) => Server::listen(address, tree, limits, clock, log).await?,
        At::Socket(socket) => Server::on(socket, tree, limits, clock, log)?,
    };
    Ok(server.with(beside.pages).by(beside.rules).counting(beside.traffic).behind(entrance))
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

/// Which objects the files of a generation are, by its record. `None` where that cannot be read, as by a server that may see
/// the tree alone.
pub fn objects(config: &Config, number: u64) -> Option<Objects> {
    let mirror = Mirror::look(config).ok()?;
    let generation = mirror.ledger.generation(number).ok()?;
    let tree = mirror.tree.generation(number);
    let text = |path: PathBuf| path.into_os_string().into_string().ok();
    let mut files = Vec::new();
    for state in &generation.repositories {
        let folder = state.name.folder(&state.arch);
        let index = folder.join("APKINDEX.tar.gz");
        // The record has no size of it.
        if let Ok(about) = tree.join(&index).metadata() {
            files.push((text(index)?, &state.index, about.len()));
        }
        for placed in &state.files {
            files.push((text(folder.join(placed.file.as_str()))?, &placed.object, placed.size));
        }
    }
    let links = generation.aliases.iter().map(|(name, target)| (name.to_string(), target.to_string()));
    Some(Objects::new(files.into_iter(), links))
}

/// Whether there is a tree that clients see.
pub fn is_live(config: &Config) -> bool {
    config.public.is_dir()
}
