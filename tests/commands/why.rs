//! `why`: the chain by which a package is mirrored, and why another is not.

use super::env::Env;
use super::fixture::{CORP, Package, UPSTREAM};
use super::site::{COMMUNITY, MAIN, SOURCES, publish};

/// A repository that leaves something out for each reason there is.
fn standing() -> Env {
    let env = Env::new();
    let tool = Package::new("corp-tool", "1-r0").build(&CORP);
    env.write(&format!("packages/{}", tool.file), &tool.bytes);
    let main = [
        Package::new("nginx", "1-r0").depends("so:libpcre2-8.so.0").depends("!bad"),
        Package::new("pcre2", "10-r0").provides("so:libpcre2-8.so.0=0.13"),
        Package::new("nginx-dbg", "1-r0").depends("nginx=1-r0"),
        Package::new("corp-tool", "9-r0"),
        Package::new("corp-login", "1-r0"),
        Package::new("game", "1-r0"),
        Package::new("old", "1-r0"),
    ]
    .map(|package| package.build(&UPSTREAM));
    publish(&env, MAIN, 1, &main.iter().collect::<Vec<_>>(), &UPSTREAM);
    let community = [Package::new("pcre2", "11-r0"), Package::new("extra", "1-r0")].map(|one| one.build(&UPSTREAM));
    publish(&env, COMMUNITY, 1, &community.iter().collect::<Vec<_>>(), &UPSTREAM);
    let sources = SOURCES.replace("directory = ", "reserve = [\"corp-*\"]\ndirectory = ");
    env.configure(&format!(
        "{sources}\n[[repositories]]\nname = \"v3.23/site\"\narches = [\"x86_64\"]\n\
         from = [\"corp\", \"up:v3.23/main\", \"up:v3.23/community\"]\n\
         packages = [\"ngin*\", \"old\"]\nexclude = [\"*-dbg\"]\n\
         [[repositories]]\nname = \"v3.23/community\"\narches = [\"x86_64\"]\nfrom = [\"up:v3.23/community\"]\n\
         index = \"upstream\"\n"
    ));
    env.bivouac(&["sync"]).exits_with(0);
    env.bivouac(&["withdraw", "old"]).exits_with(0);
    env
}

#[test]
fn each_package_has_its_chain_or_its_reason() {
    let env = standing();
    for (name, code, expected) in [
        (
            "pcre2",
            0,
            "v3.23/site/x86_64: pcre2-10-r0.apk, v3.23/main/x86_64 from source \"up\"\n  \
             pcre2 ← so:libpcre2-8.so.0 needed by nginx ← named \"ngin*\" in packages\n\
             v3.23/site/x86_64: without pcre2-11-r0.apk, v3.23/community/x86_64 from source \"up\"\n  \
             source \"up\" supplies the name\n\
             v3.23/community/x86_64: pcre2-11-r0.apk, v3.23/community/x86_64 from source \"up\"\n  \
             pcre2 ← all of source \"up\" is taken\n",
        ),
        (
            "corp-tool",
            0,
            "v3.23/site/x86_64: corp-tool-1-r0.apk, x86_64 from source \"corp\"\n  \
             corp-tool ← all of source \"corp\" is taken\n\
             v3.23/site/x86_64: without corp-tool-9-r0.apk, v3.23/main/x86_64 from source \"up\"\n  \
             its name is reserved for source \"corp\"\n\
             v3.23/community/x86_64: without corp-tool\n  none of its sources lists it\n",
        ),
        (
            "nginx-dbg",
            3,
            "v3.23/site/x86_64: without nginx-dbg-1-r0.apk, v3.23/main/x86_64 from source \"up\"\n  \
             exclude names it: \"*-dbg\"\n\
             v3.23/community/x86_64: without nginx-dbg\n  none of its sources lists it\n",
        ),
    ] {
        let run = env.bivouac(&["why", name]);
        assert_eq!((run.code, run.stdout.as_str()), (Some(code), expected), "{run}");
    }
    for (name, reason) in
        [("corp-login", "reserved"), ("game", "not-reached"), ("old", "withdrawn"), ("nginx-dbg", "excluded")]
    {
        let told = env.bivouac(&["--json", "why", name]).exits_with(3).json();
        let site = &told["repositories"][0];
        assert_eq!((&told["mirrored"], &site["left_out"][0]["reason"]), (&false.into(), &reason.into()), "{told}");
        assert_eq!(told["repositories"][1]["left_out"][0]["reason"], "not-listed", "{told}");
    }
    let told = env.bivouac(&["--json", "why", "pcre2"]).exits_with(0).json();
    let chain = &told["repositories"][0]["packages"][0]["chain"];
    assert_eq!((&chain[0]["because"], &chain[0]["term"]), (&"needed".into(), &"so:libpcre2-8.so.0".into()), "{told}");
    assert_eq!((&chain[1]["because"], &chain[1]["selector"]), (&"named".into(), &"ngin*".into()), "{told}");
    assert_eq!(told["repositories"][0]["left_out"][0]["reason"], "shadowed", "{told}");

    env.bivouac(&["why", "nginxx"])
        .exits_with(2)
        .tells(&["no source lists a package nginxx", "did you mean \"nginx\"?"]);
    env.bivouac(&["why", "../x"]).exits_with(2);
    Env::new().bivouac(&["why", "nginx"]).exits_with(2);
}
