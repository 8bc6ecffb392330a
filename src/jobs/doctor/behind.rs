//! A web server that goes on showing what was live before: its root names the folder that the public link led to when it was
//! configured or started, and never follows.

use sha2::{Digest as _, Sha256};

use crate::apk::ObjectId;
use crate::config::Config;
use crate::disk::durable;
use crate::doctor::layout::INDEX;
use crate::doctor::server::Found;
use crate::doctor::{Diagnosis, Weight};
use crate::error::Class;
use crate::jobs::Mirror;

/// The indexes that are not what is live, but what an earlier generation has that is still there. None where our own ground
/// cannot be looked at: without an address `doctor` says what is the matter with it.
pub(super) fn look(config: &Config, found: &[Found]) -> Vec<Diagnosis> {
    let Ok(mirror) = Mirror::look(config) else { return Vec::new() };
    let (Ok(Some(live)), Ok(trees)) = (mirror.tree.live(), mirror.tree.trees()) else { return Vec::new() };
    let mut seen = Vec::new();
    for found in found {
        // What lies beside live moves by itself.
        let path = found.line.trim_end_matches('/');
        let meant = config.repositories.iter().filter(|repository| repository.arches.contains(&found.arch));
        let meant = meant.filter(|repository| {
            let line = repository.name.line(&found.arch);
            path.strip_suffix(&line).is_some_and(|front| front.ends_with('/') && !front.contains("/@"))
        });
        // Of `main` and `v3.23/main` the longer one.
        let Some(repository) = meant.max_by_key(|repository| repository.name.as_str().len()) else { continue };
        let of = |number: u64| {
            let file = mirror.tree.generation(number).join(repository.name.folder(&found.arch)).join(INDEX);
            durable::read_if_present(&file).ok().flatten().map(|bytes| ObjectId::new(Sha256::digest(&bytes).into()))
        };
        if of(live) == Some(found.index) {
            continue;
        }
        let Some(number) =
            trees.iter().rev().copied().find(|number| *number != live && of(*number) == Some(found.index))
        else {
            continue;
        };
        let made = mirror.ledger.generation_summary(number);
        let made = made.map_or_else(|_| String::new(), |old| old.time.strftime(" of %Y-%m-%d %H:%M UTC").to_string());
        seen.push(Diagnosis {
            code: "old-generation",
            weight: Weight::Error(Class::Upstream),
            subject: found.line.clone(),
            message: format!("it shows the index of generation {number}{made}; generation {live} is live"),
            hint: Some(format!(
                "let the web server's root be the link {} itself, not the folder that it leads to (.generations/{number}), and \
                 restart the server; a cache in between must ask anew for {INDEX}",
                mirror.tree.link().display()
            )),
        });
    }
    seen
}
