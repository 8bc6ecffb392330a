//! `bivouac key rotate` and `bivouac key retire`: from one signing key to the next.

use std::path::PathBuf;

use bivouac::apk::names::Place;
use bivouac::jobs::rotate::{self as job, NewKey, Overlap, RotationReport};

use super::global::Output;
use super::sync::{call, listener};
use super::{Failure, Global, Outcome, key, out};

/// Arguments of `key rotate`.
#[derive(clap::Args, Debug)]
#[command(after_help = "\
    From then on both keys sign every index, the new one first, so that a client with either accepts it. All indexes are \
    signed anew and published at once; no package is read or moved. Give clients the new public half (`bivouac key \
    export`, or the keyring package), then `bivouac key retire` the old key.")]
pub(crate) struct RotateArgs {
    /// The new key's name [default: the old one's, with today's 8 hex digits]
    #[arg(long, conflicts_with = "key")]
    name: Option<String>,
    /// Its RSA modulus bits
    #[arg(long, default_value_t = 4096)]
    bits: usize,
    /// Take the key in this file instead of making one
    #[arg(long, value_name = "FILE", conflicts_with = "bits")]
    key: Option<PathBuf>,
}

/// Arguments of `key retire`.
#[derive(clap::Args, Debug)]
#[command(after_help = "\
    Refused (exit 3) while less than `[signing] min_overlap` has passed since the rotation began: clients need the time to \
    get the other key. A retired key never signs again, also if bivouac.toml goes on naming it.")]
pub(crate) struct RetireArgs {
    /// The key's file name, or the first digits of its fingerprint
    old: String,
    /// At once: the key is in wrong hands
    #[arg(long)]
    now: bool,
}

pub(crate) fn rotate(global: &Global, args: RotateArgs) -> Result<Outcome, Failure> {
    let config = super::config::load(global)?;
    let new = match args.key {
        Some(file) => NewKey::Taken(file),
        None => NewKey::Made { name: args.name, bits: key::modulus(args.bits)? },
    };
    let report = job::rotate(&config, new, call(global)?, &mut getrandom::SysRng, &listener(global))?;
    tell(global, &report)
}

pub(crate) fn retire(global: &Global, args: RetireArgs) -> Result<Outcome, Failure> {
    let config = super::config::load(global)?;
    let overlap = if args.now { Overlap::CutShort } else { Overlap::Kept };
    let report = job::retire(&config, &args.old, overlap, call(global)?, &listener(global))?;
    tell(global, &report)
}

fn shown_at(place: &Place) -> String {
    match place {
        Place::Live => "live".to_owned(),
        Place::Beside(name) => format!("at @{name}"),
    }
}

fn tell(global: &Global, report: &RotationReport) -> Result<Outcome, Failure> {
    if global.output() == Output::Json {
        out::json(report)?;
        return Ok(Outcome::Done);
    }
    if global.quiet {
        return Ok(Outcome::Done);
    }
    for key in &report.signing {
        out::line(format_args!("signs    {}  {}", key.name, key.fingerprint))?;
    }
    if let Some(key) = &report.retired {
        out::line(format_args!("retired  {}  {}", key.name, key.fingerprint))?;
    }
    for place in &report.places {
        out::line(format_args!(
            "generation {} is {}: {} indexes signed anew",
            place.generation,
            shown_at(&place.place),
            place.repositories.iter().filter(|repository| !repository.unchanged).count()
        ))?;
    }
    let newest = &report.signing[0].name;
    out::line("")?;
    match (&report.retired, report.ripe) {
        (Some(old), _) => {
            out::line(format_args!(
                "Clients without {newest} refuse our indexes (UNTRUSTED signature) until they have it."
            ))?;
            out::line(format_args!("Take {} out of clients' /etc/apk/keys: whoever has its private", old.name))?;
            out::line("half can go on signing for clients that trust it.")?;
        }
        (None, ripe) => {
            out::line(format_args!("Next, give clients {newest} (`bivouac key export`);"))?;
            let ripe = ripe.map(|ripe| ripe.strftime("%Y-%m-%d").to_string()).unwrap_or_default();
            let old = report.signing.get(1).map_or("OLD", |old| old.name.as_str());
            out::line(format_args!("then, from {ripe} on: bivouac key retire {old}"))?;
        }
    }
    if let Some(package) = &report.keyring_package {
        out::line(format_args!("The next sync publishes {package}, which installs the keys that sign now."))?;
    }
    if report.configuration_is_behind {
        out::line(format_args!("Write in bivouac.toml, at any time: key = {:?}", report.file.display().to_string()))?;
    }
    Ok(Outcome::Done)
}
