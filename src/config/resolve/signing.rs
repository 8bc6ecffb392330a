//! `[signing]`: our key, and who holds its private half.

use std::path::PathBuf;
use std::time::Duration;

use super::{CREDENTIALS, Resolver};
use crate::config::signing::{DEFAULT_COMMAND_TIMEOUT, DEFAULT_MAX_KEY_AGE, DEFAULT_MIN_OVERLAP};
use crate::config::written::{self, At};
use crate::config::{BadTokenUri, Digest, ExposedKey, KeyHolder, Signing, TokenKey, parse_duration};

/// Longest time that a program may take to sign one index.
const LONGEST_COMMAND: Duration = Duration::from_secs(60 * 60);

impl Resolver<'_> {
    pub(super) fn signing(&mut self, signing: &written::Signing) -> Option<Signing> {
        let digest = match &signing.digest {
            None => Some(Digest::default()),
            Some(text) => {
                let choices = [("sha256", Digest::Sha256), ("sha1", Digest::Sha256AndSha1)];
                self.choice("signing.digest", text, &choices)
            }
        };
        let min_overlap = match &signing.min_overlap {
            None => Some(DEFAULT_MIN_OVERLAP),
            Some(text) => self.duration("signing.min_overlap", text),
        };
        let keyring_package = match &signing.keyring_package {
            None => Some(None),
            Some(text) => match text.value.parse() {
                Ok(name) => Some(Some(name)),
                Err(error) => {
                    self.problems.add(text.line, format!("signing.keyring_package: {error}"));
                    None
                }
            },
        };
        let max_key_age = self.max_key_age(signing.max_key_age.as_ref());
        let holder = self.holder(signing);
        let Some(key) = &signing.key else {
            self.problems.add(signing.line, "[signing] names no key");
            return None;
        };
        if key.value.strip_prefix(CREDENTIALS).is_some_and(|below| below.trim_start_matches('/').contains('/')) {
            let hint = "LoadCredential=NAME:FILE, with the name that clients know the key by".to_owned();
            let text = "signing.key: a key is known by its file's name, so it is handed over alone, not with a folder";
            self.problems.add_with_hint(key.line, text, Some(hint));
            return None;
        }
        Some(Signing {
            key: self.secret_path("signing.key", key)?,
            holder: holder?,
            digest: digest?,
            max_key_age: max_key_age?,
            min_overlap: min_overlap?,
            keyring_package: keyring_package?,
        })
    }

    /// The file of the passphrase with which a new key is encrypted.
    pub(super) fn passphrase_file(&mut self, signing: &written::Signing) -> Option<PathBuf> {
        signing.passphrase_file.as_ref().and_then(|file| self.secret_path("signing.passphrase_file", file))
    }

    /// The age from which on a sync warns; `Some(None)` where it never does.
    fn max_key_age(&mut self, text: Option<&At<String>>) -> Option<Option<Duration>> {
        match text {
            None => Some(Some(DEFAULT_MAX_KEY_AGE)),
            Some(text) if text.value == "off" => Some(None),
            Some(text) => match parse_duration(&text.value) {
                Ok(span) => Some(Some(span)),
                Err(bad) => {
                    let text_is = format!("signing.max_key_age is {:?}, not \"off\" or {}", bad.text, bad.expected);
                    self.problems.add(text.line, text_is);
                    None
                }
            },
        }
    }

    fn holder(&mut self, signing: &written::Signing) -> Option<KeyHolder> {
        let exposed = match &signing.exposed {
            None => Some(ExposedKey::default()),
            Some(text) => {
                let choices = [("refuse", ExposedKey::Refuse), ("accept", ExposedKey::Accept)];
                self.choice("signing.exposed", text, &choices)
            }
        };
        match (&signing.command, &signing.pkcs11) {
            (Some(command), Some(_)) => {
                self.problems.add(command.line, "[signing] has both command and pkcs11; one of them signs");
                None
            }
            (None, None) => {
                let is_file = "which is for another signer; here the key is a file";
                self.refuse_beside(&[("command_timeout", line(&signing.command_timeout))], is_file);
                self.refuse_beside(&[("pin_file", line(&signing.pin_file))], is_file);
                let passphrase_file = self.passphrase_file(signing);
                Some(KeyHolder::File { passphrase_file, exposed: exposed? })
            }
            (Some(command), None) => {
                let others = [
                    ("passphrase_file", line(&signing.passphrase_file)),
                    ("pin_file", line(&signing.pin_file)),
                    ("exposed", line(&signing.exposed)),
                ];
                self.refuse_beside(&others, "but no secret is read where a program signs (command)");
                self.command(command, signing.command_timeout.as_ref())
            }
            (None, Some(uri)) => {
                let others = [
                    ("passphrase_file", line(&signing.passphrase_file)),
                    ("command_timeout", line(&signing.command_timeout)),
                ];
                self.refuse_beside(&others, "which is not for a token (pkcs11)");
                let (token, pin_file) = self.token(uri, signing.pin_file.as_ref())?;
                Some(KeyHolder::Token { token, pin_file, exposed: exposed? })
            }
        }
    }

    /// Notes each of `keys` that stands in the file.
    fn refuse_beside(&mut self, keys: &[(&str, Option<usize>)], why: &str) {
        for (key, line) in keys {
            if let Some(line) = line {
                self.problems.add(*line, format!("[signing] has {key}, {why}"));
            }
        }
    }

    fn command(&mut self, command: &At<Vec<At<String>>>, timeout: Option<&At<String>>) -> Option<KeyHolder> {
        let arguments: Vec<String> = command.value.iter().map(|argument| argument.value.clone()).collect();
        if arguments.first().is_none_or(String::is_empty) || arguments.iter().any(|argument| argument.contains('\0')) {
            self.problems.add(command.line, "signing.command is not a program and its arguments");
            return None;
        }
        let timeout = match timeout {
            None => DEFAULT_COMMAND_TIMEOUT,
            Some(text) => {
                let span = self.duration("signing.command_timeout", text)?;
                if span.is_zero() || span > LONGEST_COMMAND {
                    self.problems.add(text.line, "signing.command_timeout is not 1s to 1h");
                    return None;
                }
                span
            }
        };
        Some(KeyHolder::Command { command: arguments, folder: self.folder.to_owned(), timeout })
    }

    /// The token, and the file of its PIN.
    fn token(&mut self, uri: &At<String>, pin_file: Option<&At<String>>) -> Option<(TokenKey, Option<PathBuf>)> {
        let token: TokenKey = match uri.value.parse() {
            Ok(token) => token,
            Err(bad) => {
                let hint = (bad == BadTokenUri::PinValue)
                    .then(|| "write it into a file of your own and name that as pin_file".to_owned());
                self.problems.add_with_hint(uri.line, format!("signing.pkcs11 {bad}"), hint);
                return None;
            }
        };
        let source = token.pin_source.clone().map(|value| At { value, line: uri.line });
        let pin_file = match (&source, pin_file) {
            (Some(_), Some(file)) => {
                self.problems.add(file.line, "[signing] has both pin_file and a pin-source in pkcs11");
                return None;
            }
            (Some(source), None) => Some(self.secret_path("pin-source of signing.pkcs11", source)?),
            (None, Some(file)) => Some(self.secret_path("signing.pin_file", file)?),
            (None, None) => None,
        };
        Some((TokenKey { pin_source: None, ..token }, pin_file))
    }
}

fn line<T>(key: &Option<At<T>>) -> Option<usize> {
    key.as_ref().map(|at| at.line)
}
