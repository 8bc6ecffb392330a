//! A real apk, unpacked from a root file system and run through its own loader, on a root of its own.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use tempfile::TempDir;

/// One version of apk.
pub(crate) struct Apk {
    pub(crate) version: &'static str,
    archive: &'static str,
    unpacked: OnceLock<PathBuf>,
}

pub(crate) static CLIENTS: [Apk; 2] = [
    Apk { version: "2.12.9", archive: "alpine-minirootfs-3.16.9-x86_64.tar.gz", unpacked: OnceLock::new() },
    Apk { version: "2.14.4", archive: "alpine-minirootfs-3.20.3-x86_64.tar.gz", unpacked: OnceLock::new() },
];

/// The folder of real Alpine data. Where there is none, or no processor that runs the clients, the caller returns.
pub(crate) fn real_alpine() -> Option<PathBuf> {
    let Some(folder) = std::env::var_os("BIVOUAC_REAL_ALPINE").map(PathBuf::from) else {
        println!("skipped: no real Alpine data");
        return None;
    };
    if !cfg!(target_arch = "x86_64") {
        println!("skipped: the real clients are for x86_64");
        return None;
    }
    Some(folder)
}

impl Apk {
    /// Where the root file system lies, unpacked once per build folder.
    fn unpacked(&self, real: &Path) -> &Path {
        self.unpacked.get_or_init(|| {
            let place = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("apk-{}", self.version));
            if !place.join("sbin/apk").exists() {
                // Unpacked beside and renamed, so that a run that was killed leaves no half of it.
                let fresh = TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
                let archive = real.join("official/minirootfs").join(self.archive);
                let tar = Command::new("tar").arg("-xzf").arg(&archive).arg("-C").arg(fresh.path()).status().unwrap();
                assert!(tar.success(), "{}", archive.display());
                if std::fs::rename(fresh.keep(), &place).is_err() {
                    assert!(place.join("sbin/apk").exists(), "another run unpacked it meanwhile");
                }
            }
            place
        })
    }

    /// A machine of this version: an empty root that trusts `keys` and has these repositories.
    pub(crate) fn machine(&self, real: &Path, arch: &str, keys: &[PathBuf], repositories: &[String]) -> Machine {
        let unpacked = self.unpacked(real).to_owned();
        let root = TempDir::new().unwrap();
        let keys_folder = root.path().join("etc/apk/keys");
        std::fs::create_dir_all(&keys_folder).unwrap();
        for key in keys {
            std::fs::copy(key, keys_folder.join(key.file_name().unwrap())).unwrap();
        }
        std::fs::write(root.path().join("etc/apk/repositories"), repositories.join("\n") + "\n").unwrap();
        std::fs::write(root.path().join("etc/apk/arch"), format!("{arch}\n")).unwrap();
        let machine = Machine { unpacked, root, arch: arch.to_owned(), version: self.version, variables: Vec::new() };
        let version = machine.apk(&["--version"]);
        assert!(version.printed.contains(&format!("apk-tools {}", self.version)), "{version}");
        // An empty database; scripts would need a chroot.
        let begun = machine.apk(&["add", "--initdb", "--no-scripts", "--no-network"]);
        assert_eq!(begun.code, Some(0), "{begun}");
        machine
    }
}

/// A root with a database of its own, and the apk that works on it.
pub(crate) struct Machine {
    unpacked: PathBuf,
    root: TempDir,
    arch: String,
    version: &'static str,
    /// What apk finds in its environment.
    variables: Vec<(&'static str, PathBuf)>,
}

/// What a run of apk gave.
pub(crate) struct Ran {
    line: String,
    pub(crate) code: Option<i32>,
    /// Standard output, then standard error.
    pub(crate) printed: String,
}

impl std::fmt::Display for Ran {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "$ {}\nexit {:?}\n{}", self.line, self.code, self.printed)
    }
}

impl Machine {
    /// With a variable that names a file.
    #[allow(dead_code, reason = "servers ask for certificates")]
    pub(crate) fn with(mut self, name: &'static str, file: PathBuf) -> Machine {
        self.variables.push((name, file));
        self
    }

