//! What was accepted of an index before, and whose signatures vouch for its source: what freshness and the judgement of
//! signers compare with. Values; `ledger` keeps them on disk.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::freshness::compare_descriptions;
use super::keyring::{Keyring, Listing, Signer};
use crate::apk::{Arch, KeyName, ObjectId, SignedId};

/// How many states of one index are remembered, the newest: two years of six changes a day. One that is older still is
/// judged by its description like one that was never seen.
pub const REMEMBERED: usize = 4096;

/// A state of an index that was accepted. On disk it is one line: time, digest, description.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Seen {
    /// What was signed: the same content with other signatures is the same state.
    pub signed: SignedId,
    /// When it was first accepted.
    pub time: Timestamp,
    /// Upstream's words for it.
    pub description: Option<String>,
}

/// A line that is no [`Seen`].
#[derive(Debug, thiserror::Error)]
#[error("{0:?} is not the line of an accepted state")]
pub struct BadSeen(String);

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.time, self.signed)?;
        self.description.as_ref().map_or(Ok(()), |description| write!(f, " {description}"))
    }
}

impl From<Seen> for String {
    fn from(seen: Seen) -> String {
        seen.to_string()
    }
}

impl FromStr for Seen {
    type Err = BadSeen;

    fn from_str(line: &str) -> Result<Self, BadSeen> {
        let mut words = line.splitn(3, ' ');
        let time = words.next().and_then(|word| word.parse().ok());
        let signed = words.next().and_then(|word| word.parse().ok());
        let (Some(time), Some(signed)) = (time, signed) else { return Err(BadSeen(line.to_owned())) };
        Ok(Seen { signed, time, description: words.next().map(str::to_owned) })
    }
}

impl TryFrom<String> for Seen {
    type Error = BadSeen;

    fn try_from(line: String) -> Result<Self, BadSeen> {
        line.parse()
    }
}

/// Which way an index moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// To a newer state, or one that is the same.
    Forward,
    /// To an older one, because the operator says so.
    Back,
}

/// The states of one index that were accepted. The last is the one in force.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct History {
    /// Oldest first, each once, at most [`REMEMBERED`].
    states: Vec<Seen>,
    /// The file that the last of them was accepted as; tells without reading it whether that is what is in force.
    file: Option<ObjectId>,
}

impl History {
    /// The state in force.
    pub fn newest(&self) -> Option<&Seen> {
        self.states.last()
    }

    /// The file that it was accepted as.
    pub fn newest_file(&self) -> Option<ObjectId> {
        self.file
    }

    /// An accepted state by what was signed.
    pub fn find(&self, signed: &SignedId) -> Option<&Seen> {
        self.states.iter().rfind(|seen| seen.signed == *signed)
    }

    /// Makes `seen`, accepted as `file`, the state in force. Going back to a state forgets what came after it: upstream may
    /// come to that again, and then it is news. The same happens to what was noted by a run that was stopped before it took
    /// effect, when the next one finds another state in force.
    pub fn accept(&mut self, seen: Seen, file: ObjectId, step: Step) {
        self.file = Some(file);
        if let Some(at) = self.states.iter().rposition(|state| state.signed == seen.signed) {
            self.states.truncate(at + 1);
            return;
        }
        if step == Step::Back {
            self.states.pop();
            let words = seen.description.as_deref();
            self.states
                .retain(|state| compare_descriptions(state.description.as_deref(), words) != Some(Ordering::Greater));
        }
        self.states.push(seen);
        let surplus = self.states.len().saturating_sub(REMEMBERED);
        self.states.drain(..surplus);
    }
}

/// A key whose signature suffices for a source and arch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recorded {
    /// The key's file name.
    pub key: KeyName,
    /// SHA-256 of the key's DER, hex.
    pub fingerprint: String,
    /// Since when.
    pub since: Timestamp,
    /// How it came to be.
    pub how: How,
}

