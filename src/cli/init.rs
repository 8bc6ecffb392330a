//! `bivouac init`.

use std::path::{Path, PathBuf};

use bivouac::config::Layout;
use bivouac::jobs::init::init;
use bivouac::jobs::keys::ModulusBits;

use super::global::Output;
use super::{Failure, Global, Outcome, out};

/// Arguments of `init`.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// The folder to write into [default: the current one, or with --system /etc/bivouac]
    pub(crate) dir: Option<PathBuf>,
    /// For the packaged services: store and public tree in /srv/bivouac, the key for the user that they run as
    #[arg(long)]
    system: bool,
}

pub(crate) fn run(global: &Global, args: Args) -> Result<Outcome, Failure> {
    let (layout, usual) = match args.system {
        true => (Layout::Packaged, "/etc/bivouac"),
        false => (Layout::Beside, "."),
    };
    let folder = args.dir.as_deref().unwrap_or(Path::new(usual));
    let name = super::key::usual_name();
    let report = init(folder, &name, ModulusBits::default(), &mut getrandom::SysRng, layout)?;
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
    if args.system {
        return out::text(format_args!(
            "wrote {config}  (a small partial mirror of v3.23: look through it)\n\
             wrote {private}  (the signing key: keep it secret, and a copy of it)\n\
             wrote {private}.pub  (for clients' /etc/apk/keys)\n\
             \n\
             Next:\n  \
             systemctl start bivouac-sync                  fetches, verifies, signs, publishes\n  \
             systemctl enable --now bivouac-sync.timer     and again every four hours\n"
        ))
        .map(|()| Outcome::Done);
    }
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
