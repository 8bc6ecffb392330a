//! What a key in a token signed is what the real clients take.

use std::process::Command;

use super::client::{CLIENTS, real_alpine};
use super::env::Env;
use super::fixture::{CORP, Package};
use super::softhsm::{PIN, SoftHsm};
use super::upstream::Upstream;

const NAME: &str = "token@site.example-6743a0c1.rsa.pub";

#[test]
fn clients_take_an_index_that_a_token_signed() {
    let Some(real) = real_alpine() else { return };
    let env = Env::new();
    let Some(hsm) = SoftHsm::new(&env) else { return };
    let openssl = |line: &str| {
        let run = Command::new("openssl").args(line.split(' ')).current_dir(env.path("")).status().unwrap();
        assert!(run.success(), "openssl {line}");
    };
    openssl("genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:4096 -out key.pem");
    openssl(&format!("pkey -in key.pem -pubout -out keys/{NAME}"));
    hsm.make_token("site");
    hsm.import("site", &env.path("key.pem"), "ops", "a1");
    let pin = env.write("pin", PIN.as_bytes());
    std::fs::set_permissions(pin, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let tool = Package::new("corp-tool", "1.0-r0").build(&CORP);
    env.write(&format!("packages/{}", tool.file), &tool.bytes);
    let text = format!(
        "store = \"store\"\npublic = \"site/alpine\"\n[signing]\nkey = \"keys/{NAME}\"\ndigest = \"sha1\"\n\
         pkcs11 = \"pkcs11:token=site;object=ops?module-path={}\"\npin_file = \"pin\"\n\
         [sources.corp]\ndirectory = \"packages\"\nkeyring = [\"trusted\"]\n\
         [[repositories]]\nname = \"site\"\narches = [\"x86_64\"]\nfrom = [\"corp\"]\n",
        hsm.module
    );
    env.write("bivouac.toml", text.as_bytes());
    hsm.bivouac(&env, &["sync"]).exits_with(0);
    let served = Upstream::of_folder(env.public());
    let keys = [env.path(&format!("keys/{NAME}")), env.path(&format!("trusted/{}", CORP.name))];
    for client in &CLIENTS {
        let machine = client.machine(&real, "x86_64", &keys, &[format!("{}/site", served.url())]);
        machine.updates_to(1);
        assert_eq!(machine.adds(&["corp-tool"]), ["corp-tool"]);
    }
}
