//! What a web server's user can read, and whose the folders are. Access is counted from modes, owners and groups, as the kernel
//! does it, without becoming that user; lists of access beyond modes are not looked at.

use std::fs::{self, Metadata};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use super::{Diagnosis, Weight, told, typed};
use crate::error::Class;

/// Who reads the public tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reader {
    /// What messages call it.
    pub name: String,
    /// Its number; none: it is nobody in particular.
    pub uid: Option<u32>,
    /// Its groups.
    pub gids: Vec<u32>,
}

impl Reader {
    /// Anybody: neither owner nor of the group.
    pub fn anybody() -> Reader {
        Reader { name: "a web server's user".to_owned(), uid: None, gids: Vec::new() }
    }

    /// A user of this machine, from the texts of `/etc/passwd` and `/etc/group`.
    pub fn named(name: &str, passwd: &str, group: &str) -> Option<Reader> {
        let line =
            passwd.lines().map(|line| line.split(':').collect::<Vec<_>>()).find(|line| line.first() == Some(&name))?;
        let (uid, gid) = (line.get(2)?.parse().ok()?, line.get(3)?.parse().ok()?);
        let is_member =
            |line: &&str| line.rsplit(':').next().is_some_and(|members| members.split(',').any(|one| one == name));
        let further = group.lines().filter(is_member).filter_map(|line| line.split(':').nth(2)?.parse().ok());
        let gids = std::iter::once(gid).chain(further).collect();
        Some(Reader { name: format!("user {name}"), uid: Some(uid), gids })
    }

    /// Whether it may do what these three bits (r 4, w 2, x 1) say. Owner, group and others are looked at in this order, and the
    /// first that fits decides alone.
    fn may(&self, bits: u32, mode: u32, owner: u32, group: u32) -> bool {
        let shift = match self.uid {
            Some(0) => return true,
            Some(uid) if uid == owner => 6,
            _ if self.gids.contains(&group) => 3,
            _ => 0,
        };
        mode >> shift & bits == bits
    }

    fn may_on(&self, bits: u32, metadata: &Metadata) -> bool {
        self.may(bits, metadata.permissions().mode(), metadata.uid(), metadata.gid())
    }
}

/// Every folder on the way to `tree` that the reader cannot pass, and every folder and file in it that it cannot read.
pub fn public(tree: &Path, reader: &Reader) -> Vec<Diagnosis> {
    let mut seen = Vec::new();
    let mut above: Vec<&Path> = tree.ancestors().skip(1).filter(|path| !path.as_os_str().is_empty()).collect();
    above.reverse();
    for folder in above {
        if let Ok(metadata) = fs::metadata(folder)
            && !reader.may_on(1, &metadata)
        {
            seen.push(closed(folder, &metadata, reader, "pass through", "x"));
        }
    }
    let mut folders = vec![tree.to_owned()];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = fs::read_dir(&folder) else { continue };
        if let Ok(metadata) = fs::metadata(&folder)
            && !reader.may_on(1, &metadata)
        {
            seen.push(closed(&folder, &metadata, reader, "pass through", "x"));
        }
        let mut inside: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
        inside.sort();
        for path in inside {
            // Links lead to folders of the same tree, or to trees beside it.
            let Ok(metadata) = fs::symlink_metadata(&path) else { continue };
            if metadata.is_dir() {
                folders.push(path);
            } else if metadata.is_file() && !reader.may_on(4, &metadata) {
                seen.push(closed(&path, &metadata, reader, "read", "r"));
            }
        }
    }
    told(seen, "places")
}

fn closed(path: &Path, metadata: &Metadata, reader: &Reader, verb: &str, bit: &str) -> Diagnosis {
    let mode = metadata.permissions().mode() & 0o7777;
    let (whose, cure) = match reader.uid {
        Some(uid) if uid == metadata.uid() => ("its own", format!("chmod u+{bit} {}", typed(path))),
        _ => ("others", format!("chmod a+{bit} {}", typed(path))),
    };
    let further = match reader.uid {
        None => "; or `--user NAME` names the web server's user, who may have it by a group",
        Some(_) => "",
    };
    Diagnosis {
        code: "not-readable",
        weight: Weight::Error(Class::Host),
        subject: path.display().to_string(),
        message: format!("{} cannot {verb} it: mode {mode:04o} for {whose}, owner {}", reader.name, metadata.uid()),
        hint: Some(format!("{cure}{further}")),
    }
}

