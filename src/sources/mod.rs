//! Whatever supplies packages; all that comes from here is untrusted.
//!
//! - [`http`]: an upstream in Alpine's layout behind one or more URLs, `<url>/<path>/<arch>/APKINDEX.tar.gz` with the packages
//!   beside it. Indexes are asked for conditionally; packages are resumed where they were cut. [`retry`] decides what is
//!   tried again and when, [`fault`] says what can go wrong with one request.
//! - [`directory`]: a folder of packages without an index.
//! - [`seed`]: old mirror folders, where a package is looked for before the wire.
//!
//! What always holds: a package's bytes go into a [`PackageSink`] in order and are never kept here, so memory is bounded by
//! one chunk for each connection; no more bytes are taken than the index promises; the sink alone decides whether they are
//! the right ones. Nothing here writes a file or takes a lock.
//!
//! There is no `trait Source`: an upstream, a directory and a seed answer different questions, and what they share is the
//! sink that they feed.

mod address;
pub mod directory;
pub mod fault;
pub mod http;
pub mod retry;
pub mod seed;

use std::fmt;
use std::io;
use std::path::PathBuf;

use crate::apk::{Arch, PackageFile};
use crate::error::{Class, Trouble};

use fault::{Fault, Kind};

/// One package of a source, as an index promises it.
#[derive(Clone, Copy, Debug)]
pub struct PackageRequest<'a> {
    /// The folder below the source's URL: `v3.23/main`; empty for the top.
    pub path: &'a str,
    /// The arch folder it lies in.
    pub arch: &'a Arch,
    /// Its file name.
    pub file: &'a PackageFile,
    /// `S:` of the index, bytes; neither more nor fewer are accepted.
    pub size: u64,
}

/// Takes a package's bytes in order, from wherever they come, and judges them.
///
/// `feed` and `finish` run inline on the thread that reads the socket: they may hash and write to the page cache, not wait.
pub trait PackageSink: Send {
    /// How many bytes it holds: where the next chunk belongs. More than 0 at the start means a part from a former run.
    fn offset(&self) -> u64;
    /// Forgets all bytes; `offset` is 0 after it.
    fn restart(&mut self) -> Result<(), SinkError>;
    /// Takes the next chunk; `offset` grows by its length.
    fn feed(&mut self, chunk: &[u8]) -> Result<(), SinkError>;
    /// All bytes were fed: are they what the index promises?
    fn finish(&mut self) -> Result<(), SinkError>;
}

/// Why a sink takes no more bytes.
#[derive(Debug, thiserror::Error)]
pub enum SinkError {
    /// The bytes are not what the index promises; another URL may have the right ones. The text says what differs.
    #[error("{0}")]
    Wrong(String),
    /// This host cannot take bytes, whoever sends them: disk full, no permission.
    #[error("the bytes could not be kept")]
    Host(#[source] io::Error),
}

/// What came of one URL of a source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tried {
    /// The file's address, without user, password or query.
    pub url: String,
    /// The last thing that went wrong there.
    pub fault: Fault,
    /// Which attempt that was, counted from 1, and how many there could have been. More than one attempt at least is made
    /// only of faults that may pass.
    pub attempt: (u32, u32),
}

impl fmt::Display for Tried {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.url, self.fault)?;
        match self.fault.kind() {
            Kind::Passing => write!(f, ", attempt {} of {}", self.attempt.0, self.attempt.1),
            Kind::Absent | Kind::Wrong | Kind::Lasting => Ok(()),
        }
    }
}

