//! Sources, and the way to them.

use super::*;

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
        ("keyring = 'alpine'", "11: source \"b\" has neither a url nor a directory nor bundles"),
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
            "url = ['http://h']\nkeyring = 'alpine'\nstale_after = 'off'",
            "14: sources.b.stale_after is \"off\", not a span like \"30s\", \"10m\", \"26h\", \"14d\", \"2w\", \"1y\"",
        ),
        (
            "url = ['http://h']\nkeyring = 'alpine'\nfrozen_after = 'never'",
            "14: sources.b.frozen_after is \"never\", not a span like \"30s\", \"10m\", \"26h\", \"14d\", \"2w\", \"1y\"",
        ),
        (
            "directory = 'd'\nunsigned = 'accept'\nstale_after = '26h'",
            "14: sources.b.stale_after has no meaning for a directory",
        ),
        (
            "directory = 'd'\nunsigned = 'accept'\nfrozen_after = 'off'",
            "14: sources.b.frozen_after has no meaning for a directory",
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
            "13: sources.b.keyring mixes Alpine's built-in keys with files (\"alpine\" stands alone; a folder of that name is written \"./alpine\")",
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
