//! Two real states of one repository, Alpine's boot media 3.13.1 and 3.13.4, and two real keys of one arch.

use std::path::Path;

use super::env::{Env, Ran};

/// The folder of real Alpine data. Where there is none the caller returns: this machine cannot run it.
fn real() -> Option<std::path::PathBuf> {
    let folder = std::env::var_os("BIVOUAC_REAL_ALPINE").map(std::path::PathBuf::from);
    if folder.is_none() {
        println!("skipped: no real Alpine data");
    }
    folder
}

/// Serves one of the media in place of the last.
fn serve(env: &Env, real: &Path, version: &str) {
    let folder = real.join("official/boot-media").join(version).join("apks/aarch64");
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        env.upstream.put(&format!("/media/apks/aarch64/{name}"), std::fs::read(&path).unwrap());
    }
}

fn mirror() -> Env {
    let env = Env::new();
    env.configure(
        "[sources.alpine]\nurl = [\"{upstream}/media\"]\nkeyring = \"alpine\"\n[[repositories]]\nname = \"media\"\n\
         arches = [\"aarch64\"]\nfrom = [\"alpine:apks\"]\npackages = [\"alpine-keys\", \"zlib\"]\n",
    );
    env
}

fn sync(env: &Env) -> Ran {
    env.bivouac(&["--json", "sync", "--no-publish"])
}

fn in_force(env: &Env) -> String {
    let status = env.bivouac(&["--json", "status"]).json();
    status["repositories"][0]["indexes"][0]["description"].as_str().unwrap().to_owned()
}

#[test]
fn the_media_of_3_13_1_after_those_of_3_13_4_are_older() {
    let Some(real) = real() else { return };
    let env = mirror();
    serve(&env, &real, "3.13.4");
    sync(&env).exits_with(0);
    serve(&env, &real, "3.13.1");
    let ran = sync(&env);
    ran.exits_with(3)
        .tells(&["in force: 3.13.4, newest package built 2021-", "came: 3.13.1, newest package built 2021-"]);
    assert_eq!(ran.json()["repositories"][0]["error"]["code"], "older");
    assert_eq!(in_force(&env), "3.13.4");
}

#[test]
fn the_media_of_3_13_1_once_more_after_those_of_3_13_4_are_lag() {
    let Some(real) = real() else { return };
    let env = mirror();
    for version in ["3.13.1", "3.13.4"] {
        serve(&env, &real, version);
        sync(&env).exits_with(0);
        assert_eq!(in_force(&env), version);
    }
    serve(&env, &real, "3.13.1");
    sync(&env).exits_with(0).tells(&["lags", "has 3.13.1, which was accepted before"]);
    assert_eq!(in_force(&env), "3.13.4");
    env.bivouac(&["sync", "--no-publish", "--accept-older=media"]).exits_with(0);
    assert_eq!(in_force(&env), "3.13.1");
}

/// Alpine's newer key for aarch64, which the package of keys on these media does not know yet.
#[test]
fn an_official_key_that_was_not_seen_before_is_held() {
    let Some(real) = real() else { return };
    let env = mirror();
    serve(&env, &real, "3.13.4");
    sync(&env).exits_with(0);
    let index = real.join("official/index/v3.17/main/aarch64/APKINDEX.tar.gz");
    env.upstream.put("/media/apks/aarch64/APKINDEX.tar.gz", std::fs::read(index).unwrap());
    let ran = sync(&env);
    ran.exits_with(3).tells(&[
        "held index apks/aarch64",
        "key: alpine-devel@lists.alpinelinux.org-616ae350.rsa.pub",
        "it is one of Alpine's official keys for aarch64",
        "(1 looked into)",
        "recorded so far: alpine-devel@lists.alpinelinux.org-58199dcc.rsa.pub",
    ]);
    assert_eq!(in_force(&env), "3.13.4");
}