/// Why a source did not supply what was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Every URL says that it does not have it.
    #[error("{}", list(.0))]
    NotFound(Vec<Tried>),
    /// No URL has the right bytes: each has wrong ones or none, and at least one has wrong ones.
    #[error("{}", list(.0))]
    Wrong(Vec<Tried>),
    /// At least one URL could not be asked to the end, so a later run may succeed.
    #[error("{}", list(.0))]
    Unavailable(Vec<Tried>),
    /// The caller refused what the last URL has, and there is no further one.
    #[error("no further URL has {0}")]
    NoFurtherUrl(String),
    /// The sink failed for a reason of this host's.
    #[error("{url}: its bytes could not be kept")]
    Sink {
        /// What was being fetched.
        url: String,
        /// The sink's trouble.
        #[source]
        cause: io::Error,
    },
    /// The HTTP client could not be set up: no certificates on this machine, or settings it does not take.
    #[error("cannot set up the HTTP client")]
    Client(#[source] reqwest::Error),
    /// A URL that cannot be the base of others, or none at all.
    #[error("\"{0}\" is not an http or https URL")]
    BadUrl(String),
    /// A proxy variable of the environment that names none.
    #[error("the environment's {0} is not the URL of an http or https proxy")]
    BadProxy(&'static str),
    /// A file that the source's access needs cannot be used.
    #[error(transparent)]
    Access(#[from] http::access::Error),
    /// A source's folder could not be read.
    #[error("cannot read folder {}", .path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What the operating system says.
        #[source]
        cause: io::Error,
    },
}

fn list(tried: &[Tried]) -> String {
    tried.iter().map(Tried::to_string).collect::<Vec<_>>().join("; ")
}

impl Error {
    /// Sorts a request that every URL failed. A cut connection anywhere outweighs wrong bytes elsewhere: a later run may
    /// find the right ones there.
    fn conclude(tried: Vec<Tried>) -> Error {
        let has = |kind: Kind| tried.iter().any(|one| one.fault.kind() == kind);
        if has(Kind::Passing) || has(Kind::Lasting) {
            Error::Unavailable(tried)
        } else if has(Kind::Wrong) {
            Error::Wrong(tried)
        } else {
            Error::NotFound(tried)
        }
    }
}

/// The word that all URLs share, else the general one.
fn common_code(tried: &[Tried]) -> &'static str {
    let mut codes = tried.iter().map(|one| one.fault.code());
    let first = codes.next().unwrap_or("unavailable");
    if codes.all(|code| code == first) { first } else { "unavailable" }
}

