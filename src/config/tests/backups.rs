//! `[backups.NAME]`: what it may say, and where a target may lie.

use std::path::{Path, PathBuf};

use super::{BRANCHES, RIGHT, listed, parse};
use crate::config::{Backup, Deltas, Keep, Sealing, Tool};

/// Recipients as `age-keygen` prints them.
const ONE: &str = "age1zvkyg2lqzraa2lnjvqej32nkuu0ues2s82hzrye869xeexvn73equnujwj";
const OTHER: &str = "age1lggyhqrw2nlhcxprm67z43rta597azn8gknawjehu9d9dl0jq3yqqvfafg";

/// The whole, right configuration with these lines at its end, the first of which is line 17.
fn with(lines: &str) -> String {
    format!("{RIGHT}{BRANCHES}\n[backups.disk]\n{lines}\n")
}

fn backup(lines: &str) -> Backup {
    let text = with(lines);
    let config = parse(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    let shown = config.to_toml();
    assert_eq!(parse(&shown).unwrap_or_else(|error| panic!("{error}\n{shown}")), config, "{shown}");
    config.backups.into_values().next().unwrap()
}

#[test]
fn absent_keys_have_the_contracts_values() {
    let expected = Backup {
        name: "disk".parse().unwrap(),
        target: "/media/backup".into(),
        sealing: Sealing::None,
        deltas: Deltas::No,
        keep: None,
        tool: Tool::Carry,
    };
    assert_eq!(backup("target = \"/media/backup\""), expected);
}

#[test]
fn every_key_resolves_and_prints_again() {
    let full = backup(&format!(
        "target = \"../backup\"\nrecipients = [\"{ONE}\", \"{OTHER}\"]\ndeltas = true\ntool = false\n\
         keep = {{ last = 3, daily = 7, weekly = 4, monthly = 12 }}"
    ));
    assert_eq!(full.target, Path::new("/srv/backup"), "relative to the file");
    assert_eq!(full.sealing, Sealing::Recipients(vec![ONE.to_owned(), OTHER.to_owned()]));
    assert_eq!((full.deltas, full.tool), (Deltas::Yes, Tool::Leave));
    assert_eq!(full.keep, Some(Keep { last: 3, daily: 7, weekly: 4, monthly: 12 }));
    let some = backup("target = \"b\"\npassphrase_file = \"secrets/backup\"\nkeep = { weekly = 4, last = 0 }");
    assert_eq!(some.sealing, Sealing::PassphraseFile(PathBuf::from("/srv/site/secrets/backup")));
    assert_eq!(some.keep, Some(Keep { last: 0, daily: 0, weekly: 4, monthly: 0 }), "a rule left out keeps nothing");
}

#[test]
fn targets_lie_apart() {
    // RIGHT has its store in /srv/site/store and its public link in /srv/site/public.
    for (lines, expected) in [
        ("target = 'store/backup'", r#"17: the target of backup "disk" lies inside store, which it is to outlive"#),
        ("target = 'store'", r#"17: the target of backup "disk" lies inside store, which it is to outlive"#),
        (
            "target = 'public/backup'",
            r#"17: the target of backup "disk" lies in /srv/site/public, the folder of public, which servers show"#,
        ),
        (
            "target = 'public/alpine/x'",
            r#"17: the target of backup "disk" lies in /srv/site/public, the folder of public, which servers show"#,
        ),
        ("target = 'x'\n[backups.two]\ntarget = '/srv/site/y/../x'", r#"19: backups "disk" and "two" have one target"#),
        (
            "target = 'x/y'\n[backups.two]\ntarget = 'x'",
            r#"19: the targets of backups "disk" and "two" lie one inside the other"#,
        ),
    ] {
        let told = listed(&parse(&with(lines)).expect_err(lines)).replace("bivouac.toml:", "");
        assert_eq!(told, expected, "{lines}");
    }
    let told = listed(&parse(&with("target = '/srv'")).unwrap_err()).replace("bivouac.toml:", "");
    let around = "17: store lies inside the target of backup \"disk\"\n\
                  17: public lies inside the target of backup \"disk\"";
    assert_eq!(told, around);
    // Names that begin alike are no folders of each other.
    let beside = parse(&with("target = 'store-2'\n[backups.two]\ntarget = 'public.backup'")).unwrap();
    assert_eq!(beside.backups.len(), 2);
}

#[test]
fn mistakes_are_told_with_their_lines() {
    let cut = &ONE[..ONE.len() - 1];
    for (lines, expected) in [
        ("".to_owned(), "16: backup \"disk\" has no target (target = \"/media/backup\": "),
        ("target = 's3://bucket'".to_owned(), "17: backups.disk.target is a URL (s3); a target is a folder"),
        ("target = ''".to_owned(), "17: backups.disk.target is not a path: \"\""),
        (
            "target = 't'\nrecipient = []".to_owned(),
            "18: unknown key \"recipient\" in [backups.disk] (did you mean \"re",
        ),
        ("target = 't'\nrecipients = []".to_owned(), "18: backups.disk.recipients is empty: nobody could open them"),
        ("target = 't'\nrecipients = 'age1'".to_owned(), "18: backups.disk.recipients must be a list of texts"),
        (
            format!("target = 't'\nrecipients = [\n'{ONE}',\n'{cut}']"),
            &format!("20: backups.disk.recipients: {cut:?} is not a recipient of age's (age1…) (it is not whole or"),
        ),
        (
            "target = 't'\nrecipients = ['ssh-ed25519 AAAA']".to_owned(),
            "18: backups.disk.recipients: \"ssh-ed25519 AAAA\" is not a recipient of age's (age1…) (`age-keygen`",
        ),
        (
            format!("target = 't'\nrecipients = ['{ONE}', '{}']", ONE.to_ascii_uppercase()),
            &format!("18: backups.disk.recipients names {ONE} twice"),
        ),
        (
            format!("target = 't'\nrecipients = ['{ONE}']\npassphrase_file = 'p'"),
            "19: backups.disk.recipients and backups.disk.passphrase_file exclude each other (age encrypts",
        ),
        (
            "target = 't'\npassphrase_file = '$HOME/p'".to_owned(),
            "18: of variables, backups.disk.passphrase_file may begin with $CREDENTIALS_DIRECTORY/ alone",
        ),
        ("target = 't'\nkeep = { daily = -1 }".to_owned(), "18: backups.disk.keep.daily is -1, less than 0"),
        ("target = 't'\nkeep = {}".to_owned(), "18: backups.disk.keep keeps no backup (without the key, every"),
        ("target = 't'\nkeep = { last = 0, weekly = 0 }".to_owned(), "18: backups.disk.keep keeps no backup"),
        ("target = 't'\nkeep = { yearly = 1 }".to_owned(), "18: unknown key \"yearly\" in [backups.disk.keep]"),
        ("target = 't'\ntool = 'no'".to_owned(), "18: backups.disk.tool must be true or false, not text"),
        ("target = 't'\n[backups.list]\ntarget = 'u'".to_owned(), "18: \"list\" is not a backup's name ("),
    ] {
        let told = listed(&parse(&with(&lines)).expect_err(&lines)).replace("bivouac.toml:", "");
        assert!(told.starts_with(expected), "{lines}:\n{told}\n{expected}");
    }
}

#[test]
fn a_private_key_among_the_recipients_is_not_repeated() {
    // Bech32 is the same in small letters, so a key that was written so is one.
    for identity in
        ["AGE-SECRET-KEY-1QQQSYQCYQ5RQWZQFPG9SCRGWPUGPZYSN", "age-secret-key-1qqqsyqcyq5rqwzqfpg9scrgwpugpzysn"]
    {
        let error = parse(&with(&format!("target = 't'\nrecipients = ['{identity}']"))).unwrap_err();
        let told = listed(&error);
        assert!(told.contains("18: backups.disk.recipients holds a private key of age's"), "{told}");
        assert!(!format!("{told}{error:?}").to_lowercase().contains("qqqsyq"), "{told}");
    }
}
