//! `cargo bench --bench audit`: 1 GB of access log, read by `bivouac audit`: a day of a busy mirror, plain and gzip, and logs that
//! were made to be remembered, of clients, paths and names that are all different, as many or as long as fit. Prints time, speed and
//! the peak of memory, and fails where that is above the bound. `$BIVOUAC_REAL_ALPINE` names the folder of real Alpine data, whose
//! package names are taken; `$BIVOUAC_BENCH_BYTES` is another size of log than a billion bytes.

// A bench is a program of its own that prints and writes scratch files; the library's house rules end at its door.
#![allow(clippy::print_stdout, clippy::print_stderr, clippy::disallowed_methods, missing_docs)]

#[path = "timing/mod.rs"]
#[allow(dead_code, reason = "shared")]
mod timing;

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::Instant;

use bivouac::apk::v2::index;
use bivouac::apk::v2::package::Recipe;
use bivouac::apk::v2::sections::{Limits, split_index};
use timing::Outcome;
use wait4::Wait4 as _;

/// No log may take more memory than this, bytes.
const BOUND: u64 = 200_000_000;
const FOLDER: &str = "v3.21/main/x86_64";

fn main() -> ExitCode {
    // `cargo test --benches` starts benches without this flag, and wants no measurement.
    if !std::env::args().any(|argument| argument == "--bench") {
        return ExitCode::SUCCESS;
    }
    match measured() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn measured() -> Outcome<()> {
    let bytes = std::env::var("BIVOUAC_BENCH_BYTES").ok().map_or(Ok(1_000_000_000), |text| text.parse())?;
    let scratch = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("bench-data").join("audit");
    if scratch.exists() {
        std::fs::remove_dir_all(&scratch)?;
    }
    let site = Site::published(scratch)?;
    println!(
        "{} packages are live, {} left the index; peak of memory at most {} MB",
        site.live.len(),
        site.left.len(),
        BOUND / 1_000_000
    );
    println!("{:<62} {:>9} {:>8} {:>9} {:>8}", "log", "lines", "seconds", "MB/s", "peak MB");
    let mut worst = 0;
    for (name, line) in LOGS {
        let plain = site.scratch.join("access.log");
        let lines = site.write(&plain, bytes, *line)?;
        worst = worst.max(site.audit(name, &plain, lines, bytes)?);
        if *name == LOGS[0].0 {
            let packed = site.scratch.join("access.log.gz");
            let mut encoder = flate2::write::GzEncoder::new(File::create(&packed)?, flate2::Compression::fast());
            std::io::copy(&mut File::open(&plain)?, &mut encoder)?;
            encoder.finish()?;
            worst = worst.max(site.audit("the same, gzip", &packed, lines, bytes)?);
            std::fs::remove_file(packed)?;
        }
        std::fs::remove_file(plain)?;
    }
    if worst > BOUND { Err(format!("{worst} bytes of memory").into()) } else { Ok(()) }
}

/// A log by its line of a number.
type Line = fn(&Site, &mut Chance, u64, &mut Vec<u8>);

const LOGS: &[(&str, Line)] = &[
    ("a day: 20,000 clients, packages, indexes, 404s, scanners", day),
    ("the same day as Caddy writes it", day_of_caddy),
    ("every client another, every path another, not found", all_others),
    ("names of 60 KB in a folder of ours, found and not found", long_names),
    ("40,000 clients, 404s in bursts, each with a long name for itself", bursts),
    ("names of 1 KB, refused, failed or not found, each by many", failures),
];

/// A mirror with two generations.
struct Site {
    scratch: PathBuf,
    live: Vec<String>,
    left: Vec<String>,
}

impl Site {
    fn published(scratch: PathBuf) -> Outcome<Site> {
        let names = names()?;
        let folder = scratch.join("packages/x86_64");
        std::fs::create_dir_all(&folder)?;
        let (mut live, mut left) = (Vec::new(), Vec::new());
        for (number, (name, version)) in names.iter().enumerate() {
            let file = format!("{name}-{version}.apk");
            let recipe = Recipe::new(name.parse()?, version.parse()?, "x86_64".parse()?);
            std::fs::write(folder.join(&file), recipe.write(1_670_000_000)?.with_signatures(&[]))?;
            if number % 10 == 3 { left.push(file) } else { live.push(file) }
        }
        let site = Site { scratch, live, left };
        site.bivouac(&["key", "new", "bench@example.org-1", "--bits", "2048"])?;
        let config = "store = \"store\"\npublic = \"mirror/alpine\"\n[signing]\nkey = \"keys/bench@example.org-1.rsa\"\n\
                      [sources.bench]\ndirectory = \"packages\"\nunsigned = \"accept\"\n\
                      [[repositories]]\nname = \"v3.21/main\"\narches = [\"x86_64\"]\nfrom = [\"bench\"]\n[publish]\nlinger = \"0s\"\n";
        std::fs::write(site.scratch.join("bivouac.toml"), config)?;
        site.bivouac(&["sync"])?;
        for file in &site.left {
            std::fs::remove_file(folder.join(file))?;
        }
        site.bivouac(&["sync"])?;
        Ok(site)
    }

    fn bivouac(&self, words: &[&str]) -> Outcome<()> {
        let mut command = Command::new(env!("CARGO_BIN_EXE_bivouac"));
        let output = command.current_dir(&self.scratch).arg("-q").args(words).stdin(Stdio::null()).output()?;
        match output.status.success() {
            true => Ok(()),
            false => Err(format!("{words:?}: {}", String::from_utf8_lossy(&output.stderr)).into()),
        }
    }

    /// Writes lines until so many bytes are full; answers how many.
    fn write(&self, path: &Path, bytes: u64, line: Line) -> Outcome<u64> {
        let mut out = BufWriter::with_capacity(1 << 20, File::create(path)?);
        let (mut chance, mut text, mut written, mut lines) = (Chance(0x9e37_79b9_7f4a_7c15), Vec::new(), 0, 0);
        while written < bytes {
            text.clear();
            line(self, &mut chance, lines, &mut text);
            out.write_all(&text)?;
            written += text.len() as u64;
            lines += 1;
        }
        out.flush()?;
        Ok(lines)
    }

    /// Runs the audit; answers its peak of memory, bytes.
    fn audit(&self, name: &str, log: &Path, lines: u64, bytes: u64) -> Outcome<u64> {
        let mut command = Command::new(env!("CARGO_BIN_EXE_bivouac"));
        command.current_dir(&self.scratch).arg("-q").arg("audit").arg(log).stdin(Stdio::null());
        command.stdout(File::create(self.scratch.join("told.txt"))?);
        let started = Instant::now();
        let done = command.spawn()?.wait4()?;
        let seconds = started.elapsed().as_secs_f64();
        if !done.status.success() {
            return Err(format!("{name}: {}", done.status).into());
        }
        let told = std::fs::read_to_string(self.scratch.join("told.txt"))?;
        if !told.starts_with(&format!("{lines} requests by ")) {
            return Err(format!("{name}: {lines} lines, and it says {:?}", told.lines().next()).into());
        }
        let (rate, peak) = (bytes as f64 / seconds / 1e6, done.rusage.maxrss);
        println!("{name:<62} {lines:>9} {seconds:>8.1} {rate:>9.0} {:>8.0}", peak as f64 / 1e6);
        Ok(peak)
    }
}

/// Names and versions of Alpine 3.21's main, where it is at hand.
fn names() -> Outcome<Vec<(String, String)>> {
    let Some(real) = std::env::var_os("BIVOUAC_REAL_ALPINE") else {
        return Ok((0..5_000).map(|number| (format!("package-{number:04}"), "1.0-r0".to_owned())).collect());
    };
    let file = std::fs::read(Path::new(&real).join("official/index/v3.21/main/x86_64/APKINDEX.tar.gz"))?;
    let entries = index::parse(&split_index(&file, &Limits::default())?.text)?;
    Ok(entries.iter().map(|entry| (entry.name().to_string(), entry.version().to_string())).collect())
}

/// The same numbers on each run (xorshift, Marsaglia 2003).
struct Chance(u64);

impl Chance {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % end as u64) as usize
    }

    /// Small numbers often, large ones seldom.
    fn skewed(&mut self, end: usize) -> usize {
        self.below(end) * self.below(end) / end
    }
}

