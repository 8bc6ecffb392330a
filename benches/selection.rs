//! `cargo bench --bench selection`: what it costs to choose, merge, judge and sign, with its growth from 5,000 to 100,000
//! entries. Prints medians of one core's time and the peak of memory, and asserts nothing about either.
//! `$BIVOUAC_REAL_ALPINE` names the folder of real Alpine data.

// A bench is a program of its own that prints; the library's house rules end at its door.
#![allow(clippy::print_stdout, clippy::print_stderr, clippy::disallowed_methods, missing_docs)]

mod timing;

use std::path::Path;
use std::process::ExitCode;

use bivouac::apk::dependency::parse_world;
use bivouac::apk::v2::index;
use bivouac::apk::v2::sections::{Limits, split_index};
use bivouac::apk::{Arch, Entry, ObjectId};
use bivouac::merge::{Layer, Prefer, combine};
use bivouac::select::{Dependencies, Item, Request, Selector, Supply, Versions, Wanted, close};
use bivouac::sign::index::sign_merged;
use bivouac::sign::key_file::ModulusBits;
use bivouac::sign::{Digests, PrivateKey, Seal};
use bivouac::solve::Catalogue;

use timing::{Outcome, median};

fn main() -> ExitCode {
    timing::on_real_data(measure)
}

/// Alpine 3.21: main alone; with community; that four times over, each copy under names of its own.
fn measure(real: &Path) -> Outcome<()> {
    let mut rng = rsa::rand_core::UnwrapErr(getrandom::SysRng);
    let key = PrivateKey::generate(ModulusBits::Rsa4096, "bench@example.org-1.rsa.pub".parse()?, &mut rng)?;
    let seal = Seal::of(Box::new(key), Digests::Sha256);
    let main = entries(real, "main")?;
    all_steps(&main, &seal)?;
    let union: Vec<Entry> = main.into_iter().chain(entries(real, "community")?).collect();
    all_steps(&union, &seal)?;
    let mut many = union.clone();
    for copy in 1..4 {
        for entry in &union {
            many.push(renamed(entry, copy)?);
        }
    }
    drop(union);
    all_steps(&many, &seal)
}

fn entries(real: &Path, repository: &str) -> Outcome<Vec<Entry>> {
    let file = std::fs::read(real.join(format!("official/index/v3.21/{repository}/x86_64/APKINDEX.tar.gz")))?;
    Ok(index::parse(&split_index(&file, &Limits::default())?.text)?)
}

/// The entry in a market of its own: its name and all that it needs and provides end in the copy's number.
fn renamed(entry: &Entry, copy: usize) -> Outcome<Entry> {
    let term = |term: &str| {
        let at = term.find(['<', '>', '=', '~']).unwrap_or(term.len());
        format!("{}_{copy}{}", &term[..at], &term[at..])
    };
    let mut text = String::new();
    for line in entry.text().lines() {
        match line.split_at(2) {
            ("P:", name) => text += &format!("P:{}", term(name)),
            (letter @ ("D:" | "p:" | "i:"), terms) => {
                text += letter;
                text += &terms.split(' ').map(term).collect::<Vec<_>>().join(" ");
            }
            _ => text += line,
        }
        text.push('\n');
    }
    Ok(Entry::parse(&text)?)
}

fn all_steps(entries: &[Entry], seal: &Seal) -> Outcome<()> {
    println!("{} entries", entries.len());
    let arch: Arch = "x86_64".parse()?;
    let Item::Selector(nginx) = Item::parse("nginx")? else { return Err("nginx is a name".into()) };
    for (name, wanted) in [("closure of nginx", Wanted::List(0)), ("closure of everything", Wanted::All)] {
        let selectors: [Selector; 1] = [nginx.clone()];
        let request = Request {
            lists: &[&selectors],
            exclude: &[],
            versions: Versions::Newest,
            dependencies: Dependencies::Follow,
        };
        let supplies = [Supply { entries, wanted }];
        let chosen = close(&supplies, &request).chosen().count();
        row(&format!("{name} ({chosen} packages)"), median(9, || close(&supplies, &request)));
    }
    worlds(entries)?;
    // Three sources, each with its third.
    let object = ObjectId::new([7; 32]);
    let layers: Vec<Layer> = entries
        .chunks(entries.len().div_ceil(3))
        .map(|third| Layer { entries: third.iter().map(|entry| (entry.clone(), object)).collect() })
        .collect();
    row("merge of three sources, printed", median(9, || combine(&layers, Prefer::Order, &arch)));
    let merged = combine(&layers, Prefer::Order, &arch);
    row("tar, deflate, sign", median(5, || sign_merged(&merged, "bench", seal)));
    println!("  peak of memory so far {:>31.0} MB", peak_kilobytes()? as f64 / 1e3);
    Ok(())
}

/// Whether a world can be installed: reading the entries once, then each world.
fn worlds(entries: &[Entry]) -> Outcome<()> {
    row("resolver reads the entries", median(9, || Catalogue::new(&[entries])));
    let catalogue = Catalogue::new(&[entries]);
    // Names at even distances; those that cannot be there together are left out.
    let mut world = String::new();
    let mut names = 0;
    for entry in entries.iter().step_by(entries.len() / 1009) {
        let longer = format!("{world}{}\n", entry.name());
        let terms: Vec<_> = parse_world(&longer).flatten().collect();
        if names < 200 && catalogue.resolve(&terms).is_ok() {
            (world, names) = (longer, names + 1);
        }
    }
    let terms: Vec<_> = parse_world(&world).flatten().collect();
    let packages = catalogue.resolve(&terms).map_or(0, |resolution| resolution.packages.len());
    row(&format!("a world of {names} names ({packages} packages)"), median(9, || catalogue.resolve(&terms)));
    Ok(())
}

/// The most memory that this process had at once.
fn peak_kilobytes() -> Outcome<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).ok_or("no VmHWM")?;
    Ok(line.trim().trim_end_matches(" kB").parse()?)
}

fn row(name: &str, seconds: f64) {
    println!("  {name:<44} {:>10.1} ms", seconds * 1e3);
}
