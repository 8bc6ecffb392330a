//! A real apk and the ways in which repositories lie in the tree: the arch first, and by an alias.

use super::client::{CLIENTS, real_alpine};
use super::env::Env;
use super::fixture::{CORP, OURS, Package};
use super::upstream::Upstream;

#[test]
fn the_arch_first_and_an_alias_work_as_lines_of_repositories() {
    let Some(real) = real_alpine() else { return };
    let env = Env::new();
    let built = Package::new("corp-tool", "1.0-r0").build(&CORP);
    let package = env.write(&format!("packages/{}", built.file), &built.bytes);
    env.configure(
        "[sources.corp]\ndirectory = \"packages\"\nkeyring = [\"trusted/builder@corp.example-00000004.rsa.pub\"]\n\
         [[repositories]]\nname = \"{arch}/main\"\narches = [\"x86_64\"]\nfrom = [\"corp\"]\n\
         [[repositories]]\nname = \"v1/main\"\narches = [\"x86_64\"]\nfrom = [\"corp\"]\n\
         [aliases]\nlatest = \"v1\"\n",
    );
    env.bivouac(&["sync"]).exits_with(0);
    let server = Upstream::of_folder(env.public());
    let keys = [env.path(&format!("keys/{}", OURS.name))];
    for client in &CLIENTS {
        for line in ["x86_64/main", "v1/main", "latest/main"] {
            let machine = client.machine(&real, "x86_64", &keys, &[format!("{}/{line}", server.url())]);
            machine.updates_to(1);
            machine.fetches("corp-tool", &package);
            assert_eq!(machine.adds(&["corp-tool"]), ["corp-tool"], "{line}");
        }
    }
}
