//! Finds the usual faults and says what to do: of a server as a client sees it, or of our own store and public tree.

mod behind;
mod client_keys;
mod here;

use std::path::PathBuf;
use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;
use url::Url;

use super::{Error, ProxyVariables, keyring};
use crate::apk::Arch;
use crate::apk::names::KeyName;
use crate::config::Config;
use crate::doctor::Diagnosis;
use crate::doctor::layout::Hints;
use crate::doctor::packages::Looked;
use crate::doctor::server::{self, Found, Request};
use crate::doctor::signer::Keys;
use crate::error::{Class, Trouble};
use crate::finding::Finding;
use crate::sign::Seal;
use crate::sources;
use crate::sources::http::access::Authorities;
use crate::sources::http::{Http, HttpSettings, Proxies};
use crate::verify::{Keyring, PublicKey};

pub use crate::doctor::packages::Sample;
pub use crate::doctor::server::Wanted;

/// So many folders around the public tree may be a web server's root.
const MOST_TOPS: usize = 3;

/// A look at a server.
#[derive(Clone, Debug)]
pub struct ServerRequest {
    /// A line of `/etc/apk/repositories`, or a server's root.
    pub line: Url,
    /// Further lines that the client has.
    pub beside: Vec<Url>,
    /// Whose packages.
    pub arch: Wanted,
    /// The folder of a client's keys; absent: Alpine's and ours.
    pub keys: Option<PathBuf>,
    /// Certificates of authorities that are believed beside the system's.
    pub ca: Option<PathBuf>,
    /// How many packages are looked at.
    pub sample: Sample,
    /// How old an index may be.
    pub max_age: Option<Duration>,
    /// A file in the format of `/etc/apk/world`.
    pub world: Option<PathBuf>,
    /// The environment's proxies.
    pub proxies: ProxyVariables,
    /// The time of the call.
    pub now: Timestamp,
}

/// A look at our own store and public tree.
#[derive(Clone, Debug)]
pub struct HereRequest {
    /// The web server's user; absent: anybody who is not the owner.
    pub user: Option<String>,
    /// A file in the format of `/etc/apk/world`.
    pub world: Option<PathBuf>,
    /// The environment's proxies.
    pub proxies: ProxyVariables,
    /// The time of the call.
    pub now: Timestamp,
}

/// What was seen.
#[derive(Clone, Debug, Serialize)]
pub struct DoctorReport {
    /// All that is wrong, the worst first.
    pub findings: Vec<Finding>,
    /// How much was looked at.
    pub checked: Checked,
    /// The repositories that a server was found to have.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repositories: Option<Vec<Found>>,
    #[serde(skip)]
    worst: Option<Class>,
}

/// How much was looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Checked {
    /// Indexes and packages.
    pub objects: u64,
    /// Bytes read of them.
    pub bytes: u64,
}

impl DoctorReport {
    fn of(diagnoses: Vec<Diagnosis>, looked: Looked, repositories: Option<Vec<Found>>) -> Self {
        let worst = Class::worst(diagnoses.iter().filter_map(Diagnosis::class));
        let mut findings: Vec<Finding> = diagnoses.into_iter().map(Diagnosis::finding).collect();
        findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
        DoctorReport {
            findings,
            checked: Checked { objects: looked.objects, bytes: looked.bytes },
            repositories,
            worst,
        }
    }

    /// Whose trouble the worst error is, if there is any. Warnings are none.
    pub fn worst(&self) -> Option<Class> {
        self.worst
    }
}

