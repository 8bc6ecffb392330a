//! Repositories, aliases, and what repositories are beside.

use super::*;

#[test]
fn mistakes_in_a_repository() {
    let main = "from = ['alpine:v3.23/main']\narches = ['x86_64']\n";
    for (repository, expected) in [
        ("arches = ['x86_64']", "11: repository takes from no source".to_owned()),
        ("from = []\narches = ['x86_64']", "11: repository takes from no source".to_owned()),
        (
            "from = ['alpine:v3.23/main']",
            "11: repository from \"alpine:v3.23/main\" has no arches (arches = [\"x86_64\"])".to_owned(),
        ),
        (
            "from = ['alpine:v3.23/main']\narches = ['x86_64', 'noarch']",
            "13: noarch is a package's architecture, never an index's (name the architectures of your machines; noarch packages are part of each)".to_owned(),
        ),
        (
            "from = ['alpine:v3.23/main']\narches = ['x86-64']",
            "13: \"x86-64\" is not an architecture ([a-z0-9_]+, at most 32 bytes)".to_owned(),
        ),
        (
            "name = 'm'\nfrom = ['alpine:v3.23/main']\narches = ['x86_64', 'x86_64']",
            "14: repository \"m\" names the arch x86_64 twice".to_owned(),
        ),
        (
            "from = ['alpine']\narches = ['x86_64']",
            "11: a repository that takes from the top of a source needs a name".to_owned(),
        ),
        (
            "from = ['alpine:a', 'alpine:b']\narches = ['x86_64']",
            "11: a repository that takes from several needs a name".to_owned(),
        ),
        (
            "name = 'm'\nfrom = ['alpine:a', 'alpine:a']\narches = ['x86_64']",
            "13: repository \"m\" takes from \"alpine:a\" twice".to_owned(),
        ),
        (
            "name = '../x'\nfrom = ['alpine:a']\narches = ['x86_64']",
            "12: \"../x\" is not a repository name (segments of [A-Za-z0-9_][A-Za-z0-9._+-]* joined by /)".to_owned(),
        ),
        (
            "name = 'm'\nfrom = ['alpine:../a']\narches = ['x86_64']",
            "13: repository \"m\" takes from \"alpine:../a\", whose path is not segments joined by /".to_owned(),
        ),
        (
            "name = 'm'\nfrom = ['acme-packages:sub']\narches = ['x86_64']",
            "13: repository \"m\" takes from \"acme-packages:sub\", but a directory has no paths (write \"acme-packages\")".to_owned(),
        ),
        (
            "name = 'm'\nfrom = ['acme-packages']\narches = ['x86_64']\nindex = 'cosigned'",
            "13: repository \"m\" keeps upstream's index, but source \"acme-packages\" is a directory (index = \"ours\" makes an index and signs it with our key)".to_owned(),
        ),
        (
            "name = 'm'\nfrom = ['alpine:a', 'alpine:b']\narches = ['x86_64']\nindex = 'upstream'",
            "13: repository \"m\" keeps upstream's index (index = \"upstream\") and so takes from exactly one source".to_owned(),
        ),
        (
            &format!("{main}index = 'upstream'\npackages = ['nginx']"),
            "15: repository from \"alpine:v3.23/main\" keeps upstream's index (index = \"upstream\") and so cannot have packages (index = \"ours\" lists what was chosen and signs it with our key)".to_owned(),
        ),
        (
            &format!("{main}index = 'ustream'"),
            "14: repositories.index is \"ustream\", not \"ours\" or \"upstream\" or \"cosigned\" or \"origin\" (did you mean \"upstream\"?)".to_owned(),
        ),
        (
            &format!("{main}prefer = 'oldest'"),
            "14: repositories.prefer is \"oldest\", not \"order\" or \"newest\" or \"all\"".to_owned(),
        ),
        (
            &format!("{main}index = 'upstream'\nprefer = 'all'"),
            "15: repository from \"alpine:v3.23/main\" keeps upstream's index (index = \"upstream\") and so cannot have prefer (index = \"ours\" lists what was chosen and signs it with our key)".to_owned(),
        ),
        (
            &format!("{main}together = ' '"),
            "14: repository \"v3.23/main\" moves together with nothing".to_owned(),
        ),
        (
            &format!("{main}incomplete = 'cary'"),
            "14: repositories.incomplete is \"cary\", not \"refuse\" or \"carry\" (did you mean \"carry\"?)".to_owned(),
        ),
        (
            &format!("{main}index = 'cosigned'\nincomplete = 'carry'"),
            "15: repository from \"alpine:v3.23/main\" keeps upstream's index (index = \"cosigned\") and so cannot have incomplete = \"carry\" (index = \"ours\" lists what was chosen and signs it with our key)".to_owned(),
        ),
        (
            &format!("{main}must_install = ['nginx', 'a=']"),
            "14: must_install: \"a=\" is not a dependency that apk can read (a term of apk's world format (\"nginx>1.26\"), or \"@FILE\" with such terms)".to_owned(),
        ),
        (
            &format!("{main}keep_versions = 0"),
            "14: repositories.keep_versions is 0, not 1 to 100".to_owned(),
        ),
        (
            &format!("{main}index = 'upstream'\nkeep_versions = 2"),
            "15: repository from \"alpine:v3.23/main\" keeps upstream's index (index = \"upstream\") and so cannot have keep_versions (index = \"ours\" lists what was chosen and signs it with our key)".to_owned(),
        ),
        (
            &format!("{main}packages = []"),
            "14: repository from \"alpine:v3.23/main\" takes no packages (without the key, everything is taken)".to_owned(),
        ),
        (&format!("{main}packages = {{}}"), "14: repository from \"alpine:v3.23/main\" takes no packages (without the key, everything is taken)".to_owned()),
        (
            &format!("{main}packages = {{ alpin = ['nginx'] }}"),
            "14: repository from \"alpine:v3.23/main\" has packages of source \"alpin\", from which it does not take (did you mean \"alpine\"?)".to_owned(),
        ),
        (
            "name = 'm'\nfrom = ['acme-packages']\narches = ['x86_64']\npackages = { acme-packages = ['a'] }",
            "15: repository \"m\" has packages of source \"acme-packages\", but a directory gives all it holds".to_owned(),
        ),
        (
            &format!("{main}packages = ['nginx=1.2']"),
            "14: \"nginx=1.2\" is neither a package name nor a glob over names".to_owned(),
        ),
        (
            &format!("{main}packages = ['nginx*', '[a']"),
            "14: \"[a\" is not a glob: unclosed character class; missing ']'".to_owned(),
        ),
        (
            &format!("{main}packages = ['origin:']"),
            "14: \"\" is not a package name ([A-Za-z0-9][A-Za-z0-9._+-]*, at most 200 bytes)".to_owned(),
        ),
        (&format!("{main}packages = ['@']"), "14: a world file is not a path: \"\"".to_owned()),
        (
            &format!("{main}exclude = ['']"),
            "14: \"\" is neither a package name nor a glob over names".to_owned(),
        ),
        (
            &format!("{main}dependencies = true"),
            "14: repository from \"alpine:v3.23/main\" says dependencies, which has no meaning without packages: everything is taken".to_owned(),
        ),
        (
            &format!("{main}pakages = ['nginx']"),
            "14: unknown key \"pakages\" in [[repositories]] (did you mean \"packages\"?)".to_owned(),
        ),
        (
            "from = ['alpine:{branch}/main']\narches = ['x86_64']",
            "12: \"alpine:{branch}/main\" has {branch}, to which \"for\" gives no values".to_owned(),
        ),
        (
            "from = ['alpine:{brnch}/{branch}']\narches = ['x86_64']\nfor = { branch = ['a'] }",
            "12: \"alpine:{brnch}/{branch}\" has {brnch}, to which \"for\" gives no values (did you mean \"branch\"?)".to_owned(),
        ),
        (
            "from = ['alpine:{branch']\narches = ['x86_64']",
            "12: \"alpine:{branch\" has a brace without its partner".to_owned(),
        ),
        (
            "from = ['alpine:a']\narches = ['x86_64']\nfor = { branch = ['a', 'b'] }",
            "14: neither from nor name has {branch}, which \"for\" gives values".to_owned(),
        ),
        (
            "from = ['alpine:{branch}']\narches = ['x86_64']\nfor = { branch = [] }",
            "14: \"for\" gives \"branch\" no values: nothing would be published".to_owned(),
        ),
        (
            "name = 'm'\nfrom = ['alpine:{branch}']\narches = ['x86_64']\nfor = { branch = ['a', 'b'] }",
            "11: repository \"m\" for x86_64 is already defined at line 11".to_owned(),
        ),
        (
            &format!("{main}[[repositories]]\n{main}"),
            "14: repository \"v3.23/main\" for x86_64 is already defined at line 11".to_owned(),
        ),
        (
            &format!("{main}[[repositories]]\nname = 'v3.23/main/x86_64/extra'\n{main}"),
            "14: repository \"v3.23/main/x86_64/extra\" lies inside the folder \"v3.23/main/x86_64\" of repository \"v3.23/main\"".to_owned(),
        ),
    ] {
        assert_eq!(said_of(&format!("[[repositories]]\n{repository}\n")), expected, "{repository}");
    }
    assert_eq!(said(RIGHT), "bivouac.toml: no [[repositories]]: nothing would be published");
}

