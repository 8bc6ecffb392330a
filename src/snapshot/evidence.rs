//! The chain of what was decided: one line for each snapshot, each naming the SHA-256 of the line before it.
//!
//! ```text
//! {"previous":"<64 hex>","time":…,"snapshot":…,"indexes":[…],"decisions":[…],"key":"<our key's file name>"} <base64>\n
//! ```
//!
//! Behind the payload and one space stands our signature over exactly the payload's bytes, RSA PKCS#1 v1.5 over SHA-256, or
//! `-` where we sign nothing. `sha256sum` and `openssl` alone check it (README). A line that was changed, taken out or put in
//! shows in the next line's `previous`; of the last line, and of all of them together, only the signature vouches.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::accepted::IndexKey;
use crate::apk::{KeyName, LineId, ObjectId};

/// What stands in place of a signature where there is none.
const UNSIGNED: &str = "-";

/// What one line tells.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Payload {
    /// The line before this one; zeros in the first.
    pub previous: LineId,
    /// When it was written.
    pub time: Timestamp,
    /// The snapshot's id.
    pub snapshot: String,
    /// What is in force with it.
    pub indexes: Vec<Judged>,
    /// What was refused or let through on the way.
    pub decisions: Vec<Decision>,
    /// Our key that signs the line.
    pub key: Option<KeyName>,
}

/// One index in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Judged {
    /// Which.
    #[serde(flatten)]
    pub key: IndexKey,
    /// SHA-256 of the index file as it was accepted.
    pub sha256: ObjectId,
    /// Whose signatures were good.
    pub signers: Vec<KeyName>,
    /// How it came to be in force.
    pub decision: How,
}

/// How an index came to be in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum How {
    /// It was accepted for this snapshot.
    Accepted,
    /// It was in force in the snapshot before.
    Unchanged,
    /// It is in force, and some of its origins keep an earlier state's entries.
    Carried,
    /// It is what we keep of older versions.
    Kept,
}

/// Something that was refused or let through.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// The stable word of the refusal, or the flag that let it through.
    pub word: String,
    /// An index, a file or a repository.
    pub subject: String,
}

impl Payload {
    /// On one line, without a line feed: what is signed.
    pub fn print(&self) -> String {
        serde_json::to_string(self).expect("a payload has string keys and no failing parts")
    }
}

/// The whole line of a printed payload and the signature over it.
pub fn print_line(payload: &str, signature: Option<&[u8]>) -> String {
    let signature = signature.map_or_else(|| UNSIGNED.to_owned(), |bytes| BASE64.encode(bytes));
    format!("{payload} {signature}\n")
}

/// The digest of a line, without its line feed, as the next line names it.
pub fn id_of(line: &[u8]) -> LineId {
    LineId::new(Sha256::new().chain_update(line).chain_update(b"\n").finalize().into())
}

/// A line taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line<'a> {
    /// What it tells.
    pub payload: Payload,
    /// The bytes that are signed.
    pub signed: &'a str,
    /// The signature over them.
    pub signature: Option<Vec<u8>>,
}

/// Why a line is no evidence.
#[derive(Debug, thiserror::Error)]
pub enum BadLine {
    /// Not text, or no space in it.
    #[error("it is not a payload and a signature")]
    Shape,
    /// The signature is not base64.
    #[error("its signature is not base64")]
    Signature,
    /// The payload is not what is written here.
    #[error("its payload cannot be read")]
    Payload(#[source] serde_json::Error),
    /// It does not follow the line before it.
    #[error("it names {found} as the line before it, which is {expected}")]
    Previous {
        /// The digest of the line before it.
        expected: LineId,
        /// What it names.
        found: LineId,
    },
}

/// Parses a line without its line feed.
pub fn parse_line(line: &[u8]) -> Result<Line<'_>, BadLine> {
    let text = std::str::from_utf8(line).map_err(|_| BadLine::Shape)?;
    let (signed, signature) = text.rsplit_once(' ').ok_or(BadLine::Shape)?;
    let signature = match signature {
        UNSIGNED => None,
        signature => Some(BASE64.decode(signature).map_err(|_| BadLine::Signature)?),
    };
    let payload = serde_json::from_str(signed).map_err(BadLine::Payload)?;
    Ok(Line { payload, signed, signature })
}

/// Follows the chain from its first line: every line, or why it does not continue the one before. Bytes behind the last line
/// feed, torn off by a crash, are none.
pub fn follow(log: &[u8]) -> impl Iterator<Item = Result<Line<'_>, BadLine>> {
    let mut expected = LineId::new([0; 32]);
    let whole = log.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    log[..whole].split_inclusive(|byte| *byte == b'\n').map(move |line| {
        let line = &line[..line.len() - 1];
        let expected = std::mem::replace(&mut expected, id_of(line));
        let parsed = parse_line(line)?;
        let found = parsed.payload.previous;
        if found == expected { Ok(parsed) } else { Err(BadLine::Previous { expected, found }) }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn payload(previous: LineId, snapshot: &str) -> Payload {
        let key = IndexKey { source: "a".parse().unwrap(), path: "v3.23/main".into(), arch: "x86".parse().unwrap() };
        let judged = Judged { key, sha256: ObjectId::new([7; 32]), signers: Vec::new(), decision: How::Accepted };
        Payload {
            previous,
            time: Timestamp::UNIX_EPOCH,
            snapshot: snapshot.into(),
            indexes: vec![judged],
            decisions: vec![Decision { word: "shrink".into(), subject: "two\nlines \"quoted\"".into() }],
            key: None,
        }
    }

    fn log() -> String {
        let first = print_line(&payload(LineId::new([0; 32]), "1").print(), Some(b"signature"));
        let second = payload(id_of(first.trim_end().as_bytes()), "2");
        first + &print_line(&second.print(), None)
    }

    #[test]
    fn what_is_printed_is_read_and_follows() {
        let log = log();
        let lines: Vec<_> = follow(log.as_bytes()).map(|line| line.unwrap()).collect();
        assert_eq!(lines.len(), 2, "a payload is one line, whatever is in it");
        assert_eq!(lines[0].payload, payload(LineId::new([0; 32]), "1"));
        assert_eq!(lines[0].signature.as_deref(), Some(&b"signature"[..]));
        assert_eq!(lines[1].signature, None);
        assert_eq!(lines[1].signed, lines[1].payload.print());
        assert!(lines[1].signed.contains(r#""source":"a","path":"v3.23/main","arch":"x86","sha256":"0707"#));
    }

    #[test]
    fn a_torn_line_is_none() {
        let log = log();
        for end in 0..log.len() {
            let whole = follow(&log.as_bytes()[..end]).inspect(|line| assert!(line.is_ok())).count();
            assert_eq!(whole, log[..end].matches('\n').count());
        }
    }

    #[test]
    fn what_was_changed_taken_out_or_put_in_shows() {
        let log = log();
        let broken = |log: &[u8]| follow(log).any(|line| line.is_err());
        for at in 0..log.find('\n').unwrap() {
            let mut changed = log.clone().into_bytes();
            changed[at] ^= 1;
            assert!(broken(&changed), "byte {at}");
        }
        let (first, second) = log.split_once('\n').unwrap();
        assert!(broken(second.as_bytes()), "the first taken out");
        assert!(broken(format!("{first}\n{first}\n{second}").as_bytes()), "one put in");
        assert!(broken(b"\n") && broken(b"no evidence\n") && broken(b"\xff \n"));
    }
}
