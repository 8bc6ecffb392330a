//! The text as typed: every value with its line, nothing interpreted. Unknown keys, wrong types, duplicate keys and broken
//! syntax are refused here.

mod keys;
mod reader;

use std::path::Path;

use super::Problems;
use keys::{
    AUTH, BACKUP, BACKUP_KEEP, FILE, Keys, METRICS, NOTIFY, POLICY, PUBLISH, RATE_WINDOW, REPOSITORY, RETAIN,
    RETAIN_GENERATIONS, RETAIN_SNAPSHOTS, SCHEDULE, SERVE, SERVE_TLS, SIGNING, SOURCE,
};
use reader::{Reader, Section};

/// A value, or a key, and the line it stands on, counted from 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct At<T> {
    pub(super) value: T,
    pub(super) line: usize,
}

/// The whole file.
#[derive(Debug, Default)]
pub(super) struct Written {
    pub(super) store: Option<At<String>>,
    pub(super) public: Option<At<String>>,
    pub(super) signing: Option<Signing>,
    pub(super) rate_limit: Option<At<RateLimit>>,
    pub(super) sources: Vec<Source>,
    pub(super) repositories: Vec<Repository>,
    /// Links in the public tree: what they are called, and what they lead to.
    pub(super) aliases: Vec<(At<String>, At<String>)>,
    pub(super) linger: Option<At<String>>,
    pub(super) publish_to: Option<At<String>>,
    pub(super) retain: Retain,
    pub(super) backups: Vec<Backup>,
    pub(super) schedule: Option<Schedule>,
    pub(super) serve: Serve,
    pub(super) policy_sha1: Option<At<String>>,
    pub(super) metrics_textfile: Option<At<String>>,
    pub(super) notify: Option<Notify>,
}

/// `[schedule]`.
#[derive(Debug)]
pub(super) struct Schedule {
    pub(super) timezone: Option<At<String>>,
    pub(super) jitter: Option<At<String>>,
    pub(super) sync: Option<At<String>>,
    pub(super) check: Option<At<String>>,
    /// By the backup's name.
    pub(super) backup: Vec<(At<String>, At<String>)>,
}

/// `[serve]`.
#[derive(Debug, Default)]
pub(super) struct Serve {
    pub(super) listen: Option<At<String>>,
    pub(super) url: Option<At<String>>,
    pub(super) tls: Option<ServeTls>,
    pub(super) client_ca: Option<At<String>>,
    pub(super) basic_file: Option<At<String>>,
}

/// `tls` of `[serve]`.
#[derive(Debug)]
pub(super) struct ServeTls {
    pub(super) line: usize,
    pub(super) cert: Option<At<String>>,
    pub(super) key: Option<At<String>>,
}

/// `[notify]`.
#[derive(Debug)]
pub(super) struct Notify {
    pub(super) webhook: Option<At<String>>,
    pub(super) webhook_file: Option<At<String>>,
    pub(super) command: Option<At<Vec<At<String>>>>,
    pub(super) timeout: Option<At<String>>,
}

