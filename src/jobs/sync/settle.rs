//! Which indexes this run goes on with: a candidate whose packages do not all come is set aside, and what is wanted is
//! decided anew from what is left, until everything that is wanted is in the pool.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::carry::{self, Verdict};
use super::indexes::{Asked, Candidate, Fallback, Index};
use super::packages::{self, Outcome};
use super::rebuilt::{self, Outlook};
use super::report::Carried;
use super::reread::{self, Reread};
use super::want::{self, Lacking, Wish};
use super::{Error, Mirror, Refused, Setback, emptied, shrink, space, together};
use crate::apk::names::{Arch, RepositoryName};
use crate::config::Repository;
use crate::error::Class;
use crate::ledger::{State, Trust};
use crate::report::Reporter;
use crate::snapshot::IndexKey;

/// How often an index that changed while its packages were fetched is taken anew.
const CHANGES: u32 = 3;

/// How many single packages are named in an error's text.
const NAMED: usize = 5;

/// What a run goes on with: everything that its wishes name is in the pool.
pub(in crate::jobs) struct Settled {
    pub(super) indexes: Vec<Index>,
    pub(super) state: State,
    pub(super) trust: Trust,
    pub(super) wishes: Vec<Wish>,
    /// By wish: packages and bytes that came over the wire for it.
    pub(super) fetched: Vec<(u64, u64)>,
    /// By wish: packages that keep a former version.
    pub(super) carried: Vec<Vec<Carried>>,
    /// By wish: why it keeps its former state.
    pub(in crate::jobs) broken: Vec<Option<Setback>>,
    /// Repositories, or with an arch behind, that the gate lets through this once.
    pub(super) accept_gate: Vec<RepositoryName>,
}

impl Settled {
    /// The wish of `repository` for `arch`.
    pub(super) fn number_of(&self, repository: &Repository, arch: &Arch) -> Option<usize> {
        self.wishes.iter().position(|wish| wish.name == repository.name && wish.arch == *arch)
    }
}

/// What a run remembers from one round to the next.
#[derive(Default)]
struct Rounds {
    /// How often an index that changed meanwhile was taken anew.
    changes: BTreeMap<IndexKey, u32>,
    /// By wish: packages and bytes that came over the wire for it.
    fetched: Vec<(u64, u64)>,
    /// Indexes of which packages came over the wire since they were last read: time passed in which they may have changed.
    aged: BTreeSet<IndexKey>,
    /// Packages that failed for good: asking for them again would fail again.
    hopeless: BTreeMap<IndexKey, Setback>,
}

impl Rounds {
    /// Whether `key` may be taken anew once more.
    fn may_change(&self, key: &IndexKey) -> bool {
        self.changes.get(key).is_none_or(|changes| *changes < CHANGES)
    }

    /// `key` is taken anew.
    fn changed(&mut self, key: &IndexKey) {
        *self.changes.entry(key.clone()).or_default() += 1;
        self.hopeless.remove(key);
    }
}

