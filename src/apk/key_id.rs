//! Which key.

use serde::{Deserialize, Serialize};

use super::KeyName;

/// A key: another one may have the same name, so the fingerprint is part of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyId {
    /// The public half's file name.
    pub name: KeyName,
    /// SHA-256 of the public half's DER, hex.
    pub fingerprint: String,
}

impl KeyId {
    /// Whether a person means this key: by its file name, with or without `.pub` or `.rsa.pub`, or by the first digits, eight
    /// or more, of its fingerprint.
    pub fn is_meant_by(&self, word: &str) -> bool {
        let name = self.name.as_str();
        let names = [Some(name), name.strip_suffix(".pub"), name.strip_suffix(".rsa.pub")];
        names.contains(&Some(word)) || (word.len() >= 8 && self.fingerprint.starts_with(&word.to_ascii_lowercase()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_meant_by_name_or_fingerprint() {
        let key =
            KeyId { name: "ops@example.org-6743a0c1.rsa.pub".parse().unwrap(), fingerprint: "0123456789abcdef".into() };
        for (word, meant) in [
            ("ops@example.org-6743a0c1.rsa.pub", true),
            ("ops@example.org-6743a0c1.rsa", true),
            ("ops@example.org-6743a0c1", true),
            ("ops@example.org", false),
            ("01234567", true),
            ("0123456789ABCDEF", true),
            ("0123456", false),
            ("", false),
        ] {
            assert_eq!(key.is_meant_by(word), meant, "{word:?}");
        }
    }
}
