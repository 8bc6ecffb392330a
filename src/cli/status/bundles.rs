//! What `status` says of bundles: those that came, and those that sites have.

use bivouac::jobs::status::{BundlesStatus, PendingBundle, SiteStatus};

use super::{day, span};

/// What came for a source.
pub(super) fn source(bundles: &BundlesStatus) -> Vec<String> {
    let source = &bundles.source;
    let stale = if bundles.stale { "  STALE" } else { "" };
    let mut lines = Vec::new();
    match (&bundles.in_force, bundles.age_seconds) {
        (Some(bundle), Some(age)) => {
            lines.push(format!("bundles of \"{source}\": {} is in force, made {} ago{stale}", bundle.id, span(age)));
            lines.push(match bundle.expired {
                true => format!("  it expired on {}: ask the sender for a newer one", day(bundle.expires)),
                false => format!("  a newer one should come by {}", day(bundle.expires)),
            });
        }
        _ => lines.push(format!("bundles of \"{source}\": none was complete here so far{stale}")),
    }
    lines.extend(bundles.pending.iter().map(|pending| format!("  {} is not complete: {}", pending.id, lacks(pending))));
    lines
}

/// What is missing of a bundle.
fn lacks(pending: &PendingBundle) -> String {
    let PendingBundle { missing_objects, waiting_objects, missing_volumes, volumes, .. } = pending;
    let away = missing_objects.saturating_sub(*waiting_objects);
    let objects = count(away, "object");
    let mut lacks = Vec::new();
    match missing_volumes.as_slice() {
        [] if away == 0 => {}
        [] => lacks.push(format!("{} that lie beside it did not come", count(away, "file"))),
        [one] => lacks.push(format!("volume {one} of {volumes} did not come ({objects})")),
        several => {
            let several: Vec<String> = several.iter().map(u32::to_string).collect();
            lacks.push(format!("volumes {} of {volumes} did not come ({objects})", several.join(", ")));
        }
    }
    if *waiting_objects > 0 {
        lacks.push(format!("{} of it cannot be rebuilt yet", count(*waiting_objects, "object")));
    }
    if let Some(base) = &pending.missing_base {
        lacks.push(format!("it builds on {base}, which was never complete here"));
    }
    if lacks.is_empty() {
        let what = match &pending.receipt_of {
            Some(site) => format!("of what {site} had when it was made"),
            None => "of what it builds on".to_owned(),
        };
        lacks.push(format!("some {what} is not here; send the sender a receipt"));
    }
    lacks.join("; ")
}

/// `1 object`, `2 objects`.
fn count(number: u64, what: &str) -> String {
    if number == 1 { format!("1 {what}") } else { format!("{number} {what}s") }
}

/// What a site has.
pub(super) fn site(site: &SiteStatus) -> Vec<String> {
    let name = &site.site;
    let has = match &site.in_force {
        Some(id) => format!("has {id}"),
        None => "has no bundle of those that are remembered here".to_owned(),
    };
    let receipt = format!("by its receipt of {}", day(site.receipt));
    let mut lines = vec![format!("site {name} {has}, {receipt} ({} packages)", site.objects)];
    if site.behind_bundles > 0 {
        let bundles = count(site.behind_bundles, "bundle");
        let by = site.behind_seconds.map(|seconds| format!(", {} newer", span(seconds))).unwrap_or_default();
        let newest = site.newest.as_ref().map(|newest| format!(" ({newest}{by})")).unwrap_or_default();
        lines.push(format!("  {bundles} on the way to it{newest}, or lost"));
    }
    if let Some(seconds) = site.behind_live_seconds {
        lines.push(format!(
            "  {} of {} indexes that are live here are newer than there, for {} at least",
            site.behind_indexes,
            site.live_indexes,
            span(seconds)
        ));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pending(volumes: &[u32], objects: u64, waiting: u64, base: Option<&str>, site: Option<&str>) -> PendingBundle {
        PendingBundle {
            id: "20261124T031700Z-9f3a1c20".parse().unwrap(),
            time: "2026-11-24T03:17:00Z".parse().unwrap(),
            volumes: 3,
            missing_volumes: volumes.to_vec(),
            missing_objects: objects,
            waiting_objects: waiting,
            missing_base: base.map(|base| base.parse().unwrap()),
            receipt_of: site.map(str::to_owned),
        }
    }

    #[test]
    fn what_is_missing_is_named_with_its_reason() {
        let base = Some("20261101T000000Z-00000001");
        for (pending, text) in [
            (pending(&[2], 5, 0, None, None), "volume 2 of 3 did not come (5 objects)"),
            (pending(&[2, 3], 5, 0, None, None), "volumes 2, 3 of 3 did not come (5 objects)"),
            (pending(&[], 2, 0, None, None), "2 files that lie beside it did not come"),
            (pending(&[], 0, 0, base, None), "it builds on 20261101T000000Z-00000001, which was never complete here"),
            (
                pending(&[1], 1, 0, base, None),
                "volume 1 of 3 did not come (1 object); it builds on 20261101T000000Z-00000001, which was never \
                 complete here",
            ),
            (
                pending(&[], 0, 0, None, Some("plant-3")),
                "some of what plant-3 had when it was made is not here; send the sender a receipt",
            ),
            (
                pending(&[2], 7, 3, None, None),
                "volume 2 of 3 did not come (4 objects); 3 objects of it cannot be rebuilt yet",
            ),
            (
                pending(&[], 3, 3, base, None),
                "3 objects of it cannot be rebuilt yet; it builds on 20261101T000000Z-00000001, which was never complete here",
            ),
            (pending(&[], 0, 0, None, None), "some of what it builds on is not here; send the sender a receipt"),
        ] {
            assert_eq!(lacks(&pending), text);
        }
    }
}
