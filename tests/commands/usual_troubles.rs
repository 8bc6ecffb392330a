//! The troubles that everybody has who keeps a repository of Alpine packages, by hand or not: each is staged, and `doctor` names it
//! and its cure. Signatures and keys; files that are not found; what cannot be installed; our own ground. Certificates have a
//! real server of their own, beside these.

use std::os::unix::fs::symlink;

use super::doctor::{REPOSITORY, at, codes, doctor, finding, mode, open_site, server};
use super::env::{Env, Ran};
use super::fixture::{CORP, OURS, Package, STRANGER, UPSTREAM, signed, unsigned_index};
use super::served::Served;
use super::site::{MAIN, hello, index_of, libgreet, publish};
use super::upstream::{Fault, Upstream};

const INDEX: &str = "APKINDEX.tar.gz";

/// The error of this code has all these words, in its message or its cure; nothing else is an error.
#[track_caller]
fn names(ran: &Ran, exit: i32, code: &str, words: &[&str]) {
    ran.exits_with(exit);
    let told = finding(ran, code);
    words.iter().for_each(|word| assert!(told.contains(word), "no {word:?} in {told}"));
    let errors = ran.json()["findings"].as_array().unwrap().clone();
    let errors: Vec<_> = errors.iter().filter(|one| one["severity"] == "error").collect();
    assert_eq!(errors.len(), 1, "one trouble is one error: {ran}");
    // For people: one line for the trouble, one for what to do.
    assert!(errors[0]["message"].as_str().unwrap().lines().count() == 1, "{ran}");
}

// --- signature failure, unknown signer ---------------------------------------------------------------------------------

#[test]
fn an_index_that_nobody_signed() {
    let env = server();
    let built = libgreet().build(&UPSTREAM);
    let section = unsigned_index(&[built.entry.as_str()], "by hand");
    env.upstream.put(&format!("{MAIN}/{INDEX}"), section.clone());
    // As `openssl dgst -sign` leaves it beside the index: no client asks for it.
    env.upstream.put(&format!("{MAIN}/{INDEX}.sign"), b"signature".to_vec());
    let words = ["not signed", "bivouac sign APKINDEX.tar.gz", "beside the index is read by no client"];
    names(&doctor(&env, REPOSITORY, &[]), 3, "unsigned", &words);
    // What it says to do mends it.
    let folder = env.write(&format!("mend/{INDEX}"), &section);
    env.bivouac(&["sign", folder.to_str().unwrap(), "--key", &format!("keys/{}", OURS.name.trim_end_matches(".pub"))])
        .exits_with(0);
    env.upstream.put(&format!("{MAIN}/{INDEX}"), std::fs::read(folder).unwrap());
    env.write(&format!("client/{}", OURS.name), OURS.public_pem().as_bytes());
    doctor(&env, REPOSITORY, &[]).exits_with(0);
}

#[test]
fn an_index_that_somebody_else_signed() {
    let env = server();
    publish(&env, MAIN, 2, &[&libgreet().build(&UPSTREAM)], &STRANGER);
    let words = [STRANGER.name, UPSTREAM.name, "/etc/apk/keys/", "compare its SHA-256"];
    names(&doctor(&env, REPOSITORY, &[]), 3, "unknown-signer", &words);
}

#[test]
fn an_index_that_was_changed_after_it_was_signed() {
    let env = server();
    let section = unsigned_index(&[libgreet().build(&UPSTREAM).entry.as_str()], "signed");
    let other = unsigned_index(&[libgreet().build(&UPSTREAM).entry.as_str()], "other");
    let whole = signed(&section, &[&UPSTREAM]);
    let forged = [&whole[..whole.len() - section.len()], &other[..]].concat();
    env.upstream.put(&format!("{MAIN}/{INDEX}"), forged);
    let words = ["bad signature of", UPSTREAM.name, "SHA-256", "sign it again"];
    names(&doctor(&env, REPOSITORY, &[]), 3, "bad-signature", &words);
}

#[test]
fn a_client_whose_key_was_made_anew_under_the_old_name() {
    let site = open_site();
    let served = Served::start(&site.env);
    site.env.write(&format!("client/{}", OURS.name), STRANGER.public_pem().as_bytes());
    let url = format!("http://{}/v3.23/site", served.address);
    let ran = site.env.bivouac(&["--json", "doctor", &url, "--arch", "x86_64", "--keys", "client"]);
    names(
        &ran,
        3,
        "bad-signature",
        &["the key that signed has SHA-256", "replace /etc/apk/keys/", "bivouac key export"],
    );
}

