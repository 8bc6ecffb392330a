//! Code lengths, as zlib's `build_tree` and `gen_bitlen` choose them: an optimal code is not the only one, and which of them
//! comes out depends on how equals are ordered in the heap.

/// The longest code that deflate allows, in bits.
pub(super) const MAX_BITS: usize = 15;
/// Codes of literals and lengths, the larger of the two alphabets of a block.
const MOST_CODES: usize = 286;
/// Leaves and inner nodes.
const MOST_NODES: usize = 2 * MOST_CODES + 1;

/// A prefix code.
#[derive(Clone, Debug)]
pub(super) struct Code {
    /// By symbol, in bits; 0 for one that does not occur. Ends with the last that does.
    pub(super) lengths: Vec<u8>,
    /// By symbol, the first bit lowest.
    pub(super) bits: Vec<u16>,
}

/// A tree in the making. Its heap's numbers are from 1, as the heap's children are at 2n and 2n + 1.
struct Tree {
    counts: [u16; MOST_NODES],
    depths: [u8; MOST_NODES],
    parents: [u16; MOST_NODES],
    heap: [u16; MOST_NODES],
    heap_length: usize,
    /// Nodes that left the heap stand behind it, from here on, the rarest last.
    sorted_from: usize,
}

impl Code {
    /// The code for symbols that occur so often: `counts` are below 2^16 together.
    pub(super) fn of(counts: &[u16], most_bits: usize) -> Code {
        let mut tree = Tree {
            counts: [0; MOST_NODES],
            depths: [0; MOST_NODES],
            parents: [0; MOST_NODES],
            heap: [0; MOST_NODES],
            heap_length: 0,
            sorted_from: MOST_NODES,
        };
        let last = tree.plant(counts);
        tree.grow(counts.len());
        let lengths = tree.lengths(last, most_bits);
        Code::with_lengths(lengths)
    }

    /// The code with these lengths, RFC 1951 section 3.2.2.
    pub(super) fn with_lengths(lengths: Vec<u8>) -> Code {
        let mut next = starts(&lengths);
        let bits = lengths.iter().map(|&length| {
            let slot = &mut next[usize::from(length)];
            let code = *slot;
            *slot = slot.wrapping_add(1);
            if length == 0 { 0 } else { code.reverse_bits() >> (16 - length) }
        });
        let bits = bits.collect();
        Code { lengths, bits }
    }

    /// Bits of so many symbols of each kind, without the extra ones.
    pub(super) fn cost(&self, counts: &[u16]) -> usize {
        self.lengths.iter().zip(counts).map(|(&length, &count)| usize::from(length) * usize::from(count)).sum()
    }
}

/// The first code of each length.
fn starts(lengths: &[u8]) -> [u16; MAX_BITS + 1] {
    let mut counts = [0_u16; MAX_BITS + 1];
    for &length in lengths {
        counts[usize::from(length)] += 1;
    }
    counts[0] = 0;
    let mut starts = [0; MAX_BITS + 1];
    for length in 1..=MAX_BITS {
        starts[length] = (starts[length - 1] + counts[length - 1]) << 1;
    }
    starts
}

impl Tree {
    /// Puts every symbol that occurs in the heap, and such that do not until they are two. Says the last one's number.
    fn plant(&mut self, counts: &[u16]) -> usize {
        let mut last = None;
        for (symbol, &count) in counts.iter().enumerate().filter(|(_, count)| **count > 0) {
            self.push(symbol, count);
            last = Some(symbol);
        }
        while self.heap_length < 2 {
            let symbol = match last {
                None => 0,
                Some(last @ (0 | 1)) => last + 1,
                Some(_) => 0,
            };
            last = last.max(Some(symbol));
            self.push(symbol, 1);
        }
        last.unwrap_or_default()
    }

    fn push(&mut self, node: usize, count: u16) {
        self.counts[node] = count;
        self.heap_length += 1;
        self.heap[self.heap_length] = node as u16;
    }

