//! Why keys stay as they are.

use std::path::PathBuf;

use jiff::Timestamp;

use crate::apk::{KeyId, PackageName};
use crate::error::{Class, Trouble};

/// Why keys stay as they are.
#[derive(Debug, thiserror::Error)]
pub enum CannotRotate {
    /// Nothing is signed by us.
    #[error("{} names no signing key", .config.display())]
    NoSigning {
        /// The configuration.
        config: PathBuf,
    },
    /// Two keys sign already.
    #[error("a rotation is under way: {} and {} sign since {}", .new.name, .old.name, .since.strftime("%Y-%m-%d %H:%M UTC"))]
    UnderWay {
        /// The older key.
        old: KeyId,
        /// The newer one.
        new: KeyId,
        /// Since when.
        since: Timestamp,
    },
    /// The key that is to be the new one signs already, or bears the name of the one that does.
    #[error("the new key is called {}, as the one that signs now; a client could have only one of them", .key.name)]
    SameName {
        /// The key that signs.
        key: KeyId,
    },
    /// The key that signs is not in a file, so none is made beside it.
    #[error("{} is held by another program or a token; the next key is made there, too", .key.name)]
    Elsewhere {
        /// The key that signs.
        key: KeyId,
    },
    /// The key that is to be the new one was retired.
    #[error("{} was retired and never signs again", .key.name)]
    WasRetired {
        /// The key.
        key: KeyId,
    },
    /// No key of this name or fingerprint is being rotated.
    #[error("no key that signs beside another is called \"{word}\"")]
    NotRotating {
        /// As it was typed.
        word: String,
        /// The keys that could be retired.
        candidates: Vec<KeyId>,
    },
    /// Clients need longer to get the new key.
    #[error("{} signs until {} at least: clients need the time to get {}", .old.name, .ripe.strftime("%Y-%m-%d %H:%M UTC"), .new.name)]
    Unripe {
        /// The key that was to be retired.
        old: KeyId,
        /// Its successor.
        new: KeyId,
        /// From when on it may be.
        ripe: Timestamp,
    },
    /// The package that brings the new key to clients is not where they would find it.
    #[error("{} signs until {package} brings {} to clients: not every live index lists it", .old.name, .new.name)]
    Unpublished {
        /// The keyring package.
        package: PackageName,
        /// The key that was to be retired.
        old: KeyId,
        /// Its successor.
        new: KeyId,
    },
}

impl Trouble for CannotRotate {
    fn class(&self) -> Class {
        match self {
            CannotRotate::Unripe { .. } | CannotRotate::Unpublished { .. } => Class::Refused,
            CannotRotate::NoSigning { .. }
            | CannotRotate::UnderWay { .. }
            | CannotRotate::SameName { .. }
            | CannotRotate::Elsewhere { .. }
            | CannotRotate::WasRetired { .. }
            | CannotRotate::NotRotating { .. } => Class::Usage,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            CannotRotate::NoSigning { .. } => "no-signing-key",
            CannotRotate::UnderWay { .. } => "rotation-under-way",
            CannotRotate::SameName { .. } => "key-same-name",
            CannotRotate::Elsewhere { .. } => "key-elsewhere",
            CannotRotate::WasRetired { .. } => "key-retired",
            CannotRotate::NotRotating { .. } => "no-such-key",
            CannotRotate::Unripe { .. } | CannotRotate::Unpublished { .. } => "overlap",
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            CannotRotate::NoSigning { .. } => {
                Some("`bivouac key new` makes one; name it under [signing] as key".into())
            }
            CannotRotate::UnderWay { old, .. } => Some(format!("`bivouac key retire {}` ends it", old.name)),
            CannotRotate::SameName { .. } | CannotRotate::WasRetired { .. } => Some("use another key".into()),
            CannotRotate::Elsewhere { .. } => Some(
                "name the new key in bivouac.toml, then `bivouac key rotate` before the next sync; or --key FILE"
                    .into(),
            ),
            CannotRotate::NotRotating { candidates, .. } if candidates.is_empty() => {
                Some("no rotation is under way: `bivouac key rotate` begins one".into())
            }
            CannotRotate::NotRotating { candidates, .. } => {
                let names: Vec<&str> = candidates.iter().map(|key| key.name.as_str()).collect();
                Some(format!("these sign now: {}", names.join(", ")))
            }
            CannotRotate::Unpublished { .. } => Some(
                "`bivouac sync`, or `bivouac publish` where a rollback holds, publishes it; clients need a while to upgrade"
                    .into(),
            ),
            CannotRotate::Unripe { new, .. } => Some(format!(
                "--now, if the key is in wrong hands or the rotation is taken back: clients without {} then refuse our indexes until they have it",
                new.name
            )),
        }
    }
}
