//! An upstream of two URLs, each scripted by itself, and one repository that takes all of it.

use super::env::{Env, Ran};
use super::fixture::{Built, Key, Package, UPSTREAM, signed, unsigned_index};

/// The two URLs' index folders.
pub(crate) const URLS: [&str; 2] = ["/one/main/x86_64", "/two/main/x86_64"];

/// Both keys that upstream may sign with, each named by its file.
pub(crate) const BY_FILE: &str =
    r#"["trusted/builder@upstream.example-00000001.rsa.pub", "trusted/builder@corp.example-00000004.rsa.pub"]"#;

pub(crate) struct Pair {
    pub(crate) env: Env,
}

/// What upstream's package is in its `count`th state.
pub(crate) fn tea(count: u32) -> Built {
    Package::new("tea", &format!("{count}.0-r0")).build(&UPSTREAM)
}

/// Upstream's index in its `count`th state.
pub(crate) fn state(count: u32, signers: &[&Key]) -> Vec<u8> {
    signed(&unsigned_index(&[&tea(count).entry], &format!("v3.23.0-{count}-g0123456789")), signers)
}

impl Pair {
    /// Configured with more lines in the source's table, and not synced yet.
    pub(crate) fn new(keyring: &str, more: &str) -> Pair {
        let pair = Pair { env: Env::new() };
        pair.configure(keyring, more);
        pair
    }

    pub(crate) fn configure(&self, keyring: &str, more: &str) {
        self.env.configure(&format!(
            "[sources.up]\nurl = [\"{{upstream}}/one\", \"{{upstream}}/two\"]\nkeyring = {keyring}\ntimeout = \"1s\"\n\
             {more}\n[[repositories]]\nname = \"site\"\narches = [\"x86_64\"]\nfrom = [\"up:main\"]\n"
        ));
    }

    /// Both URLs came through these states, and each was synced.
    pub(crate) fn after(states: &[u32]) -> Pair {
        let pair = Pair::new(BY_FILE, "");
        for count in states {
            pair.both(*count);
            pair.sync().exits_with(0);
            assert_eq!(pair.live(), [format!("tea-{count}.0-r0")]);
        }
        pair
    }

    /// One URL has upstream's `count`th state.
    pub(crate) fn serve(&self, url: &str, count: u32) {
        let package = tea(count);
        self.env.upstream.put(&format!("{url}/{}", package.file), package.bytes);
        self.index(url, state(count, &[&UPSTREAM]));
    }

    pub(crate) fn both(&self, count: u32) {
        URLS.iter().for_each(|url| self.serve(url, count));
    }

    pub(crate) fn index(&self, url: &str, bytes: Vec<u8>) {
        self.env.upstream.put(&format!("{url}/APKINDEX.tar.gz"), bytes);
    }

    pub(crate) fn sync(&self) -> Ran {
        self.env.bivouac(&["sync"])
    }

    pub(crate) fn live(&self) -> Vec<String> {
        self.env.live("site", "x86_64")
    }

    /// The one index, as `status --json` tells of it.
    pub(crate) fn status(&self) -> serde_json::Value {
        self.env.bivouac(&["--json", "status"]).json()["repositories"][0]["indexes"][0].clone()
    }

    /// A record of the store, changed by hand.
    pub(crate) fn edit(&self, record: &str, change: impl FnOnce(&mut serde_json::Value)) {
        let path = format!("store/{record}");
        let mut value = serde_json::from_slice(&std::fs::read(self.env.path(&path)).unwrap()).unwrap();
        change(&mut value);
        self.env.write(&path, value.to_string().as_bytes());
    }

    /// As if upstream had last confirmed or changed its index so many hours ago.
    pub(crate) fn hours_passed_since(&self, what: &str, hours: i64) {
        let then = jiff::Timestamp::now() - jiff::SignedDuration::from_hours(hours);
        self.edit("state.json", |state| state["indexes"][0][what] = then.to_string().into());
    }
}
