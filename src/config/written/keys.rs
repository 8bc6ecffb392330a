//! Which keys each table of the file may have.

/// The keys a table may have.
pub(super) type Keys = &'static [&'static str];

pub(super) const FILE: Keys = &[
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
];
pub(super) const SIGNING: Keys = &[
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
];
pub(super) const SOURCE: Keys = &[
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
];
pub(super) const AUTH: Keys = &["basic_file", "header_file"];
pub(super) const RATE_WINDOW: Keys = &["limit", "from", "to"];
pub(super) const REPOSITORY: Keys = &[
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
];
pub(super) const PUBLISH: Keys = &["linger", "to"];
pub(super) const SCHEDULE: Keys = &["timezone", "jitter", "sync", "check", "backup"];
pub(super) const SERVE: Keys = &["listen", "url", "tls", "client_ca", "basic_file"];
pub(super) const SERVE_TLS: Keys = &["cert", "key"];
pub(super) const METRICS: Keys = &["textfile"];
pub(super) const NOTIFY: Keys = &["webhook", "webhook_file", "command", "timeout"];
pub(super) const POLICY: Keys = &["sha1"];
pub(super) const RETAIN: Keys = &["snapshots", "generations", "prune", "min_free"];
pub(super) const RETAIN_SNAPSHOTS: Keys = &["last", "daily", "monthly"];
pub(super) const RETAIN_GENERATIONS: Keys = &["last"];
pub(super) const BACKUP: Keys = &["target", "recipients", "passphrase_file", "deltas", "keep", "tool"];
pub(super) const BACKUP_KEEP: Keys = &["last", "daily", "weekly", "monthly"];