/// Fetches what is wanted until it is all there and the indexes that list it are still the ones that were read.
pub(super) async fn settle(
    mirror: &Mirror<'_>,
    repositories: &[&Repository],
    mut asked: Asked,
    accept_shrink: &[RepositoryName],
    reporter: &Arc<dyn Reporter>,
) -> Result<Settled, Error> {
    let mut history = rebuilt::History::open(mirror)?;
    let mut rounds = Rounds::default();
    loop {
        emptied::hold(mirror, &mut asked, reporter)?;
        shrink::refuse(mirror, &mut asked, accept_shrink, &**reporter)?;
        let mut wishes = want::all(mirror, repositories, &mut asked)?;
        rounds.fetched.resize(wishes.len(), (0, 0));
        if rebuilt::refuse(mirror, &mut asked, &mut wishes, &mut history, &**reporter)? == Outlook::Changed {
            continue;
        }
        let lacking = want::lacking(mirror, &wishes, |key| !rounds.hopeless.contains_key(key));
        space::require(mirror, &lacking)?;
        let failed = fetch_round(mirror, &asked, &lacking, &mut rounds, reporter).await?;
        if failed.is_empty() {
            if read_again(mirror, &mut asked, &mut rounds, reporter).await == Outlook::Changed {
                continue;
            }
            let carried = match carry::judge(mirror, repositories, &mut asked, &wishes)? {
                Verdict::Stands(carried) => carried,
                Verdict::Loses(key, chain) => {
                    refuse_carried(&mut asked, &key, chain, reporter);
                    continue;
                }
            };
            let broken = broken(&asked, &wishes, &rounds.hopeless, mirror);
            if together::set_aside(mirror, &mut asked, &wishes, &broken, reporter) == Outlook::Changed {
                continue;
            }
            for warning in wishes.iter().flat_map(|wish| &wish.warnings) {
                reporter.warning(warning);
            }
            let Asked { indexes, state, trust, .. } = asked;
            return Ok(Settled {
                indexes,
                state,
                trust,
                wishes,
                fetched: rounds.fetched,
                carried,
                broken,
                accept_gate: Vec::new(),
            });
        }
        for (key, failures) in failed {
            give_up_or_follow(mirror, &mut asked, &mut rounds, key, failures, reporter).await?;
        }
    }
}

/// Reads the indexes again whose packages took time to come. What changed is followed; what could not be read again is no
/// reason to refuse what is complete.
async fn read_again(
    mirror: &Mirror<'_>,
    asked: &mut Asked,
    rounds: &mut Rounds,
    reporter: &Arc<dyn Reporter>,
) -> Outlook {
    let aged = std::mem::take(&mut rounds.aged);
    let places = (0..asked.indexes.len()).filter(|at| aged.contains(&asked.indexes[*at].key)).collect();
    let mut outlook = Outlook::Same;
    for (at, now) in reread::reread(mirror, asked, places, reporter).await {
        let index = &mut asked.indexes[at];
        let key = &index.key;
        match now {
            Reread::Same => {}
            Reread::Unknown(why) => {
                reporter
                    .warning(&format!("index {key} could not be read again, the one that is complete is taken: {why}"));
            }
            Reread::Newer(newer) if rounds.may_change(key) => {
                rounds.changed(key);
                reporter.index_verified(&key.source, &key.path, &key.arch, newer.index.entries().len() as u64);
                let is_whole = index.carry.is_none();
                if let Some(Candidate::Signed(complete)) = index.follow(*newer).filter(|_| is_whole) {
                    index.complete = Some(complete);
                }
                outlook = Outlook::Changed;
            }
            Reread::Newer(_) => reporter.warning(&format!(
                "index {key} changed {CHANGES} times while its packages were fetched; the last complete one is taken"
            )),
        }
    }
    outlook
}

/// Packages of an index did not come: a newer one is followed, or what is missing keeps its former version, or else an earlier
/// one goes on in its place.
async fn give_up_or_follow(
    mirror: &Mirror<'_>,
    asked: &mut Asked,
    rounds: &mut Rounds,
    key: IndexKey,
    failures: Vec<Refused>,
    reporter: &Arc<dyn Reporter>,
) -> Result<(), Error> {
    let at = asked.indexes.iter().position(|index| index.key == key).expect("wishes name only indexes asked for");
    // Upstream may have moved on between its index and its packages: then the newer index is the one to follow.
    let signed = matches!(asked.indexes[at].candidate, Some(Candidate::Signed(_)));
    if signed
        && rounds.may_change(&key)
        && let Some(newer) = reread::newer_anywhere(mirror, asked, at, reporter).await
    {
        rounds.changed(&key);
        asked.indexes[at].follow(newer);
        return Ok(());
    }
    let index = &mut asked.indexes[at];
    // One that was complete is better than one that is not.
    if index.complete.is_none() && carry::carry(mirror, index, &failures, reporter)? {
        return Ok(());
    }
    let setback = incomplete(&key, &failures);
    reporter.index_failed(&key.source, &key.path, &key.arch, &setback.one_line());
    index.refused.extend(failures);
    index.setback = Some(setback.clone());
    if index.set_aside() == Fallback::Nothing {
        // The index in force itself wants what cannot be had (the selection grew): nothing to fall back on.
        rounds.hopeless.insert(key, setback);
    }
    Ok(())
}

