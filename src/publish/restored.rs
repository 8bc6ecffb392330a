//! Trees of earlier generations, made again from what a backup holds.

use super::Error;
use super::generation::{PublishedIndex, lay_out, name, write_index};
use crate::disk::durable::LinkedTree;
use crate::disk::layout::PublicTree;
use crate::plan::publish::{Generation, RepositoryState};
use crate::pool::Pool;

/// What became of a tree that was to be made again.
#[derive(Debug)]
pub enum RestoredTree {
    /// It was made; so the packages got into it.
    Made(LinkedTree),
    /// A tree has this number already. It stays as it is: files of a tree never change.
    Already,
}

/// Makes the tree that `generation` was, under its own number and shown nowhere: packages from the pool, lingering ones as well,
/// and each index file as `index_of` gives it, dated as it was. Once it has its number it is complete and on the medium; killed
/// before that, it is swept and made anew. The packages must be on the medium, as after [`crate::pool::Restoring::finish`].
///
/// # Errors
///
/// [`Error::Lost`] for a package that the pool does not have, [`Error::OtherIndex`] for bytes that are not the index file which
/// the record names. No tree is made then.
pub fn restore_tree<E: From<Error>>(
    tree: &PublicTree,
    pool: &Pool,
    generation: &Generation,
    index_of: impl Fn(&RepositoryState) -> Result<Vec<u8>, E>,
) -> Result<RestoredTree, E> {
    let number = generation.number;
    if tree.generation(number).is_dir() {
        return Ok(RestoredTree::Already);
    }
    let (beside, links) = lay_out(generation, tree, pool, |at, folder, _| -> Result<(), E> {
        let state = &generation.repositories[at];
        let place = || format!("{}/{}", state.name, state.arch);
        let index =
            PublishedIndex::of(state, index_of(state)?).ok_or_else(|| Error::OtherIndex { place: place(), number })?;
        Ok(write_index(state, index.bytes(), folder)?)
    })?;
    name(&beside, tree, number, &links)?;
    Ok(RestoredTree::Made(links))
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests leave states behind by hand")]
mod tests {
    use std::fs;
    use std::os::unix::fs::MetadataExt as _;
    use std::path::Path;

    use sha2::{Digest as _, Sha256};

    use super::super::{Publishable, show_beside};
    use super::*;
    use crate::apk::{ContentId, Identity, ObjectId, PackageFile};
    use crate::disk::durable::Linked;
    use crate::error::Trouble as _;
    use crate::plan::publish::{Cause, Mode, Placed};

    const INDEX: &[u8] = b"an index, signed";

    fn object(bytes: &[u8]) -> ObjectId {
        ObjectId::new(Sha256::digest(bytes).into())
    }

    fn placed(name: &str, left: Option<&str>) -> Placed {
        Placed {
            file: PackageFile::new(&name.parse().unwrap(), &"1-r0".parse().unwrap()).unwrap(),
            object: object(name.as_bytes()),
            identity: Identity::new([2; 20]),
            size: name.len() as u64,
            left: left.map(|left| left.parse().unwrap()),
        }
    }

    fn generation(name: &str) -> Generation {
        let time = "2026-11-24T03:17:00Z".parse().unwrap();
        let state = RepositoryState {
            name: name.parse().unwrap(),
            arch: "x86_64".parse().unwrap(),
            mode: Mode::Ours,
            inputs: String::new(),
            content: ContentId::new([4; 32]),
            index: object(INDEX),
            description: "words".into(),
            signers: Vec::new(),
            keys: Vec::new(),
            published: time,
            packages: 1,
            bytes: 3,
            shadowed: 0,
            shadowed_newer: 0,
            warnings: Vec::new(),
            unmatched: Vec::new(),
            files: vec![placed("listed", None), placed("lingers", Some("2026-11-23T00:00:00Z"))],
        };
        Generation {
            number: 412,
            time,
            snapshot: "s".into(),
            place: Default::default(),
            cause: Cause::Publication,
            aliases: [("latest".parse().unwrap(), "v3.23".parse().unwrap())].into(),
            repositories: vec![state],
        }
    }

    fn site(folder: &Path) -> (PublicTree, Pool) {
        let pool = Pool::open(&folder.join("pool")).unwrap();
        let restoring = pool.restoring().unwrap();
        for name in ["listed", "lingers"] {
            restoring.put(&object(name.as_bytes()), name.len() as u64, &mut name.as_bytes()).unwrap();
        }
        restoring.finish(&[]).unwrap();
        (PublicTree::new(&folder.join("site/alpine")), pool)
    }

    fn index(_: &RepositoryState) -> Result<Vec<u8>, Error> {
        Ok(INDEX.to_vec())
    }

    #[test]
    fn a_tree_comes_back_whole_under_its_number_and_is_shown_nowhere() {
        let folder = tempfile::tempdir().unwrap();
        let (tree, pool) = site(folder.path());
        let earlier = generation("v3.23/{arch}");
        let RestoredTree::Made(links) = restore_tree(&tree, &pool, &earlier, index).unwrap() else { panic!("made") };
        assert_eq!(links.count(Linked::Hard) + links.count(Linked::Reflink) + links.count(Linked::Copy), 2);
        let repository = tree.generation(412).join(earlier.repositories[0].name.folder(&earlier.repositories[0].arch));
        for name in ["listed", "lingers"] {
            assert_eq!(fs::read(repository.join(format!("{name}-1-r0.apk"))).unwrap(), name.as_bytes());
        }
        let file = repository.join("APKINDEX.tar.gz");
        assert_eq!(fs::read(&file).unwrap(), INDEX);
        assert_eq!(fs::metadata(&file).unwrap().mtime(), earlier.repositories[0].published.as_second());
        assert!(tree.generation(412).join("latest").is_dir());
        assert_eq!((tree.live().unwrap(), tree.trees().unwrap().len()), (None, 1));
        // What goes live takes its index from there.
        let again = Publishable::again(&tree, 412, &earlier.repositories[0]).unwrap();
        assert_eq!(again.bytes(), INDEX);
    }

    #[test]
    fn a_tree_that_is_there_stays_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let (tree, pool) = site(folder.path());
        fs::create_dir_all(tree.generation(412).join("somebody looks at this")).unwrap();
        let restored = restore_tree(&tree, &pool, &generation("v3.23/main"), |_| -> Result<Vec<u8>, Error> {
            panic!("nothing is asked for")
        });
        assert!(matches!(restored, Ok(RestoredTree::Already)));
        assert_eq!(fs::read_dir(tree.generation(412)).unwrap().count(), 1);
    }

    #[test]
    fn no_tree_is_made_of_what_is_not_whole() {
        let folder = tempfile::tempdir().unwrap();
        let (tree, pool) = site(folder.path());
        let earlier = generation("v3.23/main");
        let other = restore_tree(&tree, &pool, &earlier, |_| Ok::<_, Error>(b"an index, sigmed".to_vec())).unwrap_err();
        assert_eq!(other.code(), "index-damaged");
        assert!(other.to_string().contains("v3.23/main/x86_64 of generation 412"), "{other}");
        let mut more = earlier.clone();
        more.repositories[0].files.push(placed("never-restored", None));
        let lost = restore_tree(&tree, &pool, &more, index).unwrap_err();
        assert!(matches!(lost, Error::Lost { object: was, .. } if was == object(b"never-restored")), "{lost}");
        assert_eq!(tree.trees().unwrap().len(), 0);
        // And what was begun is no hindrance.
        restore_tree(&tree, &pool, &earlier, index).unwrap();
        assert_eq!(fs::read_dir(tree.generations_folder()).unwrap().count(), 1, "nothing half made is left");
    }

    #[test]
    fn a_tree_is_seen_beside_live_only_where_both_are_there() {
        let folder = tempfile::tempdir().unwrap();
        let (tree, pool) = site(folder.path());
        let qa = "qa".parse().unwrap();
        assert_eq!(show_beside(&tree, &qa, 412).unwrap_err().code(), "tree-gone");
        restore_tree(&tree, &pool, &generation("v3.23/main"), index).unwrap();
        assert_eq!(show_beside(&tree, &qa, 412).unwrap_err().code(), "nothing-live");
        crate::disk::durable::switch_link(tree.link(), &PublicTree::link_text(412)).unwrap();
        show_beside(&tree, &qa, 412).unwrap();
        assert_eq!(tree.named().unwrap(), [(qa, 412)].into());
    }
}
