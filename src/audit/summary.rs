//! What an audit tells.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;

use super::causes::Cause;
use super::known::minute;
use super::printable::printable;
use super::tally::{Client, DISTINCT, Tally};
use crate::finding::{Finding, Severity};

/// What an audit tells; all text from logs is printable.
#[derive(Clone, Debug, Serialize)]
pub struct Summary {
    /// Requests counted.
    pub requests: u64,
    /// Bytes sent.
    pub bytes: u64,
    /// Clients told apart by address.
    pub clients: u64,
    /// Requests outside of the time that was asked for.
    pub left_out: u64,
    /// The first request.
    pub first: Option<Timestamp>,
    /// The last request.
    pub last: Option<Timestamp>,
    /// Requests by status code.
    pub statuses: BTreeMap<u16, u64>,
    /// By repository and arch; what lies in none has no name and comes last.
    pub repositories: Vec<RepositoryCount>,
    /// Packages that were fetched most.
    pub packages: Vec<PackageCount>,
    /// Clients that asked most.
    pub top_clients: Vec<ClientCount>,
    /// Requests that found nothing, by the code of their cause.
    pub not_found: BTreeMap<&'static str, NotFound>,
    /// What is remarkable, the heaviest of each kind first.
    pub findings: Vec<Told>,
    /// By how much counts may be too low, as more was asked for than is remembered; 0: they are exact.
    pub low_by: LowBy,
}

/// One repository and arch.
#[derive(Clone, Debug, Serialize)]
pub struct RepositoryCount {
    /// `v3.23/main/x86_64`; empty for what lies in none.
    pub name: String,
    /// Requests.
    pub requests: u64,
    /// Bytes sent.
    pub bytes: u64,
    /// Clients, of those that are remembered.
    pub clients: u64,
    /// Indexes sent, or told to be unchanged.
    pub indexes: u64,
    /// Packages sent, in whole or part.
    pub packages: u64,
    /// Requests that found nothing.
    pub not_found: u64,
}

/// One package file.
#[derive(Clone, Debug, Serialize)]
pub struct PackageCount {
    /// Repository and arch.
    pub repository: String,
    /// Its file name.
    pub file: String,
    /// How often it was sent, in whole or part.
    pub requests: u64,
    /// Bytes sent.
    pub bytes: u64,
}

/// One client.
#[derive(Clone, Debug, Serialize)]
pub struct ClientCount {
    /// Its address.
    pub client: String,
    /// Its requests.
    pub requests: u64,
    /// Bytes sent to it.
    pub bytes: u64,
    /// Those that found nothing.
    pub not_found: u64,
    /// What it calls itself.
    pub agent: String,
}

/// Requests that found nothing, of one cause.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct NotFound {
    /// Requests.
    pub requests: u64,
    /// Different paths.
    pub paths: u64,
}

/// Something remarkable, and how often.
#[derive(Clone, Debug, Serialize)]
pub struct Told {
    /// What it is.
    #[serde(flatten)]
    pub finding: Finding,
    /// How many requests show it.
    pub requests: u64,
}

/// By how much counts may be too low.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct LowBy {
    /// Of a package's requests.
    pub packages: u64,
    /// Of a client's requests.
    pub clients: u64,
    /// Of the requests for a path that found nothing.
    pub paths: u64,
    /// Of all requests that found nothing: so many are explained by no cause, because their paths were let go.
    pub not_found: u64,
    /// Whether there were more clients than are told apart.
    pub more_clients: bool,
}