#[test]
fn a_client_without_any_key() {
    let env = server();
    std::fs::create_dir_all(env.path("none")).unwrap();
    let url = format!("{}{REPOSITORY}", env.upstream.url());
    let ran = env.bivouac(&["--json", "doctor", &url, "--keys", "none"]);
    names(&ran, 3, "unknown-signer", &["has no key at all", UPSTREAM.name]);
    let ran = env.bivouac(&["--json", "doctor", &url, "--keys", "nowhere"]);
    ran.exits_with(2).tells(&["nowhere"]);
}

#[test]
fn key_files_that_are_called_or_filled_wrongly() {
    let env = server();
    let url = format!("{}{REPOSITORY}", env.upstream.url());
    let right = format!("mv /etc/apk/keys/OTHER /etc/apk/keys/{}", UPSTREAM.name);
    // The ending forgotten, and a name of one's own: apk opens the file that the signature names.
    for other in [UPSTREAM.name.trim_end_matches(".pub"), "mirror.pem"] {
        env.write(&format!("{other}.d/{other}"), UPSTREAM.public_pem().as_bytes());
        let ran = env.bivouac(&["--json", "doctor", &url, "--keys", &format!("{other}.d")]);
        names(&ran, 3, "unknown-signer", &[&right.replace("OTHER", other)]);
    }
    // A name that no signature can hold, a page in a key's place, and a private key that went along.
    env.write("odd/the key.pub", UPSTREAM.public_pem().as_bytes());
    env.write(&format!("odd/{}", UPSTREAM.name), b"<html>404</html>");
    env.write("odd/ops.rsa", CORP.private_pem().as_bytes());
    let ran = env.bivouac(&["--json", "doctor", &url, "--keys", "odd"]);
    assert_eq!(codes(ran.exits_with(3)), ["secret-exposed", "unknown-signer", "keyring-bad-key", "keyring-bad-key"]);
    assert!(finding(&ran, "secret-exposed").contains("odd/ops.rsa"), "{ran}");
    // In the right place it all is well.
    env.write(&format!("odd/{}", UPSTREAM.name), UPSTREAM.public_pem().as_bytes());
    std::fs::remove_file(env.path("odd/ops.rsa")).unwrap();
    assert_eq!(codes(env.bivouac(&["--json", "doctor", &url, "--keys", "odd"]).exits_with(0)), ["keyring-bad-key"]);
}

// --- 404 and the network -----------------------------------------------------------------------------------------------

/// An upstream whose only repository lies at `folder`, with the packages beside the index.
fn at_folder(folder: &str) -> Env {
    let env = server();
    for file in [format!("{MAIN}/{INDEX}"), format!("{MAIN}/hello-1.0-r0.apk"), format!("{MAIN}/libgreet-1.0-r0.apk")] {
        env.upstream.files().remove(&file);
    }
    publish(&env, folder, 1, &[&libgreet().build(&UPSTREAM)], &UPSTREAM);
    env
}

#[test]
fn a_line_of_the_arch_first_for_a_tree_of_the_branch_first() {
    let env = at_folder("/v3.23/main/x86_64");
    for line in ["/x86_64/main", "/x86_64/v3.23/main", "/v3.23/x86_64/main"] {
        let works = format!("write {}/v3.23/main into /etc/apk/repositories", env.upstream.url());
        names(&doctor(&env, line, &["--arch", "x86_64"]), 4, "wrong-layout", &[&works]);
    }
}

#[test]
fn a_line_of_the_branch_first_for_a_tree_of_the_arch_first() {
    // As a mirror with `{arch}/main` publishes it: the folder of that arch is a link to itself.
    let env = at_folder("/x86_64/main/x86_64");
    for line in ["/v3.23/main", "/main", "/alpine/x86_64/main"] {
        let works = format!("write {}/x86_64/main into /etc/apk/repositories", env.upstream.url());
        names(&doctor(&env, line, &["--arch", "x86_64"]), 4, "wrong-layout", &[&works]);
    }
    // By hand that link is not made: no line works then, and it is told how to make one.
    let env = at_folder("/myrepo/x86_64/main");
    for line in ["/myrepo/x86_64/main", "/myrepo/main", "/myrepo/v3.23/main"] {
        let words = ["ln -s . x86_64", "/myrepo/x86_64/main works"];
        names(&doctor(&env, line, &["--arch", "x86_64"]), 4, "wrong-layout", &words);
    }
}

