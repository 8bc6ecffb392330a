//! What of the text zlib would have in its window, which is twice 32 KiB. The text itself lies in memory as a whole; what
//! has to be known is when the window moves, for the string at its very beginning is never found, and how far it is filled.

/// The window's size, in bytes: how far back deflate reaches.
pub(super) const SIZE: usize = 32 << 10;
/// The longest match, in bytes.
pub(super) const MAX_MATCH: usize = 258;
/// The shortest one.
pub(super) const MIN_MATCH: usize = 3;
/// With fewer bytes than this ahead the window is filled up: a match, and the beginning of one behind it.
const MIN_AHEAD: usize = MAX_MATCH + MIN_MATCH + 1;
/// How far back zlib looks: as far as the window reaches when it moves.
pub(super) const MAX_DISTANCE: usize = SIZE - MIN_AHEAD;

/// Whether the window still moves when all of the text was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AtEnd {
    /// zlib's does.
    Moves,
    /// GNU gzip's does not; it finds no matches in the last bytes of a full window.
    Stands,
}

/// Positions count from where the window began.
#[derive(Debug)]
pub(super) struct Window {
    at_end: AtEnd,
    /// The position of the window's first byte. No match is found there.
    pub(super) base: usize,
    /// What comes next.
    pub(super) at: usize,
    /// So many bytes from there on are in the window.
    pub(super) ahead: usize,
    /// Nothing is left to be read; gzip knows when it has tried.
    ended: bool,
}

impl Window {
    pub(super) fn new(at_end: AtEnd) -> Window {
        Window { at_end, base: 0, at: 0, ahead: 0, ended: false }
    }

    /// Makes sure that enough is ahead, or all there is up to `end`; zlib's and gzip's `fill_window`.
    pub(super) fn fill(&mut self, end: usize) {
        while self.ahead < MIN_AHEAD && !self.ended {
            if self.at - self.base >= SIZE + MAX_DISTANCE {
                self.base += SIZE;
            }
            let room = self.base + 2 * SIZE - self.at - self.ahead;
            let left = end - self.at - self.ahead;
            self.ahead += room.min(left);
            if left == 0 {
                self.ended = self.at_end == AtEnd::Stands;
                break;
            }
            if self.at_end == AtEnd::Moves && left <= room {
                break;
            }
        }
    }

    /// Whether matches are looked for here.
    pub(super) fn is_open(&self) -> bool {
        self.at - self.base <= 2 * SIZE - MIN_AHEAD || self.at_end == AtEnd::Moves
    }

    /// Moves on.
    pub(super) fn advance(&mut self, bytes: usize) {
        self.at += bytes;
        self.ahead -= bytes;
    }
}
