//! The longest match, as zlib's `longest_match` finds it, found faster.
//!
//! zlib follows one chain, of all earlier strings with the same hash of three bytes, and looks at up to 4096 of them, nearest
//! first. Its result is the nearest of the longest ones among those. We keep two more chains, of strings that have four and
//! eight bytes in common, and look along the longest first; what is not in there cannot be longer. Each string carries its
//! number in zlib's chain, so what zlib would not have got to is not taken.

use super::window::{MAX_DISTANCE, MAX_MATCH, MIN_MATCH, SIZE};

/// zlib's hash has 15 bits; the others follow.
const HASHES: usize = 1 << 15;
/// A match of three bytes is not taken from further away.
const TOO_FAR: usize = 4096;

/// How far behind a string the one before it in each chain stands, in bytes; 0 for none within the window.
#[derive(Clone, Copy, Debug, Default)]
struct Links {
    three: u16,
    four: u16,
    eight: u16,
    /// The string's number in zlib's chain.
    number: u16,
}

/// The last string of a chain: its position.
#[derive(Debug)]
pub(super) struct Chains {
    three: Box<[u32; HASHES]>,
    numbers: Box<[u16; HASHES]>,
    four: Box<[u32; HASHES]>,
    eight: Box<[u32; HASHES]>,
    /// By position, around the window.
    links: Box<[Links; SIZE]>,
}

/// A match in sight.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Match {
    pub(super) length: usize,
    pub(super) distance: usize,
}

/// What is looked for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted {
    /// More than this length.
    pub(super) above: usize,
    /// At most this length, which is in the text.
    pub(super) most: usize,
    /// Enough.
    pub(super) nice: usize,
    /// So many candidates.
    pub(super) chain: u16,
    /// The window's first position.
    pub(super) base: usize,
}

/// The nearest earlier string in each chain: its position, 0 for none.
#[derive(Clone, Copy, Debug)]
pub(super) struct Heads {
    three: usize,
    four: usize,
    eight: usize,
}

fn boxed<T: Clone + Default, const N: usize>() -> Box<[T; N]> {
    let made: Result<Box<[T; N]>, _> = vec![T::default(); N].into_boxed_slice().try_into();
    made.unwrap_or_else(|_| unreachable!("the vector is of that length"))
}

impl Chains {
    pub(super) fn new() -> Chains {
        Chains { three: boxed(), numbers: boxed(), four: boxed(), eight: boxed(), links: boxed() }
    }

    /// Forgets all strings.
    pub(super) fn clear(&mut self) {
        self.three.fill(0);
        self.numbers.fill(0);
        self.four.fill(0);
        self.eight.fill(0);
    }

    /// Puts the string at `at` in its chains and says what was there. `text` begins where the window began.
    #[inline]
    pub(super) fn insert(&mut self, text: &[u8], at: usize) -> Heads {
        let word = word(text, at);
        let (a, b, c) = (word as usize & 0xff, (word >> 8) as usize & 0xff, (word >> 16) as usize & 0xff);
        let by_three = (a << 10 ^ b << 5 ^ c) % HASHES;
        let by_four = ((word as u32).wrapping_mul(0x9e37_79b1) >> 17) as usize % HASHES;
        let by_eight = (word.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 49) as usize % HASHES;
        let link = |head: &mut u32| {
            let before = std::mem::replace(head, at as u32) as usize;
            (before, if before == 0 || at - before >= SIZE { 0 } else { (at - before) as u16 })
        };
        let (three, three_link) = link(&mut self.three[by_three]);
        let (four, four_link) = link(&mut self.four[by_four]);
        let (eight, eight_link) = link(&mut self.eight[by_eight]);
        let number = self.numbers[by_three].wrapping_add(1);
        self.numbers[by_three] = number;
        self.links[at % SIZE] = Links { three: three_link, four: four_link, eight: eight_link, number };
        Heads { three, four, eight }
    }

