//! Makes the tree that a plan describes, and switches to it.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use sha2::{Digest as _, Sha256};

use crate::apk::ObjectId;
use crate::apk::names::{PackageFile, Place, TreeName};
use crate::disk::durable::{self, LinkedTree};
use crate::disk::layout::{self, PublicTree};
use crate::error::{Class, Trouble};
use crate::plan::publish::{Generation, IndexFile, PublishPlan, RepositoryState};
use crate::pool::Pool;
use crate::sign::SignedIndex;
use crate::snapshot::{AcceptedIndex, Kind};

/// The name under which every client asks for an index.
const INDEX: &str = "APKINDEX.tar.gz";

/// What may stand in a tree as an index.
#[derive(Clone, Debug)]
pub enum Publishable {
    /// Signed by us.
    Signed(SignedIndex),
    /// A source's own file, as it was verified and accepted.
    Upstream(UpstreamIndex),
    /// The file of an earlier generation, byte for byte.
    Again(PublishedIndex),
}

/// An index file that was published before. Only [`Publishable::again`] makes one.
#[derive(Clone, Debug)]
pub struct PublishedIndex(Vec<u8>);

impl PublishedIndex {
    /// `bytes`, if they are the file that was published with `state`.
    pub(super) fn of(state: &RepositoryState, bytes: Vec<u8>) -> Option<Self> {
        let found = ObjectId::new(Sha256::digest(&bytes).into());
        (found == state.index).then_some(PublishedIndex(bytes))
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }
}

/// A source's own index file. Only [`Publishable::upstream`] makes one.
#[derive(Clone, Debug)]
pub struct UpstreamIndex(Vec<u8>);

impl Publishable {
    /// A source's own file; `None` for what was gathered from a directory, which nobody signed.
    pub fn upstream(accepted: &AcceptedIndex) -> Option<Publishable> {
        match accepted.record().kind {
            Kind::Signed => Some(Publishable::Upstream(UpstreamIndex(accepted.bytes().to_vec()))),
            Kind::Gathered => None,
        }
    }

    /// The file that generation `number` shows for a repository, as long as it is the one that its record names.
    pub fn again(tree: &PublicTree, number: u64, state: &RepositoryState) -> Result<Publishable, Error> {
        let path = tree.generation(number).join(state.name.folder(&state.arch)).join(INDEX);
        let Some(bytes) = durable::read_if_present(&path)? else { return Err(Error::IndexGone { path }) };
        PublishedIndex::of(state, bytes).map(Publishable::Again).ok_or(Error::IndexDamaged { path })
    }

    /// The file.
    pub fn bytes(&self) -> &[u8] {
        match self {
            Publishable::Again(index) => &index.0,
            Publishable::Signed(index) => index.bytes(),
            Publishable::Upstream(index) => &index.0,
        }
    }
}

