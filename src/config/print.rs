//! Resolved → TOML: what `config show` prints. It is a configuration again, with the same meaning: rows of `for` written
//! out, paths absolute, defaults filled in, passwords hidden.

use std::fmt::{self, Write as _};
use std::path::{Path, PathBuf};

use super::{
    Access, Auth, Backup, Config, Deltas, Dependencies, Digest, ExposedKey, Incomplete, KEYRING_SOURCE, Keep,
    KeyHolder, KeyringChoice, MinFree, Packages, Prefer, ProxyChoice, Prune, RateWindow, Rebuilt, Repository,
    RetainSnapshots, Rules, Sealing, Serve, Signing, Source, SourceKind, Starred, Tool, Unsigned, Webhook,
};

impl Config {
    /// The resolved configuration as TOML.
    pub fn to_toml(&self) -> String {
        let mut out = String::new();
        self.print(&mut out).expect("a string takes all that is written to it");
        out
    }

    fn print(&self, out: &mut String) -> fmt::Result {
        writeln!(out, "store = {}", path(&self.store))?;
        writeln!(out, "public = {}", path(&self.public))?;
        print_rate_limit(out, &self.rate_limit)?;
        if let Some(signing) = &self.signing {
            print_signing(out, signing)?;
        }
        for source in self.sources.values().filter(|source| source.name.as_str() != KEYRING_SOURCE) {
            print_source(out, source)?;
        }
        for repository in &self.repositories {
            print_repository(out, repository)?;
        }
        for starred in &self.carried {
            print_starred(out, starred)?;
        }
        if !self.aliases.is_empty() {
            writeln!(out, "\n[aliases]")?;
        }
        for (name, target) in &self.aliases {
            writeln!(out, "{} = {}", quoted(name.as_str()), quoted(target.as_str()))?;
        }
        writeln!(
            out,
            "\n[publish]\nlinger = \"{}s\"\nto = {}",
            self.publish.linger.as_secs(),
            quoted(&self.publish.to.to_string())
        )?;
        let prune = match self.retain.prune {
            Prune::AfterSync => "after-sync",
            Prune::Never => "never",
        };
        let min_free = match self.retain.min_free {
            MinFree::Share(share) => share.to_string(),
            MinFree::Bytes(bytes) => format!("{bytes}B"),
        };
        let RetainSnapshots { last, daily, monthly } = self.retain.snapshots;
        writeln!(
            out,
            "\n[retain]\nsnapshots = {{ last = {last}, daily = {daily}, monthly = {monthly} }}\n\
             generations = {{ last = {} }}\nprune = {}\nmin_free = {}",
            self.retain.generations,
            quoted(prune),
            quoted(&min_free)
        )?;
        for backup in self.backups.values() {
            print_backup(out, backup)?;
        }
        self.print_operations(out)?;
        writeln!(out, "\n[policy]\nsha1 = {}", quoted(self.policy.sha1.word()))
    }
}

impl Config {
    /// The tables that say when what runs and who is told.
    fn print_operations(&self, out: &mut String) -> fmt::Result {
        if let Some(schedule) = &self.schedule {
            let jitter = schedule.jitter.as_secs();
            writeln!(out, "\n[schedule]\ntimezone = {}\njitter = \"{jitter}s\"", quoted(schedule.zone_name()))?;
            for (key, line) in [("sync", &schedule.sync), ("check", &schedule.check)] {
                if let Some(line) = line {
                    writeln!(out, "{key} = {}", quoted(&line.to_string()))?;
                }
            }
            if !schedule.backup.is_empty() {
                let lines = schedule
                    .backup
                    .iter()
                    .map(|(name, line)| format!("{} = {}", quoted(name.as_str()), quoted(&line.to_string())));
                writeln!(out, "backup = {{ {} }}", lines.collect::<Vec<_>>().join(", "))?;
            }
        }
        print_serve(out, &self.serve)?;
        if let Some(textfile) = &self.metrics.textfile {
            writeln!(out, "\n[metrics]\ntextfile = {}", path(textfile))?;
        }
        if let Some(notify) = &self.notify {
            writeln!(out, "\n[notify]\ntimeout = \"{}s\"", notify.timeout.as_secs())?;
            match &notify.webhook {
                None => {}
                Some(Webhook::Url(url)) => writeln!(out, "webhook = {}", quoted(&url.to_string()))?,
                Some(Webhook::File(file)) => writeln!(out, "webhook_file = {}", path(file))?,
            }
            if let Some(command) = &notify.command {
                writeln!(out, "command = {}", list(command.iter().cloned()))?;
            }
        }
        Ok(())
    }
}

