//! A sealed environment for one test: its own root, keys and upstream, and the real binary with nothing inherited.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use tempfile::TempDir;

use super::fixture::{CORP, Key, OURS, UPSTREAM};
use super::oracle::{self, Listed, Trusted};
use super::upstream::Upstream;

/// A temporary root with keys, and an upstream.
pub(crate) struct Env {
    root: TempDir,
    pub(crate) upstream: Upstream,
}

impl Env {
    /// The root holds `keys/` with our private key and the public keys of upstream and the private builder.
    pub(crate) fn new() -> Env {
        Env::around(Upstream::start())
    }

    pub(crate) fn around(upstream: Upstream) -> Env {
        Env::in_root(TempDir::new().expect("a temporary folder"), upstream)
    }

    /// On a file system in memory, where there is one: flushing costs nothing there, however busy the disk is.
    pub(crate) fn in_memory() -> Env {
        let root = TempDir::new_in("/dev/shm").or_else(|_| TempDir::new()).expect("a temporary folder");
        Env::in_root(root, Upstream::start())
    }

    fn in_root(root: TempDir, upstream: Upstream) -> Env {
        let env = Env { root, upstream };
        env.private_key(&OURS);
        env.write(&format!("keys/{}", OURS.name), OURS.public_pem().as_bytes());
        for key in [&UPSTREAM, &CORP] {
            env.write(&format!("trusted/{}", key.name), key.public_pem().as_bytes());
        }
        env
    }

    pub(crate) fn path(&self, inside: &str) -> PathBuf {
        self.root.path().join(inside)
    }

    /// Writes a file below the root, its folders too; whole from the first moment on, for a watcher may be looking.
    pub(crate) fn write(&self, inside: &str, bytes: &[u8]) -> PathBuf {
        let path = self.path(inside);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        let beside = self.path("being-written");
        std::fs::write(&beside, bytes).unwrap();
        std::fs::rename(&beside, &path).unwrap();
        path
    }

    /// Writes a private key below `keys/`, readable by its owner alone, and returns its path as a user types it.
    pub(crate) fn private_key(&self, key: &Key) -> String {
        let path = format!("keys/{}", private_name(key));
        restrict(&self.write(&path, key.private_pem().as_bytes()));
        path
    }

    /// Writes `bivouac.toml`: store, public tree and signing key as every test has them, then `rest`, in which `{upstream}`
    /// is the upstream's URL.
    pub(crate) fn configure(&self, rest: &str) {
        let head = format!(
            "store = \"store\"\npublic = \"site/alpine\"\n\n[signing]\nkey = \"keys/{}\"\n\n",
            private_name(&OURS)
        );
        let text = head + &rest.replace("{upstream}", &self.upstream.url());
        self.write("bivouac.toml", text.as_bytes());
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_bivouac"));
        command
            .args(arguments)
            .current_dir(self.root.path())
            .env_clear()
            .env("HOME", self.root.path())
            .env("LC_ALL", "C")
            .stdin(Stdio::null());
        command
    }

    /// Runs the binary in the root.
    pub(crate) fn bivouac(&self, arguments: &[&str]) -> Ran {
        let output = self.command(arguments).output().expect("the binary runs");
        Ran::new(arguments, output)
    }

    /// The same with variables set.
    pub(crate) fn bivouac_with(&self, variables: &[(&str, &str)], arguments: &[&str]) -> Ran {
        let output = self.command(arguments).envs(variables.iter().copied()).output().expect("the binary runs");
        Ran::new(arguments, output)
    }

    /// Starts the binary and does not wait.
    pub(crate) fn start(&self, arguments: &[&str]) -> Child {
        self.command(arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the binary runs")
    }

    pub(crate) fn public(&self) -> PathBuf {
        self.path("site/alpine")
    }

    /// Which generation the public link leads to.
    pub(crate) fn generation(&self) -> PathBuf {
        std::fs::read_link(self.public()).expect("something is published")
    }

    /// The published index of a repository, read as a client does that trusts only our key; packages as `name-version`.
    pub(crate) fn live(&self, repository: &str, arch: &str) -> Vec<String> {
        let mut files: Vec<_> = self
            .live_records(repository, arch, &[trusted(&OURS)])
            .iter()
            .map(|listed| format!("{}-{}", listed.name, listed.version))
            .collect();
        files.sort();
        files
    }

    pub(crate) fn live_records(&self, repository: &str, arch: &str, trusted: &[Trusted]) -> Vec<Listed> {
        let file = self.public().join(repository).join(arch).join("APKINDEX.tar.gz");
        let bytes = std::fs::read(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        oracle::index(&bytes, trusted).unwrap_or_else(|why| panic!("{}: {why}", file.display()))
    }

    /// All folders below a folder of the root.
    pub(crate) fn folders_below(&self, inside: &str) -> Vec<PathBuf> {
        let mut found: Vec<_> = self
            .files_below(inside)
            .iter()
            .flat_map(|file| file.ancestors().skip(1).map(Path::to_owned).collect::<Vec<_>>())
            .filter(|folder| folder.starts_with(self.path(inside)))
            .collect();
        found.sort();
        found.dedup();
        found
    }

    /// All files below a folder of the root, by path inside it; links are not followed.
    pub(crate) fn files_below(&self, inside: &str) -> Vec<PathBuf> {
        let mut found = Vec::new();
        walk(&self.path(inside), &mut found);
        found.sort();
        found
    }
}

fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => walk(&entry.path(), found),
            _ => found.push(entry.path()),
        }
    }
}

/// The private key's file name: the public one's without `.pub`.
pub(crate) fn private_name(key: &Key) -> &'static str {
    key.name.trim_end_matches(".pub")
}

pub(crate) fn trusted(key: &Key) -> Trusted {
    (key.name.to_owned(), key.public())
}

pub(crate) fn restrict(private_key: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(private_key, std::fs::Permissions::from_mode(0o600)).unwrap();
}

/// Flips a bit in the middle of a file, in place and read-only as it may be, as a failing disk would: whatever else is linked to
/// it changes with it.
pub(crate) fn rot(path: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = std::fs::metadata(path).unwrap().permissions();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o644)).unwrap();
    let mut bytes = std::fs::read(path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(path, bytes).unwrap();
    std::fs::set_permissions(path, mode).unwrap();
}

/// What a run of the binary left.
pub(crate) struct Ran {
    line: String,
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ran {
    fn new(arguments: &[&str], output: Output) -> Ran {
        Ran {
            line: format!("bivouac {}", arguments.join(" ")),
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).expect("output is text"),
            stderr: String::from_utf8(output.stderr).expect("output is text"),
        }
    }

    /// Fails with all that was printed unless the exit code is this one.
    #[track_caller]
    pub(crate) fn exits_with(&self, code: i32) -> &Ran {
        assert_eq!(self.code, Some(code), "{self}");
        self
    }

    /// Fails unless standard error holds every one of these.
    #[track_caller]
    pub(crate) fn tells(&self, words: &[&str]) -> &Ran {
        for word in words {
            assert!(self.stderr.contains(word), "not told: {word:?}\n{self}");
        }
        self
    }

    /// Standard output as the one JSON value that `--json` promises.
    #[track_caller]
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("not one JSON value: {error}\n{self}"))
    }
}

impl std::fmt::Display for Ran {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Ran { line, code, stdout, stderr } = self;
        write!(f, "$ {line}\nexit {code:?}\n--- stdout\n{stdout}--- stderr\n{stderr}---")
    }
}
