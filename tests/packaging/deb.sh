#!/bin/bash
# deb.sh DEB [BINARY]: installs the package into a scratch root, runs its program there, removes and purges it, and looks at
# what is there after each step. BINARY, where it is given, must be what the package installs. No service manager is needed,
# nor root, and nothing outside of the scratch root is changed.
set -euo pipefail
deb="$(readlink -f "${1:?usage: deb.sh DEB [BINARY]}")"
binary="${2:-}"
cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/../.."
if ! command -v dpkg >/dev/null; then
    echo "skipped: dpkg is not here"
    exit 0
fi

scratch="$(mktemp -d)"
trap 'rm -rf "$scratch"' EXIT
root="$scratch/root"
fail() { printf 'deb: %s\n' "$*" >&2; exit 1; }
has() { [ -e "$root/$1" ] || fail "$2: /$1 is not there"; }
mode() { [ "$(stat -c %a "$root/$1")" = "$2" ] || fail "/$1 has mode $(stat -c %a "$root/$1"), not $2"; }

# The smallest system that dpkg takes for one. Its scripts run outside with DPKG_ROOT: there is no shell in it.
mkdir -p "$root/var/lib/dpkg/info" "$root/var/lib/dpkg/updates" "$root/var/lib/dpkg/triggers" "$root/etc"
touch "$root/var/lib/dpkg/status" "$root/var/lib/dpkg/available"
printf 'root:x:0:0:root:/root:/bin/sh\n' >"$root/etc/passwd"
printf 'root:x:0:\n' >"$root/etc/group"
package() {
    PATH="$PATH:/usr/sbin:/sbin" dpkg --root="$root" --log="$scratch/log" --force-not-root --force-depends \
        --force-script-chrootless "$@" >"$scratch/said" 2>&1 </dev/null || {
        cat "$scratch/said" >&2
        fail "dpkg $* failed"
    }
}

# --- install ----------------------------------------------------------------------------------------------------------
package --install "$deb"
status="$(dpkg-query --admindir="$root/var/lib/dpkg" --show --showformat='${db:Status-Status}' bivouac)"
[ "$status" = installed ] || fail "installed, it is $status"
has usr/bin/bivouac installed
mode usr/bin/bivouac 755
units=0
for unit in systemd/*.service systemd/*.socket systemd/*.timer systemd/*.path; do
    cmp "$unit" "$root/usr/lib/systemd/system/${unit##*/}" || fail "${unit##*/} is not the source's"
    units=$((units + 1))
done
for file in usr/lib/systemd/system-preset/70-bivouac.preset usr/lib/{sysusers,tmpfiles}.d/bivouac.conf \
    usr/share/man/man1/bivouac.1.gz usr/share/man/man1/bivouac-{sync,check,backup,serve,daemon}.1.gz \
    usr/share/bash-completion/completions/bivouac usr/share/zsh/vendor-completions/_bivouac \
    usr/share/fish/vendor_completions.d/bivouac.fish \
    usr/share/doc/bivouac/{copyright,LICENSE-APACHE,LICENSE-MIT}; do
    has "$file" installed
    [ -s "$root/$file" ] || fail "/$file is empty"
done
for readme in "$root"/usr/share/doc/bivouac/README.md*; do [ -s "$readme" ] || fail "no README"; done
for example in config/*.toml; do has "usr/share/doc/bivouac/examples/${example##*/}" installed; done
conffiles="$(dpkg-query --admindir="$root/var/lib/dpkg" --show --showformat='${Conffiles}' bivouac)"
[ -z "$conffiles" ] || fail "it has conffiles: $conffiles"
[ -z "$(find "$root/etc/systemd" -name 'bivouac*' 2>/dev/null)" ] || fail "something was enabled"
if [ -n "$binary" ]; then
    # Symbols may be stripped on the way; what it is must be the same.
    cmp -s "$binary" "$root/usr/bin/bivouac" ||
        [ "$("$binary" --version)" = "$("$root/usr/bin/bivouac" --version)" ] || fail "another program is in it than $binary"
fi
grep -q '^bivouac:' "$root/etc/passwd" || fail "there is no user bivouac: $(cat "$scratch/said")"
if [ "$(id -u)" -eq 0 ]; then
    # Whose folders these are can be set by root alone.
    uid="$(sed -n 's/^bivouac:[^:]*:\([0-9]*\):.*/\1/p' "$root/etc/passwd")"
    mode etc/bivouac/keys 700
    mode etc/bivouac/secrets 700
    mode srv/bivouac 755
    mode srv/bivouac/store 700
    [ "$(stat -c %u "$root/srv/bivouac/store")" = "$uid" ] || fail "the store is not the user's"
    [ "$(stat -c %u "$root/etc/bivouac/secrets")" = 0 ] || fail "the secrets are not root's"
fi
echo "installed: the program, $units units, man pages, completions, examples"

# --- run --------------------------------------------------------------------------------------------------------------
"$root/usr/bin/bivouac" demo --once --dir "$scratch/demo" >"$scratch/said" 2>&1 </dev/null || {
    cat "$scratch/said" >&2
    fail "the installed program's demo failed"
}
echo "the installed program mirrors, signs and publishes"

# --- once more, then away ---------------------------------------------------------------------------------------------
mkdir -p "$root/srv/bivouac/store/pool" "$root/srv/bivouac/public" "$root/etc/bivouac/keys"
for data in srv/bivouac/store/pool/object srv/bivouac/public/index etc/bivouac/bivouac.toml etc/bivouac/keys/ours.rsa; do
    echo "$data" >"$root/$data"
done
data() {
    for data in srv/bivouac/store/pool/object srv/bivouac/public/index etc/bivouac/bivouac.toml etc/bivouac/keys/ours.rsa; do
        [ "$(cat "$root/$data" 2>/dev/null)" = "$data" ] || fail "$1: /$data is lost"
    done
}
package --install "$deb"
data "installed over itself"
echo "installed over itself: data is as it was"

dpkg-deb --contents "$deb" | awk '$1 ~ /^[-l]/ { sub("^[.]/", "", $6); print $6 }' >"$scratch/files"
[ -s "$scratch/files" ] || fail "the package lists no files"
gone() {
    while IFS= read -r file; do
        [ ! -e "$root/$file" ] || fail "$1: /$file is left"
    done <"$scratch/files"
}
package --remove bivouac
gone removed
data removed
echo "removed: no file of the program is left, data is as it was"

package --purge bivouac
gone purged
data purged
[ -z "$(find "$root/usr" -name '*bivouac*' 2>/dev/null)" ] || fail "purged: $(find "$root/usr" -name '*bivouac*') is left"
if [ -d "$root/srv/bivouac/packages" ] || [ -d "$root/etc/bivouac/secrets" ]; then fail "purged: empty folders are left"; fi
echo "purged: data is as it was, empty folders are gone"

# What was never used leaves nothing.
rm -rf "$root/srv/bivouac" "$root/etc/bivouac"
package --install "$deb"
package --purge bivouac
if [ -d "$root/srv/bivouac" ] || [ -d "$root/etc/bivouac" ]; then fail "installed and purged: folders are left"; fi
echo "installed and purged at once: nothing is left"
