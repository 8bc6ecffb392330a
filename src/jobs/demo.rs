//! A small upstream and a private source, made here, and the real sync run on them: needs nothing but a folder.
//!
//! ```text
//! DIR/
//! ├── bivouac.toml       what an operator would write; made anew by every run, because the upstream's port changes
//! ├── keys/              ours
//! ├── packages/          the private source, signed by a builder of the same company
//! ├── store/  public/    what the sync makes
//! ├── client/keys/       our public key alone: all that a client trusts
//! └── upstream/          somebody else: keys/, and www/, a tree like Alpine's, served over HTTP
//! ```
//!
//! Keys are made once; everything else is the same bytes in every run, so a second run finds nothing new.

mod goods;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use rsa::rand_core::TryCryptoRng;

use super::ProxyVariables;
use super::index::{self, Detached, IndexRequest};
use super::serve::{self, Server, Unlogged};
use super::sign::SigningKey;
use super::sync::{self, Patience, Publishing, SyncReport, SyncRequest};
use crate::apk::names::KeyName;
use crate::apk::v2::package::BadRecipe;
use crate::apk::v2::signature::Algorithm;
use crate::config::{self, Config};
use crate::disk::durable;
use crate::error::{Class, Trouble};
use crate::report::Reporter;
use crate::serve::Limits;
use crate::sign::key_file::{self, ModulusBits, PrivateKey};

/// The first line of a configuration that the demo wrote: what makes a folder ours to write in again.
const MARK: &str = "# Written by `bivouac demo`, anew in every run: change a copy of it instead.";

/// The branch that the upstream has.
const BRANCH: &str = "v3.23";
const REPOSITORIES: [&str; 2] = ["main", "community"];
const ARCHES: [&str; 2] = ["x86_64", "aarch64"];

/// Build time of all packages, in seconds since 1970. A fixed one: every run makes the same bytes.
const BUILT: u64 = 1_764_547_200;

/// A demo, synced.
#[derive(Debug)]
pub struct Demo {
    /// Its folder, absolute.
    pub folder: PathBuf,
    /// Its configuration.
    pub config: Config,
    /// What the sync did.
    pub sync: SyncReport,
    /// Where the upstream is served until the runtime ends.
    pub upstream: SocketAddr,
    /// Our public key's name; the file is in `client/keys`.
    pub key: KeyName,
}

impl Demo {
    /// The folder with our public key alone.
    pub fn client_keys(&self) -> PathBuf {
        self.folder.join("client/keys")
    }
}

