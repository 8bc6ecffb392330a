//! What bad input gets, case by case: the former state stays in force, the others go on, the exit code and the words say
//! what happened; and a watcher that re-verifies the public tree all the while never sees anything wrong.

use std::os::unix::process::CommandExt as _;

use super::env::{Env, private_name};
use super::fixture::{
    Built, Form, OURS, Package, STRANGER, UPSTREAM, gzip, index_of_text, signature_section, signed, unsigned_index,
};
use super::site::{COMMUNITY, FIRST, MAIN, SOURCES, Site, extra, hello, index_of, libgreet};
use super::upstream::Fault;

/// What stands after a run in which community moved on and main was refused.
const OTHERS_WENT_ON: [&str; 4] = ["corp-tool-1.0-r0", "extra-1.1-r0", "hello-1.0-r0", "libgreet-1.0-r0"];
const ALL_WENT_ON: [&str; 4] = ["corp-tool-1.0-r0", "extra-1.1-r0", "hello-1.1-r0", "libgreet-1.0-r0"];

/// Community moves on rightly, main as `break_main` says. The run exits with 3 and tells `words`; main keeps its former
/// state, community and the private packages go on. Then main is mended, and all is as it should be.
#[track_caller]
fn refused(words: &[&str], break_main: impl FnOnce(&Site)) {
    let site = Site::standing();
    site.community(2, &[&extra("1.1-r0").build(&UPSTREAM)]);
    break_main(&site);
    let run = site.env.bivouac(&["sync"]);
    run.exits_with(3).tells(&["\"up\""]).tells(words);
    assert_eq!(site.live(), OTHERS_WENT_ON, "{run}");

    site.env.upstream.mend();
    site.main(3, &[&hello("1.1-r0").build(&UPSTREAM), &libgreet().build(&UPSTREAM)]);
    let run = site.env.bivouac(&["sync"]);
    run.exits_with(0);
    assert_eq!(site.live(), ALL_WENT_ON, "{run}");
    site.watch.stop();
}

/// The index is right and names `hello-1.1-r0`; upstream serves `bytes` under that name.
fn serve_instead(site: &Site, promised: &Built, bytes: Vec<u8>) {
    site.watch.poison(&bytes);
    site.main(2, &[promised, &libgreet().build(&UPSTREAM)]);
    site.env.upstream.put(&format!("{MAIN}/{}", promised.file), bytes);
}

fn next_main() -> Vec<u8> {
    let (hello, libgreet) = (hello("1.1-r0").build(&UPSTREAM), libgreet().build(&UPSTREAM));
    unsigned_index(&[&hello.entry, &libgreet.entry], "v3.23.0-2-g0123456789")
}

// --- indexes ----------------------------------------------------------------------------------------------------------

#[test]
fn index_without_signature() {
    refused(&["v3.23/main/x86_64", "not signed"], |site| site.main_index(next_main()));
}

#[test]
fn index_with_a_signature_over_other_bytes() {
    refused(&["v3.23/main/x86_64", "bad signature", UPSTREAM.name], |site| {
        let signature = UPSTREAM.sign(Form::Rsa256, b"other bytes");
        site.main_index([signature_section(&[signature]), next_main()].concat());
    });
}

#[test]
fn index_by_an_unknown_signer() {
    refused(&["v3.23/main/x86_64", "not in its keyring", STRANGER.name], |site| {
        site.main_index(signed(&next_main(), &[&STRANGER]));
    });
}

#[test]
fn index_by_a_stranger_under_a_trusted_name() {
    refused(&["v3.23/main/x86_64", "bad signature"], |site| {
        let (_, signature) = STRANGER.sign(Form::Rsa256, &next_main());
        let posing = signature_section(&[(format!(".SIGN.RSA256.{}", UPSTREAM.name), signature)]);
        site.main_index([posing, next_main()].concat());
    });
}

#[test]
fn index_with_one_byte_changed() {
    refused(&["v3.23/main/x86_64"], |site| {
        let mut bytes = signed(&next_main(), &[&UPSTREAM]);
        let at = bytes.len() - 40;
        bytes[at] ^= 1;
        site.main_index(bytes);
    });
}

