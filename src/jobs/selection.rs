//! What a repository takes, as the configuration names it, its lists read from their files.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::Error;
use crate::apk::SourceName;
use crate::config::{Packages, Repository};
use crate::select::filter::{Item, Selector};

/// What a repository takes, its lists read.
#[derive(Clone, Debug, Default)]
pub(super) struct Selection {
    /// What is taken from sources with a URL; `None`: everything.
    pub(super) packages: Option<Chosen>,
    /// What is left out.
    pub(super) exclude: Vec<Selector>,
    /// What must be installable: worlds whose terms can all be read.
    pub(super) must_install: Vec<World>,
}

/// A world of `must_install`.
#[derive(Clone, Debug)]
pub(super) struct World {
    /// What messages call it.
    pub(super) name: String,
    /// Its text, in apk's world format.
    pub(super) text: String,
}

/// What is taken from sources with a URL.
#[derive(Clone, Debug)]
pub(super) enum Chosen {
    /// From every one of them.
    List(Vec<Selector>),
    /// By source; nothing of the others.
    BySource(BTreeMap<SourceName, Vec<Selector>>),
}

/// The selectors of a repository.
pub(super) fn selection(repository: &Repository) -> Result<Selection, Error> {
    let bad = |cause| Error::Selector { of: repository.name.clone(), cause };
    let load = |path: PathBuf| -> Result<(String, Vec<Selector>), Error> {
        let unusable = |cause: Box<dyn std::error::Error + Send + Sync>| Error::List {
            of: repository.name.clone(),
            path: path.clone(),
            cause,
        };
        let text = std::fs::read_to_string(&path).map_err(|cause| unusable(cause.into()))?;
        let selectors = Selector::read_world(&text).map_err(|cause| unusable(cause.into()))?;
        Ok((text, selectors))
    };
    let read = |texts: &[String]| -> Result<Vec<Selector>, Error> {
        let mut selectors = Vec::new();
        for text in texts {
            match Item::parse(text).map_err(bad)? {
                Item::Selector(selector) => selectors.push(selector),
                Item::WorldFile(path) => selectors.extend(load(path.into())?.1),
            }
        }
        Ok(selectors)
    };
    let (files, terms): (Vec<&String>, Vec<&String>) =
        repository.must_install.iter().partition(|world| world.starts_with('@'));
    let mut must_install = Vec::new();
    for file in files {
        let path = PathBuf::from(&file[1..]);
        let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
        must_install.push(World { name, text: load(path)?.0 });
    }
    if !terms.is_empty() {
        let text = terms.iter().map(|term| format!("{term}\n")).collect();
        must_install.push(World { name: "must_install".to_owned(), text });
    }
    Ok(Selection {
        packages: match &repository.packages {
            None => None,
            Some(Packages::List(list)) => Some(Chosen::List(read(list)?)),
            Some(Packages::BySource(lists)) => {
                let lists = lists.iter().map(|(source, list)| Ok((source.clone(), read(list)?)));
                Some(Chosen::BySource(lists.collect::<Result<_, Error>>()?))
            }
        },
        exclude: read(&repository.exclude)?,
        must_install,
    })
}
