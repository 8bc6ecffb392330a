//! Why nothing was restored, or not all.

use std::path::PathBuf;

use super::place::CONFIG;
use crate::apk::{KeyId, RepositoryName};
use crate::backup::{self, vault};
use crate::error::{Class, Trouble};
use crate::plan::restore::NoBackup;
use crate::snapshot::backup::{BackupId, BackupManifest};

/// Why nothing was restored, or not all.
#[derive(Debug, thiserror::Error)]
pub enum CannotRestore {
    /// What was named is no backup.
    #[error("{place}: {cause}")]
    NoBackup {
        /// The target.
        place: String,
        /// Why.
        cause: NoBackup,
    },
    /// The newest backup is damaged, and none was named.
    #[error("the newest backup cannot be used")]
    Newest {
        /// What is wrong with it.
        #[source]
        cause: backup::Error,
        /// The newest one that can be read.
        older: Option<BackupId>,
    },
    /// Nobody said whom to trust.
    #[error("backup {} in {place} is signed, and nothing says by whom it must be; found: {}", manifest.id, found(manifest, signers))]
    Untrusted {
        /// The target.
        place: String,
        /// What it says of itself.
        manifest: Box<BackupManifest>,
        /// Who signed it.
        signers: Vec<KeyId>,
    },
    /// Another key signed it than the one on the label.
    #[error("backup {id} is signed by {}, not by the key {wanted}", shown(signers))]
    OtherKey {
        /// Which backup.
        id: BackupId,
        /// What was asked for.
        wanted: String,
        /// Who signed it.
        signers: Vec<KeyId>,
        /// The newest backup that the key did sign.
        by_it: Option<BackupId>,
    },
    /// Another key signed it than the encrypted part says.
    #[error("backup {id} is signed by {}, and its encrypted part names {}", shown(signers), shown(named))]
    OtherSigner {
        /// Which backup.
        id: BackupId,
        /// Who signed it.
        signers: Vec<KeyId>,
        /// Whom the encrypted part names.
        named: Vec<KeyId>,
    },
    /// It would write where a stranger may have led it.
    #[error("backup {id} has to do with {}, which is not its own ground, and only a recipient's public name speaks for it; signed by {} ({})", path.display(), signer.name, signer.fingerprint)]
    Abroad {
        /// Which backup.
        id: BackupId,
        /// A file that it would write, or one that is in the folder that it calls its own.
        path: PathBuf,
        /// Who signed it.
        signer: KeyId,
    },
    /// Too few digits to tell one key from another that somebody made for the purpose.
    #[error("a fingerprint has 64 hex digits, of which 16 must be given at least: {given:?}")]
    ShortKey {
        /// What was given.
        given: String,
    },
    /// Something opens the encrypted part, and there is none.
    #[error("backup {id} has no encrypted part: private keys were left out of it")]
    NothingSealed {
        /// Which backup.
        id: BackupId,
    },
    /// Something is where it would be restored to.
    #[error("{} is in the way: it is not the one of the backup", path.display())]
    InTheWay {
        /// The file.
        path: PathBuf,
    },
    /// A tree is public already.
    #[error("{} shows generation {live} already", path.display())]
    Public {
        /// The public link.
        path: PathBuf,
        /// What it shows.
        live: u64,
    },
    /// It does not fit.
    #[error("{} has {free} bytes free, and what is restored takes about {needed}", path.display())]
    TooLittleSpace {
        /// Where.
        path: PathBuf,
        /// Bytes needed.
        needed: u64,
        /// Bytes free.
        free: u64,
    },
    /// The backup lacks a repository.
    #[error("backup {id} has no repository {name}")]
    NoRepository {
        /// Which backup.
        id: BackupId,
        /// The name as typed.
        name: RepositoryName,
    },
    /// Something of it cannot be read.
    #[error("backup {id} is {}: {count} of its objects cannot be had, {what} first", match class { Class::Upstream => "not all readable", _ => "damaged" })]
    Lost {
        /// Which backup.
        id: BackupId,
        /// How many.
        count: usize,
        /// What one of them is.
        what: String,
        /// Whether the medium does not give them, or gives other bytes.
        class: Class,
        /// What is wrong with it.
        #[source]
        cause: Option<Box<backup::Error>>,
    },
    /// A record in it does not read.
    #[error("backup {id} has a record that does not read: {path}")]
    Record {
        /// Which backup.
        id: BackupId,
        /// Its path there.
        path: String,
    },
    /// Its configuration does not read.
    #[error("the configuration of backup {id} cannot be used")]
    Config {
        /// Which backup.
        id: BackupId,
        /// Why.
        #[source]
        cause: crate::config::Error,
    },
    /// Its configuration cannot be given other paths.
    #[error("the configuration of backup {id} cannot be given other paths")]
    Relocate {
        /// Which backup.
        id: BackupId,
        /// Why.
        #[source]
        cause: crate::config::CannotRelocate,
    },
    /// The encrypted part.
    #[error(transparent)]
    Vault(#[from] vault::VaultError),
    /// The target.
    #[error(transparent)]
    Target(#[from] backup::Error),
}

/// What a person needs to compare with the label.
fn found(manifest: &BackupManifest, signers: &[KeyId]) -> String {
    format!(
        "a good signature by {}, over {} objects of {} bytes, made {} of {}",
        shown(signers),
        manifest.count.objects,
        manifest.count.bytes,
        manifest.time.strftime("%Y-%m-%d %H:%M UTC"),
        manifest.places.config.display()
    )
}

fn shown(keys: &[KeyId]) -> String {
    keys.iter().map(|key| format!("{} ({})", key.name, key.fingerprint)).collect::<Vec<_>>().join(", ")
}

impl Trouble for CannotRestore {
    fn class(&self) -> Class {
        match self {
            CannotRestore::NoBackup { cause: NoBackup::None, .. } => Class::Upstream,
            CannotRestore::NoBackup { .. }
            | CannotRestore::ShortKey { .. }
            | CannotRestore::NothingSealed { .. }
            | CannotRestore::InTheWay { .. }
            | CannotRestore::Public { .. }
            | CannotRestore::NoRepository { .. } => Class::Usage,
            CannotRestore::Untrusted { .. }
            | CannotRestore::OtherKey { .. }
            | CannotRestore::OtherSigner { .. }
            | CannotRestore::Abroad { .. } => Class::Refused,
            CannotRestore::TooLittleSpace { .. } => Class::Host,
            CannotRestore::Newest { cause, .. } => cause.class(),
            CannotRestore::Lost { class, .. } => *class,
            CannotRestore::Record { .. } | CannotRestore::Config { .. } | CannotRestore::Relocate { .. } => {
                Class::Damaged
            }
            CannotRestore::Vault(error) => error.class(),
            CannotRestore::Target(error) => error.class(),
        }
    }

    fn code(&self) -> &'static str {
        match self {
            CannotRestore::NoBackup { .. } => "no-such-backup",
            CannotRestore::Newest { cause, .. } => cause.code(),
            CannotRestore::Untrusted { .. } | CannotRestore::Abroad { .. } => "untrusted",
            CannotRestore::OtherKey { .. } | CannotRestore::OtherSigner { .. } => "unknown-signer",
            CannotRestore::ShortKey { .. } => "short-fingerprint",
            CannotRestore::NothingSealed { .. } => "nothing-sealed",
            CannotRestore::InTheWay { .. } => "in-the-way",
            CannotRestore::Public { .. } => "public-taken",
            CannotRestore::TooLittleSpace { .. } => "too-little-space",
            CannotRestore::NoRepository { .. } => "no-such-repository",
            CannotRestore::Lost { class: Class::Upstream, .. } => "medium",
            CannotRestore::Lost { .. } => "backup-incomplete",
            CannotRestore::Record { .. } | CannotRestore::Config { .. } | CannotRestore::Relocate { .. } => {
                "backup-damaged"
            }
            CannotRestore::Vault(error) => error.code(),
            CannotRestore::Target(error) => error.code(),
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            CannotRestore::NoBackup { .. } => Some("`ls backups/` there lists them".into()),
            CannotRestore::Newest { older: Some(older), .. } => {
                Some(format!("the newest that reads is {older}: ask for it with --at {older}"))
            }
            CannotRestore::Newest { older: None, cause } => cause.hint(),
            CannotRestore::Untrusted { .. } => Some(
                "compare the fingerprint with the disk's label and give it as --key; or open the encrypted part with \
                 --identity or --passphrase-file, which names it"
                    .into(),
            ),
            CannotRestore::Abroad { signer, .. } => Some(format!(
                "if the label has this fingerprint: --key {}; else restore below a folder of its own, --to DIR, and look",
                signer.fingerprint
            )),
            CannotRestore::OtherKey { by_it: Some(id), .. } => Some(format!(
                "the newest backup that this key signed is {id}: take it with --at {id}; or was the key rotated since, and the \
                 label not written anew?"
            )),
            CannotRestore::OtherKey { by_it: None, .. } => Some(
                "read the label again, and ask whether the key was rotated since it was written; if it is right, somebody else \
                 wrote this backup: do not use it"
                    .into(),
            ),
            CannotRestore::OtherSigner { .. } => Some(
                "a prune after a rotation of keys signs anew: if the label has this fingerprint, give it as --key; else \
                 somebody put another signature on it: do not use it"
                    .into(),
            ),
            CannotRestore::ShortKey { .. } => Some("type it as the label has it".into()),
            CannotRestore::NothingSealed { .. } => {
                Some("leave --identity and --passphrase-file out, and unset BIVOUAC_PASSPHRASE_FILE where it is set".into())
            }
            CannotRestore::InTheWay { .. } => {
                Some("move it away, or restore below another folder with --to DIR".into())
            }
            CannotRestore::Public { .. } => {
                Some("`--into-existing` adds what is missing; or restore below another folder with --to DIR".into())
            }
            CannotRestore::TooLittleSpace { .. } => Some("free space there, or restore elsewhere with --to DIR".into()),
            CannotRestore::Lost { class: Class::Upstream, .. } => {
                Some("what came back so far is kept; mount the medium again and run the same command".into())
            }
            CannotRestore::Lost { what, .. } if what == CONFIG => Some(
                "without its configuration nothing comes back; mount the medium again and run the same command, or take an \
                 earlier backup (--at)"
                    .into(),
            ),
            CannotRestore::Lost { .. } => Some(
                "what came back so far is kept; mount the medium again and run the same command, or go on without what is \
                 lost with --keep-going; an earlier backup may have it (--at), once the store that this one has begun is removed"
                    .into(),
            ),
            CannotRestore::NoRepository { .. }
            | CannotRestore::Record { .. }
            | CannotRestore::Config { .. }
            | CannotRestore::Relocate { .. } => None,
            CannotRestore::Vault(error) => error.hint(),
            CannotRestore::Target(error) => error.hint(),
        }
    }
}