/// `[retain]`.
#[derive(Debug, Default)]
pub(super) struct Retain {
    /// Counts by the rule's name: `last`, `daily`, `monthly`.
    pub(super) snapshots: Vec<(&'static str, At<i64>)>,
    pub(super) generations: Option<At<i64>>,
    pub(super) prune: Option<At<String>>,
    pub(super) min_free: Option<At<String>>,
}

#[derive(Debug)]
pub(super) struct Signing {
    pub(super) line: usize,
    pub(super) key: Option<At<String>>,
    pub(super) digest: Option<At<String>>,
    pub(super) passphrase_file: Option<At<String>>,
    pub(super) exposed: Option<At<String>>,
    pub(super) max_key_age: Option<At<String>>,
    pub(super) command: Option<At<Vec<At<String>>>>,
    pub(super) command_timeout: Option<At<String>>,
    pub(super) pkcs11: Option<At<String>>,
    pub(super) pin_file: Option<At<String>>,
    pub(super) min_overlap: Option<At<String>>,
    pub(super) keyring_package: Option<At<String>>,
}

#[derive(Debug)]
pub(super) struct Source {
    pub(super) name: At<String>,
    pub(super) url: Option<At<Vec<At<String>>>>,
    pub(super) connections: Option<At<i64>>,
    pub(super) timeout: Option<At<String>>,
    pub(super) seed: Option<At<Vec<At<String>>>>,
    pub(super) auth: Option<Auth>,
    pub(super) proxy: Option<At<String>>,
    pub(super) ca: Option<At<String>>,
    pub(super) client_cert: Option<At<String>>,
    pub(super) client_key: Option<At<String>>,
    pub(super) rate_limit: Option<At<RateLimit>>,
    pub(super) directory: Option<At<String>>,
    pub(super) unsigned: Option<At<String>>,
    pub(super) bundles: Option<At<String>>,
    pub(super) origin: Option<At<Keyring>>,
    pub(super) own: Option<At<Vec<At<String>>>>,
    pub(super) keyring: Option<At<Keyring>>,
    pub(super) reserve: Option<At<Vec<At<String>>>>,
    pub(super) rebuilt: Option<At<String>>,
    pub(super) max_shrink: Option<At<String>>,
    pub(super) stale_after: Option<At<String>>,
    pub(super) frozen_after: Option<At<String>>,
}

#[derive(Debug)]
pub(super) struct Auth {
    pub(super) line: usize,
    pub(super) basic_file: Option<At<String>>,
    pub(super) header_file: Option<At<String>>,
}

#[derive(Debug)]
pub(super) enum RateLimit {
    /// All day.
    Always(String),
    /// By time of day.
    Windows(Vec<RateWindow>),
}

#[derive(Debug)]
pub(super) struct RateWindow {
    pub(super) line: usize,
    pub(super) limit: Option<At<String>>,
    pub(super) from: Option<At<String>>,
    pub(super) to: Option<At<String>>,
}

#[derive(Debug)]
pub(super) enum Keyring {
    /// One word: `"alpine"`, or a path.
    One(String),
    /// Paths.
    Files(Vec<At<String>>),
    /// Paths by arch.
    ByArch(Vec<(At<String>, Vec<At<String>>)>),
}

#[derive(Debug)]
pub(super) enum Packages {
    /// Of every source that is not a directory.
    List(Vec<At<String>>),
    /// By source.
    BySource(Vec<(At<String>, Vec<At<String>>)>),
}

/// What a repository moves together with.
#[derive(Debug)]
pub(super) enum Together {
    /// `false`: with nothing.
    No,
    /// `true`: all arches and rows of its block.
    Block,
    /// All blocks that say this word.
    Word(String),
}

#[derive(Debug)]
pub(super) struct Repository {
    /// Where its `[[repositories]]` stands.
    pub(super) line: usize,
    pub(super) name: Option<At<String>>,
    pub(super) from: Option<At<Vec<At<String>>>>,
    /// The rows' variables, in the order of the file, each with its values.
    pub(super) rows: Vec<(At<String>, Vec<At<String>>)>,
    pub(super) arches: Option<At<Vec<At<String>>>>,
    pub(super) index: Option<At<String>>,
    pub(super) packages: Option<At<Packages>>,
    pub(super) dependencies: Option<At<bool>>,
    pub(super) exclude: Option<At<Vec<At<String>>>>,
    pub(super) prefer: Option<At<String>>,
    pub(super) beside: Option<At<Vec<At<String>>>>,
    pub(super) keep_versions: Option<At<i64>>,
    pub(super) incomplete: Option<At<String>>,
    pub(super) must_install: Option<At<Vec<At<String>>>>,
    pub(super) together: Option<At<Together>>,
}

/// Counts by the rule's name: `last`, `daily`, …
type Counts = Vec<(&'static str, At<i64>)>;

/// `[backups.NAME]`.
#[derive(Debug)]
pub(super) struct Backup {
    pub(super) name: At<String>,
    pub(super) target: Option<At<String>>,
    pub(super) recipients: Option<At<Vec<At<String>>>>,
    pub(super) passphrase_file: Option<At<String>>,
    pub(super) deltas: Option<At<bool>>,
    /// Counts by the rule's name: `last`, `daily`, `weekly`, `monthly`.
    pub(super) keep: Option<At<Counts>>,
    pub(super) tool: Option<At<bool>>,
}

impl Written {
    /// Reads the text of a configuration; `file` is what messages call it.
    pub(super) fn parse(text: &str, file: &Path) -> Result<Written, Problems> {
        let mut reader = Reader::new(text, file);
        let mut written = Written::default();
        let document = reader.document()?;
        let top = Section::top(document.get_ref());
        reader.check_keys(&top, FILE);
        written.store = reader.text(&top, "store");
        written.public = reader.text(&top, "public");
        written.rate_limit = reader.rate_limit(&top);
        written.signing = reader.table(&top, "signing").map(|section| reader.signing(&section));
        if let Some(sources) = reader.table(&top, "sources") {
            written.sources =
                reader.tables_of(&sources).into_iter().map(|(name, section)| reader.source(name, &section)).collect();
        }
        written.repositories =
            reader.array_of_tables(&top, "repositories").iter().map(|section| reader.repository(section)).collect();
        written.aliases = reader.table(&top, "aliases").map(|links| reader.texts_of(&links)).unwrap_or_default();
        if let Some(section) = reader.table(&top, "publish") {
            reader.check_keys(&section, PUBLISH);
            written.linger = reader.text(&section, "linger");
            written.publish_to = reader.text(&section, "to");
        }
        if let Some(section) = reader.table(&top, "retain") {
            written.retain = reader.retain(&section);
        }
        if let Some(backups) = reader.table(&top, "backups") {
            written.backups =
                reader.tables_of(&backups).into_iter().map(|(name, section)| reader.backup(name, &section)).collect();
        }
        written.schedule = reader.table(&top, "schedule").map(|section| reader.schedule(&section));
        if let Some(section) = reader.table(&top, "serve") {
            written.serve = reader.serve(&section);
        }
        if let Some(section) = reader.table(&top, "metrics") {
            reader.check_keys(&section, METRICS);
            written.metrics_textfile = reader.text(&section, "textfile");
        }
        written.notify = reader.table(&top, "notify").map(|section| reader.notify(&section));
        if let Some(section) = reader.table(&top, "policy") {
            reader.check_keys(&section, POLICY);
            written.policy_sha1 = reader.text(&section, "sha1");
        }
        reader.finish(written)
    }
}

impl Reader<'_> {
    fn signing(&mut self, section: &Section<'_>) -> Signing {
        self.check_keys(section, SIGNING);
        Signing {
            line: section.line,
            key: self.text(section, "key"),
            digest: self.text(section, "digest"),
            passphrase_file: self.text(section, "passphrase_file"),
            exposed: self.text(section, "exposed"),
            max_key_age: self.text(section, "max_key_age"),
            command: self.texts(section, "command"),
            command_timeout: self.text(section, "command_timeout"),
            pkcs11: self.text(section, "pkcs11"),
            pin_file: self.text(section, "pin_file"),
            min_overlap: self.text(section, "min_overlap"),
            keyring_package: self.text(section, "keyring_package"),
        }
    }

    fn schedule(&mut self, section: &Section<'_>) -> Schedule {
        self.check_keys(section, SCHEDULE);
        Schedule {
            timezone: self.text(section, "timezone"),
            jitter: self.text(section, "jitter"),
            sync: self.text(section, "sync"),
            check: self.text(section, "check"),
            backup: self.table(section, "backup").map(|lines| self.texts_of(&lines)).unwrap_or_default(),
        }
    }

    fn serve(&mut self, section: &Section<'_>) -> Serve {
        self.check_keys(section, SERVE);
        let tls = self.table(section, "tls").map(|tls| {
            self.check_keys(&tls, SERVE_TLS);
            ServeTls { line: tls.line, cert: self.text(&tls, "cert"), key: self.text(&tls, "key") }
        });
        Serve {
            listen: self.text(section, "listen"),
            url: self.text(section, "url"),
            tls,
            client_ca: self.text(section, "client_ca"),
            basic_file: self.text(section, "basic_file"),
        }
    }

    fn notify(&mut self, section: &Section<'_>) -> Notify {
        self.check_keys(section, NOTIFY);
        Notify {
            webhook: self.text(section, "webhook"),
            webhook_file: self.text(section, "webhook_file"),
            command: self.texts(section, "command"),
            timeout: self.text(section, "timeout"),
        }
    }

    fn retain(&mut self, section: &Section<'_>) -> Retain {
        self.check_keys(section, RETAIN);
        let mut retain = Retain {
            prune: self.text(section, "prune"),
            min_free: self.text(section, "min_free"),
            ..Retain::default()
        };
        if let Some(snapshots) = self.table(section, "snapshots") {
            retain.snapshots = self.counts(&snapshots, RETAIN_SNAPSHOTS);
        }
        if let Some(generations) = self.table(section, "generations") {
            self.check_keys(&generations, RETAIN_GENERATIONS);
            retain.generations = self.count(&generations, "last");
        }
        retain
    }

    /// The counts of a table that holds nothing else, each with its key.
    fn counts(&mut self, section: &Section<'_>, keys: Keys) -> Vec<(&'static str, At<i64>)> {
        self.check_keys(section, keys);
        keys.iter().filter_map(|rule| self.count(section, rule).map(|count| (*rule, count))).collect()
    }

    fn backup(&mut self, name: At<String>, section: &Section<'_>) -> Backup {
        self.check_keys(section, BACKUP);
        Backup {
            name,
            target: self.text(section, "target"),
            recipients: self.texts(section, "recipients"),
            passphrase_file: self.text(section, "passphrase_file"),
            deltas: self.switch(section, "deltas"),
            keep: self
                .table(section, "keep")
                .map(|keep| At { value: self.counts(&keep, BACKUP_KEEP), line: keep.line }),
            tool: self.switch(section, "tool"),
        }
    }

    fn together(&mut self, section: &Section<'_>) -> Option<At<Together>> {
        if self.is_text(section, "together") {
            return self
                .text(section, "together")
                .map(|word| At { value: Together::Word(word.value), line: word.line });
        }
        let switch = self.switch(section, "together")?;
        Some(At { value: if switch.value { Together::Block } else { Together::No }, line: switch.line })
    }

    fn source(&mut self, name: At<String>, section: &Section<'_>) -> Source {
        self.check_keys(section, SOURCE);
        Source {
            name,
            url: self.texts(section, "url"),
            connections: self.count(section, "connections"),
            timeout: self.text(section, "timeout"),
            seed: self.texts(section, "seed"),
            auth: self.auth(section),
            proxy: self.text(section, "proxy"),
            ca: self.text(section, "ca"),
            client_cert: self.text(section, "client_cert"),
            client_key: self.text(section, "client_key"),
            rate_limit: self.rate_limit(section),
            directory: self.text(section, "directory"),
            unsigned: self.text(section, "unsigned"),
            bundles: self.text(section, "bundles"),
            origin: self.keyring(section, "origin"),
            own: self.texts(section, "own"),
            keyring: self.keyring(section, "keyring"),
            reserve: self.texts(section, "reserve"),
            rebuilt: self.text(section, "rebuilt"),
            max_shrink: self.text(section, "max_shrink"),
            stale_after: self.text(section, "stale_after"),
            frozen_after: self.text(section, "frozen_after"),
        }
    }

    fn auth(&mut self, section: &Section<'_>) -> Option<Auth> {
        let auth = self.table(section, "auth")?;
        self.check_keys(&auth, AUTH);
        let (basic_file, header_file) = (self.text(&auth, "basic_file"), self.text(&auth, "header_file"));
        Some(Auth { line: auth.line, basic_file, header_file })
    }

    fn rate_limit(&mut self, section: &Section<'_>) -> Option<At<RateLimit>> {
        const EXPECTED: &str =
            "text (\"20MB/s\"), or a list of tables ([{ limit = \"…\", from = \"08:00\", to = \"18:00\" }])";
        if self.is_text(section, "rate_limit") {
            let always = self.text(section, "rate_limit")?;
            return Some(At { value: RateLimit::Always(always.value), line: always.line });
        }
        let line = self.presence(section, "rate_limit")?.line;
        let windows = self.array_of_tables_or(section, "rate_limit", EXPECTED);
        let window = |window: &Section<'_>| {
            self.check_keys(window, RATE_WINDOW);
            let (limit, from) = (self.text(window, "limit"), self.text(window, "from"));
            RateWindow { line: window.line, limit, from, to: self.text(window, "to") }
        };
        Some(At { value: RateLimit::Windows(windows.iter().map(window).collect()), line })
    }

