//! `[signing]`: who holds the private half, and what cannot stand together.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{BRANCHES, RIGHT, listed, parse};
use crate::config::{ExposedKey, KeyHolder, Signing};

/// The whole, right configuration with these lines under `[signing]`.
fn with(lines: &str) -> String {
    format!("{}{BRANCHES}", RIGHT.replace("[sources.alpine]", &format!("{lines}\n[sources.alpine]")))
}

fn signing(lines: &str) -> Signing {
    let text = with(lines);
    let config = parse(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    let shown = config.to_toml();
    assert_eq!(parse(&shown).unwrap_or_else(|error| panic!("{error}\n{shown}")), config, "{shown}");
    config.signing.unwrap()
}

#[test]
fn each_holder_resolves_and_prints_again() {
    let plain = signing("");
    assert_eq!(plain.max_key_age, Some(Duration::from_secs(365 * 86_400)));
    assert_eq!(plain.holder, KeyHolder::File { passphrase_file: None, exposed: ExposedKey::Refuse });

    let encrypted = signing("passphrase_file = \"secrets/p\"\nexposed = \"accept\"\nmax_key_age = \"off\"");
    let passphrase_file = Some(PathBuf::from("/srv/site/secrets/p"));
    assert_eq!(encrypted.passphrase_file(), passphrase_file.as_deref());
    assert_eq!(encrypted.holder, KeyHolder::File { passphrase_file, exposed: ExposedKey::Accept });
    assert_eq!(encrypted.max_key_age, None);

    let program = signing("command = [\"./sign\", \"-{digest}\", \"a \\\"b\\\"\"]\ncommand_timeout = \"2m\"");
    let command = ["./sign", "-{digest}", "a \"b\""].map(str::to_owned).to_vec();
    let (folder, timeout) = (PathBuf::from("/srv/site"), Duration::from_secs(120));
    assert_eq!(program.holder, KeyHolder::Command { command, folder, timeout });

    for lines in [
        "pkcs11 = \"pkcs11:token=a%20b;id=%00?module-path=/m.so&pin-source=file:pin\"",
        "pkcs11 = \"pkcs11:token=a%20b;id=%00?module-path=/m.so\"\npin_file = \"pin\"",
    ] {
        let KeyHolder::Token { token, pin_file, .. } = signing(lines).holder else { panic!("{lines}") };
        assert_eq!((token.token.as_deref(), token.id.as_deref()), (Some("a b"), Some(&[0][..])), "{lines}");
        assert_eq!(pin_file.as_deref(), Some(Path::new("/srv/site/pin")), "{lines}");
    }
}

#[test]
fn what_cannot_stand_together_is_told() {
    const TOKEN: &str = "pkcs11 = \"pkcs11:token=t?module-path=/m\"";
    for (lines, expected) in [
        ("exposed = \"yes\"".to_owned(), "signing.exposed is \"yes\", not \"refuse\" or \"accept\""),
        ("max_key_age = \"soon\"".to_owned(), "signing.max_key_age is \"soon\", not \"off\" or a span like"),
        ("command = []".to_owned(), "signing.command is not a program and its arguments"),
        ("command = [\"s\"]\ncommand_timeout = \"0s\"".to_owned(), "signing.command_timeout is not 1s to 1h"),
        ("command = [\"s\"]\ncommand_timeout = \"2h\"".to_owned(), "signing.command_timeout is not 1s to 1h"),
        ("command_timeout = \"1s\"".to_owned(), "[signing] has command_timeout, which is for another signer"),
        ("pin_file = \"p\"".to_owned(), "[signing] has pin_file, which is for another signer"),
        (format!("command = [\"s\"]\n{TOKEN}"), "[signing] has both command and pkcs11; one of them signs"),
        (
            "command = [\"s\"]\npassphrase_file = \"p\"".to_owned(),
            "[signing] has passphrase_file, but no secret is read",
        ),
        (format!("{TOKEN}\npassphrase_file = \"p\""), "[signing] has passphrase_file, which is not for a token"),
        (format!("{}&pin-source=q\"\npin_file = \"p\"", TOKEN.trim_end_matches('"')), "both pin_file and a pin-source"),
        ("pkcs11 = \"softhsm\"".to_owned(), "signing.pkcs11 is not a PKCS#11 URI"),
        ("passphrase_file = \"$HOME/p\"".to_owned(), "signing.passphrase_file may begin with $CREDENTIALS_DIRECTORY/"),
    ] {
        let told = listed(&parse(&with(&lines)).expect_err(&lines));
        assert!(told.contains(expected) && told.lines().count() == 1, "{lines}: {told}");
    }
}