fn print_serve(out: &mut String, serve: &Serve) -> fmt::Result {
    if *serve == Serve::default() {
        return Ok(());
    }
    writeln!(out, "\n[serve]")?;
    if let Some(address) = serve.listen {
        writeln!(out, "listen = {}", quoted(&address.to_string()))?;
    }
    if let Some(url) = &serve.url {
        writeln!(out, "url = {}", quoted(url))?;
    }
    if let Some(files) = &serve.tls {
        writeln!(out, "tls = {{ cert = {}, key = {} }}", path(&files.certificate), path(&files.key))?;
    }
    for (key, file) in [("client_ca", &serve.client_ca), ("basic_file", &serve.basic_file)] {
        if let Some(file) = file {
            writeln!(out, "{key} = {}", path(file))?;
        }
    }
    Ok(())
}

fn print_signing(out: &mut String, signing: &Signing) -> fmt::Result {
    let digest = match signing.digest {
        Digest::Sha256 => "sha256",
        Digest::Sha256AndSha1 => "sha1",
    };
    let max_age = signing.max_key_age.map_or("off".to_owned(), |age| format!("{}s", age.as_secs()));
    writeln!(out, "\n[signing]\nkey = {}\ndigest = {}", path(&signing.key), quoted(digest))?;
    writeln!(out, "max_key_age = {}", quoted(&max_age))?;
    writeln!(out, "min_overlap = \"{}s\"", signing.min_overlap.as_secs())?;
    if let Some(package) = &signing.keyring_package {
        writeln!(out, "keyring_package = {}", quoted(package.as_str()))?;
    }
    let (secret, exposed) = match &signing.holder {
        KeyHolder::Command { command, folder: _, timeout } => {
            let command = list(command.iter().cloned());
            return writeln!(out, "command = {command}\ncommand_timeout = \"{}s\"", timeout.as_secs());
        }
        KeyHolder::File { passphrase_file, exposed } => {
            (passphrase_file.as_ref().map(|f| ("passphrase_file", f)), exposed)
        }
        KeyHolder::Token { token, pin_file, exposed } => {
            writeln!(out, "pkcs11 = {}", quoted(&token.to_string()))?;
            (pin_file.as_ref().map(|file| ("pin_file", file)), exposed)
        }
    };
    if let Some((key, file)) = secret {
        writeln!(out, "{key} = {}", path(file))?;
    }
    let exposed = match exposed {
        ExposedKey::Refuse => "refuse",
        ExposedKey::Accept => "accept",
    };
    writeln!(out, "exposed = {}", quoted(exposed))
}

