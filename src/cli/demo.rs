//! `bivouac demo`.

use super::{Failure, Global, Outcome};

/// Arguments of `demo`.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// The folder that holds everything the demo makes
    #[arg(long, value_name = "DIR", default_value = "bivouac-demo")]
    pub(crate) dir: std::path::PathBuf,
    /// Where the result is served
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8080")]
    pub(crate) listen: std::net::SocketAddr,
    /// Stop after the sync instead of serving its result
    #[arg(long)]
    pub(crate) once: bool,
}

pub(crate) fn run(_global: &Global, _args: Args) -> Result<Outcome, Failure> {
    Err(Failure::not_supported_yet("`demo`"))
}
