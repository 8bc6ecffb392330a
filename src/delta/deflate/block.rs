//! Blocks: symbols gathered until there are enough, then written in the shortest of the three forms, as zlib's
//! `_tr_flush_block` reckons; and the bits.

use super::chains::Match;
use super::huffman::{Code, MAX_BITS};
use super::window::{AtEnd, MIN_MATCH, Window};
use super::{Goal, Program};

const END_OF_BLOCK: usize = 256;
const LITERALS: usize = 286;
const DISTANCES: usize = 30;
/// The longest code of a code length, in bits.
const MAX_LENGTH_BITS: usize = 7;
/// The order in which the lengths of the codes of code lengths stand, RFC 1951 section 3.2.7.
const ORDER: [usize; 19] = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];

/// Whether a block is the stream's last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Last {
    No,
    Yes,
}

/// A byte as it is, or a match.
#[derive(Clone, Copy, Debug)]
struct Symbol {
    /// 0 for a byte.
    distance: u16,
    /// The byte; of a match its length less three.
    value: u8,
}

/// What is written where one alphabet's codes do not reach: a code and bits behind it.
#[derive(Clone, Copy, Debug)]
struct Coded {
    code: usize,
    extra: u32,
    extra_bits: u32,
}

/// A stream, block after block.
#[derive(Debug)]
pub(super) struct Blocks<'a> {
    program: Program,
    goal: Goal<'a>,
    /// So many bytes of `out` meet the goal.
    met: usize,
    out: Bits,
    /// Where the block begins, in the encoder's text.
    begin: usize,
    symbols: Vec<Symbol>,
    literals: [u16; LITERALS],
    distances: [u16; DISTANCES],
    fixed: Fixed,
}

/// The codes of RFC 1951 section 3.2.6.
#[derive(Debug)]
struct Fixed {
    literals: Code,
    distances: Code,
}

