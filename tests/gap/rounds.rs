//! Five rounds of upstream's changes, carried by increments to sites that publish them each in its own way, and on to a site
//! behind one of them. Deliveries are lost, come twice, in the wrong order and damaged: all end where the online side is.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::Value;

use super::env::Env;
use super::fixture::{AFAR, Built, CORP, OURS, Package, UPSTREAM};
use super::handmade::digest;
use super::sites::{SOURCES, index, signing, site_with};

const ARCHES: [&str; 2] = ["x86_64", "aarch64"];

/// Main as upstream signs it; community merged and signed by the online side, all of it; and its own packages.
const HQ: &str = r#"
[[repositories]]
from = ["up:v3.23/main"]
arches = ["x86_64", "aarch64"]
index = "upstream"

[[repositories]]
from = ["up:v3.23/community"]
arches = ["x86_64", "aarch64"]

[[repositories]]
name = "v3.23/corp"
arches = ["x86_64", "aarch64"]
from = ["corp"]

[publish]
linger = "0s"
"#;

/// A site that gets bundles by these keys, and publishes by these repositories.
fn configuration(bundles_by: &[&str], origins: &[&str], repositories: &str) -> String {
    let keys = |names: &[&str]| names.iter().map(|name| format!("\"trusted/{name}\"")).collect::<Vec<_>>().join(", ");
    signing(&format!(
        "store = \"store\"\npublic = \"site/alpine\"\n\n[sources.hq]\nbundles = \"transfer\"\nkeyring = [{}]\n\
         origin = [{}]\nown = [\"corp-*\"]\n\n{repositories}\n[publish]\nlinger = \"0s\"\n",
        keys(bundles_by),
        keys(origins)
    ))
}

const AS_IT_IS: &str = "[[repositories]]\nfrom = [\"hq:*\"]\nindex = \"upstream\"\n";

fn each(names: &[&str], index: &str) -> String {
    let block = |name: &&str| {
        format!(
            "[[repositories]]\nfrom = [\"hq:v3.23/{name}\"]\narches = [\"x86_64\", \"aarch64\"]\nindex = \"{index}\"\n\n"
        )
    };
    names.iter().map(block).collect()
}

