//! Our own store and public tree: files that the configuration names, whose the folders are and who can read them, links, disk,
//! clock, key, age, needs, backups.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use jiff::Timestamp;

use super::{CannotLook, ours};
use crate::apk::Entry;
use crate::apk::names::{Arch, RepositoryName};
use crate::apk::v2::index;
use crate::apk::v2::sections::{self, Limits};
use crate::config::{Config, FileKind, MinFree};
use crate::disk::{durable, layout};
use crate::doctor::ground::Reader;
use crate::doctor::layout::{INDEX, is_branch};
use crate::doctor::packages::Looked;
use crate::doctor::{self, Diagnosis, Weight, age, ground, needs, reach};
use crate::error::Class;
use crate::jobs::status::{self, StatusReport};
use crate::jobs::sync::keys_of;
use crate::jobs::upstream::Surroundings;
use crate::jobs::{Error, Mirror, ProxyVariables, key_age};
use crate::sources::http::look::Part;
use crate::sources::http::{Http, HttpSettings};

/// How old a backup may be where the file keeps no daily or weekly ones, days.
const BACKUP_DAYS: u64 = 35;

/// Who reads the public tree: who is named, else ourselves where we serve it, else anybody.
pub(super) fn reader(config: &Config, user: Option<&str>) -> Result<Reader, CannotLook> {
    match user {
        Some(name) => {
            let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
            Reader::named(name, &read("/etc/passwd"), &read("/etc/group"))
                .ok_or_else(|| CannotLook::NoUser(name.to_owned()))
        }
        None if config.serve.listen.is_some() => {
            let (uid, gid) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
            Ok(Reader { name: "the user who runs this and serves".to_owned(), uid: Some(uid), gids: vec![gid] })
        }
        None => Ok(Reader::anybody()),
    }
}

/// All that can be seen without asking anybody.
pub(super) fn look(
    config: &Config,
    reader: &Reader,
    world: Option<&(String, String)>,
    now: Timestamp,
) -> (Vec<Diagnosis>, Looked) {
    let mut seen = named_files(config);
    seen.extend(metrics(config));
    if let Err(diagnosis) = ours(config) {
        seen.push(diagnosis);
    }
    let mut looked = Looked::default();
    let mirror = match Mirror::open(config) {
        Ok(mirror) => mirror,
        Err(error) => {
            seen.push(Diagnosis::of(&error, config.store.display().to_string()));
            return (seen, looked);
        }
    };
    seen.extend(ground::store(&config.store, rustix::process::geteuid().as_raw()));
    seen.extend(space(&mirror));
    match key_age::warning(&mirror, now) {
        Ok(None) => {}
        Ok(Some(message)) => seen.push(Diagnosis {
            code: "key-old",
            weight: Weight::Warning,
            subject: config.signing.as_ref().map_or_else(String::new, |signing| signing.key.display().to_string()),
            message,
            hint: Some(
                "`bivouac key rotate`; clients have both keys for `min_overlap`, then `bivouac key retire`".to_owned(),
            ),
        }),
        // The key itself was told.
        Err(_) => {}
    }
    match status::status(config, now) {
        Ok(report) => {
            seen.extend(states(&report));
            seen.extend(backups(&mirror, &report));
        }
        Err(error) => seen.push(Diagnosis::of(&error, config.store.display().to_string())),
    }
    seen.extend(tree(&mirror, reader, world, &mut looked));
    (seen, looked)
}

fn named_files(config: &Config) -> Vec<Diagnosis> {
    let mut seen = Vec::new();
    for named in config.named_files() {
        let subject = named.path.display().to_string();
        let metadata = match std::fs::metadata(&named.path) {
            Ok(metadata) => metadata,
            Err(cause) => {
                seen.push(Diagnosis {
                    code: "named-missing",
                    weight: Weight::Error(Class::Host),
                    subject,
                    message: format!("{} names it, and it cannot be read: {cause}", config.file.display()),
                    hint: Some("put the file there, or take its name out of the configuration".to_owned()),
                });
                continue;
            }
        };
        let mode = metadata.mode() & 0o7777;
        // Its group may read another user's file: so a service manager hands out credentials.
        let forbidden = if metadata.uid() == rustix::process::geteuid().as_raw() { 0o077 } else { 0o007 };
        if named.kind == FileKind::Private && mode & forbidden != 0 {
            seen.push(Diagnosis {
                code: "secret-exposed",
                weight: Weight::Error(Class::Host),
                subject,
                message: format!("others can read it (mode {mode:04o}), and it is a secret"),
                hint: Some(format!("chmod 600 {}; if others have read it, make another", doctor::typed(&named.path))),
            });
        }
    }
    seen
}

