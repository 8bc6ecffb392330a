//! `together`: repositories that move as one. What holds one of them back holds them all, and the others say so.

use std::sync::Arc;

use super::indexes::Asked;
use super::rebuilt::Outlook;
use super::report;
use super::want::Wish;
use super::{Mirror, Setback, takers};
use crate::config::{Config, Repository};
use crate::report::Reporter;
use crate::snapshot::IndexKey;

/// What holds a group back: the member, as `name/arch`, and its trouble.
pub(super) struct Cause {
    member: String,
    setback: Setback,
}

impl Cause {
    /// What `wish` tells, which waits for it.
    pub(super) fn setback(&self, waits: &str) -> Setback {
        let message = format!("{waits} waits: it moves together with {}, which is held back", self.member);
        let mut setback = Setback::new(self.setback.class, "together", message);
        setback.details.push(self.setback.message.clone());
        setback
    }
}

/// The word of the group that a wish belongs to.
fn group<'c>(config: &'c Config, wish: &Wish) -> Option<&'c str> {
    let mut repositories = config.repositories.iter();
    let is_its = |repository: &&Repository| repository.name == wish.name && repository.arches.contains(&wish.arch);
    repositories.find(is_its)?.together.as_deref()
}

/// What holds back the group of the wish at `number`, where that is another member's trouble.
pub(super) fn held_by(
    mirror: &Mirror<'_>,
    number: usize,
    wishes: &[Wish],
    indexes: &[super::indexes::Index],
    broken: &[Option<Setback>],
) -> Option<Cause> {
    let group_of = |number: usize| group(mirror.config, &wishes[number]);
    let mine = group_of(number)?;
    let others = (0..wishes.len()).filter(|other| *other != number && group_of(*other) == Some(mine));
    let causes = others.filter_map(|other| {
        let wish = &wishes[other];
        let setbacks = broken[other].iter().chain(report::setback_of(indexes.iter(), wish));
        // What waits is no cause, and what is carried moves.
        let setback = setbacks
            .filter(|one| !["together", "carried"].contains(&&*one.code))
            .min_by_key(|one| one.class.order())?;
        Some(Cause { member: format!("{}/{}", wish.name, wish.arch), setback: setback.clone() })
    });
    causes.min_by_key(|cause| cause.setback.class.order())
}

/// Sets aside the candidates of members whose group is held back, so that the snapshot does not hold half of a step. One that
/// a repository outside of the group takes from goes on: that repository does not wait.
pub(super) fn set_aside(
    mirror: &Mirror<'_>,
    asked: &mut Asked,
    wishes: &[Wish],
    broken: &[Option<Setback>],
    reporter: &Arc<dyn Reporter>,
) -> Outlook {
    let mut waiting: Vec<(IndexKey, Setback)> = Vec::new();
    for (number, wish) in wishes.iter().enumerate() {
        let Some(cause) = held_by(mirror, number, wishes, &asked.indexes, broken) else { continue };
        let mine = group(mirror.config, wish);
        for (key, _) in &wish.layers {
            if takers(mirror.config, key).all(|(repository, _)| repository.together.as_deref() == mine) {
                waiting.push((key.clone(), cause.setback(&format!("index {key}"))));
            }
        }
    }
    let mut outlook = Outlook::Same;
    for (key, setback) in waiting {
        let index =
            asked.indexes.iter_mut().find(|index| index.key == key).expect("wishes name only indexes asked for");
        if index.candidate.is_some() {
            reporter.index_failed(&key.source, &key.path, &key.arch, &setback.one_line());
            index.complete = None;
            index.set_aside();
            index.setback.get_or_insert(setback);
            outlook = Outlook::Changed;
        }
    }
    outlook
}
