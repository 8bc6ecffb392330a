//! `[sources.NAME]`: where packages come from and whose signatures are trusted for them.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use super::Resolver;
use crate::apk::{Arch, SourceName};
use crate::config::resolved::{BUNDLES_STALE_AFTER, STALE_AFTER};
use crate::config::written::{self, At, Keyring};
use crate::config::{KeyringChoice, Percent, Rebuilt, Source, SourceKind, SourceUrl, Unsigned, parse_percent};

/// Connections to one source at once, when the file does not say.
const DEFAULT_CONNECTIONS: usize = 8;
/// Most connections that may be asked for; beyond it a mirror sees an attack.
const MOST_CONNECTIONS: i64 = 64;
/// Longest wait for a connection and longest silence on one, when the file does not say.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30);
/// How much of an index may be gone from the next one, when the file does not say.
const DEFAULT_SHRINK: Percent = Percent::new(25);

impl Resolver<'_> {
    pub(super) fn sources(&mut self, written: &[written::Source]) -> BTreeMap<SourceName, Source> {
        let mut sources = BTreeMap::new();
        for source in written {
            match source.name.value.parse::<SourceName>() {
                Ok(name) => {
                    if let Some(source) = self.source(&name, source) {
                        sources.insert(name, source);
                    }
                }
                Err(error) => self.problems.add(source.name.line, error.to_string()),
            }
        }
        sources
    }

    fn source(&mut self, name: &SourceName, written: &written::Source) -> Option<Source> {
        let key = |key: &str| format!("sources.{name}.{key}");
        let kinds = [
            ("a url", written.url.as_ref().map(|url| url.line)),
            ("a directory", written.directory.as_ref().map(|directory| directory.line)),
            ("bundles", written.bundles.as_ref().map(|bundles| bundles.line)),
        ];
        let kinds: Vec<(&str, usize)> = kinds.iter().filter_map(|(kind, line)| Some((*kind, (*line)?))).collect();
        if let [(first, _), (second, line), ..] = kinds[..] {
            self.problems.add(line, format!("source \"{name}\" has both {first} and {second}"));
            return None;
        }
        if written.bundles.is_none() {
            let kind = kinds.first().map_or("a source that has none", |(kind, _)| *kind);
            let of_bundles = [("origin", line(&written.origin)), ("own", line(&written.own))];
            self.refuse_meaningless(&key, kind, &of_bundles);
        }
        let kind = match (&written.url, &written.directory, &written.bundles) {
            (Some(url), ..) => self.url_source(&key, url, written)?,
            (_, Some(directory), _) => self.directory_source(&key, directory, written)?,
            (.., Some(bundles)) => self.bundle_source(&key, bundles, written)?,
            (None, None, None) => {
                let text = format!("source \"{name}\" has neither a url nor a directory nor bundles");
                self.problems.add(written.name.line, text);
                return None;
            }
        };
        let keyring = match (&written.keyring, &kind) {
            (Some(keyring), _) => self.keyring(&key("keyring"), keyring)?,
            (None, SourceKind::Directory { unsigned: Unsigned::Accept, .. }) => KeyringChoice::Files(Vec::new()),
            (None, kind) => {
                let hint = match kind {
                    SourceKind::Url { .. } => {
                        "keyring = \"alpine\" trusts Alpine's official keys; otherwise list the publisher's"
                    }
                    SourceKind::Directory { .. } => {
                        "name the keys under keyring, or take its packages as they are: unsigned = \"accept\""
                    }
                    SourceKind::Bundles { .. } => "name the public keys of the sender, who makes the bundles",
                };
                let text = format!("source \"{name}\" has no keyring");
                self.problems.add_with_hint(written.name.line, text, Some(hint.to_owned()));
                return None;
            }
        };
        let reserve = written.reserve.iter().flat_map(|reserve| &reserve.value);
        let reserve = reserve.filter_map(|pattern| self.provided_pattern(pattern)).collect();
        let rebuilt = match &written.rebuilt {
            None => Rebuilt::default(),
            Some(text) => {
                let choices = [("refuse", Rebuilt::Refuse), ("accept", Rebuilt::Accept)];
                self.choice(&key("rebuilt"), text, &choices)?
            }
        };
        let max_shrink = match (&kind, &written.max_shrink) {
            (SourceKind::Directory { .. }, None) => None,
            (SourceKind::Directory { .. }, Some(text)) => {
                self.problems.add(text.line, format!("{} has no meaning for a directory", key("max_shrink")));
                None
            }
            (SourceKind::Url { .. } | SourceKind::Bundles { .. }, None) => Some(DEFAULT_SHRINK),
            (_, Some(text)) if text.value == "off" => None,
            (_, Some(text)) => match parse_percent(&text.value) {
                Ok(share) => Some(share),
                Err(error) => {
                    self.problems.add(text.line, format!("{}: {error}, nor \"off\"", key("max_shrink")));
                    None
                }
            },
        };
        Some(Source { name: name.clone(), kind, keyring, reserve, rebuilt, max_shrink })
    }

    fn url_source(
        &mut self,
        key: &impl Fn(&str) -> String,
        url: &At<Vec<At<String>>>,
        written: &written::Source,
    ) -> Option<SourceKind> {
        if let Some(unsigned) = &written.unsigned {
            self.problems.add(
                unsigned.line,
                format!("{} is for directories; what comes by URL is always verified", key("unsigned")),
            );
        }
        let mut urls: Vec<SourceUrl> = Vec::new();
        for text in &url.value {
            match SourceUrl::parse(&text.value) {
                Ok(url) if urls.contains(&url) => {
                    self.problems.add(text.line, format!("{} names {url} twice", key("url")))
                }
                Ok(url) => urls.push(url),
                Err(reason) => self.problems.add(text.line, format!("{} {reason}", key("url"))),
            }
        }
        if url.value.is_empty() {
            self.problems.add(url.line, format!("{} is empty", key("url")));
        }
        let connections = match &written.connections {
            None => DEFAULT_CONNECTIONS,
            Some(At { value: count @ 1..=MOST_CONNECTIONS, .. }) => *count as usize,
            Some(At { value, line }) => {
                self.problems.add(*line, format!("{} is {value}, not 1 to {MOST_CONNECTIONS}", key("connections")));
                return None;
            }
        };
        let timeout = match &written.timeout {
            None => DEFAULT_TIMEOUT,
            Some(text) => self.duration(&key("timeout"), text)?,
        };
        if let (true, Some(text)) = (timeout.is_zero(), &written.timeout) {
            self.problems.add(text.line, format!("{} is {:?}; nothing arrives in no time", key("timeout"), text.value));
        }
        let stale_after = match &written.stale_after {
            None => STALE_AFTER,
            Some(text) => self.duration(&key("stale_after"), text)?,
        };
        let frozen_after = match &written.frozen_after {
            None => None,
            Some(text) if text.value == "off" => None,
            Some(text) => Some(self.duration(&key("frozen_after"), text)?),
        };
        let seed = written.seed.as_ref().map(|seed| self.paths(&key("seed"), &seed.value)).unwrap_or_default();
        let access = self.access(key, &urls, written)?;
        let access = Box::new(access);
        (!urls.is_empty()).then_some(SourceKind::Url {
            urls,
            connections,
            timeout,
            seed,
            stale_after,
            frozen_after,
            access,
        })
    }

    fn directory_source(
        &mut self,
        key: &impl Fn(&str) -> String,
        directory: &At<String>,
        written: &written::Source,
    ) -> Option<SourceKind> {
        let others = [("stale_after", line(&written.stale_after))];
        self.refuse_meaningless(key, "a directory", &of_the_wire(written));
        self.refuse_meaningless(key, "a directory", &others);
        let unsigned = match &written.unsigned {
            None => Unsigned::default(),
            Some(text) => {
                let choices = [("refuse", Unsigned::Refuse), ("accept", Unsigned::Accept)];
                self.choice(&key("unsigned"), text, &choices)?
            }
        };
        Some(SourceKind::Directory { path: self.local_folder(&key("directory"), directory)?, unsigned })
    }

    fn bundle_source(
        &mut self,
        key: &impl Fn(&str) -> String,
        bundles: &At<String>,
        written: &written::Source,
    ) -> Option<SourceKind> {
        self.refuse_meaningless(key, "bundles", &of_the_wire(written));
        self.refuse_meaningless(key, "bundles", &[("unsigned", line(&written.unsigned))]);
        let path = self.local_folder(&key("bundles"), bundles)?;
        let origin = match &written.origin {
            None => None,
            Some(origin) => Some(self.keyring(&key("origin"), origin)?),
        };
        if let (Some(own), None) = (&written.own, &written.origin) {
            let text = format!("{} has no meaning without origin: the sender's word is enough for all", key("own"));
            self.problems.add(own.line, text);
        }
        let own = written.own.iter().flat_map(|own| &own.value);
        let own = own.filter_map(|pattern| self.pattern(pattern)).collect();
        let stale_after = match &written.stale_after {
            None => BUNDLES_STALE_AFTER,
            Some(text) => self.duration(&key("stale_after"), text)?,
        };
        Some(SourceKind::Bundles { path, origin, own, stale_after })
    }

    /// The path of a folder on this host.
    fn local_folder(&mut self, key: &str, folder: &At<String>) -> Option<PathBuf> {
        if let Some((scheme, _)) = folder.value.split_once("://") {
            let text = format!("{key} is a URL ({scheme}); such a source is named by url");
            self.problems.add(folder.line, text);
            return None;
        }
        self.checked_path(key, folder)
    }

    /// Notes each of `keys` that stands in the file.
    fn refuse_meaningless(&mut self, key: &impl Fn(&str) -> String, kind: &str, keys: &[(&str, Option<usize>)]) {
        for (name, line) in keys {
            if let Some(line) = line {
                self.problems.add(*line, format!("{} has no meaning for {kind}", key(name)));
            }
        }
    }

    fn keyring(&mut self, key: &str, written: &At<Keyring>) -> Option<KeyringChoice> {
        match &written.value {
            Keyring::One(word) if word == "alpine" => Some(KeyringChoice::Official),
            Keyring::One(path) => {
                let path = At { value: path.clone(), line: written.line };
                Some(KeyringChoice::Files(vec![self.checked_path(key, &path)?]))
            }
            Keyring::Files(files) => Some(KeyringChoice::Files(self.key_files(key, files, written.line)?)),
            Keyring::ByArch(lists) => {
                let mut by_arch = BTreeMap::new();
                if lists.is_empty() {
                    self.problems.add(written.line, format!("{key} is empty: nobody would be trusted"));
                }
                for (arch, files) in lists {
                    let Some(arch_name) = self.arch(arch) else { continue };
                    if let Some(files) = self.key_files(&format!("{key}.{arch_name}"), files, arch.line) {
                        by_arch.insert(arch_name, files);
                    }
                }
                Some(KeyringChoice::ByArch(by_arch))
            }
        }
    }

    fn key_files(&mut self, key: &str, files: &[At<String>], line: usize) -> Option<Vec<PathBuf>> {
        if files.is_empty() {
            self.problems.add(line, format!("{key} is empty: nobody would be trusted"));
            return None;
        }
        if let Some(word) = files.iter().find(|file| file.value == "alpine") {
            let hint = "\"alpine\" stands alone; a folder of that name is written \"./alpine\"".to_owned();
            self.problems.add_with_hint(
                word.line,
                format!("{key} mixes Alpine's built-in keys with files"),
                Some(hint),
            );
            return None;
        }
        Some(self.paths(key, files))
    }

    /// An index's architecture.
    pub(super) fn arch(&mut self, text: &At<String>) -> Option<Arch> {
        match text.value.parse::<Arch>() {
            Ok(arch) if arch.is_noarch() => {
                let hint = "name the architectures of your machines; noarch packages are part of each".to_owned();
                self.problems.add_with_hint(
                    text.line,
                    "noarch is a package's architecture, never an index's",
                    Some(hint),
                );
                None
            }
            Ok(arch) => Some(arch),
            Err(error) => {
                self.problems.add(text.line, error.to_string());
                None
            }
        }
    }
}

/// The keys that are about asking somebody over a network.
fn of_the_wire(written: &written::Source) -> [(&'static str, Option<usize>); 10] {
    [
        ("connections", line(&written.connections)),
        ("timeout", line(&written.timeout)),
        ("seed", line(&written.seed)),
        ("frozen_after", line(&written.frozen_after)),
        ("auth", written.auth.as_ref().map(|auth| auth.line)),
        ("proxy", line(&written.proxy)),
        ("ca", line(&written.ca)),
        ("client_cert", line(&written.client_cert)),
        ("client_key", line(&written.client_key)),
        ("rate_limit", line(&written.rate_limit)),
    ]
}

fn line<T>(key: &Option<At<T>>) -> Option<usize> {
    key.as_ref().map(|at| at.line)
}
