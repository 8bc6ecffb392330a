//! Makes the tree that a plan describes, and switches to it.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::apk::ObjectId;
use crate::apk::names::PackageFile;
use crate::disk::durable::{self, LinkedTree};
use crate::disk::layout::{self, PublicTree};
use crate::error::{Class, Trouble};
use crate::plan::publish::{IndexFile, PublishPlan, RepositoryState};
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

    /// The file.
    pub fn bytes(&self) -> &[u8] {
        match self {
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
}

impl Trouble for Error {
    fn class(&self) -> Class {
        match self {
            Error::Disk(error) => error.class(),
            Error::Layout(error) => error.class(),
            Error::Shared { .. } => Class::Usage,
            Error::Lost { .. } => Class::Damaged,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Error::Disk(error) => error.code(),
            Error::Layout(error) => error.code(),
            Error::Shared { .. } => "public-shared",
            Error::Lost { .. } => "object-missing",
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Error::Disk(error) => error.hint(),
            Error::Layout(error) => error.hint(),
            Error::Shared { .. } => Some("give each `public` a folder of its own".into()),
            Error::Lost { .. } => Some("`bivouac check` lists all that is missing or damaged".into()),
        }
    }
}

/// Makes the tree and switches to it. `index_of` gives the index of the repository at a place of the plan's generation,
/// where the plan says that it is new. Returns how the packages got into the tree.
pub fn publish(
    plan: &PublishPlan,
    tree: &PublicTree,
    pool: &Pool,
    index_of: impl Fn(usize) -> Option<Publishable>,
) -> Result<LinkedTree, Error> {
    let number = plan.generation.number;
    durable::create_folder(&tree.generations_folder(), 0o755)?;
    claim(tree)?;
    tree.sweep()?;
    let beside = tree.half_made_generation(number);
    durable::create_folder(&beside, 0o755)?;
    let mut links = LinkedTree::new();
    for (at, state) in plan.generation.repositories.iter().enumerate() {
        let folder = beside.join(state.name.folder(&state.arch));
        durable::create_folder(&folder, 0o755)?;
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
        place_index(plan, tree, at, &mut links, &folder, &index_of)?;
    }
    // One flush for all links; then the tree gets its name, and then it goes live.
    links.flush(&beside)?;
    // A number is used once: where a tree has this one already, the rename fails and that tree stays.
    durable::rename(&beside, &tree.generation(number))?;
    durable::switch_link(tree.link(), &PublicTree::link_text(number))?;
    Ok(links)
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
            links.add(&kept, &path)?;
        }
        (IndexFile::Kept, None) => unreachable!("a plan keeps only what a former generation has"),
        (IndexFile::New, _) => {
            let index = index_of(at).expect("whoever plans a new index has made it");
            let seconds = u64::try_from(state.published.as_second()).unwrap_or(0);
            let modified = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
            durable::write_dated(&path, index.bytes(), 0o644, modified)?;
        }
    }
    Ok(())
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