/// Why no new tree went live; the former one still is.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The disk said no.
    #[error(transparent)]
    Disk(#[from] durable::Error),
    /// The link's place is taken, or not readable.
    #[error(transparent)]
    Layout(#[from] layout::Error),
    /// Another public link lives in the same folder.
    #[error("the folder of `public` holds the generations of another public link, {}", link.display())]
    Shared {
        /// The other link.
        link: PathBuf,
    },
    /// A package that the store must hold is not there.
    #[error("the pool has lost {file} (object {object})")]
    Lost {
        /// The package.
        file: PackageFile,
        /// Its object.
        object: ObjectId,
    },
    /// An earlier generation's index is to be shown again, and is not there.
    #[error("the index {} of an earlier generation is gone", path.display())]
    IndexGone {
        /// The file.
        path: PathBuf,
    },
    /// An earlier generation's index is to be shown again, and changed since.
    #[error("{} is not the index that was published", path.display())]
    IndexDamaged {
        /// The file.
        path: PathBuf,
    },
    /// A backup has another file than the index that its record of a generation names.
    #[error("what should be the index {place} of generation {number} is another file")]
    OtherIndex {
        /// Repository and arch.
        place: String,
        /// The generation.
        number: u64,
    },
    /// A tree is to be dropped that clients see. A bug.
    #[error("generation {number} is shown to clients and cannot be dropped")]
    Shown {
        /// The generation.
        number: u64,
    },
    /// A tree is to be seen beside live, and nothing is live.
    #[error("nothing is live beside which a tree could be seen")]
    NothingLive,
}

impl Trouble for Error {
    fn class(&self) -> Class {
        match self {
            Error::Disk(error) => error.class(),
            Error::Layout(error) => error.class(),
            Error::Shared { .. } => Class::Usage,
            Error::NothingLive => Class::Usage,
            Error::Shown { .. } => Class::Host,
            Error::Lost { .. } | Error::IndexGone { .. } | Error::IndexDamaged { .. } | Error::OtherIndex { .. } => {
                Class::Damaged
            }
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Error::Disk(error) => error.code(),
            Error::Layout(error) => error.code(),
            Error::Shared { .. } => "public-shared",
            Error::Lost { .. } => "object-missing",
            Error::IndexGone { .. } => "index-missing",
            Error::IndexDamaged { .. } | Error::OtherIndex { .. } => "index-damaged",
            Error::NothingLive => "nothing-live",
            Error::Shown { .. } => "bug",
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Error::Disk(error) => error.hint(),
            Error::Layout(error) => error.hint(),
            Error::Shared { .. } => Some("give each `public` a folder of its own".into()),
            Error::Lost { .. } | Error::IndexGone { .. } | Error::IndexDamaged { .. } => {
                Some("`bivouac repair` brings back what is missing or damaged".into())
            }
            Error::NothingLive => Some("`bivouac publish` makes a snapshot live".into()),
            Error::Shown { .. } | Error::OtherIndex { .. } => None,
        }
    }
}

/// Makes the tree and switches its place to it. `index_of` gives the index of the repository at a place of the plan's generation,
/// where the plan says that it is new. Returns how the packages got into the tree.
pub fn publish(
    plan: &PublishPlan,
    tree: &PublicTree,
    pool: &Pool,
    index_of: impl Fn(usize) -> Option<Publishable>,
) -> Result<LinkedTree, Error> {
    let number = plan.generation.number;
    let (beside, links) = lay_out(&plan.generation, tree, pool, |at, folder, links| {
        place_index(plan, tree, at, links, folder, &index_of)
    })?;
    // A live tree carries the links of those beside it from its first moment on, so that they are seen without a gap.
    if plan.generation.place == Place::Live {
        for (name, number) in tree.named()? {
            durable::switch_link(&beside.join(format!("@{name}")), &PublicTree::named_link_text(number))?;
        }
    }
    name(&beside, tree, number, &links)?;
    match &plan.generation.place {
        Place::Live => durable::switch_link(tree.link(), &PublicTree::link_text(number))?,
        Place::Beside(name) => show_beside(tree, name, number)?,
    }
    Ok(links)
}

/// Has the tree of generation `number`, which is there, seen beside live under this name, in one rename.
pub fn show_beside(tree: &PublicTree, name: &TreeName, number: u64) -> Result<(), Error> {
    tree.require_generation(number)?;
    let live = tree.live()?.ok_or(Error::NothingLive)?;
    Ok(durable::switch_link(&tree.named_link(live, name), &PublicTree::named_link_text(number))?)
}

/// Makes the tree of `generation` under a hidden name: packages from the pool, index files by `place_index` (which is given a
/// repository's number, its folder, and what links files into the tree), links. Returns where it lies; nothing of it is flushed.
pub(super) fn lay_out<E: From<Error>>(
    generation: &Generation,
    tree: &PublicTree,
    pool: &Pool,
    place_index: impl Fn(usize, &Path, &mut LinkedTree) -> Result<(), E>,
) -> Result<(PathBuf, LinkedTree), E> {
    durable::create_folder(&tree.generations_folder(), 0o755).map_err(Error::from)?;
    claim(tree)?;
    tree.sweep().map_err(Error::from)?;
    let beside = tree.half_made_generation(generation.number);
    durable::create_folder(&beside, 0o755).map_err(Error::from)?;
    let mut links = LinkedTree::new();
    for (at, state) in generation.repositories.iter().enumerate() {
        let folder = beside.join(state.name.folder(&state.arch));
        place_packages(state, pool, &folder, &mut links)?;
        place_index(at, &folder, &mut links)?;
        // Clients add the arch to the line that they are given, which here ends in it or holds it already.
        if state.name.is_by_arch() {
            durable::switch_link(&folder.join(state.arch.as_str()), Path::new(".")).map_err(Error::from)?;
        }
    }
    place_aliases(generation, &beside)?;
    Ok((beside, links))
}

/// Gives a tree that was laid out its number. One flush for all links; then the name, which stands for a complete tree.
pub(super) fn name(beside: &Path, tree: &PublicTree, number: u64, links: &LinkedTree) -> Result<(), Error> {
    links.flush(beside)?;
    // A number is used once: where a tree has this one already, the rename fails and that tree stays.
    Ok(durable::rename(beside, &tree.generation(number))?)
}

fn place_packages(state: &RepositoryState, pool: &Pool, folder: &Path, links: &mut LinkedTree) -> Result<(), Error> {
    durable::create_folder(folder, 0o755)?;
    for placed in &state.files {
        let object = pool.path(&placed.object);
        links.add(&object, &folder.join(placed.file.as_str())).map_err(|error| {
            if error.kind() == std::io::ErrorKind::NotFound && !pool.has(&placed.object) {
                Error::Lost { file: placed.file.clone(), object: placed.object }
            } else {
                error.into()
            }
        })?;
    }
    Ok(())
}

/// The links that the generation names, each relative, where this tree has what it leads to.
pub(super) fn place_aliases(generation: &Generation, tree: &Path) -> Result<(), Error> {
    for (name, target) in &generation.aliases {
        if !tree.join(target.as_str()).is_dir() {
            continue;
        }
        let link = tree.join(name.as_str());
        durable::create_folder(link.parent().expect("a name below the tree has a folder"), 0o755)?;
        let up = "../".repeat(name.as_str().matches('/').count());
        durable::switch_link(&link, Path::new(&format!("{up}{target}")))?;
    }
    Ok(())
}

fn place_index(
    plan: &PublishPlan,
    tree: &PublicTree,
    at: usize,
    links: &mut LinkedTree,
    folder: &Path,
    index_of: &impl Fn(usize) -> Option<Publishable>,
) -> Result<(), Error> {
    let state: &RepositoryState = &plan.generation.repositories[at];
    let path = folder.join(INDEX);
    match (plan.indexes[at], plan.former) {
        (IndexFile::Kept, Some(former)) => {
            let kept = tree.generation(former).join(state.name.folder(&state.arch)).join(INDEX);
            links.add(&kept, &path).map_err(|error| match error.kind() {
                std::io::ErrorKind::NotFound => Error::IndexGone { path: kept },
                _ => error.into(),
            })?;
        }
        (IndexFile::Kept, None) => unreachable!("a plan keeps only what a former generation has"),
        (IndexFile::New, _) => {
            let index = index_of(at).expect("whoever plans a new index has made it");
            write_index(state, index.bytes(), folder)?;
        }
    }
    Ok(())
}

/// Writes the index file of `state`, dated as it says.
pub(super) fn write_index(state: &RepositoryState, bytes: &[u8], folder: &Path) -> Result<(), Error> {
    let seconds = u64::try_from(state.published.as_second()).unwrap_or(0);
    let modified = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
    Ok(durable::write_dated(&folder.join(INDEX), bytes, 0o644, modified)?)
}

/// Two links in one folder would share `.generations` and replace each other's trees.
fn claim(tree: &PublicTree) -> Result<(), Error> {
    for name in durable::list(&tree.folder())? {
        let path = tree.folder().join(&name);
        // A temporary is the link of ours that a run was switching when it was stopped.
        if tree.link().file_name().is_some_and(|ours| ours != name.as_str())
            && !durable::is_temporary(name.as_ref())
            && matches!(PublicTree::new(&path).live(), Ok(Some(_)))
        {
            return Err(Error::Shared { link: path });
        }
    }
    Ok(())
}