impl<'a> Blocks<'a> {
    pub(super) fn new(program: Program, goal: Goal<'a>) -> Blocks<'a> {
        let lengths = [(8, 144), (9, 112), (7, 24), (8, 8)];
        let lengths = lengths.iter().flat_map(|&(length, count)| std::iter::repeat_n(length, count)).collect();
        let fixed = Fixed { literals: Code::with_lengths(lengths), distances: Code::with_lengths(vec![5; DISTANCES]) };
        let mut blocks = Blocks {
            program,
            goal,
            met: 0,
            out: Bits::default(),
            begin: 0,
            symbols: Vec::new(),
            literals: [0; LITERALS],
            distances: [0; DISTANCES],
            fixed,
        };
        blocks.begin(0);
        blocks
    }

    pub(super) fn at_end(&self) -> AtEnd {
        match self.program {
            Program::Pigz | Program::Zlib => AtEnd::Moves,
            Program::Gzip => AtEnd::Stands,
        }
    }

    /// A block with this many symbols is full: zlib's `lit_bufsize` for the default memory level, less one; gzip's.
    fn most_symbols(&self) -> usize {
        match self.program {
            Program::Pigz | Program::Zlib => (16 << 10) - 1,
            Program::Gzip => (32 << 10) - 1,
        }
    }

    /// A new block, of the text from here on.
    pub(super) fn begin(&mut self, begin: usize) {
        self.begin = begin;
        self.symbols.clear();
        self.literals.fill(0);
        self.distances.fill(0);
        self.literals[END_OF_BLOCK] = 1;
    }

    /// One more byte; says whether the block is full.
    #[inline]
    pub(super) fn literal(&mut self, byte: u8) -> bool {
        self.symbols.push(Symbol { distance: 0, value: byte });
        self.literals[usize::from(byte)] += 1;
        self.symbols.len() == self.most_symbols()
    }

    /// One more match; says whether the block is full.
    #[inline]
    pub(super) fn pair(&mut self, found: Match) -> bool {
        let symbol = Symbol { distance: found.distance as u16, value: (found.length - MIN_MATCH) as u8 };
        self.symbols.push(symbol);
        self.literals[length_code(symbol.value).code] += 1;
        self.distances[distance_code(symbol.distance).code] += 1;
        self.symbols.len() == self.most_symbols()
    }

    /// GNU gzip's guess, every 4096 symbols, that a new block would do better: when matches are few and yet the block is
    /// certain to come out at half its text or less.
    pub(super) fn is_worth_ending(&self, window: &Window) -> bool {
        if self.program != Program::Gzip || !self.symbols.len().is_multiple_of(4096) {
            return false;
        }
        let pairs = self.distances.iter().enumerate();
        let bits = pairs.map(|(code, &count)| usize::from(count) * (5 + distance_extra_bits(code) as usize));
        let out = (self.symbols.len() * 8 + bits.sum::<usize>()) / 8;
        let matches: usize = self.distances.iter().map(|&count| usize::from(count)).sum();
        matches < self.symbols.len() / 2 && out < (window.at - self.begin) / 2
    }

    /// Writes the block, which ends where the window stands. `None` if the stream misses its goal.
    pub(super) fn flush(&mut self, text: &[u8], window: &Window, last: Last) -> Option<()> {
        let literals = Code::of(&self.literals, MAX_BITS);
        let distances = Code::of(&self.distances, MAX_BITS);
        let header = Header::of(&literals, &distances);
        let extra = self.extra_bits();
        let bytes = |bits: usize| (bits + 3).div_ceil(8);
        let own = bytes(header.cost() + literals.cost(&self.literals) + distances.cost(&self.distances) + extra);
        let fixed =
            bytes(self.fixed.literals.cost(&self.literals) + self.fixed.distances.cost(&self.distances) + extra);
        let stored = &text[self.begin..window.at];
        // What has left zlib's window can no longer be stored.
        if stored.len() + 4 <= own.min(fixed) && self.begin >= window.base {
            self.out.stored(stored, last);
        } else if fixed <= own {
            self.out.put(1 << 1 | u32::from(last == Last::Yes), 3);
            self.out.symbols(&self.symbols, &self.fixed.literals, &self.fixed.distances);
        } else {
            self.out.put(2 << 1 | u32::from(last == Last::Yes), 3);
            header.write(&mut self.out);
            self.out.symbols(&self.symbols, &literals, &distances);
        }
        self.begin(window.at);
        if last == Last::Yes {
            self.out.align();
        }
        self.check()
    }

    /// Ends the block, if it has any symbols, and fills up to a byte boundary as pigz does: from an odd number of bits with
    /// an empty stored block, otherwise with empty fixed ones, of ten bits each.
    pub(super) fn pause(&mut self, text: &[u8], window: &Window) -> Option<()> {
        if !self.symbols.is_empty() {
            self.flush(text, window, Last::No)?;
        }
        if self.out.bits_over() % 2 == 1 {
            self.out.stored(&[], Last::No);
        }
        while self.out.bits_over() != 0 {
            self.out.put(1 << 1, 10);
        }
        self.check()
    }

    /// Bits behind the codes, in the whole block.
    fn extra_bits(&self) -> usize {
        let lengths = self.literals[END_OF_BLOCK + 1..].iter().enumerate();
        let distances = self.distances.iter().enumerate();
        let lengths = lengths.map(|(code, &count)| length_extra_bits(code) as usize * usize::from(count));
        let distances = distances.map(|(code, &count)| distance_extra_bits(code) as usize * usize::from(count));
        lengths.sum::<usize>() + distances.sum::<usize>()
    }

    fn check(&mut self) -> Option<()> {
        let out = &self.out.bytes;
        let meets = match self.goal {
            Goal::Exactly(goal) => goal.get(self.met..out.len()) == Some(&out[self.met..]),
            Goal::AtMost(most) => out.len() <= most,
        };
        self.met = out.len();
        meets.then_some(())
    }

    /// The stream; `None` if it misses the goal.
    pub(super) fn into_stream(self) -> Option<Vec<u8>> {
        let meets = match self.goal {
            Goal::Exactly(goal) => self.out.bytes.len() == goal.len(),
            Goal::AtMost(_) => true,
        };
        meets.then_some(self.out.bytes)
    }
}

/// The codes of a block, told ahead of it: their lengths in runs, and a code for those.
struct Header {
    literals: usize,
    distances: usize,
    runs: Vec<Coded>,
    code: Code,
    /// So many of the lengths of `code` are told.
    told: usize,
}

impl Header {
    fn of(literals: &Code, distances: &Code) -> Header {
        let mut runs = Vec::new();
        put_runs(&literals.lengths, &mut runs);
        put_runs(&distances.lengths, &mut runs);
        let mut counts = [0; ORDER.len()];
        for run in &runs {
            counts[run.code] += 1;
        }
        let code = Code::of(&counts, MAX_LENGTH_BITS);
        let used = |&symbol: &usize| code.lengths.get(symbol).is_some_and(|&length| length > 0);
        let told = ORDER.iter().rposition(used).map_or(4, |last| (last + 1).max(4));
        Header { literals: literals.lengths.len(), distances: distances.lengths.len(), runs, code, told }
    }

    /// In bits.
    fn cost(&self) -> usize {
        let runs = self.runs.iter().map(|run| usize::from(self.code.lengths[run.code]) + run.extra_bits as usize);
        5 + 5 + 4 + 3 * self.told + runs.sum::<usize>()
    }

