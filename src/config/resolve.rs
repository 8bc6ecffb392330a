//! As written → resolved: references found, units parsed, paths made absolute, contradictions refused. All that is wrong
//! is found in one pass.

mod access;
mod aliases;
mod backups;
mod from;
mod keyring_package;
pub(super) mod layout;
mod matrix;
mod operations;
mod repositories;
mod selection;
mod signing;
mod sources;
mod together;

use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use repositories::Published;

use super::problem::did_you_mean;
use super::written::{self, At, Written};
use super::{
    BadUnit, Config, Metrics, MinFree, Policy, Problems, Prune, Publish, Retain, RetainSnapshots, parse_duration,
    parse_percent, parse_size,
};
use crate::apk::{Place, Sha1Policy};

/// What `[publish] linger` is when the file does not say.
const DEFAULT_LINGER: Duration = Duration::from_secs(14 * 24 * 60 * 60);

/// The variable that systemd's credentials are named by in the paths of secrets.
pub(super) const CREDENTIALS: &str = "$CREDENTIALS_DIRECTORY";

/// Resolves what was written. `folder` (absolute) is what relative paths start from, `credentials` what
/// `$CREDENTIALS_DIRECTORY` stands for.
pub(super) fn resolve(
    written: &Written,
    file: &Path,
    folder: &Path,
    credentials: Option<&Path>,
) -> Result<Config, Problems> {
    let mut resolver = Resolver { folder, credentials, problems: Problems::new(file) };
    let store_path =
        resolver.required_path("store", written.store.as_ref(), "where pool, snapshots and state are kept");
    let public_path = resolver.required_path("public", written.public.as_ref(), "the link to the published tree");
    if let (Some(store), Some(public)) = (&written.store, &written.public) {
        resolver.check_apart(store.line, &store_path, public.line, &public_path);
    }
    let signing = written.signing.as_ref().and_then(|signing| resolver.signing(signing));
    let rate_limit =
        written.rate_limit.as_ref().map(|limit| resolver.rate_limit("rate_limit", limit)).unwrap_or_default();
    let mut sources = resolver.sources(&written.sources);
    let mut published = resolver.repositories(&written.repositories, &written.sources);
    if written.signing.is_none() {
        resolver.check_that_nothing_needs_our_key(&published);
    }
    if let (Some(signing), Some(written)) = (&signing, &written.signing) {
        resolver.add_keyring_package(signing, &store_path, &mut sources, &mut published, written.line);
    }
    let aliases = resolver.aliases(&written.aliases, &published);
    let linger = match &written.linger {
        Some(text) => resolver.duration("publish.linger", text).unwrap_or(DEFAULT_LINGER),
        None => DEFAULT_LINGER,
    };
    let to = match &written.publish_to {
        Some(text) => resolver.place(text).unwrap_or_default(),
        None => Place::Live,
    };
    let retain = resolver.retain(&written.retain);
    let backups = resolver.backups(&written.backups, &store_path, &public_path);
    let schedule = written.schedule.as_ref().and_then(|schedule| resolver.schedule(schedule, &backups));
    let serve = resolver.serve(&written.serve);
    let metrics = Metrics { textfile: written.metrics_textfile.as_ref().and_then(|text| resolver.textfile(text)) };
    let notify = written.notify.as_ref().and_then(|notify| resolver.notify(notify));
    let policy = Policy { sha1: written.policy_sha1.as_ref().map(|text| resolver.sha1(text)).unwrap_or_default() };
    let config = Config {
        file: file.to_owned(),
        store: store_path,
        public: public_path,
        rate_limit,
        signing,
        sources,
        repositories: published.repositories.into_iter().map(|repository| repository.value).collect(),
        carried: published.carried.into_iter().map(|starred| starred.value).collect(),
        aliases,
        publish: Publish { linger, to },
        retain,
        backups,
        schedule,
        serve,
        policy,
        metrics,
        notify,
    };
    resolver.problems.or(config)
}