#[test]
fn index_with_bytes_behind_its_end() {
    refused(&["v3.23/main/x86_64"], |site| {
        site.main_index([signed(&next_main(), &[&UPSTREAM]), vec![0; 512]].concat());
    });
}

#[test]
fn index_that_is_an_error_page() {
    refused(&["v3.23/main/x86_64"], |site| site.main_index(b"<html>Welcome to the hotel network</html>".to_vec()));
}

#[test]
fn index_that_is_empty() {
    refused(&["v3.23/main/x86_64"], |site| site.main_index(Vec::new()));
}

#[test]
fn index_in_apk_v3_form() {
    refused(&["v3.23/main/x86_64", "apk v3 index, not supported yet"], |site| {
        let adb = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/vectors/Packages.adb");
        site.main_index(std::fs::read(adb).unwrap());
    });
}

#[test]
fn index_of_another_arch() {
    refused(&["v3.23/main/x86_64", "aarch64"], |site| {
        let hello = hello("1.1-r0").arch("aarch64").build(&UPSTREAM);
        site.main_index(index_of(2, &[&hello], &UPSTREAM));
    });
}

#[test]
fn index_bomb() {
    refused(&["v3.23/main/x86_64", "inflates to more than"], |site| {
        // Some 320 KB that inflate to 320 MB, signed by the trusted key: limits hold whoever signs.
        let bomb = gzip(&vec![0; 320 << 20]);
        assert!(bomb.len() < 1 << 20);
        site.main_index(signed(&bomb, &[&UPSTREAM]));
    });
}

#[test]
fn signature_bomb() {
    refused(&["v3.23/main/x86_64"], |site| {
        let (name, _) = UPSTREAM.sign(Form::Rsa256, b"");
        site.main_index([signature_section(&[(name, vec![0; 64 << 20])]), next_main()].concat());
    });
}

#[test]
fn names_that_lead_out_of_their_folder() {
    let site = Site::standing();
    let good = hello("1.1-r0").build(&UPSTREAM).entry;
    let long = "x".repeat(300);
    for (field, bad) in [
        ("P:hello", "P:../../../hello"),
        ("P:hello", "P:/etc/hello"),
        ("P:hello", "P:.."),
        ("P:hello", "P:.hidden"),
        ("P:hello", "P:hel\0lo"),
        ("P:hello", "P:hel\rlo"),
        ("P:hello", "P:hel lo"),
        ("P:hello", "P:hel%2flo"),
        ("P:hello", "P:"),
        ("P:hello", &*format!("P:{long}")),
        ("V:1.1-r0", "V:1.1/../../r0"),
        ("V:1.1-r0", "V:..\\1"),
        ("V:1.1-r0", "V:1.1\u{1b}[2J"),
        ("A:x86_64", "A:../x86_64"),
        ("A:x86_64", "A:x86_64/.."),
        // A newline in a name is two lines; the second is no field.
        ("P:hello", "P:hel\nlo"),
    ] {
        assert!(good.contains(field));
        let text = format!("{}\n", good.replacen(field, bad, 1));
        site.main_index(signed(&index_of_text(&text, "v3.23.0-2-g0123456789"), &[&UPSTREAM]));
        let run = site.env.bivouac(&["sync"]);
        run.exits_with(3).tells(&["v3.23/main/x86_64", "\"up\""]);
        assert!(!run.stderr.contains(['\0', '\r', '\u{1b}']), "{bad:?} reached the terminal: {run}");
        assert_eq!(site.live(), FIRST, "{bad:?}");
        let asked: Vec<_> = site.env.upstream.take_log().into_iter().map(|request| request.path).collect();
        assert!(!asked.iter().any(|path| path.contains("..") || path.ends_with(".apk")), "{bad:?}: {asked:?}");
    }
    site.watch.stop();
}

