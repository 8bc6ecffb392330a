//! The files that a configuration names, beside those that it is there for: what a backup must hold for all of it to come back.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::{Auth, Config, KeyHolder, KeyringChoice, Packages, SourceKind, Webhook};

/// A file that the configuration names, or a folder of keys.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct NamedFile {
    /// Where it is; absolute.
    pub path: PathBuf,
    /// Who may read it.
    pub kind: FileKind,
}

/// Who may read a file that the configuration names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum FileKind {
    /// Everybody: public keys, as a file or a folder of them.
    Keys,
    /// Everybody: a certificate, a world.
    Open,
    /// Nobody else: a private key, a password. It is never stored in the clear.
    Private,
}

impl Config {
    /// Every file that the configuration names and that is the operator's own: keys, keyrings, certificates, passwords, worlds.
    /// Not what it works on (store, public tree, folders of packages, bundles and backups) nor programs. The passphrase of a
    /// backup is not among them either: what opens a thing does not lie in it.
    pub fn named_files(&self) -> BTreeSet<NamedFile> {
        let mut named = BTreeSet::new();
        let mut add = |path: &Path, kind| {
            named.insert(NamedFile { path: path.to_owned(), kind });
        };
        if let Some(signing) = &self.signing {
            match &signing.holder {
                KeyHolder::File { passphrase_file, .. } => {
                    add(&signing.key, FileKind::Private);
                    passphrase_file.iter().for_each(|path| add(path, FileKind::Private));
                }
                KeyHolder::Command { .. } => add(&signing.key, FileKind::Keys),
                KeyHolder::Token { pin_file, .. } => {
                    add(&signing.key, FileKind::Keys);
                    pin_file.iter().for_each(|path| add(path, FileKind::Private));
                }
            }
        }
        for source in self.sources.values() {
            keyring(&source.keyring).for_each(|path| add(path, FileKind::Keys));
            match &source.kind {
                SourceKind::Url { access, .. } => {
                    access.ca.iter().for_each(|path| add(path, FileKind::Open));
                    match &access.auth {
                        Some(Auth::BasicFile(path) | Auth::HeaderFile(path)) => add(path, FileKind::Private),
                        None => {}
                    }
                    if let Some(client) = &access.client {
                        // The two may be one file, which then is private.
                        if client.certificate != client.key {
                            add(&client.certificate, FileKind::Open);
                        }
                        add(&client.key, FileKind::Private);
                    }
                }
                SourceKind::Bundles { origin, .. } => {
                    origin.iter().flat_map(keyring).for_each(|path| add(path, FileKind::Keys));
                }
                SourceKind::Directory { .. } => {}
            }
        }
        if let Some(Webhook::File(path)) = self.notify.as_ref().and_then(|notify| notify.webhook.as_ref()) {
            add(path, FileKind::Private);
        }
        if let Some(files) = &self.serve.tls {
            // As above.
            if files.certificate != files.key {
                add(&files.certificate, FileKind::Open);
            }
            add(&files.key, FileKind::Private);
        }
        self.serve.client_ca.iter().for_each(|path| add(path, FileKind::Open));
        self.serve.basic_file.iter().for_each(|path| add(path, FileKind::Private));
        let rules = self.carried.iter().map(|starred| &starred.rules);
        let lists = self.repositories.iter().map(|one| (&one.packages, &one.exclude, &one.must_install));
        for (packages, exclude, must_install) in
            lists.chain(rules.map(|rules| (&rules.packages, &rules.exclude, &rules.must_install)))
        {
            let packages: Vec<&String> = match packages {
                None => Vec::new(),
                Some(Packages::List(list)) => list.iter().collect(),
                Some(Packages::BySource(lists)) => lists.values().flatten().collect(),
            };
            for path in packages.into_iter().chain(exclude).chain(must_install).filter_map(|one| one.strip_prefix('@'))
            {
                add(Path::new(path), FileKind::Open);
            }
        }
        named
    }
}

fn keyring(choice: &KeyringChoice) -> Box<dyn Iterator<Item = &Path> + '_> {
    match choice {
        KeyringChoice::Official => Box::new(std::iter::empty()),
        KeyringChoice::Files(files) => Box::new(files.iter().map(PathBuf::as_path)),
        KeyringChoice::ByArch(files) => Box::new(files.values().flatten().map(PathBuf::as_path)),
    }
}

/// Where each file that `config` names belongs below another folder, relative to it: what lies in the configuration's own folder
/// keeps its place there, keys and secrets go to `keys/`, the rest to `files/`. No two have one place.
pub fn homes(config: &Config) -> BTreeMap<PathBuf, PathBuf> {
    let folder = std::path::absolute(&config.file).ok().and_then(|file| file.parent().map(Path::to_owned));
    let mut homes = BTreeMap::new();
    let mut taken: BTreeSet<PathBuf> =
        ["bivouac.toml", "keys.age", "store", "public", "trees"].map(PathBuf::from).into();
    // What keeps its place goes first, so that nothing else takes it.
    let beside = |path: &Path| folder.as_ref().and_then(|folder| path.strip_prefix(folder).ok()).map(Path::to_owned);
    let named = config.named_files();
    let is_free = |path: &Path, taken: &BTreeSet<PathBuf>| !path.ancestors().any(|above| taken.contains(above));
    for file in &named {
        if let Some(home) = beside(&file.path).filter(|home| is_free(home, &taken)) {
            taken.insert(home.clone());
            homes.insert(file.path.clone(), home);
        }
    }
    for file in &named {
        let (false, Some(name)) = (homes.contains_key(&file.path), file.path.file_name()) else { continue };
        let below = Path::new(match file.kind {
            FileKind::Keys | FileKind::Private => "keys",
            FileKind::Open => "files",
        });
        let mut home = below.join(name);
        for number in 2_u32.. {
            if !taken.contains(&home) {
                break;
            }
            // The name of a key is part of what it is: the folder tells the two apart.
            home = below.join(number.to_string()).join(name);
        }
        taken.insert(home.clone());
        homes.insert(file.path.clone(), home);
    }
    homes
}