/// Why nothing can be looked at.
#[derive(Debug, thiserror::Error)]
pub enum CannotLook {
    /// Public keys that the command line names.
    #[error(transparent)]
    Keys(#[from] keyring::Error),
    /// The address, the proxies or the authorities.
    #[error(transparent)]
    Source(#[from] sources::Error),
    /// A world that cannot be read.
    #[error("{} cannot be read", .path.display())]
    World {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        cause: std::io::Error,
    },
    /// A user that this machine does not know.
    #[error("this machine has no user {0:?}")]
    NoUser(String),
}

impl Trouble for CannotLook {
    fn class(&self) -> Class {
        match self {
            CannotLook::Keys(error) => error.class(),
            CannotLook::Source(error) => error.class(),
            CannotLook::World { .. } | CannotLook::NoUser(_) => Class::Usage,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            CannotLook::Keys(error) => error.code(),
            CannotLook::Source(error) => error.code(),
            CannotLook::World { .. } => "world-unreadable",
            CannotLook::NoUser(_) => "no-such-user",
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            CannotLook::Keys(error) => error.hint(),
            CannotLook::Source(error) => error.hint(),
            CannotLook::World { .. } => None,
            CannotLook::NoUser(_) => {
                Some("/etc/passwd lists them; nginx of Alpine is nginx, of Debian www-data".to_owned())
            }
        }
    }
}

/// Looks at a server as a client sees it. With a configuration, our own key and repositories are known.
pub async fn server(config: Option<&Config>, request: &ServerRequest) -> Result<DoctorReport, CannotLook> {
    let mut diagnoses = Vec::new();
    let ours = match config.map(ours).transpose() {
        Ok(ours) => ours.unwrap_or_default(),
        Err(diagnosis) => {
            diagnoses.push(diagnosis);
            Keyring::new()
        }
    };
    let keys = match &request.keys {
        Some(folder) => {
            let (client, seen) = client_keys::read(folder)?;
            diagnoses.extend(seen);
            Keys { client, ours, place: format!("the folder {}", folder.display()) }
        }
        None => {
            // A key of ours under the name of one of Alpine's is none that clients could have.
            let client = Keyring::official().and(&ours).unwrap_or_else(|_| Keyring::official());
            Keys { client, ours, place: "a client with Alpine's keys and ours".to_owned() }
        }
    };
    let mut settings = HttpSettings::new(vec![request.line.clone()]);
    settings.timeout = Duration::from_secs(10);
    settings.proxies = Proxies::of_variables(&request.proxies)?;
    if let Some(ca) = &request.ca {
        settings.authorities = Authorities::from_file(ca).map_err(sources::Error::from)?;
    }
    let http = Http::new(settings)?;
    let arch = match &request.arch {
        Wanted::Exactly(arch) | Wanted::Likely(arch) => arch,
    };
    let report = server::look(
        &http,
        &Request {
            line: request.line.clone(),
            arch: request.arch.clone(),
            keys: &keys,
            beside: request.beside.clone(),
            world: request.world.as_ref().map(world).transpose()?,
            sample: request.sample,
            max_age: request.max_age,
            hints: config.map(|config| hints(config, arch)).unwrap_or_default(),
            now: request.now,
        },
    )
    .await;
    diagnoses.extend(report.diagnoses);
    diagnoses.extend(config.map(|config| behind::look(config, &report.repositories)).unwrap_or_default());
    Ok(DoctorReport::of(diagnoses, report.looked, Some(report.repositories)))
}

/// Looks at our own store and public tree.
pub async fn here(config: &Config, request: &HereRequest) -> Result<DoctorReport, CannotLook> {
    let reader = here::reader(config, request.user.as_deref())?;
    let world = request.world.as_ref().map(world).transpose()?;
    let (mut diagnoses, looked) = here::look(config, &reader, world.as_ref(), request.now);
    diagnoses.extend(here::upstreams(config, &request.proxies, request.now).await);
    Ok(DoctorReport::of(diagnoses, looked, None))
}

fn world(path: &PathBuf) -> Result<(String, String), CannotLook> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok((path.display().to_string(), text)),
        Err(cause) => Err(CannotLook::World { path: path.clone(), cause }),
    }
}

/// Our repositories as they follow a server's address on a client of `arch`, and the folders around the tree, of which one may be
/// the server's root.
fn hints(config: &Config, arch: &Arch) -> Hints {
    let names = config.repositories.iter().map(|repository| repository.name.line(arch)).collect();
    let mut tops: Vec<String> = Vec::new();
    for folder in
        config.public.iter().rev().filter_map(|part| part.to_str()).take_while(|part| *part != "/").take(MOST_TOPS)
    {
        tops.push(tops.last().map_or_else(|| folder.to_owned(), |inner| format!("{folder}/{inner}")));
    }
    Hints { names, tops }
}

/// Our own public keys; a key that cannot be reached is a finding.
fn ours(config: &Config) -> Result<Keyring, Diagnosis> {
    let seal = super::seal::of_config(config).map_err(|error| key_trouble(config, &error))?;
    let mut keyring = Keyring::new();
    for signer in seal.iter().flat_map(Seal::signers) {
        if let Ok(key) = PublicKey::parse(KeyName::clone(signer.key_name()), signer.public_pem().as_bytes()) {
            // Two of one name cannot be: a key is refused that would be the second.
            let _ = keyring.add(key);
        }
    }
    Ok(keyring)
}

fn key_trouble(config: &Config, error: &Error) -> Diagnosis {
    let subject =
        config.signing.as_ref().map_or_else(|| "our key".to_owned(), |signing| signing.key.display().to_string());
    let seen = Diagnosis::of(error, subject);
    let hint = seen.hint.clone().or_else(|| {
        Some("put the key back from its backup, readable by its owner alone (chmod 600), or make another: `bivouac key new`".to_owned())
    });
    Diagnosis { hint, ..seen }
}