#[test]
fn entries_that_switch_verification_off_in_clients() {
    let site = Site::standing();
    let good = hello("1.1-r0").build(&UPSTREAM).entry;
    let identity = good.lines().next().unwrap().to_owned();
    for bad in ["C:", "C:Q1AAAA", "C:Q2LLq2qDNrS/qRnhxQ3hsY/sHbQnc=", "X:1"] {
        let text = format!("{}\n", good.replacen(&identity, bad, 1));
        site.main_index(signed(&index_of_text(&text, "v3.23.0-2-g0123456789"), &[&UPSTREAM]));
        site.env.bivouac(&["sync"]).exits_with(3).tells(&["v3.23/main/x86_64", "`C:`"]);
        assert_eq!(site.live(), FIRST, "{bad:?}");
    }
    site.watch.stop();
}

#[test]
fn an_index_that_was_never_right() {
    let site = Site::before_the_first_sync();
    site.main_index(signed(&next_main(), &[&STRANGER]));
    let run = site.env.bivouac(&["sync"]);
    run.exits_with(3).tells(&["v3.23/main/x86_64", "not in its keyring"]);
    // There is no former state of it: a merge without it would promise clients less than is meant, so nothing is published.
    assert!(!site.env.public().exists(), "{run}");
    assert!(!site.env.files_below("site").iter().any(|file| file.to_string_lossy().contains("hello")));
    site.watch.stop();
}

// --- packages ---------------------------------------------------------------------------------------------------------

#[test]
fn package_with_changed_data() {
    refused(&["hello-1.1-r0", "datahash"], |site| {
        let right = hello("1.1-r0").build(&UPSTREAM);
        let mut bytes = right.bytes.clone();
        *bytes.last_mut().unwrap() ^= 1;
        serve_instead(site, &right, bytes);
    });
}

#[test]
fn package_with_changed_control_section() {
    refused(&["hello-1.1-r0"], |site| {
        let right = hello("1.1-r0").build(&UPSTREAM);
        let mut bytes = right.bytes.clone();
        bytes[right.control_at + 60] ^= 1;
        serve_instead(site, &right, bytes);
    });
}

#[test]
fn package_that_ends_early() {
    refused(&["hello-1.1-r0", "bytes, the index promises"], |site| {
        let right = hello("1.1-r0").build(&UPSTREAM);
        let bytes = right.bytes[..right.bytes.len() - 100].to_vec();
        serve_instead(site, &right, bytes);
    });
}

#[test]
fn package_that_ends_before_its_data() {
    refused(&["hello-1.1-r0"], |site| {
        let right = hello("1.1-r0").build(&UPSTREAM);
        let bytes = right.bytes[..right.data_at].to_vec();
        serve_instead(site, &right, bytes);
    });
}

#[test]
fn package_with_more_bytes_than_promised() {
    refused(&["hello-1.1-r0", "bytes, the index promises"], |site| {
        let right = hello("1.1-r0").build(&UPSTREAM);
        let bytes = [&right.bytes[..], &[0; 4096]].concat();
        serve_instead(site, &right, bytes);
    });
}

#[test]
fn package_whose_datahash_is_wrong() {
    refused(&["hello-1.1-r0", "datahash"], |site| {
        // Identity and size are as promised; only its own word about its data is not true.
        let lying = hello("1.1-r0").lying_about_data().build(&UPSTREAM);
        let bytes = lying.bytes.clone();
        serve_instead(site, &lying, bytes);
    });
}

#[test]
fn package_without_a_datahash() {
    refused(&["hello-1.1-r0", "identity"], |site| {
        // Clients of 2.x identify such a package by control and data sections together; here that is another identity.
        let old = hello("1.1-r0").without_datahash().build(&UPSTREAM);
        let bytes = old.bytes.clone();
        serve_instead(site, &old, bytes);
    });
}

#[test]
fn right_name_with_other_bytes() {
    refused(&["hello-1.1-r0", "identity"], |site| {
        // A good package by the trusted builder, of the promised size, but not the one.
        let right = hello("1.1-r0").with_noise(400).build(&UPSTREAM);
        let mut other = hello("1.1-r0").with_file("usr/bin/hello", b"other").build(&UPSTREAM).bytes;
        other.resize(right.bytes.len(), 0);
        serve_instead(site, &right, other);
    });
}