    /// Joins the two rarest nodes until one is left; inner nodes are numbered from `next` on.
    fn grow(&mut self, mut next: usize) {
        for place in (1..=self.heap_length / 2).rev() {
            self.sink(place);
        }
        while self.heap_length >= 2 {
            let rarest = self.heap[1];
            self.heap[1] = self.heap[self.heap_length];
            self.heap_length -= 1;
            self.sink(1);
            let second = self.heap[1];
            for node in [rarest, second] {
                self.set_aside(node);
                self.parents[usize::from(node)] = next as u16;
            }
            let (one, other) = (usize::from(rarest), usize::from(second));
            self.counts[next] = self.counts[one].wrapping_add(self.counts[other]);
            self.depths[next] = self.depths[one].max(self.depths[other]) + 1;
            self.heap[1] = next as u16;
            self.sink(1);
            next += 1;
        }
        self.set_aside(self.heap[1]);
    }

    fn set_aside(&mut self, node: u16) {
        self.sorted_from -= 1;
        self.heap[self.sorted_from] = node;
    }

    /// zlib's `pqdownheap`.
    fn sink(&mut self, mut place: usize) {
        let node = self.heap[place];
        loop {
            let mut child = 2 * place;
            if child > self.heap_length {
                break;
            }
            if child < self.heap_length && self.is_smaller(self.heap[child + 1], self.heap[child]) {
                child += 1;
            }
            if self.is_smaller(node, self.heap[child]) {
                break;
            }
            self.heap[place] = self.heap[child];
            place = child;
        }
        self.heap[place] = node;
    }

    /// Rarer, or as rare and not deeper.
    fn is_smaller(&self, one: u16, other: u16) -> bool {
        let key = |node: u16| (self.counts[usize::from(node)], self.depths[usize::from(node)]);
        key(one) <= key(other)
    }

    /// zlib's `gen_bitlen`: depths in the tree, those that are too large cut and made up for by lengthening others.
    fn lengths(&self, last: usize, most_bits: usize) -> Vec<u8> {
        let mut lengths = [0_u8; MOST_NODES];
        let mut counts = [0_usize; MAX_BITS + 1];
        let mut too_long = 0;
        for &node in &self.heap[self.sorted_from + 1..] {
            let node = usize::from(node);
            let mut length = usize::from(lengths[usize::from(self.parents[node])]) + 1;
            if length > most_bits {
                length = most_bits;
                too_long += 1;
            }
            lengths[node] = length as u8;
            if node <= last {
                counts[length] += 1;
            }
        }
        if too_long > 0 {
            make_room(&mut counts, too_long, most_bits);
            self.spread(&mut lengths, counts, last, most_bits);
        }
        lengths[..=last].to_vec()
    }

    /// Gives the rarest symbols the longest codes, so many of each length.
    fn spread(&self, lengths: &mut [u8; MOST_NODES], counts: [usize; MAX_BITS + 1], last: usize, most_bits: usize) {
        let mut rarest = self.heap[self.sorted_from..].iter().rev().map(|&node| usize::from(node));
        for length in (1..=most_bits).rev() {
            for node in rarest.by_ref().filter(|&node| node <= last).take(counts[length]) {
                lengths[node] = length as u8;
            }
        }
    }
}

/// Turns the count of codes by length into one that a code can have, where `too_long` nodes were cut to `most_bits`.
fn make_room(counts: &mut [usize; MAX_BITS + 1], too_long: usize, most_bits: usize) {
    for _ in 0..too_long.div_ceil(2) {
        let mut length = most_bits - 1;
        while counts[length] == 0 {
            length -= 1;
        }
        // One leaf moves down the tree, its place becomes a node, and one of the cut ones its brother.
        counts[length] -= 1;
        counts[length + 1] += 2;
        counts[most_bits] -= 1;
    }
}
