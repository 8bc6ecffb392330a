use super::*;
use crate::audit::known::{PackageShown, Shown, Withdrawal};

fn at(day: u32) -> Timestamp {
    format!("2026-11-{day:02}T12:00:00Z").parse().unwrap()
}

/// Three generations of the 10th, 20th and 25th: `hello` goes from 1.0 over 1.1 to 1.2, `gone` leaves, `late` comes.
fn known() -> Known {
    let taken = Withdrawal { name: "bad".into(), version: None, time: at(21) };
    let mut known = Known::new(vec!["alpine".into()], vec![taken]);
    known.begin_view(None);
    let main: [&[(&str, usize, Option<u32>)]; 3] = [
        &[
            ("hello-1.0-r0.apk", 5, None),
            ("gone-2-r0.apk", 4, None),
            ("bad-1-r0.apk", 3, None),
            ("g++-1-r0.apk", 3, None),
        ],
        &[("hello-1.0-r0.apk", 5, Some(20)), ("hello-1.1-r0.apk", 5, None), ("g++-1-r0.apk", 3, None)],
        &[
            ("hello-1.1-r0.apk", 5, None),
            ("hello-1.2-r0.apk", 5, None),
            ("late-1-r0.apk", 4, None),
            ("g++-1-r0.apk", 3, None),
        ],
    ];
    for (number, (day, files)) in [10, 20, 25].into_iter().zip(main).enumerate() {
        known.add_generation(Shown { number: number as u64 + 1, time: at(day) });
        let files = files.iter().map(|(file, name, left)| PackageShown { file, name: *name, left: left.map(at) });
        known.add_folder("v3.23/main/x86_64", "x86_64", "v3.23/main", files);
        let extra = PackageShown { file: "extra-1-r0.apk", name: 5, left: None };
        known.add_folder("v3.23/community/x86_64", "x86_64", "v3.23/community", std::iter::once(extra));
        known.add_folder("x86_64/corp", "x86_64", "x86_64/corp", std::iter::empty());
        if number == 0 {
            known.add_folder("v3.22/main/x86_64", "x86_64", "v3.22/main", std::iter::empty());
        }
    }
    known.finish([("latest-stable", "v3.23")].into_iter());
    known
}

#[test]
fn every_cause_is_told_apart() {
    let known = known();
    for (target, code, hint) in [
        ("/v3.23/main/x86_64/gone-2-r0.apk", "left-index", "apk update"),
        ("/v3.23/main/x86_64/hello-1.0-r0.apk", "left-index", "hello-1.1-r0.apk"),
        ("/alpine/v3.23/main/x86_64/hello-1.0-r0.apk", "left-index", "hello-1.1-r0.apk"),
        ("/latest-stable/main/x86_64/hello-1.0-r0.apk", "left-index", "hello-1.1-r0.apk"),
        ("/v3.23/main/x86_64/bad-1-r0.apk", "withdrawn", ""),
        ("/v3.23/main/x86_64/hello-1.1-r7.apk", "never-listed", "hello-1.2-r0.apk"),
        ("/v3.23/main/x86_64/helo-1.1-r0.apk", "never-listed", "hello-1."),
        ("/v3.23/main/x86_64/zzz-1-r0.apk", "never-listed", ""),
        ("/v3.23/main/x86_64/extra-1-r0.apk", "wrong-folder", "/v3.23/community/x86_64/extra-1-r0.apk"),
        ("/v3.23/main/x86_64/hello-1.1-r0.apk", "was-there", "root"),
        ("/v3.23/main/x86_64/APKINDEX.tar.gz", "was-there", "root"),
        ("/APKINDEX.tar.gz", "wrong-layout", "apk adds the arch"),
        ("/x86_64/APKINDEX.tar.gz", "wrong-layout", "x86_64/corp"),
        ("/main/x86_64/APKINDEX.tar.gz", "wrong-layout", "/v3.23/main"),
        ("/v3.23/main/APKINDEX.tar.gz", "wrong-layout", "/v3.23/main"),
        ("/x86_64/v3.23/main/APKINDEX.tar.gz", "wrong-layout", "/v3.23/main"),
        ("/v3.23/main/x86_64/x86_64/APKINDEX.tar.gz", "wrong-layout", "/v3.23/main"),
        ("/repo/v3.23/main/x86_64/APKINDEX.tar.gz", "wrong-layout", "/v3.23/main"),
        ("/main/x86_64/hello-1.1-r0.apk", "wrong-layout", "/v3.23/main"),
        ("/v3.23/main/x86_64/g%252b%252b-1-r0.apk", "misspelled", "g++-1-r0.apk"),
        ("/v3.23/main/x86_64/g%20%20-1-r0.apk", "misspelled", "g++-1-r0.apk"),
        ("/v3.23//main/x86_64/hello-1.1-r0.apk", "misspelled", "/v3.23/main/x86_64/hello-1.1-r0.apk"),
        ("/v3.23/main/x86_64/Hello-1.1-r0.apk", "misspelled", "hello-1.1-r0.apk"),
        ("/v3.22/main/x86_64/APKINDEX.tar.gz", "repository-gone", "v3.22/main"),
        ("/v3.21/main/x86_64/APKINDEX.tar.gz", "not-mirrored", "v3.23/main/x86_64"),
        ("/v3.23/main/armv7/APKINDEX.tar.gz", "not-mirrored", "v3.23/main/x86_64"),
        ("/@qa/v3.23/main/x86_64/APKINDEX.tar.gz", "not-mirrored", "promoted"),
        ("/v3.23/main/x86_64/APKINDEX.tar.gz.sign", "other-format", "inside"),
        ("/v3.23/main/x86_64/Packages.adb", "other-format", ""),
        ("/favicon.ico", "outside", ""),
        ("/.env", "probing", ""),
        ("/v3.23/main/x86_64/%zz", "malformed", ""),
        ("*", "malformed", ""),
    ] {
        let explained = known.explain(target, at(28));
        assert_eq!(explained.cause.code(), code, "{target}: {explained:?}");
        let told = explained.hint.clone().unwrap_or_default();
        assert!(told.contains(hint), "{target}: {explained:?}");
    }
}

#[test]
fn when_it_left_and_when_it_came_is_told() {
    let known = known();
    let left = known.explain("/v3.23/main/x86_64/hello-1.0-r0.apk", at(28)).message;
    assert_eq!(
        left,
        "it left the index at 2026-11-20 12:00 UTC (listed until generation 1 of 2026-11-10 12:00 UTC) and the tree with \
         generation 3 of 2026-11-25 12:00 UTC, its linger being over"
    );
    let late = known.explain("/v3.23/main/x86_64/late-1-r0.apk", at(22));
    assert_eq!(late.cause, Cause::CameLater);
    assert!(late.message.contains("generation 3 of 2026-11-25"), "{}", late.message);
    assert_eq!(known.explain("/v3.23/main/x86_64/late-1-r0.apk", at(26)).cause, Cause::WasThere);
}
