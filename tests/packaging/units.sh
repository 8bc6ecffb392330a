#!/bin/bash
# What the packaging files of this source promise, as far as it can be told without installing them: units are understood by
# systemd and shut in (exposure 1.5 at most), scripts are sh, sysusers and tmpfiles make what the units need.
# A line for each file; the last names how many had findings. Needs no root, changes nothing outside a scratch folder.
set -u
cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/../.." || exit 1

scratch="$(mktemp -d)" || exit 1
trap 'rm -rf "$scratch"' EXIT
findings=0

# say NAME WHAT-WAS-DONE CODE OUTPUT: a check that ended with CODE; output is a finding, too.
say() {
    if [ "$3" -eq 0 ] && [ -z "$4" ]; then
        printf 'ok       %-24s %s\n' "$1" "$2"
    else
        printf 'FINDING  %-24s %s (exit %s)\n' "$1" "$2" "$3"
        [ -z "$4" ] || printf '%s\n' "$4" | sed 's/^/         /'
        findings=$((findings + 1))
    fi
}

# --- scripts ----------------------------------------------------------------------------------------------------------
# OpenRC's and abuild's files are read by busybox sh.
sh="sh"
! command -v busybox >/dev/null || sh="busybox sh"
packaging=config/packaging
for script in "$packaging"/openrc/bivouac.initd "$packaging"/openrc/bivouac.confd "$packaging"/periodic/bivouac-sync \
    "$packaging"/alpine/APKBUILD "$packaging"/alpine/*.pre-install "$packaging"/debian/*; do
    said="$($sh -n "$script" 2>&1)"
    say "${script##*/}" "$sh -n" $? "$said"
done
for script in "$packaging"/openrc/bivouac.initd "$packaging"/periodic/bivouac-sync "$packaging"/alpine/*.pre-install \
    "$packaging"/debian/*; do
    said=""
    [ -x "$script" ] || said="not executable"
    say "${script##*/}" "executable" 0 "$said"
done
# The version is that of the program.
version="$(sed -n 's/^version = "\(.*\)"$/\1/p' Cargo.toml | head -n 1)"
said="$(grep -q "^pkgver=$version\$" "$packaging/alpine/APKBUILD" || echo "pkgver is not $version")"
say APKBUILD "pkgver" 0 "$said"

# --- units ------------------------------------------------------------------------------------------------------------
if ! command -v systemd-analyze >/dev/null; then
    echo "skipped: systemd-analyze is not here"
    [ "$findings" -eq 0 ]
    exit
fi

# A root of its own: the distribution's targets, our units, and programs by name alone.
root="$scratch/root"
units="$root/usr/lib/systemd/system"
mkdir -p "$root/usr/bin" "$root/usr/lib/sysusers.d" "$root/usr/lib/tmpfiles.d" "$root/etc" "$units"
ln -s usr/bin "$root/bin"
for there in /usr/lib/systemd/system /lib/systemd/system; do
    [ ! -d "$there" ] || { cp -R "$there/." "$units/"; break; }
done
for program in bivouac kill systemctl; do
    printf '#!/bin/sh\n' >"$root/usr/bin/$program"
    chmod 755 "$root/usr/bin/$program"
done
cp systemd/*.service systemd/*.socket systemd/*.timer systemd/*.path "$units/"

verify() { systemd-analyze verify --root="$root" --man=no --recursive-errors=no "$1" 2>&1 </dev/null; }
security() { systemd-analyze security --offline=true --threshold=15 --no-pager "$1" 2>&1 </dev/null; }

# That these find anything is not taken for granted.
printf '[Service]\nExecStart=/usr/bin/absent\nProtectSytem=strict\n' >"$units/bivouac-wrong.service"
said="$(verify bivouac-wrong.service)"
[[ "$said" == *absent* && "$said" == *ProtectSytem* ]] || say "(a wrong unit)" "is found by verify" 1 "$said"
! security "$units/bivouac-wrong.service" >/dev/null || say "(an open unit)" "is found by security" 1 ""

for unit in systemd/*.service systemd/*.socket systemd/*.timer systemd/*.path; do
    name="${unit##*/}"
    # Of a template an instance is verified.
    said="$(verify "${name/@./@disk.}")"
    say "$name" "verify" $? "$said"
done
for unit in systemd/*.service; do
    name="${unit##*/}"
    report="$(security "$PWD/$unit")"
    code=$?
    exposure="$(sed -n 's/.*exposure level for .*: \([0-9.]*\) .*/\1/p' <<<"$report")"
    if [ "$code" -eq 0 ]; then report=""; else report="$(grep -v '^✓' <<<"$report")"; fi
    say "$name" "exposure ${exposure:-unknown}" "$code" "$report"
    # link(2) needs store and public tree below one mount; a second path into /srv/bivouac would part them.
    said="$(grep -n '^ReadWritePaths=.*/srv/bivouac/' "$unit")"
    say "$name" "one mount for store and public" 0 "$said"
done
for timer in systemd/*.timer; do
    when="$(sed -n 's/^OnCalendar=//p' "$timer")"
    said="$(systemd-analyze calendar "$when" 2>&1 >/dev/null)"
    say "${timer##*/}" "OnCalendar=$when" $? "$said"
done

# --- user and folders -------------------------------------------------------------------------------------------------
cp systemd/bivouac.sysusers "$root/usr/lib/sysusers.d/bivouac.conf"
cp systemd/bivouac.tmpfiles "$root/usr/lib/tmpfiles.d/bivouac.conf"
said="$(systemd-sysusers --root="$root" bivouac.conf 2>&1 >/dev/null)"
code=$?
# Without root it can tell nobody's file to be whose; what it wrote is looked at in any case.
grep -q '^bivouac:' "$root/etc/passwd" 2>/dev/null && said="" code=0
say bivouac.sysusers "makes the user" "$code" "$said"
if [ "$(id -u)" -eq 0 ]; then
    said="$(systemd-tmpfiles --root="$root" --create bivouac.conf 2>&1)"
    code=$?
    # Names in an access list are looked for among the users of this system, not of that root.
    said="$(grep -v '^Failed to parse ACL "u:bivouac:rwx"' <<<"$said")"
    say bivouac.tmpfiles "makes the folders" "$code" "$said"
    uid="$(sed -n 's/^bivouac:[^:]*:\([0-9]*\):.*/\1/p' "$root/etc/passwd")"
    for wanted in "0:755 etc/bivouac" "$uid:700 etc/bivouac/keys" "0:700 etc/bivouac/secrets" "0:755 etc/bivouac/keyring" \
        "$uid:755 srv/bivouac" "$uid:700 srv/bivouac/store" "$uid:755 srv/bivouac/public" "$uid:2775 srv/bivouac/packages"; do
        folder="${wanted#* }"
        found="$(stat -c '%u:%a' "$root/$folder" 2>&1)"
        said=""
        [ "$found" = "${wanted% *}" ] || said="/$folder is $found (owner:mode), not ${wanted% *}"
        say bivouac.tmpfiles "/$folder" 0 "$said"
    done
fi

if [ "$findings" -ne 0 ]; then
    echo "$findings findings in the packaging files"
    exit 1
fi
echo "no findings in the packaging files"
