//! Which object each file of a generation is: what it is known by wherever it lies.
//!
//! An ETag made from it is the same on every mirror that has the file and after every restore, where time and size are not:
//! a download that one mirror began, another can go on with. Whoever publishes knows it from the generation's record, so no
//! file is read for it. What is not recorded has a tag of time and size, which is as strong on this one server: no file of
//! a tree changes in place.

use std::collections::VecDeque;
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::OnceCell;
use tokio::time::Instant;

use crate::apk::ObjectId;

/// The objects of one generation's files: 40 bytes for each.
#[derive(Debug, Default)]
pub struct Objects {
    hashes: RandomState,
    /// By the hash of their paths.
    files: Vec<(u64, Known)>,
    /// Links in the tree: another name for the second is the first. Both are split at their slashes.
    links: Vec<(Vec<String>, Vec<String>)>,
}

#[derive(Clone, Copy, Debug)]
struct Known {
    /// Half of it: as many bits as nobody finds two files for.
    object: [u8; 16],
    size: u64,
}

impl Objects {
    /// Of files by their paths below the tree, each with its object and its size, and of links there.
    pub fn new<'f>(
        files: impl Iterator<Item = (String, &'f ObjectId, u64)>,
        links: impl Iterator<Item = (String, String)>,
    ) -> Objects {
        let split = |path: String| path.split('/').map(str::to_owned).collect();
        let mut objects =
            Objects { links: links.map(|(name, target)| (split(name), split(target))).collect(), ..Objects::default() };
        objects.files = files
            .map(|(path, object, size)| {
                let (half, _) = object.as_bytes().split_first_chunk().expect("an object id has 32 bytes");
                (objects.hash(path.split('/')), Known { object: *half, size })
            })
            .collect();
        objects.files.sort_unstable_by_key(|(hash, _)| *hash);
        objects
    }

    fn hash<'s>(&self, segments: impl Iterator<Item = &'s str>) -> u64 {
        let mut hasher = self.hashes.build_hasher();
        for segment in segments {
            hasher.write(segment.as_bytes());
            hasher.write_u8(b'/');
        }
        hasher.finish()
    }

    /// The object of a file that has this path and this size, where both are known so.
    pub(super) fn of(&self, segments: &[String], size: u64) -> Option<[u8; 16]> {
        let known = self.named(segments).or_else(|| {
            let leads = |(name, target): &(Vec<String>, Vec<String>)| {
                let rest = segments.strip_prefix(name.as_slice())?;
                self.named(&[target, rest].concat())
            };
            self.links.iter().find_map(leads)
        })?;
        (known.size == size).then_some(known.object)
    }

    /// The path as it stands; or, where the arch is said twice, without the second, which is a link to the folder it is in.
    fn named(&self, segments: &[String]) -> Option<Known> {
        self.at(segments.iter().map(String::as_str)).or_else(|| match segments {
            [folders @ .., _, file] => self.at(folders.iter().chain([file]).map(String::as_str)),
            _ => None,
        })
    }

    fn at<'s>(&self, segments: impl Iterator<Item = &'s str>) -> Option<Known> {
        let hash = self.hash(segments);
        let at = self.files.binary_search_by_key(&hash, |(hash, _)| *hash).ok()?;
        Some(self.files[at].1)
    }
}

/// Generations whose objects are kept in memory: the live one, one that is switched to, and some beside.
const KEPT: usize = 4;

/// How long what could not be learnt is not asked for again.
const AGAIN: Duration = Duration::from_secs(10);

/// What is known of the generations that were asked for last, each learnt once.
#[derive(Default)]
pub(super) struct Generations(Mutex<VecDeque<(u64, Learnt, Instant)>>);

type Learnt = Arc<OnceCell<Option<Arc<Objects>>>>;

impl Generations {
    /// The objects of generation `number`. The first who asks has them learnt on a thread that may wait for the disk; others
    /// wait for that.
    pub(super) async fn objects(
        &self,
        number: u64,
        learn: impl FnOnce() -> Option<Objects> + Send + 'static,
    ) -> Option<Arc<Objects>> {
        let learnt = self.learnt(number);
        let objects = learnt.get_or_init(|| async {
            let learn = tokio::task::spawn_blocking(learn);
            learn.await.ok().flatten().map(Arc::new)
        });
        let known = objects.await.clone();
        if known.is_none() {
            self.forget(number);
        }
        known
    }

    /// What could not be learnt may be there a while later: a disk that was not mounted yet.
    fn forget(&self, number: u64) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|(one, _, asked)| *one != number || asked.elapsed() < AGAIN);
    }

    fn learnt(&self, number: u64) -> Learnt {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // What was asked for last stays longest.
        let known = kept.iter().position(|(one, ..)| *one == number).and_then(|at| kept.remove(at));
        let (_, learnt, asked) = known.unwrap_or_else(|| (number, Learnt::default(), Instant::now()));
        kept.truncate(KEPT - 1);
        kept.push_front((number, Arc::clone(&learnt), asked));
        learnt
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> Vec<String> {
        text.split('/').map(str::to_owned).collect()
    }

    #[test]
    fn a_file_is_known_by_each_of_its_paths_and_by_its_size() {
        let (one, two) = (ObjectId::new([1; 32]), ObjectId::new([2; 32]));
        let files = [("v3.23/main/x86_64/a-1.apk", &one, 10), ("x86_64/site/a-1.apk", &two, 20)];
        let links = [("latest-stable".to_owned(), "v3.23".to_owned())];
        let objects =
            Objects::new(files.into_iter().map(|(path, id, size)| (path.to_owned(), id, size)), links.into_iter());
        for (name, size, object) in [
            ("v3.23/main/x86_64/a-1.apk", 10, Some(1)),
            ("latest-stable/main/x86_64/a-1.apk", 10, Some(1)),
            ("x86_64/site/a-1.apk", 20, Some(2)),
            ("x86_64/site/x86_64/a-1.apk", 20, Some(2)),
            // Not the file that was recorded.
            ("v3.23/main/x86_64/a-1.apk", 11, None),
            ("v3.23/main/x86_64/b-1.apk", 10, None),
            ("v3.23main/x86_64/a-1.apk", 10, None),
            ("a-1.apk", 10, None),
        ] {
            assert_eq!(objects.of(&path(name), size), object.map(|byte| [byte; 16]), "{name}");
        }
    }

    #[tokio::test]
    async fn a_generation_is_learnt_once_and_forgotten_after_others() {
        let generations = Generations::default();
        let known = || panic!("it is known");
        assert!(generations.objects(1, || Some(Objects::default())).await.is_some());
        for number in 2..=2 * KEPT as u64 {
            assert!(generations.objects(number, || Some(Objects::default())).await.is_some());
            assert!(generations.objects(1, known).await.is_some(), "it is asked for all the time");
        }
        assert!(generations.objects(2, || None).await.is_none(), "it was forgotten");
    }

    #[tokio::test(start_paused = true)]
    async fn what_could_not_be_learnt_is_asked_for_again_after_a_while() {
        let generations = Generations::default();
        assert!(generations.objects(2, || None).await.is_none());
        assert!(generations.objects(2, || panic!("it is known that it is not known")).await.is_none());
        tokio::time::advance(AGAIN).await;
        // Who asks first then still gets the former answer; who asks next, a new one.
        generations.objects(2, || None).await;
        assert!(generations.objects(2, || Some(Objects::default())).await.is_some());
    }
}
