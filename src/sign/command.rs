//! A signer that is another program: the private half never comes near us.
//!
//! ```text
//! command = ["openssl", "dgst", "-{digest}", "-sign", "/path/key.pem"]
//!
//! arguments  exactly these; `{digest}` in them becomes `sha256` or `sha1`. No shell.
//! folder     the configuration's
//! stdin      the bytes to sign, to their end
//! stdout     the raw signature (RSA PKCS#1 v1.5), as many bytes as the key's modulus has, and nothing else
//! exit       0; what stands on stderr is told where it fails
//! ```
//!
//! What always holds: an answer is used only when the public half accepts it for these bytes and this digest; and nothing is
//! waited for beyond the time limit. Input is written while both outputs are read, so neither side can wait for the other; a
//! program that is too slow, or says too much, is ended with its whole process group.

mod run;

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Signer;
use super::public_half::{self, PublicHalf};
use crate::apk::KeyName;
use crate::apk::v2::signature::{Algorithm, Signature};
use crate::error::{Class, Trouble};

/// What stands for the digest's name in the arguments.
const DIGEST: &str = "{digest}";

/// A key whose private half another program holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommandKey {
    /// The public half's file.
    pub public: PathBuf,
    /// The program and its arguments; there is at least the program.
    pub command: Vec<String>,
    /// The folder that it is started in.
    pub folder: PathBuf,
    /// How long it may take for one signature.
    pub timeout: Duration,
}

/// Why the program gave no signature that could be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no such program.
    #[error("signing program {program:?} is not there")]
    Missing {
        /// As it was named.
        program: String,
    },
    /// The system did not start it.
    #[error("signing program {program:?} was not started")]
    NotStarted {
        /// As it was named.
        program: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// It did not end with exit code 0.
    #[error("signing program {program:?} failed: {status}{said}")]
    Failed {
        /// As it was named.
        program: String,
        /// How it ended.
        status: ExitStatus,
        /// The first lines of its standard error.
        said: Said,
    },
    /// It took too long.
    #[error("signing program {program:?} gave no signature within {} s and was ended{said}", .limit.as_secs())]
    TooSlow {
        /// As it was named.
        program: String,
        /// The time that it had.
        limit: Duration,
        /// The first lines of its standard error.
        said: Said,
    },
    /// It ended well and said nothing.
    #[error("signing program {program:?} answered nothing{said}")]
    Silent {
        /// As it was named.
        program: String,
        /// The first lines of its standard error.
        said: Said,
    },
    /// More bytes than a signature has.
    #[error("signing program {program:?} answered more than the {expected} bytes of a signature")]
    TooMuch {
        /// As it was named.
        program: String,
        /// A signature's bytes.
        expected: usize,
    },
    /// Not a signature: too few bytes.
    #[error("signing program {program:?} answered {found} bytes; a raw signature by {key} has {expected}")]
    Garbage {
        /// As it was named.
        program: String,
        /// The public half's file name.
        key: KeyName,
        /// The answer's bytes.
        found: usize,
        /// A signature's bytes.
        expected: usize,
    },
    /// This key's signature over these bytes, by another digest.
    #[error("signing program {program:?} signed by {found} where {} was asked for", digest_name(*.asked))]
    OtherDigest {
        /// As it was named.
        program: String,
        /// The digest that it took.
        found: &'static str,
        /// The one that it was to take.
        asked: Algorithm,
    },
    /// Another key's signature, or one over other bytes.
    #[error("signing program {program:?} answered what is no signature by {key} over the bytes that it was given")]
    OtherKey {
        /// As it was named.
        program: String,
        /// The public half's file name.
        key: KeyName,
    },
}

