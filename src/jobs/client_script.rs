//! What a client needs, as a script of POSIX sh that does it: it takes a key only when its fingerprint is typed in.
//!
//! The script may have come over any wire; the fingerprint comes another way, from `bivouac key list` or a label. The public tree
//! holds no keys, so they ride in the script. It needs no more than busybox: the SHA-256 of a key's DER is that of its PEM's
//! base64, decoded.

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
    // One key of each repository is enough.
    let mut repositories: Vec<&String> = report.keys.iter().flat_map(|key| &key.repositories).collect();
    repositories.sort();
    repositories.dedup();
    for repository in repositories {
        let keys = report.keys.iter().filter(|key| key.repositories.contains(repository));
        let keys: String = keys.map(|key| format!(" {}", quoted(key.name.as_str()))).collect();
        text += &format!("signed {}{keys}\n", quoted(repository));
    }
    text += WRITTEN;
    for line in report.repositories.iter().chain(&report.templates) {
        // The arch is this machine's: outside of the quotes around the rest.
        text += &format!("line {}\n", quoted(line).replace("{arch}", "'\"$arch\"'"));
    }
    text + TAIL
}

/// A word of the shell.
pub(crate) fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

const HEAD: &str = r#"# Usage: sh THIS-FILE [--root DIR] FINGERPRINT...
# FINGERPRINT is the SHA-256 of a key's DER. Get it another way than this file. Nothing is changed before all of it fits.
set -eu
umask 022
stop() { echo "error: $*" >&2; exit 1; }
usage() { echo "usage: sh THIS-FILE [--root DIR] FINGERPRINT..." >&2; exit 2; }
root=
while [ $# -gt 0 ]; do
    case $1 in
        --root) [ $# -ge 2 ] || usage; root=${2%/}; shift 2 ;;
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
signed() {
    repository=$1
    shift
    for key; do
        case $trusted in */"$key"/*) return ;; esac
    done
    stop "no fingerprint was given of a key that signs $repository"
}
line() { grep -qxF "$1" "$list" || echo "$1" >> "$list"; }

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