#[test]
fn package_that_calls_itself_something_else() {
    refused(&["hello-1.1-r0", "calls itself"], |site| {
        let renamed = hello("1.1-r0").calling_itself("backdoor").build(&UPSTREAM);
        let bytes = renamed.bytes.clone();
        serve_instead(site, &renamed, bytes);
    });
}

#[test]
fn package_in_apk_v3_form() {
    refused(&["hello-1.1-r0", "apk v3 package, not supported yet"], |site| {
        let right = hello("1.1-r0").build(&UPSTREAM);
        let mut bytes = b"ADBd".to_vec();
        bytes.resize(right.bytes.len(), 7);
        serve_instead(site, &right, bytes);
    });
}

#[test]
fn package_with_a_control_bomb() {
    refused(&["hello-1.1-r0", "inflates to more than"], |site| {
        // As long as the index says, and its control section inflates to 64 MB.
        let bomb = gzip(&vec![0; 64 << 20]);
        let mut right = hello("1.1-r0").build(&UPSTREAM);
        let promised = format!("S:{}", bomb.len());
        right.entry = right.entry.replacen(&format!("S:{}", right.bytes.len()), &promised, 1);
        serve_instead(site, &right, bomb);
    });
}

#[test]
fn package_rebuilt_under_the_same_version() {
    let site = Site::standing();
    let rebuilt = hello("1.0-r0").with_file("usr/bin/hello", b"rebuilt").build(&UPSTREAM);
    site.watch.poison(&rebuilt.bytes);
    site.main(2, &[&rebuilt, &libgreet().build(&UPSTREAM)]);
    // Clients with the index first published would see BAD signature: those bytes stay.
    site.env.bivouac(&["sync"]).exits_with(3).tells(&["hello-1.0-r0", "\"up\""]);
    assert_eq!(site.live(), FIRST);
    site.watch.stop();
}

#[test]
fn private_package_by_an_unknown_signer() {
    let site = Site::standing();
    let stranger = Package::new("corp-stranger", "1.0-r0").build(&STRANGER);
    site.watch.poison(&stranger.bytes);
    site.env.write(&format!("packages/{}", stranger.file), &stranger.bytes);
    site.community(2, &[&extra("1.1-r0").build(&UPSTREAM)]);
    site.env.bivouac(&["sync"]).exits_with(3).tells(&["corp-stranger-1.0-r0.apk", "\"corp\"", STRANGER.name]);
    assert_eq!(site.live(), OTHERS_WENT_ON);
    site.watch.stop();
}

#[test]
fn private_file_that_is_no_package() {
    let site = Site::standing();
    site.env.write("packages/notes-1.0-r0.apk", b"buy milk");
    site.community(2, &[&extra("1.1-r0").build(&UPSTREAM)]);
    let run = site.env.bivouac(&["sync"]);
    run.tells(&["notes-1.0-r0.apk"]);
    assert!(matches!(run.code, Some(0 | 3)), "a finding, not a crash: {run}");
    assert_eq!(site.live(), OTHERS_WENT_ON, "{run}");
    site.watch.stop();
}

// --- upstream ---------------------------------------------------------------------------------------------------------

