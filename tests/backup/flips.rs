//! One flipped bit anywhere: every byte of every file of a small target is tried.

use std::path::PathBuf;

use bivouac::config::{Config, Percent};
use bivouac::jobs::backup::check::{CheckRequest, check};
use jiff::Timestamp;

use super::env::Env;
use super::world::World;

#[test]
fn a_flipped_bit_at_any_byte_is_found_and_its_file_is_named() {
    let world = World::in_env(Env::in_memory(), "");
    // A program, small enough to try each of its bytes.
    world.backup();
    let config = Config::load(&world.env.path("bivouac.toml"), None).unwrap();
    let request = CheckRequest { name: None, read_data: Some(Percent::new(100)), now: Timestamp::UNIX_EPOCH };
    let codes = || match check(&config, &request, &|_| {}) {
        Ok(report) => report.findings.into_iter().map(|one| (one.code, one.subject)).collect(),
        Err(error) => {
            use bivouac::error::Trouble as _;
            vec![(error.code(), String::new())]
        }
    };
    assert_eq!(codes(), []);
    let files: Vec<PathBuf> =
        world.env.files_below("disk").into_iter().filter(|path| !path.ends_with("lock")).collect();
    assert_eq!(files.len(), 4, "marker, page, list, segment: {files:?}");
    let mut tried = 0;
    for file in files {
        let good = std::fs::read(&file).unwrap();
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        let id = name.strip_suffix(".tar").unwrap_or(&name).to_owned();
        let mut bytes = good.clone();
        for at in 0..good.len() {
            bytes[at] ^= 1 << (at % 8);
            std::fs::write(&file, &bytes).unwrap();
            bytes[at] = good[at];
            let found = codes();
            // The marker tells which target it is: another one's backups lie there, then.
            let is_named = |(code, subject): &(&str, String)| {
                subject.contains(&id)
                    || *code == "target-damaged"
                    || *code == "target-newer"
                    || *code == "no-target"
                    || *code == "backup-misplaced"
            };
            assert!(found.iter().any(is_named), "byte {at} of {name}: {found:?}");
            tried += 1;
        }
        std::fs::write(&file, &good).unwrap();
        assert_eq!(codes(), []);
    }
    println!("{tried} bytes");
}
