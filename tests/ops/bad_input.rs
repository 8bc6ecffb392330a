//! What goes wrong around a run, named as the case is: none of it changes what the run did.

use std::os::unix::net::UnixDatagram;
use std::process::Stdio;

use super::upstream::Fault;
use super::world::{INDEX, World};

#[test]
fn a_wrong_cron_line_exits_with_2_and_shows_the_position() {
    let world = World::new("[schedule]\nsync = \"17 24 * * *\"\n");
    for command in [&["config", "check"][..], &["daemon"], &["sync"]] {
        world.bivouac(command).exits_with(2).tells(&[
            "bivouac.toml:",
            "schedule.sync is no crontab line: hour: 0 to 23, not \"24\" (at column 4 of \"17 24 * * *\")",
        ]);
    }
}

#[test]
fn a_time_zone_that_does_not_exist_exits_with_2() {
    let world = World::new("[schedule]\ntimezone = \"Europe/Berln\"\nsync = \"17 * * * *\"\n");
    world
        .bivouac(&["daemon"])
        .exits_with(2)
        .tells(&["schedule.timezone is \"Europe/Berln\": there is no such time zone"]);
}

#[test]
fn an_unreachable_webhook_never_fails_the_sync() {
    // A port that was free a moment ago, a host that is none, and one that takes no notice.
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    for place in [free.to_string(), "host.invalid".to_owned(), silent.local_addr().unwrap().to_string()] {
        let world = World::new(&format!(
            "[notify]\nwebhook = \"http://u:s3cret@{place}/s3cret\"\ncommand = [\"./none\"]\ntimeout = \"1s\"\n"
        ));
        world.env.upstream.fail_always(INDEX, Fault::Status(404));
        let failed = world.bivouac(&["sync"]);
        failed
            .exits_with(4)
            .tells(&["warning: nobody was told: webhook http://", "command \"./none\" was not started"]);
        assert!(!failed.stderr.contains("s3cret"), "{failed}");
        world.env.upstream.mend();
        // It was not told, so the recovery is none either; and a success says nothing of it.
        let ran = world.bivouac(&["sync"]);
        ran.exits_with(0);
        assert!(!ran.stderr.contains("told"), "{ran}");
        assert_eq!(world.env.live("v3.23/main", "x86_64"), ["one-1-r0"]);
    }
}

#[test]
fn a_webhook_that_says_no_is_asked_again_by_the_next_run() {
    let (address, heard) = super::world::webhook("500 Oops");
    let world = World::new(&format!("[notify]\nwebhook = \"http://{address}/hook/s3cret?k=s3cret\"\n"));
    world.env.upstream.fail_always(INDEX, Fault::Status(404));
    for _ in 0..2 {
        world.bivouac(&["sync"]).exits_with(4).tells(&[&format!("webhook http://{address}/**** answered 500")]);
        heard.recv().unwrap();
    }
}

#[test]
fn a_command_that_hangs_is_ended() {
    let world = World::new("[notify]\ncommand = [\"sh\", \"-c\", \"sleep 1000\"]\ntimeout = \"1s\"\n");
    world.env.upstream.fail_always(INDEX, Fault::Status(404));
    world.bivouac(&["sync"]).exits_with(4).tells(&["command \"sh\" did not end within 1 s and was ended"]);
}

#[test]
fn a_textfile_folder_that_is_missing_is_a_warning() {
    let world = World::new("[metrics]\ntextfile = \"none/bivouac.prom\"\n");
    world.bivouac(&["sync"]).exits_with(0).tells(&["warning: metrics were not written", "none"]);
    assert!(!world.env.path("none").exists(), "no folder is made: it is somebody else's");
    world.bivouac(&["--json", "sync"]).exits_with(0).json();
}

#[test]
fn a_full_journal_stops_nothing() {
    let world = World::new("");
    // Nobody ever reads it.
    let path = world.env.path("j");
    let socket = UnixDatagram::bind(&path).unwrap();
    let filler = UnixDatagram::unbound().unwrap();
    filler.set_nonblocking(true).unwrap();
    while filler.send_to(&[b'x'; 1000], &path).is_ok() {}
    let stderr = std::fs::File::create(world.env.path("stderr")).unwrap();
    let stream = super::journal::stream_of(&stderr);
    let mut command = world.command(&["sync"]);
    command.env("JOURNAL_STREAM", stream).env("BIVOUAC_JOURNAL", &path).stdout(Stdio::null()).stderr(stderr);
    assert_eq!(command.status().unwrap().code(), Some(0));
    assert_eq!(world.env.live("v3.23/main", "x86_64"), ["one-1-r0"]);
    drop(socket);

    // Nor does a disk that takes no more lines.
    let full = || std::fs::File::options().write(true).open("/dev/full").unwrap();
    world.upstream("one", 1);
    let code = world.command(&["sync"]).stdout(Stdio::null()).stderr(full()).status().unwrap().code();
    assert_eq!(code, Some(0));
    world.upstream("one", 2);
    let code = world.command(&["--log", "json", "sync"]).stdout(Stdio::null()).stderr(full()).status().unwrap().code();
    assert_eq!(code, Some(0));
    assert_eq!(world.env.live("v3.23/main", "x86_64"), ["one-1-r2"]);
}