/// Main moves on to `hello-1.1-r0` and `libgreet-1.1-r0`, and `break_it` happens. The run exits with 4, nothing is
/// published. Then upstream is well again, and the next sync fetches only what is missing.
#[track_caller]
fn away(words: &[&str], still_to_fetch: &[&str], break_it: impl FnOnce(&mut Site)) {
    let mut site = Site::standing();
    let next = [
        hello("1.1-r0").with_noise(100_000).build(&UPSTREAM),
        Package::new("libgreet", "1.1-r0").provides("so:libgreet.so.1=1.1").build(&UPSTREAM),
    ];
    site.main(2, &[&next[0], &next[1]]);
    let generation = site.env.generation();
    break_it(&mut site);
    let run = site.env.bivouac(&["sync"]);
    run.exits_with(4).tells(&["\"up\""]).tells(words);
    assert_eq!(site.live(), FIRST, "{run}");
    assert_eq!(site.env.generation(), generation, "nothing was published: {run}");

    site.env.upstream.mend();
    site.env.upstream.take_log();
    let run = site.env.bivouac(&["sync"]);
    run.exits_with(0);
    assert_eq!(site.live(), ["corp-tool-1.0-r0", "extra-1.0-r0", "hello-1.1-r0", "libgreet-1.1-r0"], "{run}");
    let log = site.env.upstream.take_log();
    let mut fetched: Vec<_> = log
        .iter()
        .filter_map(|request| request.path.rsplit('/').next())
        .filter(|name| name.ends_with(".apk"))
        .collect();
    fetched.sort_unstable();
    assert_eq!(fetched, still_to_fetch, "what was downloaded is kept");
    site.watch.stop();
}

const HELLO: &str = "hello-1.1-r0.apk";
const BOTH: [&str; 2] = ["hello-1.1-r0.apk", "libgreet-1.1-r0.apk"];

fn index_path() -> String {
    format!("{MAIN}/APKINDEX.tar.gz")
}

fn hello_path() -> String {
    format!("{MAIN}/{HELLO}")
}

#[test]
fn upstream_is_away() {
    let mut site = Site::standing();
    let generation = site.env.generation();
    site.env.upstream.go_away();
    site.env.bivouac(&["sync"]).exits_with(4).tells(&["\"up\"", "v3.23/main/x86_64"]);
    assert_eq!((site.live(), site.env.generation()), (FIRST.map(str::to_owned).to_vec(), generation));
    site.env.upstream.come_back();
    site.env.bivouac(&["sync"]).exits_with(0);
    site.watch.stop();
}

#[test]
fn upstream_never_answers() {
    away(&["v3.23/main/x86_64"], &BOTH, |site| site.env.upstream.fail_always(&index_path(), Fault::Silence));
}

#[test]
fn upstream_falls_silent_in_a_package() {
    away(&[HELLO.trim_end_matches(".apk")], &[HELLO], |site| {
        site.env.upstream.refuse_ranges();
        site.env.upstream.fail_always(&hello_path(), Fault::StallAfter(40_000));
    });
}

#[test]
fn index_is_not_found() {
    away(&["v3.23/main/x86_64", "404"], &BOTH, |site| site.env.upstream.fail_always(&index_path(), Fault::Status(404)));
}

#[test]
fn package_is_not_found() {
    away(&["hello-1.1-r0", "404"], &[HELLO], |site| site.env.upstream.fail_always(&hello_path(), Fault::Status(404)));
}

#[test]
fn upstream_has_troubles_of_its_own() {
    away(&["hello-1.1-r0", "503"], &[HELLO], |site| site.env.upstream.fail_always(&hello_path(), Fault::Status(503)));
}

#[test]
fn connection_is_cut_in_a_package_each_time() {
    away(&["hello-1.1-r0"], &[HELLO], |site| {
        site.env.upstream.refuse_ranges();
        site.env.upstream.fail_always(&hello_path(), Fault::CutAfter(40_000));
    });
}

#[test]
fn connection_is_cut_in_an_index_each_time() {
    away(&["v3.23/main/x86_64"], &BOTH, |site| site.env.upstream.fail_always(&index_path(), Fault::CutAfter(300)));
}

#[test]
fn redirects_that_go_round() {
    away(&["v3.23/main/x86_64"], &BOTH, |site| {
        let round = format!("{}{}", site.env.upstream.url(), index_path());
        site.env.upstream.fail_always(&index_path(), Fault::Redirect(302, round));
    });
}

