//! Access logs, read against what the mirror showed when. Nothing is written, and no lock is taken.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use flate2::bufread::MultiGzDecoder;
use serde::Serialize;

use super::states::still_there;
use super::{Error, Mirror};
use crate::apk::names::Place;
use crate::audit::log::{self, LONGEST_LINE};
use crate::audit::{Known, PackageShown, Shown, Summary, Tally, Withdrawal, printable};
use crate::config::Config;
use crate::plan::publish::Generation;

pub use crate::audit::summary::{NotFound, Told};
pub use crate::audit::{Burst, Rules};

/// Lines that are no access log lines, of which samples are told.
const SAMPLES: usize = 3;

/// Where lines come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// A file, plain or gzip, whatever it is called.
    File(PathBuf),
    /// What the caller is sent.
    Standard,
}

/// What is asked for.
#[derive(Clone, Debug)]
pub struct AuditRequest {
    /// The logs, in any order.
    pub logs: Vec<Input>,
    /// What is counted, and what is remarkable.
    pub rules: Rules,
    /// How many packages and clients are told.
    pub top: usize,
    /// What stands in front of the tree's paths in requests; the public link's name may, in any case.
    pub prefix: Option<String>,
}

/// What an audit saw.
#[derive(Clone, Debug, Serialize)]
pub struct AuditReport {
    /// Each log, in the order in which they were read.
    pub logs: Vec<LogRead>,
    /// Lines that are no access log lines, all logs together.
    pub garbage: u64,
    /// A few of them.
    pub garbage_samples: Vec<Garbage>,
    /// Sums and findings.
    #[serde(flatten)]
    pub summary: Summary,
}

/// One log.
#[derive(Clone, Debug, Serialize)]
pub struct LogRead {
    /// Its path; `-` is standard input.
    pub log: String,
    /// Lines read.
    pub lines: u64,
    /// Those that are no access log lines.
    pub garbage: u64,
    /// Why it was not read, or not to its end.
    pub error: Option<String>,
}

/// A line that is no access log line.
#[derive(Clone, Debug, Serialize)]
pub struct Garbage {
    /// The log.
    pub log: String,
    /// Counted from 1.
    pub line: u64,
    /// Its beginning, printable.
    pub text: String,
}

/// Reads all logs; one that cannot be read is told in its place, and the others are read. `standard` is what [`Input::Standard`]
/// stands for, `progress` is told bytes of lines as they are read.
pub fn audit(
    config: &Config,
    request: &AuditRequest,
    standard: &mut dyn Read,
    progress: &(dyn Fn(u64) + Sync),
) -> Result<AuditReport, Error> {
    let mirror = Mirror::open(config)?;
    let known = known(&mirror, request.prefix.as_deref())?;
    let mut tally = Tally::new(&known, request.rules);
    let mut report = Reading { logs: Vec::new(), samples: Vec::new(), progress };
    for log in in_order_of_time(&request.logs) {
        match log {
            Input::Standard => report.read("-".to_owned(), Ok(Box::new(&mut *standard)), &mut tally),
            Input::File(path) => {
                let file = File::open(path).map(|file| Box::new(file) as Box<dyn Read>);
                report.read(printable(&path.display().to_string()), file, &mut tally);
            }
        }
    }
    Ok(AuditReport {
        garbage: report.logs.iter().map(|log| log.garbage).sum(),
        logs: report.logs,
        garbage_samples: report.samples,
        summary: tally.summary(request.top),
    })
}

/// Files by the time of their first request, for bursts are seen in that order; what cannot be read comes first, standard
/// input last, which cannot be looked at twice. One that is named twice is read once.
fn in_order_of_time(logs: &[Input]) -> Vec<&Input> {
    let mut timed: Vec<(Option<i64>, usize, &Input)> = Vec::new();
    for (at, log) in logs.iter().enumerate() {
        if timed.iter().any(|(_, _, other)| *other == log) {
            continue;
        }
        let first = match log {
            // Nor can a pipe that the shell names as a file.
            Input::File(path) if std::fs::metadata(path).is_ok_and(|about| about.is_file()) => {
                first_time(path).unwrap_or_default()
            }
            Input::Standard | Input::File(_) => Some(i64::MAX),
        };
        timed.push((first, at, log));
    }
    timed.sort_by_key(|(first, at, _)| (*first, *at));
    timed.into_iter().map(|(_, _, log)| log).collect()
}