    fn write(&self, out: &mut Bits) {
        out.put((self.literals - 257) as u32, 5);
        out.put((self.distances - 1) as u32, 5);
        out.put((self.told - 4) as u32, 4);
        for &symbol in &ORDER[..self.told] {
            out.put(u32::from(self.code.lengths.get(symbol).copied().unwrap_or_default()), 3);
        }
        for run in &self.runs {
            out.code(&self.code, run.code);
            out.put(run.extra, run.extra_bits);
        }
    }
}

/// Runs of equal lengths as zlib's `scan_tree` cuts them: 138 zeros or 6 others at most; what is too short for a run's code
/// goes one by one.
fn put_runs(lengths: &[u8], runs: &mut Vec<Coded>) {
    let mut before = None;
    let mut rest = lengths;
    while let Some(&length) = rest.first() {
        let same = rest.iter().take_while(|&&other| other == length).count();
        let plain = Coded { code: usize::from(length), extra: 0, extra_bits: 0 };
        // A length other than zero stands once as it is before it is repeated.
        let first = usize::from(length != 0 && before != Some(length));
        let most = if length == 0 { 138 } else { 6 + first };
        let taken = same.min(most);
        let repeated = taken - first;
        if repeated < 3 {
            runs.extend(std::iter::repeat_n(plain, taken));
        } else {
            runs.extend(std::iter::repeat_n(plain, first));
            let (code, least, extra_bits) = match (length, repeated) {
                (0, ..=10) => (17, 3, 3),
                (0, _) => (18, 11, 7),
                _ => (16, 3, 2),
            };
            runs.push(Coded { code, extra: (repeated - least) as u32, extra_bits });
        }
        before = Some(length);
        rest = &rest[taken..];
    }
}

/// RFC 1951 section 3.2.5, for a length less three.
#[inline]
fn length_code(value: u8) -> Coded {
    let first = END_OF_BLOCK + 1;
    match value {
        255 => Coded { code: first + 28, extra: 0, extra_bits: 0 },
        ..8 => Coded { code: first + usize::from(value), extra: 0, extra_bits: 0 },
        _ => {
            let extra_bits = value.ilog2() - 2;
            let code = first + 4 * (extra_bits as usize + 1) + usize::from(value >> extra_bits & 3);
            Coded { code, extra: u32::from(value) & ((1 << extra_bits) - 1), extra_bits }
        }
    }
}

/// By the code's place behind the end of block.
fn length_extra_bits(code: usize) -> u32 {
    if code < 8 || code == 28 { 0 } else { code as u32 / 4 - 1 }
}

/// RFC 1951 section 3.2.5.
#[inline]
fn distance_code(distance: u16) -> Coded {
    let value = u32::from(distance) - 1;
    if value < 4 {
        return Coded { code: value as usize, extra: 0, extra_bits: 0 };
    }
    let extra_bits = value.ilog2() - 1;
    let code = (2 * (extra_bits + 1) + (value >> extra_bits & 1)) as usize;
    Coded { code, extra: value & ((1 << extra_bits) - 1), extra_bits }
}

fn distance_extra_bits(code: usize) -> u32 {
    (code as u32 / 2).saturating_sub(1)
}

/// Bits, the first one lowest.
#[derive(Debug, Default)]
struct Bits {
    bytes: Vec<u8>,
    hold: u64,
    held: u32,
}

impl Bits {
    /// At most 32 bits.
    #[inline]
    fn put(&mut self, value: u32, count: u32) {
        self.hold |= u64::from(value) << self.held;
        self.held += count;
        while self.held >= 8 {
            self.bytes.push(self.hold as u8);
            self.hold >>= 8;
            self.held -= 8;
        }
    }

    #[inline]
    fn code(&mut self, code: &Code, symbol: usize) {
        self.put(u32::from(code.bits[symbol]), u32::from(code.lengths[symbol]));
    }

    /// So many bits stand behind the last whole byte.
    fn bits_over(&self) -> u32 {
        self.held
    }

    fn align(&mut self) {
        if self.held > 0 {
            self.put(0, 8 - self.held);
        }
    }

    fn stored(&mut self, bytes: &[u8], last: Last) {
        self.put(u32::from(last == Last::Yes), 3);
        self.align();
        let length = bytes.len() as u32;
        self.put(length, 16);
        self.put(!length & 0xffff, 16);
        self.bytes.extend_from_slice(bytes);
    }

    fn symbols(&mut self, symbols: &[Symbol], literals: &Code, distances: &Code) {
        for symbol in symbols {
            if symbol.distance == 0 {
                self.code(literals, usize::from(symbol.value));
                continue;
            }
            let length = length_code(symbol.value);
            self.code(literals, length.code);
            self.put(length.extra, length.extra_bits);
            let distance = distance_code(symbol.distance);
            self.code(distances, distance.code);
            self.put(distance.extra, distance.extra_bits);
        }
        self.code(literals, END_OF_BLOCK);
    }
}
