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

/// Each row is a command, its line in the help, and its file below `cli/`.
macro_rules! commands {
    ($(#[doc = $about:literal] $name:ident => $file:ident,)+) => {
        #[derive(clap::Subcommand)]
        enum Command {
            $(#[doc = $about] $name(cli::$file::Args),)+
            /// What nobody knows.
            #[command(external_subcommand)]
            Other(Vec<OsString>),
        }

        fn run(global: &Global, command: Command) -> Result<Outcome, cli::Failure> {
            match command {
                $(Command::$name(args) => cli::$file::run(global, args),)+
                Command::Other(words) => Err(cli::unknown::refuse(&words)),
            }
        }
    };
}

commands! {
    /// Write a commented bivouac.toml and a signing key
    Init => init,
    /// See the whole job done on a small upstream made here
    Demo => demo,
    /// Fetch, verify, merge, sign and publish
    Sync => sync,
    /// Read bundles at a site without a network
    Import => import,
    /// Publish a snapshot, live or beside the live tree
    Publish => publish,
    /// Make a tree published beside live, in one switch
    Promote => promote,
    /// Show an earlier generation's indexes again, and hold
    Rollback => rollback,
    /// Take a package out of our indexes
    Withdraw => withdraw,
    /// Per repository and arch: age, packages, bytes, last error
    Status => status,
    /// List the published generations, newest first
    History => history,
    /// List what was accepted when; pin and unpin
    Snapshots => snapshots,
    /// What changed between two snapshots or generations
    Diff => diff,
    /// The chain by which a package is mirrored, or why it is not
    Why => why,
    /// Compare pool and public tree with what was accepted
    Check => check,
    /// Bring what was lost or damaged back, by its digest
    Repair => repair,
    /// Find the usual faults and say what to do
    Doctor => doctor,
    /// Drop what no snapshot, generation or linger reaches
    Prune => prune,
    /// Back up to a disk that is put away: all of it, incrementally
    Backup => backup,
    /// Bring all of a backup back, verified
    Restore => restore,
    /// Write a signed export for a site without a network
    Bundle => bundle,
    /// Write down for the sender of bundles what is here
    Receipt => receipt,
    /// Compare a source's URLs: who is away, behind, incomplete
    Source => source,
    /// Print what a client needs: repositories, key, checks
    Client => client,
    /// Serve the public tree over HTTP or HTTPS
    Serve => serve,
    /// Print a web server's configuration for the public tree
    WebConfig => web_config,
    /// Explain access logs: who fetched what, and why 404
    Audit => audit,
    /// Run the configured schedule, and serve
    Daemon => daemon,
    /// Make, list, rotate and export signing keys
    Key => key,
    /// Check the configuration, or show it as understood
    Config => config,
    /// Print completions for a shell
    Completions => completions,
    /// Print the manual pages
    Man => man,
    /// Write an index of a folder of packages
    Index => index,
    /// Sign an index or a package with our key
    Sign => sign,
    /// Verify packages and indexes against a folder of keys
    Verify => verify,
}

fn main() -> ExitCode {
    let Cli { global, command } = match cli::parse() {
        Ok(cli) => cli,
        Err(code) => return code,
    };
    cli::finish(&global, run(&global, command))
}
