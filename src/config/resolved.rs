//! The checked form, which jobs take: references found, units parsed, paths absolute.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Serialize, Serializer};

use super::{Backup, Metrics, Notify, Percent, Repository, Schedule, Serve, Signing, SourceUrl, Starred};
use crate::apk::{Arch, BackupName, Place, RepositoryName, Sha1Policy, SourceName};

/// A configuration that can be worked with. Every path in it is absolute, except [`Config::file`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Config {
    /// The file it came from, as its user named it.
    pub file: PathBuf,
    /// Pool, snapshots and state; ours alone.
    pub store: PathBuf,
    /// The link that becomes the public tree; its folder is what servers see.
    pub public: PathBuf,
    /// How fast all sources with a URL together may be fetched from.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub rate_limit: Vec<RateWindow>,
    /// Our key. Present whenever some repository's index is signed by us.
    pub signing: Option<Signing>,
    /// Whatever supplies packages, by name.
    pub sources: BTreeMap<SourceName, Source>,
    /// What is published, in the order of the file; `for` blocks are spread out.
    pub repositories: Vec<Repository>,
    /// Blocks that publish all that bundles carry; [`Config::with_carried`] spreads them out.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub carried: Vec<Starred>,
    /// Links in the public tree, each with the folder that it leads to; both are relative to the tree.
    pub aliases: BTreeMap<RepositoryName, RepositoryName>,
    /// What holds for publishing.
    pub publish: Publish,
    /// What stays, and when the rest goes.
    pub retain: Retain,
    /// Where backups go, by name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub backups: BTreeMap<BackupName, Backup>,
    /// When the daemon runs what.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub schedule: Option<Schedule>,
    /// How the public tree is served.
    pub serve: Serve,
    /// Where metrics are written.
    pub metrics: Metrics,
    /// Who is told when a run fails, and when one does no more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub notify: Option<Notify>,
    /// How far others' signatures are trusted.
    pub policy: Policy,
}

/// How far others' signatures are trusted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Policy {
    /// Signatures and identities over SHA-1.
    pub sha1: Sha1Policy,
}

/// The source of the package that brings our keys to clients. No other may have its name.
pub const KEYRING_SOURCE: &str = "keyring-package";

/// Its folder in the store.
pub(super) fn keyring_folder(store: &Path) -> PathBuf {
    store.join("keyring")
}

impl Config {
    /// Where the package that brings our keys to clients lies.
    pub fn keyring_folder(&self) -> PathBuf {
        keyring_folder(&self.store)
    }
}

/// What stays, and when the rest goes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Retain {
    /// How many snapshots.
    pub snapshots: RetainSnapshots,
    /// How many generations: the newest ones. What is live or beside live stays in any case.
    pub generations: u64,
    /// When the rest goes.
    pub prune: Prune,
    /// What a sync leaves free on the store's file system.
    pub min_free: MinFree,
}

/// How many snapshots stay: the union of three rules. The newest, pinned ones and those that a kept generation shows stay in
/// any case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct RetainSnapshots {
    /// The newest ones.
    pub last: u64,
    /// The newest of each of so many days (UTC) that have one.
    pub daily: u64,
    /// The newest of each of so many months (UTC) that have one.
    pub monthly: u64,
}

impl Default for Retain {
    fn default() -> Self {
        Retain {
            snapshots: RetainSnapshots { last: 10, daily: 14, monthly: 12 },
            generations: 5,
            prune: Prune::AfterSync,
            min_free: MinFree::Share(Percent::new(5)),
        }
    }
}

/// What a sync leaves free: one whose packages do not fit beside it fetches none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum MinFree {
    /// So much of the file system.
    Share(Percent),
    /// So many bytes.
    Bytes(u64),
}

/// When what does not stay goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Prune {
    /// After each sync that changed something.
    #[default]
    AfterSync,
    /// Only when asked for.
    Never,
}

/// What holds for publishing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Publish {
    /// How long a package that left the index stays downloadable.
    #[serde(rename = "linger_seconds", serialize_with = "as_seconds")]
    pub linger: Duration,
    /// Where a sync publishes.
    pub to: Place,
}

/// Whatever supplies packages.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Source {
    /// What stands before the `:` in `from`.
    pub name: SourceName,
    /// Where its packages are.
    #[serde(flatten)]
    pub kind: SourceKind,
    /// Whose signatures are trusted for it.
    pub keyring: KeyringChoice,
    /// Names and globs that no other source may supply or provide, in any repository.
    pub reserve: Vec<String>,
    /// What happens to other bytes under a name and version that was published.
    pub rebuilt: Rebuilt,
    /// The largest share of the names taken from one index that may be gone from the next one; none: any, as with a directory.
    pub max_shrink: Option<Percent>,
}

/// What happens to other bytes under a name and version that was published.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Rebuilt {
    /// The bytes first published stay.
    #[default]
    Refuse,
    /// They are replaced; clients with the former index see a bad signature until they update.
    Accept,
}

/// How long after its last confirmation an index counts as stale, when the file does not say: a day, and two hours for a late
/// timer.
pub(super) const STALE_AFTER: Duration = Duration::from_secs(26 * 3600);

