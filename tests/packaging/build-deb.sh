#!/bin/bash
# build-deb.sh BINARY DEB: the Debian package of a program that is built already, with its manual pages and completions.
# Needs cargo-deb.
set -euo pipefail
binary="$(readlink -f "${1:?usage: build-deb.sh BINARY DEB}")"
deb="$(realpath -m "${2:?usage: build-deb.sh BINARY DEB}")"
cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/../.."
# Where Cargo.toml has cargo-deb look for them.
mkdir -p target/release target/man target/completions
[ "$binary" = "$PWD/target/release/bivouac" ] || install -m755 "$binary" target/release/bivouac
"$binary" --quiet man --to target/man
"$binary" completions bash >target/completions/bivouac
"$binary" completions zsh >target/completions/_bivouac
"$binary" completions fish >target/completions/bivouac.fish
cargo deb --quiet --no-build --no-strip --output "$deb"
