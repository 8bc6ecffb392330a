//! The comparisons. Each alternates the two programs (ours, peer, ours, peer, …), so that whatever else the machine does
//! meets both alike.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use bivouac::apk::v2::sections::{Limits, split_index};

use crate::measure::{Run, Series, print_ratio, run, settle};
use crate::outcome::Outcome;
use crate::peers::{self, Apk};
use crate::tree::{ARCH, REPOSITORY, Tree};

/// Pairs per comparison. An odd number has a median that was really measured.
const PAIRS: usize = 3;

/// What every comparison needs.
pub(crate) struct Ground<'a> {
    /// The tree that is copied, verified and indexed.
    pub(crate) tree: &'a Tree,
    /// The program built with this bench.
    pub(crate) bivouac: &'a Path,
    /// Where runs write; on the same file system as the tree.
    pub(crate) scratch: PathBuf,
}

impl Ground<'_> {
    fn log(&self) -> PathBuf {
        self.scratch.join("output.log")
    }

    fn empty(&self, name: &str) -> Outcome<PathBuf> {
        let folder = self.scratch.join(name);
        if folder.exists() {
            fs::remove_dir_all(&folder)?;
        }
        fs::create_dir_all(&folder)?;
        settle();
        Ok(folder)
    }

    /// A site that mirrors the tree from `port`, merged and signed by the bench key.
    fn site(&self, name: &str, port: u16) -> Outcome<PathBuf> {
        let site = self.empty(name)?;
        let config = format!(
            "store = \"store\"\npublic = \"mirror/alpine\"\n\n[signing]\nkey = {:?}\n\n[sources.bench]\n\
             url = [\"http://127.0.0.1:{port}\"]\nkeyring = {:?}\n\n\
             [[repositories]]\nfrom = [\"bench:{REPOSITORY}\"]\narches = [\"{ARCH}\"]\n",
            self.tree.private_key, self.tree.public_keys
        );
        fs::write(site.join("bivouac.toml"), config)?;
        Ok(site)
    }

    fn sync(&self, site: &Path) -> Outcome<Run> {
        run(Command::new(self.bivouac).current_dir(site).args(["--config", "bivouac.toml", "-q", "sync"]), &self.log())
    }

    /// The packages' file names, in one order for everybody.
    fn package_names(&self) -> Outcome<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.tree.packages_dir)? {
            names.extend(entry?.file_name().into_string().ok().filter(|name| name.ends_with(".apk")));
        }
        names.sort();
        Ok(names)
    }
}

/// First sync from nginx, against `rsync -a` from its daemon: both into an empty folder, both from a warm page cache.
pub(crate) fn first_sync(ground: &Ground<'_>) -> Outcome<()> {
    println!("\nfirst sync over loopback, {} packages, {:.2} GB", ground.tree.packages, ground.tree.bytes as f64 / 1e9);
    let nginx = peers::nginx(&ground.tree.upstream, &ground.scratch, &ground.scratch.join("access.log"))?;
    let rsync = match peers::rsync_daemon(&ground.tree.upstream, &ground.scratch) {
        Ok(server) => Some(server),
        Err(error) => {
            println!("  peer skipped: {error}");
            None
        }
    };
    warm(&ground.tree.packages_dir)?;
    let (mut ours, mut copy, mut copy_flushed) = (Series::default(), Series::default(), Series::default());
    // Nothing is removed between the runs: for half a minute ext4 steps over the inodes of removed files one by one, and that
    // search would be most of what is measured.
    for number in 0..PAIRS {
        let site = ground.site(&format!("site-{number}"), nginx.port)?;
        ours.push(ground.sync(&site)?);
        check_published(&site.join("mirror/alpine"), ground.tree)?;
        if let Some(rsync) = &rsync {
            let target = ground.empty(&format!("copy-{number}"))?;
            let source = format!("rsync://127.0.0.1:{}/tree/", rsync.port);
            let done = run(Command::new("rsync").arg("-a").arg(source).arg(&target), &ground.log())?;
            let flushing = settle();
            copy.push(done);
            copy_flushed.push(Run { seconds: done.seconds + flushing, ..done });
        }
    }
    for number in 0..PAIRS {
        for folder in [format!("site-{number}"), format!("copy-{number}")].map(|name| ground.scratch.join(name)) {
            if folder.exists() {
                fs::remove_dir_all(folder)?;
            }
        }
    }
    ours.print("bivouac sync (flushed to disk)");
    if rsync.is_some() {
        copy.print("rsync -a (without its daemon's cpu)");
        print_ratio(&ours, &copy, "1 or more");
        copy_flushed.print("rsync -a; sync");
        print_ratio(&ours, &copy_flushed, "for information: both on disk");
    }
    Ok(())
}

