//! `/healthz`, a socket that systemd hands over, manual pages and completions.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use super::served::{self, Served};
use super::world::{Daemon, World};

#[test]
fn health_is_503_before_the_first_publication_and_200_after() {
    let world = World::new("");
    let served = Served::start(&world.env);
    assert_eq!(served.get("/healthz").status, 503);
    world.bivouac(&["sync"]).exits_with(0);
    let answer = served.get("/healthz");
    assert_eq!((answer.status, &answer.body[..]), (200, &b"ok\n"[..]));
    // Paths below are the tree's.
    assert_eq!(served.get("/healthz/").status, 404);
}

#[test]
fn the_daemon_serves_where_the_configuration_says_so() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let world = World::new(&format!("[serve]\nlisten = \"{free}\"\n\n[schedule]\nsync = \"17 * * * *\"\n"));
    let mut daemon = Daemon::start(&world);
    daemon.hears("STATUS=next: sync");
    let index = served::get(&free.to_string(), "/v3.23/main/x86_64/APKINDEX.tar.gz");
    assert_eq!(index.status, 200);
    assert_eq!(served::get(&free.to_string(), "/healthz").status, 200);
}

#[test]
fn a_socket_that_is_handed_over_is_served() {
    let Ok(version) = Command::new("systemd-socket-activate").arg("--version").output() else {
        println!("skipped: systemd-socket-activate is not here");
        return;
    };
    assert!(version.status.success());
    let world = World::new("");
    world.bivouac(&["sync"]).exits_with(0);
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let serve = world.command(&["serve"]);
    let mut activate = Command::new("systemd-socket-activate");
    activate.args(["--listen", &free.to_string()]).arg(serve.get_program()).args(serve.get_args());
    activate.current_dir(world.env.path("")).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = activate.spawn().unwrap();
    let mut told = BufReader::new(child.stderr.take().unwrap()).lines();
    told.find(|line| line.as_ref().unwrap().contains("Listening on")).expect("it listens").unwrap();
    let answer = served::get(&free.to_string(), "/v3.23/main/x86_64/APKINDEX.tar.gz");
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(answer.status, 200);
}

#[test]
fn there_is_a_page_for_every_command_and_completions_for_each_shell() {
    let world = World::new("");
    std::fs::create_dir(world.env.path("man")).unwrap();
    world.bivouac(&["man", "--to", "man"]).exits_with(0);
    let pages: Vec<String> = world
        .env
        .files_below("man")
        .iter()
        .map(|path| path.file_name().unwrap().to_string_lossy().into_owned())
        .collect();
    for page in ["bivouac.1", "bivouac-sync.1", "bivouac-daemon.1", "bivouac-backup.1", "bivouac-key-rotate.1"] {
        assert!(pages.iter().any(|one| one == page), "{page} is not in {pages:?}");
    }
    let text = std::fs::read_to_string(world.env.path("man/bivouac-sync.1")).unwrap();
    assert!(text.contains(".TH bivouac-sync 1") && text.contains("accept\\-shrink"), "{text}");
    for (shell, word) in [("bash", "complete -F"), ("zsh", "#compdef bivouac"), ("fish", "complete -c bivouac")] {
        let script = world.bivouac(&["completions", shell]);
        script.exits_with(0);
        assert!(script.stdout.contains(word) && script.stdout.contains("accept-shrink"), "{script}");
    }
    world.bivouac(&["man", "--to", "none"]).exits_with(1);
}

#[test]
fn status_goes_on_showing_until_its_reader_is_gone() {
    let world = World::new("");
    world.bivouac(&["sync"]).exits_with(0);
    let mut command = world.command(&["status", "--watch=1s"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    for _ in 0..2 {
        lines.find(|line| line.as_ref().unwrap().contains("generation 1 is live")).unwrap().unwrap();
    }
    drop(lines);
    assert_eq!(child.wait().unwrap().code(), Some(141));
    world.bivouac(&["--json", "status", "--watch"]).exits_with(2);
}

#[test]
fn check_reads_a_share_by_rota_and_finds_in_all_shares_what_is_damaged() {
    let world = World::new("");
    for name in ["two", "three", "four", "five"] {
        world.upstream(name, 0);
        world.bivouac(&["sync"]).exits_with(0);
    }
    let objects = world.env.files_below("store/pool/objects");
    let share = || world.bivouac(&["--json", "check", "--read-data", "25%"]);
    let mut read = 0;
    for _ in 0..4 {
        read += share().exits_with(0).json()["checked"]["objects"].as_u64().unwrap();
    }
    assert!(read >= objects.len() as u64, "{read} of {}", objects.len());
    std::fs::set_permissions(&objects[0], std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
    std::fs::write(&objects[0], b"other bytes").unwrap();
    assert!((0..4).any(|_| share().code == Some(5)), "one share of the four has it");
}
