//! A folder as a plain page: names, times, sizes.

use std::fmt::Write as _;
use std::io;
use std::path::Path;
use std::time::SystemTime;

use jiff::Timestamp;

use super::request::encode;

/// The page for `folder`, which the client knows as `segments`. Hidden names are left out.
pub(super) fn page(folder: &Path, segments: &[String]) -> io::Result<String> {
    let mut rows = Vec::new();
    for entry in folder.read_dir()? {
        let entry = entry?;
        // No name of ours is anything but text.
        let Ok(name) = entry.file_name().into_string() else { continue };
        if name.starts_with('.') {
            continue;
        }
        // Through links, as a request for it would go; one that leads nowhere is left out.
        let Ok(about) = entry.path().metadata() else { continue };
        rows.push((!about.is_dir(), name, about.len(), about.modified().ok()));
    }
    rows.sort();
    Ok(print(segments, &rows))
}

fn print(segments: &[String], rows: &[(bool, String, u64, Option<SystemTime>)]) -> String {
    let title = escape(&format!("/{}", segments.join("/")));
    let mut html = format!(
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>{title}</title></head>\n\
         <body><h1>{title}</h1>\n<pre>"
    );
    if !segments.is_empty() {
        html.push_str("<a href=\"../\">../</a>\n");
    }
    for (is_file, name, size, modified) in rows {
        let slash = if *is_file { "" } else { "/" };
        let pad = " ".repeat(50_usize.saturating_sub(name.chars().count() + slash.len()));
        let time = modified
            .and_then(|time| Timestamp::try_from(time).ok())
            .map(|time| time.strftime("%Y-%m-%d %H:%M").to_string())
            .unwrap_or_default();
        let size = if *is_file { size.to_string() } else { "-".to_owned() };
        // `./` keeps a name with a colon from being read as a scheme.
        let (href, name) = (encode(name), escape(name));
        writeln!(html, "<a href=\"./{href}{slash}\">{name}{slash}</a>{pad} {time:>16} {size:>12}")
            .expect("writing to a String does not fail");
    }
    html.push_str("</pre></body></html>\n");
    html
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_escaped_and_folders_come_first() {
        let rows = [(false, "main".to_owned(), 0, None), (true, "<b>&+~".to_owned(), 7, None)];
        let html = print(&["v3.23".to_owned(), "<i>".to_owned()], &rows);
        assert!(html.contains("<title>/v3.23/&lt;i&gt;</title>"), "{html}");
        assert!(html.contains("<a href=\"../\">../</a>\n<a href=\"./main/\">main/</a>"), "{html}");
        assert!(html.contains("<a href=\"./%3Cb%3E%26+~\">&lt;b&gt;&amp;+~</a>"), "{html}");
    }
}
