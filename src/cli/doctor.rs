//! `bivouac doctor`: the usual faults, and what to do.

use std::path::PathBuf;
use std::time::Duration;

use bivouac::apk::Arch;
use bivouac::config::Config;
use bivouac::finding::Severity;
use bivouac::jobs::doctor::{self as job, DoctorReport, HereRequest, Sample, ServerRequest, Wanted};
use url::Url;

use super::global::Output;
use super::{Failure, Global, Outcome, out, progress, sync};

/// Arguments of `doctor`.
#[derive(clap::Args, Debug)]
#[command(after_help = "\
    With a URL (a line of /etc/apk/repositories, or a server's root) it comes by as a client does: is the index there, who signed \
    it, are packages there and right, can they be installed. Small packages are read whole. No configuration is needed; where \
    there is one, our key and repositories are known.\n\n\
    Without, it looks at our own store and public tree, and whether upstreams answer.\n\n\
    Exit code by the worst error: 3 signer or bytes not trusted, 4 missing, stale or out of reach, 5 our state damaged, 1 \
    permissions, disk, clock. Warnings alone: 0.")]
pub(crate) struct Args {
    /// A repository's or server's address
    #[arg(value_name = "URL")]
    url: Option<Url>,
    /// A further line that the client has, for what packages need (repeatable)
    #[arg(long, value_name = "URL", requires = "url")]
    beside: Vec<Url>,
    /// Whose packages [default: this machine's arch, else whichever is there]
    #[arg(long, value_name = "ARCH", requires = "url")]
    arch: Option<Arch>,
    /// A client's /etc/apk/keys [default: Alpine's keys and ours]
    #[arg(long, value_name = "DIR", requires = "url")]
    keys: Option<PathBuf>,
    /// Certificates of authorities to believe beside the system's
    #[arg(long, value_name = "FILE", requires = "url")]
    ca: Option<PathBuf>,
    /// How many packages to look at, spread over the index
    #[arg(long, value_name = "N", default_value_t = 20, requires = "url")]
    sample: usize,
    /// Look at every package
    #[arg(long, requires = "url", conflicts_with = "sample")]
    all: bool,
    /// How old the index may be: 26h, 7d
    #[arg(long, value_name = "TIME", requires = "url", value_parser = bivouac::config::parse_duration)]
    max_age: Option<Duration>,
    /// A world that must be installable, in the form of /etc/apk/world
    #[arg(long, value_name = "FILE")]
    world: Option<PathBuf>,
    /// The web server's user, who must be able to read the public tree
    #[arg(long, value_name = "NAME", conflicts_with = "url")]
    user: Option<String>,
}

pub(crate) fn run(global: &Global, args: Args) -> Result<Outcome, Failure> {
    let (now, proxies) = (sync::timestamp()?, super::config::proxies());
    let report = match args.url {
        None => {
            let config = super::config::load(global)?;
            let request = HereRequest { user: args.user, world: args.world, proxies, now };
            super::block_on(global, async { Ok(job::here(&config, &request).await?) })?
        }
        Some(line) => {
            let request = ServerRequest {
                line,
                beside: args.beside,
                arch: args.arch.map_or_else(this_machine, Wanted::Exactly),
                keys: args.keys,
                ca: args.ca,
                sample: if args.all { Sample::All } else { Sample::Of(args.sample) },
                max_age: args.max_age,
                world: args.world,
                proxies,
                now,
            };
            let config = config_if_any(global)?;
            super::block_on(global, async { Ok(job::server(config.as_ref(), &request).await?) })?
        }
    };
    match global.output() {
        Output::Json => out::json(&report)?,
        Output::Text => tell(global, &report)?,
    }
    Ok(Outcome::of(report.worst()))
}

/// The configuration, where somebody named one, or one lies in a usual place and is ours to read.
fn config_if_any(global: &Global) -> Result<Option<Config>, Failure> {
    if global.config.is_some() {
        return super::config::load(global).map(Some);
    }
    if super::config::find(global).is_err() {
        return Ok(None);
    }
    Ok(super::config::load(global)
        .inspect_err(|failure| {
            progress::warn(
                global,
                format_args!(
                    "looking without a configuration: {}",
                    failure.as_trouble().map_or("", |(_, _, message)| message)
                ),
            )
        })
        .ok())
}

fn this_machine() -> Wanted {
    let arch = match std::env::consts::ARCH {
        "arm" => "armv7",
        "powerpc64" => "ppc64le",
        arch => arch,
    };
    Wanted::Likely(arch.parse().unwrap_or_else(|_| "x86_64".parse().expect("it is in the alphabet of arches")))
}

fn tell(global: &Global, report: &DoctorReport) -> Result<(), Failure> {
    for found in report.repositories.iter().flatten().filter(|_| !global.quiet) {
        let packages = found.packages.map_or_else(|| "unreadable".to_owned(), |count| format!("{count} packages"));
        let signers = if found.signers.is_empty() { "nobody".to_owned() } else { found.signers.join(", ") };
        let description =
            found.description.as_deref().map(|text| format!(" [{}]", text.escape_debug())).unwrap_or_default();
        out::line(format_args!("{} {}: {packages}, signed by {signers}{description}", found.line, found.arch))?;
    }
    for finding in &report.findings {
        let severity = match finding.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
            Severity::Info => "note",
        };
        out::line(format_args!("{severity}: {}: {} ({})", finding.subject, finding.message, finding.code))?;
        if let Some(hint) = &finding.hint {
            out::line(format_args!("  hint: {hint}"))?;
        }
    }
    if !global.quiet {
        let checked = &report.checked;
        let verdict = out::verdict(&report.findings, "nothing is wrong");
        out::line(format_args!("{} files looked at ({}): {verdict}", checked.objects, progress::bytes(checked.bytes)))?;
    }
    Ok(())
}
