//! In which order open names are decided: those that need before those that are needed, so that what a choice asks for is
//! known when the choices below it are made.

use super::catalogue::{Catalogue, NameId, Term};

/// The rank of each name that the world can reach; lower is decided first. Others have none.
///
/// A walk over all that any candidate needs, numbered as it leaves a name, backwards: but for rings a name stands before all
/// that its candidates need. Costs one look at each term of what can be reached.
pub(super) fn ranks(catalogue: &Catalogue<'_>, world: &[Term<'_>], names: usize) -> Vec<u32> {
    let mut ranks = vec![u32::MAX; names];
    let mut entered = vec![false; names];
    let mut left = 0;
    for term in world.iter().filter(|term| term.requires()) {
        if std::mem::replace(&mut entered[term.name.at()], true) {
            continue;
        }
        let mut path = vec![Step { name: term.name, offer: 0, need: 0 }];
        while let Some(step) = path.last_mut() {
            match step.next(catalogue) {
                Some(name) if !std::mem::replace(&mut entered[name.at()], true) => {
                    path.push(Step { name, offer: 0, need: 0 });
                }
                Some(_) => {}
                None => {
                    ranks[step.name.at()] = u32::MAX - 1 - left;
                    left += 1;
                    path.pop();
                }
            }
        }
    }
    ranks
}

/// Where a walk stands: which need of which candidate of a name comes next.
struct Step {
    name: NameId,
    offer: usize,
    need: usize,
}

impl Step {
    fn next(&mut self, catalogue: &Catalogue<'_>) -> Option<NameId> {
        while let Some(offered) = catalogue.offers(self.name).get(self.offer) {
            if let Some(term) = catalogue.needs(offered.package).get(self.need) {
                self.need += 1;
                return Some(term.name);
            }
            (self.offer, self.need) = (self.offer + 1, 0);
        }
        None
    }
}