fn metrics(config: &Config) -> Option<Diagnosis> {
    let file = config.metrics.textfile.as_ref()?;
    let folder = file.parent()?;
    (!folder.is_dir()).then(|| Diagnosis {
        code: "metrics-folder",
        weight: Weight::Error(Class::Host),
        subject: file.display().to_string(),
        message: format!("the folder of [metrics] textfile is not there: {}", folder.display()),
        hint: Some(format!(
            "mkdir -p {}, the folder that node_exporter's --collector.textfile.directory names",
            doctor::typed(folder)
        )),
    })
}

fn space(mirror: &Mirror<'_>) -> Option<Diagnosis> {
    let root = mirror.store.existing_root();
    let free = durable::free_bytes(root).ok()?;
    let reserved = match mirror.config.retain.min_free {
        MinFree::Bytes(bytes) => bytes,
        MinFree::Share(share) => share.of(durable::total_bytes(root).ok()?),
    };
    (free < reserved).then(|| Diagnosis {
        code: "too-little-space",
        weight: Weight::Error(Class::Host),
        subject: root.display().to_string(),
        message: format!(
            "{} are free, and [retain] min_free keeps {}: no sync will fetch anything",
            doctor::size(free),
            doctor::size(reserved)
        ),
        hint: Some(
            "`bivouac prune`, `bivouac status --disk` says where the bytes are; or let min_free keep less".to_owned(),
        ),
    })
}

/// What is stale, held back or was never done.
fn states(report: &StatusReport) -> Vec<Diagnosis> {
    let mut seen = Vec::new();
    if report.live.is_none() {
        seen.push(Diagnosis {
            code: "nothing-live",
            weight: Weight::Error(Class::Upstream),
            subject: "the public tree".to_owned(),
            message: "nothing is published yet".to_owned(),
            hint: Some(
                "`bivouac sync` makes the first generation; if it ran, its words say what is in the way".to_owned(),
            ),
        });
        return seen;
    }
    if report.held {
        seen.push(Diagnosis {
            code: "held",
            weight: Weight::Warning,
            subject: "the public tree".to_owned(),
            message: "a rollback is live: syncs publish nothing".to_owned(),
            hint: Some("`bivouac publish` shows the newest snapshot again".to_owned()),
        });
    }
    for repository in report.repositories.iter().filter(|repository| repository.stale) {
        let last = match &repository.last_error {
            Some(error) => format!("; the last attempt said: {} ({})", error.message, error.code),
            None => "; no sync failed, so none ran".to_owned(),
        };
        let age = repository.age_seconds.map_or_else(|| "never".to_owned(), |age| format!("{} ago", age::span(age)));
        seen.push(Diagnosis {
            code: "stale",
            weight: Weight::Error(Class::Upstream),
            subject: format!("{}/{}", repository.name, repository.arch),
            message: format!("its sources were last confirmed {age}{last}"),
            hint: Some(
                "look whether the timer or daemon runs, then `bivouac sync` and `bivouac source check`".to_owned(),
            ),
        });
    }
    seen
}

fn backups(mirror: &Mirror<'_>, report: &StatusReport) -> Vec<Diagnosis> {
    let mut seen = Vec::new();
    for backup in &report.backups {
        let keep = mirror.config.backups.get(&backup.name).and_then(|configured| configured.keep);
        let days = match keep {
            Some(keep) if keep.daily > 0 => 3,
            Some(keep) if keep.weekly > 0 => 10,
            Some(_) | None => BACKUP_DAYS,
        };
        let message = match backup.age_seconds {
            None => "it was never made".to_owned(),
            Some(seconds) if seconds > days * 86_400 => format!("it was last made {} ago", age::span(seconds)),
            Some(_) => continue,
        };
        seen.push(Diagnosis {
            code: "backup-old",
            weight: Weight::Warning,
            subject: format!("backup {}", backup.name),
            message,
            hint: Some(format!("`bivouac backup {}`, by a timer or [schedule] backup", backup.name)),
        });
    }
    seen
}

