//! Whether packages of an index are there, and are what it says: each that is looked at is asked for its last byte, which tells
//! its length; small ones are read whole.

use futures_util::StreamExt as _;
use futures_util::stream;
use url::Url;

use super::{Diagnosis, Weight, head, layout, reach, told};
use crate::apk::Entry;
use crate::apk::names::Arch;
use crate::apk::v2::sections::Limits;
use crate::error::{Class, Trouble as _};
use crate::sources::fault::Fault;
use crate::sources::http::Http;
use crate::sources::http::look::{Part, shown};
use crate::verify::PackageVerifier;
use crate::verify::package::Promise;

/// How many packages are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sample {
    /// So many, evenly spread over the index.
    Of(usize),
    /// Each of them.
    All,
}

/// Bytes of packages that are read whole, of one index.
const WHOLE: u64 = 32 << 20;
/// Largest package that is read whole: it lies in memory.
const LARGEST: u64 = 8 << 20;
/// Requests at once.
const AT_ONCE: usize = 8;

/// What was looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Looked {
    /// Packages asked for.
    pub objects: u64,
    /// Bytes read of them.
    pub bytes: u64,
}

/// Looks at packages of `entries` where a client of `line` looks for them.
pub async fn look(http: &Http, line: &Url, arch: &Arch, entries: &[Entry], sample: Sample) -> (Vec<Diagnosis>, Looked) {
    let chosen = choose(entries, sample);
    let whole = whole(&chosen);
    let asked = chosen.iter().enumerate().map(|(at, entry)| one(http, line, arch, entry, whole[at]));
    let all: Vec<(Vec<Diagnosis>, u64)> = stream::iter(asked).buffered(AT_ONCE).collect().await;
    let looked = Looked { objects: all.len() as u64, bytes: all.iter().map(|(_, bytes)| bytes).sum() };
    let mut seen = Vec::new();
    let mut of_server = Vec::<Diagnosis>::new();
    for diagnosis in all.into_iter().flat_map(|(seen, _)| seen) {
        // What the server does to every file is said once.
        match diagnosis.weight {
            Weight::Error(_) if diagnosis.code != "redirect-not-followed" => seen.push(diagnosis),
            _ if of_server.iter().any(|one| one.code == diagnosis.code) => {}
            _ => of_server.push(diagnosis),
        }
    }
    let mut seen = told(seen, "packages");
    seen.extend(of_server);
    (seen, looked)
}

fn choose(entries: &[Entry], sample: Sample) -> Vec<&Entry> {
    match sample {
        Sample::Of(count) if count < entries.len() => {
            (0..count).map(|number| &entries[number * entries.len() / count]).collect()
        }
        Sample::Of(_) | Sample::All => entries.iter().collect(),
    }
}

/// How a package is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Depth {
    /// Its last byte.
    Length,
    /// All of it.
    Whole,
}

/// The small ones first, as far as the bytes go.
fn whole(chosen: &[&Entry]) -> Vec<Depth> {
    let mut order: Vec<usize> = (0..chosen.len()).collect();
    order.sort_by_key(|at| chosen[*at].size());
    let mut depths = vec![Depth::Length; chosen.len()];
    let mut left = WHOLE;
    for at in order {
        let size = chosen[at].size();
        if size > left.min(LARGEST) {
            break;
        }
        left -= size;
        depths[at] = Depth::Whole;
    }
    depths
}

async fn one(http: &Http, line: &Url, arch: &Arch, entry: &Entry, depth: Depth) -> (Vec<Diagnosis>, u64) {
    // A client takes the folder from the entry's own arch.
    let folder = entry.arch().unwrap_or(arch);
    let address = layout::file(line, folder.as_str(), entry.file().as_str());
    let subject = shown(&address);
    let ask = |part| http.look(&address, part);
    let answer = match ask(Part::From(entry.size().saturating_sub(1))).await {
        Ok(answer) => answer,
        Err(Fault::Status(404 | 410)) => return (vec![missing(subject, folder, arch)], 0),
        Err(fault) => return (vec![reach::judge(http, &address, &fault).await], 0),
    };
    let mut seen = head::judge(&answer, &subject);
    if let Some(length) = answer.length.filter(|length| *length != entry.size()) {
        seen.push(Diagnosis {
            code: "wrong-size",
            weight: Weight::Error(Class::Refused),
            subject,
            message: format!("it has {length} bytes, the index says {}", entry.size()),
            hint: Some(OTHER_FILE.to_owned()),
        });
        return (seen, 0);
    }
    if depth == Depth::Length {
        return (seen, 0);
    }
    match ask(Part::Whole(entry.size())).await {
        Ok(answer) => {
            let mut verifier = PackageVerifier::new(Promise::Entry(entry.clone()), Limits::default());
            let verdict = verifier.feed(&answer.bytes).and_then(|()| verifier.finish());
            if let Err(refused) = verdict {
                let hint = refused.hint().unwrap_or_else(|| OTHER_FILE.to_owned());
                seen.push(Diagnosis { hint: Some(hint), ..Diagnosis::of(&refused, subject) });
            }
            (seen, answer.bytes.len() as u64)
        }
        Err(fault) => {
            seen.push(reach::judge(http, &address, &fault).await);
            (seen, 0)
        }
    }
}

const OTHER_FILE: &str = "the file was replaced under its old name, or the index is of another time: make the index anew from the \
                          files that lie there, and raise a package's revision (-r1) when it is built again";

fn missing(subject: String, folder: &Arch, arch: &Arch) -> Diagnosis {
    let hint = match folder == arch {
        true => {
            "copy the packages before the index, and drop old ones after it; on a bivouac server `linger` keeps them for clients with \
             an old index, and `bivouac check` says whether its tree is whole"
        }
        false => {
            "an index must name its own arch for every package, also for noarch: `apk index --rewrite-arch`, or `bivouac index`"
        }
    };
    Diagnosis {
        code: "not-found",
        weight: Weight::Error(Class::Upstream),
        subject,
        message: "the index lists it, and it is not there (404)".to_owned(),
        hint: Some(hint.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entries(sizes: &[u64]) -> Vec<Entry> {
        let one = |(number, size): (usize, &u64)| {
            let identity = "Q1AAAAAAAAAAAAAAAAAAAAAAAAAAA=";
            let text = format!("C:{identity}\nP:p{number}\nV:1-r0\nA:x86_64\nS:{size}\nI:1\nT:x\nU:x\nL:x");
            Entry::parse(&text).unwrap()
        };
        sizes.iter().enumerate().map(one).collect()
    }

    #[test]
    fn a_sample_is_spread_and_never_larger_than_the_index() {
        let all = entries(&[1; 10]);
        let names = |sample| choose(&all, sample).iter().map(|entry| entry.name().to_string()).collect::<Vec<_>>();
        assert_eq!(names(Sample::Of(3)), ["p0", "p3", "p6"]);
        assert_eq!(names(Sample::Of(0)), Vec::<String>::new());
        assert_eq!(names(Sample::Of(99)).len(), 10);
        assert_eq!(names(Sample::All).len(), 10);
    }

    #[test]
    fn small_ones_are_read_whole_first() {
        let all = entries(&[LARGEST + 1, 10, LARGEST, LARGEST, LARGEST, LARGEST, 20]);
        let depths = whole(&all.iter().collect::<Vec<_>>());
        use Depth::{Length, Whole};
        assert_eq!(depths, [Length, Whole, Whole, Whole, Whole, Length, Whole]);
    }
}
