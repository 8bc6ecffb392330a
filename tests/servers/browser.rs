//! A real browser on the pages of the demo; what it does there is in `browser/visit.mjs`.

use std::io::BufReader;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use super::env::Env;
use super::program;

/// The demo's server; it ends with this value.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_browser_finds_nothing_wrong_on_any_page_of_the_demo() {
    let (Some(chromium), Some(node)) = (program("chromium"), program("node")) else { return };
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/servers/browser");
    if !folder.join("node_modules").is_dir() {
        println!("skipped: `npm ci` was not run in tests/servers/browser");
        return;
    }
    let env = Env::new();
    let mut demo = env.command(&["--json", "demo", "--dir", "demo", "--listen", "127.0.0.1:0"]);
    let mut demo = Running(demo.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap());
    // One value over several lines; the server goes on behind it.
    let told = BufReader::new(demo.0.stdout.take().unwrap());
    let told = serde_json::Deserializer::from_reader(told).into_iter::<Value>().next().unwrap().unwrap();
    let address = told["listening"].as_str().unwrap();
    // A second generation, and runs to draw, one of them in trouble.
    let config = ["--config", "demo/bivouac.toml"];
    let bivouac = |arguments: &[&str]| env.bivouac(&[&config[..], arguments].concat());
    std::fs::remove_file(env.path("demo/packages/x86_64/trail-log-1.4-r0.apk")).unwrap();
    bivouac(&["sync"]).exits_with(0);
    // Upstream signed it, which is nobody for the private source.
    let strange = "demo/upstream/www/alpine/v3.23/main/x86_64/knots-1.1-r0.apk";
    std::fs::copy(env.path(strange), env.path("demo/packages/x86_64/knots-1.1-r0.apk")).unwrap();
    bivouac(&["sync"]).exits_with(3);
    bivouac(&["check"]).exits_with(0);

    let mut visit = Command::new(node);
    visit.arg(folder.join("visit.mjs")).arg(format!("http://{address}")).env("CHROMIUM", chromium);
    let output = visit.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}{errors}");
    let told: Value = serde_json::from_str(&said).unwrap_or_else(|error| panic!("{error}: {said}{errors}"));
    assert_eq!(told["found"], serde_json::json!([]), "{said}");
    for kind in ["/", "/search", "/package", "/why", "/snapshots", "/diff", "/setup", "/files", "folder"] {
        assert!(told["kinds"][kind].as_u64() > Some(0), "{kind} was not visited: {said}");
    }
    assert!(told["checked"].as_u64() > Some(1000), "{said}");
}
