//! What either side lost comes back from the bundles that went between them.

use std::path::PathBuf;

use sha2::{Digest as _, Sha256};

use super::env::{Env, rot};
use super::fixture::{OURS, hex};
use super::sites::Gap;

/// A file that is shown, and where the pool has it.
fn shown(env: &Env, file: &str) -> (PathBuf, PathBuf, Vec<u8>) {
    let path = env.public().join("v3.23/main/x86_64").join(file);
    let bytes = std::fs::read(&path).unwrap();
    let name = hex(&Sha256::digest(&bytes));
    (path, env.path(&format!("store/pool/objects/{}/{name}", &name[..2])), bytes)
}

#[track_caller]
fn is_whole(env: &Env, file: &(PathBuf, PathBuf, Vec<u8>)) {
    assert!(std::fs::read(&file.0).unwrap() == file.2);
    env.bivouac(&["check", "--deep"]).exits_with(0);
    assert!(env.upstream.take_log().iter().all(|request| !request.path.contains("tool")), "no wire was needed");
}

#[test]
fn a_site_asks_the_medium() {
    let gap = Gap::standing();
    let tool = shown(&gap.site, "tool-1.1-r0.apk");
    rot(&tool.1);
    let run = gap.site.bivouac(&["repair"]);
    run.exits_with(4);
    assert!(run.stdout.contains("the bundles of source \"hq\": there is no "), "{run}");
    // A mount point that nothing is mounted on is no better.
    std::fs::create_dir_all(gap.site.path("transfer")).unwrap();
    let run = gap.site.bivouac(&["repair"]);
    assert!(run.exits_with(4).stdout.contains("transfer is empty"), "{run}");
    // In the folder where its source looks for bundles.
    gap.site.write("transfer/first.bundle", &gap.first.volume(1, &OURS));
    let run = gap.site.bivouac(&["repair"]);
    assert!(run.exits_with(0).stdout.contains("tool-1.1-r0.apk came from bundle "), "{run}");
    is_whole(&gap.site, &tool);
    gap.shows(1);
}

#[test]
fn a_delta_gives_an_object_over_what_is_here_or_came_back_first() {
    let gap = Gap::standing();
    let parcel = gap.increment();
    gap.carry("second.bundle", &parcel.volume(1, &OURS));
    gap.takes(&["second.bundle"]);
    let tool = shown(&gap.site, "tool-1.2-r0.apk");
    let is_delta = |object: &serde_json::Value| {
        object["sha256"].as_str() == tool.1.file_name().unwrap().to_str() && object["form"] == "delta"
    };
    assert!(parcel.objects().iter().any(is_delta), "it came as a delta");
    rot(&tool.1);
    gap.site.bivouac(&["repair", "--from", "medium/second.bundle"]).exits_with(0);
    is_whole(&gap.site, &tool);

    // What it is over is garbled, too: then nobody has it, until the first bundle is there as well.
    let base = shown(&gap.site, "tool-1.1-r0.apk");
    rot(&tool.1);
    rot(&base.1);
    gap.site.bivouac(&["repair", "--from", "medium/second.bundle"]).exits_with(4);
    gap.site.bivouac(&["repair", "--from", "medium"]).exits_with(0);
    is_whole(&gap.site, &tool);
    is_whole(&gap.site, &base);
}

#[test]
fn a_garbled_bundle_is_refused() {
    let gap = Gap::standing();
    gap.site.write("transfer/none", b"");
    let tool = shown(&gap.site, "tool-1.1-r0.apk");
    rot(&tool.1);
    let mut parcel = gap.first.clone();
    let name = tool.1.file_name().unwrap().to_str().unwrap();
    let body = parcel.bodies.get_mut(name).unwrap();
    let middle = body.len() / 2;
    body[middle] ^= 1;
    gap.site.write("transfer/first.bundle", &parcel.volume(1, &OURS));
    let run = gap.site.bivouac(&["repair"]);
    assert!(run.exits_with(3).stdout.contains("other bytes, with the SHA-256"), "{run}");
}

#[test]
fn the_sender_has_its_own_bundle() {
    let gap = Gap::standing();
    gap.hq.write("stick/first.bundle", &gap.first.volume(1, &OURS));
    let tool = shown(&gap.hq, "tool-1.1-r0.apk");
    rot(&tool.1);
    gap.hq.upstream.take_log();
    gap.hq.bivouac(&["repair", "--from", "stick"]).exits_with(0);
    is_whole(&gap.hq, &tool);
}
