//! `doctor`: each of the usual faults is staged, named, and its cure told; a mirror in health has no finding.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use super::env::{Env, Ran};
use super::fixture::{CORP, OURS, Package, STRANGER, UPSTREAM, gzip};
use super::served::Served;
use super::site::{COMMUNITY, MAIN, REPOSITORY as REPOSITORY_OF_SITE, SOURCES, extra, hello, libgreet, publish};
use super::upstream::Fault;

pub(crate) const REPOSITORY: &str = "/alpine/v3.23/main";

/// The codes of all findings, in order.
#[track_caller]
pub(crate) fn codes(ran: &Ran) -> Vec<String> {
    let told = ran.json();
    let findings = told["findings"].as_array().unwrap_or_else(|| panic!("{ran}"));
    findings.iter().map(|finding| finding["code"].as_str().unwrap().to_owned()).collect()
}

/// The finding of this code, as text: subject, message and hint.
#[track_caller]
pub(crate) fn finding(ran: &Ran, code: &str) -> String {
    let told = ran.json();
    let findings = told["findings"].as_array().unwrap_or_else(|| panic!("{ran}"));
    let one = findings.iter().find(|finding| finding["code"] == code).unwrap_or_else(|| panic!("no {code}\n{ran}"));
    assert!(one["hint"].is_string(), "{one}");
    one.to_string()
}

/// Runs it at another time of day.
pub(crate) fn at(env: &Env, time: &str, arguments: &[&str]) -> Ran {
    let clock = env.write("clock", time.as_bytes());
    env.bivouac_with(&[("BIVOUAC_CLOCK", clock.to_str().unwrap())], arguments)
}

pub(crate) fn mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

/// An upstream with one repository, and a client that has its key.
pub(crate) fn server() -> Env {
    let env = Env::new();
    publish(&env, MAIN, 1, &[&hello("1.0-r0").build(&UPSTREAM), &libgreet().build(&UPSTREAM)], &UPSTREAM);
    let key = std::fs::read(env.path(&format!("trusted/{}", UPSTREAM.name))).unwrap();
    env.write(&format!("client/{}", UPSTREAM.name), &key);
    env
}

pub(crate) fn doctor(env: &Env, line: &str, more: &[&str]) -> Ran {
    let url = format!("{}{line}", env.upstream.url());
    let mut arguments = vec!["--json", "doctor", &url, "--keys", "client"];
    arguments.extend(more);
    env.bivouac(&arguments)
}

/// A site whose public tree a web server's user can reach.
pub(crate) struct Open {
    pub(crate) env: Env,
}

pub(crate) fn open_site() -> Open {
    let env = Env::new();
    env.configure(&format!("{SOURCES}{REPOSITORY_OF_SITE}"));
    let tool = Package::new("corp-tool", "1.0-r0").depends("hello").build(&CORP);
    env.write(&format!("packages/{}", tool.file), &tool.bytes);
    publish(&env, MAIN, 1, &[&hello("1.0-r0").build(&UPSTREAM), &libgreet().build(&UPSTREAM)], &UPSTREAM);
    publish(&env, COMMUNITY, 1, &[&extra("1.0-r0").build(&UPSTREAM)], &UPSTREAM);
    env.bivouac(&["sync"]).exits_with(0);
    mode(&env.path(""), 0o755);
    Open { env }
}

#[test]
fn a_server_in_health_has_no_finding() {
    let env = server();
    let ran = doctor(&env, REPOSITORY, &["--arch", "x86_64"]);
    ran.exits_with(0);
    assert_eq!(codes(&ran), Vec::<String>::new());
    let told = ran.json();
    assert_eq!(told["checked"]["objects"], 3, "{told}");
    assert_eq!(told["repositories"][0]["packages"], 2, "{told}");
    assert_eq!(told["repositories"][0]["signers"][0], UPSTREAM.name, "{told}");
}

#[test]
fn an_unknown_signer_is_named_with_the_way_to_its_key() {
    let env = server();
    env.write(&format!("other/{}", CORP.name), CORP.public_pem().as_bytes());
    let url = format!("{}{REPOSITORY}", env.upstream.url());
    let ran = env.bivouac(&["--json", "doctor", &url, "--keys", "other"]);
    ran.exits_with(3);
    let told = finding(&ran, "unknown-signer");
    for word in [UPSTREAM.name, CORP.name, "/etc/apk/keys/"] {
        assert!(told.contains(word), "{word}: {told}");
    }
    // The right key under another name.
    env.write("renamed/mirror.rsa.pub", UPSTREAM.public_pem().as_bytes());
    let ran = env.bivouac(&["--json", "doctor", &url, "--keys", "renamed"]);
    let told = finding(ran.exits_with(3), "unknown-signer");
    assert!(told.contains("mv /etc/apk/keys/mirror.rsa.pub"), "{told}");
}

