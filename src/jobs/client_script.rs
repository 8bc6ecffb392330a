//! What a client needs, as a script of POSIX sh that does it: it takes a key only when its fingerprint is typed in, and adds the
//! repositories of the machine's own branch.
//!
//! The public tree holds no keys, so they ride in the script, and the fingerprint comes another way, from `bivouac key list` or
//! a label. That keeps a wrong key out, not a wrong script: what came over a wire that nobody guards is compared with what
//! [`script`] makes here, byte for byte the same, before it is run. It needs no more than busybox: the SHA-256 of a key's DER is
//! that of its PEM's base64, decoded.

use super::client::{ClientKey, ClientReport};

/// The script. `url` is told in its first lines alone.
pub fn script(report: &ClientReport, url: &str) -> String {
    let mut text = format!("#!/bin/sh\n# Alpine packages from {url}: keys and repositories for this machine.\n{HEAD}");
    for ClientKey { name, pem, repositories, .. } in &report.keys {
        let name = quoted(name.as_str());
        text += &format!(
            "# signs {}\ncat > \"$new\"/{name} <<'END'\n{}\nEND\nlook {name}\n\n",
            repositories.join(", "),
            pem.trim_end()
        );
    }
    text += COMPARED;
    let mut branches: Vec<&str> = report.repositories.iter().map(|line| branch_of(below(line, url))).collect();
    branches.extend(report.keys.iter().flat_map(|key| &key.repositories).map(|name| branch_of(name)));
    branches.sort_unstable();
    branches.dedup();
    branches.retain(|branch| !branch.is_empty());
    text += &format!("of_branches {}\n", branches.join(" "));
    // One key of each repository is enough.
    let mut repositories: Vec<&String> = report.keys.iter().flat_map(|key| &key.repositories).collect();
    repositories.sort();
    repositories.dedup();
    for repository in repositories {
        let keys = report.keys.iter().filter(|key| key.repositories.contains(repository));
        let keys: String = keys.map(|key| format!(" {}", quoted(key.name.as_str()))).collect();
        text += &format!("signed {} {}{keys}\n", quoted(branch_of(repository)), quoted(repository));
    }
    text += WRITTEN;
    for line in report.repositories.iter().chain(&report.templates) {
        // The arch is this machine's: outside of the quotes around the rest.
        let branch = quoted(branch_of(below(line, url)));
        let line = quoted(line).replace("{arch}", "'\"$arch\"'");
        text += &format!("line {branch} {line}\n");
    }
    text + TAIL
}

/// A repositories line without the address that all of them begin with.
fn below<'l>(line: &'l str, url: &str) -> &'l str {
    line.strip_prefix(url.trim_end_matches('/')).unwrap_or(line).trim_start_matches('/')
}

/// The branch of Alpine's that a repository is for, by the first part of its name; empty where it is for none in particular.
fn branch_of(repository: &str) -> &str {
    let first = repository.split('/').next().unwrap_or_default();
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let numbers = first.strip_prefix('v').and_then(|version| version.split_once('.'));
    let is_branch = first == "edge" || numbers.is_some_and(|(major, minor)| is_number(major) && is_number(minor));
    if is_branch { first } else { "" }
}

/// A word of the shell.
pub(crate) fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

const HEAD: &str = r#"# Usage: sh THIS-FILE [--root DIR] [--branch BRANCH] FINGERPRINT...
# FINGERPRINT is the SHA-256 of a key's DER. Get it another way than this file. Nothing is changed before all of it fits.
# Of repositories that are for a branch those of BRANCH are added, such as v3.23 or edge; else those of this machine's own.
set -eu
umask 022
stop() { echo "error: $*" >&2; exit 1; }
usage() { echo "usage: sh THIS-FILE [--root DIR] [--branch BRANCH] FINGERPRINT..." >&2; exit 2; }
root=
branch=
while [ $# -gt 0 ]; do
    case $1 in
        --root) [ $# -ge 2 ] || usage; root=${2%/}; shift 2 ;;
        --branch) [ $# -ge 2 ] && [ -n "$2" ] || usage; branch=$2; shift 2 ;;
        -*) usage ;;
        *) break ;;
    esac