/// Not quite so many requests a second as lines, all of one day.
fn time(number: u64) -> String {
    let second = number / 120 % 86_400;
    format!("01/Dec/2026:{:02}:{:02}:{:02} +0000", second / 3600, second / 60 % 60, second % 60)
}

fn request(text: &mut Vec<u8>, client: impl std::fmt::Display, number: u64, path: &str, status: u16, agent: &str) {
    let time = time(number);
    let length = if status == 200 { 20_000 + number % 100_000 } else { 153 };
    writeln!(text, "{client} - - [{time}] \"GET {path} HTTP/1.1\" {status} {length} \"-\" \"{agent}\"")
        .expect("memory can be written to");
}

/// An address of so many.
fn address(number: usize) -> std::net::Ipv4Addr {
    std::net::Ipv4Addr::from(0x0a00_0000 + number as u32)
}

/// Who asks for what, and what becomes of it.
fn asked(site: &Site, chance: &mut Chance) -> (std::net::Ipv4Addr, String, u16) {
    let client = address(chance.skewed(20_000));
    let live = &site.live[chance.skewed(site.live.len())];
    let (path, status) = match chance.below(1000) {
        0..600 => (format!("/{FOLDER}/{live}"), 200),
        600..700 => (format!("/{FOLDER}/APKINDEX.tar.gz"), 200),
        700..930 => (format!("/{FOLDER}/APKINDEX.tar.gz"), 304),
        930..950 => (format!("/{FOLDER}/{}", site.left[chance.below(site.left.len())]), 404),
        950..965 => ("/x86_64/main/APKINDEX.tar.gz".to_owned(), 404),
        965..975 => (format!("/main/x86_64/{live}"), 404),
        975..985 => (format!("/{FOLDER}/{}", live.replace("-r", "-r9")), 404),
        985..990 => ("/favicon.ico".to_owned(), 404),
        990..995 => (format!("/.git/{}", chance.below(1000)), 404),
        _ => ("/v3.22/main/aarch64/APKINDEX.tar.gz".to_owned(), 404),
    };
    (client, path, status)
}

