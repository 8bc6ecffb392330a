//! What one run leaves to the next. Losing it costs a full fetch of each index and a fresh read of each directory.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::snapshots::save_json;
use super::{Error, Ledger};
use crate::apk::{Arch, ObjectId, SourceName};
use crate::disk::durable;
use crate::plan::publish::RepositoryState;
use crate::snapshot::{IndexKey, SignedBy};
use crate::sources::directory::Stamp;
use crate::sources::http::Validators;

/// What one run leaves to the next.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// Per index.
    #[serde(default)]
    pub indexes: Vec<IndexState>,
    /// Packages of directories, by source and path: which object a file was when it was last read.
    #[serde(default)]
    pub directories: BTreeMap<SourceName, BTreeMap<String, SeenFile>>,
    /// How the packages of the last tree came into it.
    #[serde(default)]
    pub links: Option<Links>,
    /// Other inputs that were found to lead to indexes that are published already.
    #[serde(default)]
    pub same: Option<SameIndexes>,
    /// When the last sync ended.
    #[serde(default)]
    pub last_run: Option<Timestamp>,
}

/// Inputs that lead to indexes of a generation that were made from others: a rule that changes nothing costs one merge.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SameIndexes {
    /// The generation.
    pub generation: u64,
    /// Inputs by repository and arch.
    pub inputs: BTreeMap<String, String>,
}

/// How the packages of a tree came into it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Links {
    /// The tree's generation.
    pub generation: u64,
    /// Hard links into the pool: no bytes of their own.
    pub hard: u64,
    /// Files that share the pool's blocks.
    pub reflinks: u64,
    /// Copies: store and public tree are on different file systems.
    pub copies: u64,
}

/// What is known of one index of a source.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct IndexState {
    /// Which index.
    #[serde(flatten)]
    pub key: IndexKey,
    /// Which index file [`IndexState::validators`] belong to. A run that was stopped may have left a newer one in force, of
    /// which these words say nothing.
    #[serde(default)]
    pub validators_of: Option<ObjectId>,
    /// Per URL, in the configuration's order: with which words to ask whether it changed.
    pub validators: BTreeMap<String, Validators>,
    /// When a URL last confirmed the index in force.
    pub confirmed: Option<Timestamp>,
    /// When the index in force was first seen.
    pub changed: Option<Timestamp>,
    /// What went wrong at the last attempt.
    pub last_error: Option<LastError>,
    /// That no URL had the index in force at the last attempt, but one that was accepted before it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lagging: Option<Lagging>,
    /// What each URL that was asked had last, as URLs may be shown.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub urls: BTreeMap<String, SeenUrl>,
}

/// What one URL had of an index.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeenUrl {
    /// When it was asked.
    pub time: Timestamp,
    /// What it had.
    pub had: UrlHad,
}

/// What one URL had of an index, seen from what was in force then.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum UrlHad {
    /// The same, or what took its place.
    Current,
    /// What was in force before.
    Lagging,
    /// What was refused or held back.
    Refused,
    /// Nothing: it did not answer, or not with an index.
    Away,
}

/// An upstream that lags behind the index in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lagging {
    /// When that was first seen.
    pub since: Timestamp,
    /// The URL, as it may be shown.
    pub url: String,
    /// Upstream's words for what it has.
    pub description: Option<String>,
}

/// A trouble of the last attempt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastError {
    /// Stable word.
    pub code: String,
    /// One line.
    pub message: String,
    /// When.
    pub time: Timestamp,
}

/// A directory's file as it was when it was last read.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SeenFile {
    /// Tells whether the file is still that one; its change time cannot be set back, unlike size and modification time.
    pub stamp: Stamp,
    /// The object that it was.
    pub object: ObjectId,
    /// Its index entry, `A:` as the package says.
    pub entry: String,
    /// The package's own arch.
    pub arch: Arch,
    /// Who signed it.
    pub signers: Vec<SignedBy>,
    /// Which rule it was taken under: the source's keyring and whether unsigned packages are taken.
    pub rule: String,
}

impl State {
    /// Whether the index of `shown`, a repository's state in generation `number`, follows from `inputs`.
    pub fn follows(&self, number: u64, shown: &RepositoryState, inputs: &str) -> bool {
        let same = self.same.as_ref().filter(|same| same.generation == number);
        shown.inputs == inputs
            || same.and_then(|same| same.inputs.get(&place(shown))).is_some_and(|other| other == inputs)
    }

    /// Remembers that these states would be indexes which generation `number` shows already.
    pub fn note_same<'s>(&mut self, number: u64, states: impl Iterator<Item = &'s RepositoryState>) {
        let same = self.same.get_or_insert_default();
        if same.generation != number {
            *same = SameIndexes { generation: number, inputs: BTreeMap::new() };
        }
        same.inputs.extend(states.map(|state| (place(state), state.inputs.clone())));
    }

    /// What is known of `key`.
    pub fn index(&self, key: &IndexKey) -> Option<&IndexState> {
        self.indexes.iter().find(|state| state.key == *key)
    }

    /// What is known of `key`, to be changed.
    pub fn entry(&mut self, key: &IndexKey) -> &mut IndexState {
        let at = self.indexes.iter().position(|state| state.key == *key).unwrap_or_else(|| {
            self.indexes.push(IndexState {
                key: key.clone(),
                validators_of: None,
                validators: BTreeMap::new(),
                confirmed: None,
                changed: None,
                last_error: None,
                lagging: None,
                urls: BTreeMap::new(),
            });
            self.indexes.len() - 1
        });
        &mut self.indexes[at]
    }
}

fn place(state: &RepositoryState) -> String {
    format!("{}/{}", state.name, state.arch)
}

impl Ledger {
    /// The state that the last run left; an empty one where there is none, or one that does not parse.
    pub fn state(&self) -> Result<State, Error> {
        let bytes = durable::read_if_present(&self.store.state_file())?;
        Ok(bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default())
    }

    /// Saves the state for the next run.
    pub fn save_state(&self, state: &State) -> Result<(), Error> {
        save_json(&self.store.state_file(), state)
    }
}
