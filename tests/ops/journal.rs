//! Lines with fields: for systemd's journal, and as JSON.

use std::os::unix::fs::MetadataExt as _;
use std::os::unix::net::UnixDatagram;
use std::process::Stdio;

use super::world::World;

/// What systemd puts into `$JOURNAL_STREAM` for a stream.
pub(crate) fn stream_of(file: &std::fs::File) -> String {
    let metadata = file.metadata().unwrap();
    format!("{}:{}", metadata.dev(), metadata.ino())
}

#[test]
fn under_systemd_events_reach_the_journal_with_fields() {
    let world = World::new("");
    let path = world.env.path("j");
    let socket = UnixDatagram::bind(&path).unwrap();
    let stderr = std::fs::File::create(world.env.path("stderr")).unwrap();
    let mut command = world.command(&["sync"]);
    command.env("JOURNAL_STREAM", stream_of(&stderr)).env("BIVOUAC_JOURNAL", &path);
    let mut child = command.stdout(Stdio::null()).stderr(stderr).spawn().unwrap();
    let mut all = String::new();
    let mut bytes = [0; 65536];
    while !all.contains("BIVOUAC_EVENT=run_done") {
        let length = socket.recv(&mut bytes).unwrap();
        all.push_str(&String::from_utf8_lossy(&bytes[..length]));
        all.push('\n');
    }
    assert_eq!(child.wait().unwrap().code(), Some(0));
    for line in [
        "SYSLOG_IDENTIFIER=bivouac",
        "MESSAGE=up:v3.23/main/x86_64: verified, 1 packages",
        "BIVOUAC_EVENT=index_verified",
        "BIVOUAC_SOURCE=up",
        "BIVOUAC_PACKAGES=1",
        "MESSAGE=generation 1 is live",
        "MESSAGE=sync: generation 1 is live, 1 repository, 1 changed, 1 package fetched",
        "BIVOUAC_TASK=sync",
        "BIVOUAC_EXIT=0",
    ] {
        assert!(all.contains(line), "{line} is not in\n{all}");
    }
    assert_eq!(std::fs::read_to_string(world.env.path("stderr")).unwrap(), "", "and nothing is said twice");
}

#[test]
fn json_lines_end_with_one_that_sums_it_up() {
    let world = World::new("");
    let ran = world.bivouac(&["--log", "json", "sync"]);
    ran.exits_with(0);
    let lines: Vec<serde_json::Value> = ran.stderr.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let last = lines.last().unwrap();
    assert_eq!((&last["event"], &last["task"], &last["exit"]), (&"run_done".into(), &"sync".into(), &0.into()));
    assert!(last["summary"].as_str().unwrap().starts_with("generation 1 is live"), "{last}");
}