fn print_source(out: &mut String, source: &Source) -> fmt::Result {
    writeln!(out, "\n[sources.{}]", quoted(source.name.as_str()))?;
    match &source.kind {
        SourceKind::Url { urls, connections, timeout, seed, stale_after, frozen_after, access } => {
            writeln!(out, "url = {}", list(urls.iter().map(|url| url.to_string())))?;
            writeln!(out, "connections = {connections}\ntimeout = \"{}s\"", timeout.as_secs())?;
            let frozen_after = frozen_after.map_or("off".to_owned(), |span| format!("{}s", span.as_secs()));
            writeln!(out, "stale_after = \"{}s\"\nfrozen_after = {}", stale_after.as_secs(), quoted(&frozen_after))?;
            if !seed.is_empty() {
                writeln!(out, "seed = {}", paths(seed))?;
            }
            print_access(out, access)?;
        }
        SourceKind::Directory { path: folder, unsigned } => {
            let unsigned = match unsigned {
                Unsigned::Refuse => "refuse",
                Unsigned::Accept => "accept",
            };
            writeln!(out, "directory = {}\nunsigned = {}", path(folder), quoted(unsigned))?;
        }
        SourceKind::Bundles { path: folder, origin, own, stale_after } => {
            writeln!(out, "bundles = {}\nstale_after = \"{}s\"", path(folder), stale_after.as_secs())?;
            if let Some(origin) = origin {
                print_keyring(out, "origin", origin)?;
            }
            if !own.is_empty() {
                writeln!(out, "own = {}", list(own.iter().cloned()))?;
            }
        }
    }
    if !source.reserve.is_empty() {
        writeln!(out, "reserve = {}", list(source.reserve.iter().cloned()))?;
    }
    if source.rebuilt == Rebuilt::Accept {
        writeln!(out, "rebuilt = \"accept\"")?;
    }
    match (&source.kind, source.max_shrink) {
        (SourceKind::Directory { .. }, _) => {}
        (_, None) => writeln!(out, "max_shrink = \"off\"")?,
        (_, Some(share)) => writeln!(out, "max_shrink = \"{share}\"")?,
    }
    print_keyring(out, "keyring", &source.keyring)
}

fn print_keyring(out: &mut String, key: &str, keyring: &KeyringChoice) -> fmt::Result {
    match keyring {
        KeyringChoice::Official => writeln!(out, "{key} = \"alpine\""),
        KeyringChoice::Files(files) if files.is_empty() => Ok(()),
        KeyringChoice::Files(files) => writeln!(out, "{key} = {}", paths(files)),
        KeyringChoice::ByArch(by_arch) => {
            let by_arch: Vec<_> = by_arch.iter().map(|(arch, files)| format!("{arch} = {}", paths(files))).collect();
            writeln!(out, "{key} = {{ {} }}", by_arch.join(", "))
        }
    }
}

fn print_access(out: &mut String, access: &Access) -> fmt::Result {
    match &access.auth {
        None => {}
        Some(Auth::BasicFile(file)) => writeln!(out, "auth = {{ basic_file = {} }}", path(file))?,
        Some(Auth::HeaderFile(file)) => writeln!(out, "auth = {{ header_file = {} }}", path(file))?,
    }
    match &access.proxy {
        ProxyChoice::Environment => {}
        ProxyChoice::None => writeln!(out, "proxy = \"none\"")?,
        ProxyChoice::Url(url) => writeln!(out, "proxy = {}", quoted(&url.to_string()))?,
    }
    if let Some(ca) = &access.ca {
        writeln!(out, "ca = {}", path(ca))?;
    }
    if let Some(client) = &access.client {
        writeln!(out, "client_cert = {}\nclient_key = {}", path(&client.certificate), path(&client.key))?;
    }
    print_rate_limit(out, &access.rate_limit)
}

fn print_rate_limit(out: &mut String, windows: &[RateWindow]) -> fmt::Result {
    let time = |minute: u16| format!("{:02}:{:02}", minute / 60, minute % 60);
    let window = |window: &RateWindow| {
        let (from, to) = (time(window.from), time(window.to));
        format!("{{ limit = \"{}B/s\", from = \"{from}\", to = \"{to}\" }}", window.limit)
    };
    match windows {
        [] => Ok(()),
        [RateWindow { limit, from: 0, to: 1440 }] => writeln!(out, "rate_limit = \"{limit}B/s\""),
        windows => writeln!(out, "rate_limit = [{}]", windows.iter().map(window).collect::<Vec<_>>().join(", ")),
    }
}

fn print_repository(out: &mut String, repository: &Repository) -> fmt::Result {
    writeln!(out, "\n[[repositories]]\nname = {}", quoted(repository.name.as_str()))?;
    let from =
        repository.from.iter().filter(|from| from.source.as_str() != KEYRING_SOURCE).map(|from| match &from.path[..] {
            "" => from.source.to_string(),
            path => format!("{}:{path}", from.source),
        });
    writeln!(out, "from = {}", list(from))?;
    writeln!(out, "arches = {}", list(repository.arches.iter().map(|arch| arch.to_string())))?;
    print_rules(out, &repository.rules())
}