/// The same of bundles: they come by the month, and a courier may be some days late.
pub(super) const BUNDLES_STALE_AFTER: Duration = Duration::from_secs(35 * 24 * 3600);

impl Source {
    /// How long after its last confirmation an index of this source counts as stale. A directory confirms with each sync.
    pub fn stale_after(&self) -> Duration {
        match self.kind {
            SourceKind::Url { stale_after, .. } | SourceKind::Bundles { stale_after, .. } => stale_after,
            SourceKind::Directory { .. } => STALE_AFTER,
        }
    }
}

/// Where a source's packages are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase", tag = "kind")]
pub enum SourceKind {
    /// Alpine's layout behind HTTP.
    Url {
        /// At least one; the next is asked when one fails or lags.
        urls: Vec<SourceUrl>,
        /// Connections at once, 1 to 64.
        connections: usize,
        /// Longest wait for a connection, and longest silence on one; more than zero.
        #[serde(rename = "timeout_seconds", serialize_with = "as_seconds")]
        timeout: Duration,
        /// Folders in which packages are looked for before the wire.
        seed: Vec<PathBuf>,
        /// How long after no URL confirmed an index any more it counts as stale.
        #[serde(rename = "stale_after_seconds", serialize_with = "as_seconds")]
        stale_after: Duration,
        /// How long an index may stay as it is before that is worth a line; none: as long as it likes.
        #[serde(rename = "frozen_after_seconds", serialize_with = "as_seconds_if_any")]
        frozen_after: Option<Duration>,
        /// What the way there asks for.
        #[serde(flatten)]
        access: Box<Access>,
    },
    /// A folder of packages; needs no index.
    Directory {
        /// The folder: `<arch>/*.apk` or `*.apk` in it.
        path: PathBuf,
        /// Whether packages without a trusted signature are taken.
        unsigned: Unsigned,
    },
    /// Bundles that a sender made and signed, where there is no network. The source's keyring says who may make them and sign
    /// the indexes that the sender published.
    Bundles {
        /// The folder of bundles, such as a mount point; it need not exist.
        path: PathBuf,
        /// Whose signatures must be found inside, too: those of the sender's upstream; absent: the sender's word is enough.
        #[serde(skip_serializing_if = "Option::is_none")]
        origin: Option<KeyringChoice>,
        /// Names and globs of packages for which the sender's own word is enough. Empty without `origin`.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        own: Vec<String>,
        /// How long after its last confirmation by an import an index counts as stale.
        #[serde(rename = "stale_after_seconds", serialize_with = "as_seconds")]
        stale_after: Duration,
    },
}

/// What the way to a source asks for. Files are named here and read at use.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Access {
    /// What lets us in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auth: Option<Auth>,
    /// Through whom it is asked.
    pub proxy: ProxyChoice,
    /// Certificates of authorities that are believed beside the system's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca: Option<PathBuf>,
    /// Who we are, for servers that ask.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client: Option<ClientFiles>,
    /// How fast it may be fetched from, all connections together; empty: as fast as it comes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub rate_limit: Vec<RateWindow>,
}

/// The file with what lets us in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Auth {
    /// `user:password`.
    BasicFile(PathBuf),
    /// `Name: value`.
    HeaderFile(PathBuf),
}

/// Through whom a source is asked.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ProxyChoice {
    /// Whom the environment names, if anybody.
    #[default]
    Environment,
    /// Nobody, whatever the environment says.
    None,
    /// This one.
    Url(SourceUrl),
}

/// A client certificate's files; they may be one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ClientFiles {
    /// The certificate, those that lead to its authority after it.
    #[serde(rename = "client_cert")]
    pub certificate: PathBuf,
    /// Its private key.
    #[serde(rename = "client_key")]
    pub key: PathBuf,
}

/// A limit for a part of each day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct RateWindow {
    /// Bytes a second, at least 1000.
    #[serde(rename = "bytes_per_second")]
    pub limit: u64,
    /// Where it begins: minutes after midnight UTC, 0 to 1439.
    #[serde(rename = "from_minute")]
    pub from: u16,
    /// Where it ends, 1 to 1440; before `from`: on the next day.
    #[serde(rename = "to_minute")]
    pub to: u16,
}

/// Whether packages without a trusted signature are taken from a directory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Unsigned {
    /// They are refused.
    #[default]
    Refuse,
    /// They are taken as they are.
    Accept,
}

/// Whose signatures are trusted for a source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum KeyringChoice {
    /// Alpine's official keys, by arch, built in.
    Official,
    /// These public keys, for every arch; each a file or a folder of them. Empty (nobody is trusted) only for a directory
    /// that takes unsigned packages.
    Files(Vec<PathBuf>),
    /// These public keys, by arch; each a file or a folder of them.
    ByArch(BTreeMap<Arch, Vec<PathBuf>>),
}

pub(super) fn as_seconds<S: Serializer>(span: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(span.as_secs())
}

fn as_seconds_if_any<S: Serializer>(span: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
    match span {
        Some(span) => serializer.serialize_some(&span.as_secs()),
        None => serializer.serialize_none(),
    }
}
