//! The scene of every test here: an upstream with two repositories and a private directory, each in an earlier state (A) and
//! a later one (B); one repository shown as upstream signed it, one merged and signed by us. And the judge, who looks at
//! what a run left as clients would.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use super::env::{Env, Ran, trusted};
use super::fixture::{Built, CORP, OURS, Package, UPSTREAM, signed, unsigned_index};
use super::oracle;
use super::upstream::Request;

const MAIN: &str = "/alpine/v3.23/main/x86_64";
const COMMUNITY: &str = "/alpine/v3.23/community/x86_64";

/// Requests that the upstream serves at once, and so the most packages that may be under way when a run is killed.
pub(crate) const CONNECTIONS: usize = 2;

/// What upstream and the private directory have, and what clients are to see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    A,
    B,
}
use State::{A, B};

/// Which repository of ours a package belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Main,
    Community,
    Private,
}
use Place::{Community, Main, Private};

struct Good {
    place: Place,
    built: Built,
    states: &'static [State],
}

pub(crate) struct World {
    pub(crate) env: Env,
    goods: Vec<Good>,
}

/// Upgraded, kept, removed and added, in each place. Big enough to arrive in several chunks.
fn goods() -> Vec<Good> {
    let both: &[State] = &[A, B];
    [
        (Main, "alpha", "1.0-r0", &[A][..]),
        (Main, "alpha", "1.1-r0", &[B]),
        (Main, "beta", "1.0-r0", both),
        (Main, "gamma", "1.0-r0", &[A]),
        (Main, "zeta", "1.0-r0", &[B]),
        (Main, "theta", "1.0-r0", &[B]),
        (Community, "delta", "2.0-r0", &[A]),
        (Community, "delta", "2.0-r1", &[B]),
        (Community, "epsilon", "1.0-r0", both),
        (Community, "eta", "1.0-r0", &[B]),
        (Community, "iota", "1.0-r0", &[B]),
        (Private, "corp-tool", "1.0-r0", both),
        (Private, "corp-agent", "1.0-r0", &[B]),
    ]
    .into_iter()
    .map(|(place, name, version, states)| {
        let signer = if place == Private { &CORP } else { &UPSTREAM };
        Good { place, built: Package::new(name, version).with_noise(40_000).build(signer), states }
    })
    .collect()
}

impl World {
    /// Configured, upstream in state A; nothing synced yet. In memory: a kill loses nothing that was written, flushed or
    /// not, and a thousand runs would wait for the disk most of the time.
    pub(crate) fn new() -> World {
        World::around(Env::in_memory())
    }

    pub(crate) fn around(env: Env) -> World {
        let world = World { env, goods: goods() };
        world.configure("");
        world.set(A);
        world
    }

    /// Writes the configuration, with `more` lines for the merged repository.
    pub(crate) fn configure(&self, more: &str) {
        self.env.configure(&format!(
            r#"
[sources.up]
url = ["{{upstream}}/alpine"]
keyring = ["trusted/{}"]
connections = {CONNECTIONS}

[sources.corp]
directory = "packages"
keyring = ["trusted/{}"]

[[repositories]]
from = ["up:v3.23/main"]
arches = ["x86_64"]
index = "upstream"

[[repositories]]
name = "v3.23/site"
arches = ["x86_64"]
from = ["corp", "up:v3.23/main", "up:v3.23/community"]
{more}
"#,
            UPSTREAM.name, CORP.name
        ));
    }

    /// Synced in state A; upstream is in state B now, its log empty.
    pub(crate) fn between() -> World {
        let world = World::new();
        world.sync().exits_with(0);
        world.shows(A);
        world.set(B);
        world.env.upstream.take_log();
        world
    }

    /// Puts upstream and the private directory into a state. What a state lacks is really gone there.
    pub(crate) fn set(&self, state: State) {
        for good in &self.goods {
            let here = good.states.contains(&state);
            let Built { file, bytes, .. } = &good.built;
            match good.place {
                Private if here => drop(self.env.write(&format!("packages/{file}"), bytes)),
                Private => drop(std::fs::remove_file(self.env.path(&format!("packages/{file}")))),
                place if here => self.env.upstream.put(&path_of(place, file), bytes.clone()),
                place => self.env.upstream.files().remove(&path_of(place, file)),
            }
        }
        self.set_indexes(state);
    }

