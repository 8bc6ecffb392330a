//! All that can be seen of a server from outside, as a client comes by: the index, who signed it, the packages that it lists, and
//! whether they can be installed.

use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream;
use jiff::Timestamp;
use serde::Serialize;
use sha2::{Digest as _, Sha256};
use url::Url;

use super::layout::{self, Candidate, Hints, INDEX, INDEX_V3, Kind};
use super::packages::{self, Looked, Sample};
use super::signer::{self, Keys};
use super::{Diagnosis, Weight, age, head, listing, needs, reach};
use crate::apk::names::{ALPINE_ARCHES, Arch};
use crate::apk::{Entry, ObjectId};
use crate::error::Class;
use crate::sources::fault::Fault;
use crate::sources::http::Http;
use crate::sources::http::look::{Answer, Part, shown};

/// Largest index that is read.
const MAX_INDEX: u64 = 64 << 20;
/// Guesses that are tried at once.
const AT_ONCE: usize = 4;

/// What is looked at, and how.
#[derive(Clone, Debug)]
pub struct Request<'r> {
    /// A line of `/etc/apk/repositories`, or a server's root.
    pub line: Url,
    /// Whose packages.
    pub arch: Wanted,
    /// A client's keys.
    pub keys: &'r Keys,
    /// Further lines that the client has.
    pub beside: Vec<Url>,
    /// A world that must be installable: its name, and its text.
    pub world: Option<(String, String)>,
    /// How many packages are looked at.
    pub sample: Sample,
    /// How old an index may be.
    pub max_age: Option<Duration>,
    /// Repositories that may lie on the server, and where.
    pub hints: Hints,
    /// The time of the call.
    pub now: Timestamp,
}

/// An arch that is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// It must be there.
    Exactly(Arch),
    /// It is this machine's; another will do where it is not there.
    Likely(Arch),
}

impl Wanted {
    fn arch(&self) -> &Arch {
        match self {
            Wanted::Exactly(arch) | Wanted::Likely(arch) => arch,
        }
    }
}

/// What was seen.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// All that is wrong.
    pub diagnoses: Vec<Diagnosis>,
    /// How much was looked at.
    pub looked: Looked,
    /// The repositories that were found.
    pub repositories: Vec<Found>,
}

/// A repository that was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Found {
    /// The line of `/etc/apk/repositories` that works.
    pub line: String,
    /// The arch that was looked at.
    pub arch: Arch,
    /// Its description.
    pub description: Option<String>,
    /// The keys that its signatures name.
    pub signers: Vec<String>,
    /// How many packages it lists; none where that cannot be read.
    pub packages: Option<usize>,
    /// When the server says that it was changed.
    pub last_modified: Option<Timestamp>,
    /// Its file's SHA-256.
    #[serde(skip)]
    pub index: ObjectId,
}

/// Looks at it all.
pub async fn look(http: &Http, request: &Request<'_>) -> Report {
    let mut looking = Looking { http, request, report: Report::default() };
    looking.begin().await;
    looking.report
}

struct Looking<'l> {
    http: &'l Http,
    request: &'l Request<'l>,
    report: Report,
}

/// Where an index was found.
struct There {
    line: Url,
    arch: Arch,
    at: Url,
    answer: Answer,
}

