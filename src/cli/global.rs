//! The flags that every command takes.

use std::path::PathBuf;
use std::time::Duration;

/// Flags that every command takes.
#[derive(clap::Args, Clone, Debug, Default)]
#[command(next_help_heading = "Global options")]
pub(crate) struct Global {
    /// The configuration [else: ./bivouac.toml, /etc/bivouac/bivouac.toml]
    #[arg(long, global = true, value_name = "FILE", env = "BIVOUAC_CONFIG", hide_env = true, display_order = 100)]
    pub(crate) config: Option<PathBuf>,
    /// Print one JSON value on standard output
    #[arg(long, global = true, display_order = 101)]
    pub(crate) json: bool,
    /// Progress as JSON lines on standard error
    #[arg(long, global = true, value_name = "FORM", display_order = 102)]
    pub(crate) log: Option<LogForm>,
    /// Wait for another run's lock [for 30m unless said]
    #[arg(
        long,
        global = true,
        value_name = "TIME",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "30m",
        value_parser = bivouac::config::parse_duration,
        display_order = 103
    )]
    pub(crate) wait: Option<Duration>,
    /// No progress, no warnings; errors only
    #[arg(short, long, global = true, conflicts_with = "verbose", display_order = 104)]
    pub(crate) quiet: bool,
    /// A line for every package
    #[arg(short, long, global = true, display_order = 105)]
    pub(crate) verbose: bool,
}

/// What `--log` takes.
#[derive(clap::ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LogForm {
    // No doc comment: clap would print the values as a list of their own, below a help of one line each.
    Json,
}

/// How results and failures are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Output {
    /// For people.
    Text,
    /// One JSON value.
    Json,
}

impl Global {
    /// How results and failures are printed.
    pub(crate) fn output(&self) -> Output {
        if self.json { Output::Json } else { Output::Text }
    }
}
