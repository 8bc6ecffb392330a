//! `[schedule]`, `[serve]`, `[metrics]` and `[notify]`.

use super::*;

fn problems_of(tables: &str) -> Vec<String> {
    let text = format!("{RIGHT}{BRANCHES}\n[backups.disk]\ntarget = \"/media/disk\"\n{tables}");
    match Config::parse(&text, Path::new("b.toml"), Path::new("/site"), None) {
        Err(Error::Refused(problems)) => problems.iter().map(|problem| problem.text.clone()).collect(),
        Err(other) => panic!("{other}"),
        Ok(_) => Vec::new(),
    }
}

#[test]
fn a_wrong_cron_line_is_told_with_its_position() {
    for (line, problem) in [
        ("17 24 * * *", "schedule.sync is no crontab line: hour: 0 to 23, not \"24\" (at column 4 of \"17 24 * * *\")"),
        ("hourly", "schedule.sync is no crontab line: a line has five fields"),
    ] {
        let found = problems_of(&format!("[schedule]\nsync = \"{line}\"\n"));
        assert!(found.len() == 1 && found[0].starts_with(problem), "{found:?}");
    }
}

#[test]
fn a_time_zone_that_does_not_exist_is_refused() {
    for zone in ["Europe/Berln", "CEST-ish", "", "../../etc/passwd", "Etc/Unknown "] {
        let found = problems_of(&format!("[schedule]\ntimezone = \"{zone}\"\nsync = \"0 * * * *\"\n"));
        assert_eq!(found, [format!("schedule.timezone is {zone:?}: there is no such time zone")]);
    }
    for zone in ["UTC", "Europe/Berlin", "America/Argentina/Buenos_Aires", "Etc/GMT+5"] {
        let found = problems_of(&format!("[schedule]\ntimezone = \"{zone}\"\nsync = \"0 * * * *\"\n"));
        assert!(found.is_empty(), "{zone}: {found:?}");
    }
}

#[test]
fn all_that_is_wrong_is_told_at_once() {
    let found = problems_of(
        "[schedule]\njitter = \"soon\"\ncheck = \"x\"\nbackup = { disc = \"0 0 * * *\" }\n[serve]\nlisten = \"8080\"\n\
         [metrics]\ntextfile = \"bivouac.txt\"\n[notify]\nwebhook = \"ftp://h/s3cret\"\ncommand = []\ntimeout = \"0s\"\n",
    );
    let starts = [
        "schedule.jitter is \"soon\"",
        "schedule.check is no crontab line",
        "schedule.backup names \"disc\", but there is no [backups.disc]",
        "serve.listen is \"8080\"",
        "metrics.textfile is \"bivouac.txt\"; its name has to end in .prom",
        "notify.webhook has the scheme \"ftp\"",
        "notify.command names no program",
        "notify.timeout is 0s",
    ];
    assert_eq!(found.len(), starts.len(), "{found:#?}");
    for (problem, start) in found.iter().zip(starts) {
        assert!(problem.starts_with(start), "{problem}");
        assert!(!problem.contains("s3cret"), "{problem}");
    }
}

#[test]
fn a_webhook_is_shown_without_its_secret() {
    let text =
        format!("{RIGHT}{BRANCHES}\n[notify]\nwebhook = \"https://u:p@hooks.example.org:8443/T0/s3cret?k=s3cret\"\n");
    let config = Config::parse(&text, Path::new("b.toml"), Path::new("/site"), None).unwrap();
    let shown = format!("{}{}{config:?}", config.to_toml(), serde_json::to_string(&config).unwrap());
    assert!(!shown.contains("s3cret") && !shown.contains("u:p"), "{shown}");
    assert!(shown.contains("https://hooks.example.org:8443/****"), "{shown}");
}

const HTTPS: &str = "[serve]\nlisten = \"[::]:8443\"\nurl = \"https://M.example/alpine/\"\ntls = { cert = \"tls/mirror.pem\", key = \"$CREDENTIALS_DIRECTORY/secrets/key\" }\n\
                     client_ca = \"tls/../clients.pem\"\nbasic_file = \"/etc/users\"\n";

#[test]
fn what_is_served_how_and_to_whom_resolves_and_is_printed_as_it_means() {
    let text = format!("{RIGHT}{BRANCHES}\n{HTTPS}");
    let config = Config::parse(&text, Path::new("b.toml"), Path::new("/site"), None).unwrap();
    let expected = Serve {
        listen: Some("[::]:8443".parse().unwrap()),
        url: Some("https://m.example/alpine".to_owned()),
        tls: Some(ServerFiles { certificate: "/site/tls/mirror.pem".into(), key: "/site/secrets/key".into() }),
        client_ca: Some("/site/clients.pem".into()),
        basic_file: Some("/etc/users".into()),
    };
    assert_eq!(config.serve, expected);
    let again = Config::parse(&config.to_toml(), Path::new("b.toml"), Path::new("/elsewhere"), None).unwrap();
    assert_eq!(again.serve, expected, "{}", config.to_toml());
    let json = serde_json::to_value(&config).unwrap();
    assert_eq!(json["serve"]["tls"]["cert"], "/site/tls/mirror.pem", "{json}");
    let kinds = config.named_files();
    for (path, kind) in [
        ("/site/tls/mirror.pem", FileKind::Open),
        ("/site/secrets/key", FileKind::Private),
        ("/site/clients.pem", FileKind::Open),
        ("/etc/users", FileKind::Private),
    ] {
        assert!(kinds.contains(&NamedFile { path: path.into(), kind }), "{path}: {kinds:?}");
    }
}

#[test]
fn half_of_what_tls_needs_is_refused_with_its_line() {
    for (serve, expected) in [
        ("tls = { cert = \"c\" }", "tls has both a cert and a key"),
        (
            "tls = { cert = \"c\", key = \"$HOME/k\" }",
            "of variables, serve.tls.key may begin with $CREDENTIALS_DIRECTORY/ alone",
        ),
        ("tls = { cert = \"\", key = \"k\" }", "serve.tls.cert is not a path: \"\""),
        ("tls = { certificate = \"c\", key = \"k\" }", "unknown key \"certificate\" in [serve.tls]"),
        ("tls = \"c\"", "serve.tls must be a table"),
        ("client_ca = \"c\"", "serve.client_ca without serve.tls: only who speaks TLS can show a certificate"),
        ("basic_file = [\"f\"]", "serve.basic_file must be text"),
        ("url = \"mirror.example\"", "serve.url is no address like"),
        ("url = \"https://u:p@mirror.example\"", "serve.url is no address like"),
        ("url = \"https://mirror.example/?a\"", "serve.url is no address like"),
        ("url = \"ftp://mirror.example\"", "serve.url is no address like"),
    ] {
        let said = said_of(&format!("{BRANCHES}[serve]\n{serve}\n"));
        assert!(said.starts_with("16: ") && said.contains(expected), "{serve}: {said}");
    }
}