    /// Upstream's two indexes alone.
    fn set_indexes(&self, state: State) {
        for (place, folder) in [(Main, MAIN), (Community, COMMUNITY)] {
            let entries: Vec<&str> = self
                .goods
                .iter()
                .filter(|good| good.place == place && good.states.contains(&state))
                .map(|good| good.built.entry.as_str())
                .collect();
            let index = signed(&unsigned_index(&entries, &format!("v3.23.0-{state:?}-g0123456789")), &[&UPSTREAM]);
            self.env.upstream.put(&format!("{folder}/APKINDEX.tar.gz"), index);
        }
    }

    pub(crate) fn sync(&self) -> Ran {
        self.env.bivouac(&["sync"])
    }

    /// Paths of upstream's packages in state B that state A lacks.
    pub(crate) fn news(&self) -> Vec<String> {
        self.goods
            .iter()
            .filter(|good| good.place != Private && good.states == [B])
            .map(|good| path_of(good.place, &good.built.file))
            .collect()
    }

    /// Files by folder of the public tree, as a state lists them.
    fn listed(&self, state: State) -> BTreeMap<&'static str, BTreeMap<&str, &[u8]>> {
        let mut listed: BTreeMap<_, BTreeMap<&str, &[u8]>> = BTreeMap::new();
        for good in self.goods.iter().filter(|good| good.states.contains(&state)) {
            let site = listed.entry("v3.23/site/x86_64").or_default();
            site.insert(&good.built.file, &good.built.bytes);
            if good.place == Main {
                let main = listed.entry("v3.23/main/x86_64").or_default();
                main.insert(&good.built.file, &good.built.bytes);
            }
        }
        listed
    }

    /// What clients see: nothing yet, or exactly one of the states, whole. Fails on anything else.
    ///
    /// Whole is: the link leads to a tree of ours; its indexes are those of one state, each signed by whom its clients trust;
    /// each package of an index is there, byte for byte what its source has; what the other state listed before is still
    /// there for clients that hold its index; and no other file is.
    #[track_caller]
    pub(crate) fn seen(&self) -> Option<State> {
        let public = self.env.public();
        let generation = match std::fs::read_link(&public) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return None,
            Err(error) => panic!("the public link: {error}"),
        };
        assert!(generation.starts_with(".generations"), "{}", generation.display());
        let mut indexes = BTreeMap::new();
        for (folder, signer) in [("v3.23/main/x86_64", &*UPSTREAM), ("v3.23/site/x86_64", &*OURS)] {
            let file = public.join(folder).join("APKINDEX.tar.gz");
            let bytes = std::fs::read(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
            let listed = oracle::index(&bytes, &[trusted(signer)]);
            indexes.insert(folder, listed.unwrap_or_else(|why| panic!("{}: {why}", file.display())));
        }
        let names: BTreeMap<&str, BTreeSet<String>> = indexes
            .iter()
            .map(|(folder, listed)| (*folder, listed.iter().map(oracle::Listed::file).collect()))
            .collect();
        let is = |state: State| {
            let wanted = self.listed(state);
            names.iter().all(|(folder, names)| names.iter().map(String::as_str).eq(wanted[folder].keys().copied()))
        };
        let state = [A, B].into_iter().find(|state| is(*state));
        let state = state.unwrap_or_else(|| panic!("neither A nor B is live, but {names:?}"));
        for (folder, listed) in &indexes {
            for listed in listed {
                let file = public.join(folder).join(listed.file());
                let bytes = std::fs::read(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
                oracle::package(&bytes, listed).unwrap_or_else(|why| panic!("{}: {why}", file.display()));
                assert!(bytes == self.listed(state)[folder][&*listed.file()], "{}", file.display());
            }
        }
        let live = format!("site/{}", generation.display());
        let mut allowed: BTreeMap<String, &[u8]> = BTreeMap::new();
        for state in [A, B] {
            for (folder, files) in self.listed(state) {
                allowed.extend(files.iter().map(|(file, bytes)| (format!("{folder}/{file}"), *bytes)));
            }
        }
        for file in self.env.files_below(&live) {
            let inside = file.strip_prefix(self.env.path(&live)).unwrap().to_str().unwrap().to_owned();
            if !inside.ends_with("/APKINDEX.tar.gz") {
                let wanted = allowed.get(&inside).unwrap_or_else(|| panic!("{}: a stranger", file.display()));
                assert!(std::fs::read(&file).unwrap() == *wanted, "{}", file.display());
            }
        }
        Some(state)
    }

    /// Fails unless state A's files are all there, whatever is live: clients may hold its index.
    #[track_caller]
    pub(crate) fn still_serves_a(&self) {
        for (folder, files) in self.listed(A) {
            for (name, bytes) in files {
                let file = self.env.public().join(folder).join(name);
                assert!(std::fs::read(&file).is_ok_and(|found| found == bytes), "{} is gone", file.display());
            }
        }
    }

    #[track_caller]
    pub(crate) fn shows(&self, state: State) {
        assert_eq!(self.seen(), Some(state));
    }

    /// Fails if a run left anything half made.
    #[track_caller]
    pub(crate) fn has_no_leftovers(&self) {
        let mut found: Vec<_> = self.env.files_below("store/pool/incoming");
        for top in ["store", "site"] {
            found.extend(
                self.env.files_below(top).into_iter().filter(|file| file.components().any(|part| is_leftover(&part))),
            );
            found.extend(
                self.env
                    .folders_below(top)
                    .into_iter()
                    .filter(|folder| folder.components().any(|part| is_leftover(&part))),
            );
        }
        assert!(found.is_empty(), "{found:?}");
        // Empty folders hold no file.
        for folder in ["store/accepted", "site/.generations", "site"] {
            for entry in std::fs::read_dir(self.env.path(folder)).unwrap() {
                let name = entry.unwrap().file_name().to_string_lossy().into_owned();
                assert!(!name.ends_with(".new") && !name.ends_with(".tmp"), "{folder}/{name}");
            }
        }
    }

    /// Puts store and public tree aside, to begin from there again and again.
    pub(crate) fn save(&self) {
        std::fs::create_dir(self.env.path("saved")).unwrap();
        self.copy(&["store", "site"], "saved");
    }

    /// Back to what was saved, or to nothing where nothing was.
    pub(crate) fn restore(&self) {
        for top in ["store", "site"] {
            match std::fs::remove_dir_all(self.env.path(top)) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => panic!("{top}: {error}"),
                _ => {}
            }
        }
        if self.env.path("saved").is_dir() {
            self.copy(&["saved/store", "saved/site"], ".");
        }
        self.env.upstream.take_log();
    }

    /// Links stay links, and what is one file under two names stays so.
    fn copy(&self, from: &[&str], to: &str) {
        let status = Command::new("cp").arg("-a").args(from).arg(to).current_dir(self.env.path("")).status();
        assert!(status.unwrap().success(), "cp -a {from:?} {to}");
    }

    /// After a run that ended before its time, when `log` was all that upstream was asked: nothing half published is seen;
    /// the next run ends well in state B, leaves nothing over, and fetches nothing that had arrived.
    #[track_caller]
    pub(crate) fn recovers(&self, before: Option<State>, log: Vec<Request>) {
        self.recovers_with(before, log, CONNECTIONS);
    }

    /// The same where so many packages may be fetched twice.
    #[track_caller]
    pub(crate) fn recovers_with(&self, before: Option<State>, mut log: Vec<Request>, twice: usize) {
        let seen = self.seen();
        assert!(seen == before || seen == Some(B), "{seen:?} is live, {before:?} was");
        if before == Some(A) {
            self.still_serves_a();
        }
        self.sync().exits_with(0);
        self.shows(B);
        if before == Some(A) {
            self.still_serves_a();
        }
        self.has_no_leftovers();
        log.extend(self.env.upstream.take_log());
        let mut asked: BTreeMap<&str, usize> = BTreeMap::new();
        for request in log.iter().filter(|request| request.path.ends_with(".apk") && request.status == 200) {
            *asked.entry(&request.path).or_default() += 1;
        }
        let again: usize = asked.values().map(|count| count - 1).sum();
        assert!(again <= twice, "{again} packages were fetched twice: {asked:?}");
        // And then all is quiet.
        let quiet = self.sync();
        quiet.exits_with(0);
        assert!(self.env.upstream.take_log().iter().all(|request| request.status == 304), "{quiet}");
        if before == Some(A) {
            self.remembers_a();
        }
    }

    /// What was accepted before is lag, and not news.
    #[track_caller]
    fn remembers_a(&self) {
        self.set_indexes(A);
        let replayed = self.sync();
        replayed.exits_with(0).tells(&["lags"]);
        self.shows(B);
        self.set_indexes(B);
        self.env.upstream.take_log();
    }
}

fn path_of(place: Place, file: &str) -> String {
    match place {
        Main => format!("{MAIN}/{file}"),
        Community => format!("{COMMUNITY}/{file}"),
        Private => unreachable!("private packages are not upstream's"),
    }
}

fn is_leftover(part: &std::path::Component<'_>) -> bool {
    let name = Path::new(part).to_string_lossy().into_owned();
    (name.starts_with(".bivouac-") && name.ends_with(".tmp")) || (name.starts_with('.') && name.ends_with(".new"))
}
