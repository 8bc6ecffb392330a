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
        Some(Signing { key: PathBuf::from("/srv/site/keys/ops@example.org-6743a0c1.rsa"), digest: Digest::Sha256 })
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
    let SourceKind::Url { urls, connections, timeout, seed, access } = &alpine.kind else { panic!("{alpine:?}") };
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
fn keys_of_later_versions_are_refused_by_name() {
    for (text, expected) in [
        ("[backups.disk]\ntarget = \"/media\"", "11: backups is not supported yet"),
        ("[sources.hq]\nbundles = \"/media\"\nkeyring = [\"hq.pub\"]", "12: sources.hq.bundles is not supported yet"),
        (
            "[[repositories]]\nname = \"x\"\nfrom = [\"alpine\"]\narches = [\"x86_64\"]\nindex = \"origin\"",
            "15: repositories.index = \"origin\" is not supported yet",
        ),
    ] {
        assert_eq!(said_of(&format!("{text}\n{BRANCHES}")), expected, "{text}");
    }
}

#[test]
fn every_later_key_is_known_and_none_is_said_to_be_unknown() {
    let text = r#"
[signing]
key = "k"
command = ["…"]
pkcs11 = "…"
max_key_age = "1y"
min_overlap = "30d"
keyring_package = "corp-keys"
[sources.a]
url = ["http://h"]
keyring = "alpine"
stale_after = "26h"
frozen_after = "off"
[sources.hq]
bundles = "/media"
keyring = ["k"]
origin = "a"
[[repositories]]
from = ["a:x"]
arches = ["x86_64"]
[backups.disk]
[schedule]
[serve]
[policy]
[metrics]
[notify]
"#;
    let error = parse(&format!("store = 's'\npublic = 'p'{text}")).unwrap_err();
    assert_eq!(error.to_string(), "bivouac.toml has 15 mistakes");
    let error = listed(&error);
    assert!(!error.contains("s3cret"), "{error}");
    assert_eq!(error.lines().count(), 15, "{error}");
    for line in error.lines() {
        assert!(line.starts_with("bivouac.toml:") && line.ends_with(" is not supported yet"), "{line}");
    }
}

#[test]
fn mistakes_in_a_source() {
    for (source, expected) in [
        ("url = 'http://h'", "12: sources.b.url must be a list of texts ([\"…\"]), not text"),
        ("url = ['http://h', 7]", "12: each element of sources.b.url must be text (\"…\"), not a number"),
        ("url = []\nkeyring = 'alpine'", "12: sources.b.url is empty"),
        (
            "url = ['ftp://h']\nkeyring = 'alpine'",
            "12: sources.b.url has the scheme \"ftp\"; only http and https are fetched",
        ),
        ("url = ['http://u:s3cret@h:x']\nkeyring = 'alpine'", "12: sources.b.url is not a URL: invalid port number"),
        (
            "url = ['http://u:s3cret@h', 'http://u:s3cret@h/']\nkeyring = 'alpine'",
            "12: sources.b.url names http://u:****@h/ twice",
        ),
        (
            "url = ['http://h']",
            "11: source \"b\" has no keyring (keyring = \"alpine\" trusts Alpine's official keys; otherwise list the publisher's)",
        ),
        (
            "directory = 'd'",
            "11: source \"b\" has no keyring (name the keys under keyring, or take its packages as they are: unsigned = \"accept\")",
        ),
        ("keyring = 'alpine'", "11: source \"b\" has neither a url nor a directory"),
        ("url = ['http://h']\ndirectory = 'd'\nkeyring = 'alpine'", "13: source \"b\" has both a url and a directory"),
        (
            "url = ['http://h']\nkeyring = 'alpine'\nunsigned = 'accept'",
            "14: sources.b.unsigned is for directories; what comes by URL is always verified",
        ),
        ("directory = 'd'\nunsigned = true", "13: sources.b.unsigned must be text (\"…\"), not true or false"),
        ("directory = 'd'\nunsigned = 'yes'", "13: sources.b.unsigned is \"yes\", not \"refuse\" or \"accept\""),
        (
            "directory = 'd'\nunsigned = 'accept'\ntimeout = '3s'",
            "14: sources.b.timeout has no meaning for a directory",
        ),
        (
            "directory = 'https://h/d'\nunsigned = 'accept'",
            "12: sources.b.directory is a URL (https); such a source is named by url",
        ),
        ("url = ['http://h']\nkeyring = 'alpine'\nconnections = 0", "14: sources.b.connections is 0, not 1 to 64"),
        (
            "url = ['http://h']\nkeyring = 'alpine'\nconnections = 2.5",
            "14: sources.b.connections must be a whole number, not a number",
        ),
        (
            "url = ['http://h']\nkeyring = 'alpine'\ntimeout = '0s'",
            "14: sources.b.timeout is \"0s\"; nothing arrives in no time",
        ),
        (
            "url = ['http://h']\nkeyring = 'alpine'\nreserve = ['a b']",
            "14: \"a b\" is neither a package name nor a glob over names",
        ),
        (
            "url = ['http://h']\nkeyring = 'alpine'\nrebuilt = 'yes'",
            "14: sources.b.rebuilt is \"yes\", not \"refuse\" or \"accept\"",
        ),
        (
            "url = ['http://h']\nkeyring = 7",
            "13: sources.b.keyring must be \"alpine\", a list of paths, or a table of such lists by arch, not a number",
        ),
        ("url = ['http://h']\nkeyring = []", "13: sources.b.keyring is empty: nobody would be trusted"),
        (
            "url = ['http://h']\nkeyring = { noarch = ['k'] }",
            "13: noarch is a package's architecture, never an index's (name the architectures of your machines; noarch packages are part of each)",
        ),
        (
            "url = ['http://h']\nkeyring = ['alpine', 'k']",
            "13: sources.b.keyring mixes Alpine's built-in keys with files (keyring = \"alpine\" stands alone; a folder of that name is written \"./alpine\")",
        ),
        (
            "url = ['http://h']\nkeyrng = 'alpine'",
            "13: unknown key \"keyrng\" in [sources.b] (did you mean \"keyring\"?)",
        ),
    ] {
        assert_eq!(said_of(&format!("[sources.b]\n{source}\n{BRANCHES}")), expected, "{source}");
    }
    assert_eq!(
        said_of(&format!("[sources.\"a:b\"]\nurl = ['http://h']\nkeyring = 'alpine'\n{BRANCHES}")),
        r#"11: "a:b" is not a source name ([A-Za-z0-9_][A-Za-z0-9._+-]*)"#
    );
}

