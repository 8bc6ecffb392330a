//! `bivouac key`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use bivouac::apk::Arch;
use bivouac::jobs::keys::{self, ModulusBits, PublicHalf};
use serde::Serialize;

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
    /// Print the public keys that clients put in /etc/apk/keys
    Export {
        /// One of them, by its name or the beginning of its fingerprint [default: all that sign]
        key: Option<String>,
        /// Write each into this folder under the name that clients need, like /etc/apk/keys
        #[arg(long, value_name = "DIR")]
        to: Option<PathBuf>,
    },
}

pub(crate) fn run(global: &Global, args: Args) -> Result<Outcome, Failure> {
    match args.action {
        Action::New { name, bits, passphrase_file } => new(global, name, bits, passphrase_file),
        Action::List => list(global),
        Action::Rotate(args) => super::key_rotate::rotate(global, args),
        Action::Retire(args) => super::key_rotate::retire(global, args),
        Action::Package(args) => super::key_package::run(global, args),
        Action::Export { key, to } => export(global, key.as_deref(), to.as_deref()),
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
    let list = keys::list(&super::config::load(global)?, super::sync::timestamp()?)?;
    if global.output() == Output::Json {
        out::json(&list)?;
        return Ok(Outcome::Done);
    }
    if list.signing.is_none() {
        out::line("signing   nothing is signed by us")?;
    }
    let ours = list.signing.iter().map(|key| ("signing", key)).chain(list.retiring.iter().map(|key| ("retiring", key)));
    for (role, aged) in ours {
        let key = &aged.key;
        let (age, name) = (age(aged.age), &key.name);
        out::line(format_args!("{role:<8}  {name}  {} bits  {age}  {}", key.bits, key.fingerprint))?;
    }
    for key in &list.retired {
        out::line(format_args!("retired   {}  {}", key.name, key.fingerprint))?;
    }
    for aged in &list.trusted {
        let key = &aged.key;
        let arches = match &key.arches {
            None => "all arches".to_owned(),
            Some(arches) => arches.iter().map(Arch::as_str).collect::<Vec<_>>().join(" "),
        };
        let built_in = if key.built_in { "  (built in)" } else { "" };
        let (age, name, source) = (age(aged.age), &key.name, &key.source);
        out::line(format_args!("trusted   {name}  source {source}  {arches}  {age}  {}{built_in}", key.fingerprint))?;
    }
    Ok(Outcome::Done)
}

/// In whole days.
fn age(age: Option<Duration>) -> String {
    match age.map(|age| age.as_secs() / 86_400) {
        None => "age unknown".to_owned(),
        Some(1) => "1 day old".to_owned(),
        Some(days) => format!("{days} days old"),
    }
}

/// The first key's fields, and all keys.
#[derive(Serialize)]
struct Exported<'a> {
    #[serde(flatten)]
    newest: &'a PublicHalf,
    keys: &'a [PublicHalf],
    #[serde(skip_serializing_if = "Vec::is_empty")]
    files: Vec<PathBuf>,
}

fn export(global: &Global, key: Option<&str>, to: Option<&Path>) -> Result<Outcome, Failure> {
    let keys = keys::export(&super::config::load(global)?, key)?;
    let files = to.map(|folder| keys::export_to(folder, &keys)).transpose()?.unwrap_or_default();
    match (global.output(), to, keys.first()) {
        (Output::Json, _, Some(newest)) => out::json(&Exported { newest, keys: &keys, files })?,
        (Output::Text, None, _) => {
            for key in &keys {
                out::text(&key.pem)?;
            }
        }
        (Output::Text, Some(_), _) if !global.quiet => {
            for file in &files {
                out::line(file.display())?;
            }
        }
        _ => {}
    }
    Ok(Outcome::Done)
}
