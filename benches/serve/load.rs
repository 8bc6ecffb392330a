//! What clients do to a server, and what came of it.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::FOLDER;
use crate::contestants::{Contestant, on_processor};
use crate::outcome::Outcome;

/// Seconds of each measurement.
const SECONDS: u32 = 3;

/// What is asked for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Load {
    /// The file.
    Whole,
    /// The file, by a client that has it.
    ByTag,
}

/// One line of the table.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) file: &'static str,
    pub(crate) load: Load,
    pub(crate) connections: usize,
    /// How many times nginx's figure ours is to be, at the least.
    pub(crate) goal: f64,
}

/// What wrk counted in a second.
#[derive(Clone, Copy)]
pub(crate) struct Measured {
    requests: f64,
    bytes: f64,
}

impl Case {
    /// wrk on the second processor.
    pub(crate) fn run(&self, contestant: &Contestant) -> Outcome<Measured> {
        let mut command = on_processor(1, "wrk");
        command.args(["-t1", &format!("-c{}", self.connections), &format!("-d{SECONDS}s")]);
        if self.load == Load::ByTag {
            command.arg("-H").arg(format!("If-None-Match: {}", tag(contestant, self.file)?));
        }
        let output = command.arg(format!("http://{}/{FOLDER}/{}", contestant.address, self.file)).output()?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        if !output.status.success() || text.contains("Non-2xx") || text.contains("Socket errors") {
            return Err(format!("wrk on {}: {text}{}", self.name, String::from_utf8_lossy(&output.stderr)).into());
        }
        let figure = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
        let requests = figure("Requests/sec:").ok_or("wrk says nothing of requests")?.parse()?;
        let bytes = figure("Transfer/sec:").and_then(amount).ok_or("wrk says nothing of bytes")?;
        Ok(Measured { requests, bytes })
    }

    /// In Markdown.
    pub(crate) fn row(&self, ours: &[Measured], theirs: &[Measured]) -> String {
        let (ours, theirs) = (self.figures(ours), self.figures(theirs));
        let (goal, ratio) = (self.goal, ours.median / theirs.median);
        format!("| {} | {} | {} | {ratio:.2} | ≥ {goal} |", self.name, ours.text, theirs.text)
    }

    /// Requests where those are the matter, else bytes.
    fn figures(&self, all: &[Measured]) -> Figures {
        let is_large = self.load == Load::Whole && self.connections < 64;
        let mut values: Vec<f64> =
            all.iter().map(|one| if is_large { one.bytes / 1e6 } else { one.requests / 1e3 }).collect();
        values.sort_by(f64::total_cmp);
        let (least, median, most) = (values[0], values[values.len() / 2], values[values.len() - 1]);
        let (unit, places) = if is_large { ("MB/s", 0) } else { ("k/s", 1) };
        Figures { median, text: format!("{median:.places$} {unit} ({least:.places$} to {most:.places$})") }
    }
}

struct Figures {
    median: f64,
    text: String,
}

/// `1.23GB`, in wrk's units of 1024.
fn amount(text: &str) -> Option<f64> {
    let digits = text.trim_end_matches(char::is_alphabetic);
    let unit = match &text[digits.len()..] {
        "B" => 1.0,
        "KB" => 1024.0,
        "MB" => 1024.0 * 1024.0,
        "GB" => 1024.0 * 1024.0 * 1024.0,
        _ => return None,
    };
    Some(digits.parse::<f64>().ok()? * unit)
}

fn tag(contestant: &Contestant, file: &str) -> Outcome<String> {
    let mut wire = TcpStream::connect(contestant.address)?;
    write!(wire, "HEAD /{FOLDER}/{file} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")?;
    let mut head = String::new();
    wire.read_to_string(&mut head)?;
    let tag = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("etag").then(|| value.trim().to_owned())
    });
    tag.ok_or_else(|| format!("no ETag in {head}").into())
}

/// Bytes of memory that a server has while so many clients have asked for `file` and are still connected. Each has taken the
/// first bytes of its reply, and no more than fits between the two.
pub(crate) fn with_connections(contestant: &Contestant, file: &str, connections: usize) -> Outcome<u64> {
    let allowed = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: allowed.maximum, ..allowed })?;
    let mut wires = Vec::with_capacity(connections);
    for _ in 0..connections {
        let mut wire = TcpStream::connect(contestant.address)?;
        write!(wire, "GET /{FOLDER}/{file} HTTP/1.1\r\nHost: x\r\n\r\n")?;
        wires.push(wire);
    }
    for wire in &mut wires {
        wire.read_exact(&mut [0; 512])?;
    }
    std::thread::sleep(Duration::from_secs(1));
    contestant.memory()
}
