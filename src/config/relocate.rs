//! The text of a configuration with other paths in it; everything else stays as it was typed, comments and order included.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Component, Path, PathBuf};

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::resolve::CREDENTIALS;

/// Why the paths of a configuration were not changed.
#[derive(Debug, thiserror::Error)]
pub enum CannotRelocate {
    /// It is no TOML.
    #[error("it does not parse")]
    Text(#[source] toml::de::Error),
}

/// What a text value names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Names {
    /// Something of ours that moves along: it is told where to.
    Moving,
    /// A place outside that stays where it is.
    Staying,
    /// `@FILE`, or something else.
    World,
    /// No path.
    Nothing,
}

/// What the value of this key names. Keys of tables of the operator's naming stand as `*`.
fn names(key: &[&str]) -> Names {
    match key {
        ["store" | "public"] | ["signing", "key" | "passphrase_file" | "pin_file"] => Names::Moving,
        ["sources", _, "keyring" | "origin", ..] => Names::Moving,
        ["sources", _, "ca" | "client_cert" | "client_key"] => Names::Moving,
        ["sources", _, "auth", "basic_file" | "header_file"] => Names::Moving,
        ["notify", "webhook_file"] => Names::Moving,
        ["serve", "client_ca" | "basic_file"] | ["serve", "tls", "cert" | "key"] => Names::Moving,
        ["sources", _, "directory" | "bundles" | "seed"] | ["metrics", "textfile"] => Names::Staying,
        ["backups", _, "target" | "passphrase_file"] => Names::Staying,
        ["repositories", "packages" | "exclude" | "must_install", ..] => Names::World,
        _ => Names::Nothing,
    }
}

/// The text with every path that `moved` has (absolute) as that one says. `folder` (absolute) is what relative paths of the text
/// start from, `credentials` what `$CREDENTIALS_DIRECTORY` stands for in `moved`. Folders that do not move along (packages,
/// bundles, targets of backups) are named from the root on, so that the file means the same ones from another folder.
pub fn relocate(
    text: &str,
    folder: &Path,
    credentials: Option<&Path>,
    moved: &BTreeMap<PathBuf, PathBuf>,
) -> Result<String, CannotRelocate> {
    let table = DeTable::parse(text).map_err(CannotRelocate::Text)?;
    let mut edits = Vec::new();
    let edit = Editing { folder, credentials, moved };
    edit.table(table.get_ref(), &mut Vec::new(), &mut edits);
    edits.sort_by_key(|(range, _): &(Range<usize>, String)| range.start);
    let mut changed = String::with_capacity(text.len());
    let mut at = 0;
    for (range, new) in edits {
        changed.push_str(&text[at..range.start]);
        changed.push_str(&new);
        at = range.end;
    }
    changed.push_str(&text[at..]);
    Ok(changed)
}

struct Editing<'e> {
    folder: &'e Path,
    credentials: Option<&'e Path>,
    moved: &'e BTreeMap<PathBuf, PathBuf>,
}

impl Editing<'_> {
    fn table<'t>(&self, table: &'t DeTable<'_>, key: &mut Vec<&'t str>, edits: &mut Vec<(Range<usize>, String)>) {
        for (name, value) in table.iter() {
            key.push(name.get_ref());
            self.value(value, key, edits);
            key.pop();
        }
    }

    fn value<'t>(
        &self,
        value: &'t Spanned<DeValue<'_>>,
        key: &mut Vec<&'t str>,
        edits: &mut Vec<(Range<usize>, String)>,
    ) {
        match value.get_ref() {
            DeValue::String(text) => {
                if let Some(new) = self.new_text(text, names(key)) {
                    edits.push((value.span(), toml::Value::String(new).to_string()));
                }
            }
            DeValue::Array(values) => values.iter().for_each(|value| self.value(value, key, edits)),
            DeValue::Table(table) => self.table(table, key, edits),
            _ => {}
        }
    }

    fn new_text(&self, text: &str, names: Names) -> Option<String> {
        let shown = |path: &Path| path.to_string_lossy().into_owned();
        match names {
            Names::Nothing => None,
            Names::World => {
                let new = self.moved.get(&self.absolute(text.strip_prefix('@')?))?;
                Some(format!("@{}", new.display()))
            }
            Names::Moving => self.moved.get(&self.absolute(text)).map(|new| shown(new)),
            Names::Staying => Path::new(text).is_relative().then(|| shown(&self.absolute(text))),
        }
        .filter(|new| new != text)
    }

    fn absolute(&self, text: &str) -> PathBuf {
        let below = text.strip_prefix(CREDENTIALS).and_then(|rest| rest.strip_prefix('/'));
        // As the resolver has it: a folder that was handed over whole is the folder itself where nobody handed it over.
        let path = match (below, self.credentials) {
            (Some(below), Some(credentials)) => credentials.join(below.replace('/', "_")),
            (Some(below), None) if below.contains('/') => self.folder.join(below),
            _ => self.folder.join(text),
        };
        let mut plain = PathBuf::new();
        for component in path.components() {
            match component {
                Component::CurDir => {}
                Component::ParentDir => drop(plain.pop()),
                other => plain.push(other),
            }
        }
        plain
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Config, homes};
    use super::*;

    const TEXT: &str = r#"# ours
