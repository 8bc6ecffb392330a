//! Who may log in: the lines of `basic_file`, and what a request shows (RFC 7617).

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use ring::hmac;
use ring::rand::SystemRandom;
use zeroize::Zeroizing;

use super::error::Error;
use crate::disk::private_file;

const WHAT: &str = "serve.basic_file";
/// Largest file that is read; thousands of users.
const MAX_FILE: u64 = 1 << 20;
/// Dearest hash that is computed; it takes about a second.
const MAX_COST: u32 = 14;

/// Hashes that others understand and nobody here; taken for passwords they would be the wrong ones.
const OTHER_HASHES: &[&str] = &["$apr1$", "$1$", "$5$", "$6$", "$7$", "$y$", "$gy$", "$argon2", "$2x$", "{"];

/// Users and their passwords.
pub(super) struct Logins {
    users: HashMap<String, Password>,
    /// Passwords are compared by what comes of them under this key, in a time that tells nothing of them.
    key: hmac::Key,
    /// One of the hashes, if there are any: it is computed for users that there are not, whose answer would tell by its time.
    hash_of_nobody: Option<String>,
    /// What users with hashed passwords logged in with: a client sends it with each request, and a hash takes its time.
    proven: Mutex<HashMap<String, hmac::Tag>>,
}

enum Password {
    /// What comes of it under the key.
    Plain(hmac::Tag),
    /// As bcrypt prints it.
    Hashed(String),
}

/// What a request shows: a user and a password.
pub(super) struct Shown {
    pub(super) user: String,
    password: Zeroizing<Vec<u8>>,
}

/// What comes of what was shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Right,
    Wrong,
}

impl Shown {
    /// From the value of `Authorization`. None: it is another scheme, or none of this one.
    pub(super) fn of(header: &[u8]) -> Option<Shown> {
        let text = std::str::from_utf8(header).ok()?;
        let (scheme, pair) = text.split_once(' ')?;
        if !scheme.eq_ignore_ascii_case("basic") {
            return None;
        }
        let pair = Zeroizing::new(BASE64.decode(pair.trim()).ok()?);
        // The first colon ends the user's name.
        let at = pair.iter().position(|byte| *byte == b':')?;
        let user = String::from_utf8(pair[..at].to_vec()).ok()?;
        Some(Shown { user, password: Zeroizing::new(pair[at + 1..].to_vec()) })
    }
}

impl Logins {
    /// Reads `basic_file`, which is closed to others by the rule of [`private_file::read`].
    pub(super) fn read(path: &Path) -> Result<Logins, Error> {
        let bytes = private_file::read(path, MAX_FILE).map_err(|unread| Error::of_secret(WHAT, path, unread))?;
        let bytes = Zeroizing::new(bytes);
        let text = std::str::from_utf8(&bytes).map_err(|_| Error::unusable(WHAT, path, "is not text in UTF-8"))?;
        Logins::parse(text).map_err(|flaw| Error::unusable(WHAT, path, flaw))
    }

    /// Lines `user:password`; those that are empty or begin with `#` say nothing. What is wrong is told by its line, never in its
    /// words.
    fn parse(text: &str) -> Result<Logins, String> {
        let key = hmac::Key::generate(hmac::HMAC_SHA256, &SystemRandom::new())
            .map_err(|_| "cannot be kept: the system has no random numbers".to_owned())?;
        let mut users = HashMap::new();
        for (at, line) in text.lines().enumerate() {
            let flaw = |flaw: &str| format!("line {}: {flaw}", at + 1);
            if line.trim().is_empty() || line.starts_with('#') {
                continue;
            }
            let (user, password) = line.split_once(':').ok_or_else(|| flaw("is not user:password"))?;
            if user.is_empty() || password.is_empty() {
                return Err(flaw("has an empty user or password"));
            }
            if line.contains(char::is_control) {
                return Err(flaw("has a control character in it"));
            }
            let password = match cost(password) {
                Some(Ok(cost)) if cost <= MAX_COST => Password::Hashed(password.to_owned()),
                Some(Ok(_)) => {
                    return Err(flaw("has a hash that takes too long to compute (its cost is more than 14)"));
                }
                Some(Err(())) => return Err(flaw("has a bcrypt hash that is cut short or damaged")),
                None if OTHER_HASHES.iter().any(|begin| password.starts_with(begin)) => {
                    return Err(flaw("has a hash that is not understood; `htpasswd -B` makes those that are"));
                }
                None => Password::Plain(hmac::sign(&key, password.as_bytes())),
            };
            if users.insert(user.to_owned(), password).is_some() {
                return Err(flaw("has a user that stands above already"));
            }
        }
        if users.is_empty() {
            return Err("names nobody, and so nobody could log in".to_owned());
        }
        let hash_of_nobody = users.values().find_map(|password| match password {
            Password::Hashed(hash) => Some(hash.clone()),
            Password::Plain(_) => None,
        });
        Ok(Logins { users, key, hash_of_nobody, proven: Mutex::default() })
    }

