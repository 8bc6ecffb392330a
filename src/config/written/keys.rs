//! Which keys each table of the file may have.

/// The keys a table may have.
pub(super) struct Keys {
    /// Those that are understood.
    pub(super) now: &'static [&'static str],
    /// Those of the contract whose behaviour is not built yet.
    pub(super) later: &'static [&'static str],
}

pub(super) const FILE: Keys = Keys {
    now: &[
        "store",
        "public",
        "rate_limit",
        "signing",
        "sources",
        "repositories",
        "aliases",
        "publish",
        "retain",
        "backups",
        "schedule",
        "serve",
        "policy",
        "metrics",
        "notify",
    ],
    later: &[],
};
pub(super) const SIGNING: Keys = Keys {
    now: &[
        "key",
        "digest",
        "passphrase_file",
        "exposed",
        "max_key_age",
        "command",
        "command_timeout",
        "pkcs11",
        "pin_file",
        "min_overlap",
        "keyring_package",
    ],
    later: &[],
};
pub(super) const SOURCE: Keys = Keys {
    now: &[
        "url",
        "keyring",
        "connections",
        "timeout",
        "seed",
        "auth",
        "proxy",
        "ca",
        "client_cert",
        "client_key",
        "rate_limit",
        "directory",
        "unsigned",
        "bundles",
        "origin",
        "own",
        "reserve",
        "rebuilt",
        "max_shrink",
        "stale_after",
        "frozen_after",
    ],
    later: &[],
};
pub(super) const AUTH: Keys = Keys { now: &["basic_file", "header_file"], later: &[] };
pub(super) const RATE_WINDOW: Keys = Keys { now: &["limit", "from", "to"], later: &[] };
pub(super) const REPOSITORY: Keys = Keys {
    now: &[
        "name",
        "from",
        "for",
        "arches",
        "index",
        "packages",
        "dependencies",
        "exclude",
        "prefer",
        "beside",
        "keep_versions",
        "incomplete",
        "must_install",
        "together",
    ],
    later: &[],
};
pub(super) const PUBLISH: Keys = Keys { now: &["linger", "to"], later: &[] };
pub(super) const SCHEDULE: Keys = Keys { now: &["timezone", "jitter", "sync", "check", "backup"], later: &[] };
pub(super) const SERVE: Keys = Keys { now: &["listen", "tls", "client_ca", "basic_file"], later: &[] };
pub(super) const SERVE_TLS: Keys = Keys { now: &["cert", "key"], later: &[] };
pub(super) const METRICS: Keys = Keys { now: &["textfile"], later: &[] };
pub(super) const NOTIFY: Keys = Keys { now: &["webhook", "webhook_file", "command", "timeout"], later: &[] };
pub(super) const POLICY: Keys = Keys { now: &["sha1"], later: &[] };
pub(super) const RETAIN: Keys = Keys { now: &["snapshots", "generations", "prune", "min_free"], later: &[] };
pub(super) const RETAIN_SNAPSHOTS: Keys = Keys { now: &["last", "daily", "monthly"], later: &[] };
pub(super) const RETAIN_GENERATIONS: Keys = Keys { now: &["last"], later: &[] };
pub(super) const BACKUP: Keys =
    Keys { now: &["target", "recipients", "passphrase_file", "deltas", "keep", "tool"], later: &[] };
pub(super) const BACKUP_KEEP: Keys = Keys { now: &["last", "daily", "weekly", "monthly"], later: &[] };