#[test]
fn mistakes_in_beside() {
    let block = |more: &str| format!("[[repositories]]\nfrom = ['alpine:v3.23/main']\narches = ['x86_64']\n{more}\n");
    for (beside, expected) in [
        (
            "['v3.23/man']",
            "11: repository \"v3.23/main\" has \"v3.23/man\" beside it, which is not defined (did you mean \"v3.23/main\"?)",
        ),
        ("['v3.23/main']", "14: repository \"v3.23/main\" is beside itself"),
        ("['../x']", "14: \"../x\" is not a repository name (segments of [A-Za-z0-9_][A-Za-z0-9._+-]* joined by /)"),
        (
            "['{branch}/main']",
            "14: \"{branch}/main\" has {branch}, to which \"for\" gives no values (did you mean \"arch\"?)",
        ),
    ] {
        assert_eq!(said_of(&block(&format!("beside = {beside}"))), expected);
    }
}

#[test]
fn mistakes_in_aliases() {
    let with = |alias: &str| {
        said_of(&format!("[[repositories]]\nfrom = ['alpine:v3.23/main']\narches = ['x86_64']\n[aliases]\n{alias}\n"))
    };
    let grammar = "not segments of [A-Za-z0-9_][A-Za-z0-9._+-]* joined by /";
    for (alias, expected) in [
        ("'v3.23' = 'v3.23/main'", "15: alias \"v3.23\" would hide the folder of a repository".to_owned()),
        (
            "'v3.23/main/x86_64' = 'v3.23'",
            "15: alias \"v3.23/main/x86_64\" would hide the folder of a repository".to_owned(),
        ),
        (
            "'v3.23/main/x86_64/a' = 'v3.23'",
            "15: alias \"v3.23/main/x86_64/a\" lies inside the folder of a repository".to_owned(),
        ),
        (
            "'v3.23/again' = 'v3.23'",
            "15: alias \"v3.23/again\" leads to \"v3.23\", in which it lies: a circle".to_owned(),
        ),
        ("a = 'a'", "15: alias \"a\" leads to the alias \"a\"; name the folder itself".to_owned()),
        (
            "a = 'v3.23'\nb = 'a/main'",
            "16: alias \"b\" leads to the alias \"a/main\"; name the folder itself".to_owned(),
        ),
        ("a = 'v3.23'\n'a/b' = 'v3.23'", "16: alias \"a/b\" lies inside another alias".to_owned()),
        (
            "a = 'v3.24'",
            "15: alias \"a\" leads to \"v3.24\", where no repository lies (did you mean \"v3.23\"?)".to_owned(),
        ),
        ("a = '/etc'", format!("15: what an alias leads to is \"/etc\", {grammar}")),
        ("a = '../x'", format!("15: what an alias leads to is \"../x\", {grammar}")),
        ("'../a' = 'v3.23'", format!("15: an alias is \"../a\", {grammar}")),
        ("'@qa' = 'v3.23'", format!("15: an alias is \"@qa\", {grammar}")),
        ("'.generations' = 'v3.23'", format!("15: an alias is \".generations\", {grammar}")),
        ("'{arch}' = 'v3.23'", format!("15: an alias is \"{{arch}}\", {grammar}")),
        ("a = 7", "15: aliases.a must be text (\"…\"), not a number".to_owned()),
    ] {
        assert_eq!(with(alias), expected, "{alias}");
    }
}

#[test]
fn one_folder_may_hold_two_blocks_of_different_arches() {
    let block = |arch: &str| format!("[[repositories]]\nfrom = ['alpine:v3.23/main']\narches = ['{arch}']\n");
    assert_eq!(right(&(block("x86_64") + &block("aarch64"))).repositories.len(), 2);
}

#[test]
fn a_key_is_needed_where_we_sign() {
    let without = RIGHT.replace("[signing]\nkey = \"keys/ops@example.org-6743a0c1.rsa\"\n", "");
    let block = |index: &str| {
        format!("{without}[[repositories]]\nfrom = [\"alpine:v3.23/main\"]\narches = [\"x86_64\"]\nindex = {index:?}\n")
    };
    assert!(parse(&block("upstream")).unwrap().signing.is_none());
    for index in ["ours", "cosigned"] {
        assert_eq!(
            said(&block(index)),
            format!(
                "bivouac.toml:9: repository \"v3.23/main\" is signed by us (index = {index:?}), but no key is named \
                 (`bivouac key new` makes one; name it under [signing] as key)"
            )
        );
    }
}