store  = "/var/lib/bivouac"   # the pool
public = '/srv/mirror/alpine'
[signing]
key = "keys/ops.rsa"
passphrase_file = "$CREDENTIALS_DIRECTORY/ops"
[sources.alpine]
url = ["https://example.org/alpine"]
keyring = { x86_64 = ["/etc/apk/keys/a.rsa.pub", "../keys/a.rsa.pub"] }
auth = { basic_file = "/root/login" }
ca = "/etc/ssl/own.pem"
seed = ["old"]
[sources.corp]
directory = "packages"  # relative
keyring = ["trusted"]
[[repositories]]
name = "v3.23/site"
arches = ["x86_64"]
from = ["corp", "alpine:v3.23/main"]
packages = ["nginx", "@worlds/web"]
must_install = ["@/etc/apk/world"]
[backups.disk]
target = "../backup"
[serve]
tls = { cert = "/etc/ssl/mirror.pem", key = "$CREDENTIALS_DIRECTORY/secrets/mirror.key" }
client_ca = "/etc/ssl/clients.pem"
basic_file = "users"
"#;

    #[test]
    fn paths_move_and_nothing_else_changes() {
        let folder = Path::new("/etc/bivouac");
        let credentials = Some(Path::new("/run/credentials/bivouac"));
        let file = folder.join("bivouac.toml");
        let then = Config::parse(TEXT, &file, folder, credentials).unwrap();
        let mut moved = homes(&then);
        moved.insert("/var/lib/bivouac".into(), "store".into());
        moved.insert("/srv/mirror/alpine".into(), "public".into());
        let expected = TEXT
            .replace("\"/var/lib/bivouac\"", "\"store\"")
            .replace("'/srv/mirror/alpine'", "\"public\"")
            .replace("$CREDENTIALS_DIRECTORY/ops", "keys/ops")
            .replace("/etc/apk/keys/a.rsa.pub", "keys/a.rsa.pub")
            .replace("../keys/a.rsa.pub", "keys/2/a.rsa.pub")
            .replace("/root/login", "keys/login")
            .replace("/etc/ssl/own.pem", "files/own.pem")
            .replace("[\"old\"]", "[\"/etc/bivouac/old\"]")
            .replace("\"packages\"", "\"/etc/bivouac/packages\"")
            .replace("@/etc/apk/world", "@files/world")
            .replace("../backup", "/etc/backup")
            .replace("/etc/ssl/mirror.pem", "files/mirror.pem")
            .replace("$CREDENTIALS_DIRECTORY/secrets/mirror.key", "keys/secrets_mirror.key")
            .replace("/etc/ssl/clients.pem", "files/clients.pem");
        let now = relocate(TEXT, folder, credentials, &moved).unwrap();
        assert_eq!(now, expected);
        // Below another folder it reads, and names what belongs there.
        let to = Path::new("/restored");
        let config = Config::parse(&now, &to.join("bivouac.toml"), to, None).unwrap();
        assert_eq!((config.store, config.public), (to.join("store"), to.join("public")));
        assert_eq!(config.signing.unwrap().key, to.join("keys/ops.rsa"));
        assert_eq!(relocate(&now, to, None, &BTreeMap::new()).unwrap(), now, "nothing moves any more");
    }

    #[test]
    fn a_secret_of_a_folder_that_was_not_handed_over_is_beside_the_file() {
        let folder = Path::new("/etc/bivouac");
        let then = Config::parse(
            TEXT.replace("DIRECTORY/ops", "DIRECTORY/secrets/ops").as_str(),
            &folder.join("b.toml"),
            folder,
            None,
        );
        let moved = homes(&then.unwrap());
        let text = "[serve]\ntls = { key = \"$CREDENTIALS_DIRECTORY/secrets/mirror.key\" }";
        let now = relocate(text, folder, None, &moved).unwrap();
        assert_eq!(now, "[serve]\ntls = { key = \"secrets/mirror.key\" }");
    }

    #[test]
    fn every_key_that_may_name_a_path_is_known_here() {
        // The commented example has every key there is. A path in it that nobody classified is seen by its slash.
        let text = include_str!("../../config/bivouac.toml");
        let table = DeTable::parse(text).unwrap();
        let mut unknown = Vec::new();
        look(table.get_ref(), &mut Vec::new(), &mut unknown);
        assert_eq!(unknown, [""; 0], "keys whose values look like paths and that `names` does not know");
    }

    fn look(table: &DeTable<'_>, key: &mut Vec<String>, unknown: &mut Vec<String>) {
        for (name, value) in table.iter() {
            key.push(name.get_ref().to_string());
            each(value.get_ref(), key, unknown);
            key.pop();
        }
    }

    fn each(value: &DeValue<'_>, key: &mut Vec<String>, unknown: &mut Vec<String>) {
        match value {
            DeValue::String(text) => {
                let words: Vec<&str> = key.iter().map(String::as_str).collect();
                let is_path = text.starts_with(['/', '.', '$']) || text.starts_with("keys/");
                // A program, and what stands for a repository.
                let other =
                    matches!(words[..], ["signing" | "notify", "command"] | ["repositories", ..] | ["aliases", ..]);
                if is_path && !other && names(&words) == Names::Nothing {
                    unknown.push(format!("{}: {text}", key.join(".")));
                }
            }
            DeValue::Array(values) => values.iter().for_each(|value| each(value.get_ref(), key, unknown)),
            DeValue::Table(table) => look(table, key, unknown),
            _ => {}
        }
    }
}
