//! Caddy: a Caddyfile.

use std::path::Path;

use super::changing::Changing;
use super::{Error, FOR_GOOD, ServerName, Wanted, quoted};

pub(super) fn text(public: &Path, changing: &Changing, wanted: &Wanted) -> Result<String, Error> {
    // A backslash can be written before a quote alone, and braces are filled in, with the environment or a file's content.
    let quoted = |path: &Path| quoted(path, "caddy", &['"'], &['\\', '{', '}']);
    let (root, log) = (quoted(public)?, quoted(&wanted.log("/var/log/caddy/bivouac.access.log"))?);
    let listen = wanted.listen();
    let bind = listen.address.map_or(String::new(), |address| format!("    bind {address}\n"));
    let name = wanted.name.as_ref().map_or("", ServerName::as_str);
    let (head, site, tls) = match &wanted.tls {
        Some(tls) => (
            "# Else Caddy redirects from http itself, by 308, on which apk fails. This block stands first in a Caddyfile, once.\n\
             {\n    auto_https off\n}\n\n",
            format!("https://{name}:{}", listen.port),
            // HTTP/1.1 clients that name no host get this certificate, too.
            format!("    # HTTP/2 comes along.\n    tls {} {}\n", quoted(&tls.certificate)?, quoted(&tls.key)?),
        ),
        None => (
            "",
            format!("http://{name}:{}", listen.port),
            "    # With TLS (https:// above), HTTP/2 comes along; set `auto_https off` in the Caddyfile's first block, for Caddy's\n    \
             # own redirects are 308, on which apk fails:\n    # tls CERTIFICATE KEY\n"
                .to_owned(),
        ),
    };
    let (why, except) = match changing.pattern() {
        None => ("", String::new()),
        Some(pattern) => (
            ", but where a source may replace it (rebuilt = \"accept\")",
            format!("            not path_regexp {pattern}\n"),
        ),
    };
    let address = wanted.address();
    Ok(format!(
        r#"# Alpine packages, published by bivouac: a Caddyfile.
# Clients: bivouac client --url {address}
{head}{site} {{
{bind}{tls}
    # The link, not what it leads to: it is looked up anew for each request, so that a switch is seen at once.
    # Caddy's user must be able to read the folder that holds it.
    root * {root}

    # `encode` is left out on purpose: apk understands no Content-Encoding.
    route {{
        # Hidden folders are looked up through the link, and by nobody else.
        @hidden path_regexp /\.
        error @hidden 404

        # Caddy's own redirect to a folder is 308, on which apk fails.
        @folder {{
            not path */
            file {{
                try_files {{path}}/
            }}
        }}
        redir @folder {{scheme}}://{{hostport}}{{path}}/ 301

        header X-Content-Type-Options nosniff
        @bytes {{
            not path */
            file
        }}
        header @bytes Content-Type application/octet-stream

        # Indexes, keys and pages: may be kept, and are asked for before they are used.
        header Cache-Control no-cache
        # A package never changes under its name{why}.
        @package {{
            path_regexp \.apk$
{except}            file
        }}
        header @package Cache-Control "public, max-age={FOR_GOOD}, immutable"

        file_server {{
            browse
            disable_canonical_uris
        }}
    }}

    # JSON, as Caddy writes it by itself; `bivouac audit` reads it.
    log {{
        output file {log}
    }}
}}
"#
    ))
}
