//! Sources of bundles, and what repositories take of them.

use std::collections::BTreeMap;

use super::*;
use crate::apk::RepositoryName;

/// What follows [`RIGHT`] below: lines 11 to 18.
const BUNDLES: &str = r#"[sources.hq]
bundles = "transfer"
keyring = ["hq.rsa.pub"]
origin = "alpine"
own = ["corp-*"]
[sources.dr]
bundles = "/media/dr"
keyring = ["dr.rsa.pub"]
"#;

fn source(name: &str) -> SourceName {
    name.parse().unwrap()
}

#[test]
fn a_source_of_bundles_resolves() {
    let config = right(&format!("{BUNDLES}{BRANCHES}"));
    let (hq, dr) = (&config.sources[&source("hq")], &config.sources[&source("dr")]);
    let month = Duration::from_secs(35 * 86_400);
    assert_eq!(
        hq.kind,
        SourceKind::Bundles {
            path: "/srv/site/transfer".into(),
            origin: Some(KeyringChoice::Official),
            own: vec!["corp-*".into()],
            stale_after: month,
        }
    );
    let plain = SourceKind::Bundles { path: "/media/dr".into(), origin: None, own: Vec::new(), stale_after: month };
    assert_eq!(dr.kind, plain);
    assert_eq!((dr.stale_after(), dr.max_shrink), (month, Some(Percent::new(25))));
    let keys = |file: &str| KeyringChoice::Files(vec![Path::new("/srv/site").join(file)]);
    assert_eq!(hq.keyring, keys("hq.rsa.pub"));
}

#[test]
fn the_rules_of_a_source_with_a_url_hold_for_bundles_too() {
    let rules = "rebuilt = 'accept'\nreserve = ['corp-*']\nmax_shrink = '50%'\nstale_after = '26h'\n";
    let text = format!("{}{rules}{BRANCHES}", BUNDLES.replace("own = [\"corp-*\"]\n", ""));
    let dr = &right(&text).sources[&source("dr")];
    assert_eq!((dr.rebuilt, dr.max_shrink), (Rebuilt::Accept, Some(Percent::new(50))));
    assert_eq!((&dr.reserve[..], dr.stale_after()), (&["corp-*".to_owned()][..], Duration::from_secs(26 * 3600)));
}

