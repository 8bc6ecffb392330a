//! One index is asked for, URL after URL, until one has what may follow the index in force.

use std::cmp::Ordering;
use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use super::indexes::{Fetched, Upstream};
use super::judge::{self, Behind, GoingBack, Judgement, Lag, Standing};
use super::{Error, Setback};
use crate::apk::ObjectId;
use crate::apk::v2::sections::Limits;
use crate::ledger::UrlHad;
use crate::report::Reporter;
use crate::snapshot::IndexKey;
use crate::sources;
use crate::sources::http::{IndexReply, IndexRequest, Validators};
use crate::verify::accepted::Step;
use crate::verify::freshness::compare_descriptions;
use crate::verify::keyring::Signer;
use crate::verify::{self, RefusedIndex, VerifiedIndex};

/// What the URLs of a source have of an index.
pub(super) enum Answer {
    /// What is in force; of a URL that gave the same bytes under other validators, those.
    Unchanged { url: Option<String>, validators: Option<Validators> },
    /// What may take its place.
    New(Fetched),
    /// Those that answer have what was accepted before.
    Lagging(Lag),
    /// Nothing that may be taken.
    Failed(Setback),
    /// This host's trouble.
    Host(Error),
}

/// What was learnt of an index.
pub(super) struct Heard {
    pub(super) answer: Answer,
    /// New signers of what was not taken for their sake.
    pub(super) held: Vec<Signer>,
    /// What each URL had that was asked, as it may be shown.
    pub(super) urls: Vec<(String, UrlHad)>,
}

impl Heard {
    /// An answer; nobody's signature is held back.
    pub(super) fn of(answer: Answer) -> Self {
        Heard { answer, held: Vec::new(), urls: Vec::new() }
    }
}

/// With which words an index is asked for.
pub(super) struct Question<'a> {
    /// By URL: what belongs to the bytes that we have.
    pub(super) known: &'a [Option<Validators>],
    /// Digest of the bytes that we have.
    pub(super) have: Option<ObjectId>,
    /// Where to begin.
    pub(super) first_url: usize,
    /// What comes is compared with this.
    pub(super) standing: Standing<'a>,
}

/// What was passed over on the way to a better URL.
#[derive(Default)]
struct PassedOver {
    /// What was refused or held, the first first.
    setbacks: Vec<Setback>,
    held: Vec<Signer>,
    urls: Vec<(String, UrlHad)>,
    lag: Option<Lag>,
    /// The newest that is behind, where the operator lets the index go back.
    back: Option<Fetched>,
}

/// Asks URL after URL until one has an index that verifies and may follow what is in force.
pub(super) async fn fetch(upstream: &Upstream, question: &Question<'_>, reporter: &Arc<dyn Reporter>) -> Heard {
    let mut passed = PassedOver::default();
    let answer = ask(upstream, question, &mut passed, reporter).await;
    let answer = match answer {
        Ok(Some(answer)) => {
            passed.tell(question.standing.key, reporter);
            answer
        }
        Ok(None) => passed.answer(None),
        Err(Trouble::Away(setback)) => passed.answer(Some(setback)),
        Err(Trouble::Host(error)) => Answer::Host(error),
    };
    Heard { answer, held: passed.held, urls: passed.urls }
}

/// Why no URL is asked any more.
enum Trouble {
    /// The rest of them cannot be reached.
    Away(Setback),
    Host(Error),
}

