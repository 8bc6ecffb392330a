//! Where repositories lie in the public tree: `{arch}` in names, and `[aliases]`.

use std::path::Path;

use super::env::Env;
use super::fixture::{Package, UPSTREAM};
use super::site::{MAIN, SOURCES, publish};

fn env() -> Env {
    let env = Env::new();
    std::fs::create_dir_all(env.path("packages")).unwrap();
    publish(&env, MAIN, 1, &[&Package::new("hello", "1-r0").build(&UPSTREAM)], &UPSTREAM);
    env
}

fn configure(env: &Env, name: &str, rest: &str) {
    env.configure(&format!(
        "{SOURCES}\n[[repositories]]\n{name}\narches = [\"x86_64\"]\nfrom = [\"up:v3.23/main\"]\n{rest}"
    ));
}

#[test]
fn the_arch_comes_first_where_the_name_says_so() {
    let env = env();
    configure(&env, "name = \"{arch}/main\"", "");
    env.bivouac(&["sync"]).exits_with(0);
    let folder = env.public().join("x86_64/main");
    for way in ["", "x86_64/"] {
        for file in ["APKINDEX.tar.gz", "hello-1-r0.apk"] {
            assert!(folder.join(format!("{way}{file}")).is_file(), "{way}{file}");
        }
    }
    assert_eq!(std::fs::read_link(folder.join("x86_64")).unwrap(), Path::new("."));
    assert_eq!(env.live("x86_64/main", "x86_64"), ["hello-1-r0"]);
    let status = env.bivouac(&["--json", "status"]).exits_with(0).json();
    assert_eq!(
        (&status["repositories"][0]["name"], &status["repositories"][0]["packages"]),
        (&"{arch}/main".into(), &1.into())
    );
    env.bivouac(&["sync", "{arch}/main"]).exits_with(0);
    env.bivouac(&["check"]).exits_with(0);
    let client = env.bivouac(&["client", "--url", "http://mirror/alpine"]);
    assert!(
        client.stdout.contains("echo \"http://mirror/alpine/$(apk --print-arch)/main\" >> /etc/apk/repositories\n"),
        "{client}"
    );
    let json = env.bivouac(&["--json", "client", "--url", "http://mirror/alpine"]).json();
    assert_eq!(json["by_arch"]["x86_64"][0], "http://mirror/alpine/x86_64/main");
    std::fs::remove_file(folder.join("x86_64")).unwrap();
    let check = env.bivouac(&["--json", "check"]);
    assert_eq!(check.exits_with(5).json()["findings"][0]["code"], "link-missing");

    configure(&env, "", "");
    env.bivouac(&["sync"]).exits_with(0);
    assert_eq!(env.live("v3.23/main", "x86_64"), ["hello-1-r0"]);
    assert!(!env.public().join("x86_64").exists());
}

#[test]
fn aliases_are_links_in_every_generation() {
    let env = env();
    configure(&env, "", "");
    env.bivouac(&["sync"]).exits_with(0);
    let aliases = "[aliases]\n\"latest-stable\" = \"v3.23\"\n\"by-name/stable/main\" = \"v3.23/main\"\n";
    configure(&env, "", aliases);
    env.bivouac(&["sync"]).exits_with(0);
    let links = |env: &Env| {
        ["latest-stable", "by-name/stable/main"].map(|link| std::fs::read_link(env.public().join(link)).ok())
    };
    let both = [Some("v3.23".into()), Some("../../v3.23/main".into())];
    assert_eq!(links(&env), both);
    assert_eq!(env.live("latest-stable/main", "x86_64"), ["hello-1-r0"]);
    assert_eq!(env.live("by-name/stable/main", "x86_64"), ["hello-1-r0"]);
    let generation = env.generation();
    env.bivouac(&["sync"]).exits_with(0);
    assert_eq!(env.generation(), generation, "nothing new");
    publish(&env, MAIN, 2, &[&Package::new("hello", "2-r0").build(&UPSTREAM)], &UPSTREAM);
    env.bivouac(&["sync"]).exits_with(0);
    assert_eq!((links(&env), env.live("latest-stable/main", "x86_64")), (both, vec!["hello-2-r0".to_owned()]));
    configure(&env, "", "");
    env.bivouac(&["sync"]).exits_with(0);
    assert_eq!(links(&env), [None, None]);
}