    /// The nearest of the longest matches for the string at `at`, which was put in last; `None` if none is long enough.
    pub(super) fn longest(&self, text: &[u8], at: usize, heads: Heads, wanted: Wanted) -> Option<Match> {
        // zlib lets the head of its chain stand one byte further away than the others.
        let floor = if heads.three + MAX_DISTANCE == at { heads.three } else { (at + 1).saturating_sub(MAX_DISTANCE) };
        let floor = floor.max(wanted.base + 1);
        let last = self.links[at % SIZE].number.wrapping_sub(wanted.chain);
        let reach = Reach { text, of: at, floor, last, chain: wanted.chain };
        let mut found = None;
        if wanted.most >= 8 {
            let above = wanted.above.max(7);
            found = best(text, at, self.walk(heads.eight, reach, |links| links.eight), Wanted { above, ..wanted });
        }
        if found.is_none() && wanted.above < 7 && wanted.most >= 4 {
            let above = wanted.above.max(3);
            let most = wanted.most.min(7);
            let nice = wanted.nice.min(most);
            found = best(
                text,
                at,
                self.walk(heads.four, reach, |links| links.four),
                Wanted { above, most, nice, ..wanted },
            );
        }
        if found.is_none() && wanted.above < MIN_MATCH {
            found = self.three(text, at, self.walk(heads.three, reach, |links| links.three));
        }
        found
    }

    fn walk<'a, F: Fn(Links) -> u16>(&'a self, head: usize, reach: Reach<'a>, link: F) -> Walk<'a, F> {
        Walk { links: &self.links, at: head, reach, link }
    }

    /// The nearest match of three bytes, if it is near.
    fn three(&self, text: &[u8], at: usize, walk: Walk<'_, impl Fn(Links) -> u16>) -> Option<Match> {
        let wanted = text.get(at..at + MIN_MATCH)?;
        let place = walk.take_while(|place| at - place <= TOO_FAR).find(|&place| text[place..].starts_with(wanted))?;
        Some(Match { length: MIN_MATCH, distance: at - place })
    }
}

/// How far zlib would get along its chain.
#[derive(Clone, Copy, Debug)]
struct Reach<'a> {
    text: &'a [u8],
    /// The string that is looked for.
    of: usize,
    /// To this position.
    floor: usize,
    /// To the string with this number, which is so many behind the one that is looked for.
    last: u16,
    chain: u16,
}

/// Along one chain, the nearest string first.
struct Walk<'a, F> {
    links: &'a [Links; SIZE],
    at: usize,
    reach: Reach<'a>,
    link: F,
}

impl<F: Fn(Links) -> u16> Iterator for Walk<'_, F> {
    type Item = usize;

    #[inline]
    fn next(&mut self) -> Option<usize> {
        while self.at >= self.reach.floor {
            let links = self.links[self.at % SIZE];
            let place = self.at;
            let link = (self.link)(links);
            self.at = if link == 0 { 0 } else { place - usize::from(link) };
            if links.number.wrapping_sub(self.reach.last) <= self.reach.chain {
                return Some(place);
            }
            // Numbers compare within zlib's chain. A string of another one stands here when their longer hashes agree.
            let Reach { text, of, .. } = self.reach;
            if text[place..].first_chunk::<MIN_MATCH>() == text[of..].first_chunk() {
                return None;
            }
        }
        None
    }
}

/// The first of the longest ones on this walk.
#[inline]
fn best(text: &[u8], at: usize, walk: impl Iterator<Item = usize>, wanted: Wanted) -> Option<Match> {
    let mut found = None;
    let mut length = wanted.above;
    if length >= wanted.most {
        return None;
    }
    // Longer is only what agrees in the bytes around the end of the best one so far.
    let mut end = four(text, at + length - 3);
    for place in walk {
        if four(text, place + length - 3) != end {
            continue;
        }
        let common = common(&text[place..], &text[at..at + wanted.most]);
        if common > length {
            length = common;
            found = Some(Match { length, distance: at - place });
            if length >= wanted.nice || length >= wanted.most {
                break;
            }
            end = four(text, at + length - 3);
        }
    }
    found
}

#[inline]
fn four(text: &[u8], at: usize) -> u32 {
    text[at..].first_chunk().map_or(0, |bytes| u32::from_le_bytes(*bytes))
}

/// The eight bytes from `at` on, zeros behind the end.
#[inline]
fn word(text: &[u8], at: usize) -> u64 {
    if let Some(bytes) = text[at..].first_chunk() {
        return u64::from_le_bytes(*bytes);
    }
    text[at..].iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte))
}

/// So many bytes at the beginning of both are the same.
#[inline]
fn common(one: &[u8], other: &[u8]) -> usize {
    debug_assert!(other.len() <= MAX_MATCH);
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