impl Tally<'_> {
    /// What is told of all that was counted; of packages and clients so many as `top`.
    pub fn summary(&self, top: usize) -> Summary {
        let (not_found, mut findings) = self.explained();
        let explained: u64 = not_found.values().map(|cause| cause.requests).sum();
        findings.extend(self.of_clients());
        findings.extend(self.of_server());
        findings.sort_by_key(|told| std::cmp::Reverse((told.finding.severity, told.requests)));
        let packages = self.packages.heaviest().into_iter().take(top).filter_map(|(key, requests, bytes)| {
            let (at, file) = key.split_once('/')?;
            let repository = self.known.label(at.parse().ok()?);
            Some(PackageCount { repository, file: printable(file), requests, bytes: *bytes })
        });
        let clients = self.clients.heaviest().into_iter().take(top).map(|(name, requests, client)| ClientCount {
            client: printable(name),
            requests,
            bytes: client.bytes,
            not_found: client.not_found,
            agent: printable(&client.agent),
        });
        Summary {
            requests: self.requests,
            bytes: self.bytes,
            clients: self.distinct.len() as u64,
            left_out: self.left_out,
            first: self.span.map(|(first, _)| timestamp(first)),
            last: self.span.map(|(_, last)| timestamp(last)),
            statuses: self.statuses.clone(),
            repositories: self.repositories(),
            packages: packages.collect(),
            top_clients: clients.collect(),
            not_found,
            findings,
            low_by: LowBy {
                packages: self.packages.missed(),
                clients: self.clients.missed(),
                paths: self.missing.missed().max(self.troubles.missed()),
                not_found: self.folders.iter().map(|sums| sums.not_found).sum::<u64>() - explained,
                more_clients: self.distinct.len() >= DISTINCT,
            },
        }
    }

    fn repositories(&self) -> Vec<RepositoryCount> {
        let mut clients = vec![0_u64; self.folders.len()];
        for (_, _, client) in self.clients.heaviest() {
            client.folders.iter().for_each(|at| clients[*at] += 1);
        }
        let elsewhere = self.folders.len() - 1;
        self.folders
            .iter()
            .enumerate()
            .filter(|(_, sums)| sums.requests > 0)
            .map(|(at, sums)| RepositoryCount {
                name: if at == elsewhere { String::new() } else { self.known.label(at) },
                requests: sums.requests,
                bytes: sums.bytes,
                clients: clients[at],
                indexes: sums.indexes,
                packages: sums.packages,
                not_found: sums.not_found,
            })
            .collect()
    }

    /// Every path that was asked for in vain.
    fn explained(&self) -> (BTreeMap<&'static str, NotFound>, Vec<Told>) {
        let mut by_cause: BTreeMap<&'static str, NotFound> = BTreeMap::new();
        let mut findings = Vec::new();
        for (path, requests, missing) in self.missing.heaviest() {
            let explained = self.known.explain(path, timestamp(missing.last));
            let count = by_cause.entry(explained.cause.code()).or_default();
            count.requests += requests;
            count.paths += 1;
            // Scanners are told by client.
            if explained.cause == Cause::Probing {
                continue;
            }
            let message = format!(
                "{}; asked for {}",
                printable(&explained.message),
                often(requests, missing.last, &missing.by())
            );
            findings.push(Told {
                finding: Finding {
                    code: explained.cause.code(),
                    severity: severity(explained.cause),
                    subject: printable(path),
                    message,
                    hint: explained.hint.as_deref().map(printable),
                },
                requests,
            });
        }
        (by_cause, findings)
    }

    fn of_clients(&self) -> Vec<Told> {
        let mut findings = Vec::new();
        for (name, _, client) in self.clients.heaviest() {
            let mut tell = |code, severity, message, hint: Option<&str>, requests| {
                let finding =
                    Finding { code, severity, subject: printable(name), message, hint: hint.map(str::to_owned) };
                findings.push(Told { finding, requests });
            };
            if let Some((message, requests)) = self.old_index(client) {
                let hint = "`apk update` there, or look why it does not run";
                tell("old-index", Severity::Warning, message, Some(hint), requests);
            }
            if let Some(burst) = client.burst {
                let (first, last) = (timestamp(burst.first), timestamp(burst.last));
                let message = format!(
                    "{} requests in bursts found nothing, {} to {}",
                    burst.requests,
                    minute(first),
                    minute(last)
                );
                tell("burst", Severity::Warning, message, None, burst.requests);
            }
            if client.probes == 0 {
                continue;
            }
            if !self.answered.contains_key(name) {
                let message = format!("it looks for holes, {} times: {}", client.probes, quoted(&client.probe_samples));
                tell("probing", Severity::Info, message, None, client.probes);
            }
        }
        for (name, answered) in &self.answered {
            let message = format!("it looks for holes, and was sent {}", quoted(&answered.samples));
            let hint =
                "the web server shows more than the public tree: give it the folder that holds the public link alone";
            let (code, severity, hint) = ("probe-answered", Severity::Error, Some(hint.to_owned()));
            let finding = Finding { code, severity, subject: printable(name), message, hint };
            findings.push(Told { finding, requests: answered.requests });
        }
        findings
    }

    /// Why a client is taken to work with an old index, and how many requests show it.
    fn old_index(&self, client: &Client) -> Option<(String, u64)> {
        if let Some((left, file)) = &client.oldest {
            let message = format!(
                "it asked for {} that had left the index, {} at {}",
                if client.old == 1 { "a package".to_owned() } else { format!("packages {} times", client.old) },
                printable(file),
                minute(timestamp(*left))
            );
            return Some((message, client.old));
        }
        let package = client.last_package?;
        let (since, index) = match client.last_index {
            Some(index) => (index, format!("its last index is of {}", minute(timestamp(index)))),
            None => (self.span?.0, "it never asked for an index in these logs".to_owned()),
        };
        let message = || format!("it fetched packages up to {}, and {index}", minute(timestamp(package)));
        (package - since > self.rules.stale).then(|| (message(), 1))
    }

    /// Files that the server refused, or failed to send.
    fn of_server(&self) -> Vec<Told> {
        let troubles = self.troubles.heaviest().into_iter();
        troubles
            .filter_map(|(key, requests, missing)| {
                let (status, path) = key.split_once(' ')?;
                let (code, what, hint) = if status == "403" {
                    let hint = "let the web server's user read the folder that holds the public link, and all below it";
                    ("forbidden", "the web server may not show it (403)".to_owned(), Some(hint))
                } else {
                    ("server-error", format!("the server failed ({status})"), None)
                };
                let message = format!("{what}; asked for {}", often(requests, missing.last, &missing.by()));
                let subject = printable(path);
                let finding =
                    Finding { code, severity: Severity::Error, subject, message, hint: hint.map(str::to_owned) };
                Some(Told { finding, requests })
            })
            .collect()
    }
}

/// Targets, each in quotes.
fn quoted(list: &[String]) -> String {
    list.iter().map(|one| format!("\"{}\"", printable(one))).collect::<Vec<_>>().join(", ")
}

fn often(requests: u64, last: i64, by: &str) -> String {
    let by = printable(by);
    match requests {
        1 => format!("once, at {} by {by}", minute(timestamp(last))),
        many => format!("{many} times, last at {} by {by}", minute(timestamp(last))),
    }
}

fn severity(cause: Cause) -> Severity {
    match cause {
        Cause::WasThere => Severity::Error,
        Cause::WrongLayout
        | Cause::WrongFolder
        | Cause::Misspelled
        | Cause::LeftIndex
        | Cause::Withdrawn
        | Cause::NeverListed
        | Cause::RepositoryGone
        | Cause::NotMirrored
        | Cause::OtherFormat => Severity::Warning,
        Cause::CameLater | Cause::Outside | Cause::Probing | Cause::Malformed => Severity::Info,
    }
}

/// A time of a line that was parsed: it has been a timestamp before.
fn timestamp(seconds: i64) -> Timestamp {
    Timestamp::from_second(seconds).unwrap_or_default()
}