#[test]
fn a_key_of_the_same_name_that_did_not_sign_is_a_bad_signature() {
    let env = server();
    env.write(&format!("client/{}", UPSTREAM.name), STRANGER.public_pem().as_bytes());
    let ran = doctor(&env, REPOSITORY, &[]);
    let told = finding(ran.exits_with(3), "bad-signature");
    assert!(told.contains("made anew under the old name"), "{told}");
}

#[test]
fn our_own_key_is_handed_out_by_us() {
    let site = open_site();
    let served = Served::start(&site.env);
    let url = format!("http://{}/v3.23/site", served.address);
    // By default a client is taken to have our key.
    let ran = site.env.bivouac(&["--json", "doctor", &url, "--arch", "x86_64"]);
    ran.exits_with(0);
    assert_eq!(codes(&ran), Vec::<String>::new(), "{ran}");
    let ran = site.env.bivouac(&["--json", "doctor", &url, "--keys", "trusted"]);
    let told = finding(ran.exits_with(3), "unknown-signer");
    assert!(told.contains("it is our key") && told.contains(OURS.name), "{told}");
    // A server's root, whose repositories the configuration names.
    let ran = site.env.bivouac(&["--json", "doctor", &format!("http://{}/", served.address)]);
    ran.exits_with(0);
    assert!(ran.json()["repositories"][0]["line"].as_str().unwrap().ends_with("/v3.23/site"), "{ran}");
}

#[test]
fn a_wrong_line_leads_to_the_one_that_works() {
    let env = server();
    for line in [
        "/alpine/v3.23/main/x86_64",
        "/alpine/v3.23/main/x86_64/APKINDEX.tar.gz",
        "/alpine/main",
        "/v3.23/main",
        "/alpine/edge/main",
    ] {
        let ran = doctor(&env, line, &["--arch", "x86_64"]);
        let told = finding(ran.exits_with(4), "wrong-layout");
        let works = format!("write {}{REPOSITORY} into /etc/apk/repositories", env.upstream.url());
        assert!(told.contains(&works), "{line}: {told}");
        assert_eq!(codes(&ran), ["wrong-layout"], "the line that works is looked at: {ran}");
    }
    let ran = doctor(&env, "/nowhere/at/all", &[]);
    assert_eq!(codes(ran.exits_with(4)), ["not-found"]);
}

#[test]
fn an_index_beside_its_packages_without_an_arch_is_told_apart() {
    let env = server();
    publish(&env, "/myrepo/x86_64/main", 1, &[&libgreet().build(&UPSTREAM)], &UPSTREAM);
    for line in ["/myrepo/x86_64/main", "/myrepo/main"] {
        let ran = doctor(&env, line, &["--arch", "x86_64"]);
        let told = finding(ran.exits_with(4), "wrong-layout");
        assert!(told.contains("ln -s . x86_64") && told.contains("/myrepo/x86_64/main works"), "{told}");
    }
}

#[test]
fn an_arch_that_is_not_there_and_an_index_for_apk_3_alone_are_named() {
    let env = server();
    let ran = doctor(&env, REPOSITORY, &["--arch", "aarch64"]);
    let told = finding(ran.exits_with(4), "arch-missing");
    assert!(told.contains("there is x86_64, and no aarch64"), "{told}");
    env.upstream.put("/three/x86_64/Packages.adb", b"ADB.".to_vec());
    let ran = doctor(&env, "/three", &["--arch", "x86_64"]);
    assert_eq!(codes(ran.exits_with(4)), ["apk-v3"]);
}

#[test]
fn a_name_that_nobody_knows_is_not_a_server_that_is_away() {
    let mut env = server();
    let ran = env.bivouac(&["--json", "doctor", "http://no-such-host.invalid/alpine"]);
    assert_eq!(codes(ran.exits_with(4)), ["host-unknown"]);
    env.upstream.go_away();
    let ran = doctor(&env, REPOSITORY, &[]);
    assert_eq!(codes(ran.exits_with(4)), ["unreachable"]);
}

