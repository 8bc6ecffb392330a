//! `bivouac client`: what a client needs.

use bivouac::jobs::client::{self as job, ClientKey};
use bivouac::jobs::client_script;

use super::global::Output;
use super::{Failure, Global, Outcome, out};

/// Arguments of `client`.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// The address under which clients reach the public tree [default: [serve]
    /// url; else its path, which serves clients on this machine]
    #[arg(long, visible_alias = "base", value_name = "URL")]
    url: Option<String>,
    /// Print a script of POSIX sh instead: it takes keys' fingerprints, and changes
    /// the machine only where its keys have them
    #[arg(long)]
    script: bool,
}

pub(crate) fn run(global: &Global, args: Args) -> Result<Outcome, Failure> {
    let config = super::config::load(global)?;
    let url = args.url.or_else(|| config.serve.url.clone()).unwrap_or_else(|| config.public.display().to_string());
    if url.contains(|c: char| c.is_control() || c == ' ') && args.script {
        return Err(Failure::usage(format_args!("{url:?} is no address for a repositories line")));
    }
    let report = job::client(&config, &url)?;
    if args.script {
        return script(global, &client_script::script(&report, &url));
    }
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

fn script(global: &Global, text: &str) -> Result<Outcome, Failure> {
    match global.output() {
        Output::Json => out::json(&serde_json::json!({ "script": text }))?,
        Output::Text => out::text(text)?,
    }
    Ok(Outcome::Done)
}

fn whose(key: &ClientKey) -> &'static str {
    if key.ours { "our" } else { "the source's" }
}

fn with_newline(pem: &str) -> String {
    format!("{}\n", pem.trim_end())
}
