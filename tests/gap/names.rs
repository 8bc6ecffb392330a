//! What lies on a medium beside packages, or in their place: names that lead elsewhere, devices, pipes, links.

use std::path::Path;

use tar::EntryType;

use super::fixture::{OURS, STRANGER};
use super::handmade::{Entry, Parcel, archive, file, sha256};
use super::sites::Gap;

const REFUSED: &str = "ask the sender for the bundle again, and how this one came about";

#[test]
fn names_that_lead_elsewhere() {
    let gap = Gap::standing();
    let parcel = gap.increment();
    for name in
        ["../escaped", "../../../../../../tmp/escaped", "/tmp/escaped", "objects.1/../../escaped", "manifest.json."]
    {
        for at in [0, 1, 3] {
            let mut entries = parcel.entries(1, &OURS);
            entries.insert(at, Entry::file(name, b"x"));
            gap.carry("x.bundle", &archive(&entries));
            if at == 0 {
                gap.refuses(&["x.bundle"], 3, "not-a-bundle", &["x.bundle is no bundle"]);
            } else {
                gap.refuses(&["x.bundle"], 3, "bundle-foreign", &[&format!("holds {name:?}"), REFUSED]);
            }
        }
    }
    for escaped in ["escaped", "medium/escaped", "store/escaped", "../escaped", "/tmp/escaped"] {
        assert!(!gap.site.path(escaped).exists(), "{escaped}");
    }
    gap.carry("x.bundle", &parcel.volume(1, &OURS));
    gap.takes(&["x.bundle"]);
}

/// The sender's own signature stands under the path.
#[test]
fn a_signed_path_that_leads_elsewhere() {
    let gap = Gap::standing();
    let parcel = gap.increment();
    gap.site.write("outside.apk", b"x");
    for path in ["../outside.apk", "/etc/passwd", "a/../../outside.apk", "a//b", ".hidden/x", ""] {
        let mut other = parcel.clone();
        let object = other.object("fresh-1.0-r0.apk");
        object["form"] = "beside".into();
        object["path"] = path.into();
        gap.carry("x.bundle", &other.volume(1, &OURS));
        gap.refuses(&["x.bundle"], 3, "bad-manifest", &[&format!("names the file {path:?}"), REFUSED]);
    }
}

#[test]
fn device_files_in_the_archive() {
    let gap = Gap::standing();
    let parcel = gap.increment();
    for (kind, what) in [
        (EntryType::Block, "a device"),
        (EntryType::Char, "a device"),
        (EntryType::Fifo, "a device"),
        (EntryType::Symlink, "a link"),
        (EntryType::Link, "a link"),
        (EntryType::Directory, "a folder"),
    ] {
        for at in 0..=3 {
            let mut entries = parcel.entries(1, &OURS);
            let name = if at == 3 { "null".to_owned() } else { entries[at].name.clone() };
            let of = Entry { name: name.clone(), kind, bytes: Vec::new() };
            if at == 3 {
                entries.push(of)
            } else {
                entries[at] = of
            }
            gap.carry("x.bundle", &archive(&entries));
            gap.refuses(&["x.bundle"], 3, "bundle-foreign", &[&format!("holds {name:?}, {what}"), REFUSED]);
        }
    }
    gap.carry("x.bundle", &parcel.volume(1, &OURS));
    gap.takes(&["x.bundle"]);
}

/// Lays an increment out as files beside its manifest; answers where one of them lies.
fn laid_out(gap: &Gap) -> (Parcel, String) {
    let mut parcel = gap.sent(2);
    parcel.manifest["volumes"] = 0.into();
    let mut at = String::new();
    for object in parcel.objects_mut() {
        let digest = sha256(object);
        let path = format!("v3.23/{}/{}", &digest[..4], file(object));
        object["form"] = "beside".into();
        object["path"] = path.clone().into();
        object.as_object_mut().unwrap().remove("volume");
        if file(object) == "tool-1.2-r0.apk" {
            at = path;
        }
    }
    for object in parcel.objects().to_vec() {
        gap.carry(object["path"].as_str().unwrap(), &parcel.bodies[&sha256(&object)]);
    }
    let mut entries = parcel.entries(0, &OURS);
    entries.truncate(2);
    gap.carry("x.bundle", &archive(&entries));
    (parcel, format!("medium/{at}"))
}

/// Puts something else in a file's place, has it refused by name, and puts the file back.
#[track_caller]
fn in_its_place(gap: &Gap, path: &Path, put: impl FnOnce(&Path), code: i32, word: &str, told: &[&str]) {
    let aside = gap.site.path("aside");
    std::fs::rename(path, &aside).unwrap();
    put(path);
    gap.refuses(&["x.bundle"], code, word, told);
    if path.symlink_metadata().is_ok_and(|found| found.is_dir()) {
        std::fs::remove_dir(path).unwrap();
    } else {
        let _ = std::fs::remove_file(path);
    }
    std::fs::rename(aside, path).unwrap();
}

#[test]
fn pipes_links_and_strangers_in_a_folder() {
    let gap = Gap::standing();
    let (_, at) = laid_out(&gap);
    let path = gap.site.path(&at);
    let secret = gap.site.write("secret", b"not for packages");
    let plain = ["tool-1.2-r0.apk is no plain file"];
    let mode = rustix::fs::Mode::from_raw_mode(0o644);
    let kind = rustix::fs::FileType::Fifo;
    let pipe = |path: &Path| rustix::fs::mknodat(rustix::fs::CWD, path, kind, mode, 0).unwrap();
    in_its_place(&gap, &path, pipe, 3, "not-a-bundle", &plain);
    let link = |path: &Path| std::os::unix::fs::symlink(&secret, path).unwrap();
    in_its_place(&gap, &path, link, 3, "not-a-bundle", &plain);
    let endless = |path: &Path| std::os::unix::fs::symlink("/dev/zero", path).unwrap();
    in_its_place(&gap, &path, endless, 3, "not-a-bundle", &plain);
    let folder = |path: &Path| std::fs::create_dir(path).unwrap();
    in_its_place(&gap, &path, folder, 3, "not-a-bundle", &plain);
    let stranger = |path: &Path| std::fs::write(path, STRANGER.name).unwrap();
    in_its_place(&gap, &path, stranger, 3, "bundle-damaged", &["is not what the manifest says", "copy it once more"]);
    let none = |_: &Path| {};
    in_its_place(&gap, &path, none, 4, "medium", &["tool-1.2-r0.apk", "hint: "]);
    gap.takes(&["x.bundle"]);
}

/// The volume itself: what would never end is not begun.
#[test]
fn a_pipe_or_a_device_in_a_volumes_place() {
    let gap = Gap::standing();
    let good = gap.increment().volume(1, &OURS);
    let path = gap.carry("x.bundle", &good);
    let mode = rustix::fs::Mode::from_raw_mode(0o644);
    let pipe = |path: &Path| {
        rustix::fs::mknodat(rustix::fs::CWD, path, rustix::fs::FileType::Fifo, mode, 0).unwrap();
    };
    let plain = ["x.bundle is no plain file", "hint: "];
    in_its_place(&gap, &path, pipe, 3, "not-a-bundle", &plain);
    let zero = |path: &Path| std::os::unix::fs::symlink("/dev/zero", path).unwrap();
    in_its_place(&gap, &path, zero, 3, "not-a-bundle", &plain);
    // Where a folder is searched they are not looked at.
    std::os::unix::fs::symlink("/dev/zero", gap.site.path("medium/y.bundle")).unwrap();
    pipe(&gap.site.path("medium/z.bundle"));
    gap.takes(&[""]);
}
