//! `bivouac withdraw`: a package out of our indexes.

use bivouac::apk::{PackageName, Place, VersionText};
use bivouac::error::Class;
use bivouac::jobs::publish::{self as job, Reach, TakenBack, Target, WithdrawReport};

use super::global::Output;
use super::rollback::changes;
use super::sync::{call, listener};
use super::{Failure, Global, Outcome, out};

/// Arguments of `withdraw`.
#[derive(clap::Args, Debug)]
#[command(after_help = "\
    Syncs leave it out from now on, until it is taken back with --undo. Its bytes stay in the pool, and for clients that \
    hold an older index also in the tree, for `linger`. Indexes that are upstream's own cannot be changed: exit code 3 if \
    one of those lists it.")]
pub(crate) struct Args {
    /// NAME for every version, NAME=VERSION for one
    #[arg(value_name = "NAME[=VERSION]", value_parser = target)]
    target: Target,
    /// Out of the tree at once: clients with an older index get a 404
    #[arg(long, conflicts_with = "undo")]
    now: bool,
    /// Take a withdrawal back; the next sync lists the package again
    #[arg(long)]
    undo: bool,
}

fn target(text: &str) -> Result<Target, String> {
    let (name, version) = match text.split_once('=') {
        Some((name, version)) => (name, Some(version)),
        None => (text, None),
    };
    let name: PackageName = name.parse().map_err(|error| format!("{error}"))?;
    let version: Option<VersionText> = version
        .map(str::parse)
        .transpose()
        .map_err(|error: <VersionText as std::str::FromStr>::Err| error.to_string())?;
    Ok(Target { name, version })
}

fn shown(name: &PackageName, version: Option<&VersionText>) -> String {
    version.map_or_else(|| name.to_string(), |version| format!("{name}={version}"))
}

pub(crate) fn run(global: &Global, args: Args) -> Result<Outcome, Failure> {
    let config = super::config::load(global)?;
    let what = shown(&args.target.name, args.target.version.as_ref());
    if args.undo {
        let was = job::take_back(&config, &args.target, call(global)?)?;
        return match global.output() {
            Output::Json => {
                out::json(&serde_json::json!({"taken_back": was == TakenBack::Was})).map(|()| Outcome::Done)
            }
            Output::Text => out::line(match was {
                TakenBack::Was => format!("{what} is taken back: the next sync or `bivouac publish` lists it again"),
                TakenBack::WasNot => format!("{what} was not withdrawn"),
            })
            .map(|()| Outcome::Done),
        };
    }
    let reach = if args.now { Reach::Everything } else { Reach::Indexes };
    let report = job::withdraw(&config, &args.target, reach, call(global)?, &listener(global))?;
    match global.output() {
        Output::Json => out::json(&report)?,
        Output::Text if global.quiet => {}
        Output::Text => tell(&what, &report)?,
    }
    Ok(if report.still_shown.is_empty() { Outcome::Done } else { Outcome::Found(Class::Refused) })
}

fn tell(what: &str, report: &WithdrawReport) -> Result<(), Failure> {
    for place in &report.places {
        for repository in place.repositories.iter().filter(|repository| !repository.unchanged) {
            out::line(changes(repository))?;
        }
        let seen = match &place.place {
            Place::Live => "live".to_owned(),
            Place::Beside(name) => format!("at @{name}"),
        };
        out::line(format_args!("generation {} is {seen}", place.generation))?;
    }
    for repository in &report.still_shown {
        out::line(format_args!("{repository} goes on listing it: its index is upstream's own"))?;
    }
    if report.places.is_empty() && report.still_shown.is_empty() {
        out::line("no index of ours lists it now")?;
    }
    out::line(format_args!("{what} is withdrawn until `bivouac withdraw --undo {what}`"))
}
