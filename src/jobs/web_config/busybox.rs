//! The httpd of busybox: its configuration knows little; how it is started makes the difference.

use std::path::Path;

use super::super::client_script::quoted;
use super::{Error, Wanted};

pub(super) fn text(public: &Path, wanted: &Wanted) -> Result<String, Error> {
    if wanted.tls.is_some() {
        return Err(Error::NoTls);
    }
    let refused = |why| Error::Path { path: public.to_owned(), server: "busybox httpd", why };
    let link = public.to_str().ok_or_else(|| refused("it is no text"))?;
    if link.contains(char::is_control) {
        return Err(refused("a control character is in it"));
    }
    let name = public.file_name().and_then(|name| name.to_str()).ok_or_else(|| refused("it has no name"))?;
    // It stands in clients' addresses, too.
    if !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-@".contains(&byte)) || name.starts_with('.') {
        return Err(refused("its last part would have to be escaped in every address"));
    }
    let (listen, address) = (wanted.listen(), wanted.address());
    let link = quoted(link);
    Ok(format!(
        "# Alpine packages, published by bivouac: /etc/bivouac-httpd.conf for the httpd of busybox.\n\
         #\n\
         # httpd enters its folder once, when it starts: given the link that moves, it would serve one generation for ever. So it is\n\
         # given a folder of its own that holds nothing but a link to that link, which is looked up anew for each request:\n\
         #\n\
         #   mkdir -p /var/www/bivouac\n\
         #   ln -sfn {link} /var/www/bivouac/{name}\n\
         #   busybox httpd -f -p {listen} -c /etc/bivouac-httpd.conf -h /var/www/bivouac\n\
         #\n\
         # As root, add `-u nobody`. Never give it the folder that holds the public link: hidden folders, and whatever else lies\n\
         # there, would be served.\n\
         # Clients: bivouac client --url {address}/{name}\n\
         #\n\
         # What it lacks, and nginx, lighttpd and caddy have: Cache-Control (put no shared cache before it), If-Modified-Since\n\
         # (clients get a whole index each time), pages of folders, an access log for `bivouac audit`, several requests on a\n\
         # connection, TLS and HTTP/2, a server name.\n\
         \n\
         # All are bytes, sent as they are.\n\
         .apk:application/octet-stream\n\
         .gz:application/octet-stream\n"
    ))
}
