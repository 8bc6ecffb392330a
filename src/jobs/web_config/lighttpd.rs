//! lighttpd: a whole configuration, for `lighttpd -f FILE`.

use std::path::Path;

use super::Changing;
use super::{Error, FOR_GOOD, Wanted, quoted};

pub(super) fn text(public: &Path, changing: &Changing, wanted: &Wanted) -> Result<String, Error> {
    // It undoes \" and nothing else: no way to write a backslash holds everywhere.
    let quoted = |path: &Path| quoted(path, "lighttpd", &['"'], &['\\']);
    let (root, log) = (quoted(public)?, quoted(&wanted.log("/var/log/lighttpd/bivouac.access.log"))?);
    let listen = wanted.listen();
    let bind = match listen.address {
        Some(address) if address.is_ipv6() => format!("server.bind = \"[{address}]\"\n"),
        Some(address) => format!("server.bind = \"{address}\"\n"),
        None => "# IPv4 alone; all of both: server.bind = \"[::]\" and server.v6only = \"disable\"\n".to_owned(),
    };
    let name = wanted.name.as_ref().map_or(String::new(), |name| format!("server.name = \"{}\"\n", name.as_str()));
    let tls = match &wanted.tls {
        Some(tls) => format!(
            "# HTTP/2 comes along.\nserver.modules += ( \"mod_openssl\" )\nssl.engine = \"enable\"\n\
             ssl.pemfile = {}\nssl.privkey = {}\n",
            quoted(&tls.certificate)?,
            quoted(&tls.key)?
        ),
        None => "# With TLS (port 443), HTTP/2 comes along:\n# server.modules += ( \"mod_openssl\" )\n\
                 # ssl.engine = \"enable\"\n# ssl.pemfile = CERTIFICATE\n# ssl.privkey = KEY\n"
            .to_owned(),
    };
    // One pattern for packages that stay as they are, so that of the two rules for caches exactly one holds.
    let (why, steady) = match changing.pattern() {
        None => ("# A package never changes under its name.".to_owned(), r"\.apk$".to_owned()),
        Some(pattern) => (
            "# A package never changes under its name, but where a source may replace it (rebuilt = \"accept\")."
                .to_owned(),
            format!(r"^(?!{}).*\.apk$", unanchored(&pattern)),
        ),
    };
    let address = wanted.address();
    Ok(format!(
        r#"# Alpine packages, published by bivouac: a whole configuration of lighttpd.
# Clients: bivouac client --url {address}
server.modules = ( "mod_access", "mod_accesslog", "mod_expire", "mod_setenv" )
server.port = {port}
{bind}{name}# server.username = "lighttpd"
# server.groupname = "lighttpd"
{tls}
# The link, not what it leads to: it is looked up anew for each request, so that a switch is seen at once.
# lighttpd's user must be able to read the folder that holds it. What it remembers of files would be of the former tree.
server.document-root = {root}
server.follow-symlink = "enable"
server.stat-cache-engine = "disable"

# All are bytes, sent as they are: apk understands no Content-Encoding.
mimetype.assign = ( "" => "application/octet-stream" )
dir-listing.activate = "enable"
dir-listing.hide-dotfiles = "enable"

# Hidden folders are looked up through the link, and by nobody else.
$HTTP["url"] =~ "/\." {{
    url.access-deny = ( "" )
}}

setenv.set-response-header = ( "X-Content-Type-Options" => "nosniff" )
{why}
# (mod_expire, because mod_setenv would say so of a package that is not there, too.)
$HTTP["url"] =~ "{steady}" {{
    expire.url = ( "" => "access plus {FOR_GOOD} seconds" )
}}
# Indexes, keys and pages: may be kept, and are asked for before they are used.
$HTTP["url"] !~ "{steady}" {{
    setenv.set-response-header += ( "Cache-Control" => "no-cache" )
}}

# The combined format; `bivouac audit` reads it.
accesslog.filename = {log}
accesslog.format = "%h %l %u %t \"%r\" %>s %b \"%{{Referer}}i\" \"%{{User-Agent}}i\""
"#,
        port = listen.port,
    ))
}

/// The pattern of what changes, to stand in a look-ahead from the path's begin.
fn unanchored(pattern: &str) -> String {
    pattern.strip_prefix('^').map_or_else(|| format!(".*{pattern}"), str::to_owned)
}
