//! The configuration that `init` writes.

/// Where a first configuration puts store and public tree.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Layout {
    /// Beside the configuration.
    #[default]
    Beside,
    /// Where the packaged units expect them: below [`PACKAGED`].
    Packaged,
}

/// The folder of a packaged site's store and public tree, which its services may write to.
pub const PACKAGED: &str = "/srv/bivouac";

/// A commented configuration for a small partial mirror of v3.23, signed with the key in `keys/<key_file>`. Resolves
/// without a problem wherever it lies.
pub fn small_partial_mirror(key_file: &str, layout: Layout) -> String {
    let (store, public) = match layout {
        Layout::Beside => ("store".to_owned(), "public".to_owned()),
        Layout::Packaged => (format!("{PACKAGED}/store"), format!("{PACKAGED}/public")),
    };
    let (store, tree) = (format!("\"{store}\""), format!("\"{public}/alpine\""));
    format!(
        r#"# A small partial mirror of Alpine Linux v3.23: two packages and what they need, signed with our own key.
# `bivouac sync` fetches, verifies and publishes it; `bivouac config check` tells what is wrong with this file.
# Paths are relative to this file.

store  = {store:<16}   # packages, snapshots and state: ours alone
public = {tree:<16}   # the published tree (a link). Give a web server its folder, {public}/, not the link

[signing]
key = "keys/{key_file}"     # clients need its .pub file in /etc/apk/keys; `bivouac client` prints the lines

[sources.alpine]
url     = ["https://dl-cdn.alpinelinux.org/alpine"]    # several: the next is asked when one fails or lags
keyring = "alpine"                                     # Alpine's official keys, built in

[[repositories]]
name     = "v3.23/site"                                # published as {public}/alpine/v3.23/site/x86_64
from     = ["alpine:v3.23/main", "alpine:v3.23/community"]
arches   = ["x86_64"]                                  # "aarch64", "armv7", …
packages = ["alpine-base", "nginx"]                    # names and globs; without this line, everything (tens of GB)
"#
    )
}