#[test]
fn a_tree_made_by_hand_becomes_one_that_clients_find() {
    let env = server();
    let tool = libgreet().build(&UPSTREAM);
    env.write(&format!("myrepo/x86_64/main/{}", tool.file), &tool.bytes);
    let key = format!("keys/{}", OURS.name.trim_end_matches(".pub"));
    env.bivouac(&["index", "myrepo/x86_64/main", "--key", &key]).exits_with(0);
    env.write(&format!("client/{}", OURS.name), OURS.public_pem().as_bytes());
    let web = Upstream::of_folder(env.path("myrepo"));
    let line = format!("{}/x86_64/main", web.url());
    let look = || env.bivouac(&["--json", "doctor", &line, "--arch", "x86_64", "--keys", "client"]);
    names(&look(), 4, "wrong-layout", &["`ln -s . x86_64` in the folder of /x86_64/main", &format!("{line} works")]);
    symlink(".", env.path("myrepo/x86_64/main/x86_64")).unwrap();
    assert_eq!(codes(look().exits_with(0)), Vec::<String>::new());
}

#[test]
fn a_web_servers_root_that_is_too_far_in_or_out() {
    let env = at_folder("/v3.23/main/x86_64");
    let works = format!("write {}/v3.23/main into /etc/apk/repositories", env.upstream.url());
    for line in ["/alpine/v3.23/main", "/mirror/alpine/v3.23/main"] {
        names(&doctor(&env, line, &["--arch", "x86_64"]), 4, "wrong-layout", &["a folder of the server", &works]);
    }
    // The web server was given the folder around the link, as it should be, and the line leaves the link's name out.
    let site = open_site();
    let around = Upstream::of_folder(site.env.path("site"));
    let line = format!("{}/v3.23/site", around.url());
    let ran = site.env.bivouac(&["--json", "doctor", &line, "--arch", "x86_64"]);
    names(&ran, 4, "wrong-layout", &[&format!("write {}/alpine/v3.23/site into", around.url())]);
    // Or what lies above that.
    let above = Upstream::of_folder(site.env.path(""));
    let line = format!("{}/v3.23/site", above.url());
    let ran = site.env.bivouac(&["--json", "doctor", &line, "--arch", "x86_64"]);
    names(&ran, 4, "wrong-layout", &[&format!("write {}/site/alpine/v3.23/site into", above.url())]);
    // A root that shows its folders shows where to look.
    let page =
        "<h1>Index of /</h1><a href=\"../\">../</a>\n<a href=\"stuff/\">stuff/</a>\n<a href=\"other/\">other/</a>\n";
    let env = at_folder("/stuff/v3.23/main/x86_64");
    env.upstream.put("/", page.into());
    let works = format!("write {}/stuff/v3.23/main into /etc/apk/repositories", env.upstream.url());
    names(&doctor(&env, "/v3.23/main", &["--arch", "x86_64"]), 4, "wrong-layout", &["a folder of the server", &works]);
    names(&doctor(&env, "/nowhere/at/all", &[]), 4, "not-found", &["the server's root shows the folders stuff, other"]);
    // Also to one whose tree was made by hand, the arch first.
    let env = at_folder("/stuff/x86_64/main");
    env.upstream.put("/", page.into());
    let words = ["ln -s . x86_64", "/stuff/x86_64/main works"];
    names(&doctor(&env, "/x86_64/main", &["--arch", "x86_64"]), 4, "wrong-layout", &words);
    // Nothing anywhere: what to compare is said.
    let ran = doctor(&env, "/nowhere/at/all", &["--arch", "x86_64"]);
    names(&ran, 4, "not-found", &["404", "no index was found near it", "compare the server's root folder"]);
}

#[test]
fn an_index_that_lists_what_is_not_there() {
    let env = server();
    env.upstream.files().remove(&format!("{MAIN}/libgreet-1.0-r0.apk"));
    let words = ["libgreet-1.0-r0.apk", "the index lists it, and it is not there (404)", "packages before the index"];
    names(&doctor(&env, REPOSITORY, &["--all"]), 4, "not-found", &words);
}

#[test]
fn a_server_that_is_not_there_or_not_reached() {
    let mut env = server();
    let ran = env.bivouac(&["--json", "doctor", "http://mirror.invalid/alpine/v3.23/main"]);
    names(&ran, 4, "host-unknown", &["mirror.invalid", "/etc/resolv.conf"]);
    env.upstream.go_away();
    let port = env.upstream.url().rsplit(':').next().unwrap().to_owned();
    let words = ["cannot connect", "listens on 127.0.0.1", &port, "firewalls"];
    names(&doctor(&env, REPOSITORY, &[]), 4, "unreachable", &words);
}

