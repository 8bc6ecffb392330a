//! Standard output: the only place that writes to it. A reader that went away (`bivouac status | head -1`) ends the
//! program quietly, as SIGPIPE does for programs that do not catch it.

use std::fmt::Display;
use std::io::{self, Write};

use serde::Serialize;

use super::Failure;

/// Prints one line.
pub(crate) fn line(text: impl Display) -> Result<(), Failure> {
    write(|out| writeln!(out, "{text}"))
}

/// Prints text as it is.
pub(crate) fn text(text: impl Display) -> Result<(), Failure> {
    write(|out| write!(out, "{text}"))
}

/// Prints a command's one JSON value and a newline.
pub(crate) fn json(value: &impl Serialize) -> Result<(), Failure> {
    write(|out| {
        serde_json::to_writer(&mut *out, value)?;
        out.write_all(b"\n")
    })
}

fn write(print: impl FnOnce(&mut io::BufWriter<io::StdoutLock<'static>>) -> io::Result<()>) -> Result<(), Failure> {
    let mut out = io::BufWriter::new(io::stdout().lock());
    print(&mut out).and_then(|()| out.flush()).map_err(|error| match error.kind() {
        io::ErrorKind::BrokenPipe => Failure::reader_gone(),
        _ => Failure::host("cannot write to standard output", &error),
    })
}