/// A sync that finds nothing new: its time, and what it asked upstream for.
pub(crate) fn no_news(ground: &Ground<'_>) -> Outcome<()> {
    println!("\nsync with nothing new, {} packages", ground.tree.packages);
    let access_log = ground.scratch.join("access.log");
    let nginx = peers::nginx(&ground.tree.upstream, &ground.scratch, &access_log)?;
    let site = ground.site("site", nginx.port)?;
    ground.sync(&site)?;
    let mut ours = Series::default();
    let mut requests = Vec::new();
    for _ in 0..PAIRS + 2 {
        let before = fs::read_to_string(&access_log)?.len();
        settle();
        ours.push(ground.sync(&site)?);
        requests.extend(fs::read_to_string(&access_log)?[before..].lines().map(str::to_owned));
    }
    ours.print("bivouac sync");
    println!("  {:<34} {:>9.3} s", "goal: at most", 0.2);
    println!("  requests in {} runs: {}", PAIRS + 2, requests.len());
    requests.sort();
    requests.dedup();
    requests.iter().for_each(|request| println!("    {request}"));
    fs::remove_dir_all(&site)?;
    Ok(())
}

/// `bivouac verify` against `apk verify`, on the same files.
pub(crate) fn verify(ground: &Ground<'_>, apk: Option<&Apk>) -> Outcome<()> {
    println!("\nverify {} packages, {:.2} GB", ground.tree.packages, ground.tree.bytes as f64 / 1e9);
    let names = ground.package_names()?;
    duel(
        ground,
        apk,
        &Duel {
            name: "verify",
            goal: "8 or more",
            ours: &|command| command.arg("verify").arg("--keys").arg(&ground.tree.public_keys).args(&names),
            peer: &|command| command.arg("verify").args(&names),
            // Both say of each file that it is OK.
            count: &|| Ok(fs::read_to_string(ground.log())?.lines().filter(|line| line.ends_with("OK")).count()),
        },
    )
}

/// `bivouac index` against `apk index`, on the same files.
pub(crate) fn index(ground: &Ground<'_>, apk: Option<&Apk>) -> Outcome<()> {
    println!("\nindex {} packages", ground.tree.packages);
    let names = ground.package_names()?;
    let output = ground.scratch.join("index.tar.gz");
    duel(
        ground,
        apk,
        &Duel {
            name: "index",
            goal: "3 or more",
            ours: &|command| command.arg("index").arg(&ground.tree.packages_dir).arg("-o").arg(&output),
            peer: &|command| command.args(["index", "--no-warnings", "-o"]).arg(&output).args(&names),
            count: &|| {
                let index = split_index(&fs::read(&output)?, &Limits::default())?;
                Ok(index.text.lines().filter(|line| line.starts_with("P:")).count())
            },
        },
    )
}

/// The same work by two programs on the same files.
struct Duel<'a> {
    name: &'a str,
    goal: &'a str,
    /// Completes our command line.
    ours: &'a dyn Fn(&mut Command) -> &mut Command,
    /// Completes apk's.
    peer: &'a dyn Fn(&mut Command) -> &mut Command,
    /// How many packages the run that has just ended got done.
    count: &'a dyn Fn() -> Outcome<usize>,
}

fn duel(ground: &Ground<'_>, apk: Option<&Apk>, duel: &Duel<'_>) -> Outcome<()> {
    warm(&ground.tree.packages_dir)?;
    let once = |command: &mut Command| -> Outcome<Run> {
        settle();
        let done = run(command.current_dir(&ground.tree.packages_dir), &ground.log())?;
        // A figure for work that was not done would be worse than none.
        match (duel.count)()? as u64 {
            count if count == ground.tree.packages => Ok(done),
            count => Err(format!("{:?} did {count} packages only", command.get_program()).into()),
        }
    };
    let (mut us, mut them) = (Series::default(), Series::default());
    for _ in 0..PAIRS {
        us.push(once((duel.ours)(&mut Command::new(ground.bivouac)))?);
        if let Some(apk) = apk {
            them.push(once((duel.peer)(&mut apk.command(&ground.tree.public_keys)))?);
        }
    }
    us.print(&format!("bivouac {}", duel.name));
    match apk {
        Some(_) => {
            them.print(&format!("apk {} 2.14", duel.name));
            print_ratio(&us, &them, duel.goal);
        }
        None => println!("  peer skipped: apk 2.14 runs on x86_64 only"),
    }
    Ok(())
}

/// The published tree holds every package at its size.
fn check_published(public: &Path, tree: &Tree) -> Outcome<()> {
    let folder = public.join(REPOSITORY).join(ARCH);
    for entry in fs::read_dir(&tree.packages_dir)? {
        let entry = entry?;
        let published = fs::metadata(folder.join(entry.file_name()));
        let published = published.map_err(|error| format!("{:?} was not published: {error}", entry.file_name()))?;
        let is_package = entry.path().extension().is_some_and(|extension| extension == "apk");
        if is_package && published.len() != entry.metadata()?.len() {
            return Err(format!("{:?} was published with another size", entry.file_name()).into());
        }
    }
    Ok(())
}

/// Reads all of `folder` once, so that the first contestant does not pay for the disk.
fn warm(folder: &Path) -> Outcome<()> {
    for entry in fs::read_dir(folder)? {
        std::io::copy(&mut fs::File::open(entry?.path())?, &mut std::io::sink())?;
    }
    Ok(())
}
