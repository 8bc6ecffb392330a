//! What came back, and of what did not: what it is, who was asked in vain, whose trouble that is, and what to do.

use super::fetch::Outcome;
use super::indexes::Indexes;
use super::look::{Bad, BadIndex, FileState, Seen, Whose};
use super::offers::Offers;
use super::trees::{Mended, is_good, repaired, repaired_index};
use super::{RepairReport, Repaired};
use crate::apk::{ObjectId, Place};
use crate::error::Class;
use crate::finding::{Finding, Severity};
use crate::jobs::{Error, Mirror};

/// What is still wrong, each with whose trouble it is.
#[derive(Default)]
struct Wrong {
    findings: Vec<Finding>,
    troubles: Vec<Class>,
}

impl Wrong {
    fn push(&mut self, class: Class, finding: Finding) {
        self.findings.push(finding);
        self.troubles.push(class);
    }

    fn extend(&mut self, findings: Vec<Finding>) {
        findings.into_iter().for_each(|finding| self.push(Class::Damaged, finding));
    }
}

/// The report of a dry run: nothing was tried, so what somebody may have is no finding.
pub(super) fn shown(mirror: &Mirror<'_>, mut seen: Seen, offers: &Offers, indexes: &Indexes) -> RepairReport {
    let mut outcome = Outcome::default();
    for object in seen.objects.keys() {
        if let Some(from) = offers.first(object) {
            outcome.from.insert(*object, from);
        }
    }
    let mut mended = Mended::default();
    let files = seen.files.iter().filter(|bad| is_good(&seen, &outcome, &bad.object));
    for bad in files {
        match bad.state {
            FileState::Wrong(..) => mended.repaired.push(repaired(bad)),
            FileState::Linked | FileState::Right => mended.relinked += 1,
        }
    }
    for bad in &seen.indexes {
        mended.repaired.extend(indexes.of(&bad.index).map(|found| repaired_index(bad, &found.from)));
    }
    for bad in &seen.links {
        let file = bad.folder.join(bad.arch.as_str()).display().to_string();
        mended.repaired.push(Repaired { object: None, file, from: "its record".into() });
    }
    for finding in std::mem::take(&mut seen.modes).into_iter().chain(seen.refs.take()) {
        mended.repaired.push(Repaired { object: None, file: finding.subject, from: "what is there".into() });
    }
    if seen.lost_link.is_some() {
        let file = mirror.tree.link().display().to_string();
        mended.repaired.push(Repaired { object: None, file, from: "the record of what was live".into() });
    }
    let report = told(mirror, seen, offers, &outcome, indexes, mended, None);
    RepairReport { dry_run: true, ..report }
}

/// The report of a repair. `ended` is what ended it early.
pub(super) fn told(
    mirror: &Mirror<'_>,
    seen: Seen,
    offers: &Offers,
    outcome: &Outcome,
    indexes: &Indexes,
    mended: Mended,
    ended: Option<&Error>,
) -> RepairReport {
    let mut wrong = Wrong::default();
    let mut repaired = Vec::new();
    for (object, bad) in &seen.objects {
        match outcome.from.get(object) {
            Some(from) => {
                repaired.push(Repaired { object: Some(*object), file: bad.shown().to_owned(), from: from.clone() });
            }
            None => {
                let class = class_of(object, bad, offers, outcome);
                wrong.push(class, damaged(object, bad, class, offers, outcome, ended));
            }
        }
    }
    repaired.extend(mended.repaired);
    for (at, bad) in seen.files.iter().enumerate() {
        let FileState::Wrong(code, message) = &bad.state else { continue };
        if is_good(&seen, outcome, &bad.object) {
            if ended.is_some() && !mended.tried.contains(&at) {
                let subject = bad.path.display().to_string();
                let message = format!("{message}; the repair ended before it had its turn");
                let hint = Some("`bivouac repair` again".into());
                wrong.push(Class::Damaged, Finding { code, severity: Severity::Error, subject, message, hint });
            }
            continue;
        }
        let object = seen.objects.get(&bad.object);
        let class = object.map_or(Class::Damaged, |object| class_of(&bad.object, object, offers, outcome));
        let finding = Finding {
            code,
            severity: Severity::Error,
            subject: bad.path.display().to_string(),
            message: format!("{message}, and the pool's object {} is not right either", bad.object),
            hint: Some("what brings the object back (see there) brings this file back".into()),
        };
        wrong.push(class, finding);
    }
    for bad in seen.indexes.iter().filter(|bad| indexes.of(&bad.index).is_none()) {
        let class = if offers.away.is_empty() { Class::Damaged } else { Class::Upstream };
        wrong.push(class, index(mirror, bad, offers));
    }
    mended.failed.into_iter().for_each(|finding| wrong.push(Class::Host, finding));
    wrong.extend(offers.unreadable.clone());
    wrong.extend(seen.beyond);
    let Wrong { findings, troubles } = wrong;
    RepairReport {
        findings,
        troubles,
        checked: seen.checked,
        repaired,
        relinked: mended.relinked,
        dry_run: false,
        not_remembered: None,
        error: None,
    }
}