/// Why there is no demo.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Something else lies there.
    #[error("{} is not empty, and no demo made it", path.display())]
    NotOurs {
        /// The folder.
        path: PathBuf,
    },
    /// The folder cannot be read.
    #[error("cannot look into {}", path.display())]
    Unreadable {
        /// The folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A package of the demo's own. A bug.
    #[error("a package of the demo is wrong")]
    Recipe(#[from] BadRecipe),
    /// A key.
    #[error(transparent)]
    Key(#[from] key_file::Error),
    /// The disk.
    #[error(transparent)]
    Disk(#[from] durable::Error),
    /// The upstream's index.
    #[error(transparent)]
    Index(#[from] index::Error),
    /// The upstream's server.
    #[error(transparent)]
    Serve(#[from] serve::Error),
    /// The configuration that was written. A bug.
    #[error(transparent)]
    Config(#[from] config::Error),
    /// The sync.
    #[error(transparent)]
    Sync(#[from] super::Error),
}

impl Trouble for Error {
    fn class(&self) -> Class {
        match self {
            Error::NotOurs { .. } => Class::Usage,
            Error::Unreadable { .. } | Error::Recipe(_) => Class::Host,
            Error::Key(error) => error.class(),
            Error::Disk(error) => error.class(),
            Error::Index(error) => error.class(),
            Error::Serve(error) => error.class(),
            Error::Config(error) => error.class(),
            Error::Sync(error) => error.class(),
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Error::NotOurs { .. } => "not-empty",
            Error::Unreadable { .. } => "unreadable",
            Error::Recipe(_) => "bug",
            Error::Key(error) => error.code(),
            Error::Disk(error) => error.code(),
            Error::Index(error) => error.code(),
            Error::Serve(error) => error.code(),
            Error::Config(error) => error.code(),
            Error::Sync(error) => error.code(),
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Error::NotOurs { .. } => Some("name an empty or a new folder with --dir".to_owned()),
            Error::Unreadable { .. } | Error::Recipe(_) => None,
            Error::Key(error) => error.hint(),
            Error::Disk(error) => error.hint(),
            Error::Index(error) => error.hint(),
            Error::Serve(error) => error.hint(),
            Error::Config(error) => error.hint(),
            Error::Sync(error) => error.hint(),
        }
    }
}

/// Makes upstream and private source in `folder`, serves the upstream on a free loopback port for as long as the runtime
/// lives, and syncs. A folder that holds anything but a former demo is refused.
pub async fn demo(
    folder: &Path,
    patience: Patience,
    clock: fn() -> SystemTime,
    rng: &mut impl TryCryptoRng,
    reporter: Arc<dyn Reporter>,
) -> Result<Demo, Error> {
    let unreadable = |source| Error::Unreadable { path: folder.to_owned(), source };
    let folder = std::path::absolute(folder).map_err(unreadable)?;
    ours(&folder)?;
    durable::create_folder(&folder, 0o755)?;
    // The mark first: a run that is cut short leaves a folder that the next one takes on.
    if !folder.join("bivouac.toml").exists() {
        durable::write(&folder.join("bivouac.toml"), format!("{MARK}\n").as_bytes(), 0o644)?;
    }
    let upstream_key = key(&folder.join("upstream/keys"), "upstream@demo.example-demo0001.rsa.pub", rng)?;
    let builder_key = key(&folder.join("upstream/keys"), "builder@corp.example-demo0002.rsa.pub", rng)?;
    let our_key = key(&folder.join("keys"), "ops@corp.example-demo0003.rsa.pub", rng)?;
    make_upstream(&folder, &upstream_key)?;
    make_private(&folder, &builder_key)?;
    hand_out(&folder.join("keys"), &[&upstream_key.key, &builder_key.key])?;
    hand_out(&folder.join("client/keys"), &[&our_key.key])?;

    let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    // Beside it lie private keys.
    let tree = folder.join("upstream/www");
    let server = Server::listen(any, tree, Limits::default(), clock, Box::new(Unlogged)).await?;
    let upstream = server.address();
    tokio::spawn(server.run());

    let file = folder.join("bivouac.toml");
    durable::write(&file, configuration(upstream, &upstream_key, &builder_key, &our_key).as_bytes(), 0o644)?;
    let config = Config::load(&file, None)?;
    let now = jiff::Timestamp::try_from(clock()).unwrap_or_default();
    let request = SyncRequest {
        only: Vec::new(),
        publish: Publishing::New,
        accept_gate: Vec::new(),
        accept_shrink: Vec::new(),
        accept_older: sync::AcceptOlder::Nothing,
        patience,
        now,
        proxies: ProxyVariables::default(),
    };
    let sync = sync::sync(&config, &request, reporter).await?;
    Ok(Demo { folder, config, sync, upstream, key: our_key.key.key_name().clone() })
}

/// Refuses a folder that holds anything but a former demo.
fn ours(folder: &Path) -> Result<(), Error> {
    let unreadable = |source| Error::Unreadable { path: folder.to_owned(), source };
    let mut entries = match folder.read_dir() {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(unreadable(error)),
    };
    let marked = match std::fs::read_to_string(folder.join("bivouac.toml")) {
        Ok(text) => text.starts_with(MARK),
        Err(_) => false,
    };
    if marked || entries.next().is_none() { Ok(()) } else { Err(Error::NotOurs { path: folder.to_owned() }) }
}

/// A key and where it lies.
struct DemoKey {
    key: PrivateKey,
    file: PathBuf,
}

/// The key of this name in `folder`; made where there is none. 2048 bits, because it is made while someone watches.
fn key(folder: &Path, name: &str, rng: &mut impl TryCryptoRng) -> Result<DemoKey, Error> {
    let file = folder.join(name.trim_end_matches(".pub"));
    if file.exists() {
        return Ok(DemoKey { key: PrivateKey::load(&file)?, file });
    }
    let name = name.parse().expect("the demo's key names are in the alphabet");
    let key = PrivateKey::generate(ModulusBits::Rsa2048, name, rng)?;
    let file = key.store(folder)?;
    Ok(DemoKey { key, file })
}

/// Puts public keys where whoever trusts them looks.
fn hand_out(folder: &Path, keys: &[&PrivateKey]) -> Result<(), Error> {
    durable::create_folder(folder, 0o755)?;
    for key in keys {
        durable::write(&folder.join(key.key_name().as_str()), key.public_pem().as_bytes(), 0o644)?;
    }
    Ok(())
}

fn make_upstream(folder: &Path, key: &DemoKey) -> Result<(), Error> {
    for repository in REPOSITORIES {
        for arch in ARCHES {
            let below = folder.join("upstream/www/alpine").join(BRANCH).join(repository).join(arch);
            durable::create_folder(&below, 0o755)?;
            write_packages(&below, goods::upstream(repository), arch, &key.key)?;
            index::index(&IndexRequest {
                output: below.join("APKINDEX.tar.gz"),
                folder: below,
                arch: Some(arch.parse().expect("the demo's arches are in the alphabet")),
                description: format!("{BRANCH}.0-1-gdem0"),
                signing: Some(SigningKey::in_file(key.file.clone(), config::Digest::Sha256)),
                detached: Detached::Leave,
                threads: std::num::NonZero::<usize>::MIN,
            })?;
        }
    }
    Ok(())
}

fn make_private(folder: &Path, key: &DemoKey) -> Result<(), Error> {
    for arch in ARCHES {
        let below = folder.join("packages").join(arch);
        durable::create_folder(&below, 0o755)?;
        write_packages(&below, goods::private(), arch, &key.key)?;
    }
    Ok(())
}

fn write_packages(folder: &Path, goods: &[goods::Good], arch: &str, key: &PrivateKey) -> Result<(), Error> {
    for good in goods {
        let package = good.recipe(arch).write(BUILT)?;
        let signature = key.sign(Algorithm::Sha256, package.signed_bytes())?;
        let file = folder.join(format!("{}-{}.apk", good.name, good.version));
        let bytes = package.with_signatures(&[signature]);
        // A file that is right already keeps its time: nothing is new.
        if std::fs::read(&file).ok().as_ref() != Some(&bytes) {
            durable::write(&file, &bytes, 0o644)?;
        }
    }
    Ok(())
}

fn configuration(upstream: SocketAddr, upstream_key: &DemoKey, builder_key: &DemoKey, our_key: &DemoKey) -> String {
    let (upstream_key, builder_key) = (upstream_key.key.key_name(), builder_key.key.key_name());
    let our_key = our_key.key.key_name().as_str().trim_end_matches(".pub");
    format!(
        r#"{MARK}

store  = "store"
public = "public/alpine"

[signing]
key = "keys/{our_key}"

[sources.alpine]
url     = ["http://{upstream}/alpine"]     # somebody else's mirror; here a folder of the demo, served on loopback
keyring = ["keys/{upstream_key}"]

[sources.corp]
directory = "packages"
keyring   = ["keys/{builder_key}"]

# Both upstream repositories, whole, signed by us.
[[repositories]]
from   = ["alpine:{{branch}}/{{repository}}"]
for    = {{ branch = ["{BRANCH}"], repository = ["main", "community"] }}
arches = ["x86_64", "aarch64"]

# One repository of everything; where both have a package, ours is taken.
[[repositories]]
name   = "{BRANCH}/site"
from   = ["corp", "alpine:{BRANCH}/main", "alpine:{BRANCH}/community"]
arches = ["x86_64", "aarch64"]
"#
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_empty_folder_or_a_former_demo_is_written_in() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        assert!(ours(&path.join("none")).is_ok());
        assert!(ours(path).is_ok());
        durable::write(&path.join("bivouac.toml"), b"store = \"x\"\n", 0o644).unwrap();
        assert!(matches!(ours(path), Err(Error::NotOurs { .. })));
        durable::write(&path.join("bivouac.toml"), MARK.as_bytes(), 0o644).unwrap();
        assert!(ours(path).is_ok());
    }
}
