//! The resolver and the closure against the real apk 2.14 on Alpine's own 3.21: it says yes and no where we do, and for the
//! same packages.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Mutex;

use bivouac::apk::dependency::{Dependency, Offer, Sense, parse_list, parse_provides, parse_world};
use bivouac::apk::{Entry, Version};
use bivouac::select::{Closure, Dependencies, Item, Place, Reason, Request, Selector, Supply, Versions, Wanted, close};
use bivouac::solve::{Catalogue, Obstacle};

use super::client::real_alpine;
use super::simulate::{Chance, Listing, entries_in, on_machines, simulate};

/// Main and community, as Alpine signed them: where they lie and what they list.
struct Union {
    folders: [String; 2],
    indexes: [Vec<Entry>; 2],
}

impl Union {
    fn of(real: &Path) -> Union {
        let folders = ["main", "community"].map(|name| real.join("official/index/v3.21").join(name));
        let union = Union {
            indexes: folders.each_ref().map(|folder| entries_in(folder)),
            folders: folders.map(|folder| folder.to_str().unwrap().to_owned()),
        };
        assert_eq!(union.indexes.iter().map(Vec::len).sum::<usize>(), 25_392);
        union
    }

    fn supplies(&self) -> [&[Entry]; 2] {
        self.indexes.each_ref().map(Vec::as_slice)
    }

    fn draw(&self, chance: &mut Chance) -> &Entry {
        let at = chance.below(25_392);
        let main = self.indexes[0].len();
        if at < main { &self.indexes[0][at] } else { &self.indexes[1][at - main] }
    }

    fn at(&self, place: Place) -> &Entry {
        &self.indexes[place.supply][place.entry]
    }
}

/// What we would install for a world, as apk prints it; what we say when we refuse.
fn resolve(catalogue: &Catalogue<'_>, world: &str) -> Result<BTreeSet<String>, Vec<Obstacle>> {
    let terms: Vec<_> = parse_world(world).map(Result::unwrap).collect();
    let named = |entry: &Entry| format!("{} ({})", entry.name(), entry.version());
    Ok(catalogue.resolve(&terms)?.packages.into_iter().map(named).collect())
}

fn told(obstacles: &[Obstacle]) -> String {
    obstacles.iter().map(Obstacle::to_string).collect::<Vec<_>>().join("\n    ")
}

/// Whether a client takes `entry` for `term`, by its name or by what it provides.
fn meets(entry: &Entry, term: &Dependency<'_>) -> bool {
    let own = Offer::Package(Version::new(entry.version().as_str()), entry.identity());
    let provides = parse_provides(entry.field(b'p').unwrap_or_default()).flatten();
    std::iter::once((entry.name().as_str(), own))
        .chain(provides.map(|provide| (provide.name, Offer::Provides(provide.version))))
        .any(|(name, offer)| name == term.name && term.satisfied_in_any_client(offer))
}

/// What our closure takes of the union for these roots.
fn closure_of<'e>(supplies: &[&'e [Entry]; 2], roots: &[Selector]) -> Closure<'e> {
    let supplies = supplies.map(|entries| Supply { entries, wanted: Wanted::List(0) });
    let request =
        Request { lists: &[roots], exclude: &[], versions: Versions::Newest, dependencies: Dependencies::Follow };
    close(&supplies, &request)
}

/// Each step of the chain by which a package was chosen holds in the entries themselves, and it ends at the root.
fn check_chain(union: &Union, closure: &Closure<'_>, root: &str, place: Place) {
    let chain = closure.chain(place);
    let (last, steps) = chain.split_last().unwrap();
    assert!(matches!(last.1, Reason::Root { selector: 0 }), "{root}: {chain:?}");
    assert!(meets(union.at(last.0), &Dependency::parse(root).unwrap()), "{root}: {chain:?}");
    for (step, (place, reason)) in steps.iter().enumerate() {
        let entry = union.at(*place);
        let by = match *reason {
            Reason::Needed { by, term } => {
                let stands = union.at(by).field(b'D').unwrap().split(' ').any(|other| other == term);
                assert!(stands && meets(entry, &Dependency::parse(term).unwrap()), "{root}: {term} by {entry:?}");
                by
            }
            Reason::InstallIf { by, rule } => {
                assert_eq!(entry.field(b'i'), Some(rule), "{root}");
                let terms = parse_list(rule).map(Result::unwrap).filter(|term| term.sense == Sense::Requires);
                for term in terms {
                    assert!(closure.chosen().any(|(other, _)| meets(union.at(other), &term)), "{root}: {rule}");
                }
                assert!(parse_list(rule).flatten().any(|term| meets(union.at(by), &term)), "{root}: {rule}");
                by
            }
            Reason::Root { .. } | Reason::Whole | Reason::OtherVersion { .. } => {
                panic!("{root}: {reason:?} is not on the way of {chain:?}")
            }
        };
        assert_eq!(by, chain[step + 1].0, "{root}: the chain goes on from the one that needs");
    }
}

