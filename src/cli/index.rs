//! `bivouac index`.

use super::{Failure, Global, Outcome};

/// Arguments of `index`.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// The folder whose *.apk files are listed
    #[arg(value_name = "DIR")]
    pub(crate) dir: std::path::PathBuf,
    /// Where the index goes [default: DIR/APKINDEX.tar.gz]
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<std::path::PathBuf>,
    /// Text for DESCRIPTION, at most 160 bytes
    #[arg(short, long, value_name = "TEXT")]
    pub(crate) description: Option<String>,
    /// The arch of the index [default: the one arch found]
    #[arg(long, value_name = "ARCH")]
    pub(crate) arch: Option<bivouac::apk::Arch>,
    /// Sign with this private key [default: the configured key, if any]
    #[arg(long, value_name = "FILE")]
    pub(crate) key: Option<std::path::PathBuf>,
    /// Also write APKINDEX.tar.gz.sign: the raw signature over the index
    #[arg(long)]
    pub(crate) detached: bool,
}

pub(crate) fn run(_global: &Global, _args: Args) -> Result<Outcome, Failure> {
    Err(Failure::not_supported_yet("`index`"))
}