fn day(site: &Site, chance: &mut Chance, number: u64, text: &mut Vec<u8>) {
    let (client, path, status) = asked(site, chance);
    request(text, client, number, &path, status, "apk-tools/2.14.4");
}

fn day_of_caddy(site: &Site, chance: &mut Chance, number: u64, text: &mut Vec<u8>) {
    let (client, path, status) = asked(site, chance);
    let seconds = 1_796_083_200 + number / 120 % 86_400;
    writeln!(
        text,
        "{{\"level\":\"info\",\"ts\":{seconds}.25,\"logger\":\"http.log.access.log0\",\"msg\":\"handled request\",\"request\":\
         {{\"remote_ip\":\"{client}\",\"remote_port\":\"51000\",\"client_ip\":\"{client}\",\"proto\":\"HTTP/1.1\",\
         \"method\":\"GET\",\"host\":\"mirror\",\"uri\":\"{path}\",\"headers\":{{\"User-Agent\":[\"libfetch/2.0\"]}}}},\
         \"bytes_read\":0,\"user_id\":\"\",\"duration\":0.001,\"size\":20000,\"status\":{status},\"resp_headers\":\
         {{\"Server\":[\"Caddy\"],\"Etag\":[\"\\\"t6l0b9\\\"\"],\"Accept-Ranges\":[\"bytes\"]}}}}"
    )
    .expect("memory can be written to");
}

fn all_others(_: &Site, chance: &mut Chance, number: u64, text: &mut Vec<u8>) {
    let path = format!("/{FOLDER}/package-{:012x}-1.0-r0.apk", chance.below(1 << 48));
    request(text, address(number as usize), number, &path, 404, "x");
}

fn long_names(_: &Site, chance: &mut Chance, number: u64, text: &mut Vec<u8>) {
    let path = format!("/{FOLDER}/{:012x}{}.apk", chance.below(1 << 48), "x".repeat(60_000));
    request(text, address(chance.below(1 << 24)), number, &path, if number.is_multiple_of(2) { 200 } else { 404 }, "x");
}

fn bursts(_: &Site, chance: &mut Chance, number: u64, text: &mut Vec<u8>) {
    let path = format!("/.env{}", chance.below(1 << 48));
    let client = format!("host-{}.{}", number % 40_000, "long.".repeat(48));
    request(text, client, number, &path, 404, &"a".repeat(200));
}

fn failures(_: &Site, chance: &mut Chance, number: u64, text: &mut Vec<u8>) {
    // Each path again and again, and none so seldom that it is let go.
    let path = format!("/{FOLDER}/{:04}{}.apk", chance.below(4_900), "x".repeat(1_000));
    let status = [403, 500, 404][chance.below(3)];
    request(text, address(chance.below(1 << 24)), number, &path, status, "x");
}
