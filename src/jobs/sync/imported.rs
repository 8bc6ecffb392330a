//! Sources of bundles: nobody is asked; their indexes are what imports brought.

use std::sync::Arc;

use super::indexes::Asked;
use super::{Mirror, Setback};
use crate::config::{Config, SourceKind};
use crate::error::Class;
use crate::report::Reporter;
use crate::snapshot::IndexKey;

/// Notes what the imports brought of each index of a source of bundles.
pub(super) fn look(mirror: &Mirror<'_>, asked: &mut Asked, reporter: &Arc<dyn Reporter>) {
    for index in &mut asked.indexes {
        let Some(setback) = nothing_imported(mirror.config, &index.key) else { continue };
        let IndexKey { source, path, arch } = &index.key;
        reporter.index_failed(source, path, arch, &setback.one_line());
        index.setback = Some(setback);
    }
}

fn nothing_imported(config: &Config, key: &IndexKey) -> Option<Setback> {
    let SourceKind::Bundles { .. } = config.sources[&key.source].kind else { return None };
    let message = format!("index {} of source \"{}\": nothing was imported yet", key.place(), key.source);
    let mut setback = Setback::new(Class::Upstream, "nothing-imported", message);
    setback.hint = Some("`bivouac import PATH`".into());
    Some(setback)
}