/// The time of the first request among the first lines.
fn first_time(path: &Path) -> io::Result<Option<i64>> {
    let mut lines = Lines::new(Box::new(File::open(path)?))?;
    for _ in 0..1000 {
        match lines.next_line()? {
            None => return Ok(None),
            Some(Line::Whole(line)) => {
                if let Some(request) = log::parse(line) {
                    return Ok(Some(request.time));
                }
            }
            Some(Line::TooLong(_)) => {}
        }
    }
    Ok(None)
}

struct Reading<'p> {
    logs: Vec<LogRead>,
    samples: Vec<Garbage>,
    progress: &'p (dyn Fn(u64) + Sync),
}

impl Reading<'_> {
    fn read(&mut self, log: String, opened: io::Result<Box<dyn Read + '_>>, tally: &mut Tally<'_>) {
        let mut read = LogRead { log, lines: 0, garbage: 0, error: None };
        let ended = opened.and_then(Lines::new).and_then(|lines| self.lines(lines, &mut read, tally));
        read.error = ended.err().map(|error| printable(&error.to_string()));
        self.logs.push(read);
    }

    fn lines(&mut self, mut lines: Lines<'_>, read: &mut LogRead, tally: &mut Tally<'_>) -> io::Result<()> {
        let mut bytes = 0;
        while let Some(line) = lines.next_line()? {
            read.lines += 1;
            let (Line::Whole(text) | Line::TooLong(text)) = &line;
            bytes += text.len() as u64 + 1;
            if bytes > 1 << 20 {
                (self.progress)(std::mem::take(&mut bytes));
            }
            if let Line::Whole(text) = line {
                if text.trim_ascii().is_empty() {
                    continue;
                }
                if let Some(request) = log::parse(text) {
                    tally.count(&request);
                    continue;
                }
            }
            read.garbage += 1;
            if self.samples.len() < SAMPLES {
                let text = printable(&String::from_utf8_lossy(&text[..text.len().min(400)]));
                self.samples.push(Garbage { log: read.log.clone(), line: read.lines, text });
            }
        }
        Ok(())
    }
}

/// A line without its end.
enum Line<'l> {
    Whole(&'l [u8]),
    /// The beginning of one that is longer than any that is kept.
    TooLong(&'l [u8]),
}

/// Lines of a log, plain or gzip, one at a time.
struct Lines<'r> {
    reader: Box<dyn BufRead + 'r>,
    line: Vec<u8>,
}

impl<'r> Lines<'r> {
    fn new(reader: Box<dyn Read + 'r>) -> io::Result<Self> {
        let mut reader = BufReader::with_capacity(128 << 10, reader);
        // By what it is, not by its name: rotated logs are called anything.
        let reader: Box<dyn BufRead + 'r> = if reader.fill_buf()?.starts_with(&[0x1f, 0x8b]) {
            Box::new(BufReader::with_capacity(128 << 10, MultiGzDecoder::new(reader)))
        } else {
            Box::new(reader)
        };
        Ok(Lines { reader, line: Vec::new() })
    }

    fn next_line(&mut self) -> io::Result<Option<Line<'_>>> {
        self.line.clear();
        let mut length = 0_usize;
        loop {
            let buffer = match self.reader.fill_buf() {
                Ok(buffer) => buffer,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            if buffer.is_empty() && length == 0 {
                return Ok(None);
            }
            let end = memchr::memchr(b'\n', buffer);
            let part = &buffer[..end.unwrap_or(buffer.len())];
            length = length.saturating_add(part.len());
            let room = LONGEST_LINE - self.line.len();
            self.line.extend_from_slice(&part[..part.len().min(room)]);
            let (taken, is_last) = (end.map_or(part.len(), |end| end + 1), end.is_some() || buffer.is_empty());
            self.reader.consume(taken);
            if is_last {
                break;
            }
        }
        Ok(Some(if length > LONGEST_LINE { Line::TooLong(&self.line) } else { Line::Whole(&self.line) }))
    }
}

