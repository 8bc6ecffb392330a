//! `bivouac client`: what a client needs.

use bivouac::jobs::client::{self as job, ClientKey};

use super::global::Output;
use super::{Failure, Global, Outcome, out};

/// Arguments of `client`.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// The address under which clients reach the public tree [default: its
    /// path, which serves clients on this machine]
    #[arg(long, value_name = "URL")]
    url: Option<String>,
}

pub(crate) fn run(global: &Global, args: Args) -> Result<Outcome, Failure> {
    let config = super::config::load(global)?;
    let url = args.url.unwrap_or_else(|| config.public.display().to_string());
    let report = job::client(&config, &url)?;
    if global.output() == Output::Json {
        out::json(&report)?;
        return Ok(Outcome::Done);
    }
    // Everything that is not a command is a comment: the whole can be piped into a shell.
    for key in &report.keys {
        out::text(format_args!(
            "# {whose} key, which signs {repositories}\n# its SHA-256: {fingerprint}\n\
             cat > /etc/apk/keys/{name} <<'END'\n{pem}END\n\n",
            whose = whose(key),
            repositories = key.repositories.join(", "),
            fingerprint = key.fingerprint,
            name = key.name,
            pem = with_newline(&key.pem),
        ))?;
    }
    if !report.repositories.is_empty() {
        out::line("cat >> /etc/apk/repositories <<'END'")?;
        for line in &report.repositories {
            out::line(line)?;
        }
        out::line("END\n")?;
    }
    for line in &report.templates {
        let line = line.replace("{arch}", "$(apk --print-arch)");
        out::line(format_args!("echo \"{line}\" >> /etc/apk/repositories\n"))?;
    }
    out::line("# does it work?\napk update")?;
    Ok(Outcome::Done)
}

fn whose(key: &ClientKey) -> &'static str {
    if key.ours { "our" } else { "the source's" }
}

fn with_newline(pem: &str) -> String {
    format!("{}\n", pem.trim_end())
}