/// The public link, what it leads to, and what the indexes there ask for.
fn tree(mirror: &Mirror<'_>, reader: &Reader, world: Option<&(String, String)>, looked: &mut Looked) -> Vec<Diagnosis> {
    let link = mirror.tree.link().display().to_string();
    let live = match mirror
        .tree
        .live()
        .and_then(|live| live.map(|number| mirror.tree.require_generation(number).map(|()| number)).transpose())
    {
        Ok(Some(live)) => live,
        // That nothing is published was told.
        Ok(None) => return Vec::new(),
        Err(error) => return vec![of_link(&error, link)],
    };
    let mut shown = vec![live];
    shown.extend(mirror.tree.named().unwrap_or_default().into_values());
    let mut seen = Vec::new();
    for number in &shown {
        seen.extend(ground::public(&mirror.tree.generation(*number), reader));
    }
    let folder = mirror.tree.folder();
    seen.extend(ground::foreign_links(&folder, &mirror.tree.generations_folder(), mirror.tree.link()));
    let mut indexes = BTreeMap::new();
    for repository in &mirror.config.repositories {
        for arch in &repository.arches {
            let file = mirror.tree.generation(live).join(repository.name.folder(arch)).join(INDEX);
            match entries(&file) {
                Ok(Some((entries, bytes))) => {
                    looked.objects += 1;
                    looked.bytes += bytes;
                    indexes.insert((repository.name.clone(), arch.clone()), entries);
                }
                // Configured since, or held back: `stale` says it.
                Ok(None) => {}
                Err(NoEntries::Unread(error)) => seen.push(of_file(&error, &file)),
                Err(NoEntries::Damaged(message)) => seen.push(Diagnosis {
                    code: "index-damaged",
                    weight: Weight::Error(Class::Damaged),
                    subject: file.display().to_string(),
                    message,
                    hint: Some(
                        "`bivouac repair` brings it back; if nobody has it, `bivouac publish` makes it anew".to_owned(),
                    ),
                }),
            }
        }
    }
    seen.extend(unmet(mirror, &indexes));
    if let Some((name, text)) = world {
        seen.extend(worlds(&indexes, name, text));
    }
    seen
}

fn of_link(error: &layout::Error, link: String) -> Diagnosis {
    let seen = Diagnosis::of(error, link);
    let hint = seen.hint.clone().or_else(|| {
        Some(
            "move away what lies there, then `bivouac publish`: bivouac replaces nothing that it did not make"
                .to_owned(),
        )
    });
    Diagnosis { hint, ..seen }
}

/// The records of a published index, and its size. A file that is not there is none.
fn entries(file: &Path) -> Result<Option<(Vec<Entry>, u64)>, NoEntries> {
    let Some(bytes) = durable::read_if_present(file).map_err(NoEntries::Unread)? else { return Ok(None) };
    let damaged = |bad: &dyn std::fmt::Display| NoEntries::Damaged(bad.to_string());
    let parts = sections::split_index(&bytes, &Limits::of_our_own()).map_err(|bad| damaged(&bad))?;
    let entries = index::parse(&parts.text).map_err(|bad| damaged(&bad))?;
    Ok(Some((entries, bytes.len() as u64)))
}

/// Why an index that is there gives no records.
enum NoEntries {
    /// We may not read it, or the disk does not give it.
    Unread(durable::Error),
    /// It is not what we wrote.
    Damaged(String),
}

fn of_file(error: &durable::Error, file: &Path) -> Diagnosis {
    let seen = Diagnosis::of(error, file.display().to_string());
    let hint = seen.hint.clone().or_else(|| {
        Some(format!(
            "run doctor as the user who syncs; that one must be able to read it: ls -l {}",
            doctor::typed(file)
        ))
    });
    Diagnosis { hint, ..seen }
}

type Indexes = BTreeMap<(RepositoryName, Arch), Vec<Entry>>;

