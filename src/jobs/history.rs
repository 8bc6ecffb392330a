//! What was published when.

use jiff::Timestamp;
use serde::Serialize;

use super::states::still_there;
use super::{Error, Mirror};
use crate::config::Config;
use crate::plan::publish::Cause;

/// One generation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct GenerationReport {
    /// Its number.
    pub id: u64,
    /// When it was made.
    pub time: Timestamp,
    /// Whether clients see it now.
    pub live: bool,
    /// Why it was made.
    pub cause: CauseWord,
    /// The generation whose indexes it shows, where they are not its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shows: Option<u64>,
    /// The snapshot that it shows.
    pub snapshot: String,
    /// Packages that its indexes list.
    pub packages: u64,
    /// Their sizes' sum, bytes.
    pub bytes: u64,
    /// Per repository and arch, what `apk update` shows.
    pub repositories: Vec<ShownIndex>,
}

/// Why a generation was made, in a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum CauseWord {
    /// A snapshot was published.
    Publication,
    /// An earlier generation is shown again.
    Rollback,
    /// What was beside live is shown live.
    Promotion,
    /// A backup was restored.
    Restore,
}

impl CauseWord {
    fn of(cause: &Cause) -> Self {
        match cause {
            Cause::Publication => CauseWord::Publication,
            Cause::Rollback(_) => CauseWord::Rollback,
            Cause::Promotion(_) => CauseWord::Promotion,
            Cause::Restore(_) => CauseWord::Restore,
        }
    }
}

/// One index of a generation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ShownIndex {
    /// Repository and arch.
    pub name: String,
    /// SHA-256 of its text.
    pub content: String,
    /// Its description.
    pub description: String,
}

/// All generations, newest first; with `content` those alone that show an index whose content begins with these hex digits
/// (the first word that `apk update` prints). Numbers of generations that never went live are left out.
pub fn history(config: &Config, content: Option<&str>) -> Result<Vec<GenerationReport>, Error> {
    let mirror = Mirror::open(config)?;
    let live = mirror.tree.live()?;
    let mut reports = Vec::new();
    for number in mirror.ledger.generation_numbers()?.into_iter().rev() {
        // The record is written before its tree; without one the run was stopped in between.
        if !mirror.tree.generation(number).is_dir() {
            continue;
        }
        // Another run may prune between the list and the look.
        let Some(generation) = still_there(mirror.ledger.generation_summary(number))? else { continue };
        let repositories: Vec<ShownIndex> = generation
            .repositories
            .iter()
            .map(|state| ShownIndex {
                name: format!("{}/{}", state.name, state.arch),
                content: state.content.hex(),
                description: state.description.clone(),
            })
            .filter(|shown| content.is_none_or(|content| shown.content.starts_with(&content.to_lowercase())))
            .collect();
        if content.is_some() && repositories.is_empty() {
            continue;
        }
        reports.push(GenerationReport {
            id: number,
            time: generation.time,
            live: live == Some(number),
            cause: CauseWord::of(&generation.cause),
            shows: Some(generation.shows()).filter(|shown| *shown != number),
            snapshot: generation.snapshot.clone(),
            packages: generation.repositories.iter().map(|state| state.packages).sum(),
            bytes: generation.repositories.iter().map(|state| state.bytes).sum(),
            repositories,
        });
    }
    Ok(reports)
}
