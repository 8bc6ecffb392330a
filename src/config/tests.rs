mod backups;
mod bundles;
mod credentials;
mod operations;
mod repositories;
mod signing;
mod sources;

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::*;
use crate::apk::{Arch, Place, SourceName};

/// A whole, right configuration; the mistakes below are made in it, or in what follows it.
const RIGHT: &str = r#"store = "store"
public = "public/alpine"
[signing]
key = "keys/ops@example.org-6743a0c1.rsa"
[sources.alpine]
url = ["https://dl-cdn.alpinelinux.org/alpine"]
keyring = "alpine"
[sources.acme-packages]
directory = "packages"
unsigned = "accept"
"#;

fn parse(text: &str) -> Result<Config, Error> {
    Config::parse(text, Path::new("bivouac.toml"), Path::new("/srv/site"), None)
}

fn right(repositories: &str) -> Config {
    parse(&format!("{RIGHT}{repositories}")).unwrap_or_else(|error| panic!("{error}\n{repositories}"))
}

/// What is said of the text, with the hint of a single problem in brackets as several carry theirs.
fn said(text: &str) -> String {
    let error = parse(text).expect_err(text);
    assert_eq!(error.class(), Class::Usage);
    listed(&error)
}

/// Each problem on its line.
fn listed(error: &Error) -> String {
    match (std::error::Error::source(error), error.hint()) {
        (Some(list), _) => list.to_string(),
        (None, Some(hint)) => format!("{error} ({hint})"),
        (None, None) => error.to_string(),
    }
}

/// What is said of `repositories` after [`RIGHT`] (which ends with line 10), without file name.
fn said_of(repositories: &str) -> String {
    said(&format!("{RIGHT}{repositories}")).replace("bivouac.toml:", "")
}

const BRANCHES: &str = r#"[[repositories]]
from = ["alpine:{branch}/{repository}"]
for = { repository = ["main", "community"], branch = ["v3.22", "v3.23"] }
arches = ["x86_64", "aarch64"]
"#;

const ACCESS: &str = r#"[sources.b]
url = ["https://h"]
keyring = "alpine"
auth = { basic_file = "secrets/b" }
proxy = "http://proxy:3128"
ca = "ca.pem"
client_cert = "client.pem"
client_key = "client.key"
rate_limit = [{ limit = "2MB/s", from = "08:00", to = "18:00" }, { limit = "20MB/s", from = "18:00", to = "24:00" }]
"#;

#[test]
fn the_contracts_forms_resolve() {
    let config = right(
        r#"[[repositories]]
from   = ["alpine:{branch}/{repository}"]
for    = { branch = ["v3.22", "v3.23"], repository = ["main", "community"] }
arches = ["x86_64", "aarch64"]
index  = "upstream"
[[repositories]]
name     = "v3.23/site"
arches   = ["x86_64"]
from     = ["acme-packages", "alpine:v3.23/main", "alpine:v3.23/community"]
packages = ["nginx", "postgresql16*", "origin:openssl", "@worlds/web"]
dependencies = false
exclude  = ["*-dbg"]
prefer   = "all"
beside   = ["v3.23/main"]
[aliases]
"latest-stable" = "v3.23"
[publish]
linger = "2w"
to = "qa"
"#,
    );
    assert_eq!(config.store, Path::new("/srv/site/store"));
    assert_eq!(config.public, Path::new("/srv/site/public/alpine"));
    assert_eq!(config.publish.to, Place::Beside("qa".parse().unwrap()));
    assert_eq!(config.publish.linger, Duration::from_secs(14 * 86_400));
    assert_eq!(
        config.signing,
        Some(Signing::by_file("/srv/site/keys/ops@example.org-6743a0c1.rsa".into(), Digest::Sha256))
    );
    let names: Vec<_> = config.repositories.iter().map(|repository| repository.name.as_str()).collect();
    assert_eq!(names, ["v3.22/main", "v3.22/community", "v3.23/main", "v3.23/community", "v3.23/site"]);
    assert_eq!(config.repositories[1].index, IndexMode::Upstream);
    let site = &config.repositories[4];
    assert_eq!(site.index, IndexMode::Ours);
    assert_eq!(site.dependencies, Dependencies::Leave);
    assert_eq!(site.exclude, ["*-dbg"]);
    assert_eq!(site.prefer, Prefer::All);
    assert_eq!(site.beside, ["v3.23/main".parse().unwrap()]);
    assert_eq!(config.aliases, [("latest-stable".parse().unwrap(), "v3.23".parse().unwrap())].into());
    let packages = ["nginx", "postgresql16*", "origin:openssl", "@/srv/site/worlds/web"].map(str::to_owned);
    assert_eq!(site.packages, Some(Packages::List(packages.to_vec())));
    let from: Vec<_> = site.from.iter().map(|from| (from.source.as_str(), &from.path[..])).collect();
    assert_eq!(from, [("acme-packages", ""), ("alpine", "v3.23/main"), ("alpine", "v3.23/community")]);
}