    fn keyring(&mut self, section: &Section<'_>, key: &str) -> Option<At<Keyring>> {
        const EXPECTED: &str = "\"alpine\", a list of paths, or a table of such lists by arch";
        if self.is_text(section, key) {
            return self.text(section, key).map(|one| At { value: Keyring::One(one.value), line: one.line });
        }
        if self.is_table(section, key) {
            let by_arch = self.table(section, key)?;
            let value = Keyring::ByArch(self.lists_of(&by_arch));
            return Some(At { value, line: by_arch.line });
        }
        let files = self.texts_or(section, key, EXPECTED)?;
        Some(At { value: Keyring::Files(files.value), line: files.line })
    }

    fn packages(&mut self, section: &Section<'_>) -> Option<At<Packages>> {
        if self.is_table(section, "packages") {
            let by_source = self.table(section, "packages")?;
            let value = Packages::BySource(self.lists_of(&by_source));
            return Some(At { value, line: by_source.line });
        }
        let list =
            self.texts_or(section, "packages", "a list of texts ([\"…\"]), or a table of such lists by source")?;
        Some(At { value: Packages::List(list.value), line: list.line })
    }

    fn repository(&mut self, section: &Section<'_>) -> Repository {
        self.check_keys(section, REPOSITORY);
        Repository {
            line: section.line,
            name: self.text(section, "name"),
            from: self.texts(section, "from"),
            rows: self.table(section, "for").map(|rows| self.lists_of(&rows)).unwrap_or_default(),
            arches: self.texts(section, "arches"),
            index: self.text(section, "index"),
            packages: self.packages(section),
            dependencies: self.switch(section, "dependencies"),
            exclude: self.texts(section, "exclude"),
            prefer: self.text(section, "prefer"),
            beside: self.texts(section, "beside"),
            keep_versions: self.count(section, "keep_versions"),
            incomplete: self.text(section, "incomplete"),
            must_install: self.texts(section, "must_install"),
            together: self.together(section),
        }
    }
}
