//! What sites without a network said last that they hold.

use std::path::PathBuf;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::snapshots::{load_json_if_present, save_json};
use super::{Error, Ledger};
use crate::apk::{KeyId, SiteName};
use crate::disk::durable;
use crate::snapshot::manifest::BundleId;

const FOLDER_MODE: u32 = 0o700;

/// What a site's last receipt said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SiteRecord {
    /// Which site.
    pub site: SiteName,
    /// When it wrote the receipt, by its own clock.
    pub time: Timestamp,
    /// The bundle of ours that was in force there.
    pub in_force: Option<BundleId>,
    /// Who signed the receipt. Another key under the site's name is not believed.
    pub key: Option<KeyId>,
    /// How many packages it held.
    pub objects: u64,
}

impl Ledger {
    /// Where the record of `site` is: removing it lets the site begin anew.
    pub fn site_file(&self, site: &SiteName) -> PathBuf {
        self.sites_folder().join(format!("{site}.json"))
    }

    fn sites_folder(&self) -> PathBuf {
        self.store.bundles_folder().join("sites")
    }

    /// What `site` said last; none before its first receipt.
    pub fn site(&self, site: &SiteName) -> Result<Option<SiteRecord>, Error> {
        load_json_if_present(&self.site_file(site))
    }

    /// What every site said last, by name.
    pub fn sites(&self) -> Result<Vec<SiteRecord>, Error> {
        let names = durable::list(&self.sites_folder())?;
        let mut sites: Vec<SiteName> =
            names.iter().filter_map(|name| name.strip_suffix(".json")?.parse().ok()).collect();
        sites.sort();
        let records = sites.iter().map(|site| self.site(site));
        // One that is removed meanwhile is none.
        records.filter_map(Result::transpose).collect()
    }

    /// Remembers what a site said last.
    pub fn save_site(&self, record: &SiteRecord) -> Result<(), Error> {
        durable::create_folder(&self.sites_folder(), FOLDER_MODE)?;
        save_json(&self.site_file(&record.site), record)
    }
}