#[test]
fn absent_keys_have_the_contracts_values() {
    let config = right(BRANCHES);
    assert_eq!(config.publish.to, Place::Live);
    assert_eq!(config.publish.linger, Duration::from_secs(14 * 86_400));
    let alpine = &config.sources[&"alpine".parse::<SourceName>().unwrap()];
    assert_eq!(alpine.keyring, KeyringChoice::Official);
    let SourceKind::Url { urls, connections, timeout, seed, frozen_after, access, .. } = &alpine.kind else {
        panic!("{alpine:?}")
    };
    assert_eq!((alpine.stale_after(), *frozen_after), (Duration::from_secs(26 * 3600), None));
    assert_eq!(urls[0].reveal().as_str(), "https://dl-cdn.alpinelinux.org/alpine/");
    assert_eq!((*connections, *timeout, seed.len()), (8, Duration::from_secs(30), 0));
    assert_eq!(**access, Access::default());
    assert_eq!(config.rate_limit, []);
    let repository = &config.repositories[0];
    assert_eq!(repository.packages, None);
    assert_eq!(repository.dependencies, Dependencies::Follow);
    assert_eq!(repository.index, IndexMode::Ours);
    assert_eq!((repository.incomplete, &repository.together), (Incomplete::Refuse, &None));
    assert_eq!(alpine.max_shrink, Some(Percent::new(25)));
    assert_eq!(config.retain.min_free, MinFree::Share(Percent::new(5)));
}

#[test]
fn rows_of_a_block_move_together_under_one_word() {
    let config = right(&BRANCHES.replace("[[repositories]]", "[[repositories]]\ntogether = true"));
    let words: Vec<_> = config.repositories.iter().map(|repository| repository.together.as_deref()).collect();
    assert_eq!(words, [Some("v3.22/main/x86_64"); 4], "that of the first row");
}

#[test]
fn a_matrix_turns_its_first_variable_slowest() {
    let config = right(BRANCHES);
    let names: Vec<_> = config.repositories.iter().map(|repository| repository.name.as_str()).collect();
    assert_eq!(names, ["v3.22/main", "v3.23/main", "v3.22/community", "v3.23/community"]);
}

#[test]
fn keyrings_have_three_forms() {
    let with = |keyring: &str| {
        let text = format!("{RIGHT}[sources.other]\nurl = [\"http://h\"]\nkeyring = {keyring}\n{BRANCHES}");
        parse(&text).unwrap().sources[&"other".parse::<SourceName>().unwrap()].keyring.clone()
    };
    let file = |path: &str| vec![PathBuf::from(path)];
    assert_eq!(with("\"keys\""), KeyringChoice::Files(file("/srv/site/keys")));
    assert_eq!(with("[\"/etc/apk/keys\"]"), KeyringChoice::Files(file("/etc/apk/keys")));
    let by_arch = [("x86_64", "/srv/site/a.pub"), ("aarch64", "/srv/b.pub")]
        .map(|(arch, path)| (arch.parse::<Arch>().unwrap(), file(path)));
    assert_eq!(
        with("{ x86_64 = [\"a.pub\"], aarch64 = [\"../b.pub\"] }"),
        KeyringChoice::ByArch(by_arch.into_iter().collect())
    );
}

