//! Standard output: the only place that writes to it. A reader that went away (`bivouac status | head -1`) ends the
//! program quietly, as SIGPIPE does for programs that do not catch it.

use std::fmt::Display;
use std::io::{self, Write};

use bivouac::finding::Finding;
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

/// Prints what a look found, each with its hint.
pub(crate) fn findings(findings: &[Finding]) -> Result<(), Failure> {
    for finding in findings {
        line(format_args!("{}: {} ({})", finding.subject, finding.message, finding.code))?;
        if let Some(hint) = &finding.hint {
            line(format_args!("  hint: {hint}"))?;
        }
    }
    Ok(())
}

/// A name that somebody else chose, with nothing in it that a terminal would obey.
pub(crate) fn printable(name: &str) -> String {
    let shown = |c: char| if matches!(c, '"' | '\'' | '\\') { c.to_string() } else { c.escape_debug().to_string() };
    name.chars().map(shown).collect()
}

/// How many findings there are, or `nothing`.
pub(crate) fn verdict(findings: &[Finding], nothing: &str) -> String {
    match findings.len() {
        0 => nothing.to_owned(),
        1 => "1 finding".to_owned(),
        count => format!("{count} findings"),
    }
}

fn write(print: impl FnOnce(&mut io::BufWriter<io::StdoutLock<'static>>) -> io::Result<()>) -> Result<(), Failure> {
    let mut out = io::BufWriter::new(io::stdout().lock());
    print(&mut out).and_then(|()| out.flush()).map_err(|error| match error.kind() {
        io::ErrorKind::BrokenPipe => Failure::reader_gone(),
        _ => Failure::host("cannot write to standard output", &error),
    })
}