/// Whose trouble it is that an object did not come back, in the order of exit codes: somebody has other bytes, this host does not
/// take it, somebody could not be asked; else nobody has it.
fn class_of(object: &ObjectId, bad: &Bad, offers: &Offers, outcome: &Outcome) -> Class {
    let reasons = outcome.reasons.get(object).map(Vec::as_slice).unwrap_or_default();
    let has = |class| reasons.iter().any(|reason| reason.class == class);
    if has(Class::Refused) {
        Class::Refused
    } else if has(Class::Host) {
        Class::Host
    } else if has(Class::Upstream) || offers.away.iter().any(|away| away.may_have(bad)) {
        Class::Upstream
    } else {
        Class::Damaged
    }
}

fn damaged(
    object: &ObjectId,
    bad: &Bad,
    class: Class,
    offers: &Offers,
    outcome: &Outcome,
    ended: Option<&Error>,
) -> Finding {
    let mut tried: Vec<&str> = offers.away.iter().filter(|away| away.may_have(bad)).map(|away| &*away.what).collect();
    tried.extend(outcome.reasons.get(object).into_iter().flatten().map(|reason| &*reason.text));
    let tried = match ended {
        Some(_) => "the repair ended early".to_owned(),
        None if tried.is_empty() => "nobody who is known has it".to_owned(),
        None => tried.join("; "),
    };
    let hint = match class {
        _ if ended.is_some() => "`bivouac repair` again",
        Class::Upstream => "mount what is missing, or wait until it answers; then `bivouac repair` again",
        Class::Refused => {
            "it was replaced under the same name: `bivouac repair --from PATH` takes the bytes that were published from a \
             folder, package, bundle or backup"
        }
        Class::Host => "see what is in the way there, then `bivouac repair` again",
        _ => "`bivouac repair --from PATH` takes it from a folder, package, bundle or backup that has it",
    };
    Finding {
        message: format!("{}: {}; it did not come back: {tried}", bad.shown(), bad.finding.message),
        hint: Some(hint.into()),
        ..bad.finding.clone()
    }
}

fn index(mirror: &Mirror<'_>, bad: &BadIndex, offers: &Offers) -> Finding {
    let shown = |place: &Place| mirror.tree.shown(place).ok().flatten();
    let named = mirror.tree.named().unwrap_or_default();
    let at = |place: &Place| matches!(bad.whose, Whose::Tree(number, _) if shown(place) == Some(number));
    let hint = if let Whose::Record(_) = bad.whose {
        "`bivouac repair --from PATH` takes it from a backup".to_owned()
    } else if at(&Place::Live) && mirror.is_held().unwrap_or(false) {
        "`bivouac publish` shows the newest snapshot in its place, and ends the hold; or `bivouac repair --from PATH` with a \
         backup"
            .to_owned()
    } else if at(&Place::Live) {
        // Where a rule refuses the newest state, publish says which: nothing else makes it then.
        "`bivouac publish` makes it anew, with a new date; if that is refused, mend what it names, or `bivouac repair --from \
         PATH` with a backup"
            .to_owned()
    } else if let Some(name) = named.keys().find(|name| at(&Place::Beside((*name).clone()))) {
        format!("`bivouac publish --as {name}` makes it anew, with a new date")
    } else {
        "`bivouac repair --from PATH` takes it from a backup; clients see this generation only after a rollback"
            .to_owned()
    };
    let away: Vec<&str> = offers.away.iter().map(|away| &*away.what).collect();
    let away = if away.is_empty() { String::new() } else { format!("; {}", away.join("; ")) };
    Finding {
        code: bad.code,
        severity: Severity::Error,
        subject: bad.path.display().to_string(),
        message: format!("{}, and nobody who is known has it{away}", bad.message),
        hint: Some(hint),
    }
}
