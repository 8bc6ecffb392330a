//! A word that is no command of ours.

use std::ffi::OsString;

use clap::CommandFactory as _;

use super::Failure;

/// Refuses it with the nearest name that works.
pub(crate) fn refuse(words: &[OsString]) -> Failure {
    let word = words.first().map(|word| word.to_string_lossy().into_owned()).unwrap_or_default();
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
    fn an_unknown_command_is_told_its_neighbour() {
        let failure = refuse(&[OsString::from("snyc")]).to_string();
        assert_eq!(failure, "error: there is no command \"snyc\"\n  hint: did you mean `sync`?\n");
    }
}
