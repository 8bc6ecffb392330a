//! `[backups.NAME]`: targets apart from the store, from what servers see and from each other, with recipients that are some.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::Resolver;
use crate::apk::BackupName;
use crate::config::written::{self, At};
use crate::config::{Backup, Deltas, Keep, Sealing, Tool};

/// How every recipient of age's X25519 begins.
const RECIPIENT: &str = "age1";
/// How the private half of one begins; age prints it in capitals, Bech32 is the same in small letters.
const IDENTITY: &str = "age-secret-key-";

impl Resolver<'_> {
    /// The targets. `store` and `public` are empty where they are missing or wrong, which was noted.
    pub(super) fn backups(
        &mut self,
        written: &[written::Backup],
        store: &Path,
        public: &Path,
    ) -> BTreeMap<BackupName, Backup> {
        let mut backups: BTreeMap<BackupName, Backup> = BTreeMap::new();
        for backup in written {
            let name = match backup.name.value.parse::<BackupName>() {
                Ok(name) => name,
                Err(error) => {
                    self.problems.add(backup.name.line, error.to_string());
                    continue;
                }
            };
            let Some(resolved) = self.backup(&name, backup) else { continue };
            let line = backup.target.as_ref().map_or(backup.name.line, |target| target.line);
            self.check_target(line, &resolved, store, public);
            if let Some(other) = backups.values().find(|other| overlap(&other.target, &resolved.target)) {
                let text = match other.target == resolved.target {
                    true => format!("backups \"{}\" and \"{name}\" have one target", other.name),
                    false => {
                        format!("the targets of backups \"{}\" and \"{name}\" lie one inside the other", other.name)
                    }
                };
                self.problems.add(line, text);
            }
            backups.insert(name, resolved);
        }
        backups
    }

    fn backup(&mut self, name: &BackupName, written: &written::Backup) -> Option<Backup> {
        let key = |key: &str| format!("backups.{name}.{key}");
        // All of it is read before any of it may be wanting, so that all that is wrong is said at once.
        let target = self.target(name, &key("target"), written);
        let sealing = self.sealing(&key, written);
        let keep = written.keep.as_ref().map(|keep| self.keep(&key("keep"), keep));
        let deltas = match written.deltas {
            Some(At { value: true, .. }) => Deltas::Yes,
            Some(At { value: false, .. }) | None => Deltas::No,
        };
        let tool = match written.tool {
            Some(At { value: false, .. }) => Tool::Leave,
            Some(At { value: true, .. }) | None => Tool::Carry,
        };
        Some(Backup { name: name.clone(), target: target?, sealing: sealing?, deltas, keep, tool })
    }

    fn target(&mut self, name: &BackupName, key: &str, written: &written::Backup) -> Option<PathBuf> {
        let Some(target) = &written.target else {
            let hint = "target = \"/media/backup\": the folder that backups go to".to_owned();
            let text = format!("backup \"{name}\" has no target");
            self.problems.add_with_hint(written.name.line, text, Some(hint));
            return None;
        };
        if let Some((scheme, _)) = target.value.split_once("://") {
            self.problems.add(target.line, format!("{key} is a URL ({scheme}); a target is a folder on this host"));
            return None;
        }
        self.checked_path(key, target)
    }

    /// Whoever sees the public tree would see backups below its folder; and a store's or tree's own files are no target's.
    fn check_target(&mut self, line: usize, backup: &Backup, store: &Path, public: &Path) {
        let Backup { name, target, .. } = backup;
        let is_known = |path: &Path| !path.as_os_str().is_empty();
        if is_known(store) && target.starts_with(store) {
            self.problems
                .add(line, format!("the target of backup \"{name}\" lies inside store, which it is to outlive"));
        } else if is_known(store) && store.starts_with(target) {
            self.problems.add(line, format!("store lies inside the target of backup \"{name}\""));
        }
        let Some(seen) = public.parent().filter(|seen| is_known(seen)) else { return };
        if target.starts_with(seen) {
            let text = format!(
                "the target of backup \"{name}\" lies in {}, the folder of public, which servers show",
                seen.display()
            );
            self.problems.add(line, text);
        } else if seen.starts_with(target) {
            self.problems.add(line, format!("public lies inside the target of backup \"{name}\""));
        }
    }

    fn sealing(&mut self, key: &impl Fn(&str) -> String, written: &written::Backup) -> Option<Sealing> {
        match (&written.recipients, &written.passphrase_file) {
            (None, None) => Some(Sealing::None),
            (Some(_), Some(file)) => {
                let text = format!("{} and {} exclude each other", key("recipients"), key("passphrase_file"));
                let hint = "age encrypts to recipients or under a passphrase, never both".to_owned();
                self.problems.add_with_hint(file.line, text, Some(hint));
                None
            }
            (None, Some(file)) => self.secret_path(&key("passphrase_file"), file).map(Sealing::PassphraseFile),
            (Some(recipients), None) => self.recipients(&key("recipients"), recipients).map(Sealing::Recipients),
        }
    }

    fn recipients(&mut self, key: &str, written: &At<Vec<At<String>>>) -> Option<Vec<String>> {
        if written.value.is_empty() {
            let hint = "without the key, private keys are left out of this target".to_owned();
            self.problems.add_with_hint(written.line, format!("{key} is empty: nobody could open them"), Some(hint));
            return None;
        }
        let before = self.problems.len();
        let mut recipients: Vec<String> = Vec::new();
        for text in &written.value {
            let Some(recipient) = self.recipient(key, text) else { continue };
            match recipients.contains(&recipient) {
                true => self.problems.add(text.line, format!("{key} names {recipient} twice")),
                false => recipients.push(recipient),
            }
        }
        (self.problems.len() == before).then_some(recipients)
    }

    /// One recipient, as age prints it.
    fn recipient(&mut self, key: &str, text: &At<String>) -> Option<String> {
        if text.value.to_ascii_lowercase().starts_with(IDENTITY) {
            // The text itself is the secret: it is not repeated.
            let hint =
                "name its public half (`age-keygen -y FILE` prints it), and keep this one off this host".to_owned();
            self.problems.add_with_hint(text.line, format!("{key} holds a private key of age's"), Some(hint));
            return None;
        }
        match text.value.parse::<age::x25519::Recipient>() {
            Ok(recipient) => Some(recipient.to_string()),
            Err(reason) => {
                let hint = match text.value.starts_with(RECIPIENT) {
                    true => format!("it is not whole or not X25519: {reason}"),
                    false => "`age-keygen` makes a key and prints its recipient; other kinds are not taken".to_owned(),
                };
                let shown: String = text.value.chars().take(80).collect();
                let text_of = format!("{key}: {shown:?} is not a recipient of age's ({RECIPIENT}…)");
                self.problems.add_with_hint(text.line, text_of, Some(hint));
                None
            }
        }
    }

    fn keep(&mut self, key: &str, written: &At<Vec<(&'static str, At<i64>)>>) -> Keep {
        let mut keep = Keep { last: 0, daily: 0, weekly: 0, monthly: 0 };
        let before = self.problems.len();
        for (rule, count) in &written.value {
            let count = self.not_negative(&format!("{key}.{rule}"), count);
            match *rule {
                "last" => keep.last = count,
                "daily" => keep.daily = count,
                "weekly" => keep.weekly = count,
                _ => keep.monthly = count,
            }
        }
        let Keep { last, daily, weekly, monthly } = keep;
        if [last, daily, weekly, monthly] == [0; 4] && self.problems.len() == before {
            let hint = "without the key, every backup stays".to_owned();
            self.problems.add_with_hint(written.line, format!("{key} keeps no backup"), Some(hint));
        }
        keep
    }
}

fn overlap(one: &Path, other: &Path) -> bool {
    one.starts_with(other) || other.starts_with(one)
}
