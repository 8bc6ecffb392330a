//! `[schedule]`, `[serve]`, `[metrics]` and `[notify]`: lines that come due, a zone that exists, backups that are configured,
//! addresses and programs.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use jiff::tz::TimeZone;
use url::Url;

use super::Resolver;
use crate::apk::BackupName;
use crate::calendar::CrontabLine;
use crate::config::problem::did_you_mean;
use crate::config::written::{self, At};
use crate::config::{Backup, Notify, Schedule, Serve, ServerFiles, Webhook, WebhookUrl};

/// How long a webhook or a command may take when the file does not say.
const TIMEOUT: Duration = Duration::from_secs(30);

impl Resolver<'_> {
    pub(super) fn schedule(
        &mut self,
        written: &written::Schedule,
        backups: &BTreeMap<BackupName, Backup>,
    ) -> Option<Schedule> {
        let zone = match &written.timezone {
            Some(name) => self.zone(name),
            None => Some(TimeZone::UTC),
        };
        let jitter = match &written.jitter {
            Some(text) => self.duration("schedule.jitter", text),
            None => Some(Duration::ZERO),
        };
        let sync = written.sync.as_ref().map(|text| self.line("schedule.sync", text));
        let check = written.check.as_ref().map(|text| self.line("schedule.check", text));
        let mut backup = BTreeMap::new();
        for (name, text) in &written.backup {
            let line = self.line(&format!("schedule.backup.{}", name.value), text);
            let known = backups.keys().find(|known| known.as_str() == name.value);
            match (known, line) {
                (Some(known), Some(line)) => {
                    backup.insert(known.clone(), line);
                }
                (Some(_), None) => {}
                (None, _) => {
                    let hint = did_you_mean(&name.value, backups.keys().map(BackupName::as_str));
                    let text = format!("schedule.backup names {:?}, but there is no [backups.{0}]", name.value);
                    self.problems.add_with_hint(name.line, text, hint);
                }
            }
        }
        Some(Schedule { zone: zone?, jitter: jitter?, sync: flat(sync)?, check: flat(check)?, backup })
    }

    fn zone(&mut self, name: &At<String>) -> Option<TimeZone> {
        // Beside names of the database the library would take others: the zone of this host is nothing that a file can mean.
        let zone = match &name.value[..] {
            "UTC" => return Some(TimeZone::UTC),
            text => TimeZone::get(text).ok().filter(|zone| zone.iana_name().is_some()),
        };
        if zone.is_none() {
            let hint = "names are those of the IANA database, like \"Europe/Berlin\" or \"UTC\"".to_owned();
            let text = format!("schedule.timezone is {:?}: there is no such time zone", name.value);
            self.problems.add_with_hint(name.line, text, Some(hint));
        }
        zone
    }

    fn line(&mut self, key: &str, text: &At<String>) -> Option<CrontabLine> {
        match text.value.parse() {
            Ok(line) => Some(line),
            Err(bad) => {
                self.problems.add(text.line, format!("{key} is no crontab line: {bad}"));
                None
            }
        }
    }

    /// What is wrong is noted and left out.
    pub(super) fn serve(&mut self, written: &written::Serve) -> Serve {
        let tls = written.tls.as_ref().and_then(|tls| self.server_files(tls));
        let client_ca = written.client_ca.as_ref().and_then(|text| {
            if written.tls.is_none() {
                let hint = "tls = { cert = \"FILE\", key = \"FILE\" } goes with it".to_owned();
                let bad = "serve.client_ca without serve.tls: only who speaks TLS can show a certificate";
                self.problems.add_with_hint(text.line, bad, Some(hint));
            }
            self.secret_path("serve.client_ca", text)
        });
        Serve {
            listen: written.listen.as_ref().and_then(|text| self.listen(text)),
            url: written.url.as_ref().and_then(|text| self.public_url(text)),
            tls,
            client_ca,
            basic_file: written.basic_file.as_ref().and_then(|text| self.secret_path("serve.basic_file", text)),
        }
    }

    fn server_files(&mut self, tls: &written::ServeTls) -> Option<ServerFiles> {
        let (Some(certificate), Some(key)) = (&tls.cert, &tls.key) else {
            let hint =
                "tls = { cert = \"FILE\", key = \"FILE\" }; one file may hold both, then both name it".to_owned();
            self.problems.add_with_hint(tls.line, "serve.tls has both a cert and a key", Some(hint));
            return None;
        };
        let certificate = self.secret_path("serve.tls.cert", certificate);
        Some(ServerFiles { key: self.secret_path("serve.tls.key", key)?, certificate: certificate? })
    }

    fn listen(&mut self, text: &At<String>) -> Option<SocketAddr> {
        let address = text.value.parse().ok();
        if address.is_none() {
            let bad = format!(
                "serve.listen is {:?}, not an address and port like \"0.0.0.0:8080\" or \"[::]:80\"",
                text.value
            );
            self.problems.add(text.line, bad);
        }
        address
    }

    /// As clients write it into their repositories: apk appends to it, and everybody may read it.
    fn public_url(&mut self, text: &At<String>) -> Option<String> {
        let plain = Url::parse(&text.value).ok().filter(|url| {
            matches!(url.scheme(), "http" | "https")
                && url.username().is_empty()
                && url.password().is_none()
                && url.query().is_none()
                && url.fragment().is_none()
        });
        if plain.is_none() {
            let bad =
                "serve.url is no address like \"https://mirror.example.org/alpine\", without login, \"?\" and \"#\"";
            self.problems.add(text.line, bad.to_owned());
        }
        Some(plain?.as_str().trim_end_matches('/').to_owned())
    }

    pub(super) fn textfile(&mut self, text: &At<String>) -> Option<PathBuf> {
        let path = self.checked_path("metrics.textfile", text)?;
        if path.extension().is_none_or(|extension| extension != "prom") {
            // node_exporter reads no other file of its folder.
            self.problems.add(text.line, format!("metrics.textfile is {:?}; its name has to end in .prom", text.value));
            return None;
        }
        Some(path)
    }

    pub(super) fn notify(&mut self, written: &written::Notify) -> Option<Notify> {
        let webhook = written.webhook.as_ref().map(|text| match WebhookUrl::parse(&text.value) {
            Ok(url) => Some(Webhook::Url(url)),
            // The text may hold a secret.
            Err(reason) => {
                self.problems.add(text.line, format!("notify.webhook {reason}"));
                None
            }
        });
        let webhook = match (&written.webhook_file, webhook) {
            (None, webhook) => webhook,
            (Some(file), None) => Some(self.secret_path("notify.webhook_file", file).map(Webhook::File)),
            (Some(file), Some(_)) => {
                self.problems.add(file.line, "notify names both webhook and webhook_file; one of them is told");
                Some(None)
            }
        };
        let command = written.command.as_ref().map(|command| {
            let words: Vec<String> = command.value.iter().map(|word| word.value.clone()).collect();
            if words.first().is_none_or(String::is_empty) {
                self.problems.add(command.line, "notify.command names no program");
                return None;
            }
            Some(words)
        });
        let timeout = match &written.timeout {
            Some(text) => self.duration("notify.timeout", text),
            None => Some(TIMEOUT),
        };
        if let (Some(text), Some(Duration::ZERO)) = (&written.timeout, timeout) {
            self.problems.add(text.line, "notify.timeout is 0s, in which nothing can be told");
        }
        let (webhook, command) = (flat(webhook)?, flat(command)?);
        Some(Notify { webhook, command, folder: self.folder.to_owned(), timeout: timeout? })
    }
}

/// What was written wrong is none at all; what was not written is nothing.
fn flat<T>(written: Option<Option<T>>) -> Option<Option<T>> {
    match written {
        None => Some(None),
        Some(read) => read.map(Some),
    }
}