/// The file that `[signing] passphrase_file` names, whatever else is missing or wrong.
pub(super) fn passphrase_file(
    written: &Written,
    file: &Path,
    folder: &Path,
    credentials: Option<&Path>,
) -> Result<Option<PathBuf>, Problems> {
    let mut resolver = Resolver { folder, credentials, problems: Problems::new(file) };
    let named = written.signing.as_ref().and_then(|signing| resolver.passphrase_file(signing));
    resolver.problems.or(named)
}

struct Resolver<'a> {
    folder: &'a Path,
    credentials: Option<&'a Path>,
    problems: Problems,
}

impl Resolver<'_> {
    /// An absolute path without `.` and `..`. A link's `..` is read as written, so that two spellings of a path compare
    /// equal before any of it exists.
    fn path(&self, text: &str) -> PathBuf {
        let mut path = PathBuf::new();
        for component in self.folder.join(text).components() {
            match component {
                Component::CurDir => {}
                Component::ParentDir => {
                    path.pop();
                }
                other => path.push(other),
            }
        }
        path
    }

    /// A path that has to be there; an empty one stands for what is missing, and the problem is noted.
    fn required_path(&mut self, key: &str, text: Option<&At<String>>, purpose: &str) -> PathBuf {
        match text {
            None => {
                self.problems.add(None, format!("{key:?} is missing: {purpose}"));
                PathBuf::new()
            }
            Some(text) => self.checked_path(key, text).unwrap_or_default(),
        }
    }

    fn checked_path(&mut self, key: &str, text: &At<String>) -> Option<PathBuf> {
        if text.value.is_empty() || text.value.contains('\0') {
            self.problems.add(text.line, format!("{key} is not a path: {:?}", text.value));
            return None;
        }
        Some(self.path(&text.value))
    }

    fn paths(&mut self, key: &str, texts: &[At<String>]) -> Vec<PathBuf> {
        texts.iter().filter_map(|text| self.checked_path(key, text)).collect()
    }

    /// Store and public tree must not contain each other: one is private, the other is what a web server shows.
    fn check_apart(&mut self, store_line: usize, store: &Path, public_line: usize, public: &Path) {
        if store.as_os_str().is_empty() || public.as_os_str().is_empty() {
            return;
        }
        let Some(beside) = public.parent() else {
            let text = "public is the root folder; it has to be the path of a link in a folder of ours";
            self.problems.add(public_line, text);
            return;
        };
        if store.starts_with(public) || store.starts_with(beside.join(".generations")) {
            self.problems.add(store_line, "store lies inside public, where everybody could read it");
        } else if public.starts_with(store) {
            self.problems.add(public_line, "public lies inside store, which is closed to all but us");
        }
    }

    fn sha1(&mut self, text: &At<String>) -> Sha1Policy {
        let choices =
            [Sha1Policy::Accept, Sha1Policy::Detect, Sha1Policy::Refuse].map(|policy| (policy.word(), policy));
        self.choice("policy.sha1", text, &choices).unwrap_or_default()
    }

    /// The path of a file that holds a secret, in which systemd's credentials folder may be named.
    fn secret_path(&mut self, name: &str, path: &At<String>) -> Option<PathBuf> {
        let Some(below) = path.value.strip_prefix(CREDENTIALS).and_then(|rest| rest.strip_prefix('/')) else {
            if path.value.starts_with('$') {
                self.problems.add(path.line, format!("of variables, {name} may begin with {CREDENTIALS}/ alone"));
                return None;
            }
            return self.checked_path(name, path);
        };
        match (self.credentials, below.contains('/')) {
            // A folder that was handed over whole: LoadCredential=secrets:/etc/bivouac/secrets makes secrets_NAME of each file in it.
            // Without a service manager it is the folder itself, beside the configuration.
            (Some(folder), true) => Some(folder.join(below.replace('/', "_"))),
            (None, true) => Some(self.path(below)),
            (Some(folder), false) => Some(folder.join(below)),
            (None, false) => {
                let hint = "in a systemd unit, LoadCredential= sets it".to_owned();
                self.problems.add_with_hint(
                    path.line,
                    format!("{name} needs {CREDENTIALS}, which is not set"),
                    Some(hint),
                );
                None
            }
        }
    }

    fn check_that_nothing_needs_our_key(&mut self, published: &Published) {
        let repositories = published.repositories.iter().map(|At { value: repository, line }| {
            (format!("repository \"{}\"", repository.name), repository.index, *line)
        });
        let carried = published.carried.iter().map(|At { value: starred, line }| {
            (format!("repository from \"{}\"", starred.from()), starred.rules.index, *line)
        });
        for (label, index, line) in repositories.chain(carried).filter(|(_, index, _)| index.has_our_signature()) {
            let text = format!("{label} is signed by us (index = {:?}), but no key is named", index.word());
            let hint = "`bivouac key new` makes one; name it under [signing] as key".to_owned();
            self.problems.add_with_hint(line, text, Some(hint));
        }
    }

    fn retain(&mut self, written: &written::Retain) -> Retain {
        let mut retain = Retain::default();
        if !written.snapshots.is_empty() {
            // What is written replaces the three of them: a rule that is left out keeps nothing.
            retain.snapshots = RetainSnapshots { last: 0, daily: 0, monthly: 0 };
        }
        for (rule, count) in &written.snapshots {
            let count = self.not_negative(&format!("retain.snapshots.{rule}"), count);
            match *rule {
                "last" => retain.snapshots.last = count,
                "daily" => retain.snapshots.daily = count,
                _ => retain.snapshots.monthly = count,
            }
        }
        if let Some(count) = &written.generations {
            retain.generations = self.not_negative("retain.generations.last", count);
        }
        if let Some(prune) = &written.prune {
            match &prune.value[..] {
                "after-sync" => retain.prune = Prune::AfterSync,
                "never" => retain.prune = Prune::Never,
                other => {
                    let bad = format!("retain.prune is {other:?}, not \"after-sync\" or \"never\"");
                    self.problems.add_with_hint(prune.line, bad, did_you_mean(other, ["after-sync", "never"]));
                }
            }
        }
        if let Some(text) = &written.min_free {
            retain.min_free = self.min_free(text).unwrap_or(retain.min_free);
        }
        retain
    }

    fn min_free(&mut self, text: &At<String>) -> Option<MinFree> {
        let share = parse_percent(&text.value).map(MinFree::Share).ok();
        let read = share.or_else(|| parse_size(&text.value).map(MinFree::Bytes).ok());
        if read.is_none() {
            let bad = format!("retain.min_free is {:?}, not a share like \"5%\" or a size like \"2GiB\"", text.value);
            self.problems.add(text.line, bad);
        }
        read
    }

    fn not_negative(&mut self, key: &str, count: &At<i64>) -> u64 {
        u64::try_from(count.value).unwrap_or_else(|_| {
            self.problems.add(count.line, format!("{key} is {}, less than 0", count.value));
            0
        })
    }

    /// A place to publish; the problem is noted where there is none.
    fn place(&mut self, text: &At<String>) -> Option<Place> {
        match text.value.parse() {
            Ok(place) => Some(place),
            Err(_) => {
                let bad = format!("publish.to is {:?}, not \"live\" or a name like \"qa\"", text.value);
                let hint = text.value.strip_prefix('@').map(|name| format!("did you mean {name:?}?"));
                self.problems.add_with_hint(text.line, bad, hint);
                None
            }
        }
    }

    /// A span; the problem is noted where there is none.
    fn duration(&mut self, key: &str, text: &At<String>) -> Option<Duration> {
        match parse_duration(&text.value) {
            Ok(span) => Some(span),
            Err(BadUnit { text: written, expected }) => {
                self.problems.add(text.line, format!("{key} is {written:?}, not {expected}"));
                None
            }
        }
    }

    /// One of a few words.
    fn choice<T: Copy>(&mut self, key: &str, text: &At<String>, choices: &[(&str, T)]) -> Option<T> {
        if let Some((_, chosen)) = choices.iter().find(|(word, _)| *word == text.value) {
            return Some(*chosen);
        }
        let words: Vec<_> = choices.iter().map(|(word, _)| format!("{word:?}")).collect();
        let hint = did_you_mean(&text.value, choices.iter().map(|(word, _)| *word));
        self.problems.add_with_hint(text.line, format!("{key} is {:?}, not {}", text.value, words.join(" or ")), hint);
        None
    }
}