#[test]
fn mistakes_in_a_repository() {
    let main = "from = ['alpine:v3.23/main']\narches = ['x86_64']\n";
    for (repository, expected) in [
        ("arches = ['x86_64']", "11: repository takes from no source".to_owned()),
        ("from = []\narches = ['x86_64']", "11: repository takes from no source".to_owned()),
        (
            "from = ['alpine:v3.23/main']",
            "11: repository from \"alpine:v3.23/main\" has no arches (arches = [\"x86_64\"])".to_owned(),
        ),
        (
            "from = ['alpine:v3.23/main']\narches = ['x86_64', 'noarch']",
            "13: noarch is a package's architecture, never an index's (name the architectures of your machines; noarch packages are part of each)".to_owned(),
        ),
        (
            "from = ['alpine:v3.23/main']\narches = ['x86-64']",
            "13: \"x86-64\" is not an architecture ([a-z0-9_]+, at most 32 bytes)".to_owned(),
        ),
        (
            "name = 'm'\nfrom = ['alpine:v3.23/main']\narches = ['x86_64', 'x86_64']",
            "14: repository \"m\" names the arch x86_64 twice".to_owned(),
        ),
        (
            "from = ['alpine']\narches = ['x86_64']",
            "11: a repository that takes from the top of a source needs a name".to_owned(),
        ),
        (
            "from = ['alpine:a', 'alpine:b']\narches = ['x86_64']",
            "11: a repository that takes from several needs a name".to_owned(),
        ),
        (
            "name = 'm'\nfrom = ['alpine:a', 'alpine:a']\narches = ['x86_64']",
            "13: repository \"m\" takes from \"alpine:a\" twice".to_owned(),
        ),
        (
            "name = '../x'\nfrom = ['alpine:a']\narches = ['x86_64']",
            "12: \"../x\" is not a repository name (segments of [A-Za-z0-9_][A-Za-z0-9._+-]* joined by /)".to_owned(),
        ),
        (
            "name = 'm'\nfrom = ['alpine:../a']\narches = ['x86_64']",
            "13: repository \"m\" takes from \"alpine:../a\", whose path is not segments joined by /".to_owned(),
        ),
        (
            "name = 'm'\nfrom = ['acme-packages:sub']\narches = ['x86_64']",
            "13: repository \"m\" takes from \"acme-packages:sub\", but a directory has no paths (write \"acme-packages\")".to_owned(),
        ),
        (
            "name = 'm'\nfrom = ['acme-packages']\narches = ['x86_64']\nindex = 'cosigned'",
            "13: repository \"m\" keeps upstream's index, but source \"acme-packages\" is a directory (index = \"ours\" makes an index and signs it with our key)".to_owned(),
        ),
        (
            "name = 'm'\nfrom = ['alpine:a', 'alpine:b']\narches = ['x86_64']\nindex = 'upstream'",
            "13: repository \"m\" keeps upstream's index (index = \"upstream\") and so takes from exactly one source".to_owned(),
        ),
        (
            &format!("{main}index = 'upstream'\npackages = ['nginx']"),
            "15: repository from \"alpine:v3.23/main\" keeps upstream's index (index = \"upstream\") and so cannot have packages (index = \"ours\" lists what was chosen and signs it with our key)".to_owned(),
        ),
        (
            &format!("{main}index = 'ustream'"),
            "14: repositories.index is \"ustream\", not \"ours\" or \"upstream\" or \"cosigned\" (did you mean \"upstream\"?)".to_owned(),
        ),
        (
            &format!("{main}prefer = 'oldest'"),
            "14: repositories.prefer is \"oldest\", not \"order\" or \"newest\" or \"all\"".to_owned(),
        ),
        (
            &format!("{main}index = 'upstream'\nprefer = 'all'"),
            "15: repository from \"alpine:v3.23/main\" keeps upstream's index (index = \"upstream\") and so cannot have prefer (index = \"ours\" lists what was chosen and signs it with our key)".to_owned(),
        ),
        (
            &format!("{main}together = ' '"),
            "14: repository \"v3.23/main\" moves together with nothing".to_owned(),
        ),
        (
            &format!("{main}incomplete = 'cary'"),
            "14: repositories.incomplete is \"cary\", not \"refuse\" or \"carry\" (did you mean \"carry\"?)".to_owned(),
        ),
        (
            &format!("{main}index = 'cosigned'\nincomplete = 'carry'"),
            "15: repository from \"alpine:v3.23/main\" keeps upstream's index (index = \"cosigned\") and so cannot have incomplete = \"carry\" (index = \"ours\" lists what was chosen and signs it with our key)".to_owned(),
        ),
        (
            &format!("{main}must_install = ['nginx', 'a=']"),
            "14: must_install: \"a=\" is not a dependency that apk can read (a term of apk's world format (\"nginx>1.26\"), or \"@FILE\" with such terms)".to_owned(),
        ),
        (
            &format!("{main}keep_versions = 0"),
            "14: repositories.keep_versions is 0, not 1 to 100".to_owned(),
        ),
        (
            &format!("{main}index = 'upstream'\nkeep_versions = 2"),
            "15: repository from \"alpine:v3.23/main\" keeps upstream's index (index = \"upstream\") and so cannot have keep_versions (index = \"ours\" lists what was chosen and signs it with our key)".to_owned(),
        ),
        (
            &format!("{main}packages = []"),
            "14: repository from \"alpine:v3.23/main\" takes no packages (without the key, everything is taken)".to_owned(),
        ),
        (&format!("{main}packages = {{}}"), "14: repository from \"alpine:v3.23/main\" takes no packages (without the key, everything is taken)".to_owned()),
        (
            &format!("{main}packages = {{ alpin = ['nginx'] }}"),
            "14: repository from \"alpine:v3.23/main\" has packages of source \"alpin\", from which it does not take (did you mean \"alpine\"?)".to_owned(),
        ),
        (
            "name = 'm'\nfrom = ['acme-packages']\narches = ['x86_64']\npackages = { acme-packages = ['a'] }",
            "15: repository \"m\" has packages of source \"acme-packages\", but a directory gives all it holds".to_owned(),
        ),
        (
            &format!("{main}packages = ['nginx=1.2']"),
            "14: \"nginx=1.2\" is neither a package name nor a glob over names".to_owned(),
        ),
        (
            &format!("{main}packages = ['nginx*', '[a']"),
            "14: \"[a\" is not a glob: unclosed character class; missing ']'".to_owned(),
        ),
        (
            &format!("{main}packages = ['origin:']"),
            "14: \"\" is not a package name ([A-Za-z0-9][A-Za-z0-9._+-]*, at most 200 bytes)".to_owned(),
        ),
        (&format!("{main}packages = ['@']"), "14: a world file is not a path: \"\"".to_owned()),
        (
            &format!("{main}exclude = ['']"),
            "14: \"\" is neither a package name nor a glob over names".to_owned(),
        ),
        (
            &format!("{main}dependencies = true"),
            "14: repository from \"alpine:v3.23/main\" says dependencies, which has no meaning without packages: everything is taken".to_owned(),
        ),
        (
            &format!("{main}pakages = ['nginx']"),
            "14: unknown key \"pakages\" in [[repositories]] (did you mean \"packages\"?)".to_owned(),
        ),
        (
            "from = ['alpine:{branch}/main']\narches = ['x86_64']",
            "12: \"alpine:{branch}/main\" has {branch}, to which \"for\" gives no values".to_owned(),
        ),
        (
            "from = ['alpine:{brnch}/{branch}']\narches = ['x86_64']\nfor = { branch = ['a'] }",
            "12: \"alpine:{brnch}/{branch}\" has {brnch}, to which \"for\" gives no values (did you mean \"branch\"?)".to_owned(),
        ),
        (
            "from = ['alpine:{branch']\narches = ['x86_64']",
            "12: \"alpine:{branch\" has a brace without its partner".to_owned(),
        ),
        (
            "from = ['alpine:a']\narches = ['x86_64']\nfor = { branch = ['a', 'b'] }",
            "14: neither from nor name has {branch}, which \"for\" gives values".to_owned(),
        ),
        (
            "from = ['alpine:{branch}']\narches = ['x86_64']\nfor = { branch = [] }",
            "14: \"for\" gives \"branch\" no values: nothing would be published".to_owned(),
        ),
        (
            "name = 'm'\nfrom = ['alpine:{branch}']\narches = ['x86_64']\nfor = { branch = ['a', 'b'] }",
            "11: repository \"m\" for x86_64 is already defined at line 11".to_owned(),
        ),
        (
            &format!("{main}[[repositories]]\n{main}"),
            "14: repository \"v3.23/main\" for x86_64 is already defined at line 11".to_owned(),
        ),
        (
            &format!("{main}[[repositories]]\nname = 'v3.23/main/x86_64/extra'\n{main}"),
            "14: repository \"v3.23/main/x86_64/extra\" lies inside the folder \"v3.23/main/x86_64\" of repository \"v3.23/main\"".to_owned(),
        ),
    ] {
        assert_eq!(said_of(&format!("[[repositories]]\n{repository}\n")), expected, "{repository}");
    }
    assert_eq!(said(RIGHT), "bivouac.toml: no [[repositories]]: nothing would be published");
}

