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
    let read = |texts: &[String]| -> Result<Vec<Selector>, Error> {
        let mut selectors = Vec::new();
        for text in texts {
            match Item::parse(text).map_err(bad)? {
                Item::Selector(selector) => selectors.push(selector),
                Item::WorldFile(path) => {
                    let path = PathBuf::from(path);
                    let unusable = |cause: Box<dyn std::error::Error + Send + Sync>| Error::List {
                        of: repository.name.clone(),
                        path: path.clone(),
                        cause,
                    };
                    let text = std::fs::read_to_string(&path).map_err(|cause| unusable(cause.into()))?;
                    selectors.extend(Selector::read_world(&text).map_err(|cause| unusable(cause.into()))?);
                }
            }
        }
        Ok(selectors)
    };
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
    })
}
