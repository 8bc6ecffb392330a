//! Hashes of different things are different types: none of them can be passed for another.
//!
//! [`Identity`] is over a package's control section (`C:` of an index), [`Datahash`] over its data section (`datahash` of
//! `.PKGINFO`), [`ObjectId`] over a whole file, [`ContentId`] over an index's APKINDEX text, [`SignedId`] over what
//! an index's signatures are over.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use super::sha1::{Collision, Sha1Policy};

/// A package's identity: `C:` of its index entry. For v2 packages the SHA-1 of the control section's compressed bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Identity([u8; 20]);

/// Why a `C:` value was refused.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum BadIdentity {
    /// The `Q2` form of apk v3, which no 2.x client can use.
    #[error("it is the SHA-256 form of apk v3, which is not supported yet")]
    Sha256,
    /// Anything but `Q1` and 28 characters of base64. 2.x clients would silently skip every check.
    #[error("it is not `Q1` followed by 28 characters of base64")]
    Malformed,
}

impl Identity {
    /// The identity of the package whose control section's compressed bytes are `control`.
    pub fn of(control: &[u8], sha1: Sha1Policy) -> Result<Self, Collision> {
        sha1.digest(control).map(Identity)
    }

    /// The identity whose SHA-1 is `digest`: one that was computed before.
    pub fn new(digest: [u8; 20]) -> Self {
        Identity(digest)
    }

    /// The raw SHA-1, 20 bytes.
    pub fn as_bytes(&self) -> &[u8; 20] {
        &self.0
    }

    /// Lower-case hex, 40 characters.
    pub fn hex(&self) -> String {
        hex(&self.0)
    }
}

impl FromStr for Identity {
    type Err = BadIdentity;

    /// Parses exactly `Q1` + 28 characters of padded base64. Clients read more spellings; an index that uses another is
    /// refused, because 2.x turns verification off for what it cannot parse.
    fn from_str(text: &str) -> Result<Self, BadIdentity> {
        if text.len() == 46 && text.starts_with("Q2") {
            return Err(BadIdentity::Sha256);
        }
        let body = text.strip_prefix("Q1").filter(|body| body.len() == 28).ok_or(BadIdentity::Malformed)?;
        let bytes = BASE64.decode(body).map_err(|_| BadIdentity::Malformed)?;
        Ok(Identity(bytes.try_into().map_err(|_| BadIdentity::Malformed)?))
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Q1{}", BASE64.encode(self.0))
    }
}

impl serde::Serialize for Identity {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for Identity {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

macro_rules! sha256_type {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; 32]);

        impl $name {
            /// Wraps a finished SHA-256.
            pub fn new(digest: [u8; 32]) -> Self {
                $name(digest)
            }

            /// The raw SHA-256, 32 bytes.
            pub fn as_bytes(&self) -> &[u8; 32] {
                &self.0
            }

            /// Lower-case hex, 64 characters.
            pub fn hex(&self) -> String {
                hex(&self.0)
            }
        }

        impl FromStr for $name {
            type Err = BadHex;

            /// Parses exactly 64 hex digits.
            fn from_str(text: &str) -> Result<Self, BadHex> {
                unhex(text).map($name)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.hex())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), self.hex())
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.hex())
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

sha256_type! {
    /// SHA-256 over a package's data section, as `.PKGINFO` names it.
    Datahash
}
sha256_type! {
    /// SHA-256 of a whole file: the pool's key.
    ObjectId
}
sha256_type! {
    /// SHA-256 of a line of the evidence, its line feed included: what the next line names.
    LineId
}
sha256_type! {
    /// SHA-256 of an index's APKINDEX text: what sites compare.
    ContentId
}
sha256_type! {
    /// SHA-256 of an index's signed part, from the first byte behind its signatures to the end: the same whoever signs it.
    SignedId
}

/// Text that is not 64 hex digits.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("it is not 64 hex digits")]
pub struct BadHex;

fn unhex(text: &str) -> Result<[u8; 32], BadHex> {
    let digits = text.as_bytes();
    if digits.len() != 64 {
        return Err(BadHex);
    }
    let mut out = [0; 32];
    for (byte, pair) in out.iter_mut().zip(digits.chunks_exact(2)) {
        let high = char::from(pair[0]).to_digit(16).ok_or(BadHex)?;
        let low = char::from(pair[1]).to_digit(16).ok_or(BadHex)?;
        *byte = (high * 16 + low) as u8;
    }
    Ok(out)
}

/// Lower-case hex of any bytes.
pub fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    bytes
        .iter()
        .flat_map(|byte| [DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]])
        .map(char::from)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identity_prints_back_what_it_parsed() {
        let text = "Q1LLq2qDNrS/qRnhxQ3hsY/sHbQnc=";
        let identity: Identity = text.parse().unwrap();
        assert_eq!(identity.to_string(), text);
        assert_eq!(identity.hex(), "2cbab6a8336b4bfa919e1c50de1b18fec1db4277");
    }

    #[test]
    fn other_spellings_of_an_identity_are_refused() {
        let sha256 = format!("Q2{}", BASE64.encode([0; 32]));
        assert_eq!(sha256.parse::<Identity>(), Err(BadIdentity::Sha256));
        for odd in [
            "",
            "Q1",
            "X12cbab6a8336b4bfa919e1c50de1b18fec1db4277",
            "d41d8cd98f00b204e9800998ecf8427e",
            "Q1LLq2qDNrS/qRnhxQ3hsY/sHbQnc",
            "Q1LLq2qDNrS/qRnhxQ3hsY/sHbQnc= ",
            "Q1LLq2qDNrS/qRnhxQ3hsY/sHbQn==",
        ] {
            assert_eq!(odd.parse::<Identity>(), Err(BadIdentity::Malformed), "{odd:?}");
        }
    }

    #[test]
    fn object_ids_print_back_what_they_parsed() {
        let text = "e6e3c36ed2f991bd0168ea076d30ff7a9fed0bfabeedade500d8aa949bba1835";
        assert_eq!(text.parse::<ObjectId>().unwrap().to_string(), text);
        assert!("e6".parse::<ObjectId>().is_err());
        assert!(format!("+{}", &text[1..]).parse::<ObjectId>().is_err());
    }
}
