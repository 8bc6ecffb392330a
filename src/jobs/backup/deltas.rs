//! New versions as deltas over former ones that the target has whole. Bases are read from the target and hashed: a delta over one
//! that is damaged there would be worthless.

use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};
use std::io::Read as _;
use std::num::NonZero;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicUsize, Ordering};

use sha2::{Digest as _, Sha256};

use super::private::VAULT;
use super::state::State;
use super::target::Known;
use crate::apk::ObjectId;
use crate::backup::save::{Shelf as _, Wanted};
use crate::backup::{self, Segments, Target};
use crate::delta::{self, LARGEST_TARGET};
use crate::jobs::Error;
use crate::jobs::budget::{Budget, lock};
use crate::plan::bundle::{Bases, Likeness};
use crate::snapshot::backup::{KeptFile, KeptPath};

/// A delta is kept that is shorter than so many hundredths of its object: another one would hardly be worth two reads.
const WORTH: u64 = 80;

/// The plain form is about so many times as long as a package; a text is not packed at all, or as much.
const INFLATES: u64 = 4;

/// Smaller objects go whole: a delta has a header, too.
const LEAST: u64 = 1024;

/// What deltas are made of and over.
pub(super) struct Making<'m> {
    state: &'m State,
    known: &'m Known,
    target: &'m Target,
    bases: Bases,
    likenesses: HashMap<ObjectId, Likeness>,
    /// By object, the former one under the same path.
    former: HashMap<ObjectId, (ObjectId, u64)>,
}

impl<'m> Making<'m> {
    pub(super) fn new(state: &'m State, known: &'m Known, target: &'m Target) -> Self {
        let sizes: HashMap<ObjectId, u64> = state.wanted.iter().map(|wanted| (wanted.object, wanted.size)).collect();
        let likeness = |(object, (name, arch, file)): (&ObjectId, &(_, _, crate::apk::PackageFile))| Likeness {
            place: (Clone::clone(name), Clone::clone(arch)),
            name: file.name().into(),
            version: file.version().into(),
            origin: None,
            object: *object,
            size: sizes[object],
            plain: sizes[object] * INFLATES,
        };
        let likenesses: HashMap<ObjectId, Likeness> =
            state.packages.iter().map(likeness).map(|one| (one.object, one)).collect();
        let mut whole: Vec<Likeness> =
            likenesses.values().filter(|likeness| known.holds(&likeness.object)).cloned().collect();
        // Of equal ones the first counts, so their order must not be chance.
        whole.sort_by(|a, b| (&a.place, &a.name, a.object).cmp(&(&b.place, &b.name, b.object)));
        let by_path: HashMap<&KeptPath, &KeptFile> = known.files().iter().map(|file| (&file.path, file)).collect();
        let former = |file: &KeptFile| {
            let was = by_path.get(&file.path).filter(|was| was.sha256 != file.sha256 && known.holds(&was.sha256))?;
            Some((file.sha256, (was.sha256, was.size)))
        };
        // The encrypted part is read before anything is believed, so it is never more than it is; nor is it like any other.
        let files = state.files.iter().filter(|file| file.path.as_str() != VAULT);
        let former = files.filter_map(former).collect();
        Making { state, known, target, bases: whole.into_iter().collect(), likenesses, former }
    }

    /// Stores what of `wanted` is worth it as deltas; returns what was.
    pub(super) fn store(
        &self,
        segments: &mut Segments<'_>,
        wanted: &[Wanted],
        threads: NonZero<usize>,
        progress: &(dyn Fn(u64) + Sync),
    ) -> Result<HashSet<ObjectId>, Error> {
        let mut order: Vec<(&Wanted, u64)> = wanted.iter().filter_map(|one| Some((one, self.weight(one)?))).collect();
        // The largest first, so that no thread is left with one at the end.
        order.sort_by_key(|(one, weight)| (Reverse(*weight), one.object));
        let (next, budget) = (AtomicUsize::new(0), Budget::of_deltas());
        let done = Mutex::new((segments, HashSet::new(), None));
        std::thread::scope(|scope| {
            for _ in 0..threads.get().min(order.len()) {
                scope.spawn(|| {
                    while let Some((one, weight)) = order.get(next.fetch_add(1, Ordering::Relaxed)) {
                        let share = budget.take(*weight);
                        if lock(&done).2.is_some() {
                            return;
                        }
                        let Some((base, delta)) = self.shortest(one) else { continue };
                        drop(share);
                        let mut done = lock(&done);
                        match done.0.put_delta(&one.object, one.size, &base, &delta) {
                            Ok(()) => drop(done.1.insert(one.object)),
                            Err(error) => {
                                done.2.get_or_insert(error);
                                return;
                            }
                        }
                        progress(one.size);
                    }
                });
            }
        });
        let (_, stored, failed) = done.into_inner().unwrap_or_else(PoisonError::into_inner);
        match failed {
            None => Ok(stored),
            Some(error) => Err(error.into()),
        }
    }

    /// Bytes of memory that a delta of this object takes, about; none where there is nothing that it could be over.
    fn weight(&self, wanted: &Wanted) -> Option<u64> {
        if wanted.size < LEAST || wanted.size > LARGEST_TARGET as u64 {
            return None;
        }
        let largest = self.bases_of(&wanted.object).into_iter().map(|(_, size)| size).max()?;
        Some((wanted.size + largest) * (1 + INFLATES))
    }

    /// The likeliest bases, the best first.
    fn bases_of(&self, object: &ObjectId) -> Vec<(ObjectId, u64)> {
        if let Some(former) = self.former.get(object) {
            return vec![*former];
        }
        let Some(new) = self.likenesses.get(object) else { return Vec::new() };
        self.bases.of(new).into_iter().map(|base| (base.object, base.size)).collect()
    }

    /// The shortest delta that is worth it. What cannot be read here or there goes whole, or is told there.
    fn shortest(&self, wanted: &Wanted) -> Option<(ObjectId, Vec<u8>)> {
        let mut target = Vec::new();
        self.state.open(wanted).ok()?.take(wanted.size + 1).read_to_end(&mut target).ok()?;
        if ObjectId::new(Sha256::digest(&target).into()) != wanted.object {
            return None;
        }
        let mut best: Option<(ObjectId, Vec<u8>)> = None;
        for (object, _) in self.bases_of(&wanted.object) {
            // A second try seldom gains much where the first did well.
            if best.as_ref().is_some_and(|(_, best)| best.len() * 2 <= target.len()) {
                break;
            }
            let Some(base) = self.load(&object) else { continue };
            let delta = delta::make(Some(&base), &target);
            let is_over_it = delta::form::inspect(&delta).is_ok_and(|header| header.base.is_some());
            if is_over_it && best.as_ref().is_none_or(|(_, best)| delta.len() < best.len()) {
                best = Some((object, delta));
            }
        }
        best.filter(|(_, delta)| delta.len() as u64 * 100 <= wanted.size * WORTH)
    }

    /// A base as the target has it; none where it does not read there.
    fn load(&self, object: &ObjectId) -> Option<Vec<u8>> {
        let (path, at, size) = self.known.whole(object)?;
        let mut bytes = Vec::new();
        let reader = self.target.place().read(&path, at, size).map_err(backup::Error::from);
        reader.ok()?.read_to_end(&mut bytes).ok()?;
        (ObjectId::new(Sha256::digest(&bytes).into()) == *object).then_some(bytes)
    }
}
