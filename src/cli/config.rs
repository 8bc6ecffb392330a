//! `bivouac config`, and how every command finds its configuration.

use std::path::{Path, PathBuf};

use bivouac::config::{self, Config, Starred};
use bivouac::jobs::{ProxyVariables, carried};
use serde::Serialize;

use super::global::Output;
use super::{Failure, Global, Outcome, environment, out};

/// Arguments of `config`.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) action: Action,
}

/// What to do with the configuration.
#[derive(clap::Subcommand, Clone, Copy, Debug)]
pub(crate) enum Action {
    /// Read it and tell every fault, with its line
    Check,
    /// Print it as understood: rows of `for` written out, paths absolute, secrets hidden
    Show,
}

/// The configuration's file: named by flag or environment, else in one of the usual places.
pub(crate) fn find(global: &Global) -> Result<PathBuf, Failure> {
    // clap has read $BIVOUAC_CONFIG into the flag already, below what the command line says.
    Ok(config::find(global.config.as_deref(), None, Path::new("."))?)
}

/// The configuration, resolved, with all that bundles carry as it is known now.
pub(crate) fn load(global: &Global) -> Result<Config, Failure> {
    Ok(carried::spread(&load_unspread(global)?, &[])?.config)
}

/// The configuration, resolved, as the file has it.
pub(crate) fn load_unspread(global: &Global) -> Result<Config, Failure> {
    let credentials = environment("CREDENTIALS_DIRECTORY").map(PathBuf::from);
    Ok(Config::load(&find(global)?, credentials.as_deref())?)
}

/// The file that holds the passphrase of our key, by a configuration that may lack everything else.
pub(super) fn passphrase_file(file: &Path) -> Result<Option<PathBuf>, Failure> {
    let credentials = environment("CREDENTIALS_DIRECTORY").map(PathBuf::from);
    Ok(Config::passphrase_file(file, credentials.as_deref())?)
}

/// The environment's proxies. Of two spellings the lower one goes first, as in most programs that know them.
pub(crate) fn proxies() -> ProxyVariables {
    let either = |lower: &str, upper: &str| {
        let value = environment(lower).or_else(|| environment(upper));
        value.map(|value| value.to_string_lossy().into_owned())
    };
    ProxyVariables {
        http: either("http_proxy", "HTTP_PROXY"),
        https: either("https_proxy", "HTTPS_PROXY"),
        all: either("all_proxy", "ALL_PROXY"),
        no: either("no_proxy", "NO_PROXY"),
    }
}

#[derive(Serialize)]
struct Checked<'a> {
    file: &'a Path,
    sources: usize,
    repositories: usize,
    /// What of bundles is published whole: `hq:*`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    carried: Vec<String>,
}

pub(crate) fn run(global: &Global, args: Args) -> Result<Outcome, Failure> {
    let config = load_unspread(global)?;
    match (args.action, global.output()) {
        (Action::Show, Output::Json) => out::json(&config)?,
        (Action::Show, Output::Text) => out::text(config.to_toml())?,
        (Action::Check, output) => {
            let (sources, repositories) = (config.sources.len(), config.repositories.len());
            let carried: Vec<String> = config.carried.iter().map(Starred::from).collect();
            match output {
                Output::Json => out::json(&Checked { file: &config.file, sources, repositories, carried })?,
                Output::Text => {
                    let more = if carried.is_empty() { "" } else { ", and all of " };
                    out::line(format_args!(
                        "{}: no mistakes; sources: {sources}, repositories: {repositories}{more}{}",
                        config.file.display(),
                        carried.join(", ")
                    ))?
                }
            }
        }
    }
    Ok(Outcome::Done)
}