impl Trouble for Error {
    fn class(&self) -> Class {
        match self {
            Error::Missing { .. } | Error::OtherDigest { .. } | Error::OtherKey { .. } => Class::Usage,
            Error::NotStarted { .. }
            | Error::Failed { .. }
            | Error::TooSlow { .. }
            | Error::Silent { .. }
            | Error::TooMuch { .. }
            | Error::Garbage { .. } => Class::Host,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Error::Missing { .. } => "signer-missing",
            Error::NotStarted { .. } => "signer-not-started",
            Error::Failed { .. } => "signer-failed",
            Error::TooSlow { .. } => "signer-too-slow",
            Error::Silent { .. } => "signer-silent",
            Error::TooMuch { .. } => "signer-too-much",
            Error::Garbage { .. } => "signer-garbage",
            Error::OtherDigest { .. } => "signer-other-digest",
            Error::OtherKey { .. } => "signer-other-key",
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Error::Missing { .. } => Some(
                "command under [signing] names it; without a / it is looked for in $PATH, which a service may lack"
                    .into(),
            ),
            Error::TooSlow { .. } => Some("command_timeout under [signing] gives it longer".into()),
            Error::Garbage { .. } | Error::TooMuch { .. } | Error::Silent { .. } => {
                Some("its standard output is to be the signature alone: raw, neither hex nor base64".into())
            }
            Error::OtherDigest { .. } => Some(format!("{DIGEST} in its arguments becomes the digest's name")),
            Error::OtherKey { .. } => {
                Some("key under [signing] names the public half of the key that the program signs with".into())
            }
            Error::NotStarted { .. } | Error::Failed { .. } => None,
        }
    }
}

/// The first lines of what a program said on standard error; empty, or a colon and the lines.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Said(String);

/// How much of what a program says is told, in characters.
const MAX_SAID: usize = 400;

impl Said {
    fn new(bytes: &[u8]) -> Self {
        let text = String::from_utf8_lossy(bytes);
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty()).take(3);
        let line: String =
            lines.collect::<Vec<_>>().join("; ").chars().filter(|c| !c.is_control()).take(MAX_SAID).collect();
        Said(line)
    }
}

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0[..] {
            "" => Ok(()),
            line => write!(f, ": {line}"),
        }
    }
}

/// A digest's name, as openssl calls it.
fn digest_name(algorithm: Algorithm) -> &'static str {
    match algorithm {
        Algorithm::Sha1 => "sha1",
        Algorithm::Sha256 => "sha256",
        Algorithm::Sha512 => "sha512",
    }
}

/// Another program that signs, and the public half of the key that it signs with.
#[derive(Debug)]
pub struct Command {
    public: PublicHalf,
    key: CommandKey,
}

impl Command {
    /// Reads the public half; the program is not started before there is something to sign.
    pub fn open(key: &CommandKey) -> Result<Command, public_half::Error> {
        Ok(Command { public: PublicHalf::load(&key.public)?, key: key.clone() })
    }

    fn answer(&self, algorithm: Algorithm, bytes: &[u8]) -> Result<Vec<u8>, Error> {
        let arguments: Vec<String> =
            self.key.command.iter().map(|argument| argument.replace(DIGEST, digest_name(algorithm))).collect();
        let expected = self.public.signature_len();
        let answer = run::run(&arguments, &self.key.folder, bytes, expected, self.key.timeout)?;
        let program = || arguments[0].clone();
        match answer.signature.len() {
            0 => return Err(Error::Silent { program: program(), said: answer.said }),
            found if found != expected => {
                let key = self.public.name().clone();
                return Err(Error::Garbage { program: program(), key, found, expected });
            }
            _ => {}
        }
        if self.public.accepts(algorithm, bytes, &answer.signature) {
            return Ok(answer.signature);
        }
        let others = [Algorithm::Sha1, Algorithm::Sha256, Algorithm::Sha512];
        let other = others.into_iter().find(|other| self.public.accepts(*other, bytes, &answer.signature));
        Err(match other {
            Some(found) => Error::OtherDigest { program: program(), found: digest_name(found), asked: algorithm },
            None => Error::OtherKey { program: program(), key: self.public.name().clone() },
        })
    }
}

impl Signer for Command {
    fn public_half(&self) -> &PublicHalf {
        &self.public
    }

    fn sign(&self, algorithm: Algorithm, bytes: &[u8]) -> Result<Signature, super::Error> {
        let signature = self.answer(algorithm, bytes)?;
        Ok(Signature { algorithm, key: self.public.name().clone(), bytes: signature })
    }
}
