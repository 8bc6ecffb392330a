//! What a client needs: for people to copy, and as a script.

use maud::{Markup, html};

use super::frame::{Frame, Part};
use crate::config::Config;
use crate::jobs::Error;
use crate::jobs::client::{self, ClientKey, ClientReport};
use crate::jobs::client_script;
use crate::serve::{Asked, Kept, Page};

/// The address under which this client knows the public tree.
pub(super) fn base(asked: &Asked) -> String {
    format!("{}://{}", asked.scheme.as_str(), asked.host.as_deref().unwrap_or("localhost"))
}

pub(super) fn script(config: &Config, base: &str) -> Result<Page, Error> {
    let text = client_script::script(&client::client(config, base)?, base);
    let body = text.into_bytes().into();
    Ok(Page { status: 200, content_type: "text/x-shellscript; charset=utf-8", kept: Kept::Never, body })
}

pub(super) fn page(config: &Config, base: &str) -> Result<Page, Error> {
    let client = client::client(config, base)?;
    let content = html! {
        h1 { "Set up a client" }
        p.short { "For Alpine Linux, as root." }
        section aria-labelledby="quick" {
            h2 #quick { "Two lines" }
            (copied("quick-text", &quick(&client, base)))
            p { "The script holds the keys below, and puts one in place only if its fingerprint was typed behind it; then it \
                adds the repositories. Run again, it changes nothing." }
            @if base.starts_with("http://") {
                p.notice { strong { "This page came over plain HTTP. " } "Anybody on the way could have changed it, \
                    fingerprints and all: compare them with what your operator gave you (" code { "bivouac key list" } ")." }
            }
        }
        section aria-labelledby="hand" {
            h2 #hand { "By hand" }
            @for key in &client.keys { (key_block(key)) }
            h3 { "Repositories" }
            (lines(&client))
            h3 { "Does it work?" }
            (copied("try-text", "apk update"))
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
        (copied(&format!("key-{}", key.fingerprint), &text))
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
        (copied("lines-text", &text))
        @if !client.templates.is_empty() {
            p { "In place of " code { "ARCH" } " stands what " code { "apk --print-arch" } " prints." }
        }
    }
}

/// Text to copy; the script puts a button beside it.
fn copied(id: &str, text: &str) -> Markup {
    html! { div.copied { pre id=(id) tabindex="0" { (text) } } }
}
