//! What lies in a folder: names, times, sizes; and the plainest page of it.

use std::fmt::Write as _;
use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::path::Path;

use jiff::Timestamp;
use rustix::fs::{AtFlags, Dir, FileType, statat};

use super::request::encode;

/// A folder of the public tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listing {
    /// Its path below the tree, decoded; empty for the tree itself.
    pub segments: Vec<String>,
    /// What lies in it, folders first, each kind by name; hidden names are left out.
    pub rows: Vec<Row>,
}

/// A thing in a folder.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Row {
    /// A file, not a folder.
    pub is_file: bool,
    /// Its name.
    pub name: String,
    /// Bytes.
    pub size: u64,
    /// When it was last changed, where that is a time.
    pub modified: Option<Timestamp>,
}

impl Row {
    /// Its name as it stands in a link on the folder's page, a folder's with its slash.
    pub fn href(&self) -> String {
        // `./` keeps a name with a colon from being read as a scheme.
        format!("./{}{}", encode(&self.name), self.slash())
    }

    /// What follows its name.
    pub fn slash(&self) -> &'static str {
        if self.is_file { "" } else { "/" }
    }
}

impl Listing {
    /// Reads `folder`, which the client knows as `segments`.
    pub fn read(folder: &Path, segments: Vec<String>) -> io::Result<Listing> {
        Self::of(File::open(folder)?, segments)
    }

    /// The same of a folder that is open.
    pub(super) fn of(folder: impl AsFd, segments: Vec<String>) -> io::Result<Listing> {
        let mut rows = Vec::new();
        for entry in Dir::read_from(&folder)? {
            let entry = entry?;
            // No name of ours is anything but text.
            let Ok(name) = entry.file_name().to_str() else { continue };
            if name.starts_with('.') {
                continue;
            }
            // Through links, as a request for it would go; one that leads nowhere is left out.
            let Ok(about) = statat(&folder, name, AtFlags::empty()) else { continue };
            rows.push(Row {
                is_file: FileType::from_raw_mode(about.st_mode) != FileType::Directory,
                name: name.to_owned(),
                size: u64::try_from(about.st_size).unwrap_or_default(),
                modified: i32::try_from(about.st_mtime_nsec)
                    .ok()
                    .and_then(|nanoseconds| Timestamp::new(about.st_mtime, nanoseconds).ok()),
            });
        }
        rows.sort();
        Ok(Listing { segments, rows })
    }

    /// As the simplest of pages.
    pub(super) fn plain(&self) -> String {
        let title = escape(&format!("/{}", self.segments.join("/")));
        let mut html = format!(
            "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>{title}</title></head>\n\
             <body><h1>{title}</h1>\n<pre>"
        );
        if !self.segments.is_empty() {
            html.push_str("<a href=\"../\">../</a>\n");
        }
        for row in &self.rows {
            let (slash, href, name) = (row.slash(), row.href(), escape(&row.name));
            let pad = " ".repeat(50_usize.saturating_sub(row.name.chars().count() + slash.len()));
            let time = row.modified.map(|time| time.strftime("%Y-%m-%d %H:%M").to_string()).unwrap_or_default();
            let size = if row.is_file { row.size.to_string() } else { "-".to_owned() };
            writeln!(html, "<a href=\"{href}\">{name}{slash}</a>{pad} {time:>16} {size:>12}")
                .expect("writing to a String does not fail");
        }
        html.push_str("</pre></body></html>\n");
        html
    }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_escaped_and_folders_come_first() {
        let row = |is_file, name: &str| Row { is_file, name: name.to_owned(), size: 7, modified: None };
        let segments = vec!["v3.23".to_owned(), "<i>".to_owned()];
        let html = Listing { segments, rows: vec![row(false, "main"), row(true, "<b>&+~")] }.plain();
        assert!(html.contains("<title>/v3.23/&lt;i&gt;</title>"), "{html}");
        assert!(html.contains("<a href=\"../\">../</a>\n<a href=\"./main/\">main/</a>"), "{html}");
        assert!(html.contains("<a href=\"./%3Cb%3E%26+~\">&lt;b&gt;&amp;+~</a>"), "{html}");
    }
}