    /// What can be told without computing a hash. None: [`compute`](Logins::compute) tells.
    pub(super) fn at_hand(&self, shown: &Shown) -> Option<Verdict> {
        let verify = |tag: &hmac::Tag| hmac::verify(&self.key, &shown.password, tag.as_ref()).is_ok();
        let is_right = match self.users.get(&shown.user) {
            Some(Password::Plain(tag)) => verify(tag),
            Some(Password::Hashed(_)) => {
                let proven = self.proven.lock().unwrap_or_else(PoisonError::into_inner);
                return proven.get(&shown.user).is_some_and(verify).then_some(Verdict::Right);
            }
            // As long as for a user that there is.
            None if self.hash_of_nobody.is_some() => return None,
            None => {
                // Likewise.
                let _ = verify(&hmac::sign(&self.key, b""));
                false
            }
        };
        Some(if is_right { Verdict::Right } else { Verdict::Wrong })
    }

    /// The same by the user's hash, which takes up to a second of one processor.
    pub(super) fn compute(&self, shown: &Shown) -> Verdict {
        let hash = match (self.users.get(&shown.user), &self.hash_of_nobody) {
            (Some(Password::Hashed(hash)), _) => hash,
            (None, Some(hash)) => {
                let _ = bcrypt::verify(&*shown.password, hash);
                return Verdict::Wrong;
            }
            _ => return Verdict::Wrong,
        };
        if !bcrypt::verify(&*shown.password, hash).unwrap_or(false) {
            return Verdict::Wrong;
        }
        let tag = hmac::sign(&self.key, &shown.password);
        self.proven.lock().unwrap_or_else(PoisonError::into_inner).insert(shown.user.clone(), tag);
        Verdict::Right
    }
}

