//! From the words on the command line to [`Cli`], or to help, or to a failure in our form.

use std::ffi::OsString;
use std::process::ExitCode;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{CommandFactory as _, FromArgMatches as _};

use super::global::Output;
use super::{Failure, out};
use crate::{Cli, Command};

/// How `--help` groups the commands. A test holds that every command stands here once.
const GROUPS: &[(&str, &[&str])] = &[
    ("Start here", &["demo", "init"]),
    ("Mirror", &["sync", "status", "why", "source", "check", "repair", "prune"]),
    ("Publish and go back", &["publish", "promote", "rollback", "withdraw", "snapshots", "history", "diff"]),
    ("Sites without a network", &["bundle", "import", "receipt"]),
    ("Backups", &["backup", "restore"]),
    ("Clients", &["client", "serve", "web-config", "doctor", "audit"]),
    ("On a server", &["daemon", "completions", "man"]),
    ("Keys and configuration", &["key", "config"]),
    ("Loose files, no configuration needed", &["index", "sign", "verify"]),
];

const EXIT_CODES: &str = "\
Exit codes:
  0 done              1 this host's trouble, or a bug   2 usage or configuration
  3 refused           4 upstream away or incomplete     5 our state is damaged
  6 locked by another run                               128+n ended by signal n";

/// Reads the command line. The error is what to exit with: help was printed, or a failure was.
pub(crate) fn parse() -> Result<Cli, ExitCode> {
    #[cfg(debug_assertions)]
    super::rehearse_crashes();
    let words: Vec<OsString> = std::env::args_os().collect();
    // A command line that does not parse has no flags yet; the caller who wrote --json still gets the one value.
    let output = if words.iter().any(|word| word == "--json") { Output::Json } else { Output::Text };
    let parsed = table().try_get_matches_from(words).and_then(|matches| Cli::from_arg_matches(&matches));
    if let Ok(cli) = &parsed
        && std::process::id() == 1
        && !matches!(cli.command, Command::Daemon(_))
    {
        super::stop::end_as_process_1();
    }
    parsed.map_err(|error| match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => match out::text(error.render()) {
            Ok(()) => ExitCode::SUCCESS,
            Err(failure) => ExitCode::from(failure.exit_code()),
        },
        _ => {
            let failure = failure(&error);
            failure.print(output);
            ExitCode::from(failure.exit_code())
        }
    })
}

/// The command table with help as a person reads it: commands in groups, a line each.
pub(super) fn table() -> clap::Command {
    let command = Cli::command();
    let mut help = String::from("{about}\n\n{usage-heading} {usage}\n");
    for (heading, names) in GROUPS {
        help.push_str(&format!("\n{heading}:\n"));
        for name in *names {
            let about = command.find_subcommand(name).and_then(clap::Command::get_about);
            help.push_str(&format!("  {name:<13}{}\n", about.map(ToString::to_string).unwrap_or_default()));
        }
    }
    help.push_str("\n{all-args}\n\n");
    help.push_str(EXIT_CODES);
    help.push('\n');
    // `{all-args}` would list the commands a second time.
    let help = help.replace("{all-args}", "Global options:\n{options}");
    command.override_usage("bivouac [OPTIONS] COMMAND …").help_template(help)
}

/// A clap error in our form: its first paragraph is the heading, the usage and tips follow indented.
fn failure(error: &clap::Error) -> Failure {
    if error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
        || error.kind() == ErrorKind::MissingSubcommand
    {
        return Failure::usage("no command").hint("`bivouac --help` lists the commands; `bivouac demo` shows the job");
    }
    let text = error.render().to_string();
    let mut lines = text.lines().map(str::trim_end).filter(|line| !line.is_empty());
    let heading = lines.next().unwrap_or_default();
    let mut failure = Failure::usage(heading.strip_prefix("error: ").unwrap_or(heading));
    let mut tip = None;
    for line in lines {
        let line = line.trim_start();
        if line.starts_with("For more information") {
            continue;
        }
        match line.strip_prefix("tip: ") {
            Some(text) => tip = Some(text.to_owned()),
            None => failure = failure.detail(line),
        }
    }
    if let Some(ContextValue::String(near)) = error.get(ContextKind::SuggestedArg) {
        tip = Some(format!("did you mean {near}?"));
    }
    match tip {
        Some(tip) => failure.hint(tip),
        None => failure,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clap_finds_no_fault_in_its_table() {
        table().debug_assert();
    }

    #[test]
    fn every_command_stands_in_one_group_of_the_help() {
        let grouped: Vec<&str> = GROUPS.iter().flat_map(|(_, names)| names.iter().copied()).collect();
        let table = table();
        for command in table.get_subcommands() {
            let times = grouped.iter().filter(|name| **name == command.get_name()).count();
            assert_eq!(times, 1, "{}", command.get_name());
        }
        assert_eq!(grouped.len(), table.get_subcommands().count());
    }

    #[test]
    fn help_fits_eighty_columns_one_line_per_command() {
        let mut table = table();
        let help = table.render_help().to_string();
        let names: Vec<String> = table.get_subcommands().map(|command| command.get_name().to_owned()).collect();
        for line in help.lines() {
            assert!(line.chars().count() <= 80, "{line}");
        }
        for name in names {
            let lines = help.lines().filter(|line| line.starts_with(&format!("  {name} "))).count();
            assert_eq!(lines, 1, "{name}\n{help}");
        }
        for sub in table.get_subcommands_mut() {
            for line in sub.render_long_help().to_string().lines() {
                assert!(line.chars().count() <= 80, "{}: {line}", sub.get_name());
            }
        }
    }

    #[test]
    fn an_unknown_flag_is_a_usage_failure_in_our_form() {
        let error = table().try_get_matches_from(["bivouac", "status", "--jsn"]).unwrap_err();
        let failure = failure(&error);
        assert_eq!(failure.exit_code(), 2);
        let text = failure.to_string();
        assert!(text.starts_with("error: unexpected argument '--jsn' found\n"), "{text}");
        assert!(text.ends_with("  hint: did you mean --json?\n"), "{text}");
    }
}