/// What kept generations tell of live, and of each tree beside it.
fn known(mirror: &Mirror<'_>, prefix: Option<&str>) -> Result<Known, Error> {
    let link = mirror.tree.link().file_name().map(|name| name.to_string_lossy().into_owned());
    let asked = prefix.map(|prefix| prefix.trim_matches('/').to_owned()).filter(|prefix| !prefix.is_empty());
    // The longest first: `/mirror/alpine` before `/mirror`.
    let mut prefixes: Vec<String> =
        [asked.clone().zip(link.clone()).map(|(asked, link)| format!("{asked}/{link}")), asked, link]
            .into_iter()
            .flatten()
            .collect();
    prefixes.dedup();
    let withdrawn = mirror.ledger.withdrawn()?.into_iter().map(|taken| Withdrawal {
        name: taken.name.to_string(),
        version: taken.version.as_ref().map(ToString::to_string),
        time: taken.time,
    });
    let mut known = Known::new(prefixes, withdrawn.collect());
    let trees = mirror.tree.trees()?;
    let numbers: Vec<u64> =
        mirror.ledger.generation_numbers()?.into_iter().filter(|number| trees.contains(number)).collect();
    let mut aliases = Vec::new();
    for place in mirror.places()? {
        let Some(now) = mirror.tree.shown(&place)? else { continue };
        known.begin_view(match &place {
            Place::Live => None,
            Place::Beside(name) => Some(name.as_str()),
        });
        // One that was made and is not shown yet has a higher number; each is let go before the next is read.
        for number in numbers.iter().filter(|number| **number <= now) {
            let Some(summary) = still_there(mirror.ledger.generation_summary(*number))? else { continue };
            if summary.place != place && *number != now {
                continue;
            }
            let Some(generation) = still_there(mirror.ledger.generation(*number))? else { continue };
            add(&mut known, &generation);
            if place == Place::Live && *number == now {
                aliases.extend(generation.aliases.iter().map(|(link, folder)| (link.to_string(), folder.to_string())));
            }
        }
    }
    known.finish(aliases.iter().map(|(link, folder)| (link.as_str(), folder.as_str())));
    Ok(known)
}

fn add(known: &mut Known, generation: &Generation) {
    known.add_generation(Shown { number: generation.number, time: generation.time });
    for state in &generation.repositories {
        let files = state.files.iter().map(|placed| PackageShown {
            file: placed.file.as_str(),
            name: placed.file.name().len(),
            left: placed.left,
        });
        let folder = state.name.folder(&state.arch);
        known.add_folder(&folder.to_string_lossy(), state.arch.as_str(), &state.name.line(&state.arch), files);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines_of(bytes: Vec<u8>) -> Vec<(usize, &'static str)> {
        let mut lines = Lines::new(Box::new(io::Cursor::new(bytes))).unwrap();
        let mut found = Vec::new();
        while let Some(line) = lines.next_line().unwrap() {
            found.push(match line {
                Line::Whole(text) => (text.len(), "whole"),
                Line::TooLong(text) => (text.len(), "too long"),
            });
        }
        found
    }

    #[test]
    fn no_line_is_kept_that_is_longer_than_the_bound() {
        let mut bytes = vec![b'a'; LONGEST_LINE];
        bytes.push(b'\n');
        bytes.extend(vec![b'b'; 5 << 20]);
        bytes.extend(b"\nshort\n\nlast");
        let whole = [(LONGEST_LINE, "whole"), (LONGEST_LINE, "too long"), (5, "whole"), (0, "whole"), (4, "whole")];
        assert_eq!(lines_of(bytes), whole);
        assert_eq!(lines_of(Vec::new()), []);
        assert_eq!(lines_of(b"\n".to_vec()), [(0, "whole")]);
    }
}