done
[ $# -gt 0 ] || usage
given=" $(echo "$*" | tr -d : | tr A-F a-f) "
case $given in *[!0-9a-f\ ]*) usage ;; esac
etc=$root/etc/apk
new=$(mktemp -d)
trap 'rm -rf "$new"' EXIT
found=" " trusted=/

fingerprint() { sed /-----/d "$1" | base64 -d | sha256sum | cut -d' ' -f1; }
# Keeps the key when it was asked for; else it is trusted only if it is here already.
look() {
    sum=$(fingerprint "$new/$1")
    case $given in
        *" $sum "*)
            [ ! -e "$etc/keys/$1" ] || [ "$(fingerprint "$etc/keys/$1")" = "$sum" ] || stop "another key lies in $etc/keys/$1"
            found="$found$sum " trusted="$trusted$1/"
            ;;
        *)
            rm -f "$new/$1"
            [ ! -e "$etc/keys/$1" ] || [ "$(fingerprint "$etc/keys/$1")" != "$sum" ] || trusted="$trusted$1/"
            ;;
    esac
}
# Which branch it is, of those that are here.
of_branches() {
    [ $# -gt 0 ] || return 0
    release=$(cat "$root/etc/alpine-release" 2>/dev/null) || release=
    case $branch:$release in
        :*_alpha*) branch=edge ;;
        :[0-9]*.[0-9]*) branch=v$(echo "$release" | cut -d. -f1,2) ;;
        # It says nothing of itself, and there is no choice.
        :) [ $# -gt 1 ] || branch=$1 ;;
    esac
    for offered; do
        [ "$offered" != "$branch" ] || return 0
    done
    stop "this machine is of branch ${branch:-unknown}, and here is $*: say with --branch which it is to have"
}
# Those of no branch are for every machine.
wanted() { [ -z "$1" ] || [ "$1" = "$branch" ]; }
signed() {
    wanted "$1" || return 0
    repository=$2
    shift 2
    for key; do
        case $trusted in */"$key"/*) return ;; esac
    done
    stop "no fingerprint was given of a key that signs $repository"
}
line() {
    if wanted "$1"; then
        grep -qxF "$2" "$list" || echo "$2" >> "$list"
    else
        echo "left out, for it is of another branch: $2"
    fi
}

"#;

const COMPARED: &str = r#"for sum in $given; do
    case $found in *" $sum "*) ;; *) stop "no key here has the fingerprint $sum" ;; esac
done
"#;

const WRITTEN: &str = r#"
# All of it fits: from here on things are changed, each file in one step.
mkdir -p "$etc/keys"
for key in "$new"/*; do
    [ -e "$key" ] || continue
    cp "$key" "$etc/keys/.new"
    mv "$etc/keys/.new" "$etc/keys/${key##*/}"
    echo "$etc/keys/${key##*/}"
done
arch=$(cat "$etc/arch" 2>/dev/null || apk --print-arch 2>/dev/null || uname -m)
list=$etc/.repositories.new
: > "$list"
if [ -e "$etc/repositories" ]; then
    # A last line without an end would swallow ours.
    cat "$etc/repositories" > "$list"
    [ -z "$(tail -c 1 "$list")" ] || echo >> "$list"
fi
"#;

const TAIL: &str = r#"if [ -e "$etc/repositories" ] && cmp -s "$list" "$etc/repositories"; then
    rm "$list"
else
    [ ! -e "$etc/repositories" ] || [ -e "$etc/repositories.before" ] || cp -p "$etc/repositories" "$etc/repositories.before"
    mv "$list" "$etc/repositories"
fi
echo "$etc/repositories"
echo "next: apk update"
"#;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn branches_are_those_of_alpine() {
        for (name, branch) in [
            ("v3.23/main", "v3.23"),
            ("edge/testing", "edge"),
            ("v3.23", "v3.23"),
            ("{arch}/main", ""),
            ("v3/main", ""),
            ("v3.x/main", ""),
            ("v.1/main", ""),
            ("site", ""),
        ] {
            assert_eq!(branch_of(name), branch, "{name}");
        }
        assert_eq!(below("http://m.example/a/v3.23/main", "http://m.example/a/"), "v3.23/main");
    }
}
