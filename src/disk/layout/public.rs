//! The public side: the live link, the generations beside it, and the trees that are seen beside live.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::{Error, durable, half_made_name, is_half_made};
use crate::apk::names::{Place, TreeName};

const GENERATIONS: &str = ".generations";

/// The public side: the link that clients' URLs lead through, and the generations beside it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicTree {
    link: PathBuf,
}

impl PublicTree {
    /// The public tree whose link is `link`; nothing is looked at yet.
    pub fn new(link: &Path) -> Self {
        PublicTree { link: link.to_owned() }
    }

    /// The link itself.
    pub fn link(&self) -> &Path {
        &self.link
    }

    /// The folder that holds the link: what a web server is given.
    pub fn folder(&self) -> PathBuf {
        match self.link.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
            _ => PathBuf::from("."),
        }
    }

    /// `.generations` beside the link.
    pub fn generations_folder(&self) -> PathBuf {
        self.folder().join(GENERATIONS)
    }

    /// The tree of generation `number`.
    pub fn generation(&self, number: u64) -> PathBuf {
        self.generations_folder().join(number.to_string())
    }

    /// The tree of generation `number` while it is made.
    pub fn half_made_generation(&self, number: u64) -> PathBuf {
        self.generations_folder().join(half_made_name(number))
    }

    /// The numbers of all trees beside the link.
    pub fn trees(&self) -> Result<BTreeSet<u64>, durable::Error> {
        let names = durable::list(&self.generations_folder())?;
        Ok(names.iter().filter_map(|name| name.parse().ok()).collect())
    }

    /// The highest number that any tree beside the link has; 0 where there is none.
    pub fn highest_generation(&self) -> Result<u64, durable::Error> {
        Ok(self.trees()?.last().copied().unwrap_or(0))
    }

    /// Removes what killed runs left half made beside the link. The caller holds the [`super::Lock`].
    pub fn sweep(&self) -> Result<(), Error> {
        for name in durable::list(&self.folder())?.iter().filter(|name| durable::is_temporary(name.as_ref())) {
            durable::remove_file(&self.folder().join(name))?;
        }
        for name in durable::list(&self.generations_folder())?.iter().filter(|name| is_half_made(name)) {
            durable::remove_tree(&self.generations_folder().join(name))?;
        }
        // Where the link of a tree beside live was being switched.
        match self.live()? {
            Some(live) if self.generation(live).is_dir() => Ok(durable::sweep_temporaries(&self.generation(live))?),
            _ => Ok(()),
        }
    }

    /// Fails unless the tree of generation `number`, to which the link leads, is there.
    pub fn require_generation(&self, number: u64) -> Result<(), Error> {
        let path = self.generation(number);
        if path.is_dir() { Ok(()) } else { Err(Error::TreeGone { path, link: self.link.clone() }) }
    }

    /// The link, in the tree of generation `live`, below which the tree with this name is seen.
    pub fn named_link(&self, live: u64, name: &TreeName) -> PathBuf {
        self.generation(live).join(format!("@{name}"))
    }

    /// What such a link says: the tree of `number` beside the one that holds it.
    pub fn named_link_text(number: u64) -> PathBuf {
        Path::new("..").join(number.to_string())
    }

    /// The trees that are seen beside live, by name; none where nothing is live. Other things whose name begins with `@` are
    /// not ours and left alone.
    pub fn named(&self) -> Result<BTreeMap<TreeName, u64>, Error> {
        // A reader without the lock may look into a tree that another run switches away from and drops.
        let mut live = self.live()?;
        loop {
            let found = live.map_or_else(|| Ok(BTreeMap::new()), |live| self.named_in(live));
            let now = self.live()?;
            if now == live {
                return found;
            }
            live = now;
        }
    }

    fn named_in(&self, live: u64) -> Result<BTreeMap<TreeName, u64>, Error> {
        let mut found = BTreeMap::new();
        for file in durable::list(&self.generation(live))? {
            let Some(name) = file.strip_prefix('@').and_then(|name| name.parse().ok()) else { continue };
            let text = match fs::read_link(self.named_link(live, &name)) {
                Ok(text) => text,
                Err(cause) if cause.kind() == io::ErrorKind::InvalidInput => continue,
                Err(cause) => {
                    return Err(durable::Error::new("read the link", self.named_link(live, &name), cause).into());
                }
            };
            let number = text.strip_prefix("..").ok().and_then(Path::to_str).and_then(|number| number.parse().ok());
            if let Some(number) = number.filter(|number| Self::named_link_text(*number) == text) {
                found.insert(name, number);
            }
        }
        Ok(found)
    }

    /// Which generation is seen at `place`.
    pub fn shown(&self, place: &Place) -> Result<Option<u64>, Error> {
        match place {
            Place::Live => self.live(),
            Place::Beside(name) => Ok(self.named()?.remove(name)),
        }
    }

    /// What the link says when generation `number` is live; relative, so that the folder can be moved or exported.
    pub fn link_text(number: u64) -> PathBuf {
        Path::new(GENERATIONS).join(number.to_string())
    }

    /// The live generation's number; `None` where nothing was published yet. Anything else at the link's place is refused: we
    /// replace nothing that we did not make.
    pub fn live(&self) -> Result<Option<u64>, Error> {
        let taken = || Error::PublicTaken { path: self.link.clone() };
        let text = match fs::read_link(&self.link) {
            Ok(text) => text,
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(cause) if cause.kind() == io::ErrorKind::InvalidInput => return Err(taken()),
            Err(cause) => return Err(durable::Error::new("read the link", &self.link, cause).into()),
        };
        let number = text.strip_prefix(GENERATIONS).ok().and_then(Path::to_str).and_then(|number| number.parse().ok());
        match number {
            Some(number) if Self::link_text(number) == text => Ok(Some(number)),
            _ => Err(taken()),
        }
    }
}
