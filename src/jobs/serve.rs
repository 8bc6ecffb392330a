//! Serve the public tree over HTTP or HTTPS.

use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use rustix::process::{Resource, getrlimit};

use super::{Changing, mirror};
use crate::config::{Config, Current};
use crate::disk::layout::PublicTree;
use crate::serve::{Kept, Limits, Objects, TlsFiles, Usual};

pub use crate::serve::{Access, AccessLog, Entrance, Error, Pages, Rules, Server, Traffic, Unlogged};

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
    /// Pages; of two that have the same path, the first counts.
    pub pages: Vec<Arc<dyn Pages>>,
    /// How long clients may keep what.
    pub rules: Arc<dyn Rules>,
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
    let server = beside.pages.into_iter().fold(server, Server::with);
    Ok(server.by(beside.rules).counting(beside.traffic).behind(entrance))
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

/// What holds by the configuration in use, as the web servers are told by `web-config`: packages are kept for good, but where a
/// source may replace them.
pub struct ByConfig {
    config: Current,
    /// What follows from the configuration that it follows from.
    changing: Mutex<(Arc<Config>, Arc<Changing>)>,
}

impl ByConfig {
    /// By this one, and by what replaces it.
    pub fn new(config: Current) -> ByConfig {
        let in_use = config.get();
        let changing = Arc::new(Changing::of(&in_use));
        ByConfig { config, changing: Mutex::new((in_use, changing)) }
    }

    fn changing(&self) -> Arc<Changing> {
        let in_use = self.config.get();
        let mut known = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        if !Arc::ptr_eq(&known.0, &in_use) {
            *known = (Arc::clone(&in_use), Arc::new(Changing::of(&in_use)));
        }
        Arc::clone(&known.1)
    }
}

impl Rules for ByConfig {
    fn kept(&self, segments: &[String]) -> Kept {
        match Usual.kept(segments) {
            Kept::ForGood if self.changing().has(segments) => Kept::UntilAsked,
            usual => usual,
        }
    }

    fn objects(&self, generation: u64) -> Option<Objects> {
        objects(&self.config.get(), generation)
    }
}

/// Which objects the files of a generation are, by its record. `None` where that cannot be read, as by a server that may see
/// the tree alone.
fn objects(config: &Config, number: u64) -> Option<Objects> {
    let generation = mirror::records(config).ok()?.generation(number).ok()?;
    let tree = PublicTree::new(&config.public).generation(number);
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
