//! README's way across an air gap: its commands run on two sides, with its configuration at the site.

use super::env::Env;
use super::fixture::{CORP, OURS, Package, UPSTREAM};
use super::readme::{README, block};
use super::site::{MAIN, SOURCES, publish};

const HQ: &str = "\n[[repositories]]\nfrom = [\"up:v3.23/main\"]\narches = [\"x86_64\"]\nindex = \"upstream\"\n\n\
                  [[repositories]]\nname = \"v3.23/corp\"\narches = [\"x86_64\"]\nfrom = [\"corp\"]\n";

/// The online side in a state of its upstream's.
fn online(hq: &Env, state: u32) {
    let package = Package::new("hello", &format!("{state}.0-r0")).with_noise(20_000);
    publish(hq, MAIN, state, &[&package.build(&UPSTREAM)], &UPSTREAM);
    let tool = Package::new("corp-tool", "1.0-r0").build(&CORP);
    hq.write(&format!("packages/{}", tool.file), &tool.bytes);
}

#[test]
fn fifteen_lines_for_both_sides() {
    let (hq, site) = (Env::new(), Env::new());
    hq.configure(&format!("{SOURCES}{HQ}"));
    let stick = site.write("stick/.keep", b"").parent().unwrap().display().to_string();
    let keyring = site.write(&format!("trusted/{}", OURS.name), OURS.public_pem().as_bytes());
    let configuration = block("toml", "bundles = \"/media/stick\"");
    let ours = configuration
        .replace("/media/stick", &stick)
        .replace("keys/hq@example.org-6743a0c1.rsa.pub", &keyring.display().to_string())
        .replace("\"alpine\"", &format!("[\"trusted/{}\"]", UPSTREAM.name));
    assert_eq!(ours.matches("trusted/").count(), 2, "{ours}");
    site.write("bivouac.toml", format!("store = \"store\"\npublic = \"site/alpine\"\n{ours}").as_bytes());

    let (mut side, mut state, mut last, mut lines) = (None, 0, String::new(), 0);
    for line in block("sh", "# online").lines().filter(|line| !line.is_empty()) {
        lines += 1;
        if let Some(heading) = line.strip_prefix("# ") {
            side = Some(if heading.starts_with("online") { &hq } else { &site });
            continue;
        }
        let words = line.split(" #").next().unwrap().replace("/media/stick", &stick);
        let words: Vec<&str> = words.split_whitespace().map(|word| if word == "ID" { &*last } else { word }).collect();
        let ["bivouac", arguments @ ..] = &words[..] else { panic!("{line}") };
        if side.is_some_and(|side| std::ptr::eq(side, &hq)) && arguments == ["sync"] {
            state += 1;
            online(&hq, state);
        }
        let ran = side.unwrap().bivouac(&[&["--json"], arguments].concat());
        ran.exits_with(0);
        if arguments[0] == "bundle" && arguments[1] == "--to" {
            last = ran.json()["id"].as_str().unwrap().to_owned();
        }
    }
    assert!(lines - 4 <= 15, "{lines} lines, four of them headings");
    assert_eq!(state, 2);
    let listed = site.live_records("v3.23/main", "x86_64", &[super::env::trusted(&UPSTREAM)]);
    assert_eq!(listed.iter().map(super::oracle::Listed::file).collect::<Vec<_>>(), ["hello-2.0-r0.apk"]);
    assert_eq!(site.live("v3.23/corp", "x86_64"), ["corp-tool-1.0-r0"]);
    assert!(site.upstream.take_log().is_empty(), "there is no network");
    assert!(site.path("stick/receipt.txt").is_file());
    assert!(README.contains("`--to FOLDER/`"));
}