    pub(crate) fn apk(&self, arguments: &[&str]) -> Ran {
        let unpacked = self.unpacked.display();
        let output = Command::new(self.unpacked.join("lib/ld-musl-x86_64.so.1"))
            .arg("--library-path")
            .arg(format!("{unpacked}/lib:{unpacked}/usr/lib"))
            .arg(self.unpacked.join("sbin/apk"))
            .arg("--root")
            .arg(self.root.path())
            .args(["--no-progress", "--arch", &self.arch])
            .args(arguments)
            .env_clear()
            .envs(self.variables.iter().map(|(name, file)| (name, file)))
            .output()
            .expect("the real apk runs");
        Ran {
            line: format!("apk {} # {}", arguments.join(" "), self.version),
            code: output.status.code(),
            printed: String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr),
        }
    }

    /// `apk update`, told by the number of packages it then knows: 2.12 exits with 0 whatever it read.
    #[track_caller]
    pub(crate) fn updates_to(&self, packages: usize) {
        let ran = self.apk(&["update"]);
        assert_eq!(ran.code, Some(0), "{ran}");
        assert!(ran.printed.contains(&format!("OK: {packages} distinct packages available")), "{ran}");
        assert!(!ran.printed.contains("WARNING"), "{ran}");
    }

    /// `apk update` does not take the index, for want of trust.
    #[track_caller]
    pub(crate) fn mistrusts(&self) {
        let ran = self.apk(&["update"]);
        assert_ne!(ran.code, Some(0), "{ran}");
        assert!(ran.printed.contains("UNTRUSTED signature"), "{ran}");
        assert!(self.apk(&["search", "-q", "alpine-base"]).printed.lines().all(|line| line != "alpine-base"));
    }

    #[track_caller]
    pub(crate) fn finds(&self, name: &str, version: &str) {
        let ran = self.apk(&["search", "-e", name]);
        assert_eq!(ran.code, Some(0), "{ran}");
        assert!(ran.printed.lines().any(|line| line == format!("{name}-{version}")), "{ran}");
    }

    /// `apk fetch` brings exactly these bytes.
    #[track_caller]
    pub(crate) fn fetches(&self, name: &str, original: &Path) {
        let into = TempDir::new().unwrap();
        let ran = self.apk(&["fetch", "-o", into.path().to_str().unwrap(), name]);
        assert_eq!(ran.code, Some(0), "{ran}");
        let fetched = std::fs::read(into.path().join(original.file_name().unwrap()))
            .unwrap_or_else(|error| panic!("{error}: {ran}"));
        assert!(fetched == std::fs::read(original).unwrap(), "{name}: other bytes than {}", original.display());
    }

    /// `apk add` installs these with all that they need; answers what is installed then.
    #[track_caller]
    pub(crate) fn adds(&self, names: &[&str]) -> Vec<String> {
        let ran = self.apk(&[&["add", "--no-scripts"], names].concat());
        assert_eq!(ran.code, Some(0), "{ran}");
        assert!(!ran.printed.contains("ERROR"), "{ran}");
        let installed = self.installed();
        for name in names {
            assert!(installed.iter().any(|have| have == name), "{name}: {ran}");
        }
        installed
    }

    /// Names in the installed database, sorted.
    pub(crate) fn installed(&self) -> Vec<String> {
        let database = std::fs::read_to_string(self.root.path().join("lib/apk/db/installed")).unwrap();
        let mut names: Vec<_> =
            database.lines().filter_map(|line| line.strip_prefix("P:")).map(str::to_owned).collect();
        names.sort();
        names
    }

    /// A file of the installed system.
    pub(crate) fn file(&self, inside: &str) -> PathBuf {
        self.root.path().join(inside)
    }
}

#[test]
fn the_clients_work_on_upstreams_own_tree_and_trust_nobody_else() {
    let Some(real) = real_alpine() else { return };
    let server = crate::upstream::Upstream::of_folder(real.join("official/boot-media/3.19.1"));
    let keys: Vec<_> =
        std::fs::read_dir(real.join("official/keys/x86_64")).unwrap().map(|entry| entry.unwrap().path()).collect();
    let repositories = [format!("{}/apks", server.url())];
    for client in &CLIENTS {
        let machine = client.machine(&real, "x86_64", &keys, &repositories);
        machine.updates_to(100);
        machine.finds("alpine-base", "3.19.1-r0");
        machine.fetches("alpine-base", &real.join("official/boot-media/3.19.1/apks/x86_64/alpine-base-3.19.1-r0.apk"));
        assert_eq!(machine.adds(&["alpine-base"]).len(), 25);
        assert!(machine.file("bin/busybox").exists());
        client
            .machine(&real, "x86_64", &[real.join("third-party/connecteurs/signing.rsa.pub")], &repositories)
            .mistrusts();
    }
}
