//! Objects as deltas over what the receiver has: the shortest of a few, on several threads, in bounded memory. They wait in a
//! file without a name, because the manifest, which tells their lengths, comes first in a volume.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::num::NonZero;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use sha2::{Digest as _, Sha256};

use super::held::Outlined;
use super::shelf::Shelf;
use crate::apk::ObjectId;
use crate::delta::{self, LARGEST_TARGET};
use crate::disk::durable::Spool;
use crate::jobs::budget::{Budget, lock};
use crate::jobs::{Error, Mirror};
use crate::plan::bundle::{Bases, Held, Likeness, MOST_TRIED, Piece, SentPlace};
use crate::report::{self, Reporter};
use crate::snapshot::manifest::{Form, Packed, What};

/// An index's text is so many times as long as its file, at most.
const INDEX_INFLATES: u64 = 8;

/// What deltas are made of and over.
#[derive(Clone, Copy)]
pub(super) struct Packing<'p> {
    pub(super) mirror: &'p Mirror<'p>,
    pub(super) shelf: Shelf<'p>,
    pub(super) places: &'p [SentPlace],
    pub(super) held: &'p Held,
    pub(super) likenesses: &'p HashMap<ObjectId, Likeness>,
    pub(super) bases: &'p Bases,
    pub(super) outlined: &'p Outlined,
}

/// Deltas that wait for their volume.
#[derive(Debug)]
pub(super) struct Deltas {
    spool: Spool,
    begins: HashMap<ObjectId, u64>,
}

impl Deltas {
    /// The delta of `packed`; none where it is carried in another form.
    pub(super) fn of(&self, packed: &Packed) -> Result<Option<Vec<u8>>, crate::disk::durable::Error> {
        let (Form::Delta { length, .. }, Some(begin)) = (&packed.form, self.begins.get(&packed.sha256)) else {
            return Ok(None);
        };
        let length = usize::try_from(*length).expect("it was in memory");
        self.spool.read(*begin, length).map(Some)
    }
}

/// Packs every piece, in order.
pub(super) fn pack(
    packing: Packing<'_>,
    pieces: &[Piece],
    threads: NonZero<usize>,
    reporter: &dyn Reporter,
) -> Result<(Vec<Packed>, Deltas), Error> {
    let folder = packing.mirror.store.bundles_folder();
    crate::disk::durable::create_folder(&folder, 0o700)?;
    let work = Work {
        packing,
        pieces,
        // The largest first, so that no thread is left with one at the end.
        order: by_weight(packing, pieces),
        next: AtomicUsize::new(0),
        memory: Budget::of_deltas(),
        done: Mutex::new(Done {
            deltas: Deltas { spool: Spool::in_folder(&folder)?, begins: HashMap::new() },
            forms: HashMap::new(),
            failed: None,
        }),
        reporter,
    };
    reporter.work_begun(report::Work::Bundle, pieces.len() as u64, pieces.iter().map(|piece| piece.size).sum());
    std::thread::scope(|scope| {
        for _ in 0..threads.get().min(pieces.len()) {
            scope.spawn(|| work.run());
        }
    });
    reporter.work_done(report::Work::Bundle);
    let Done { deltas, mut forms, failed } = work.done.into_inner().unwrap_or_else(PoisonError::into_inner);
    if let Some(error) = failed {
        return Err(error);
    }
    let mut form = |piece: &Piece| forms.remove(&piece.sha256).expect("every piece was packed, or one failed");
    Ok((pieces.iter().map(|piece| piece.packed(form(piece))).collect(), deltas))
}

/// The pieces' places, the heaviest first, each with its weight in memory.
fn by_weight(packing: Packing<'_>, pieces: &[Piece]) -> Vec<(usize, u64)> {
    let weight = |piece: &Piece| match packing.likenesses.get(&piece.sha256) {
        None => 2 * INDEX_INFLATES * piece.size,
        Some(new) => {
            let bases = packing.bases.of(new).into_iter().map(|base| base.plain + base.size);
            new.plain + new.size + bases.max().unwrap_or(0)
        }
    };
    let mut order: Vec<(usize, u64)> = pieces.iter().map(weight).enumerate().collect();
    order.sort_by_key(|(at, weight)| (Reverse(*weight), *at));
    order
}

struct Work<'p> {
    packing: Packing<'p>,
    pieces: &'p [Piece],
    order: Vec<(usize, u64)>,
    next: AtomicUsize,
    memory: Budget,
    done: Mutex<Done>,
    reporter: &'p dyn Reporter,
}

struct Done {
    deltas: Deltas,
    forms: HashMap<ObjectId, Form>,
    failed: Option<Error>,
}

