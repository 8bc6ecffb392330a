//! `bivouac key`.

use std::path::Path;

use bivouac::config;
use bivouac::jobs::keys::{self, ModulusBits};

use super::global::Output;
use super::{Failure, Global, Outcome, environment, now, out};

/// Arguments of `key`.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) action: Action,
}

/// What to do with keys.
#[derive(clap::Subcommand, Debug)]
pub(crate) enum Action {
    /// Make a signing key and its public half, as abuild-keygen does
    New {
        /// Its name [default: user@host and 8 hex digits]
        name: Option<String>,
        /// RSA modulus bits
        #[arg(long, default_value_t = 4096)]
        bits: usize,
    },
    /// List the keys that this configuration signs with and trusts
    List,
    /// Print the public key that clients put in /etc/apk/keys
    Export,
}

pub(crate) fn run(global: &Global, args: Args) -> Result<Outcome, Failure> {
    match args.action {
        Action::New { name, bits } => new(global, name, bits),
        Action::List => list(global),
        Action::Export => export(global),
    }
}

/// The name that a key has when its user does not give one.
pub(super) fn usual_name() -> String {
    let user = ["USER", "LOGNAME"].into_iter().find_map(environment).unwrap_or_default();
    let host = rustix::system::uname();
    keys::usual_name(&user.to_string_lossy(), &host.nodename().to_string_lossy(), now())
}

fn new(global: &Global, name: Option<String>, bits: usize) -> Result<Outcome, Failure> {
    let bits = match bits {
        2048 => ModulusBits::Rsa2048,
        4096 => ModulusBits::Rsa4096,
        _ => return Err(Failure::usage(format_args!("--bits is {bits}, not 2048 or 4096"))),
    };
    // Only the configuration's place is needed: a first one that names no key yet would not resolve.
    let folder = match config::find(global.config.as_deref(), None, Path::new(".")) {
        Ok(file) => file.parent().unwrap_or(Path::new("")).join("keys"),
        Err(_) => Path::new("keys").to_owned(),
    };
    let key = keys::make(&folder, &name.unwrap_or_else(usual_name), bits, &mut getrandom::SysRng)?;
    match global.output() {
        Output::Json => out::json(&key)?,
        Output::Text => out::text(format_args!(
            "private      {private}  (keep it secret, and a copy of it)\n\
             public       {private}.pub  (for clients' /etc/apk/keys)\n\
             fingerprint  {fingerprint}\n\
             \n\
             To sign with it, write in bivouac.toml:\n\
             \n\
             [signing]\n\
             key = \"keys/{file}\"\n",
            private = key.private.display(),
            fingerprint = key.fingerprint,
            file = key.name.as_str().trim_end_matches(".pub"),
        ))?,
    }
    Ok(Outcome::Done)
}

fn list(global: &Global) -> Result<Outcome, Failure> {
    let list = keys::list(&super::config::load(global)?)?;
    if global.output() == Output::Json {
        out::json(&list)?;
        return Ok(Outcome::Done);
    }
    match &list.signing {
        Some(key) => out::line(format_args!("signing  {}  {} bits  {}", key.name, key.bits, key.fingerprint))?,
        None => out::line("signing  nothing is signed by us")?,
    }
    for key in &list.trusted {
        let built_in = if key.built_in { "  (built in)" } else { "" };
        out::line(format_args!("trusted  {}  source {}  {}{built_in}", key.name, key.source, key.fingerprint))?;
    }
    Ok(Outcome::Done)
}

fn export(global: &Global) -> Result<Outcome, Failure> {
    let key = keys::export(&super::config::load(global)?)?;
    match global.output() {
        Output::Json => out::json(&key)?,
        Output::Text => out::text(&key.pem)?,
    }
    Ok(Outcome::Done)
}
