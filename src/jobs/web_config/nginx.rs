//! nginx: a `server` block for its `http` block, such as a file in `conf.d` or Alpine's `http.d`.

use std::path::Path;

use super::Changing;
use super::{Error, FOR_GOOD, ServerName, Wanted, quoted};

pub(super) fn text(public: &Path, changing: &Changing, wanted: &Wanted) -> Result<String, Error> {
    // `$` begins a variable, and nothing takes that from it.
    let quoted = |path: &Path| quoted(path, "nginx", &['"', '\\'], &['$']);
    let (root, log) = (quoted(public)?, quoted(&wanted.log("/var/log/nginx/bivouac.access.log"))?);
    let listen = wanted.listen();
    let options = if wanted.tls.is_some() { " ssl http2" } else { "" };
    let mut listens = format!("    listen {listen}{options};\n");
    if listen.address.is_none() {
        listens += &format!("    listen [::]:{}{options};\n", listen.port);
    }
    let tls = match &wanted.tls {
        Some(tls) => {
            let (certificate, key) = (quoted(&tls.certificate)?, quoted(&tls.key)?);
            format!(
                "    # From nginx 1.25.1 on, `http2 on;` on a line of its own replaces `http2` above.\n    \
                 ssl_certificate     {certificate};\n    ssl_certificate_key {key};\n"
            )
        }
        None => "    # With TLS, HTTP/2 comes along:\n    # listen 443 ssl http2;\n    # ssl_certificate     CERTIFICATE;\n    \
                 # ssl_certificate_key KEY;\n"
            .to_owned(),
    };
    let name = wanted.name.as_ref().map_or("_", ServerName::as_str);
    let changing = changing.pattern().map_or(String::new(), |pattern| {
        format!(
            "    # A source may replace these under their names (rebuilt = \"accept\"). The first that fits goes.\n    \
             location ~ \"{pattern}\" {{\n        add_header Cache-Control \"no-cache\";\n        \
             add_header X-Content-Type-Options nosniff;\n    }}\n\n"
        )
    });
    let address = wanted.address();
    Ok(format!(
        r#"# Alpine packages, published by bivouac. Belongs into nginx's http block.
# Clients: bivouac client --url {address}
server {{
{listens}    server_name {name};
{tls}
    # The link, not what it leads to: it is looked up anew for each request, so that a switch is seen at once.
    # nginx's user must be able to read the folder that holds it.
    root {root};
    disable_symlinks off;
    open_file_cache off;

    # All are bytes, sent as they are: apk understands no Content-Encoding.
    types {{ }}
    default_type application/octet-stream;
    gzip off;

    autoindex on;
    # A redirect to a folder keeps the scheme and port that the client used.
    absolute_redirect off;
    etag on;
    # "before" would answer 304 to a client whose clock runs ahead, and hide every update from it.
    if_modified_since exact;

    # Hidden folders are looked up through the link, and by nobody else.
    location ~ /\. {{
        return 404;
    }}

{changing}    # A package never changes under its name.
    location ~ \.apk$ {{
        add_header Cache-Control "public, max-age={FOR_GOOD}, immutable";
        add_header X-Content-Type-Options nosniff;
    }}

    # Indexes, keys and pages: may be kept, and are asked for before they are used.
    location / {{
        add_header Cache-Control "no-cache";
        add_header X-Content-Type-Options nosniff;
    }}

    # `bivouac audit` reads it.
    access_log {log} combined;
}}
"#
    ))
}
