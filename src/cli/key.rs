//! `bivouac key`.

use std::path::{Path, PathBuf};

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
        /// Encrypt it with the passphrase in this file [default: passphrase_file of the configuration]
        #[arg(long, value_name = "FILE")]
        passphrase_file: Option<PathBuf>,
    },
    /// List the keys that this configuration signs with and trusts
    List,
    /// Make another key sign beside the one that does
    Rotate(super::key_rotate::RotateArgs),
    /// End the older key's signing
    Retire(super::key_rotate::RetireArgs),
    /// Write a package that installs our public keys
    Package(super::key_package::Args),
    /// Print the public key that clients put in /etc/apk/keys
    Export,
}

pub(crate) fn run(global: &Global, args: Args) -> Result<Outcome, Failure> {
    match args.action {
        Action::New { name, bits, passphrase_file } => new(global, name, bits, passphrase_file),
        Action::List => list(global),
        Action::Rotate(args) => super::key_rotate::rotate(global, args),
        Action::Retire(args) => super::key_rotate::retire(global, args),
        Action::Package(args) => super::key_package::run(global, args),
        Action::Export => export(global),
    }
}

/// The name that a key has when its user does not give one.
pub(super) fn usual_name() -> String {
    let user = ["USER", "LOGNAME"].into_iter().find_map(environment).unwrap_or_default();
    let host = rustix::system::uname();
    keys::usual_name(&user.to_string_lossy(), &host.nodename().to_string_lossy(), now())
}

fn new(
    global: &Global,
    name: Option<String>,
    bits: usize,
    passphrase_file: Option<PathBuf>,
) -> Result<Outcome, Failure> {
    let bits = modulus(bits)?;
    // Only the configuration's place is needed: a first one that names no key yet would not resolve.
    let (folder, configured) = match super::config::find(global) {
        Ok(file) => (file.parent().unwrap_or(Path::new("")).join("keys"), super::config::passphrase_file(&file)?),
        Err(_) => (Path::new("keys").to_owned(), None),
    };
    let passphrase_file = passphrase_file.or(configured);
    let name = name.unwrap_or_else(usual_name);
    let keys::NewKey { key, encrypted } =
        keys::make_under(passphrase_file.as_deref(), &folder, &name, bits, &mut getrandom::SysRng)?;
    let secret = if encrypted { "encrypted; its passphrase opens it" } else { "keep it secret, and a copy of it" };
    match global.output() {
        Output::Json => out::json(&keys::NewKey { key, encrypted })?,
        Output::Text => out::text(format_args!(
            "private      {private}  ({secret})\n\
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

/// The size that `--bits` names.
pub(super) fn modulus(bits: usize) -> Result<ModulusBits, Failure> {
    match bits {
        2048 => Ok(ModulusBits::Rsa2048),
        4096 => Ok(ModulusBits::Rsa4096),
        _ => Err(Failure::usage(format_args!("--bits is {bits}, not 2048 or 4096"))),
    }
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