/// The store is ours alone: who runs this is its owner, and nobody else looks in.
pub fn store(store: &Path, runs: u32) -> Vec<Diagnosis> {
    let Ok(metadata) = fs::metadata(store) else { return Vec::new() };
    let mut seen = Vec::new();
    if metadata.uid() != runs {
        seen.push(Diagnosis {
            code: "other-owner",
            weight: Weight::Error(Class::Host),
            subject: store.display().to_string(),
            message: format!("it belongs to user {}, and user {runs} runs this", metadata.uid()),
            hint: Some(format!(
                "run bivouac as its owner (`su -s /bin/sh -c 'bivouac …' USER`); what the other user wrote: chown -R {} {}",
                metadata.uid(),
                typed(store)
            )),
        });
    }
    let mode = metadata.permissions().mode() & 0o7777;
    if mode & 0o077 != 0 {
        seen.push(Diagnosis {
            code: "store-open",
            weight: Weight::Warning,
            subject: store.display().to_string(),
            message: format!(
                "others can look into it (mode {mode:04o}); it holds what the public tree does not show yet"
            ),
            hint: Some(format!("chmod 700 {}", typed(store))),
        });
    }
    seen
}

/// Links in the folder of the public link that lead past it to a generation: they do not follow what is published, a prune takes
/// away what they show, and publishing stops at what looks like another public link.
pub fn foreign_links(folder: &Path, generations: &Path, ours: &Path) -> Vec<Diagnosis> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut links: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).filter(|path| path != ours).collect();
    links.sort();
    let mut seen = Vec::new();
    for link in links {
        let Ok(target) = fs::read_link(&link) else { continue };
        let target = link.parent().unwrap_or(folder).join(target);
        let rest = target.strip_prefix(generations).ok();
        let Some(number) = rest.and_then(|rest| rest.iter().next()?.to_str()?.parse::<u64>().ok()) else { continue };
        seen.push(Diagnosis {
            code: "foreign-link",
            weight: Weight::Error(Class::Host),
            subject: link.display().to_string(),
            message: format!(
                "it leads past the public link to generation {number}; a sync may refuse to publish beside it"
            ),
            hint: Some(format!(
                "rm {}; who needs an earlier state beside live: `bivouac publish SNAPSHOT --as NAME`",
                typed(&link)
            )),
        });
    }
    seen
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_of_owner_group_and_others_that_fits_decides_alone() {
        let reader = Reader { name: "www".into(), uid: Some(33), gids: vec![33, 50] };
        for (bits, mode, owner, group, may) in [
            (4, 0o644, 0, 0, true),
            (4, 0o640, 0, 0, false),
            (4, 0o640, 0, 50, true),
            (4, 0o604, 0, 33, false),
            (4, 0o044, 33, 0, false),
            (1, 0o750, 0, 50, true),
            (1, 0o740, 0, 50, false),
        ] {
            assert_eq!(reader.may(bits, mode, owner, group), may, "{mode:o} {owner}:{group}");
        }
        assert!(Reader { uid: Some(0), ..reader }.may(4, 0, 1, 1));
        assert!(!Reader::anybody().may(4, 0o660, 0, 0));
    }

    #[test]
    fn users_are_found_with_all_their_groups() {
        let passwd = "root:x:0:0::/root:/bin/sh\nwww-data:x:33:34::/var/www:/bin/false\n";
        let group = "root:x:0:\nadm:x:4:syslog,www-data\nwww-data:x:34:\nsite:x:50:www-data\n";
        let reader = Reader::named("www-data", passwd, group).unwrap();
        assert_eq!((reader.uid, reader.gids), (Some(33), vec![34, 4, 50]));
        assert_eq!(Reader::named("nobody", passwd, group), None);
    }
}