#[test]
fn packages_that_are_away_or_others_are_named_one_by_one() {
    let env = server();
    let (hello_at, libgreet_at) = (format!("{MAIN}/hello-1.0-r0.apk"), format!("{MAIN}/libgreet-1.0-r0.apk"));
    env.upstream.files().remove(&hello_at);
    let ran = doctor(&env, REPOSITORY, &[]);
    assert_eq!(codes(ran.exits_with(4)), ["not-found"]);
    assert!(finding(&ran, "not-found").contains(&hello_at), "{ran}");
    // A shorter file, and one of the same length with other bytes.
    let mut other = libgreet().build(&UPSTREAM).bytes;
    env.upstream.put(&hello_at, vec![0; 10]);
    let end = other.len() - 20;
    other[end] ^= 1;
    env.upstream.put(&libgreet_at, other);
    let ran = doctor(&env, REPOSITORY, &[]);
    ran.exits_with(3);
    assert!(finding(&ran, "wrong-size").contains(&hello_at), "{ran}");
    assert!(finding(&ran, "wrong-datahash").contains(&libgreet_at), "{ran}");
    // None is looked at where none was asked for.
    let ran = doctor(&env, REPOSITORY, &["--sample", "0"]);
    assert_eq!(codes(ran.exits_with(0)), Vec::<String>::new());
}

#[test]
fn what_cannot_be_installed_is_told_with_what_is_in_the_way() {
    let env = server();
    publish(&env, MAIN, 2, &[&hello("1.0-r0").build(&UPSTREAM)], &UPSTREAM);
    let ran = doctor(&env, REPOSITORY, &[]);
    let told = finding(ran.exits_with(4), "unmet");
    assert!(told.contains("so:libgreet.so.1, which nothing provides"), "{told}");
    // The same clients have another repository.
    publish(&env, "/more/x86_64", 1, &[&libgreet().build(&UPSTREAM)], &UPSTREAM);
    let more = format!("{}/more", env.upstream.url());
    let ran = doctor(&env, REPOSITORY, &["--beside", &more]);
    assert_eq!(codes(ran.exits_with(0)), Vec::<String>::new());
    env.write("world", b"hello>2\n");
    let ran = doctor(&env, REPOSITORY, &["--beside", &more, "--world", "world"]);
    assert!(finding(ran.exits_with(4), "unmet").contains("of which there is only hello-1.0-r0"), "{ran}");
}

#[test]
fn what_a_server_does_to_files_is_told() {
    let env = server();
    let index = format!("{MAIN}/APKINDEX.tar.gz");
    env.upstream.refuse_ranges();
    let ran = doctor(&env, REPOSITORY, &[]);
    assert_eq!(codes(ran.exits_with(0)), ["no-ranges"]);
    env.upstream.put("/moved.tar.gz", std::fs::read(env.path("client").join(UPSTREAM.name)).unwrap());
    env.upstream.fail_always(&index, Fault::Redirect(307, "/moved.tar.gz".to_owned()));
    let ran = doctor(&env, REPOSITORY, &[]);
    assert!(finding(ran.exits_with(3), "redirect-not-followed").contains("307"), "{ran}");
    assert!(finding(&ran, "bad-index").contains("not packed by gzip"), "{ran}");
    env.upstream.fail_always(&index, Fault::Bytes(b"<html>login</html>".to_vec()));
    assert!(finding(doctor(&env, REPOSITORY, &[]).exits_with(3), "bad-index").contains("web page"));
    env.upstream.fail_always(&index, Fault::Bytes(gzip(b"nothing")));
    doctor(&env, REPOSITORY, &[]).exits_with(3);
    env.upstream.fail_always(&index, Fault::Status(403));
    let ran = doctor(&env, REPOSITORY, &[]);
    assert!(finding(ran.exits_with(4), "forbidden").contains("--user"), "{ran}");
}

#[test]
fn an_index_older_than_the_limit_is_stale() {
    let env = server();
    // The upstream's files are of March 2026.
    let url = format!("{}{REPOSITORY}", env.upstream.url());
    let run =
        |age: &str| at(&env, "2026-04-02T00:00:00Z", &["--json", "doctor", &url, "--keys", "client", "--max-age", age]);
    assert_eq!(codes(run("100d").exits_with(0)), Vec::<String>::new());
    assert_eq!(codes(run("7d").exits_with(4)), ["stale"]);
}

#[test]
fn our_own_ground_in_health_has_no_finding() {
    let site = open_site();
    let ran = site.env.bivouac(&["--json", "doctor"]);
    ran.exits_with(0);
    assert_eq!(codes(&ran), Vec::<String>::new(), "{ran}");
    assert_eq!(ran.json()["checked"]["objects"], 1, "{ran}");
}

