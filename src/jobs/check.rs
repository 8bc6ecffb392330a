//! Is everything what we left there? Every object is hashed again, every record in force read, and the trees that clients see
//! compared with their records. All findings are told at once; only being unable to look is an error.

use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use serde::Serialize;
use sha2::{Digest as _, Sha256};

use super::{Error, Mirror, evidence, keyring};
use crate::apk::ObjectId;
use crate::apk::v2::sections::Limits;
use crate::config::{Config, Percent, SourceKind};
use crate::error::{Class, Trouble};
use crate::finding::{Finding, Severity};
use crate::ledger;
use crate::plan::publish::{Mode, RepositoryState};
use crate::publish::Publishable;
use crate::verify::{self, Keyring, PublicKey, VerifiedIndex};

/// What a check saw.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CheckReport {
    /// All that is wrong.
    pub findings: Vec<Finding>,
    /// How much was looked at.
    pub checked: Checked,
    /// Why it is not remembered what was read and found; absent where it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub not_remembered: Option<String>,
}

/// How much was looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Checked {
    /// Objects hashed.
    pub objects: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Files of the trees that clients see, compared.
    pub files: u64,
    /// In how many runs every object is read, where a share was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub runs: Option<u64>,
}

/// How much is looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Depth {
    /// The pool, the records in force, and the trees that clients see.
    #[default]
    Shown,
    /// The same, but of the pool's bytes this share alone, where the last such check left off.
    Share(Percent),
    /// The trees of all generations that are kept, too, and the signatures of all indexes in them.
    Deep,
}

/// Looks at everything that `depth` says. Takes no lock; where a share is read, what comes next
/// is remembered. `progress` is told bytes as they are read.
pub fn check(config: &Config, depth: Depth, progress: &(dyn Fn(u64) + Sync)) -> Result<CheckReport, Error> {
    let mirror = Mirror::open(config)?;
    let mut findings = Vec::new();
    let mut required: BTreeSet<ObjectId> = BTreeSet::new();
    if let Some(snapshot) = tolerate(mirror.ledger.latest_snapshot(), &mut findings)?.flatten() {
        for index in &snapshot.indexes {
            for state in index.states() {
                if let Some(accepted) = tolerate(mirror.ledger.accepted(state), &mut findings)? {
                    required.extend((0..accepted.entries().len()).filter_map(|at| accepted.object(at)));
                }
            }
        }
    }
    tolerate(mirror.ledger.trust(), &mut findings)?;
    if let Some(signing) = tolerate(mirror.ledger.signing(), &mut findings)? {
        evidence::check(&mirror, signing, &mut findings)?;
    }
    let mut checked = Checked::default();
    let rota = match depth {
        Depth::Share(share) => mirror.pool.rota(mirror.ledger.read_up_to()?.as_ref(), share.of(100))?,
        Depth::Shown | Depth::Deep => Vec::new(),
    };
    // What was found damaged is read each time, until it is not: a share without it would pass for a recovery.
    let known = mirror.ledger.damaged_objects()?;
    let only = matches!(depth, Depth::Share(_)).then(|| rota.iter().chain(&known).copied().collect::<BTreeSet<_>>());
    let keyrings = match depth {
        Depth::Shown | Depth::Share(_) => None,
        Depth::Deep => Some(Keyrings::of(&mirror)?),
    };
    for number in looked_at(&mirror, depth)? {
        let (mut found, mut seen, mut objects) = (Vec::new(), Checked::default(), BTreeSet::new());
        if let Some(generation) = tolerate(mirror.ledger.generation(number), &mut found)? {
            let tree = mirror.tree.generation(number);
            for state in &generation.repositories {
                objects.extend(state.files.iter().map(|placed| placed.object));
                compare(&mirror, &tree, state, only.as_ref(), &mut found, &mut seen)?;
                if let Some(Err(finding)) = keyrings.as_ref().map(|keyrings| keyrings.verify(&mirror, number, state)) {
                    found.extend(finding);
                }
            }
        }
        // What another run switched away from meanwhile, and dropped, nobody sees any more.
        if found.is_empty() || looked_at(&mirror, depth)?.contains(&number) {
            findings.extend(found);
            required.extend(objects);
            checked.files += seen.files;
        }
    }
    let threads = std::thread::available_parallelism().unwrap_or(std::num::NonZeroUsize::MIN);
    let audit = mirror.pool.audit(&required, only.as_ref(), threads, progress)?;
    findings.extend(audit.findings);
    checked.objects = audit.objects;
    checked.bytes = audit.bytes;
    if let Depth::Share(share) = depth {
        checked.runs = Some(100_u64.div_ceil(share.of(100).max(1)));
    }
    // On a disk that is full the findings are worth more than what is to be remembered of them.
    let remembered = match rota.last() {
        Some(last) => mirror.ledger.save_read_up_to(last),
        None => Ok(()),
    };
    let remembered = remembered.and_then(|()| match audit.damaged == known {
        true => Ok(()),
        false => mirror.ledger.save_damaged_objects(&audit.damaged),
    });
    let not_remembered = remembered.err().map(|error| super::error::in_one_line(&error));
    Ok(CheckReport { findings, checked, not_remembered })
}

/// The generations that clients see: live, and every tree beside it; several may show one. Looked at deeply, also those that an
/// operator can go back to.
fn looked_at(mirror: &Mirror<'_>, depth: Depth) -> Result<BTreeSet<u64>, Error> {
    let mut numbers: BTreeSet<u64> = mirror.tree.named()?.into_values().collect();
    numbers.extend(mirror.tree.live()?);
    if depth == Depth::Deep {
        let trees = mirror.tree.trees()?;
        numbers.extend(mirror.ledger.generation_numbers()?.into_iter().filter(|number| trees.contains(number)));
    }
    Ok(numbers)
}

