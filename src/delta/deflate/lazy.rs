//! Which matches are taken: zlib's `deflate_slow`. A match is put off by one byte; if a longer one begins there, the byte goes
//! as it is.

use super::Effort;
use super::block::{Blocks, Last};
use super::chains::{Chains, Heads, Match, Wanted};
use super::window::{MAX_MATCH, MIN_MATCH, Window};

/// A deflate stream in the making.
pub(super) struct Encoder<'a> {
    all: &'a [u8],
    /// The text from where the window began.
    text: &'a [u8],
    effort: Effort,
    window: Window,
    chains: Chains,
    /// Strings right before `window.at` that are not in their chains yet: their third byte was not there.
    late: usize,
    blocks: Blocks<'a>,
}

/// What is known of the byte before the current one.
#[derive(Clone, Copy, Debug)]
enum Before {
    /// It has been told.
    Told,
    /// It has not, and this match begins there; the match may be too short to be one.
    Open(Match),
}

impl<'a> Encoder<'a> {
    pub(super) fn new(all: &'a [u8], effort: Effort, blocks: Blocks<'a>) -> Encoder<'a> {
        let window = Window::new(blocks.at_end());
        Encoder { all, text: all, effort, window, chains: Chains::new(), late: 0, blocks }
    }

    /// A new window over the text from `dictionary` on, of which what stands before `begin` is known to the reader.
    pub(super) fn restart(&mut self, dictionary: usize, begin: usize) {
        self.text = &self.all[dictionary..];
        self.window = Window::new(self.blocks.at_end());
        self.chains.clear();
        let known = begin - dictionary;
        self.late = known.min(MIN_MATCH - 1);
        for at in 0..known - self.late {
            self.chains.insert(self.text, at);
        }
        self.window.at = known;
        self.blocks.begin(known);
    }

    /// All up to `end`, of the whole text, and the end of the stream.
    pub(super) fn finish(&mut self, end: usize) -> Option<()> {
        self.run(end)?;
        self.blocks.flush(self.text, &self.window, Last::Yes)
    }

    /// All up to `end`, of the whole text, and pigz's filling up to a byte boundary.
    pub(super) fn pause(&mut self, end: usize) -> Option<()> {
        self.run(end)?;
        self.blocks.pause(self.text, &self.window)
    }

    /// The stream; `None` if it misses the goal.
    pub(super) fn into_stream(self) -> Option<Vec<u8>> {
        self.blocks.into_stream()
    }

    fn run(&mut self, end: usize) -> Option<()> {
        let end = end - (self.all.len() - self.text.len());
        let mut before = Before::Told;
        loop {
            self.fill(end);
            if self.window.ahead == 0 {
                break;
            }
            before = self.step(before)?;
        }
        if let Before::Open(_) = before {
            self.blocks.literal(self.text[self.window.at - 1]);
        }
        Some(())
    }

    #[inline]
    fn fill(&mut self, end: usize) {
        if self.window.ahead > MAX_MATCH + MIN_MATCH {
            return;
        }
        self.window.fill(end);
        while self.late > 0 && self.window.ahead + self.late >= MIN_MATCH {
            self.chains.insert(self.text, self.window.at - self.late);
            self.late -= 1;
        }
    }

    /// One byte further, or a match.
    #[inline]
    fn step(&mut self, before: Before) -> Option<Before> {
        let previous = match before {
            Before::Told => Match { length: MIN_MATCH - 1, distance: 0 },
            Before::Open(previous) => previous,
        };
        let found = if self.window.ahead >= MIN_MATCH {
            let heads = self.chains.insert(self.text, self.window.at);
            self.search(heads, previous.length)
        } else {
            None
        };
        if previous.length >= MIN_MATCH && found.is_none() {
            self.take(previous)?;
            return Some(Before::Told);
        }
        if let Before::Open(_) = before {
            let full = self.blocks.literal(self.text[self.window.at - 1]);
            if full || self.blocks.is_worth_ending(&self.window) {
                self.blocks.flush(self.text, &self.window, Last::No)?;
            }
        }
        self.window.advance(1);
        Some(Before::Open(found.unwrap_or(Match { length: MIN_MATCH - 1, distance: 0 })))
    }

    /// A match longer than the one before.
    #[inline]
    fn search(&self, heads: Heads, previous: usize) -> Option<Match> {
        let Window { at, ahead, base, .. } = self.window;
        if previous >= self.effort.lazy || !self.window.is_open() {
            return None;
        }
        let chain = if previous >= self.effort.good { self.effort.chain / 4 } else { self.effort.chain };
        let wanted =
            Wanted { above: previous, most: ahead.min(MAX_MATCH), nice: self.effort.nice.min(ahead), chain, base };
        self.chains.longest(self.text, at, heads, wanted)
    }

    /// Tells the match that begins one byte back.
    fn take(&mut self, previous: Match) -> Option<()> {
        let full = self.blocks.pair(previous);
        let worth = self.blocks.is_worth_ending(&self.window);
        let last = self.window.at + self.window.ahead - MIN_MATCH;
        for at in self.window.at + 1..self.window.at + previous.length - 1 {
            if at <= last {
                self.chains.insert(self.text, at);
            }
        }
        self.window.advance(previous.length - 1);
        if full || worth {
            self.blocks.flush(self.text, &self.window, Last::No)?;
        }
        Some(())
    }
}