/// One fault, and the same run gets over it.
#[track_caller]
fn overcome(break_it: impl FnOnce(&Site)) -> Vec<super::upstream::Request> {
    let site = Site::standing();
    site.main(2, &[&hello("1.1-r0").with_noise(100_000).build(&UPSTREAM), &libgreet().build(&UPSTREAM)]);
    break_it(&site);
    let run = site.env.bivouac(&["sync"]);
    run.exits_with(0);
    assert_eq!(site.live(), ["corp-tool-1.0-r0", "extra-1.0-r0", "hello-1.1-r0", "libgreet-1.0-r0"], "{run}");
    site.watch.stop();
    site.env.upstream.take_log()
}

#[test]
fn a_connection_cut_once_is_taken_up_where_it_broke() {
    let log = overcome(|site| site.env.upstream.fail(&hello_path(), [Fault::CutAfter(60_000)]));
    let asked: Vec<_> = log.iter().filter(|request| request.path.ends_with(HELLO)).collect();
    assert_eq!(asked.len(), 2, "{asked:?}");
    assert_eq!(asked[1].range.as_deref(), Some("bytes=60000-"));
    assert_eq!(asked[1].status, 206);
}

#[test]
fn a_connection_cut_once_without_ranges_is_begun_again() {
    let log = overcome(|site| {
        site.env.upstream.refuse_ranges();
        site.env.upstream.fail(&hello_path(), [Fault::CutAfter(60_000)]);
    });
    let whole: Vec<_> = log.iter().filter(|request| request.path.ends_with(HELLO) && request.status == 200).collect();
    assert_eq!(whole.len(), 2, "{whole:?}");
}

#[test]
fn a_server_that_fails_twice_is_asked_again() {
    let log = overcome(|site| {
        site.env.upstream.fail(&hello_path(), [Fault::Status(502), Fault::Status(503)]);
        site.env.upstream.fail(&index_path(), [Fault::Status(500)]);
    });
    assert_eq!(log.iter().filter(|request| request.path.ends_with(HELLO)).count(), 3);
}

#[test]
fn a_server_without_validators_is_served_from_whole() {
    let log = overcome(|site| {
        site.env.upstream.send_no_validators();
        site.env.upstream.fail(&hello_path(), [Fault::CutAfter(60_000)]);
    });
    assert!(log.iter().any(|request| request.path.ends_with(HELLO) && request.status == 200));
}

#[test]
fn an_index_that_changes_between_two_requests() {
    let site = Site::standing();
    site.main(2, &[&hello("1.1-r0").build(&UPSTREAM), &libgreet().build(&UPSTREAM)]);
    // Right after the index was fetched upstream moves on: that index' package is gone, another index stands there.
    site.env.upstream.after(&index_path(), |files| {
        let (hello, libgreet) = (hello("1.2-r0").build(&UPSTREAM), libgreet().build(&UPSTREAM));
        files.remove(&hello_path());
        files.put(&format!("{MAIN}/{}", hello.file), hello.bytes.clone());
        files.put(&index_path(), index_of(3, &[&hello, &libgreet], &UPSTREAM));
    });
    let run = site.env.bivouac(&["sync"]);
    match run.code {
        // The index was fetched once more …
        Some(0) => {}
        // … or the state before stays until the next run.
        Some(4) => {
            assert_eq!(site.live(), FIRST, "{run}");
            site.env.bivouac(&["sync"]).exits_with(0);
        }
        _ => panic!("{run}"),
    }
    assert_eq!(site.live(), ["corp-tool-1.0-r0", "extra-1.0-r0", "hello-1.2-r0", "libgreet-1.0-r0"]);
    site.watch.stop();
}

#[test]
fn a_file_that_changes_while_it_is_resumed() {
    let site = Site::standing();
    let right = hello("1.1-r0").with_noise(100_000).build(&UPSTREAM);
    let mut other = right.bytes.clone();
    other[70_000..].fill(0);
    site.watch.poison(&other);
    site.main(2, &[&right, &libgreet().build(&UPSTREAM)]);
    // The first half of one file, then the connection breaks, then another file of the same length stands there.
    site.env.upstream.fail(&hello_path(), [Fault::CutAfter(60_000)]);
    site.env.upstream.after(&hello_path(), move |files| files.put(&hello_path(), other));
    site.env.bivouac(&["sync"]).exits_with(3).tells(&["hello-1.1-r0"]);
    assert_eq!(site.live(), FIRST);
    site.main(2, &[&right, &libgreet().build(&UPSTREAM)]);
    site.env.bivouac(&["sync"]).exits_with(0);
    assert_eq!(site.live()[2], "hello-1.1-r0");
    site.watch.stop();
}

