//! What a set of packages can no longer do that it could: dependencies that lost their last provider.

use std::collections::HashMap;

use crate::apk::Entry;
use crate::apk::dependency::{self, Dependency, Offer, Sense};

use super::closure::offers;

/// A dependency that lost its last provider.
#[derive(Clone, Copy, Debug)]
pub struct Loss<'e> {
    /// Who needs it.
    pub needed_by: &'e Entry,
    /// The term of its `D:`.
    pub term: &'e str,
    /// What satisfied it.
    pub provided_by: &'e Entry,
}

/// Who has or provides a name.
struct Providers<'e>(HashMap<&'e str, Vec<(&'e Entry, Offer<'e>)>>);

impl<'e> Providers<'e> {
    fn of(entries: &[&'e Entry]) -> Self {
        let mut providers: HashMap<&str, Vec<_>> = HashMap::with_capacity(entries.len() * 4);
        for entry in entries.iter().copied() {
            for (name, offer) in offers(entry) {
                providers.entry(name).or_default().push((entry, offer));
            }
        }
        Providers(providers)
    }

    /// The first that some client would take for `term`.
    fn first(&self, term: &Dependency<'_>) -> Option<&'e Entry> {
        let offers = self.0.get(term.name)?;
        offers.iter().find(|(_, offer)| term.satisfied_in_any_client(*offer)).map(|(entry, _)| *entry)
    }
}

/// The dependencies of what is in both `now` and `was` that something satisfies in `was` and nothing in `now`, in the order of
/// `now`. Conflicts are left alone: which of two packages is installed is the client's choice.
pub fn losses<'e>(now: &[&'e Entry], was: &[&'e Entry]) -> Vec<Loss<'e>> {
    let (now_provided, was_provided) = (Providers::of(now), Providers::of(was));
    let stayed: HashMap<_, _> = was.iter().map(|entry| ((entry.identity(), entry.file()), ())).collect();
    let mut losses = Vec::new();
    for entry in now.iter().copied().filter(|entry| stayed.contains_key(&(entry.identity(), entry.file()))) {
        let terms = dependency::parse_list(entry.field(b'D').unwrap_or_default()).flatten();
        for term in terms.filter(|term| term.sense == Sense::Requires && now_provided.first(term).is_none()) {
            if let Some(provided_by) = was_provided.first(&term) {
                losses.push(Loss { needed_by: entry, term: term.as_str(), provided_by });
            }
        }
    }
    losses
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(name: &str, version: &str, fields: &str) -> Entry {
        let text =
            format!("C:Q1UIdteUHTaO3a/78FIhzsauTtuzU=\nP:{name}\nV:{version}\nA:x86\nS:1\nI:2\nT:\nU:\nL:{fields}");
        Entry::parse(&text).unwrap()
    }

    fn told(now: &[&Entry], was: &[&Entry]) -> Vec<String> {
        let tell = |loss: &Loss<'_>| format!("{} {} {}", loss.needed_by.file(), loss.term, loss.provided_by.file());
        losses(now, was).iter().map(tell).collect()
    }

    #[test]
    fn a_term_that_lost_its_last_provider_is_told_with_who_had_it() {
        let app = entry("app", "1-r0", "\nD:so:libx.so.2 base>1 !rival");
        let (old, new) = (entry("libx", "1-r0", "\np:so:libx.so.1=1"), entry("libx", "2-r0", "\np:so:libx.so.2=2"));
        let base = entry("base", "2-r0", "");
        assert_eq!(told(&[&app, &old, &base], &[&app, &new, &base]), ["app-1-r0.apk so:libx.so.2 libx-2-r0.apk"]);
        assert!(told(&[&app, &new, &base], &[&app, &new, &base]).is_empty());
        // Another provider is as good.
        let other = entry("libx-compat", "1-r0", "\np:so:libx.so.2=2");
        assert!(told(&[&app, &old, &base, &other], &[&app, &new, &base]).is_empty());
    }

    #[test]
    fn what_was_unmet_before_is_no_loss_and_neither_is_what_only_one_side_has() {
        let (app, next) = (entry("app", "1-r0", "\nD:nobody"), entry("app", "2-r0", "\nD:base"));
        assert!(told(&[&app], &[&app]).is_empty());
        assert!(told(&[&next], &[&app, &entry("base", "1-r0", "")]).is_empty());
    }

    #[test]
    fn an_exact_version_of_a_sibling_is_lost_with_it() {
        let (doc, one, two) = (entry("x-doc", "2-r0", "\nD:x=2-r0"), entry("x", "1-r0", ""), entry("x", "2-r0", ""));
        assert_eq!(told(&[&doc, &one], &[&doc, &two]), ["x-doc-2-r0.apk x=2-r0 x-2-r0.apk"]);
    }
}