#[test]
fn a_folder_that_the_web_server_may_not_read() {
    let env = server();
    env.upstream.fail_always(&format!("{MAIN}/{INDEX}"), Fault::Status(403));
    let words = ["403 Forbidden", "bivouac doctor --user NAME", "readable (r)"];
    names(&doctor(&env, REPOSITORY, &["--arch", "x86_64"]), 4, "forbidden", &words);
    // On the server itself: which folder, which bit, for whom.
    let site = open_site();
    let folder = site.env.public().join("v3.23/site");
    mode(&folder, 0o700);
    let ran = site.env.bivouac(&["--json", "doctor", "--user", "nobody"]);
    mode(&folder, 0o755);
    names(&ran, 1, "not-readable", &["user nobody cannot pass through it", "chmod a+x", "v3.23/site"]);
}

#[test]
fn a_login_page_in_an_indexs_place() {
    let env = server();
    env.upstream.fail_always(&format!("{MAIN}/{INDEX}"), Fault::Bytes(b"<!doctype html><title>Log in".to_vec()));
    names(&doctor(&env, REPOSITORY, &[]), 3, "bad-index", &["a web page, not an index", "a proxy answers"]);
}

// --- dependency conflicts ----------------------------------------------------------------------------------------------

/// A branch's `main` with a C library and ICU in the versions of that branch, and a private repository beside it.
fn branch_with(private: &[&Package]) -> Env {
    let env = server();
    let musl = Package::new("musl", "1.2.5-r10").provides("so:libc.musl-x86_64.so.1=1");
    let icu = Package::new("icu-libs", "76.1-r0").provides("so:libicudata.so.76=76.1");
    publish(&env, MAIN, 2, &[&musl.build(&UPSTREAM), &icu.build(&UPSTREAM)], &UPSTREAM);
    let built: Vec<_> = private.iter().map(|package| package.build(&UPSTREAM)).collect();
    publish(&env, "/alpine/v3.23/private/x86_64", 1, &built.iter().collect::<Vec<_>>(), &UPSTREAM);
    env
}

const PRIVATE: &str = "/alpine/v3.23/private";

#[test]
fn a_package_that_was_built_on_another_branch() {
    let old = Package::new("ledger", "3.0-r0").depends("so:libc.musl-x86_64.so.1").depends("so:libicudata.so.73");
    let env = branch_with(&[&old]);
    let words = [
        "ledger-3.0-r0 needs so:libicudata.so.73",
        "there is so:libicudata.so.76 of icu-libs-76.1-r0",
        "another branch",
    ];
    names(&doctor(&env, PRIVATE, &["--arch", "x86_64"]), 4, "unmet", &words);
    // A version that the branch does not have.
    let newer = Package::new("ledger", "3.0-r0").depends("musl>=1.2.6");
    let env = branch_with(&[&newer]);
    let words = ["musl>=1.2.6, of which there is only musl-1.2.5-r10", "build the package anew against this branch"];
    names(&doctor(&env, PRIVATE, &["--arch", "x86_64"]), 4, "unmet", &words);
}

#[test]
fn a_package_that_needs_what_no_repository_has() {
    let env = branch_with(&[&Package::new("ledger", "3.0-r0").depends("corp-runtime")]);
    let words =
        ["ledger-3.0-r0 needs corp-runtime, which nothing provides", "its repository to `from`", "--beside URL"];
    names(&doctor(&env, PRIVATE, &["--arch", "x86_64"]), 4, "unmet", &words);
}

#[test]
fn a_world_of_two_that_cannot_be_on_one_machine() {
    let env = branch_with(&[
        &Package::new("ledger", "3.0-r0").depends("!ledger-legacy"),
        &Package::new("ledger-legacy", "2.0-r0"),
    ]);
    env.write("world", b"ledger\nledger-legacy\n");
    let words = ["ledger-3.0-r0 rules out ledger-legacy", "take one of them out of the world"];
    let ran = doctor(&env, PRIVATE, &["--arch", "x86_64", "--world", "world"]);
    names(&ran, 4, "unmet", &words);
    // And one that asks for what there is not.
    env.write("world", b"ledger\nledger-web\n");
    let ran = doctor(&env, PRIVATE, &["--arch", "x86_64", "--world", "world"]);
    names(&ran, 4, "unmet", &["the world needs ledger-web, which nothing provides"]);
}