impl Looking<'_> {
    async fn begin(&mut self) {
        let (line, arch) = (&self.request.line, self.request.arch.arch());
        let fault = match self.ask(line, arch).await {
            Ok(there) => return self.check(there).await,
            Err(fault) => fault,
        };
        if !is_away(&fault) {
            let address = layout::file(line, arch.as_str(), INDEX);
            let diagnosis = reach::judge(self.http, &address, &fault).await;
            return self.report.diagnoses.push(diagnosis);
        }
        if let Err(elsewhere) = self.guess().await {
            let folders = self.folders().await;
            if self.below_them(&folders).await {
                return;
            }
            // Somebody who may not look is nearer to the truth than somebody who finds nothing.
            let fault = if fault == Fault::Status(403) { fault } else { elsewhere.unwrap_or(fault) };
            let address = layout::file(line, arch.as_str(), INDEX);
            let mut diagnosis = reach::judge(self.http, &address, &fault).await;
            diagnosis.message = format!("{}, and no index was found near it", diagnosis.message);
            if !folders.is_empty() {
                diagnosis.message += &format!("; the server's root shows the folders {}", folders.join(", "));
            }
            self.report.diagnoses.push(diagnosis);
        }
    }

    /// The folders that the server's root shows, if it shows any.
    async fn folders(&self) -> Vec<String> {
        let Ok(root) = self.request.line.join("/") else { return Vec::new() };
        let Ok(page) = self.http.look(&root, Part::Whole(listing::MAX_PAGE)).await else { return Vec::new() };
        listing::folders(&String::from_utf8_lossy(&page.bytes))
    }

    /// Tries the line below each of them; whether that is where it lies.
    async fn below_them(&mut self, folders: &[String]) -> bool {
        let hints = Hints { names: self.request.hints.names.clone(), tops: folders.to_vec() };
        let mut all = layout::candidates(&self.request.line, self.request.arch.arch().as_str(), &hints);
        all.retain(|candidate| candidate.kind == Kind::OtherTop);
        !folders.is_empty() && self.farther(all).await.is_ok()
    }

    /// Tries what may have been meant. The error is that nothing was found; with it, that somebody may not look there.
    async fn guess(&mut self) -> Result<(), Option<Fault>> {
        let (line, wanted) = (&self.request.line, self.request.arch.arch());
        let all = layout::candidates(line, wanted.as_str(), &self.request.hints);
        let (near, far): (Vec<Candidate>, Vec<Candidate>) =
            all.into_iter().partition(|candidate| candidate.kind == Kind::WithoutArch);
        for candidate in near {
            if let Ok(there) = self.ask(&candidate.line, wanted).await {
                let message = "a client adds the arch and APKINDEX.tar.gz by itself: there is no index below this line";
                self.wrong(message, format!("write {} into /etc/apk/repositories", shown(&candidate.line)));
                self.check(there).await;
                return Ok(());
            }
        }
        if let Ok(there) = self.ask_at(line, wanted, layout::beside(line, INDEX)).await {
            self.flat(line, wanted);
            self.check_signer_of(there);
            return Ok(());
        }
        for other in ALPINE_ARCHES.iter().filter(|arch| **arch != wanted.as_str()) {
            let Ok(other) = other.parse::<Arch>() else { continue };
            if let Ok(there) = self.ask(line, &other).await {
                if let Wanted::Exactly(arch) = &self.request.arch {
                    self.report.diagnoses.push(Diagnosis {
                        code: "arch-missing",
                        weight: Weight::Error(Class::Upstream),
                        subject: shown(line),
                        message: format!("there is {other}, and no {arch}"),
                        hint: Some(format!(
                            "add \"{arch}\" to the repository's `arches` on the server, then `bivouac sync`"
                        )),
                    });
                }
                self.check(there).await;
                return Ok(());
            }
        }
        let v3 = layout::file(line, wanted.as_str(), INDEX_V3);
        if self.http.look(&v3, Part::From(0)).await.is_ok() {
            self.report.diagnoses.push(Diagnosis {
                code: "apk-v3",
                weight: Weight::Error(Class::Upstream),
                subject: shown(&v3),
                message: "there is an index for apk 3 alone; apk 2 clients find nothing, and this bivouac reads none"
                    .to_owned(),
                hint: Some(format!("make an {INDEX} beside it: `bivouac index DIR` and `bivouac sign`")),
            });
            return Ok(());
        }
        self.farther(far).await
    }

    async fn farther(&mut self, far: Vec<Candidate>) -> Result<(), Option<Fault>> {
        let wanted = self.request.arch.arch().clone();
        let this: &Self = self;
        // Nothing of them is read here: only one, as a rule, is what was meant.
        let tries = far.into_iter().map(|candidate| {
            let wanted = &wanted;
            async move {
                let at = layout::file(&candidate.line, wanted.as_str(), INDEX);
                let answer = match this.http.look(&at, Part::From(0)).await {
                    Err(fault) if is_away(&fault) && matches!(candidate.kind, Kind::ArchFirst | Kind::OtherTop) => {
                        let at = layout::beside(&candidate.line, INDEX);
                        this.http.look(&at, Part::From(0)).await.map(|_| (at, Lies::Flat))
                    }
                    answer => answer.map(|_| (at, Lies::AsClientsLook)),
                };
                (candidate, answer)
            }
        });
        let tried: Vec<_> = stream::iter(tries).buffered(AT_ONCE).collect().await;
        let mut forbidden = None;
        let mut hits = Vec::new();
        for (candidate, answer) in tried {
            match answer {
                Ok((at, lies)) => hits.push((candidate, at, lies)),
                Err(Fault::Status(403)) => forbidden = Some(Fault::Status(403)),
                Err(_) => {}
            }
        }
        let Some(first) = hits.first().map(|(candidate, ..)| candidate.kind) else { return Err(forbidden) };
        if first != Kind::Below {
            let (candidate, at, lies) = hits.swap_remove(0);
            let there = self.ask_at(&candidate.line, &wanted, at).await.map_err(Some)?;
            if lies == Lies::Flat {
                self.flat(&candidate.line, &wanted);
                self.check_signer_of(there);
                return Ok(());
            }
            let message = match candidate.kind {
                Kind::ArchFirst => "the arch stands before the repository on this server",
                Kind::OtherBranch => "the branch is missing in the line, or is not on this server",
                Kind::OtherTop | Kind::WithoutArch | Kind::Below => {
                    "a folder of the server is missing in the line, or too much"
                }
            };
            self.wrong(message, format!("write {} into /etc/apk/repositories", shown(&candidate.line)));
            self.check(there).await;
            return Ok(());
        }
        for (candidate, at, _) in hits.into_iter().filter(|(candidate, ..)| candidate.kind == Kind::Below) {
            let there = self.ask_at(&candidate.line, &wanted, at).await.map_err(Some)?;
            self.check(there).await;
        }
        Ok(())
    }

    fn wrong(&mut self, message: &str, hint: String) {
        self.report.diagnoses.push(Diagnosis {
            code: "wrong-layout",
            weight: Weight::Error(Class::Upstream),
            subject: shown(&self.request.line),
            message: message.to_owned(),
            hint: Some(hint),
        });
    }

    fn flat(&mut self, line: &Url, arch: &Arch) {
        let message = format!("the index lies in this folder itself; a client looks for it in {arch}/ below");
        let path = line.path().trim_end_matches('/').to_owned();
        let hint = format!(
            "on the server: `ln -s . {arch}` in the folder of {path}; then the line {} works (a name with {{arch}}, such as \
             \"{{arch}}/main\", does so by itself)",
            shown(line).trim_end_matches('/')
        );
        self.wrong(&message, hint);
    }

    async fn ask(&self, line: &Url, arch: &Arch) -> Result<There, Fault> {
        self.ask_at(line, arch, layout::file(line, arch.as_str(), INDEX)).await
    }

    async fn ask_at(&self, line: &Url, arch: &Arch, at: Url) -> Result<There, Fault> {
        let answer = self.http.look(&at, Part::Whole(MAX_INDEX)).await?;
        Ok(There { line: line.clone(), arch: arch.clone(), at, answer })
    }

    fn check_signer_of(&mut self, there: There) -> Option<Vec<Entry>> {
        let There { line, arch, at, answer } = there;
        let subject = shown(&at);
        self.report.looked.bytes += answer.bytes.len() as u64;
        self.report.looked.objects += 1;
        let mut seen = head::judge(&answer, &subject);
        seen.extend(age::clock(&subject, answer.date, self.request.now));
        seen.extend(age::stale(&subject, answer.last_modified, self.request.max_age, self.request.now));
        let (distrust, read) = signer::judge(&answer.bytes, self.request.keys, &arch, &subject);
        seen.extend(distrust);
        self.report.diagnoses.append(&mut seen);
        self.report.repositories.push(Found {
            line: shown(&line),
            arch,
            description: read.description,
            signers: read.signers,
            packages: read.entries.as_ref().map(Vec::len),
            last_modified: answer.last_modified,
            index: ObjectId::new(Sha256::digest(&answer.bytes).into()),
        });
        read.entries
    }

    async fn check(&mut self, there: There) {
        let (line, arch) = (there.line.clone(), there.arch.clone());
        let Some(entries) = self.check_signer_of(there) else { return };
        let (mut seen, looked) = packages::look(self.http, &line, &arch, &entries, self.request.sample).await;
        // What the server does to the index, too, was said.
        seen.retain(|one| one.class().is_some() || !self.report.diagnoses.iter().any(|said| said.code == one.code));
        self.report.diagnoses.extend(seen);
        self.report.looked.objects += looked.objects;
        self.report.looked.bytes += looked.bytes;
        let beside = self.beside(&line, &arch).await;
        let beside: Vec<&[Entry]> = beside.iter().map(Vec::as_slice).collect();
        let subject = format!("{} ({arch})", shown(&line));
        self.report.diagnoses.extend(needs::unmet(&entries, &beside, &subject));
        if let Some((name, text)) = &self.request.world {
            let supplies: Vec<&[Entry]> = std::iter::once(entries.as_slice()).chain(beside).collect();
            self.report.diagnoses.extend(needs::world(text, name, &supplies, &subject));
        }
    }

    /// What the same clients have besides: what the caller names, and the branch's `main`, on which everything in it builds.
    async fn beside(&mut self, line: &Url, arch: &Arch) -> Vec<Vec<Entry>> {
        let mut supplies = Vec::new();
        for url in self.request.beside.clone() {
            match self.ask(&url, arch).await {
                Ok(there) => supplies.extend(signer::judge(&there.answer.bytes, self.request.keys, arch, "").1.entries),
                Err(fault) => {
                    let address = layout::file(&url, arch.as_str(), INDEX);
                    let diagnosis = reach::judge(self.http, &address, &fault).await;
                    if !self.report.diagnoses.contains(&diagnosis) {
                        self.report.diagnoses.push(diagnosis);
                    }
                }
            }
        }
        for main in main_of(line).filter(|main| *main != *line && !self.request.beside.contains(main)) {
            if let Ok(there) = self.ask(&main, arch).await {
                supplies.extend(signer::judge(&there.answer.bytes, self.request.keys, arch, "").1.entries);
            }
        }
        supplies
    }
}

/// Whether an index lies where a client looks.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Lies {
    AsClientsLook,
    Flat,
}

/// The branch's `main` and `community` of a line in it.
fn main_of(line: &Url) -> impl Iterator<Item = Url> {
    let segments: Vec<&str> = line.path_segments().into_iter().flatten().filter(|part| !part.is_empty()).collect();
    let branch = segments.iter().position(|part| layout::is_branch(part));
    let head: Vec<String> =
        branch.map(|at| segments[..=at].iter().map(|part| (*part).to_owned()).collect()).unwrap_or_default();
    let line = line.clone();
    ["main", "community"].into_iter().filter(move |_| branch.is_some()).map(move |repository| {
        let mut url = line.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.clear().extend(&head).push(repository);
        }
        url
    })
}

/// Whether the server answered, and has nothing there for us.
fn is_away(fault: &Fault) -> bool {
    matches!(fault, Fault::Status(403 | 404 | 410))
}