/// Former versions cannot stand in for what `key` lacks.
fn refuse_carried(asked: &mut Asked, key: &IndexKey, chain: String, reporter: &Arc<dyn Reporter>) {
    let index = asked.indexes.iter_mut().find(|index| index.key == *key).expect("wishes name only indexes asked for");
    let mut setback = incomplete(key, &index.refused);
    carry::not_carried(&mut setback, chain);
    reporter.index_failed(&key.source, &key.path, &key.arch, &setback.one_line());
    index.setback = Some(setback);
    index.set_aside();
}

/// What follows from accepted indexes alone: nothing is fetched. A repository that wants what the pool lacks keeps its former
/// state, and so does one that would replace bytes that were published.
pub(in crate::jobs) fn from_pool(
    mirror: &Mirror<'_>,
    repositories: &[&Repository],
    mut asked: Asked,
    reporter: &Arc<dyn Reporter>,
) -> Result<Settled, Error> {
    let mut history = rebuilt::History::open(mirror)?;
    let mut wishes = want::all(mirror, repositories, &mut asked)?;
    let outlook = rebuilt::refuse(mirror, &mut asked, &mut wishes, &mut history, &**reporter)?;
    assert_eq!(outlook, Outlook::Same, "only a candidate is set aside, and nobody was asked for one");
    let mut lacking: BTreeMap<IndexKey, Vec<Lacking>> = BTreeMap::new();
    for one in want::lacking(mirror, &wishes, |_| true) {
        lacking.entry(one.key.clone()).or_default().push(one);
    }
    let hopeless = lacking.into_iter().map(|(key, lacking)| {
        let count = lacking.len();
        let message = format!("{count} of the packages that are wanted of index {key} are not in the pool");
        let mut setback = Setback::new(Class::Upstream, "not-in-pool", message);
        setback.details = lacking.iter().take(NAMED).map(|lacking| lacking.entry.file().to_string()).collect();
        setback.hint = Some("`bivouac sync` fetches what the newest snapshot lacks".into());
        (key, setback)
    });
    let broken = broken(&asked, &wishes, &hopeless.collect(), mirror);
    for warning in wishes.iter().flat_map(|wish| &wish.warnings) {
        reporter.warning(warning);
    }
    let Asked { indexes, state, trust, .. } = asked;
    let (fetched, carried) = (vec![(0, 0); wishes.len()], vec![Vec::new(); wishes.len()]);
    Ok(Settled { indexes, state, trust, fetched, carried, wishes, broken, accept_gate: Vec::new() })
}