/// How dear a bcrypt hash is. None: it is none.
fn cost(password: &str) -> Option<Result<u32, ()>> {
    let is_bcrypt = ["$2a$", "$2b$", "$2y$"].iter().any(|begin| password.starts_with(begin));
    is_bcrypt.then(|| password.parse().map(|parts: bcrypt::HashParts| parts.get_cost()).map_err(|_| ()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::durable;

    /// "s3cret", by libcrypt at the least cost.
    const HASH: &str = "$2y$04$Q6EOfFZwpfgFCGgnPjlxNe.aQQlpvCpKCPG9dn5MtF6tF91LMmZ5i";

    fn shown(user: &str, password: &str) -> Shown {
        Shown::of(format!("Basic {}", BASE64.encode(format!("{user}:{password}"))).as_bytes()).unwrap()
    }

    fn verdict(logins: &Logins, user: &str, password: &str) -> Verdict {
        let shown = shown(user, password);
        logins.at_hand(&shown).unwrap_or_else(|| logins.compute(&shown))
    }

    #[test]
    fn who_is_listed_logs_in_with_their_own_password() {
        let text = format!("# ours\n\nops:pass: word#1\r\nweb:{HASH}\n  \nzoë:ü\n");
        let logins = Logins::parse(&text).unwrap();
        for (user, password) in [("ops", "pass: word#1"), ("web", "s3cret"), ("zoë", "ü")] {
            assert_eq!(verdict(&logins, user, password), Verdict::Right, "{user}");
        }
        for (user, password) in [
            ("ops", "pass: word#"),
            ("ops", "pass: word#1 "),
            ("ops", ""),
            ("OPS", "pass: word#1"),
            ("web", "s3cret "),
            ("web", HASH),
            ("nobody", "pass: word#1"),
            ("", ""),
            ("# ours", ""),
        ] {
            assert_eq!(verdict(&logins, user, password), Verdict::Wrong, "{user}:{password}");
        }
    }

    #[test]
    fn a_hash_is_computed_once_for_what_was_right() {
        let logins = Logins::parse(&format!("web:{HASH}")).unwrap();
        let (right, wrong) = (shown("web", "s3cret"), shown("web", "other"));
        assert_eq!((logins.at_hand(&right), logins.at_hand(&wrong)), (None, None));
        assert_eq!((logins.compute(&wrong), logins.compute(&right)), (Verdict::Wrong, Verdict::Right));
        assert_eq!((logins.at_hand(&right), logins.at_hand(&wrong)), (Some(Verdict::Right), None));
    }

    #[test]
    fn what_nobody_could_log_in_with_is_refused_by_its_line_without_its_words() {
        let dear = HASH.replace("$04$", "$15$");
        let short = &HASH[..59];
        for (text, flaw) in [
            ("".to_owned(), "names nobody, and so nobody could log in"),
            ("# s3cret:s3cret\n".to_owned(), "names nobody, and so nobody could log in"),
            ("a:b\ns3cret".to_owned(), "line 2: is not user:password"),
            (":s3cret".to_owned(), "line 1: has an empty user or password"),
            ("s3cret:".to_owned(), "line 1: has an empty user or password"),
            ("ops:s3cret\u{7}".to_owned(), "line 1: has a control character in it"),
            ("ops:s3cret\nops:s3cret".to_owned(), "line 2: has a user that stands above already"),
            (
                "ops:$apr1$s3cret".to_owned(),
                "line 1: has a hash that is not understood; `htpasswd -B` makes those that are",
            ),
            (
                "ops:{SHA}s3cret".to_owned(),
                "line 1: has a hash that is not understood; `htpasswd -B` makes those that are",
            ),
            (format!("ops:{short}"), "line 1: has a bcrypt hash that is cut short or damaged"),
            (format!("ops:{dear}"), "line 1: has a hash that takes too long to compute (its cost is more than 14)"),
        ] {
            let Err(said) = Logins::parse(&text) else { panic!("{text}") };
            assert_eq!(said, flaw);
        }
    }

    #[test]
    fn a_file_that_others_may_read_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("users");
        for text in ["ops:s3cret".to_owned(), format!("web:{HASH}")] {
            durable::write(&path, text.as_bytes(), 0o600).unwrap();
            assert!(Logins::read(&path).is_ok());
            durable::write(&path, text.as_bytes(), 0o644).unwrap();
            let Err(error) = Logins::read(&path) else { panic!("it was read") };
            assert_eq!(error.to_string(), format!("serve.basic_file {} is open to others (mode 0644)", path.display()));
        }
    }

    #[test]
    fn only_basic_credentials_are_read() {
        let pair = BASE64.encode("ops:a:b");
        for header in [format!("Basic {pair}"), format!("basic  {pair}"), format!("BASIC {pair} ")] {
            let shown = Shown::of(header.as_bytes()).unwrap();
            assert_eq!((shown.user.as_str(), shown.password.as_slice()), ("ops", &b"a:b"[..]), "{header}");
        }
        let no_colon = format!("Basic {}", BASE64.encode("ops"));
        let no_text = format!("Basic {}", BASE64.encode(b"\xff:x"));
        for header in ["", "Basic", "Basic !", "Bearer abc", &pair, &no_colon, &no_text] {
            assert!(Shown::of(header.as_bytes()).is_none(), "{header}");
        }
    }
}
