//! `[schedule]`, `[serve]`, `[metrics]` and `[notify]`, resolved: when what runs, and who is told.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use jiff::tz::TimeZone;
use serde::{Serialize, Serializer};

use super::WebhookUrl;
use super::resolved::as_seconds;
use crate::apk::BackupName;
use crate::calendar::{CrontabLine, Rule};

/// When the daemon runs what.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Schedule {
    /// On whose wall the lines' times are read.
    #[serde(rename = "timezone", serialize_with = "as_name")]
    pub zone: TimeZone,
    /// At most so much later, by chance.
    #[serde(rename = "jitter_seconds", serialize_with = "as_seconds")]
    pub jitter: Duration,
    /// `sync`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sync: Option<CrontabLine>,
    /// `check --read-data 5%`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub check: Option<CrontabLine>,
    /// `backup NAME`; each is a configured backup's.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub backup: BTreeMap<BackupName, CrontabLine>,
}

impl Schedule {
    /// What a line of this schedule comes to.
    pub fn rule(&self, line: &CrontabLine) -> Rule {
        Rule { line: line.clone(), zone: self.zone.clone(), jitter: self.jitter }
    }

    /// The zone's name, as the file has it.
    pub fn zone_name(&self) -> &str {
        self.zone.iana_name().unwrap_or("UTC")
    }
}

/// How the public tree is served.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Serve {
    /// Where; none: the daemon does not, and `serve` takes its default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub listen: Option<SocketAddr>,
    /// Under which address clients reach the public tree, without a slash at its end; none: the one by which each asks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Who it is for clients that speak TLS; none: it speaks plain HTTP.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<ServerFiles>,
    /// The authorities of which every client must show a certificate; never without `tls`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_ca: Option<PathBuf>,
    /// Who may log in, with which password; none: everybody reads.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub basic_file: Option<PathBuf>,
}

/// A server's certificate and its key, in PEM form; one file may hold both.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ServerFiles {
    /// The certificate, and those that lead to its authority after it.
    #[serde(rename = "cert")]
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

/// Where metrics are written after each run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Metrics {
    /// A file `….prom` in the folder that node_exporter's textfile collector reads.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub textfile: Option<PathBuf>,
}

/// Where a webhook's URL stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Webhook {
    /// In the configuration.
    Url(WebhookUrl),
    /// In a file that nobody else may read, read at use.
    File(PathBuf),
}

/// What is told to whom after a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Notify {
    /// Is posted the summary.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub webhook: Option<Webhook>,
    /// Reads it from standard input, in the configuration's folder.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command: Option<Vec<String>>,
    /// The configuration's folder.
    #[serde(skip)]
    pub folder: PathBuf,
    /// How long each of them may take.
    #[serde(rename = "timeout_seconds", serialize_with = "as_seconds")]
    pub timeout: Duration,
}

fn as_name<S: Serializer>(zone: &TimeZone, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(zone.iana_name().unwrap_or("UTC"))
}