#[test]
fn mistakes_in_beside() {
    let block = |more: &str| format!("[[repositories]]\nfrom = ['alpine:v3.23/main']\narches = ['x86_64']\n{more}\n");
    for (beside, expected) in [
        (
            "['v3.23/man']",
            "11: repository \"v3.23/main\" has \"v3.23/man\" beside it, which is not defined (did you mean \"v3.23/main\"?)",
        ),
        ("['v3.23/main']", "14: repository \"v3.23/main\" is beside itself"),
        ("['../x']", "14: \"../x\" is not a repository name (segments of [A-Za-z0-9_][A-Za-z0-9._+-]* joined by /)"),
        (
            "['{branch}/main']",
            "14: \"{branch}/main\" has {branch}, to which \"for\" gives no values (did you mean \"arch\"?)",
        ),
    ] {
        assert_eq!(said_of(&block(&format!("beside = {beside}"))), expected);
    }
}

#[test]
fn mistakes_in_aliases() {
    let with = |alias: &str| {
        said_of(&format!("[[repositories]]\nfrom = ['alpine:v3.23/main']\narches = ['x86_64']\n[aliases]\n{alias}\n"))
    };
    let grammar = "not segments of [A-Za-z0-9_][A-Za-z0-9._+-]* joined by /";
    for (alias, expected) in [
        ("'v3.23' = 'v3.23/main'", "15: alias \"v3.23\" would hide the folder of a repository".to_owned()),
        (
            "'v3.23/main/x86_64' = 'v3.23'",
            "15: alias \"v3.23/main/x86_64\" would hide the folder of a repository".to_owned(),
        ),
        (
            "'v3.23/main/x86_64/a' = 'v3.23'",
            "15: alias \"v3.23/main/x86_64/a\" lies inside the folder of a repository".to_owned(),
        ),
        (
            "'v3.23/again' = 'v3.23'",
            "15: alias \"v3.23/again\" leads to \"v3.23\", in which it lies: a circle".to_owned(),
        ),
        ("a = 'a'", "15: alias \"a\" leads to the alias \"a\"; name the folder itself".to_owned()),
        (
            "a = 'v3.23'\nb = 'a/main'",
            "16: alias \"b\" leads to the alias \"a/main\"; name the folder itself".to_owned(),
        ),
        ("a = 'v3.23'\n'a/b' = 'v3.23'", "16: alias \"a/b\" lies inside another alias".to_owned()),
        (
            "a = 'v3.24'",
            "15: alias \"a\" leads to \"v3.24\", where no repository lies (did you mean \"v3.23\"?)".to_owned(),
        ),
        ("a = '/etc'", format!("15: what an alias leads to is \"/etc\", {grammar}")),
        ("a = '../x'", format!("15: what an alias leads to is \"../x\", {grammar}")),
        ("'../a' = 'v3.23'", format!("15: an alias is \"../a\", {grammar}")),
        ("'@qa' = 'v3.23'", format!("15: an alias is \"@qa\", {grammar}")),
        ("'.generations' = 'v3.23'", format!("15: an alias is \".generations\", {grammar}")),
        ("'{arch}' = 'v3.23'", format!("15: an alias is \"{{arch}}\", {grammar}")),
        ("a = 7", "15: aliases.a must be text (\"…\"), not a number".to_owned()),
    ] {
        assert_eq!(with(alias), expected, "{alias}");
    }
}