#[test]
fn what_a_web_server_cannot_read_is_named_with_its_cure() {
    let site = open_site();
    let folder = site.env.path("site");
    mode(&folder, 0o700);
    let ran = site.env.bivouac(&["--json", "doctor"]);
    let told = finding(ran.exits_with(1), "not-readable");
    assert!(told.contains(&format!("chmod a+x {}", folder.display())), "{told}");
    mode(&folder, 0o755);
    let index = site.env.public().join("v3.23/site/x86_64/APKINDEX.tar.gz");
    mode(&index, 0o600);
    let ran = site.env.bivouac(&["--json", "doctor", "--user", "nobody"]);
    let told = finding(ran.exits_with(1), "not-readable");
    assert!(told.contains("user nobody cannot read it") && told.contains("APKINDEX.tar.gz"), "{told}");
    site.env.bivouac(&["doctor", "--user", "no such user"]).exits_with(2).tells(&["this machine has no user"]);
}

#[test]
fn our_own_troubles_are_named() {
    let site = open_site();
    let env = &site.env;
    mode(&env.path("store"), 0o755);
    std::os::unix::fs::symlink(".generations/1", env.path("site/yesterday")).unwrap();
    let text = std::fs::read_to_string(env.path("bivouac.toml")).unwrap();
    let more = "\n[metrics]\ntextfile = \"nowhere/bivouac.prom\"\n\n[backups.disk]\ntarget = \"backups\"\n";
    env.write("bivouac.toml", format!("{text}{more}").as_bytes());
    let ran = env.bivouac(&["--json", "doctor"]);
    ran.exits_with(1);
    for code in ["metrics-folder", "store-open", "foreign-link", "backup-old"] {
        finding(&ran, code);
    }
    std::fs::remove_file(env.path(&format!("trusted/{}", CORP.name))).unwrap();
    let ran = env.bivouac(&["--json", "doctor"]);
    assert!(finding(ran.exits_with(1), "named-missing").contains(CORP.name), "{ran}");
}

#[test]
fn a_private_key_that_others_can_read_or_that_is_gone_is_this_hosts_trouble() {
    let site = open_site();
    let key = site.env.path("keys").join(OURS.name.trim_end_matches(".pub"));
    mode(&key, 0o644);
    assert!(finding(site.env.bivouac(&["--json", "doctor"]).exits_with(1), "secret-exposed").contains("chmod 600"));
    std::fs::remove_file(&key).unwrap();
    finding(site.env.bivouac(&["--json", "doctor"]).exits_with(1), "named-missing");
}

#[test]
fn a_link_that_is_not_ours_and_a_tree_that_is_gone_are_told() {
    let site = open_site();
    std::fs::rename(site.env.path("site/.generations"), site.env.path("site/elsewhere")).unwrap();
    finding(site.env.bivouac(&["--json", "doctor"]).exits_with(5), "tree-gone");
    std::fs::remove_file(site.env.public()).unwrap();
    std::fs::create_dir(site.env.public()).unwrap();
    let ran = site.env.bivouac(&["--json", "doctor"]);
    assert!(ran.code != Some(0) && !codes(&ran).is_empty(), "{ran}");
}

#[test]
fn an_upstream_that_is_away_and_what_is_stale_are_told() {
    let mut site = open_site();
    site.env.upstream.go_away();
    let ran = site.env.bivouac(&["--json", "doctor"]);
    finding(ran.exits_with(4), "unreachable");
    let ran = at(&site.env, "2031-01-01T00:00:00Z", &["--json", "doctor"]);
    finding(&ran, "stale");
}

#[test]
fn a_world_that_cannot_be_installed_is_told_of_our_own_tree() {
    let site = open_site();
    site.env.write("world", b"corp-tool\nextra\n");
    site.env.bivouac(&["--json", "doctor", "--world", "world"]).exits_with(0);
    site.env.write("world", b"corp-tool\nmissing-thing\n");
    let ran = site.env.bivouac(&["--json", "doctor", "--world", "world"]);
    assert!(finding(ran.exits_with(4), "unmet").contains("missing-thing, which nothing provides"), "{ran}");
}

#[test]
fn a_clock_that_is_off_is_told_by_a_server() {
    let site = open_site();
    let served = Served::start(&site.env);
    let url = format!("http://{}/v3.23/site", served.address);
    let ran = at(&site.env, "2021-01-01T00:00:00Z", &["--json", "doctor", &url]);
    assert!(finding(&ran, "clock").contains("behind"), "{ran}");
}

#[test]
fn no_configuration_is_needed_for_a_server() {
    let env = server();
    let url = format!("{}{REPOSITORY}", env.upstream.url());
    let ran = env.bivouac(&["doctor", &url]);
    ran.exits_with(3);
    assert!(ran.stdout.contains("error: ") && ran.stdout.contains("(unknown-signer)"), "{ran}");
    assert!(ran.stdout.contains("2 packages, signed by builder@upstream"), "{ran}");
    env.bivouac(&["doctor"]).exits_with(2);
}
