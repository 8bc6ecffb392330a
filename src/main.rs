//! The front door: what the program can do, and where each part lives. Nothing here decides anything.

mod cli;

use std::ffi::OsString;
use std::process::ExitCode;

use cli::{Global, Outcome};

/// Mirrors, verifies, merges, signs and publishes Alpine Linux packages.
#[derive(clap::Parser)]
#[command(name = "bivouac", version, max_term_width = 80, subcommand_required = true, disable_help_subcommand = true)]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Write a commented bivouac.toml and a signing key
    Init(cli::init::Args),
    /// See the whole job done on a small upstream made here
    Demo(cli::demo::Args),
    /// Fetch, verify, merge, sign and publish
    Sync(cli::sync::Args),
    /// Read bundles at a site without a network
    Import(cli::import::Args),
    /// Publish a snapshot, live or beside the live tree
    Publish(cli::publish::Args),
    /// Make a tree published beside live, in one switch
    Promote(cli::promote::Args),
    /// Show an earlier generation's indexes again, and hold
    Rollback(cli::rollback::Args),
    /// Take a package out of our indexes
    Withdraw(cli::withdraw::Args),
    /// Per repository and arch: age, packages, bytes, last error
    Status(cli::status::Args),
    /// List the published generations, newest first
    History(cli::history::Args),
    /// List what was accepted when; pin and unpin
    Snapshots(cli::snapshots::Args),
    /// What changed between two snapshots or generations
    Diff(cli::diff::Args),
    /// The chain by which a package is mirrored, or why it is not
    Why(cli::why::Args),
    /// Compare pool and public tree with what was accepted
    Check(cli::check::Args),
    /// Drop what no snapshot, generation or linger reaches
    Prune(cli::prune::Args),
    /// Back up to a disk that is put away: all of it, incrementally
    Backup(cli::backup::Args),
    /// Bring all of a backup back, verified
    Restore(cli::restore::Args),
    /// Write a signed export for a site without a network
    Bundle(cli::bundle::Args),
    /// Write down for the sender of bundles what is here
    Receipt(cli::receipt::Args),
    /// Compare a source's URLs: who is away, behind, incomplete
    Source(cli::source::Args),
    /// Print what a client needs: repositories, key, checks
    Client(cli::client::Args),
    /// Serve the public tree over HTTP
    Serve(cli::serve::Args),
    /// Make, list, rotate and export signing keys
    Key(cli::key::Args),
    /// Check the configuration, or show it as understood
    Config(cli::config::Args),
    /// Write an index of a folder of packages
    Index(cli::index::Args),
    /// Sign an index or a package with our key
    Sign(cli::sign::Args),
    /// Verify packages and indexes against a folder of keys
    Verify(cli::verify::Args),
    /// What the contract names but a later release brings, and what nobody knows.
    #[command(external_subcommand)]
    Other(Vec<OsString>),
}

fn main() -> ExitCode {
    let Cli { global, command } = match cli::parse() {
        Ok(cli) => cli,
        Err(code) => return code,
    };
    cli::finish(&global, run(&global, command))
}

fn run(global: &Global, command: Command) -> Result<Outcome, cli::Failure> {
    match command {
        Command::Init(args) => cli::init::run(global, args),
        Command::Demo(args) => cli::demo::run(global, args),
        Command::Sync(args) => cli::sync::run(global, args),
        Command::Import(args) => cli::import::run(global, args),
        Command::Publish(args) => cli::publish::run(global, args),
        Command::Promote(args) => cli::promote::run(global, args),
        Command::Rollback(args) => cli::rollback::run(global, args),
        Command::Withdraw(args) => cli::withdraw::run(global, args),
        Command::Status(args) => cli::status::run(global, args),
        Command::History(args) => cli::history::run(global, args),
        Command::Snapshots(args) => cli::snapshots::run(global, args),
        Command::Diff(args) => cli::diff::run(global, args),
        Command::Why(args) => cli::why::run(global, args),
        Command::Check(args) => cli::check::run(global, args),
        Command::Prune(args) => cli::prune::run(global, args),
        Command::Backup(args) => cli::backup::run(global, args),
        Command::Restore(args) => cli::restore::run(global, args),
        Command::Bundle(args) => cli::bundle::run(global, args),
        Command::Receipt(args) => cli::receipt::run(global, args),
        Command::Source(args) => cli::source::run(global, args),
        Command::Client(args) => cli::client::run(global, args),
        Command::Serve(args) => cli::serve::run(global, args),
        Command::Key(args) => cli::key::run(global, args),
        Command::Config(args) => cli::config::run(global, args),
        Command::Index(args) => cli::index::run(global, args),
        Command::Sign(args) => cli::sign::run(global, args),
        Command::Verify(args) => cli::verify::run(global, args),
        Command::Other(words) => Err(cli::later::refuse(&words)),
    }
}