fn print_starred(out: &mut String, starred: &Starred) -> fmt::Result {
    writeln!(out, "\n[[repositories]]\nfrom = {}", list([starred.from()].into_iter()))?;
    if !starred.arches.is_empty() {
        writeln!(out, "arches = {}", list(starred.arches.iter().map(|arch| arch.to_string())))?;
    }
    print_rules(out, &starred.rules)
}

fn print_rules(out: &mut String, rules: &Rules) -> fmt::Result {
    writeln!(out, "index = {}", quoted(rules.index.word()))?;
    if let Some(packages) = &rules.packages {
        let dependencies = rules.dependencies == Dependencies::Follow;
        let packages = match packages {
            Packages::List(packages) => list(packages.iter().cloned()),
            Packages::BySource(by_source) => {
                let lists = by_source.iter().map(|(source, packages)| {
                    format!("{} = {}", quoted(source.as_str()), list(packages.iter().cloned()))
                });
                format!("{{ {} }}", lists.collect::<Vec<_>>().join(", "))
            }
        };
        writeln!(out, "packages = {packages}\ndependencies = {dependencies}")?;
    }
    if !rules.exclude.is_empty() {
        writeln!(out, "exclude = {}", list(rules.exclude.iter().cloned()))?;
    }
    if let Some(count) = rules.keep_versions {
        writeln!(out, "keep_versions = {count}")?;
    }
    if !rules.beside.is_empty() {
        writeln!(out, "beside = {}", list(rules.beside.iter().map(|name| name.to_string())))?;
    }
    if !rules.must_install.is_empty() {
        writeln!(out, "must_install = {}", list(rules.must_install.iter().cloned()))?;
    }
    match rules.prefer {
        // Not said of an index that stays upstream's.
        Prefer::Order => {}
        Prefer::Newest => writeln!(out, "prefer = \"newest\"")?,
        Prefer::All => writeln!(out, "prefer = \"all\"")?,
    }
    if rules.incomplete == Incomplete::Carry {
        writeln!(out, "incomplete = \"carry\"")?;
    }
    match &rules.together {
        Some(word) => writeln!(out, "together = {}", quoted(word)),
        None => Ok(()),
    }
}

fn print_backup(out: &mut String, backup: &Backup) -> fmt::Result {
    writeln!(out, "\n[backups.{}]\ntarget = {}", quoted(backup.name.as_str()), path(&backup.target))?;
    match &backup.sealing {
        Sealing::None => {}
        Sealing::Recipients(recipients) => writeln!(out, "recipients = {}", list(recipients.iter().cloned()))?,
        Sealing::PassphraseFile(file) => writeln!(out, "passphrase_file = {}", path(file))?,
    }
    let (deltas, tool) = (backup.deltas == Deltas::Yes, backup.tool == Tool::Carry);
    writeln!(out, "deltas = {deltas}\ntool = {tool}")?;
    match backup.keep {
        None => Ok(()),
        Some(Keep { last, daily, weekly, monthly }) => {
            writeln!(out, "keep = {{ last = {last}, daily = {daily}, weekly = {weekly}, monthly = {monthly} }}")
        }
    }
}

/// A TOML basic string. JSON's escapes are a subset of TOML's; DEL, which only JSON leaves bare, is escaped here.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string().replace('\u{7f}', "\\u007f")
}

fn list(texts: impl Iterator<Item = String>) -> String {
    let texts: Vec<_> = texts.map(|text| quoted(&text)).collect();
    format!("[{}]", texts.join(", "))
}

fn path(path: &Path) -> String {
    quoted(&path.to_string_lossy())
}

fn paths(paths: &[PathBuf]) -> String {
    list(paths.iter().map(|path| path.to_string_lossy().into_owned()))
}
