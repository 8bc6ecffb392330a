//! `init`, `config`, `key`: a first configuration, its mistakes, its keys.

use super::env::Env;

#[test]
fn init_sets_up_what_the_other_commands_understand() {
    let env = Env::new();
    let variables = [("USER", "ops")];
    let report = env.bivouac_with(&variables, &["--json", "init", "new"]).exits_with(0).json();
    let private = report["key"]["private"].as_str().unwrap();
    assert!(private.starts_with("new/keys/ops@") && private.ends_with(".rsa"), "{private}");

    let config = ["--config", "new/bivouac.toml"];
    let with = |arguments: &[&str]| env.bivouac(&[&config, arguments].concat());
    let checked = with(&["config", "check"]);
    let expected = "new/bivouac.toml: no mistakes; sources: 1, repositories: 1\n";
    assert_eq!((checked.code, &checked.stdout[..]), (Some(0), expected));
    let list = with(&["--json", "key", "list"]).exits_with(0).json();
    assert_eq!(list["signing"]["fingerprint"], report["key"]["fingerprint"]);
    assert_eq!(list["signing"]["bits"], 4096);
    let public = std::fs::read_to_string(env.path(&format!("{private}.pub"))).unwrap();
    assert_eq!(with(&["key", "export"]).exits_with(0).stdout, public);

    // What is shown is a configuration of the same meaning.
    let shown = with(&["config", "show"]).exits_with(0).stdout.clone();
    env.write("shown.toml", shown.as_bytes());
    assert_eq!(env.bivouac(&["--config", "shown.toml", "config", "show"]).exits_with(0).stdout, shown);

    let again = env.bivouac(&["init", "new"]);
    again.exits_with(2).tells(&["error: new/bivouac.toml is there already; init overwrites nothing"]);
}

#[test]
fn a_new_key_is_made_beside_a_configuration_that_does_not_resolve_yet() {
    let env = Env::new();
    env.write("bivouac.toml", b"store = \"store\"\npublic = \"site/alpine\"\n");
    let made = env.bivouac(&["key", "new", "site@example.org-1", "--bits", "2048"]);
    made.exits_with(0);
    assert!(made.stdout.contains("key = \"keys/site@example.org-1.rsa\""), "{made}");
    assert!(env.path("keys/site@example.org-1.rsa.pub").is_file());
    env.bivouac(&["key", "new", "site@example.org-1", "--bits", "2048"])
        .exits_with(2)
        .tells(&["error: keys/site@example.org-1.rsa is there already; a key is never overwritten"]);
    env.bivouac(&["key", "new", "--bits", "1024"]).exits_with(2).tells(&["error: --bits is 1024, not 2048 or 4096"]);
    env.bivouac(&["key", "new", "../escape", "--bits", "2048"]).exits_with(2).tells(&["no key can have this name"]);
}

const ALPINE: &str = "[sources.alpine]\nurl = [\"{upstream}\"]\nkeyring = \"alpine\"\n";

#[test]
fn an_undefined_source_ends_with_the_line_and_what_was_meant() {
    let env = Env::new();
    env.configure(&format!("{ALPINE}[[repositories]]\nfrom = [\"alpin:v3.23/main\"]\narches = [\"x86_64\"]\n"));
    let ran = env.bivouac(&["config", "check"]);
    ran.exits_with(2);
    assert_eq!(
        ran.stderr,
        "error: bivouac.toml:11: repository \"v3.23/main\" takes from source \"alpin\", which is not defined\n  \
         hint: did you mean \"alpine\"?\n"
    );
    let error = env.bivouac(&["--json", "config", "check"]).exits_with(2).json();
    assert_eq!(error["error"]["code"], "config-invalid");
    assert_eq!(error["error"]["hint"], "did you mean \"alpine\"?");
}

#[test]
fn several_mistakes_are_told_at_once() {
    let env = Env::new();
    env.configure(&format!(
        "{ALPINE}origin = \"alpine\"\n[[repositories]]\nfrom = [\"alpine:v3.23/main\"]\narches = [\"noarch\"]\n"
    ));
    let ran = env.bivouac(&["config", "check"]);
    ran.exits_with(2);
    let lines: Vec<_> = ran.stderr.lines().collect();
    assert_eq!(lines[0], "error: bivouac.toml has 2 mistakes");
    assert_eq!(lines[1], "  bivouac.toml:10: sources.alpine.origin has no meaning for a url");
    assert!(lines[2].starts_with("  bivouac.toml:13: noarch is a package's architecture"), "{ran}");
    let error = env.bivouac(&["--json", "config", "check"]).exits_with(2).json();
    assert_eq!(error["error"]["causes"].as_array().unwrap().len(), 2);
}

#[test]
fn the_flag_goes_before_the_variable_and_both_before_the_folder() {
    let env = Env::new();
    let named = |name: &str| format!("store = \"{name}\"\npublic = \"p\"\n");
    for name in ["flag", "variable", "bivouac"] {
        env.write(&format!("{name}.toml"), named(name).as_bytes());
    }
    let variable = [("BIVOUAC_CONFIG", "variable.toml")];
    for (ran, file) in [
        (env.bivouac_with(&variable, &["--config", "flag.toml", "config", "check"]), "flag.toml"),
        (env.bivouac_with(&variable, &["config", "check"]), "variable.toml"),
        (env.bivouac(&["config", "check"]), "bivouac.toml"),
    ] {
        ran.exits_with(2);
        assert_eq!(ran.stderr, format!("error: {file}: no [[repositories]]: nothing would be published\n"));
    }
    let missing = env.bivouac(&["--config", "none.toml", "config", "check"]);
    missing.exits_with(2).tells(&["error: configuration none.toml does not exist"]);
}

#[test]
fn a_key_open_to_others_does_not_sign() {
    use std::os::unix::fs::PermissionsExt as _;

    let env = Env::new();
    env.configure(&format!("{ALPINE}[[repositories]]\nfrom = [\"alpine:v3.23/main\"]\narches = [\"x86_64\"]\n"));
    env.bivouac(&["key", "export"]).exits_with(0);
    for entry in std::fs::read_dir(env.path("keys")).unwrap() {
        std::fs::set_permissions(entry.unwrap().path(), std::fs::Permissions::from_mode(0o644)).unwrap();
    }
    let ran = env.bivouac(&["key", "export"]);
    ran.exits_with(2).tells(&["is open to others (mode 0644)", "hint: chmod 600 "]);
}
