//! Commands of the contract that a later release brings: known by name, refused by name.

use std::ffi::OsString;

use clap::CommandFactory as _;

use super::Failure;

/// Every command that the contract names and this release does not have, with what it will do.
pub(crate) const LATER: &[(&str, &str)] = &[("repair", "Refetch damaged objects by their digest")];

/// Refuses a command that is not here: by name when the contract knows it, else with the nearest name that works.
pub(crate) fn refuse(words: &[OsString]) -> Failure {
    let word = words.first().map(|word| word.to_string_lossy().into_owned()).unwrap_or_default();
    if let Some((name, about)) = LATER.iter().find(|(name, _)| *name == word) {
        return Failure::not_supported_yet(format_args!("`{name}`")).detail(format_args!("it will: {about}"));
    }
    let failure = Failure::usage(format_args!("there is no command {word:?}"));
    let table = crate::Cli::command();
    let near = table
        .get_subcommands()
        .map(|command| (strsim::damerau_levenshtein(command.get_name(), &word), command.get_name()))
        .min()
        .filter(|(distance, name)| *distance <= name.len() / 2);
    match near {
        Some((_, name)) => failure.hint(format_args!("did you mean `{name}`?")),
        None => failure.hint("`bivouac --help` lists the commands"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn later_commands_are_refused_by_name() {
        for (name, _) in LATER {
            let failure = refuse(&[OsString::from(name)]);
            assert_eq!(failure.exit_code(), 2);
            assert!(failure.to_string().starts_with(&format!("error: `{name}` is not supported yet\n")));
        }
    }

    #[test]
    fn a_command_is_here_or_later_and_never_both() {
        let table = crate::Cli::command();
        for command in table.get_subcommands() {
            assert!(LATER.iter().all(|(name, _)| *name != command.get_name()), "{}", command.get_name());
        }
    }

    #[test]
    fn an_unknown_command_is_told_its_neighbour() {
        let failure = refuse(&[OsString::from("snyc")]).to_string();
        assert_eq!(failure, "error: there is no command \"snyc\"\n  hint: did you mean `sync`?\n");
    }
}
