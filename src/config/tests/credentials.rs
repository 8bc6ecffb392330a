//! `$CREDENTIALS_DIRECTORY`, with folders that were handed over whole.

use super::*;

fn passphrase_file(text: &str, credentials: Option<&str>) -> Result<PathBuf, String> {
    let text = RIGHT.replace("[signing]\n", &format!("[signing]\npassphrase_file = \"{text}\"\n"));
    let text = format!("{text}{BRANCHES}");
    match Config::parse(&text, Path::new("b.toml"), Path::new("/etc/bivouac"), credentials.map(Path::new)) {
        Ok(config) => Ok(config.signing.unwrap().passphrase_file().unwrap().to_owned()),
        Err(Error::Refused(problems)) => Err(problems.iter().map(ToString::to_string).collect()),
        Err(other) => panic!("{other}"),
    }
}

#[test]
fn a_folder_of_credentials_is_flat_under_systemd_and_itself_elsewhere() {
    let named = "$CREDENTIALS_DIRECTORY/secrets/pass";
    assert_eq!(passphrase_file(named, Some("/run/credentials/u")), Ok("/run/credentials/u/secrets_pass".into()));
    assert_eq!(passphrase_file(named, None), Ok("/etc/bivouac/secrets/pass".into()));
    let alone = "$CREDENTIALS_DIRECTORY/pass";
    assert_eq!(passphrase_file(alone, Some("/run/credentials/u")), Ok("/run/credentials/u/pass".into()));
    assert!(passphrase_file(alone, None).unwrap_err().contains("needs $CREDENTIALS_DIRECTORY"));
}

#[test]
fn a_signing_key_keeps_its_name() {
    let text = format!("{RIGHT}{BRANCHES}").replace("keys/ops@", "$CREDENTIALS_DIRECTORY/keys/ops@");
    let refused = Config::parse(&text, Path::new("b.toml"), Path::new("/site"), Some(Path::new("/run/c"))).unwrap_err();
    let Error::Refused(problems) = refused else { panic!("{refused}") };
    assert!(problems.iter().next().unwrap().text.starts_with("signing.key: a key is known by its file's name"));
}