#[test]
fn origin_takes_the_forms_of_a_keyring() {
    let with = |origin: &str| {
        let text = BUNDLES.replace("origin = \"alpine\"", &format!("origin = {origin}"));
        match right(&format!("{text}{BRANCHES}")).sources[&source("hq")].kind.clone() {
            SourceKind::Bundles { origin, .. } => origin.unwrap(),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(with("'keys'"), KeyringChoice::Files(vec!["/srv/site/keys".into()]));
    assert_eq!(with("['a', '/b']"), KeyringChoice::Files(vec!["/srv/site/a".into(), "/b".into()]));
    let by_arch = [("x86_64".parse().unwrap(), vec![PathBuf::from("/srv/site/a")])];
    assert_eq!(with("{ x86_64 = ['a'] }"), KeyringChoice::ByArch(by_arch.into()));
}

#[test]
fn mistakes_in_a_source_of_bundles() {
    let right = "bundles = 'd'\nkeyring = ['k']";
    let url = "url = ['http://h']\nkeyring = 'alpine'";
    let directory = "directory = 'd'\nunsigned = 'accept'";
    for (keys, expected) in [
        (
            "bundles = 'd'".to_owned(),
            "11: source \"b\" has no keyring (name the public keys of the sender, who makes the bundles)",
        ),
        ("bundles = ['d']\nkeyring = ['k']".to_owned(), "12: sources.b.bundles must be text (\"…\"), not a list"),
        ("bundles = ''\nkeyring = ['k']".to_owned(), "12: sources.b.bundles is not a path: \"\""),
        (
            "bundles = 'https://h/d'\nkeyring = ['k']".to_owned(),
            "12: sources.b.bundles is a URL (https); such a source is named by url",
        ),
        (format!("{url}\nbundles = 'd'"), "14: source \"b\" has both a url and bundles"),
        (format!("{directory}\nbundles = 'd'"), "14: source \"b\" has both a directory and bundles"),
        (format!("{url}\ndirectory = 'd'\nbundles = 'd'"), "14: source \"b\" has both a url and a directory"),
        (format!("{url}\norigin = 'alpine'"), "14: sources.b.origin has no meaning for a url"),
        (format!("{url}\nown = ['a']"), "14: sources.b.own has no meaning for a url"),
        (format!("{directory}\norigin = 'alpine'"), "14: sources.b.origin has no meaning for a directory"),
        (format!("{directory}\nown = ['a']"), "14: sources.b.own has no meaning for a directory"),
        (
            format!("{right}\nown = ['a']"),
            "14: sources.b.own has no meaning without origin: the sender's word is enough for all",
        ),
        (
            format!("{right}\norigin = 'alpine'\nown = ['a=1']"),
            "15: \"a=1\" is neither a package name nor a glob over names",
        ),
        (format!("{right}\norigin = []"), "14: sources.b.origin is empty: nobody would be trusted"),
        (
            format!("{right}\norigin = 7"),
            "14: sources.b.origin must be \"alpine\", a list of paths, or a table of such lists by arch, not a number",
        ),
        (
            format!("{right}\nstale_after = 'soon'"),
            "14: sources.b.stale_after is \"soon\", not a span like \"30s\", \"10m\", \"26h\", \"14d\", \"2w\", \"1y\"",
        ),
        (
            format!("{right}\nmax_shrink = 'all'"),
            "14: sources.b.max_shrink: \"all\" is not a share like \"25%\", at most \"100%\", nor \"off\"",
        ),
    ] {
        assert_eq!(said_of(&format!("[sources.b]\n{keys}\n{BRANCHES}")), expected, "{keys}");
    }
    for (key, value) in [
        ("connections", "3"),
        ("timeout", "'3s'"),
        ("seed", "['s']"),
        ("frozen_after", "'off'"),
        ("auth", "{ basic_file = 'f' }"),
        ("proxy", "'none'"),
        ("ca", "'c'"),
        ("client_cert", "'c'"),
        ("client_key", "'c'"),
        ("rate_limit", "'1MB/s'"),
        ("unsigned", "'accept'"),
    ] {
        let said = said_of(&format!("[sources.b]\n{right}\n{key} = {value}\n{BRANCHES}"));
        assert_eq!(said, format!("14: sources.b.{key} has no meaning for bundles"));
    }
}

#[test]
fn a_repository_takes_from_bundles_by_the_senders_name() {
    let block = |from: &str, index: &str| {
        let text = format!("[[repositories]]\nfrom = ['{from}']\narches = ['x86_64']\nindex = '{index}'\n");
        right(&format!("{BUNDLES}{text}")).repositories.remove(0)
    };
    for index in ["ours", "upstream", "cosigned", "origin"] {
        let repository = block("hq:v3.23/main", index);
        assert_eq!((repository.name.as_str(), repository.index.word()), ("v3.23/main", index));
        assert_eq!(repository.from, [FromPath { source: source("hq"), path: "v3.23/main".into() }]);
    }
    let by_arch = block("hq:{arch}/main", "upstream");
    assert_eq!((by_arch.name.as_str(), &by_arch.from[0].path[..]), ("{arch}/main", "{arch}/main"));
}

#[test]
fn mistakes_in_what_is_taken_from_bundles() {
    let main = "from = ['hq:v3.23/main']\narches = ['x86_64']";
    let keeps = "keeps upstream's index (index = \"origin\") and so";
    let ours = "(index = \"ours\" lists what was chosen and signs it with our key)";
    let sender = "publishes the index of its sender's upstream, but source";
    let of_all = "repository from \"hq:*\"";
    for (block, expected) in [
        (
            "name = 'm'\nfrom = ['hq']\narches = ['x86_64']".to_owned(),
            "21: repository \"m\" takes from \"hq\", but bundles hold repositories, each by its name (\"hq:v3.23/main\" is one of them, \"hq:*\" all)".to_owned(),
        ),
        (
            "name = 'm'\nfrom = ['hq:v3.23/*']\narches = ['x86_64']".to_owned(),
            "21: repository \"m\" takes from \"hq:v3.23/*\", whose path is not segments joined by /".to_owned(),
        ),
        (
            "from = ['dr:m']\narches = ['x86_64']\nindex = 'origin'".to_owned(),
            format!("20: repository \"m\" {sender} \"dr\" has no origin (sources.dr.origin = \"alpine\" says whose signature has to be on it)"),
        ),
        (
            "from = ['alpine:m']\narches = ['x86_64']\nindex = 'origin'".to_owned(),
            format!("20: repository \"m\" {sender} \"alpine\" has no sender (index = \"upstream\" publishes the source's own index as it is)"),
        ),
        (
            "name = 'm'\nfrom = ['acme-packages']\narches = ['x86_64']\nindex = 'origin'".to_owned(),
            "21: repository \"m\" keeps upstream's index, but source \"acme-packages\" is a directory (index = \"ours\" makes an index and signs it with our key)".to_owned(),
        ),
        (
            "name = 'm'\nfrom = ['hq:a', 'hq:b']\narches = ['x86_64']\nindex = 'origin'".to_owned(),
            format!("21: repository \"m\" {keeps} takes from exactly one source"),
        ),
        (
            format!("{main}\nindex = 'origin'\npackages = ['a']"),
            format!("23: repository from \"hq:v3.23/main\" {keeps} cannot have packages {ours}"),
        ),
        (
            format!("{main}\nindex = 'origin'\nexclude = ['a']"),
            format!("23: repository from \"hq:v3.23/main\" {keeps} cannot have exclude {ours}"),
        ),
        (
            format!("{main}\nindex = 'origin'\nprefer = 'all'"),
            format!("23: repository from \"hq:v3.23/main\" {keeps} cannot have prefer {ours}"),
        ),
        (
            format!("{main}\nindex = 'origin'\nkeep_versions = 2"),
            format!("23: repository from \"hq:v3.23/main\" {keeps} cannot have keep_versions {ours}"),
        ),
        (
            format!("{main}\nindex = 'origin'\nincomplete = 'carry'"),
            format!("23: repository from \"hq:v3.23/main\" {keeps} cannot have incomplete = \"carry\" {ours}"),
        ),
        (
            "from = ['alpine:*']".to_owned(),
            "20: repository from \"alpine:*\" takes all there is, but only bundles say what they carry, and source \"alpine\" has none".to_owned(),
        ),
        (
            "from = ['hqq:*']".to_owned(),
            "20: repository from \"hqq:*\" takes from source \"hqq\", which is not defined (did you mean \"hq\"?)".to_owned(),
        ),
        (
            "from = ['alpine:a', 'hq:*']".to_owned(),
            format!("20: {of_all} takes from \"alpine:a\" as well, but \"hq:*\" stands alone"),
        ),
        (
            "name = 'm'\nfrom = ['hq:*']".to_owned(),
            format!("20: {of_all} cannot have a name: what is carried keeps the sender's names"),
        ),
        (
            "from = ['hq:*']\nfor = { branch = ['a'] }".to_owned(),
            format!("21: {of_all} cannot have \"for\": what is carried keeps the sender's names"),
        ),
        (
            "from = ['hq:*']\narches = []".to_owned(),
            format!("21: {of_all} has no arches (without the key, all are taken that are carried)"),
        ),
        (
            "from = ['hq:*']\narches = ['x86_64', 'x86_64']".to_owned(),
            format!("21: {of_all} names the arch x86_64 twice"),
        ),
        (
            "from = ['dr:*']\nindex = 'origin'".to_owned(),
            format!("20: repository from \"dr:*\" {sender} \"dr\" has no origin (sources.dr.origin = \"alpine\" says whose signature has to be on it)"),
        ),
        (
            "from = ['hq:*']\nindex = 'upstream'\nexclude = ['a']".to_owned(),
            format!("22: {of_all} keeps upstream's index (index = \"upstream\") and so cannot have exclude {ours}"),
        ),
        (
            "from = ['hq:*']\npackages = { alpine = ['a'] }".to_owned(),
            format!("21: {of_all} has packages of source \"alpine\", from which it does not take"),
        ),
        (
            "from = ['hq:*']\nbeside = ['{branch}/x']".to_owned(),
            "21: \"{branch}/x\" has {branch}, to which \"for\" gives no values (did you mean \"arch\"?)".to_owned(),
        ),
        ("from = ['hq:*']\ntogether = ''".to_owned(), format!("21: {of_all} moves together with nothing")),
    ] {
        assert_eq!(said_of(&format!("{BUNDLES}[[repositories]]\n{block}\n")), expected, "{block}");
    }
}

#[test]
fn a_key_is_needed_where_we_sign_what_is_carried() {
    let without = format!("{RIGHT}{BUNDLES}").replace("[signing]\nkey = \"keys/ops@example.org-6743a0c1.rsa\"\n", "");
    let block = |index: &str| format!("{without}[[repositories]]\nfrom = ['hq:*']\nindex = {index:?}\n");
    for index in ["upstream", "origin"] {
        let config = parse(&block(index)).unwrap();
        assert_eq!((config.signing, config.repositories.len(), config.carried.len()), (None, 0, 1), "{index}");
    }
    for index in ["ours", "cosigned"] {
        assert_eq!(
            said(&block(index)),
            format!(
                "bivouac.toml:17: repository from \"hq:*\" is signed by us (index = {index:?}), but no key is named \
                 (`bivouac key new` makes one; name it under [signing] as key)"
            )
        );
    }
}

/// What bundles carry: `(source, "name/arch …")`.
fn carried(sources: &[(&str, &str)]) -> BTreeMap<SourceName, Vec<(RepositoryName, Arch)>> {
    let one = |place: &str| {
        let (name, arch) = place.rsplit_once('/').unwrap();
        (name.parse().unwrap(), arch.parse().unwrap())
    };
    sources.iter().map(|(name, places)| (source(name), places.split(' ').map(one).collect())).collect()
}

/// Name, arches and first of `from` of each repository, a line each.
fn places(config: &Config) -> Vec<String> {
    let place = |repository: &Repository| {
        let arches: Vec<&str> = repository.arches.iter().map(Arch::as_str).collect();
        let from: Vec<String> = repository.from.iter().map(|from| format!("{}:{}", from.source, from.path)).collect();
        format!("{} {} {}", repository.name, arches.join(","), from.join(" "))
    };
    config.repositories.iter().map(place).collect()
}

#[test]
fn what_is_carried_spreads_out() {
    let site = carried(&[("hq", "v3.23/main/x86_64 v3.23/site/x86_64 v3.23/main/aarch64 {arch}/old/x86_64")]);
    let main = "[[repositories]]\nfrom = ['hq:v3.23/main']\narches = ['x86_64']\n";
    for (blocks, expected) in [
        (
            "[[repositories]]\nfrom = ['hq:*']\n".to_owned(),
            &[
                "v3.23/main x86_64,aarch64 hq:v3.23/main",
                "v3.23/site x86_64 hq:v3.23/site",
                "{arch}/old x86_64 hq:{arch}/old",
            ][..],
        ),
        ("[[repositories]]\nfrom = ['hq:*']\narches = ['aarch64']\n".to_owned(), &["v3.23/main aarch64 hq:v3.23/main"]),
        // What a block of its own defines is that block's, wherever it stands, and for whichever arch.
        (
            format!("[[repositories]]\nfrom = ['hq:*']\nindex = 'upstream'\n{main}"),
            &["v3.23/main x86_64 hq:v3.23/main", "v3.23/site x86_64 hq:v3.23/site", "{arch}/old x86_64 hq:{arch}/old"],
        ),
        (main.to_owned(), &["v3.23/main x86_64 hq:v3.23/main"]),
    ] {
        let (config, told) = right(&format!("{BUNDLES}{blocks}")).with_carried(&site);
        assert_eq!(places(&config), expected, "{blocks}");
        assert_eq!(told, [""; 0], "{blocks}");
        let (again, told) = config.with_carried(&site);
        assert_eq!((again == config, told), (true, vec![]), "spreading out once more changes nothing: {blocks}");
    }
    let before = right(&format!("{BUNDLES}[[repositories]]\nfrom = ['hq:*']\n"));
    let (after, told) = before.with_carried(&BTreeMap::new());
    assert_eq!((after, told), (before, vec![]), "nothing was imported yet");
}

#[test]
fn what_a_block_says_holds_for_each_that_is_carried() {
    let text = format!(
        "{BUNDLES}[[repositories]]\nfrom = ['hq:*']\npackages = ['nginx']\nexclude = ['*-doc']\nmust_install = ['nginx']\n\
         keep_versions = 2\nincomplete = 'carry'\ntogether = true\nbeside = ['a', 'b']\n"
    );
    let text = text.replace("[sources.hq]", "[sources.hq]\nreserve = ['corp-*']");
    let (config, told) = right(&text).with_carried(&carried(&[("hq", "a/x86_64 b/x86_64")]));
    assert_eq!(told, [""; 0]);
    let [a, b] = &config.repositories[..] else { panic!("{config:?}") };
    assert_eq!(a.packages, Some(Packages::List(vec!["nginx".into()])));
    assert_eq!((&a.exclude[..], &a.must_install[..]), (&["*-doc".to_owned()][..], &["nginx".to_owned()][..]));
    assert_eq!((a.keep_versions.map(usize::from), a.incomplete), (Some(2), Incomplete::Carry));
    assert_eq!((a.together.as_deref(), b.together.as_deref()), (Some("hq:*"), Some("hq:*")));
    assert_eq!((&a.beside[..], &b.beside[..]), (&["b".parse().unwrap()][..], &["a".parse().unwrap()][..]));
    assert_eq!(Repository { name: a.name.clone(), from: a.from.clone(), beside: a.beside.clone(), ..b.clone() }, *a);
}

#[test]
fn our_keyring_package_stands_in_what_we_merge_of_bundles() {
    let text = format!("{RIGHT}{BUNDLES}").replace("[signing]", "[signing]\nkeyring_package = 'corp-keys'");
    let spread = |block: &str| {
        let config = parse(&format!("{text}[[repositories]]\nfrom = ['hq:*']\n{block}")).unwrap();
        places(&config.with_carried(&carried(&[("hq", "a/x86_64")])).0)
    };
    assert_eq!(spread(""), ["a x86_64 keyring-package: hq:a"]);
    assert_eq!(
        said(&format!("{text}[[repositories]]\nfrom = ['hq:*']\nindex = 'upstream'\n")),
        "bivouac.toml:3: signing.keyring_package needs a repository whose index is merged by us"
    );
    let cosigned =
        spread("index = 'cosigned'\n[[repositories]]\nname = 'site'\nfrom = ['acme-packages']\narches = ['x86_64']\n");
    assert_eq!(cosigned, ["site x86_64 keyring-package: acme-packages:", "a x86_64 hq:a"]);
}

#[test]
fn what_cannot_lie_in_the_tree_is_left_out_and_told() {
    let star = "[[repositories]]\nfrom = ['hq:*']\n";
    let block = |name: &str| format!("[[repositories]]\nname = '{name}'\nfrom = ['alpine:m']\narches = ['x86_64']\n");
    let and_dr = format!("{star}[[repositories]]\nfrom = ['dr:*']\n");
    let left_out = |name: &str, reason: &str| format!("repository \"{name}\" of \"hq:*\" is left out: {reason}");
    let lines = |lines: &[String]| lines.to_vec();
    for (blocks, bundles, stays, expected) in [
        (
            format!("{star}{}", block("a")),
            &[("hq", "a/x86_64/b/aarch64 c/x86_64")][..],
            "a c",
            lines(&[left_out("a/x86_64/b", "it would lie inside the folder \"a/x86_64\" of repository \"a\"")]),
        ),
        (
            format!("{star}{}", block("a/x86_64/b")),
            &[("hq", "a/aarch64 a/x86_64")],
            "a/x86_64/b",
            lines(&[left_out("a", "the folder \"a/x86_64/b/x86_64\" of repository \"a/x86_64/b\" would lie inside it")]),
        ),
        (
            format!("{star}{}", block("{arch}/m")),
            &[("hq", "x86_64/m x86_64/m/x86_64")],
            "{arch}/m",
            // As an arch, "m" gives the repository "x86_64" the very folder of "{arch}/m" for x86_64.
            lines(&[
                left_out("x86_64", "its folder \"x86_64/m\" is that of repository \"{arch}/m\""),
                left_out("x86_64/m", "it would lie inside the folder \"x86_64/m\" of repository \"{arch}/m\""),
            ]),
        ),
        (
            and_dr.clone(),
            &[("hq", "a/x86_64"), ("dr", "a/aarch64 b/x86_64")],
            "a b",
            lines(&["repository \"a\" of \"dr:*\" is left out: \"hq:*\" brings it already".to_owned()]),
        ),
        (
            and_dr,
            &[("hq", "a/x86_64"), ("dr", "a/x86_64/b/x86_64")],
            "a",
            lines(&["repository \"a/x86_64/b\" of \"dr:*\" is left out: it would lie inside the folder \"a/x86_64\" of repository \"a\""
                .to_owned()]),
        ),
        (
            format!("{star}{}[aliases]\nstable = 'm'\n", block("m")),
            &[("hq", "stable/x86_64 a/x86_64")],
            "m a",
            lines(&[left_out("stable", "alias \"stable\" is in its way")]),
        ),
        (
            format!("{star}{}[aliases]\n'a/x86_64/stable' = 'm'\n", block("m")),
            &[("hq", "a/x86_64")],
            "m",
            lines(&[left_out("a", "alias \"a/x86_64/stable\" is in its way")]),
        ),
        (
            format!("{star}[aliases]\nstable = 'v3.23'\nold = 'v3.22'\n"),
            &[("hq", "v3.23/main/x86_64")],
            "v3.23/main",
            lines(&["alias \"old\" is left out: it leads to \"v3.22\", where no repository lies".to_owned()]),
        ),
        (
            format!("{star}beside = ['a', 'c']\n{}beside = ['a', 'd']\n", block("m")),
            &[("hq", "a/x86_64 b/x86_64")],
            "m a b",
            lines(&[
                "nothing is beside \"c\": no such repository is carried".to_owned(),
                "nothing is beside \"d\": no such repository is carried".to_owned(),
            ]),
        ),
    ] {
        let (config, told) = right(&format!("{BUNDLES}{blocks}")).with_carried(&carried(bundles));
        assert_eq!(told, expected, "{blocks}");
        let names: Vec<&str> = config.repositories.iter().map(|repository| repository.name.as_str()).collect();
        assert_eq!(names.join(" "), stays, "{blocks}");
        // What is left is a configuration like any other: it may be read again.
        let alone = Config { carried: Vec::new(), ..config };
        assert_eq!(parse(&alone.to_toml()).unwrap_or_else(|error| panic!("{error}")), alone, "{blocks}");
    }
}

#[test]
fn what_is_carried_is_shown_as_it_was_asked_for() {
    let config = right(&format!("{BUNDLES}[[repositories]]\nfrom = ['hq:*']\nindex = 'origin'\narches = ['x86_64']\n"));
    assert!(
        config.to_toml().contains("\n[[repositories]]\nfrom = [\"hq:*\"]\narches = [\"x86_64\"]\nindex = \"origin\"\n")
    );
    let json = serde_json::to_value(&config).unwrap();
    assert_eq!((&json["carried"][0]["source"], &json["carried"][0]["index"]), (&"hq".into(), &"origin".into()));
    assert_eq!(json["carried"][0]["arches"], serde_json::json!(["x86_64"]));
    let hq = &json["sources"]["hq"];
    assert_eq!(
        (&hq["kind"], &hq["path"], &hq["origin"]),
        (&"bundles".into(), &"/srv/site/transfer".into(), &"official".into())
    );
    assert_eq!((&hq["own"][0], &hq["stale_after_seconds"]), (&"corp-*".into(), &(35 * 86_400).into()));
    let none = serde_json::to_value(right(BRANCHES)).unwrap();
    assert_eq!(none.get("carried"), None, "the form of those without bundles stays");
}
