//! What a client needs: for people to copy, and as a script.

use maud::{Markup, html};
use sha2::{Digest as _, Sha256};

use super::frame::{Frame, Part};
use crate::apk::ObjectId;
use crate::config::Config;
use crate::jobs::Error;
use crate::jobs::client::{self, ClientKey, ClientReport};
use crate::jobs::client_script;
use crate::serve::{Asked, Kept, Page};

/// Stands on pages where an address is not known.
pub(super) const UNKNOWN: &str = "http://SERVER";

/// The address under which clients reach the public tree: the configured one, else that by which this one asked; none where
/// what it calls us is no name.
pub(super) fn base(config: &Config, asked: &Asked) -> Option<String> {
    let configured = config.serve.url.clone();
    configured.or_else(|| asked.host.as_ref().map(|host| format!("{}://{host}", asked.scheme.as_str())))
}

pub(super) fn script(config: &Config, base: &str) -> Result<Page, Error> {
    let Some(client) = client::client_of_live(config, base)? else { return Ok(super::nothing_yet()) };
    let text = client_script::script(&client, base);
    let body = text.into_bytes().into();
    Ok(Page { status: 200, content_type: "text/x-shellscript; charset=utf-8", kept: Kept::Never, body })
}

pub(super) fn page(config: &Config, base: &str) -> Result<Page, Error> {
    let Some(client) = client::client_of_live(config, base)? else { return Ok(super::nothing_yet()) };
    let digest = ObjectId::new(Sha256::digest(client_script::script(&client, base)).into());
    let content = html! {
        h1 { "Set up a client" }
        p.short { "For Alpine Linux, as root." }
        section aria-labelledby="quick" {
            h2 #quick { "Two lines" }
            (copied("the two lines", &quick(&client, base)))
            p { "The script holds the keys below, and puts one in place only if its fingerprint stands behind it; then it adds the \
                repositories of the machine's own branch. Run again, it changes nothing." }
            @if base.starts_with("http://") {
                p.notice { strong { "This page came over plain HTTP. " } "Anybody on the way could have changed it, and the script \
                    too. Before you run it, compare what " code { "sha256sum setup.sh" } " prints with what your operator gives \
                    you another way (" code { "bivouac client --script --url " (base) " | sha256sum" } "). From here it is "
                    code.fingerprint { (digest.hex()) } "." }
            }
        }
        section aria-labelledby="hand" {
            h2 #hand { "By hand" }
            @for key in &client.keys { (key_block(key)) }
            h3 { "Repositories" }
            (lines(&client))
            h3 { "Does it work?" }
            (copied("the last line", "apk update"))
        }
    };
    Ok(Frame { title: "Set up a client", part: Part::Setup, up: "" }.page(200, content))
}

/// Fetch, and run with the fingerprints of enough keys: of each repository's the first, ours before a source's.
fn quick(client: &ClientReport, base: &str) -> String {
    let mut needed: Vec<&str> = Vec::new();
    let mut signed: Vec<&String> = Vec::new();
    let (ours, theirs): (Vec<&ClientKey>, Vec<&ClientKey>) = client.keys.iter().partition(|key| key.ours);
    for key in &ours {
        if key.repositories.iter().any(|repository| !signed.contains(&repository)) {
            needed.push(&key.fingerprint);
            signed.extend(&key.repositories);
        }
    }
    // Which of its keys a source signs with next is its own choice: all of them.
    needed.extend(theirs.iter().map(|key| key.fingerprint.as_str()));
    format!("wget -O setup.sh {base}/setup.sh\nsh setup.sh {}", needed.join(" \\\n  "))
}

fn key_block(key: &ClientKey) -> Markup {
    let text = format!("cat > /etc/apk/keys/{} <<'END'\n{}\nEND", key.name, key.pem.trim_end());
    html! {
        h3 { "Key " code { (key.name) } }
        p { "SHA-256 " code.fingerprint { (key.fingerprint) } ", " (if key.ours { "the operator's own" } else { "the source's" })
            ", signs " (key.repositories.join(", ")) "." }
        (copied(&format!("the key {}", key.name), &text))
    }
}

/// The repositories lines.
pub(super) fn lines(client: &ClientReport) -> Markup {
    let mut text = client.repositories.join("\n");
    for template in &client.templates {
        if !text.is_empty() {
            text.push('\n');
        }
        text.push_str(&template.replace("{arch}", "ARCH"));
    }
    html! {
        p { "Into " code { "/etc/apk/repositories" } ", one line for each that is wanted:" }
        (copied("the repositories lines", &text))
        @if !client.templates.is_empty() {
            p { "In place of " code { "ARCH" } " stands what " code { "apk --print-arch" } " prints." }
        }
    }
}

/// Text to copy, and what it is called; the script puts a button beside it.
fn copied(name: &str, text: &str) -> Markup {
    html! { div.copied { pre tabindex="0" role="group" aria-label=(name) { (text) } } }
}
