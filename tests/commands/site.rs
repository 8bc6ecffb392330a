//! The site that most tests stand on: a source with two repositories, a private directory, one merged repository, and a
//! first sync that went well.

use super::env::{Env, trusted};
use super::fixture::{Built, CORP, Key, OURS, Package, UPSTREAM, signed, unsigned_index};
use super::watch::Watch;

/// Where upstream's two repositories lie.
pub(crate) const MAIN: &str = "/alpine/v3.23/main/x86_64";
pub(crate) const COMMUNITY: &str = "/alpine/v3.23/community/x86_64";

pub(crate) const SOURCES: &str = r#"
[sources.up]
url = ["{upstream}/alpine"]
keyring = ["trusted/builder@upstream.example-00000001.rsa.pub"]
timeout = "1s"

[sources.corp]
directory = "packages"
keyring = ["trusted/builder@corp.example-00000004.rsa.pub"]
"#;

pub(crate) const REPOSITORY: &str = r#"
[[repositories]]
name = "v3.23/site"
arches = ["x86_64"]
from = ["corp", "up:v3.23/main", "up:v3.23/community"]
"#;

pub(crate) struct Site {
    pub(crate) env: Env,
    pub(crate) watch: Watch,
}

/// What the first sync published.
pub(crate) const FIRST: [&str; 4] = ["corp-tool-1.0-r0", "extra-1.0-r0", "hello-1.0-r0", "libgreet-1.0-r0"];

pub(crate) fn hello(version: &str) -> Package {
    Package::new("hello", version).depends("so:libgreet.so.1").provides(&format!("cmd:hello={version}"))
}

pub(crate) fn libgreet() -> Package {
    Package::new("libgreet", "1.0-r0").provides("so:libgreet.so.1=1.0")
}

pub(crate) fn extra(version: &str) -> Package {
    Package::new("extra", version).arch("noarch")
}

impl Site {
    /// Configured and filled, not synced yet.
    pub(crate) fn before_the_first_sync() -> Site {
        let env = Env::new();
        env.configure(&format!("{SOURCES}{REPOSITORY}"));
        let tool = Package::new("corp-tool", "1.0-r0").depends("hello").build(&CORP);
        env.write(&format!("packages/{}", tool.file), &tool.bytes);
        let site = Site { watch: Watch::start(&env.public(), vec![trusted(&OURS)]), env };
        site.main(1, &[&hello("1.0-r0").build(&UPSTREAM), &libgreet().build(&UPSTREAM)]);
        site.community(1, &[&extra("1.0-r0").build(&UPSTREAM)]);
        site
    }

    pub(crate) fn standing() -> Site {
        let site = Site::before_the_first_sync();
        site.env.bivouac(&["sync"]).exits_with(0);
        assert_eq!(site.live(), FIRST);
        site.env.upstream.take_log();
        site
    }

    pub(crate) fn live(&self) -> Vec<String> {
        self.env.live("v3.23/site", "x86_64")
    }

    /// Upstream's main repository in its `count`th state.
    pub(crate) fn main(&self, count: u32, packages: &[&Built]) {
        publish(&self.env, MAIN, count, packages, &UPSTREAM);
    }

    pub(crate) fn community(&self, count: u32, packages: &[&Built]) {
        publish(&self.env, COMMUNITY, count, packages, &UPSTREAM);
    }

    /// Puts an index file at upstream's main repository, whatever it is.
    pub(crate) fn main_index(&self, bytes: Vec<u8>) {
        self.env.upstream.put(&format!("{MAIN}/APKINDEX.tar.gz"), bytes);
    }
}

/// Puts packages and their signed index at upstream.
pub(crate) fn publish(env: &Env, folder: &str, count: u32, packages: &[&Built], signer: &Key) {
    for package in packages {
        env.upstream.put(&format!("{folder}/{}", package.file), package.bytes.clone());
    }
    env.upstream.put(&format!("{folder}/APKINDEX.tar.gz"), index_of(count, packages, signer));
}

pub(crate) fn index_of(count: u32, packages: &[&Built], signer: &Key) -> Vec<u8> {
    let entries: Vec<_> = packages.iter().map(|package| package.entry.as_str()).collect();
    signed(&unsigned_index(&entries, &format!("v3.23.0-{count}-g0123456789")), &[signer])
}
