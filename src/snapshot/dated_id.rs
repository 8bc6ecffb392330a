//! Names that tell time and content and sort by time: `20261124T031700Z-9f3a1c20`.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

const PATTERN: &[u8] = b"ddddddddTddddddZ-xxxxxxxx";

fn is_dated_id(text: &str) -> bool {
    let fits = |(pattern, byte): (u8, u8)| match pattern {
        b'd' => byte.is_ascii_digit(),
        b'x' => byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte),
        literal => byte == literal,
    };
    text.len() == PATTERN.len() && PATTERN.iter().copied().zip(text.bytes()).all(fits)
}

macro_rules! dated_id {
    ($(#[$doc:meta])* $name:ident, $(#[$bad_doc:meta])* $bad:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Box<str>);

        #[derive(Debug, thiserror::Error, PartialEq, Eq)]
        $(#[$bad_doc])*
        pub struct $bad;

        impl $name {
            /// The id of one made at `time` whose content hashes to `content`.
            pub fn new(time: Timestamp, content: [u8; 4]) -> Self {
                let time = time.strftime("%Y%m%dT%H%M%SZ");
                $name(format!("{time}-{}", crate::apk::checksum::hex(&content)).into())
            }

            /// The checked text.
            pub fn as_str(&self) -> &str {
                &self.0
            }

            /// When it was made, to the second; none where the digits are no time.
            pub fn time(&self) -> Option<Timestamp> {
                self.0.split('-').next()?.parse().ok()
            }
        }

        impl FromStr for $name {
            type Err = $bad;

            fn from_str(text: &str) -> Result<Self, $bad> {
                if is_dated_id(text) { Ok($name(text.into())) } else { Err($bad) }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

dated_id! {
    /// A bundle's name.
    BundleId,
    /// Text that is no [`BundleId`].
    #[error("it is no bundle's id (20261124T031700Z-9f3a1c20)")]
    BadBundleId
}
dated_id! {
    /// A backup's name.
    BackupId,
    /// Text that is no [`BackupId`].
    #[error("it is no backup's id (20261124T031700Z-9f3a1c20)")]
    BadBackupId
}
