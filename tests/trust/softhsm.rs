//! SoftHSM2: a token in a folder, and the module that speaks to it.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::env::{Env, Ran};

/// The PIN of every token made here.
pub(crate) const PIN: &str = "1234";

/// Where distributions put the module.
const MODULES: [&str; 4] = [
    "/usr/lib/softhsm/libsofthsm2.so",
    "/usr/lib64/softhsm/libsofthsm2.so",
    "/usr/lib64/pkcs11/libsofthsm2.so",
    "/usr/local/lib/softhsm/libsofthsm2.so",
];

/// Tokens of one test's own.
pub(crate) struct SoftHsm {
    configuration: PathBuf,
    pub(crate) module: &'static str,
}

impl SoftHsm {
    /// An empty place for tokens below the environment's root; `None` where SoftHSM2 is not installed.
    pub(crate) fn new(env: &Env) -> Option<SoftHsm> {
        let module = MODULES.into_iter().find(|module| Path::new(module).exists());
        let has_tool = Command::new("softhsm2-util").arg("--version").output().is_ok();
        let (Some(module), true) = (module, has_tool) else {
            println!("skipped: no softhsm2");
            return None;
        };
        let tokens = env.path("tokens");
        std::fs::create_dir_all(&tokens).unwrap();
        let text = format!("directories.tokendir = {}\nobjectstore.backend = file\n", tokens.display());
        Some(SoftHsm { configuration: env.write("softhsm2.conf", text.as_bytes()), module })
    }

    fn tool(&self, arguments: &[&str]) {
        let mut command = Command::new("softhsm2-util");
        let run = command.args(arguments).env("SOFTHSM2_CONF", &self.configuration).output().unwrap();
        assert!(run.status.success(), "softhsm2-util {arguments:?}: {}", String::from_utf8_lossy(&run.stderr));
    }

    pub(crate) fn make_token(&self, label: &str) {
        self.tool(&["--init-token", "--free", "--label", label, "--pin", PIN, "--so-pin", "12345678"]);
    }

    /// Puts a private key, PKCS#8 PEM, into a token.
    pub(crate) fn import(&self, token: &str, key: &Path, label: &str, id: &str) {
        let key = key.to_str().unwrap();
        self.tool(&["--import", key, "--token", token, "--label", label, "--id", id, "--pin", PIN]);
    }

    /// Runs the binary with these tokens.
    pub(crate) fn bivouac(&self, env: &Env, arguments: &[&str]) -> Ran {
        env.bivouac_with(&[("SOFTHSM2_CONF", self.configuration.to_str().unwrap())], arguments)
    }
}
