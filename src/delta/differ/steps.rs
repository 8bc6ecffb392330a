//! Where the target resembles the base: bsdiff's search, over strings that begin alike instead of over a sorted suffix array.
//!
//! The target is walked along the base at some distance. Where the walk no longer agrees and a string elsewhere in the base
//! agrees clearly longer, the walk goes on there; the stretches on both sides are drawn out as far as half of their bytes
//! agree. What lies between is new. See Colin Percival, "Naive differences of executable code" (2003).

/// One step: so many bytes resemble the base's from `from` on, then so many are new.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Step {
    pub(super) add: usize,
    pub(super) from: usize,
    pub(super) copy: usize,
}

/// Strings elsewhere are found by their first eight bytes.
const BEGINNING: usize = 8;
/// The base's strings are held at every second byte: the search is twice as fast, and the way back from a match finds the
/// other ones.
const EVERY: usize = 2;
/// So many strings are held at most, of four bytes each.
const MOST_STRINGS: usize = 16 << 20;
/// So many strings of the base that begin alike are looked at, the last ones first.
const MOST_CANDIDATES: usize = 24;
/// A string elsewhere has to agree in so many bytes more than the walk does: a step costs some four bytes.
const CLEARLY: usize = 8;
/// Where the walk itself agrees for so long, nothing else is looked for.
const LONG_ENOUGH: usize = 32;

/// The base's strings.
struct Index<'a> {
    base: &'a [u8],
    /// By the hash of a beginning, the last string's number, plus 1.
    heads: Vec<u32>,
    /// By a string's number, the one before it that begins alike, plus 1.
    before: Vec<u32>,
    /// Every so many bytes of the base a string is held.
    every: usize,
    shift: u32,
}

impl<'a> Index<'a> {
    fn of(base: &'a [u8]) -> Index<'a> {
        let every = (base.len() / MOST_STRINGS + 1).max(EVERY);
        let strings = base.len() / every + 1;
        let log = strings.ilog2().clamp(8, 20);
        let mut index = Index { base, heads: vec![0; 1 << log], before: vec![0; strings], every, shift: 64 - log };
        let mut last = None;
        for number in 0..strings {
            let Some(beginning) = beginning(base, number * every) else { break };
            // Of a run of the same byte the beginning is enough.
            if last == Some(beginning) {
                continue;
            }
            last = Some(beginning);
            let head = &mut index.heads[place(beginning, index.shift)];
            index.before[number] = std::mem::replace(head, number as u32 + 1);
        }
        index
    }

    /// The longest string of the base that `text` begins with, if it is longer than `above`: its length and position.
    fn longest(&self, text: &[u8], above: usize) -> Option<(usize, usize)> {
        let beginning = beginning(text, 0)?;
        let mut best = None;
        let mut length = above;
        let mut next = self.heads[place(beginning, self.shift)];
        for _ in 0..MOST_CANDIDATES {
            let Some(number) = next.checked_sub(1) else { break };
            let at = number as usize * self.every;
            if self.base.get(at + length) == text.get(length) {
                let common = common(&self.base[at..], text);
                if common > length {
                    length = common;
                    best = Some((length, at));
                }
            }
            next = self.before[number as usize];
        }
        best
    }
}

fn place(beginning: u64, shift: u32) -> usize {
    (beginning.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> shift) as usize
}

fn beginning(bytes: &[u8], at: usize) -> Option<u64> {
    bytes.get(at..)?.first_chunk::<BEGINNING>().map(|bytes| u64::from_le_bytes(*bytes))
}

/// So many bytes at the beginning of both are the same.
fn common(one: &[u8], other: &[u8]) -> usize {
    let mut length = 0;
    for (left, right) in one.chunks_exact(8).zip(other.chunks_exact(8)) {
        let word = |bytes: &[u8]| u64::from_le_bytes(*bytes.first_chunk().expect("eight bytes a chunk"));
        let differ = word(left) ^ word(right);
        if differ != 0 {
            return length + differ.trailing_zeros() as usize / 8;
        }
        length += 8;
    }
    length + one[length..].iter().zip(&other[length..]).take_while(|(left, right)| left == right).count()
}

/// The steps that make `plain` of `base`, in the order of `plain`. Every one has bytes.
pub(super) fn find(base: &[u8], plain: &[u8]) -> Vec<Step> {
    let index = Index::of(base);
    let mut steps = Vec::new();
    let mut walk = Walk { base, plain, begun: 0, from: 0 };
    let mut at = 0;
    while at < plain.len() {
        let (next, elsewhere) = walk.leave(&index, at);
        let Some((length, position)) = elsewhere else {
            at = next;
            continue;
        };
        walk.close(next, Some(position), &mut steps);
        at = next + length;
    }
    walk.close(plain.len(), None, &mut steps);
    steps
}

/// The walk along the base: the target from `begun` on at the base's `from`.
struct Walk<'a> {
    base: &'a [u8],
    plain: &'a [u8],
    begun: usize,
    from: usize,
}

