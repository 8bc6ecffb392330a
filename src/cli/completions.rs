//! `bivouac completions`.

use clap_complete::Shell;

use super::{Failure, Global, Outcome, out, parse};

/// Arguments of `completions`.
#[derive(clap::Args, Debug)]
#[command(after_help = "\
    bash: /usr/share/bash-completion/completions/bivouac; zsh: _bivouac in a folder of $fpath; fish: \
    ~/.config/fish/completions/bivouac.fish.")]
pub(crate) struct Args {
    /// For which shell
    shell: Shell,
}

pub(crate) fn run(_global: &Global, args: Args) -> Result<Outcome, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut parse::table(), "bivouac", &mut script);
    out::text(String::from_utf8_lossy(&script))?;
    Ok(Outcome::Done)
}