#[test]
fn a_closure_installs_what_the_whole_union_does_and_every_chain_is_true() {
    let Some(real) = real_alpine() else { return };
    let union = Union::of(&real);
    let supplies = union.supplies();
    let catalogue = Catalogue::new(&supplies);
    let mut chance = Chance(321);
    let mut names: BTreeSet<&str> = BTreeSet::new();
    while names.len() < 300 {
        names.insert(union.draw(&mut chance).name().as_str());
    }
    let names: Vec<&str> = names.into_iter().collect();
    // Packages installed, packages refused, chains looked at, and what differs.
    let tally = Mutex::new((0, 0, 0, Vec::new()));
    on_machines(&real, &names, |machine, name| {
        let Ok(Item::Selector(selector)) = Item::parse(name) else { panic!("{name} is a name") };
        let selectors: [Selector; 1] = [selector];
        let closure = closure_of(&supplies, &selectors);
        let mut chosen = Vec::new();
        for (place, _) in closure.chosen() {
            check_chain(&union, &closure, name, place);
            chosen.push(union.at(place).clone());
        }
        let chains = chosen.len();
        let listing = Listing::of(chosen);
        let all = simulate(machine, &union.folders, name);
        let few = simulate(machine, &[listing.address()], name);
        let ours = resolve(&catalogue, name);
        let mut tally = tally.lock().unwrap();
        tally.0 += all.as_ref().map_or(0, BTreeSet::len);
        tally.1 += usize::from(all.is_err());
        tally.2 += chains;
        if all.is_ok() && all != few || all.as_ref().ok() != ours.as_ref().ok() {
            tally.3.push(format!("{name}\nfrom the union: {all:?}\nfrom its closure: {few:?}\nas we say: {ours:?}"));
        }
    });
    let (installed, refused, chains, wrong) = tally.into_inner().unwrap();
    println!("300 packages: {installed} installed, {refused} refused, {chains} chains");
    assert!(wrong.is_empty(), "{} of 300 differ:\n{}", wrong.len(), wrong.join("\n\n"));
    assert!(installed > 3000 && refused < 10 && chains > installed, "{installed} installed, {refused} refused");
}

#[test]
fn two_hundred_worlds_are_judged_as_the_real_apk_does() {
    let Some(real) = real_alpine() else { return };
    let union = Union::of(&real);
    let supplies = union.supplies();
    let catalogue = Catalogue::new(&supplies);
    let mut chance = Chance(200);
    let worlds: Vec<(String, String)> =
        std::iter::repeat_with(|| world(&union, &catalogue, &mut chance)).take(WORLDS).collect();
    let tally = Mutex::new(Judged::default());
    on_machines(&real, &worlds, |machine, (world, removed)| {
        // What the world could need of the union, all providers; then the same without the one package. (That apk installs
        // from the first what it installs from the whole union is the test above; there it reads ten times as long.)
        let selectors = Selector::read_world(world).unwrap();
        let closure = closure_of(&supplies, &selectors);
        let all: Vec<Entry> = closure.chosen().map(|(place, _)| union.at(place).clone()).collect();
        let left = all.iter().filter(|entry| entry.name().as_str() != removed).cloned().collect();
        let [whole, lacking] = [all, left].map(|entries| {
            let listing = Listing::of(entries);
            let listed = listing.entries();
            (simulate(machine, &[listing.address()], world), resolve(&Catalogue::new(&[&listed]), world))
        });
        let mut tally = tally.lock().unwrap();
        tally.whole[usize::from(whole.0.is_err())] += 1;
        tally.lacking[usize::from(lacking.0.is_err())] += 1;
        for (theirs, ours) in [whole, lacking] {
            match (theirs, ours) {
                (Ok(theirs), Ok(ours)) if theirs == ours => {}
                (Ok(theirs), Ok(ours)) => {
                    let differ: Vec<_> = theirs.symmetric_difference(&ours).cloned().collect();
                    tally.other_packages.push(format!("{world:?} without {removed}: {differ:?}"));
                }
                (Err(_), Err(_)) => {}
                (theirs, ours) => {
                    let ours = ours.map_err(|obstacles| told(&obstacles));
                    tally.otherwise.push(format!("{world:?} without {removed}\napk: {theirs:?}\nwe: {ours:?}"));
                }
            }
        }
    });
    let Judged { whole, lacking, other_packages, otherwise } = tally.into_inner().unwrap();
    println!("the union: {whole:?} yes and no; lacking a package: {lacking:?}; other packages: {other_packages:#?}");
    assert!(otherwise.is_empty(), "{} are judged otherwise:\n{}", otherwise.len(), otherwise.join("\n\n"));
    // Where another package serves as well, the world can still be installed.
    assert!(whole[0] == WORLDS && lacking[1] >= 100, "{whole:?}, {lacking:?}: a hundred must want the package");
    assert!(other_packages.len() <= 2, "{other_packages:?}");
}

/// So many that a hundred of them cannot be installed without the package that is taken away.
const WORLDS: usize = 120;

#[derive(Default)]
struct Judged {
    /// How often apk says yes and no.
    whole: [usize; 2],
    lacking: [usize; 2],
    other_packages: Vec<String>,
    otherwise: Vec<String>,
}

/// A world that can be installed, and a package that it installs.
fn world(union: &Union, catalogue: &Catalogue<'_>, chance: &mut Chance) -> (String, String) {
    loop {
        let names = (0..1 + chance.below(12)).map(|_| union.draw(chance).name().to_string());
        let world = std::iter::once("alpine-base".to_owned()).chain(names).collect::<Vec<_>>().join("\n");
        let terms: Vec<_> = parse_world(&world).map(Result::unwrap).collect();
        if let Ok(resolution) = catalogue.resolve(&terms) {
            let removed = chance.of(&resolution.packages).name().to_string();
            return (world, removed);
        }
    }
}
