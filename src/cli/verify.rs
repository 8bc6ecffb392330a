//! `bivouac verify`: the engine on loose files, like `apk verify`.

use std::error::Error as _;
use std::path::PathBuf;

use bivouac::error::Trouble as _;
use bivouac::jobs::verify::{self as job, BadFile, FileKind, FileVerdict, GoodFile, TrustedKeys, VerifyRequest};
use serde::Serialize;

use super::global::Output;
use super::{Failure, Global, Outcome, out, progress};

/// Arguments of `verify`.
#[derive(clap::Args, Debug)]
#[command(after_help = "\
        A package is good when one of the trusted keys signed it and its data is what it promises; an index, \
        when one of them signed it and every record can be read. Exit code 3 when any file is refused.")]
pub(crate) struct Args {
    /// Packages and indexes
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    /// Trust the *.pub files of this folder [default: Alpine's official keys,
    /// which are built in, and those in /etc/apk/keys]
    #[arg(long, value_name = "DIR")]
    keys: Option<PathBuf>,
}

#[derive(Serialize)]
struct Json {
    files: Vec<FileJson>,
    refused: usize,
}

#[derive(Serialize)]
struct FileJson {
    file: String,
    ok: bool,
    kind: Option<&'static str>,
    package: Option<String>,
    entries: Option<usize>,
    bytes: Option<u64>,
    signers: Vec<String>,
    error: Option<ErrorJson>,
}

#[derive(Serialize)]
struct ErrorJson {
    code: &'static str,
    message: String,
}

pub(crate) fn run(global: &Global, args: Args) -> Result<Outcome, Failure> {
    let keys = match args.keys {
        Some(folder) => TrustedKeys::Folder(folder),
        None => TrustedKeys::OfficialAnd("/etc/apk/keys".into()),
    };
    let request = VerifyRequest { files: args.files, keys, threads: super::threads() };
    let mut json = Json { files: Vec::new(), refused: 0 };
    let mut troubles = Vec::new();
    let mut printed = Ok(());
    let findings = job::verify(&request, |verdict| {
        if let Err(bad) = &verdict.outcome {
            troubles.push(bad.class());
            json.refused += 1;
        }
        match global.output() {
            Output::Json => json.files.push(file_json(&verdict)),
            Output::Text if printed.is_err() || (global.quiet && verdict.outcome.is_ok()) => {}
            Output::Text => printed = out::line(text(global, &verdict)),
        }
    })?;
    for finding in &findings {
        progress::warn(global, format_args!("{}: {}", finding.subject, finding.message));
    }
    printed?;
    if global.output() == Output::Json {
        out::json(&json)?;
    }
    Ok(Outcome::of(troubles))
}

fn text(global: &Global, verdict: &FileVerdict) -> String {
    let path = verdict.path.display();
    match &verdict.outcome {
        Ok(good) if global.verbose => format!("{path}: OK, {}", about(good)),
        Ok(_) => format!("{path}: OK"),
        Err(bad) => format!("{path}: REFUSED, {}", reason(bad)),
    }
}

fn about(good: &GoodFile) -> String {
    let signers: Vec<&str> = good.signers.iter().map(|name| name.as_str()).collect();
    let what = match &good.kind {
        FileKind::Package(name) => name.clone(),
        FileKind::Index(entries) => format!("index of {entries}"),
    };
    format!("{what}, {} bytes, signed by {}", good.size, signers.join(", "))
}

/// The whole chain on one line: a list of files is read line by line.
fn reason(bad: &BadFile) -> String {
    let mut text = bad.to_string();
    let mut next = bad.source();
    while let Some(cause) = next {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        next = cause.source();
    }
    text
}

fn file_json(verdict: &FileVerdict) -> FileJson {
    let file = verdict.path.display().to_string();
    match &verdict.outcome {
        Ok(good) => FileJson {
            file,
            ok: true,
            kind: Some(match good.kind {
                FileKind::Package(_) => "package",
                FileKind::Index(_) => "index",
            }),
            package: match &good.kind {
                FileKind::Package(name) => Some(name.clone()),
                FileKind::Index(_) => None,
            },
            entries: match good.kind {
                FileKind::Package(_) => None,
                FileKind::Index(entries) => Some(entries),
            },
            bytes: Some(good.size),
            signers: good.signers.iter().map(ToString::to_string).collect(),
            error: None,
        },
        Err(bad) => FileJson {
            file,
            ok: false,
            kind: None,
            package: None,
            entries: None,
            bytes: None,
            signers: Vec::new(),
            error: Some(ErrorJson { code: bad.code(), message: reason(bad) }),
        },
    }
}