fn is_full(cause: &io::Error) -> bool {
    matches!(cause.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

impl Trouble for Error {
    fn class(&self) -> Class {
        match self {
            Error::NotFound(_) | Error::Unavailable(_) | Error::NoFurtherUrl(_) => Class::Upstream,
            Error::Wrong(_) => Class::Refused,
            Error::Sink { .. } | Error::Client(_) => Class::Host,
            Error::BadUrl(_) | Error::BadProxy(_) => Class::Usage,
            Error::Access(error) => error.class(),
            // A folder that is not there is a medium that is not mounted.
            Error::Folder { cause, .. } if cause.kind() == io::ErrorKind::NotFound => Class::Upstream,
            Error::Folder { .. } => Class::Host,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Error::NotFound(_) => "not-found",
            Error::Wrong(_) => "wrong-bytes",
            Error::Unavailable(tried) => common_code(tried),
            Error::NoFurtherUrl(_) => "no-further-url",
            // The same word wherever it is seen: writing a package, a record or a tree.
            Error::Sink { cause, .. } if is_full(cause) => "disk-full",
            Error::Sink { .. } => "not-kept",
            Error::Client(_) => "http-client",
            Error::BadUrl(_) => "bad-url",
            Error::BadProxy(_) => "bad-proxy",
            Error::Access(error) => error.code(),
            Error::Folder { .. } => "folder-unreadable",
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Error::Unavailable(tried) => tried.iter().find_map(|one| one.fault.hint()).map(str::to_owned),
            Error::Access(error) => error.hint(),
            Error::Client(_) => Some("install the system's CA certificates (package ca-certificates)".to_owned()),
            Error::Sink { cause, .. } if is_full(cause) => Some("free space on the store's file system".to_owned()),
            Error::NotFound(_)
            | Error::Wrong(_)
            | Error::NoFurtherUrl(_)
            | Error::Sink { .. }
            | Error::BadUrl(_)
            | Error::BadProxy(_)
            | Error::Folder { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A sink that wants exactly one text, for the tests of whoever feeds one.
    pub(super) struct Collected {
        wanted: Vec<u8>,
        held: Vec<u8>,
        fed: u64,
        state: State,
    }

    #[derive(PartialEq, Eq)]
    enum State {
        Open,
        Content,
        DiskFull,
    }

    impl Collected {
        pub(super) fn expecting(wanted: impl AsRef<[u8]>) -> Self {
            let wanted = wanted.as_ref().to_vec();
            Collected { wanted, held: Vec::new(), fed: 0, state: State::Open }
        }

        /// A part from a former run.
        pub(super) fn holding(mut self, part: impl AsRef<[u8]>) -> Self {
            self.held = part.as_ref().to_vec();
            self
        }

        pub(super) fn on_a_full_disk(mut self) -> Self {
            self.state = State::DiskFull;
            self
        }

        pub(super) fn is_content(&self) -> bool {
            self.state == State::Content
        }

        /// Bytes fed in all.
        pub(super) fn fed(&self) -> u64 {
            self.fed
        }
    }

    impl PackageSink for Collected {
        fn offset(&self) -> u64 {
            self.held.len() as u64
        }

        fn restart(&mut self) -> Result<(), SinkError> {
            self.held.clear();
            Ok(())
        }

        fn feed(&mut self, chunk: &[u8]) -> Result<(), SinkError> {
            assert!(self.state != State::Content, "fed after it was content");
            if self.state == State::DiskFull {
                return Err(SinkError::Host(io::ErrorKind::StorageFull.into()));
            }
            assert!(self.held.len() + chunk.len() <= self.wanted.len(), "fed more than was promised");
            self.held.extend_from_slice(chunk);
            self.fed += chunk.len() as u64;
            Ok(())
        }

        fn finish(&mut self) -> Result<(), SinkError> {
            if self.held != self.wanted {
                return Err(SinkError::Wrong("its identity is another".to_owned()));
            }
            self.state = State::Content;
            Ok(())
        }
    }

    fn tried(fault: Fault) -> Tried {
        Tried { url: "http://mirror/x.apk".to_owned(), fault, attempt: (4, 4) }
    }

    #[test]
    fn a_request_that_every_url_failed_is_sorted_by_what_a_later_run_could_change() {
        let absent = || tried(Fault::Status(404));
        let wrong = || tried(Fault::Wrong("it has 3 bytes".to_owned()));
        let cut = || tried(Fault::Cut { got: 214 << 10, of: Some(512 << 10) });
        let tls = || tried(Fault::Tls("certificate expired".to_owned()));
        for (all, class, code) in [
            (vec![absent(), absent()], Class::Upstream, "not-found"),
            (vec![absent(), wrong()], Class::Refused, "wrong-bytes"),
            (vec![wrong(), cut()], Class::Upstream, "unavailable"),
            (vec![cut(), absent()], Class::Upstream, "unavailable"),
            (vec![tls(), wrong()], Class::Upstream, "unavailable"),
        ] {
            let error = Error::conclude(all);
            assert_eq!((error.class(), error.code()), (class, code), "{error}");
        }
    }

    #[test]
    fn the_text_says_where_what_and_how_often() {
        let error =
            Error::conclude(vec![tried(Fault::Status(404)), tried(Fault::Cut { got: 214 << 10, of: Some(512 << 10) })]);
        assert_eq!(
            error.to_string(),
            "http://mirror/x.apk: answered 404 Not Found; \
             http://mirror/x.apk: connection closed after 214 KiB of 512 KiB, attempt 4 of 4"
        );
    }

    #[test]
    fn no_error_says_its_cause_twice() {
        let io = || io::Error::from(io::ErrorKind::StorageFull);
        for error in [
            Error::Sink { url: "http://mirror/x.apk".to_owned(), cause: io() },
            Error::Folder { path: "packages".into(), cause: io() },
        ] {
            let cause = std::error::Error::source(&error).unwrap().to_string();
            assert!(!error.to_string().contains(&cause), "{error}");
        }
    }
}
