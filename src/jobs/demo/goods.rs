//! What the demo's sources have: small packages that install, with every kind of dependency. All invented, so that nobody
//! takes one for Alpine's.

use crate::apk::v2::package::Recipe;

/// One package.
pub(super) struct Good {
    pub(super) name: &'static str,
    pub(super) version: &'static str,
    about: &'static str,
    kind: Kind,
    depends: &'static [&'static str],
    install_if: &'static [&'static str],
}

/// What it installs.
enum Kind {
    /// `usr/bin/<name>`, which provides `cmd:<name>`.
    Command,
    /// `usr/lib/<soname>`, which provides `so:<soname>`.
    Library(&'static str),
    /// A file below `usr/share`, the same for every arch.
    Data,
    /// Nothing: it only depends.
    Meta,
}

const fn good(
    name: &'static str,
    version: &'static str,
    kind: Kind,
    about: &'static str,
    depends: &'static [&'static str],
) -> Good {
    Good { name, version, about, kind, depends, install_if: &[] }
}

use Kind::{Command, Data, Library, Meta};

const MAIN: &[Good] = &[
    good("base-camp", "1.0-r0", Meta, "All that a night outside needs", &["tent", "stove", "map>=2.0", "lantern"]),
    good("compass", "4.2-r1", Command, "Points north", &["so:libneedle.so.4"]),
    good("first-aid", "3.0-r0", Data, "Plasters and bandages", &[]),
    good("knots", "1.1-r0", Data, "How to tie a bowline", &[]),
    good("lantern", "2.7-r3", Command, "Light for the evening", &["so:libbattery.so.2"]),
    good("libbattery", "2.1.4-r0", Library("libbattery.so.2"), "Stores energy", &[]),
    good("libfuel", "0.9.8-r2", Library("libfuel.so.0"), "Burns", &[]),
    good("libneedle", "4.0-r0", Library("libneedle.so.4"), "Always knows where north is", &[]),
    good("libtent", "1.3.1-r0", Library("libtent.so.1"), "Poles and pegs", &[]),
    good("map", "2.4-r0", Command, "Shows the way", &["map-data=2.4-r0"]),
    good("map-data", "2.4-r0", Data, "Contour lines", &[]),
    good("matches", "1.0_p3-r0", Command, "Lights a fire", &[]),
    good("rope", "1.8-r0", Command, "Holds", &["knots"]),
    good("stove", "5.1-r2", Command, "Boils water", &["so:libfuel.so.0", "cmd:matches"]),
    good("survival-guide", "7-r0", Data, "What to do when it rains", &[]),
    good("tent", "1.3.1-r0", Command, "Keeps the rain out", &["so:libtent.so.1", "rope"]),
    Good {
        install_if: &["tent=1.3.1-r0", "survival-guide"],
        ..good("tent-doc", "1.3.1-r0", Data, "How to pitch a tent", &[])
    },
    good("water-filter", "0.3_rc2-r0", Command, "Makes water drinkable", &[]),
    good("whistle", "1.0-r0", Command, "Six times a minute", &[]),
];

const COMMUNITY: &[Good] = &[
    good("camera", "3.6-r0", Command, "Remembers the view", &["so:liblens.so.2", "so:libbattery.so.2"]),
    good("chess", "2.2-r0", Command, "A game for two", &[]),
    good("field-guide", "12-r1", Data, "Birds and trees", &[]),
    good("guitar", "6.0-r0", Command, "Has six strings", &["libstrings>=2.0", "!ukulele"]),
    good("hammock", "1.5-r0", Command, "Needs two trees", &["rope>1.0"]),
    good("kite", "0.7-r0", Command, "Needs wind", &["rope"]),
    good("liblens", "2.8-r0", Library("liblens.so.2"), "Bends light", &[]),
    good("libstrings", "2.1-r0", Library("libstrings.so.2"), "Vibrates", &[]),
    good("songbook", "1.0-r0", Data, "Everybody knows the first verse", &[]),
    good("star-charts", "2026.1-r0", Data, "The sky by month", &[]),
    good("telescope", "1.9-r0", Command, "Shows what is far", &["so:liblens.so.2", "star-charts", "tripod"]),
    good("tripod", "1.2-r0", Command, "Stands on three legs", &[]),
    good("ukulele", "4.0-r0", Command, "Has four strings", &["so:libstrings.so.2"]),
];

const PRIVATE: &[Good] = &[
    good("corp-config", "2026.11-r0", Data, "Where the company meets", &[]),
    // Upstream has an older one, which this shadows.
    good("rope", "1.8.1-r0", Command, "Holds, as certified by the company", &["knots"]),
    good("trail-log", "1.4-r0", Command, "Who was where", &["corp-config", "cmd:map", "cmd:compass"]),
];

/// What upstream has in a repository.
pub(super) fn upstream(repository: &str) -> &'static [Good] {
    if repository == "main" { MAIN } else { COMMUNITY }
}

/// What the private source has.
pub(super) fn private() -> &'static [Good] {
    PRIVATE
}

impl Good {
    /// The package for `arch`, or for every arch if nothing in it depends on one.
    pub(super) fn recipe(&self, arch: &str) -> Recipe {
        let own = if matches!(self.kind, Kind::Data | Kind::Meta) { "noarch" } else { arch };
        let checked = "the demo's names are in their alphabets";
        let mut recipe = Recipe::new(
            self.name.parse().expect(checked),
            self.version.parse().expect(checked),
            own.parse().expect(checked),
        );
        recipe.description = self.about.to_owned();
        recipe.url = "https://demo.example/".to_owned();
        recipe.license = "CC0-1.0".to_owned();
        recipe.origin = Some(self.name.trim_end_matches("-doc").trim_end_matches("-data").to_owned());
        let owned = |terms: &[&str]| terms.iter().map(|term| (*term).to_owned()).collect::<Vec<_>>();
        recipe.depends = owned(self.depends);
        recipe.install_if = owned(self.install_if);
        let (name, version, about) = (self.name, self.version, self.about);
        match self.kind {
            Kind::Command => {
                recipe.provides = vec![format!("cmd:{name}={version}")];
                let script = format!("#!/bin/sh\necho '{name} {version} ({arch}): {about}'\n");
                recipe.file(&format!("usr/bin/{name}"), 0o755, script)
            }
            Kind::Library(soname) => {
                let version = version.split(['-', '_', '~']).next().unwrap_or(version);
                recipe.provides = vec![format!("so:{soname}={version}")];
                recipe.file(&format!("usr/lib/{soname}"), 0o755, format!("{name} for {arch}\n"))
            }
            Kind::Data => recipe.file(&format!("usr/share/{name}/README"), 0o644, format!("{name}: {about}\n")),
            Kind::Meta => recipe,
        }
    }
}