/// Fetches one round; what failed, by index.
async fn fetch_round(
    mirror: &Mirror<'_>,
    asked: &Asked,
    lacking: &[Lacking],
    rounds: &mut Rounds,
    reporter: &Arc<dyn Reporter>,
) -> Result<BTreeMap<IndexKey, Vec<Refused>>, Error> {
    let mut failed: BTreeMap<IndexKey, Vec<Refused>> = BTreeMap::new();
    if lacking.is_empty() {
        return Ok(failed);
    }
    let by_key: BTreeMap<&IndexKey, &Index> = asked.indexes.iter().map(|index| (&index.key, index)).collect();
    let mut remote: Vec<(usize, Lacking)> = Vec::new();
    let mut local = Vec::new();
    for (at, lacking) in lacking.iter().enumerate() {
        match &by_key[&lacking.key].candidate {
            Some(Candidate::Gathered(gathered)) => local.push((lacking, Arc::clone(&gathered.files))),
            _ if asked.upstreams.contains_key(&lacking.key.source) => remote.push((at, lacking.clone())),
            // An accepted index whose object was lost: only reading the directory anew, or importing the bundle, brings it back.
            _ => {
                let reason = "the pool has lost it, and its directory or bundle did not supply it again".to_owned();
                failed.entry(lacking.key.clone()).or_default().push(Refused {
                    file: lacking.entry.file().to_string(),
                    reason,
                    code: "object-missing".into(),
                    class: Class::Damaged,
                });
            }
        }
    }
    for (lacking, files) in local {
        if let Some((path, package)) = files.get(lacking.entry.identity()) {
            match mirror.pool.insert_file(path, package) {
                Ok(_) => reporter.package_stored(lacking.entry.file()),
                Err(error @ crate::pool::Error::Changed { .. }) => {
                    failed.entry(lacking.key.clone()).or_default().push(Refused {
                        file: lacking.entry.file().to_string(),
                        reason: error.to_string(),
                        code: "changed-meanwhile".into(),
                        class: Class::Upstream,
                    });
                }
                Err(error) => return Err(error.into()),
            }
        }
    }
    if !remote.is_empty() {
        let bytes = remote.iter().map(|(_, lacking)| lacking.entry.size()).sum();
        reporter.fetch_planned(remote.len() as u64, bytes);
        let outcomes = packages::fetch(&mirror.pool, &asked.upstreams, &remote, reporter).await;
        // What arrived is kept, also when this host's trouble ends the run.
        let kept = mirror.pool.commit();
        reporter.fetch_done();
        let outcomes = outcomes?;
        kept?;
        for done in outcomes {
            let lacking = &lacking[done.at];
            match done.outcome {
                Outcome::Stored { wire_bytes } => {
                    let count = &mut rounds.fetched[lacking.wish];
                    count.0 += u64::from(wire_bytes > 0);
                    count.1 += wire_bytes;
                    if wire_bytes > 0 {
                        rounds.aged.insert(lacking.key.clone());
                    }
                }
                Outcome::Failed { class, code, reason } => {
                    failed.entry(lacking.key.clone()).or_default().push(Refused {
                        file: lacking.entry.file().to_string(),
                        reason,
                        code,
                        class,
                    });
                }
            }
        }
    }
    Ok(failed)
}

/// An index whose packages did not all come.
fn incomplete(key: &IndexKey, failures: &[Refused]) -> Setback {
    let class = Class::worst(failures.iter().map(|refused| refused.class)).unwrap_or(Class::Upstream);
    let (code, what) = match class {
        Class::Refused => ("refused-packages", "were refused"),
        _ => ("incomplete", "were not fetched"),
    };
    let count = failures.len();
    let mut setback = Setback::new(class, code, format!("index {key} is incomplete: {count} of its packages {what}"));
    setback.details = Refused::told(failures);
    setback
}

/// Why wishes keep their former state: an index that is not there, or packages of the accepted one.
fn broken(
    asked: &Asked,
    wishes: &[Wish],
    hopeless: &BTreeMap<IndexKey, Setback>,
    mirror: &Mirror<'_>,
) -> Vec<Option<Setback>> {
    let lost: BTreeSet<usize> = match hopeless.is_empty() {
        true => BTreeSet::new(),
        false => {
            (0..wishes.len()).filter(|at| !want::lacking(mirror, &wishes[*at..=*at], |_| true).is_empty()).collect()
        }
    };
    wishes
        .iter()
        .enumerate()
        .map(|(at, wish)| {
            if let Some(setback) = &wish.forbidden {
                return Some(setback.clone());
            }
            if let Some(key) = &wish.missing {
                let index = asked.indexes.iter().find(|index| index.key == *key)?;
                let unknown = || match index.accepted_id {
                    None => Setback::new(Class::Upstream, "no-index", format!("index {key} was never accepted")),
                    Some(_) => carry::not_whole(key),
                };
                return Some(index.setback.clone().unwrap_or_else(unknown));
            }
            if lost.contains(&at) {
                return wish.layers.iter().find_map(|(key, _)| hopeless.get(key)).cloned();
            }
            None
        })
        .collect()
}
