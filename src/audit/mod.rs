//! Access logs, explained: who fetched what, why a request found nothing, who works with an old index, who is looking for
//! holes.
//!
//! Nothing here reads a file: [`log`] parses one line, also Caddy's, [`known`] says what the mirror showed when, [`causes`] explains a request
//! by it, [`probe`] knows what scanners ask for, [`tally`] adds up, and [`summary`] is what is told. What always holds:
//!
//! - Memory is bounded however long the log is and whatever is in it: [`top`] keeps the heaviest of each kind, and says by how
//!   much a count may be too low.
//! - What came from a log leaves only through [`printable`]: no control character reaches a terminal.

pub mod causes;
mod json;
pub mod known;
pub mod log;
mod path;
mod printable;
pub mod probe;
pub mod summary;
pub mod tally;
mod top;

pub use causes::{Cause, Explained};
pub use known::{Known, PackageShown, Shown, Withdrawal};
pub use printable::printable;
pub use summary::{Summary, Told};
pub use tally::{Burst, Rules, Tally};
