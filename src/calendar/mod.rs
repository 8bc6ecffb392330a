//! When is something due? Lines of a crontab, and what becomes of them on a clock that jumps.
//!
//! ```text
//! "17 */4 * * *" ──▶ line.rs: fields → sets, checked with their column ──▶ next.rs: the next instant in a time zone
//!                                                                        └▶ appointment.rs: what is due now, once
//! ```
//!
//! What always holds: no instant comes twice from one line, and none that the line names is left out because a zone's clocks
//! were set forward. The time of day is an argument.

mod appointment;
mod line;
mod next;

pub use appointment::{Appointment, Rule};
pub use line::{BadLine, CrontabLine};