/// The first good answer; `None` where every URL was passed over.
async fn ask(
    upstream: &Upstream,
    question: &Question<'_>,
    passed: &mut PassedOver,
    reporter: &Arc<dyn Reporter>,
) -> Result<Option<Answer>, Trouble> {
    let Question { known, have, mut first_url, ref standing } = *question;
    let key = standing.key;
    while first_url < upstream.http.url_count() {
        let request = IndexRequest { path: &key.path, arch: &key.arch, known, first_url };
        let shown = |url| upstream.http.shown_url(url).unwrap_or_default();
        let reply = upstream.http.index(&request, &**reporter).await;
        let answered = match &reply {
            Ok(IndexReply::Unchanged { url } | IndexReply::Fetched { url, .. }) => *url,
            Err(_) => upstream.http.url_count(),
        };
        passed.urls.extend((first_url..answered).map(|url| (shown(url), UrlHad::Away)));
        let (url, bytes, validators) = match reply {
            Ok(IndexReply::Unchanged { url }) => {
                passed.urls.push((shown(url), UrlHad::Current));
                return Ok(Some(Answer::Unchanged { url: None, validators: None }));
            }
            Ok(IndexReply::Fetched { url, bytes, validators }) => (url, bytes, validators),
            Err(error @ (sources::Error::Sink { .. } | sources::Error::Client(_))) => {
                return Err(Trouble::Host(error.into()));
            }
            Err(error) => {
                return Err(Trouble::Away(Setback::of(format!("index {key} could not be had"), &error)));
            }
        };
        first_url = url + 1;
        let name = shown(url);
        let digest = ObjectId::new(Sha256::digest(&bytes).into());
        if have == Some(digest) {
            // The same bytes under other validators: a server that was moved, or that gives none.
            passed.urls.push((name.clone(), UrlHad::Current));
            return Ok(Some(Answer::Unchanged { url: Some(name), validators: Some(validators) }));
        }
        let index = match verify::index::verify(bytes, standing.keyring, &key.arch, &Limits::default()) {
            Ok(index) => index,
            Err(error) => {
                passed.urls.push((name.clone(), UrlHad::Refused));
                passed.setbacks.push(refusal(key, &name, &error));
                continue;
            }
        };
        let fetched = |index: VerifiedIndex, step, signers| Fetched {
            index,
            digest,
            url: name.clone(),
            validators: validators.clone(),
            as_of: None,
            proofs: Vec::new(),
            step,
            signers,
        };
        match judge::judge(standing, &name, &index).map_err(Trouble::Host)? {
            Judgement::Good(signers) => {
                passed.urls.push((name.clone(), UrlHad::Current));
                return Ok(Some(Answer::New(fetched(index, Step::Forward, signers))));
            }
            Judgement::Behind(behind, signers) => {
                if standing.going_back == GoingBack::Accepted {
                    passed.go_back(fetched(index, Step::Back, signers));
                }
                match behind {
                    Behind::Lag(lag) => {
                        passed.urls.push((name.clone(), UrlHad::Lagging));
                        passed.lag = passed.lag.take().or(Some(lag));
                    }
                    Behind::Older(setback) | Behind::Elsewhere(setback) => {
                        passed.urls.push((name.clone(), UrlHad::Refused));
                        passed.setbacks.push(setback);
                    }
                }
            }
            Judgement::Held(setback) => {
                passed.urls.push((name.clone(), UrlHad::Refused));
                passed.held.extend_from_slice(index.signers());
                passed.setbacks.push(setback);
            }
        }
    }
    Ok(None)
}

impl PassedOver {
    fn go_back(&mut self, fetched: Fetched) {
        let is_newer = |before: &Fetched| {
            compare_descriptions(fetched.index.description(), before.index.description()) == Some(Ordering::Greater)
        };
        if self.back.as_ref().is_none_or(is_newer) {
            self.back = Some(fetched);
        }
    }

    /// What follows when no URL has anything better. What cannot be trusted is told before what is away, and a URL that lags
    /// is one that answers.
    fn answer(&mut self, away: Option<Setback>) -> Answer {
        if let Some(back) = self.back.take() {
            return Answer::New(back);
        }
        let refused = (!self.setbacks.is_empty()).then(|| self.setbacks.remove(0));
        match (refused, self.lag.take(), away) {
            (Some(setback), _, _) | (None, None, Some(setback)) => Answer::Failed(setback),
            (None, Some(lag), _) => Answer::Lagging(lag),
            (None, None, None) => unreachable!("a source has a URL, and each was passed over for a reason"),
        }
    }

    /// Another URL had what may be taken: what the first ones had is worth a line.
    fn tell(&self, key: &IndexKey, reporter: &Arc<dyn Reporter>) {
        for setback in &self.setbacks {
            reporter.warning(&format!("{}; another URL of the source is taken", setback.one_line()));
        }
        if let Some(lag) = &self.lag {
            reporter.index_lags(&key.source, &key.path, &key.arch, &lag.told());
        }
    }
}

fn refusal(key: &IndexKey, url: &str, error: &RefusedIndex) -> Setback {
    let mut setback = Setback::of(format!("refused index {key}"), error);
    setback.details.push(judge::at(url, key));
    setback
}