#[test]
fn credentials_come_from_the_caller() {
    let text = format!("{RIGHT}{BRANCHES}").replace("keys/ops@", "$CREDENTIALS_DIRECTORY/ops@");
    let parse = |credentials| Config::parse(&text, Path::new("b.toml"), Path::new("/srv"), credentials);
    let config = parse(Some(Path::new("/run/credentials/bivouac.service"))).unwrap();
    assert_eq!(config.signing.unwrap().key, Path::new("/run/credentials/bivouac.service/ops@example.org-6743a0c1.rsa"));
    assert_eq!(
        parse(None).unwrap_err().to_string(),
        "b.toml:4: signing.key needs $CREDENTIALS_DIRECTORY, which is not set"
    );
}

#[test]
fn an_undefined_source_is_answered_with_the_one_that_was_meant() {
    let text = format!("{RIGHT}\n\n[[repositories]]\nname = \"v3.22/internal\"\narches = [\"x86_64\"]\n");
    let error = parse(&format!("{text}from = [\"acme-pkgs\"]\n")).unwrap_err();
    assert_eq!(
        error.to_string(),
        r#"bivouac.toml:16: repository "v3.22/internal" takes from source "acme-pkgs", which is not defined"#
    );
    assert_eq!(error.hint().as_deref(), Some(r#"did you mean "acme-packages"?"#));
    assert_eq!(error.class(), Class::Usage);
}

#[test]
fn mistakes_at_the_top() {
    let repositories = "[[repositories]]\nfrom=[\"a:v3.23/main\"]\narches=[\"x86_64\"]\nindex=\"upstream\"\n";
    let source = "[sources.a]\nurl=[\"http://h\"]\nkeyring=\"alpine\"\n";
    for (head, expected) in [
        ("store = 's'\npublic = 'p'\nstore = 't'", "3: duplicate key"),
        ("store = 's'\npublic = 'p", "2: invalid literal string, expected `'`"),
        ("store = 's'\npublik = 'p'", r#"2: unknown key "publik" in the top of the file (did you mean "public"?)"#),
        ("store = 's'\nfoo = 1\npublic = 'p'", r#"2: unknown key "foo" in the top of the file"#),
        ("store = 7\npublic = 'p'", "1: store must be text (\"…\"), not a number"),
        ("store = 's'\npublic = ''", "2: public is not a path: \"\""),
        ("public = 'p'", r#" "store" is missing: where pool, snapshots and state are kept"#),
        ("store = 's'", r#" "public" is missing: the link to the published tree"#),
        ("store = 'p/s'\npublic = 'p'", "1: store lies inside public, where everybody could read it"),
        ("store = 'a/.generations/s'\npublic = 'a/p'", "1: store lies inside public, where everybody could read it"),
        ("store = 's'\npublic = 'x/../s/p'", "2: public lies inside store, which is closed to all but us"),
        ("store = 's'\npublic = 's'", "1: store lies inside public, where everybody could read it"),
        (
            "store = 's'\npublic = '/'",
            "2: public is the root folder; it has to be the path of a link in a folder of ours",
        ),
        ("store = 's'\npublic = 'p'\nsigning = 'k'", "3: signing must be a table ([signing]), not text"),
        ("store = 's'\npublic = 'p'\n[signing]", "3: [signing] names no key"),
        (
            "store = 's'\npublic = 'p'\n[signing]\nkey = '$HOME/k'",
            "4: of variables, signing.key may begin with $CREDENTIALS_DIRECTORY/ alone",
        ),
        (
            "store = 's'\npublic = 'p'\n[signing]\nkey = 'k'\ndigest = 'sha265'",
            r#"5: signing.digest is "sha265", not "sha256" or "sha1" (did you mean "sha256"?)"#,
        ),
        (
            "store = 's'\npublic = 'p'\n[policy]\nsha1 = 'detekt'",
            r#"4: policy.sha1 is "detekt", not "accept" or "detect" or "refuse" (did you mean "detect"?)"#,
        ),
        (
            "store = 's'\npublic = 'p'\n[publish]\nto = '@qa'",
            r#"4: publish.to is "@qa", not "live" or a name like "qa" (did you mean "qa"?)"#,
        ),
        (
            "store = 's'\npublic = 'p'\n[retain]\nprune = 'after sync'",
            r#"4: retain.prune is "after sync", not "after-sync" or "never" (did you mean "after-sync"?)"#,
        ),
        (
            "store = 's'\npublic = 'p'\n[retain]\nmin_free = '5'",
            r#"4: retain.min_free is "5", not a share like "5%" or a size like "2GiB""#,
        ),
        (
            "store = 's'\npublic = 'p'\n[retain]\nsnapshots = { last = -1 }",
            "4: retain.snapshots.last is -1, less than 0",
        ),
        (
            "store = 's'\npublic = 'p'\n[retain]\ngenerations = { lats = 1 }",
            r#"4: unknown key "lats" in [retain.generations] (did you mean "last"?)"#,
        ),
        (
            "store = 's'\npublic = 'p'\n[publish]\nlinger = '14 days'",
            r#"4: publish.linger is "14 days", not a span like "30s", "10m", "26h", "14d", "2w", "1y""#,
        ),
    ] {
        let said = said(&format!("{head}\n{source}{repositories}")).replace("bivouac.toml:", "");
        assert_eq!(said, expected, "{head}");
    }
}

#[test]
fn all_that_is_wrong_is_said_at_once_in_the_order_of_the_lines() {
    let text = r#"public = "public"
[sources.alpine]
url = ["http://h"]
[[repositories]]
from = ["alpin:v3.23/main"]
arches = ["x86_64"]
index = "upstream"
[publish]
linger = "soon"
"#;
    let error = parse(text).unwrap_err();
    assert_eq!(error.hint(), None);
    assert_eq!(error.to_string(), "bivouac.toml has 4 mistakes");
    assert_eq!(
        listed(&error),
        r#"bivouac.toml:2: source "alpine" has no keyring (keyring = "alpine" trusts Alpine's official keys; otherwise list the publisher's)
bivouac.toml:5: repository "v3.23/main" takes from source "alpin", which is not defined (did you mean "alpine"?)
bivouac.toml:9: publish.linger is "soon", not a span like "30s", "10m", "26h", "14d", "2w", "1y"
bivouac.toml: "store" is missing: where pool, snapshots and state are kept"#
    );
}

#[test]
fn a_file_is_found_in_the_contracts_order() {
    let folder = tempfile::tempdir().unwrap();
    let (named, environment) = (Path::new("named.toml"), Path::new("/e/env.toml"));
    let find = |named, environment| find(named, environment, folder.path());
    assert_eq!(find(Some(named), Some(environment)).unwrap(), named);
    assert_eq!(find(None, Some(environment)).unwrap(), environment);
    if !Path::new(OF_THE_SYSTEM).exists() {
        let error = find(None, Some(Path::new(""))).unwrap_err();
        assert_eq!(
            error.to_string(),
            "no configuration found: neither bivouac.toml nor /etc/bivouac/bivouac.toml exists"
        );
        assert_eq!(error.class(), Class::Usage);
    }
    std::fs::File::options().create(true).truncate(true).write(true).open(folder.path().join("bivouac.toml")).unwrap();
    assert_eq!(find(None, None).unwrap(), Path::new("bivouac.toml"));
}

#[test]
fn a_named_file_that_is_not_there_is_said_to_be_missing() {
    let error = Config::load(Path::new("/nonexistent/bivouac.toml"), None).unwrap_err();
    assert_eq!(error.to_string(), "configuration /nonexistent/bivouac.toml does not exist");
    assert_eq!(error.class(), Class::Usage);
    let error = Config::load(Path::new("/"), None).unwrap_err();
    assert_eq!(error.class(), Class::Host, "{error}");
}

#[test]
fn every_example_resolves() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("config");
    let mut seen = 0;
    for entry in std::fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "toml") {
            Config::load(&path, None).unwrap_or_else(|error| panic!("{error}"));
            seen += 1;
        }
    }
    assert!(seen >= 3, "{seen} examples in {}", folder.display());
}

#[test]
fn the_template_of_init_resolves() {
    let config = parse(&small_partial_mirror("ops@example.org-6743a0c1.rsa", Layout::Beside)).unwrap();
    assert_eq!(config.signing.unwrap().key, Path::new("/srv/site/keys/ops@example.org-6743a0c1.rsa"));
    assert_eq!(config.repositories[0].packages, Some(Packages::List(vec!["alpine-base".into(), "nginx".into()])));
}

#[test]
fn the_serialised_form_shows_no_password() {
    let text = format!("{RIGHT}{BRANCHES}").replace("https://dl-cdn", "https://ops:s3cret@dl-cdn");
    let config = parse(&text).unwrap();
    let json = serde_json::to_string(&config).unwrap();
    assert!(json.contains("https://ops:****@dl-cdn"), "{json}");
    assert!(!json.contains("s3cret") && !format!("{config:?}").contains("s3cret"));
}

#[test]
fn what_is_shown_is_a_configuration_of_the_same_meaning() {
    let odd = r#"store = "s\"t\\o\u007fre"
public = "pub lic"
[sources.by-arch]
url = ["http://h/a", "http://h/b"]
seed = ["old"]
reserve = ["corp-*", "secret", "so:libcorp.so.1", "cmd:corp-*"]
rebuilt = "accept"
connections = 3
timeout = "2m"
max_shrink = "off"
stale_after = "6h"
frozen_after = "4d"
keyring = { x86_64 = ["a.pub"], aarch64 = ["b.pub", "c"] }
[sources."d.ot"]
directory = "d"
unsigned = "accept"
[signing]
key = "k"
digest = "sha1"
min_overlap = "1w"
keyring_package = "corp-keys"
[sources.hq]
bundles = "/media/trans fer"
keyring = ["hq"]
origin = { x86_64 = ["a.pub"] }
own = ["corp-*", "agent"]
stale_after = "8w"
max_shrink = "off"
reserve = ["hq-*"]
[sources.dr]
bundles = "dr"
keyring = ["dr"]
[[repositories]]
from = ["hq:*"]
arches = ["x86_64", "riscv64"]
packages = { hq = ["nginx"] }
exclude = ["*-doc"]
must_install = ["nginx"]
beside = ["all", "what/comes"]
together = true
[[repositories]]
from = ["dr:*"]
index = "cosigned"
[[repositories]]
from = ["hq:{arch}/main"]
arches = ["riscv64"]
index = "origin"
[[repositories]]
name = "all"
from = ["d.ot", "by-arch:{branch}"]
for = { branch = ["main"] }
arches = ["x86_64"]
together = true
packages = ["nginx", "@world", "lib*"]
dependencies = false
exclude = ["*-dbg"]
prefer = "newest"
[[repositories]]
name = "some"
from = ["d.ot", "by-arch:x", "by-arch:y"]
together = "main's friends"
arches = ["x86_64"]
packages = { by-arch = ["nginx", "origin:b"] }
beside = ["all", "{arch}/x"]
keep_versions = 3
incomplete = "carry"
[[repositories]]
name = "{arch}/x"
from = ["d.ot"]
arches = ["x86_64"]
[aliases]
a = "some"
"b.c/d" = "x86_64/x"
[policy]
sha1 = "refuse"
"#;
    let access = format!("{RIGHT}{ACCESS}{BRANCHES}");
    for text in [&format!("{RIGHT}{BRANCHES}"), odd, &access] {
        let config = parse(text).unwrap();
        let shown = config.to_toml();
        assert_eq!(parse(&shown).unwrap_or_else(|error| panic!("{error}\n{shown}")), config, "{shown}");
    }
}