#[test]
fn the_second_url_is_asked_when_the_first_fails() {
    let site = Site::standing();
    let (first, second) = ("[\"{upstream}/alpine\"]", "[\"{upstream}/broken\", \"{upstream}/alpine\"]");
    let repository = "[[repositories]]\nname = \"v3.23/site\"\narches = [\"x86_64\"]\nfrom = [\"corp\", \"up:v3.23/main\", \"up:v3.23/community\"]\n";
    site.env.configure(&format!("{}{repository}", SOURCES.replace(first, second)));
    site.main(2, &[&hello("1.1-r0").build(&UPSTREAM), &libgreet().build(&UPSTREAM)]);
    // What the first URL has is signed by nobody we know.
    let tampered = signed(&next_main(), &[&STRANGER]);
    site.env.upstream.put("/broken/v3.23/main/x86_64/APKINDEX.tar.gz", tampered);
    site.env.bivouac(&["sync"]).exits_with(0);
    assert_eq!(site.live()[2], "hello-1.1-r0");
    site.watch.stop();
}

// --- this host --------------------------------------------------------------------------------------------------------

#[test]
fn another_run_holds_the_lock() {
    let site = Site::standing();
    site.main(2, &[&hello("1.1-r0").build(&UPSTREAM), &libgreet().build(&UPSTREAM)]);
    // A run that hangs on its upstream holds the lock meanwhile.
    site.env.upstream.fail_always(&index_path(), Fault::Silence);
    let mut first = site.env.start(&["sync"]);
    while site.env.upstream.take_log().is_empty() {
        assert!(first.try_wait().unwrap().is_none(), "the first run ended before it asked for anything");
        std::thread::yield_now();
    }
    let run = site.env.bivouac(&["sync"]);
    run.exits_with(6).tells(&["sync"]).tells(&[&first.id().to_string()]);
    assert_eq!(site.live(), FIRST);
    first.kill().unwrap();
    first.wait().unwrap();
    site.env.upstream.mend();
    // A killed run leaves no lock behind.
    site.env.bivouac(&["sync"]).exits_with(0);
    assert_eq!(site.live()[2], "hello-1.1-r0");
    site.watch.stop();
}

#[test]
fn the_disk_is_full() {
    let site = Site::standing();
    let big = hello("1.1-r0").with_noise(3 << 20).build(&UPSTREAM);
    site.main(2, &[&big, &libgreet().build(&UPSTREAM)]);
    // No file may grow beyond 1 MiB (ulimit counts in 1 KiB): what a full disk answers to a write.
    let line = "trap '' XFSZ; ulimit -f 1024; exec \"$0\" sync";
    let output = std::process::Command::new("bash")
        .args(["-c", line, env!("CARGO_BIN_EXE_bivouac")])
        .current_dir(site.env.path("."))
        .env_clear()
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(told.contains("error: "), "{told}");
    assert_eq!(site.live(), FIRST);
    site.env.bivouac(&["sync"]).exits_with(0);
    assert_eq!(site.live()[2], "hello-1.1-r0");
    site.watch.stop();
}

