//! Pairs of real packages: one version of a package and another.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Two files of the same package that are not the same.
pub(crate) struct Pair {
    pub(crate) base: PathBuf,
    pub(crate) target: PathBuf,
}

/// The real steps: one release of a repository, and the next. Each is a name and the pairs of the packages that changed.
pub(crate) fn steps(real: &Path) -> Vec<(&'static str, Vec<Pair>)> {
    let media = real.join("official/boot-media");
    let third = real.join("third-party/jamesdkelly88");
    vec![
        ("3.13.1 → 3.13.4, official", step(&media.join("3.13.1"), &media.join("3.13.4"))),
        ("r0 → r1, third party", step(&third.join("1-before"), &third.join("2-after"))),
    ]
}

/// Every pair of files that bear a package's name, each with the next in the order of paths: versions, releases and
/// architectures.
pub(crate) fn all(real: &Path) -> Vec<Pair> {
    let mut by_name: BTreeMap<String, Vec<PathBuf>> = BTreeMap::new();
    for (place, path) in packages(real) {
        let name = place.rsplit('/').next().unwrap_or_default().to_owned();
        by_name.entry(name).or_default().push(path);
    }
    let mut pairs = Vec::new();
    for paths in by_name.values() {
        for two in paths.windows(2) {
            if std::fs::read(&two[0]).ok() != std::fs::read(&two[1]).ok() {
                pairs.push(Pair { base: two[0].clone(), target: two[1].clone() });
            }
        }
    }
    pairs
}

fn step(before: &Path, after: &Path) -> Vec<Pair> {
    let before: BTreeMap<_, _> = packages(before).into_iter().collect();
    let changed = packages(after).into_iter().filter_map(|(place, target)| {
        let base = before.get(&place)?.clone();
        (base.file_name() != target.file_name()).then_some(Pair { base, target })
    });
    changed.collect()
}

/// Every package below `root`, in the order of paths: its folder and name without version, and its path.
pub(crate) fn packages(root: &Path) -> Vec<(String, PathBuf)> {
    let mut found = Vec::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if let Some(stem) = path.to_str().and_then(|path| path.strip_suffix(".apk")) {
                // NAME-VERSION-rN
                let name = stem.rsplitn(3, '-').nth(2).unwrap_or(stem);
                let place = name.strip_prefix(root.to_str().unwrap_or_default()).unwrap_or(name);
                found.push((place.to_owned(), path));
            }
        }
    }
    found.sort();
    found
}