impl Walk<'_> {
    /// The base's bytes along the walk, from the target's `at` on.
    fn along(&self, at: usize) -> &[u8] {
        self.base.get(self.from + at - self.begun..).unwrap_or_default()
    }

    /// Whether the walk agrees here.
    fn agrees(&self, at: usize) -> bool {
        self.along(at).first() == Some(&self.plain[at])
    }

    /// From `at` on: the next place where either a string elsewhere is clearly longer, its length and position with it, or
    /// the walk agrees as long as any, up to behind that.
    fn leave(&self, index: &Index<'_>, mut at: usize) -> (usize, Option<(usize, usize)>) {
        // Bytes from `at` to `counted` in which the walk agrees.
        let (mut agreeing, mut counted) = (0_usize, at);
        while at < self.plain.len() {
            let here = common(self.along(at), &self.plain[at..]);
            let found = if here >= LONG_ENOUGH { None } else { index.longest(&self.plain[at..], here) };
            let length = found.map_or(here, |(length, _)| length);
            let end = at + length;
            if counted < end {
                agreeing += (counted..end).filter(|&at| self.agrees(at)).count();
                counted = end;
            }
            if length > agreeing + CLEARLY {
                return (at, found);
            }
            if length == agreeing && length > 0 {
                return (end, None);
            }
            if counted > at {
                agreeing -= usize::from(self.agrees(at));
            } else {
                counted = at + 1;
            }
            at += 1;
        }
        (at, None)
    }

    /// Ends the walk before `end`, where the next one begins at the base's `position`.
    fn close(&mut self, end: usize, position: Option<usize>, steps: &mut Vec<Step>) {
        let mut forward = self.reach_forward(end);
        let mut backward = position.map_or(0, |position| self.reach_backward(end, position));
        let between = end - self.begun;
        if let Some(position) = position
            && forward + backward > between
        {
            let overlap = forward + backward - between;
            let kept = self.divide(forward - overlap, overlap, end - backward, position - backward);
            forward = forward - overlap + kept;
            backward -= kept;
        }
        let step = Step { add: forward, from: self.from, copy: between - forward - backward };
        if step.add + step.copy > 0 {
            steps.push(step);
        }
        self.begun = end - backward;
        self.from = position.map_or(0, |position| position - backward);
    }

    /// How far the walk goes on so that more bytes agree than not.
    fn reach_forward(&self, end: usize) -> usize {
        let pairs = self.plain[self.begun..end].iter().zip(self.along(self.begun));
        reach(pairs.map(|(one, other)| one == other))
    }

    /// How far back the next one begins.
    fn reach_backward(&self, end: usize, position: usize) -> usize {
        let pairs = self.plain[self.begun..end].iter().rev().zip(self.base[..position].iter().rev());
        reach(pairs.map(|(one, other)| one == other))
    }

    /// Of `overlap` bytes, which follow `kept` ones of this walk and begin the next, how many stay with this one.
    fn divide(&self, kept: usize, overlap: usize, next: usize, position: usize) -> usize {
        let (mut score, mut best, mut stay) = (0_isize, 0, 0);
        for place in 0..overlap {
            score += isize::from(self.plain[self.begun + kept + place] == self.base[self.from + kept + place]);
            score -= isize::from(self.plain[next + place] == self.base[position + place]);
            if score > best {
                (best, stay) = (score, place + 1);
            }
        }
        stay
    }
}

/// The length at which most more agree than not.
fn reach(agree: impl Iterator<Item = bool>) -> usize {
    let (mut score, mut best, mut length) = (0_isize, 0, 0);
    for (place, agrees) in agree.enumerate() {
        score += if agrees { 1 } else { -1 };
        if score > best {
            (best, length) = (score, place + 1);
        }
    }
    length
}