#[test]
fn the_public_folder_is_not_ours_to_write() {
    let site = Site::standing();
    site.main(2, &[&hello("1.1-r0").build(&UPSTREAM), &libgreet().build(&UPSTREAM)]);
    // Root may write everywhere, so the run is made by somebody who may not, and who owns all but the public folder.
    let binary = site.env.path("bivouac-for-all");
    std::fs::copy(env!("CARGO_BIN_EXE_bivouac"), &binary).unwrap();
    let mut command = std::process::Command::new(&binary);
    command.arg("sync").current_dir(site.env.path(".")).env_clear();
    let root = rustix::process::geteuid().is_root();
    let site_folder = site.env.path("site");
    if root {
        let nobody = Some(65_534);
        for path in
            [".", "keys", "trusted", "packages", "store", "bivouac.toml", &*format!("keys/{}", private_name(&OURS))]
        {
            std::os::unix::fs::chown(site.env.path(path), nobody, nobody).unwrap();
        }
        for path in site.env.folders_below("store").into_iter().chain(site.env.files_below("store")) {
            std::os::unix::fs::chown(path, nobody, nobody).unwrap();
        }
        command.uid(65_534).gid(65_534);
    } else {
        mode(&site_folder, 0o555);
        mode(&site_folder.join(".generations"), 0o555);
    }
    let output = command.output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(told.contains("ermission denied"), "{told}");
    assert_eq!(site.live(), FIRST);
    if !root {
        mode(&site_folder, 0o755);
        mode(&site_folder.join(".generations"), 0o755);
    }
    // Written as somebody else's, the store is still good for whoever may.
    site.env.bivouac(&["sync"]).exits_with(0);
    assert_eq!(site.live()[2], "hello-1.1-r0");
    site.watch.stop();
}

fn mode(path: &std::path::Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

// --- configuration ----------------------------------------------------------------------------------------------------

#[test]
fn configuration_with_an_unknown_key() {
    let env = Env::new();
    env.configure("[sources.up]\nurl = [\"{upstream}\"]\nkeyrings = []\n");
    env.bivouac(&["sync"]).exits_with(2).tells(&["bivouac.toml:9", "keyrings", "did you mean", "keyring"]);
    assert!(env.upstream.take_log().is_empty());
}

#[test]
fn configuration_that_takes_from_nowhere() {
    let env = Env::new();
    env.configure(&format!(
        "{SOURCES}\n[[repositories]]\nname = \"v3.23/site\"\narches = [\"x86_64\"]\nfrom = [\"crop\"]\n"
    ));
    env.bivouac(&["sync"]).exits_with(2).tells(&[
        "bivouac.toml:20",
        "\"crop\"",
        "not defined",
        "did you mean \"corp\"?",
    ]);
    assert!(env.upstream.take_log().is_empty());
}

#[test]
fn configuration_that_is_not_there() {
    let env = Env::new();
    env.bivouac(&["sync"]).exits_with(2).tells(&["bivouac.toml"]);
    env.bivouac(&["--config", "elsewhere.toml", "sync"]).exits_with(2).tells(&["elsewhere.toml"]);
}

#[test]
fn configuration_of_a_later_time() {
    let env = Env::new();
    env.configure(&format!("{SOURCES}\n[serve]\nhttp3 = true\n"));
    env.bivouac(&["sync"]).exits_with(2).tells(&["bivouac.toml:18", "unknown key \"http3\" in [serve]"]);
}

#[test]
fn a_private_key_that_everybody_can_read() {
    let site = Site::before_the_first_sync();
    mode(&site.env.path(&format!("keys/{}", private_name(&OURS))), 0o644);
    let run = site.env.bivouac(&["sync"]);
    run.tells(&[private_name(&OURS)]);
    assert!(matches!(run.code, Some(1 | 2)), "{run}");
    assert!(!site.env.public().exists());
    site.watch.stop();
}

#[test]
fn nothing_was_asked_of_community_by_mistake() {
    // The standing site's own promise, which every test above leans on: one conditional request an index and no more.
    let site = Site::standing();
    site.env.bivouac(&["sync"]).exits_with(0);
    let log = site.env.upstream.take_log();
    let mut asked: Vec<_> =
        log.iter().map(|request| (request.path.as_str(), request.status, request.conditional)).collect();
    asked.sort_unstable();
    let community = format!("{COMMUNITY}/APKINDEX.tar.gz");
    assert_eq!(asked, [(&*community, 304, true), (&*index_path(), 304, true)]);
    site.watch.stop();
}