/// By whose keys published indexes are checked.
pub(super) struct Keyrings {
    ours: Keyring,
    theirs: Keyring,
}

impl Keyrings {
    /// Every key that ever signed for us, and everybody whom some source trusts: which index is whose was decided when it was
    /// accepted.
    pub(super) fn of(mirror: &Mirror<'_>) -> Result<Self, Error> {
        let (mut ours, mut theirs) = (Keyring::new(), Keyring::new());
        for used in mirror.ledger.signing()?.used {
            // Two of one name cannot be: a key is refused that would be the second.
            if let Ok(key) = PublicKey::parse(used.key.name, used.pem.as_bytes()) {
                let _ = ours.add(key);
            }
        }
        for source in mirror.config.sources.values() {
            let origin = if let SourceKind::Bundles { origin, .. } = &source.kind { origin.as_ref() } else { None };
            for choice in [Some(&source.keyring), origin].into_iter().flatten() {
                if let Some(joined) = keyring::load(choice).ok().and_then(|keyring| theirs.and(&keyring).ok()) {
                    theirs = joined;
                }
            }
        }
        Ok(Keyrings { ours, theirs })
    }

    /// A published index, its signature found good; else what is wrong with it. `None` for one that is not there or has other
    /// bytes, which the comparison has told.
    pub(super) fn verify(
        &self,
        mirror: &Mirror<'_>,
        number: u64,
        state: &RepositoryState,
    ) -> Result<VerifiedIndex, Option<Finding>> {
        let index = Publishable::again(&mirror.tree, number, state).map_err(|_| None)?;
        let keyring = if state.mode == Mode::Upstream { &self.theirs } else { &self.ours };
        let verified = verify::index::verify(index.bytes().to_vec(), keyring, &state.arch, &Limits::of_our_own());
        verified.map_err(|error| {
            Some(Finding {
                code: error.code(),
                severity: Severity::Error,
                subject: format!("generation {number}: {}/{}", state.name, state.arch),
                message: super::error::in_one_line(&error),
                hint: error.hint(),
            })
        })
    }
}

/// Damage of a record is a finding; trouble of this host's ends the check.
pub(super) fn tolerate<T>(result: Result<T, ledger::Error>, findings: &mut Vec<Finding>) -> Result<Option<T>, Error> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.class() == Class::Damaged => {
            findings.push(Finding {
                code: error.code(),
                severity: Severity::Error,
                subject: error.to_string(),
                message: std::error::Error::source(&error).map_or_else(|| "it is gone".to_owned(), ToString::to_string),
                hint: error.hint(),
            });
            Ok(None)
        }
        Err(error) => Err(error.into()),
    }
}

/// Compares one repository's folder of the live tree with its record. A file that is the pool's own (a hard link) is hashed
/// there, not twice. Where only some objects' bytes are read, a copy of another one is compared by its size.
fn compare(
    mirror: &Mirror<'_>,
    tree: &Path,
    state: &RepositoryState,
    only: Option<&BTreeSet<ObjectId>>,
    findings: &mut Vec<Finding>,
    checked: &mut Checked,
) -> Result<(), Error> {
    let folder = tree.join(state.name.folder(&state.arch));
    let mut finding = |code, path: &Path, message: String| {
        findings.push(Finding {
            code,
            severity: Severity::Error,
            subject: path.display().to_string(),
            message,
            hint: Some("`bivouac repair` puts it right".to_owned()),
        });
    };
    if state.name.is_by_arch() {
        let link = folder.join(state.arch.as_str());
        if std::fs::read_link(&link).ok().as_deref() != Some(Path::new(".")) {
            finding("link-missing", &link, "the link to its own folder is not there".into());
        }
    }
    let index = folder.join("APKINDEX.tar.gz");
    checked.files += 1;
    match hash(&index) {
        Ok(digest) if digest == state.index => {}
        Ok(_) => finding("index-damaged", &index, "it is not the index that was published".into()),
        Err(cause) => finding("index-missing", &index, cause.to_string()),
    }
    for placed in &state.files {
        let path = folder.join(placed.file.as_str());
        checked.files += 1;
        let here = std::fs::metadata(&path);
        let there = std::fs::metadata(mirror.pool.path(&placed.object));
        match (here, there) {
            (Err(cause), _) => finding("file-missing", &path, cause.to_string()),
            (Ok(here), Ok(there)) if (here.dev(), here.ino()) == (there.dev(), there.ino()) => {}
            (Ok(here), Ok(there))
                if here.len() == there.len() && only.is_some_and(|only| !only.contains(&placed.object)) => {}
            (Ok(_), _) => match hash(&path) {
                Ok(digest) if digest == placed.object => {}
                Ok(_) => finding("file-damaged", &path, "it is not the package that was published".into()),
                Err(cause) => finding("file-unreadable", &path, cause.to_string()),
            },
        }
    }
    Ok(())
}

/// The SHA-256 of a file.
pub(super) fn hash(path: &Path) -> io::Result<ObjectId> {
    let mut hasher = Sha256::new();
    let mut file = File::open(path)?;
    let mut buffer = vec![0; 128 << 10];
    loop {
        match io::Read::read(&mut file, &mut buffer)? {
            0 => return Ok(ObjectId::new(hasher.finalize().into())),
            length => hasher.update(&buffer[..length]),
        }
    }
}