/// How a signer came to be recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum How {
    /// It signed what was accepted first.
    FirstContact,
    /// The configuration names its file.
    ListedByFile,
    /// The operator accepted it.
    Accepted,
}

/// A key of the keyring that signed an index, and is not recorded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// The key's file name.
    pub key: KeyName,
    /// SHA-256 of the key's DER, hex.
    pub fingerprint: String,
    /// When its signature was first seen.
    pub first_seen: Timestamp,
    /// The folder below the source's URL of the index that it signed.
    pub path: String,
    /// What speaks for it and against it, a line each.
    pub evidence: Vec<String>,
}

/// Who vouches for a source's indexes of one arch.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signers {
    /// Whose good signature suffices.
    pub recorded: Vec<Recorded>,
    /// Who waits for the operator's word.
    #[serde(default)]
    pub held: Vec<Held>,
}

/// What follows from an index's good signatures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Vouched {
    /// They suffice; these signers are to be recorded when the index is accepted.
    Good(Vec<(Signer, How)>),
    /// Every one of them is a new one's, known only from the built-in set or a folder.
    Held,
}

impl Signers {
    /// Judges good signatures by keys of `keyring` for `arch`. On first contact all who signed are to be recorded; later
    /// those that are listed by file, and nobody for standing beside a recorded signer: anyone could have put a signature
    /// there. A recorded key that has left the keyring vouches for nothing (its signature is not among the good ones), and
    /// does not make the next one a first contact either.
    pub fn judge(&self, signers: &[Signer], keyring: &Keyring, arch: &Arch) -> Vouched {
        if self.recorded.is_empty() {
            return Vouched::Good(signers.iter().map(|signer| (signer.clone(), How::FirstContact)).collect());
        }
        let (recorded, new): (Vec<&Signer>, Vec<&Signer>) = signers.iter().partition(|signer| self.is_recorded(signer));
        let is_listed = |signer: &&Signer| keyring.listing(&signer.fingerprint, arch) == Some(Listing::ByFile);
        let listed: Vec<_> =
            new.into_iter().filter(is_listed).map(|signer| (signer.clone(), How::ListedByFile)).collect();
        if recorded.is_empty() && listed.is_empty() { Vouched::Held } else { Vouched::Good(listed) }
    }

    /// Whether this key's signature suffices.
    pub fn is_recorded(&self, signer: &Signer) -> bool {
        let fingerprint = signer.fingerprint.to_string();
        self.recorded.iter().any(|recorded| recorded.fingerprint == fingerprint)
    }

    /// Replaces what is held of the index at `path` by what was seen of it now; a key that was seen before keeps its time.
    pub fn hold(&mut self, path: &str, seen: Vec<Held>) {
        let before: Vec<Held> = self.held.extract_if(.., |held| held.path == path).collect();
        for mut held in seen {
            if let Some(was) = before.iter().find(|was| was.fingerprint == held.fingerprint) {
                held.first_seen = was.first_seen;
            }
            self.held.push(held);
        }
    }

    /// Records the keys that are held back, or those of them that `chosen` picks; returns them, each once.
    pub fn accept_held(&mut self, chosen: impl Fn(&Held) -> bool, now: Timestamp) -> Vec<Held> {
        let mut accepted: Vec<Held> = Vec::new();
        for held in self.held.extract_if(.., |held| chosen(held)) {
            if accepted.iter().all(|other| other.fingerprint != held.fingerprint) {
                accepted.push(held);
            }
        }
        for held in &accepted {
            self.insert(held.key.clone(), held.fingerprint.clone(), now, How::Accepted);
        }
        accepted
    }

    /// Records one key; also what it is held back for elsewhere is settled with that.
    pub fn insert(&mut self, key: KeyName, fingerprint: String, since: Timestamp, how: How) {
        self.held.retain(|held| held.fingerprint != fingerprint);
        if self.recorded.iter().all(|recorded| recorded.fingerprint != fingerprint) {
            self.recorded.push(Recorded { key, fingerprint, since, how });
        }
    }
}

#[cfg(test)]
mod tests;
