//! `bivouac init`.

use std::path::{Path, PathBuf};

use bivouac::jobs::init::init;
use bivouac::jobs::keys::ModulusBits;

use super::global::Output;
use super::{Failure, Global, Outcome, out};

/// Arguments of `init`.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// The folder to write into [default: the current one]
    pub(crate) dir: Option<PathBuf>,
}

pub(crate) fn run(global: &Global, args: Args) -> Result<Outcome, Failure> {
    let folder = args.dir.as_deref().unwrap_or(Path::new("."));
    let name = super::key::usual_name();
    let report = init(folder, &name, ModulusBits::default(), &mut getrandom::SysRng)?;
    if global.output() == Output::Json {
        out::json(&report)?;
        return Ok(Outcome::Done);
    }
    let shown = |path: &Path| path.strip_prefix(".").unwrap_or(path).display().to_string();
    let (config, private) = (shown(&report.config), shown(&report.key.private));
    let bivouac = match args.dir {
        None => "bivouac".to_owned(),
        Some(_) => format!("bivouac --config {config}"),
    };
    out::text(format_args!(
        "wrote {config}  (a small partial mirror of v3.23: look through it)\n\
         wrote {private}  (the signing key: keep it secret, and a copy of it)\n\
         wrote {private}.pub  (for clients' /etc/apk/keys)\n\
         \n\
         Next:\n  \
         {bivouac} sync      fetches, verifies, signs, publishes\n  \
         {bivouac} client    says what a client needs\n"
    ))?;
    Ok(Outcome::Done)
}
