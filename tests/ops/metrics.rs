//! What Prometheus reads: its own tool is asked whether names, units and types are as they should be.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::process::{Command, Stdio};

use super::served::Served;
use super::upstream::Fault;
use super::world::{INDEX, World};

/// `promtool check metrics` finds nothing to complain of.
fn is_clean(text: &str) {
    let tool = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let Ok(mut tool) = tool else {
        println!("skipped: promtool is not here");
        return;
    };
    tool.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = tool.wait_with_output().unwrap();
    // What it does not look for: one sample twice, which a scrape refuses.
    let mut seen = BTreeSet::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let (series, _) = line.rsplit_once(' ').unwrap();
        assert!(seen.insert(series), "{series} stands there twice");
    }
    assert!(output.status.success() && output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// The value of one sample.
fn value(text: &str, name: &str) -> f64 {
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("no {name} in\n{text}")).parse().unwrap()
}

#[test]
fn the_textfile_and_metrics_over_http_say_the_same_and_promtool_is_content() {
    let world = World::new("[backups.disk]\ntarget = \"disk\"\n\n[metrics]\ntextfile = \"prom/bivouac.prom\"\n");
    std::fs::create_dir(world.env.path("disk")).unwrap();
    std::fs::create_dir(world.env.path("prom")).unwrap();
    world.bivouac(&["sync"]).exits_with(0);
    world.bivouac(&["backup", "init"]).exits_with(0);
    world.bivouac(&["backup"]).exits_with(0);
    world.bivouac(&["backup", "check", "--drill", "--read-data", "100%"]).exits_with(0);
    world.bivouac(&["check", "--read-data", "100%"]).exits_with(0);
    let file = world.env.path("prom/bivouac.prom");
    let text = std::fs::read_to_string(&file).unwrap();
    is_clean(&text);
    let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&file).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o644, "node_exporter is somebody else");
    assert_eq!(world.env.files_below("prom").len(), 1, "and nothing beside it");
    let repository = "{repository=\"v3.23/main\",arch=\"x86_64\"}";
    assert_eq!(value(&text, &format!("bivouac_repository_packages{repository}")), 1.0);
    assert_eq!(value(&text, &format!("bivouac_repository_confirmed_timestamp_seconds{repository}")), 1_796_090_400.0);
    assert_eq!(value(&text, "bivouac_live_generation"), 1.0);
    assert_eq!(value(&text, "bivouac_fetched_packages_total"), 1.0);
    assert_eq!(value(&text, "bivouac_task_last_exit_code{task=\"backup check disk\"}"), 0.0);
    assert!(value(&text, "bivouac_backup_drill_duration_seconds{backup=\"disk\"}") > 0.0);

    let served = Served::start(&world.env);
    let answer = served.get("/metrics");
    assert_eq!(answer.status, 200);
    assert!(answer.head.contains("text/plain; version=0.0.4"), "{}", answer.head);
    let over_http = String::from_utf8(answer.body).unwrap();
    is_clean(&over_http);
    let names = |text: &str| -> BTreeSet<String> {
        text.lines().filter_map(|line| Some(line.strip_prefix("# TYPE ")?.to_owned())).collect()
    };
    let of_the_server = |name: &String| name.starts_with("bivouac_http_");
    assert_eq!(names(&text), names(&over_http).into_iter().filter(|name| !of_the_server(name)).collect());
    // The server's own: what it has done so far.
    assert_eq!(names(&over_http).iter().filter(|name| of_the_server(name)).count(), 6);
    assert_eq!(served.get("/v3.23/main/x86_64/APKINDEX.tar.gz").status, 200);
    let over_http = String::from_utf8(served.get("/metrics").body).unwrap();
    assert_eq!(value(&over_http, "bivouac_http_requests_total{kind=\"index\",status=\"2xx\"}"), 1.0);
    assert!(value(&over_http, "bivouac_http_response_body_bytes_total{kind=\"index\"}") > 100.0);
    assert!(value(&over_http, "bivouac_http_response_start_duration_seconds_count") >= 2.0);
    assert!(value(&over_http, "bivouac_http_connections_open") >= 1.0);

    // Everything that the example rules, the dashboard and their sample know is here, or tells of what is not the case here.
    let sample = std::fs::read_to_string("config/monitoring/sample.prom").unwrap();
    let missing: Vec<String> = names(&sample).difference(&names(&text)).cloned().collect();
    assert_eq!(
        missing,
        [
            "bivouac_bundle_made_timestamp_seconds gauge",
            "bivouac_bundle_stale_after_seconds gauge",
            "bivouac_bundles_pending gauge",
            "bivouac_index_lagging_since_timestamp_seconds gauge",
        ]
    );
    assert_eq!(names(&text).difference(&names(&sample)).count(), 0, "the sample lacks some");
}

#[test]
fn every_url_of_a_source_is_told_apart() {
    let world = World::new("");
    let away = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let text = std::fs::read_to_string(world.env.path("bivouac.toml")).unwrap();
    let text = text.replace("url = [", &format!("url = [\"http://u:s3cret@{away}/\", "));
    world.env.write("bivouac.toml", format!("{text}\n[metrics]\ntextfile = \"bivouac.prom\"\n").as_bytes());
    world.bivouac(&["sync"]).exits_with(0);
    let text = std::fs::read_to_string(world.env.path("bivouac.prom")).unwrap();
    assert_eq!(value(&text, &format!("bivouac_url_up{{source=\"up\",url=\"http://***@{away}/\"}}")), 0.0);
    let up = format!("bivouac_url_up{{source=\"up\",url=\"{}/\"}}", world.env.upstream.url().trim_end_matches('/'));
    assert_eq!(value(&text, &up), 1.0);
    assert!(!text.contains("s3cret"));
}

#[test]
fn a_failing_sync_is_measured_too() {
    let world = World::new("[metrics]\ntextfile = \"bivouac.prom\"\n");
    world.bivouac(&["sync"]).exits_with(0);
    world.env.upstream.fail_always(INDEX, Fault::Status(404));
    world.clock("2026-12-01T04:00:00Z");
    world.bivouac(&["sync"]).exits_with(4);
    let text = std::fs::read_to_string(world.env.path("bivouac.prom")).unwrap();
    assert_eq!(value(&text, "bivouac_task_last_exit_code{task=\"sync\"}"), 4.0);
    assert_eq!(value(&text, "bivouac_task_runs_total{task=\"sync\",exit_code=\"4\"}"), 1.0);
    assert_eq!(value(&text, "bivouac_task_last_success_timestamp_seconds{task=\"sync\"}"), 1_796_090_400.0);
    let repository = "{repository=\"v3.23/main\",arch=\"x86_64\"}";
    assert_eq!(value(&text, &format!("bivouac_repository_last_sync_failed{repository}")), 1.0);
}