/// What upstream's two repositories and the private directory have in each of six states, before the arch is put in.
fn goods(state: usize) -> [Vec<Package>; 3] {
    let pick = |versions: [&'static str; 6]| versions[state];
    let of = |name: &str, version: &str, noise: usize| {
        (!version.is_empty()).then(|| Package::new(name, version).with_noise(noise))
    };
    let main = [
        of("libc", pick(["1.0-r0", "1.0-r0", "1.0-r1", "1.0-r1", "1.0-r1", "1.1-r0"]), 20_000),
        of("tool", pick(["1.0-r0", "1.1-r0", "1.1-r0", "1.1-r0", "1.2-r0", "1.2-r1"]), 50_000),
        of("old", pick(["1.0-r0", "1.0-r0", "1.0-r0", "", "", ""]), 4_000),
    ];
    let community = [
        of("app", pick(["1.0-r0", "1.0-r0", "1.0-r0", "1.1-r0", "1.1-r0", "1.1-r0"]), 30_000),
        of("fresh", pick(["", "", "1.0-r0", "1.0-r0", "1.0-r0", "1.0-r1"]), 6_000),
    ];
    let corp = [
        of("corp-agent", pick(["1.0-r0", "1.1-r0", "1.1-r0", "1.1-r0", "1.1-r0", "1.1-r0"]), 10_000),
        of("corp-extra", pick(["", "", "", "", "2.0-r0", "2.0-r0"]), 2_000),
    ];
    [main.into(), community.into(), corp.into()].map(|of: Vec<Option<Package>>| of.into_iter().flatten().collect())
}

/// The online side, its state by state, and what it sent.
struct Online {
    hq: Env,
    sent: Vec<String>,
    /// Digests of upstream's own index files, by path below the upstream.
    upstreams: BTreeMap<PathBuf, String>,
}

impl Online {
    fn new() -> Online {
        let mut online = Online { hq: Env::in_memory(), sent: Vec::new(), upstreams: BTreeMap::new() };
        online.hq.configure(&format!("{SOURCES}{HQ}"));
        online.set(0);
        online
    }

    fn set(&mut self, state: usize) {
        let [main, community, corp] = goods(state);
        for (name, packages) in [("main", &main), ("community", &community)] {
            for arch in ARCHES {
                let below = format!("v3.23/{name}/{arch}/APKINDEX.tar.gz");
                let folder = format!("/alpine/v3.23/{name}/{arch}");
                let built: Vec<Built> =
                    packages.iter().map(|package| package.clone().arch(arch).build(&UPSTREAM)).collect();
                for package in &built {
                    self.hq.upstream.put(&format!("{folder}/{}", package.file), package.bytes.clone());
                }
                let count = u32::try_from(state).unwrap() + 1;
                let index = index(count, &built, &UPSTREAM);
                self.upstreams.insert(below.into(), digest(&index));
                self.hq.upstream.put(&format!("{folder}/APKINDEX.tar.gz"), index);
            }
        }
        let _ = std::fs::remove_dir_all(self.hq.path("packages"));
        for arch in ARCHES {
            for package in &corp {
                let built = package.clone().arch(arch).build(&CORP);
                self.hq.write(&format!("packages/{arch}/{}", built.file), &built.bytes);
            }
        }
        self.hq.bivouac(&["sync"]).exits_with(0);
    }

    /// Sends what is live, since an earlier one or whole; answers the id.
    fn send(&mut self, since: Option<&str>) -> Value {
        let file = format!("out/{}.bundle", self.sent.len());
        std::fs::create_dir_all(self.hq.path("out")).unwrap();
        let report = bundle(&self.hq, &file, since);
        self.sent.push(report["id"].as_str().unwrap().to_owned());
        report
    }

    /// The medium with what was sent so-manyth.
    fn medium(&self, number: usize) -> Vec<u8> {
        std::fs::read(self.hq.path(&format!("out/{number}.bundle"))).unwrap()
    }
}

fn bundle(from: &Env, file: &str, since: Option<&str>) -> Value {
    let since: Vec<&str> = since.iter().flat_map(|id| ["--since", id]).collect();
    from.bivouac(&[&["--json", "bundle", "--to", file][..], &since].concat()).exits_with(0).json()
}

/// `"content"` of each index that is live.
fn contents(env: &Env) -> BTreeMap<(String, String), String> {
    let status = env.bivouac(&["--json", "status"]).json();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let repositories = status["repositories"].as_array().unwrap().iter().filter(|one| one["content"].is_string());
    repositories.map(|one| ((text(&one["name"]), text(&one["arch"])), text(&one["content"]))).collect()
}

/// Digests of all that clients see, by path below the public link.
fn tree(env: &Env) -> BTreeMap<PathBuf, String> {
    let live = format!("site/{}", env.generation().display());
    let top = env.path(&live);
    let files = env.files_below(&live).into_iter();
    files.map(|file| (file.strip_prefix(&top).unwrap().to_owned(), digest(&std::fs::read(&file).unwrap()))).collect()
}

/// How a site publishes what comes.
#[derive(Clone, Copy, PartialEq)]
enum Way {
    /// The online side's indexes as they are.
    AsItIs,
    /// Signed by the site.
    Ours,
    /// Upstream's own indexes, and nothing of the online side's own.
    Origin,
}

/// A site without a network.
struct Site {
    env: Env,
    way: Way,
}

impl Site {
    fn new(way: Way) -> Site {
        let repositories = match way {
            Way::AsItIs => AS_IT_IS.to_owned(),
            Way::Ours => each(&["main", "community", "corp"], "ours"),
            Way::Origin => each(&["main", "community"], "origin"),
        };
        Site { env: site_with(&configuration(&[OURS.name], &[UPSTREAM.name], &repositories)), way }
    }

    /// What came is imported with this exit code, and published.
    #[track_caller]
    fn gets(&self, medium: &[u8], code: i32, told: &[&str]) -> Value {
        let before = (code != 0).then(|| contents(&self.env));
        self.env.write("medium/x.bundle", medium);
        let ran = self.env.bivouac(&["--json", "import", "medium/x.bundle"]);
        ran.exits_with(code).tells(told);
        self.env.bivouac(&["sync"]).exits_with(0);
        if let Some(before) = before {
            assert_eq!(contents(&self.env), before, "{ran}");
        }
        assert!(self.env.upstream.take_log().is_empty(), "there is no network");
        ran.json()
    }

    /// Fails unless the site publishes what the online side does.
    #[track_caller]
    fn is_where(&self, online: &Online) {
        let (here, there) = (tree(&self.env), tree(&online.hq));
        let is_index = |path: &PathBuf| path.ends_with("APKINDEX.tar.gz");
        let packages = |tree: &BTreeMap<PathBuf, String>, also_corp: bool| -> BTreeMap<PathBuf, String> {
            let wanted = |path: &PathBuf| !is_index(path) && (also_corp || !path.starts_with("v3.23/corp"));
            tree.iter().filter(|(path, _)| wanted(path)).map(|(path, digest)| (path.clone(), digest.clone())).collect()
        };
        match self.way {
            Way::AsItIs => {
                assert_eq!(contents(&self.env), contents(&online.hq));
                assert_eq!(here, there, "byte for byte");
            }
            Way::Ours => {
                // What was merged there is merged to the same text here; main's is upstream's own there.
                let merged = |env: &Env| {
                    let mut contents = contents(env);
                    contents.retain(|(name, _), _| name != "v3.23/main");
                    contents
                };
                assert_eq!(merged(&online.hq).len(), 4);
                assert_eq!(merged(&self.env), merged(&online.hq));
                assert_eq!(packages(&here, true), packages(&there, true));
                for (path, digest) in here.iter().filter(|(path, _)| is_index(path)) {
                    assert_ne!(*digest, there[path], "{}: the site's own signature", path.display());
                }
            }
            Way::Origin => {
                assert_eq!(packages(&here, true), packages(&there, false));
                let indexes = here.into_iter().filter(|(path, _)| is_index(path));
                assert_eq!(indexes.collect::<BTreeMap<_, _>>(), online.upstreams, "upstream's own files");
            }
        }
        self.env.bivouac(&["check"]).exits_with(0);
    }

    /// All rounds, as one operator would live through them.
    fn lives_through(way: Way) {
        let (mut online, site) = (Online::new(), Site::new(way));
        online.send(None);
        site.gets(&online.medium(0), 0, &[]);
        site.is_where(&online);

        // Delivered twice.
        online.set(1);
        let report = online.send(Some(&online.sent[0].clone()));
        assert!(report["deltas"].as_u64().unwrap() >= 4 && report["full"] == 0, "{report}");
        assert!(report["bytes"].as_u64() < report["full_bytes"].as_u64(), "{report}");
        for again in [false, true] {
            let came = site.gets(&online.medium(1), 0, &[]);
            assert_eq!(came["packages"].as_u64() == Some(0), again, "{came}");
            site.is_where(&online);
        }

        // Lost. What builds on it is not taken, and says on what it builds; what is sent since the last one that came heals it.
        online.set(2);
        online.send(Some(&online.sent[1].clone()));
        online.set(3);
        online.send(Some(&online.sent[2].clone()));
        let hint = format!("hint: import bundle {} first", online.sent[2]);
        let missing = format!("it builds on bundle {}, and not all of that is here", online.sent[2]);
        let report = site.gets(&online.medium(3), 4, &[&missing, &hint]);
        assert_eq!(report["error"]["code"], "bundle-base-missing", "{report}");
        online.send(Some(&online.sent[1].clone()));
        site.gets(&online.medium(4), 0, &[]);
        site.is_where(&online);
        // The lost one turns up in the end, and changes nothing.
        let late = site.gets(&online.medium(2), 0, &[]);
        assert_eq!(late["bundles"][0]["outcome"], "older", "{late}");
        site.is_where(&online);

        // Out of order: the fifth before the fourth. And the fourth comes damaged first.
        online.set(4);
        online.send(Some(&online.sent[4].clone()));
        let fourth = contents(&online.hq);
        online.set(5);
        online.send(Some(&online.sent[5].clone()));
        let missing = format!("it builds on bundle {}, and not all of that is here", online.sent[5]);
        site.gets(&online.medium(6), 4, &[&missing]);
        let mut damaged = online.medium(5);
        let at = damaged.len() - 3_000;
        damaged[at] ^= 1;
        site.gets(&damaged, 3, &["is damaged", "ask the sender for the same bundle again"]);
        site.gets(&online.medium(5), 0, &[]);
        if way != Way::Origin {
            assert_eq!(contents(&site.env), fourth);
        }
        site.gets(&online.medium(6), 0, &[]);
        site.is_where(&online);
    }
}

#[test]
fn a_site_that_publishes_the_senders_indexes() {
    Site::lives_through(Way::AsItIs);
}

#[test]
fn a_site_that_signs_for_itself() {
    Site::lives_through(Way::Ours);
}

#[test]
fn a_site_that_publishes_upstreams_own_indexes() {
    Site::lives_through(Way::Origin);
}

/// What a site really has is told by its receipt: whatever was lost on the way, one bundle brings it where the online side is,
/// and carries nothing that is there.
#[test]
fn a_lost_delivery_is_healed_by_a_receipt() {
    let (mut online, site) = (Online::new(), Site::new(Way::AsItIs));
    online.send(None);
    site.gets(&online.medium(0), 0, &[]);
    for state in 1..=2 {
        online.set(state);
        online.send(Some(&online.sent[state - 1].clone()));
    }
    site.gets(&online.medium(2), 4, &["send the sender what `bivouac receipt` writes here"]);
    site.env.bivouac(&["receipt", "--site", "harbour", "-o", "receipt.txt"]).exits_with(0);
    online.hq.write("receipt.txt", &std::fs::read(site.env.path("receipt.txt")).unwrap());
    let healing = ["--json", "bundle", "--to", "out/3.bundle", "--receipt", "receipt.txt"];
    let report = online.hq.bivouac(&healing).exits_with(0).json();
    // What the second brought is there already: libc and fresh came with it, both arches; tool and corp-agent are missing.
    assert_eq!(report["packages"], 4, "{report}");
    online.sent.push(report["id"].as_str().unwrap().to_owned());
    site.gets(&online.medium(3), 0, &[]);
    site.is_where(&online);
    // And increments go on from there.
    online.set(3);
    online.send(Some(&online.sent[3].clone()));
    site.gets(&online.medium(4), 0, &[]);
    site.is_where(&online);
}

/// The sender knows of the first bundle alone that it came; the second came, too, and the site, which keeps as little as it may,
/// has dropped what the first brought and the second replaced.
#[test]
fn what_is_sent_since_a_bundle_before_the_last_that_came() {
    let (mut online, site) = (Online::new(), Site::new(Way::AsItIs));
    let text = std::fs::read_to_string(site.env.path("bivouac.toml")).unwrap();
    let few = "\n[retain]\nsnapshots = { last = 1 }\ngenerations = { last = 1 }\n";
    site.env.write("bivouac.toml", format!("{text}{few}").as_bytes());
    online.send(None);
    site.gets(&online.medium(0), 0, &[]);
    online.set(1);
    online.send(Some(&online.sent[0].clone()));
    site.gets(&online.medium(1), 0, &[]);
    site.env.bivouac(&["prune"]).exits_with(0);
    online.set(4);
    online.send(Some(&online.sent[0].clone()));
    // Deltas over what is gone: which bundle brings it is told, and it does.
    let hint = format!("hint: import bundle {} first", online.sent[0]);
    site.gets(&online.medium(2), 4, &["deltas have no base here", &hint]);
    let again = site.env.write("medium/first.bundle", &online.medium(0)).display().to_string();
    let next = site.env.write("medium/x.bundle", &online.medium(2)).display().to_string();
    site.env.bivouac(&["import", &again, &next]).exits_with(0);
    site.env.bivouac(&["sync"]).exits_with(0);
    site.is_where(&online);
}

/// A site behind a site: what upstream signed is proved there, too, by upstream's own signatures.
#[test]
fn a_second_hop() {
    let (mut online, site) = (Online::new(), Site::new(Way::AsItIs));
    let origins = [UPSTREAM.name, OURS.name];
    let far = site_with(&configuration(&[AFAR.name], &origins, AS_IT_IS));
    far.write(&format!("trusted/{}", AFAR.name), AFAR.public_pem().as_bytes());
    let far = Site { env: far, way: Way::AsItIs };
    let mut last: Option<String> = None;
    for state in 0..=5 {
        if state > 0 {
            online.set(state);
        }
        let since = online.sent.last().cloned();
        online.send(since.as_deref());
        site.gets(&online.medium(state), 0, &[]);
        let report = bundle(&site.env, &format!("onwards.{state}.bundle"), last.as_deref());
        last = Some(report["id"].as_str().unwrap().to_owned());
        let medium = std::fs::read(site.env.path(&format!("onwards.{state}.bundle"))).unwrap();
        far.gets(&medium, 0, &[]);
        far.is_where(&online);
    }
    // Where upstream's key is not trusted, the site's own word is not enough.
    let doubtful = site_with(&configuration(&[AFAR.name], &[OURS.name], AS_IT_IS));
    doubtful.write(&format!("trusted/{}", AFAR.name), AFAR.public_pem().as_bytes());
    bundle(&site.env, "whole.bundle", None);
    doubtful.write("medium/x.bundle", &std::fs::read(site.env.path("whole.bundle")).unwrap());
    let ran = doubtful.bivouac(&["--json", "import", "medium/x.bundle"]);
    assert_eq!(ran.exits_with(3).json()["error"]["code"], "unknown-signer", "{ran}");
    assert!(!doubtful.public().exists());
}