#[test]
fn one_folder_may_hold_two_blocks_of_different_arches() {
    let block = |arch: &str| format!("[[repositories]]\nfrom = ['alpine:v3.23/main']\narches = ['{arch}']\n");
    assert_eq!(right(&(block("x86_64") + &block("aarch64"))).repositories.len(), 2);
}

#[test]
fn a_key_is_needed_where_we_sign() {
    let without = RIGHT.replace("[signing]\nkey = \"keys/ops@example.org-6743a0c1.rsa\"\n", "");
    let block = |index: &str| {
        format!("{without}[[repositories]]\nfrom = [\"alpine:v3.23/main\"]\narches = [\"x86_64\"]\nindex = {index:?}\n")
    };
    assert!(parse(&block("upstream")).unwrap().signing.is_none());
    for index in ["ours", "cosigned"] {
        assert_eq!(
            said(&block(index)),
            format!(
                "bivouac.toml:9: repository \"v3.23/main\" is signed by us (index = {index:?}), but no key is named \
                 (`bivouac key new` makes one; name it under [signing] as key)"
            )
        );
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
    let config = parse(&small_partial_mirror("ops@example.org-6743a0c1.rsa")).unwrap();
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
keyring = { x86_64 = ["a.pub"], aarch64 = ["b.pub", "c"] }
[sources."d.ot"]
directory = "d"
unsigned = "accept"
[signing]
key = "k"
digest = "sha1"
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
"#;
    let access = format!("{RIGHT}{ACCESS}{BRANCHES}");
    for text in [&format!("{RIGHT}{BRANCHES}"), odd, &access] {
        let config = parse(text).unwrap();
        let shown = config.to_toml();
        assert_eq!(parse(&shown).unwrap_or_else(|error| panic!("{error}\n{shown}")), config, "{shown}");
    }
}

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
fn the_way_to_a_source_resolves() {
    let config = parse(&format!("rate_limit = '50MB/s'\n{RIGHT}{ACCESS}{BRANCHES}")).unwrap();
    let window = |limit, from, to| RateWindow { limit, from, to };
    assert_eq!(config.rate_limit, [window(50_000_000, 0, 1440)]);
    let SourceKind::Url { access, .. } = &config.sources[&"b".parse::<SourceName>().unwrap()].kind else { panic!() };
    let file = |name: &str| Path::new("/srv/site").join(name);
    assert_eq!(access.auth, Some(Auth::BasicFile(file("secrets/b"))));
    assert_eq!(access.proxy, ProxyChoice::Url(SourceUrl::parse("http://proxy:3128").unwrap()));
    assert_eq!(access.ca, Some(file("ca.pem")));
    assert_eq!(access.client, Some(ClientFiles { certificate: file("client.pem"), key: file("client.key") }));
    assert_eq!(access.rate_limit, [window(2_000_000, 480, 1080), window(20_000_000, 1080, 1440)]);
    let none = parse(&format!("{RIGHT}{}{BRANCHES}", ACCESS.replace("http://proxy:3128", "none"))).unwrap();
    let SourceKind::Url { access, .. } = &none.sources[&"b".parse::<SourceName>().unwrap()].kind else { panic!() };
    assert_eq!(access.proxy, ProxyChoice::None);
}

#[test]
fn a_secret_may_be_a_credential_of_the_service_manager() {
    let text = format!("{RIGHT}{}{BRANCHES}", ACCESS.replace("secrets/b", "$CREDENTIALS_DIRECTORY/b"));
    let folder = Path::new("/run/credentials/unit");
    let config = Config::parse(&text, Path::new("bivouac.toml"), Path::new("/srv/site"), Some(folder)).unwrap();
    let SourceKind::Url { access, .. } = &config.sources[&"b".parse::<SourceName>().unwrap()].kind else { panic!() };
    assert_eq!(access.auth, Some(Auth::BasicFile(folder.join("b"))));
}

#[test]
fn mistakes_in_the_way_to_a_source() {
    let url = "url = ['http://h']\nkeyring = 'alpine'";
    for (keys, expected) in [
        ("auth = 'u:s3cret'", "14: sources.b.auth must be a table ([sources.b.auth]), not text"),
        (
            "auth = {}",
            "14: sources.b.auth has neither a basic_file nor a header_file (auth = { basic_file = \"FILE\" }: the file holds user:password)",
        ),
        (
            "auth = { basic_file = 'a', header_file = 'b' }",
            "14: sources.b.auth has both a basic_file and a header_file",
        ),
        (
            "auth = { basic_fil = 's3cret', header_file = 'b' }",
            "14: unknown key \"basic_fil\" in [sources.b.auth] (did you mean \"basic_file\"?)",
        ),
        (
            "auth = { basic_file = '$HOME/x' }",
            "14: of variables, sources.b.auth.basic_file may begin with $CREDENTIALS_DIRECTORY/ alone",
        ),
        (
            "proxy = 'socks5://u:s3cret@p'",
            "14: sources.b.proxy has the scheme \"socks5\"; only http and https are fetched (a proxy is http://[USER:PASSWORD@]HOST:PORT, or \"none\")",
        ),
        (
            "client_key = 'k'",
            "14: sources.b.client_cert and sources.b.client_key go together (one file may hold both; then both name it)",
        ),
        ("rate_limit = '20MB'", "14: sources.b.rate_limit is \"20MB\", not a rate like \"512kB/s\", \"20MB/s\""),
        ("rate_limit = '999B/s'", "14: sources.b.rate_limit is \"999B/s\"; the least is \"1kB/s\""),
        ("rate_limit = []", "14: sources.b.rate_limit is empty"),
        (
            "rate_limit = [{ limit = '1MB/s', from = '08:00' }]",
            "14: sources.b.rate_limit: a window has limit, from and to",
        ),
        (
            "rate_limit = [{ limit = '1MB/s', from = '08:00', to = '08:00' }]",
            "14: sources.b.rate_limit: a window from \"08:00\" to \"08:00\" has no length (all day is \"00:00\" to \"24:00\")",
        ),
        (
            "rate_limit = [{ limit = '1MB/s', from = '8', to = '09:00' }]",
            "14: sources.b.rate_limit.from is \"8\", not a time of day like \"08:00\", \"18:30\", \"24:00\"",
        ),
        (
            "rate_limit = [{ limit = '1MB/s', from = '22:00', to = '06:00' }, { limit = '2MB/s', from = '05:59', to = '07:00' }]",
            "14: sources.b.rate_limit: this window overlaps one before it",
        ),
    ] {
        let said = said_of(&format!("[sources.b]\n{url}\n{keys}\n{BRANCHES}"));
        assert_eq!(said, expected, "{keys}");
        assert!(!said.contains("s3cret"), "{said}");
    }
    let both = "[sources.b]\nurl = ['http://u:s3cret@h']\nkeyring = 'alpine'\nauth = { basic_file = 'a' }\n";
    assert_eq!(
        said_of(&format!("{both}{BRANCHES}")),
        "14: sources.b.auth and a password in sources.b.url exclude each other"
    );
    let directory = "[sources.b]\ndirectory = 'd'\nunsigned = 'accept'\nproxy = 'none'\n";
    assert_eq!(said_of(&format!("{directory}{BRANCHES}")), "14: sources.b.proxy has no meaning for a directory");
}