/// What of each repository cannot be installed by clients that have it, those beside it, and the others of its branch.
fn unmet(mirror: &Mirror<'_>, indexes: &Indexes) -> Vec<Diagnosis> {
    let mut seen = Vec::new();
    for ((name, arch), own) in indexes {
        let declared = mirror.config.repositories.iter().filter(|repository| repository.name == *name);
        let declared: Vec<&RepositoryName> = declared.flat_map(|repository| &repository.beside).collect();
        let is_beside = |other: &RepositoryName| {
            other != name && (declared.contains(&other) || branch(name).is_some() && branch(name) == branch(other))
        };
        let beside = indexes.iter().filter(|((other, theirs), _)| theirs == arch && is_beside(other));
        let beside: Vec<&[Entry]> = beside.map(|(_, entries)| entries.as_slice()).collect();
        seen.extend(needs::unmet(own, &beside, &format!("{name}/{arch}")));
    }
    seen
}

/// What is in the way of a client's world: on each arch, with the repositories of each branch and those of none.
fn worlds(indexes: &Indexes, name: &str, text: &str) -> Vec<Diagnosis> {
    let mut groups: BTreeMap<(&Arch, Option<&str>), Vec<&[Entry]>> = BTreeMap::new();
    for (repository, arch) in indexes.keys() {
        groups.entry((arch, branch(repository))).or_default();
    }
    let has_branches: Vec<&Arch> =
        groups.keys().filter(|(_, branch)| branch.is_some()).map(|(arch, _)| *arch).collect();
    groups.retain(|(arch, branch), _| branch.is_some() || !has_branches.contains(arch));
    for ((arch, of), supplies) in &mut groups {
        let fits = |repository: &RepositoryName, theirs: &Arch| {
            theirs == *arch && (branch(repository).is_none() || branch(repository) == *of)
        };
        let fitting = indexes.iter().filter(|((repository, theirs), _)| fits(repository, theirs));
        supplies.extend(fitting.map(|(_, entries)| entries.as_slice()));
    }
    let one = |((arch, branch), supplies): ((&Arch, Option<&str>), Vec<&[Entry]>)| {
        let place = branch.map_or_else(|| arch.to_string(), |branch| format!("{branch} {arch}"));
        needs::world(text, name, &supplies, &place)
    };
    groups.into_iter().flat_map(one).collect()
}

fn branch(name: &RepositoryName) -> Option<&str> {
    name.as_str().split('/').find(|part| is_branch(part))
}

/// Whether each URL of each source answers, and this machine's clock against theirs. One that is away while another answers is a
/// warning.
pub(super) async fn upstreams(config: &Config, proxies: &ProxyVariables, now: Timestamp) -> Vec<Diagnosis> {
    let surroundings = Surroundings::new(config, proxies, now);
    let keys = keys_of(&config.repositories.iter().collect::<Vec<_>>());
    let mut seen = Vec::new();
    for source in config.sources.values() {
        let settings = match surroundings.settings(source) {
            Ok(Some(settings)) => settings,
            Ok(None) => continue,
            Err(error) => {
                seen.push(Diagnosis::of(&error, format!("source \"{}\"", source.name)));
                continue;
            }
        };
        let Some(key) = keys.iter().find(|key| key.source == source.name) else { continue };
        let (mut away, mut answered) = (Vec::new(), 0_usize);
        for url in &settings.urls {
            let mut address = url.clone();
            if let Ok(mut path) = address.path_segments_mut() {
                let folders = key.path.split('/').filter(|part| !part.is_empty());
                path.pop_if_empty().extend(folders).push(key.arch.as_str()).push(INDEX);
            }
            let alone = HttpSettings { urls: vec![url.clone()], ..settings.clone() };
            let http = match Http::new(alone) {
                Ok(http) => http,
                Err(error) => {
                    away.push(Diagnosis::of(&Error::from(error), format!("source \"{}\"", source.name)));
                    continue;
                }
            };
            match http.look(&address, Part::From(0)).await {
                Ok(answer) => {
                    answered += 1;
                    seen.extend(age::clock(&crate::sources::http::look::shown(&address), answer.date, now));
                }
                Err(fault) => {
                    let diagnosis = reach::judge(&http, &address, &fault).await;
                    let hint = fault.hint().map(str::to_owned).or(diagnosis.hint);
                    away.push(Diagnosis { hint, ..diagnosis });
                }
            }
        }
        let ease = |diagnosis: Diagnosis| match answered {
            0 => diagnosis,
            _ => Diagnosis { weight: Weight::Warning, ..diagnosis },
        };
        seen.extend(away.into_iter().map(ease));
    }
    seen
}