// --- our own ground ----------------------------------------------------------------------------------------------------

#[test]
fn a_disk_without_room_for_the_next_sync() {
    let site = open_site();
    let text = std::fs::read_to_string(site.env.path("bivouac.toml")).unwrap();
    site.env.write("bivouac.toml", format!("{text}\n[retain]\nmin_free = \"100%\"\n").as_bytes());
    let words = ["no sync will fetch anything", "bivouac prune", "bivouac status --disk"];
    names(&site.env.bivouac(&["--json", "doctor"]), 1, "too-little-space", &words);
}

#[test]
fn a_key_that_has_signed_for_too_long() {
    let site = open_site();
    let text = std::fs::read_to_string(site.env.path("bivouac.toml")).unwrap();
    let text = text.replace("[signing]\n", "[signing]\nmax_key_age = \"30d\"\n");
    site.env.write("bivouac.toml", text.as_bytes());
    assert_eq!(codes(site.env.bivouac(&["--json", "doctor"]).exits_with(0)), Vec::<String>::new());
    let key = site.env.path("keys").join(OURS.name.trim_end_matches(".pub"));
    let long_ago = std::time::SystemTime::now() - std::time::Duration::from_secs(40 * 86_400);
    std::fs::File::options().append(true).open(key).unwrap().set_modified(long_ago).unwrap();
    let ran = site.env.bivouac(&["--json", "doctor"]);
    assert!(finding(ran.exits_with(0), "key-old").contains("bivouac key rotate"), "{ran}");
}

#[test]
fn a_clock_that_is_far_off() {
    let site = open_site();
    let served = Served::start(&site.env);
    let url = format!("http://{}/v3.23/site", served.address);
    for (time, word) in [("2021-01-01T00:00:00Z", "behind"), ("2041-01-01T00:00:00Z", "ahead")] {
        let ran = at(&site.env, time, &["--json", "doctor", &url]);
        names(&ran, 1, "clock", &[word, "set the clock", "NTP"]);
    }
}

#[test]
fn an_index_that_has_not_moved_for_too_long() {
    let site = open_site();
    let ran = at(&site.env, "2031-01-01T00:00:00Z", &["--json", "doctor"]);
    assert!(finding(ran.exits_with(4), "stale").contains("bivouac source check"), "{ran}");
}

#[test]
fn a_web_server_that_holds_on_to_an_old_generation() {
    let site = open_site();
    let (env, first) = (&site.env, std::fs::read_link(site.env.public()).unwrap());
    // Its root is what the link led to when somebody wrote it down.
    let stuck = Upstream::of_folder(env.path("site").join(&first));
    let line = format!("{}/v3.23/site", stuck.url());
    let look = |line: &str| env.bivouac(&["--json", "doctor", line, "--arch", "x86_64"]);
    assert_eq!(codes(look(&line).exits_with(0)), Vec::<String>::new());
    publish(env, MAIN, 2, &[&hello("1.1-r0").build(&UPSTREAM), &libgreet().build(&UPSTREAM)], &UPSTREAM);
    env.bivouac(&["sync"]).exits_with(0);
    let words = ["it shows the index of generation 1", "generation 2 is live", ".generations/1", "site/alpine itself"];
    names(&look(&line), 4, "old-generation", &words);
    // Another link beside the public one does the same to whoever uses it, and stops publishing.
    symlink(&first, env.path("site/stable")).unwrap();
    names(&env.bivouac(&["--json", "doctor"]), 1, "foreign-link", &["generation 1", "rm ", "site/stable", "--as NAME"]);
    std::fs::remove_file(env.path("site/stable")).unwrap();
    // The link itself is never old.
    let served = Served::start(env);
    assert_eq!(codes(look(&format!("http://{}/v3.23/site", served.address)).exits_with(0)), Vec::<String>::new());
    // An index that we never published is nobody's old generation.
    let other = index_of(7, &[&hello("1.1-r0").build(&UPSTREAM), &libgreet().build(&UPSTREAM)], &OURS);
    env.upstream.put("/other/v3.23/site/x86_64/APKINDEX.tar.gz", other);
    let ran = look(&format!("{}/other/v3.23/site", env.upstream.url()));
    assert!(!codes(&ran).contains(&"old-generation".to_owned()), "{ran}");
}