impl Work<'_> {
    /// Packs one piece after the other until there are none, or one failed.
    fn run(&self) {
        while let Some((at, weight)) = self.order.get(self.next.fetch_add(1, Ordering::Relaxed)) {
            let share = self.memory.take(*weight);
            if lock(&self.done).failed.is_some() {
                return;
            }
            if let Err(error) = self.one(&self.pieces[*at]) {
                lock(&self.done).failed.get_or_insert(error);
                return;
            }
            drop(share);
            self.reporter.object_done(self.pieces[*at].size);
        }
    }

    fn one(&self, piece: &Piece) -> Result<(), Error> {
        let delta = if piece.size <= LARGEST_TARGET as u64 { self.packing.shortest(piece)? } else { None };
        let mut done = lock(&self.done);
        let form = match delta {
            None => Form::Whole { volume: 1 },
            Some(Delta { bytes, base }) => {
                let begin = done.deltas.spool.add(&bytes)?;
                done.deltas.begins.insert(piece.sha256, begin);
                let delta = ObjectId::new(Sha256::digest(&bytes).into());
                Form::Delta { volume: 1, length: bytes.len() as u64, delta, base }
            }
        };
        done.forms.insert(piece.sha256, form);
        Ok(())
    }
}

struct Delta {
    bytes: Vec<u8>,
    base: Option<ObjectId>,
}

impl Packing<'_> {
    /// The shortest delta of a piece, if one is shorter than the piece.
    fn shortest(&self, piece: &Piece) -> Result<Option<Delta>, Error> {
        let target = self.shelf.load(&piece.sha256, piece.size, &piece.what)?;
        let mut best: Option<Vec<u8>> = None;
        for base in self.bases_of(piece) {
            // A second try seldom gains much where the first did well.
            if best.as_ref().is_some_and(|best| best.len() * 2 <= target.len()) {
                break;
            }
            let Some(base) = self.load_base(&base)? else { continue };
            let delta = delta::make(Some(&base), &target);
            if best.as_ref().is_none_or(|best| delta.len() < best.len()) {
                best = Some(delta);
            }
        }
        if best.as_ref().is_none_or(|best| best.len() * 2 > target.len()) {
            let others = best.into_iter().chain(self.over_outlines(piece, &target));
            best = others.min_by_key(Vec::len);
        }
        let bytes = best.unwrap_or_else(|| delta::make(None, &target));
        if bytes.len() >= target.len() {
            return Ok(None);
        }
        let header = delta::form::inspect(&bytes).expect("it was just made");
        let base = header.base.map(ObjectId::new);
        Ok(Some(Delta { bytes, base }))
    }

    /// Deltas over what only the receiver has, and the one over nothing.
    fn over_outlines(&self, piece: &Piece, target: &[u8]) -> Vec<Vec<u8>> {
        let Some(new) = self.likenesses.get(&piece.sha256) else { return Vec::new() };
        // A signature that cannot be read is of a later release, or nonsense that the site has signed: it is sent more.
        let over = |signature| delta::make_against(signature, target).ok();
        let mut deltas: Vec<Vec<u8>> = self.outlined.of(new).filter_map(over).collect();
        // What the receiver is not held to have, it may not have.
        deltas.retain(|delta| {
            let header = delta::form::inspect(delta).expect("it was just made");
            header.base.is_none_or(|base| self.held.objects.contains(&ObjectId::new(base)))
        });
        if !deltas.is_empty() {
            deltas.push(delta::make(None, target));
        }
        deltas
    }

    /// What the receiver has that is likest to a piece, the best first.
    fn bases_of(&self, piece: &Piece) -> Vec<Base> {
        match (&piece.what, self.likenesses.get(&piece.sha256)) {
            (What::Package(..), Some(new)) => self
                .bases
                .of(new)
                .into_iter()
                .map(|base| Base::Package(base.object, base.size, piece.what.clone()))
                .collect(),
            (What::Package(..), None) => Vec::new(),
            (What::Index(..), _) => self.former_indexes(piece).into_iter().map(Base::Index).collect(),
        }
    }

    /// The receiver's index files of a piece's place: those that stood where it stands first.
    fn former_indexes(&self, piece: &Piece) -> Vec<ObjectId> {
        let carried = &self.places[piece.place].carried;
        let Some(former) = self.held.indexes.get(&(carried.name.clone(), carried.arch.clone())) else {
            return Vec::new();
        };
        let stands = carried.indexes().position(|index| *index == piece.sha256).unwrap_or(0);
        let mut former: Vec<(usize, ObjectId)> = former.iter().copied().enumerate().collect();
        former.sort_by_key(|(at, _)| at.abs_diff(stands));
        former.into_iter().map(|(_, index)| index).take(MOST_TRIED).collect()
    }

    /// A base's bytes; none where they are not here any more, or damaged: then there is a longer delta, and `check` has its say.
    fn load_base(&self, base: &Base) -> Result<Option<Vec<u8>>, Error> {
        match base {
            Base::Index(index) => Ok(self.mirror.ledger.sent_index(index)?),
            Base::Package(object, size, what) => Ok(self.shelf.load(object, *size, what).ok()),
        }
    }
}

enum Base {
    Index(ObjectId),
    Package(ObjectId, u64, What),
}
