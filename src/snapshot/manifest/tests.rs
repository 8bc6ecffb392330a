use super::*;

fn id(number: u8) -> ObjectId {
    ObjectId::new([number; 32])
}

fn index(number: u8, form: Form) -> Packed {
    let what = What::Index("v3.23/main".parse().unwrap(), "x86_64".parse().unwrap());
    Packed { sha256: id(number), size: 100, what, form }
}

fn package(number: u8, form: Form) -> Packed {
    let what = What::Package("busybox".parse().unwrap(), "1.37.0-r18".parse().unwrap(), Identity::new([number; 20]));
    Packed { sha256: id(number), size: 1000, what, form }
}

fn delta(volume: u32, length: u64, base: u8) -> Form {
    Form::Delta { volume, length, delta: id(99), base: Some(id(base)) }
}

fn manifest() -> Manifest {
    let time: Timestamp = "2026-11-24T03:17:00Z".parse().unwrap();
    Manifest {
        bundle: FORM,
        id: BundleId::new(time, [0x9f, 0x3a, 0x1c, 0x20]),
        time,
        expires: "2026-12-29T03:17:00Z".parse().unwrap(),
        base: Some(Base { id: Some("20261101T000000Z-00000000".parse().unwrap()), time, receipt_of: None }),
        keys: vec![SenderKey { name: "hq-1.rsa.pub".parse().unwrap(), pem: "PEM".into() }],
        repositories: vec![Carried {
            name: "v3.23/main".parse().unwrap(),
            arch: "x86_64".parse().unwrap(),
            index: id(1),
            origins: vec![id(2)],
            whole: Some(id(2)),
            packages: 3,
            bytes: 3000,
        }],
        volumes: 2,
        objects: vec![
            index(1, delta(1, 10, 50)),
            index(2, Form::Whole { volume: 1 }),
            package(3, delta(2, 20, 51)),
            package(4, Form::Whole { volume: 1 }),
            package(5, Form::Whole { volume: 2 }),
            package(6, Form::Beside { path: "v3.23/main/x86_64/busybox-1.37.0-r18.apk".parse().unwrap() }),
        ],
        tool: None,
    }
}

#[test]
fn what_is_printed_is_read() {
    let manifest = manifest();
    let text = manifest.print();
    assert_eq!(Manifest::parse(&text).unwrap(), manifest, "{}", String::from_utf8_lossy(&text));
    assert!(manifest.id.as_str() == "20261124T031700Z-9f3a1c20");
}

#[test]
fn objects_of_a_volume_stand_one_behind_the_other() {
    let manifest = manifest();
    let places = |number| manifest.volume(number).map(|(at, packed)| (at, packed.sha256)).collect::<Vec<_>>();
    assert_eq!(places(1), [(0, id(1)), (10, id(2)), (110, id(4))]);
    assert_eq!(places(2), [(0, id(3)), (20, id(5))]);
    assert_eq!(manifest.beside().count(), 1);
}

#[test]
fn what_cannot_be_is_refused() {
    let refused = |change: fn(&mut Manifest)| {
        let mut manifest = manifest();
        change(&mut manifest);
        Manifest::parse(&manifest.print()).unwrap_err().to_string()
    };
    for (change, why) in [
        ((|manifest| manifest.bundle = 2) as fn(&mut Manifest), "form 2"),
        (|manifest| manifest.time = Timestamp::UNIX_EPOCH, "another time"),
        (|manifest| manifest.volumes = 1, "a volume that there is not"),
        (|manifest| manifest.objects[0].form = Form::Whole { volume: 0 }, "a volume that there is not"),
        (|manifest| manifest.objects.push(manifest.objects[0].clone()), "an object twice"),
        (|manifest| manifest.objects[0].form = delta(1, 10, 4), "over an object of the same bundle"),
        (|manifest| manifest.repositories.push(manifest.repositories[0].clone()), "a repository twice"),
        (|manifest| manifest.repositories[0].whole = Some(id(9)), "none of its indexes"),
    ] {
        assert!(refused(change).contains(why), "{why}: {}", refused(change));
    }
}

#[test]
fn paths_stay_below_the_folder() {
    for good in ["a.apk", "v3.23/main/x86_64/lib~1+2.apk"] {
        assert_eq!(good.parse::<FilePath>().unwrap().path(), PathBuf::from(good));
    }
    for bad in ["", "/a", "a//b", "../a", "a/../b", "a/.", ".hidden", "a\\b", "a\0", "a/"] {
        assert!(bad.parse::<FilePath>().is_err(), "{bad:?}");
    }
}

#[test]
fn ids_are_times_and_content() {
    for bad in
        ["", "20261124T031700Z", "20261124T031700Z-9f3a1c2", "20261124T031700Z-9F3A1C20", "../61124T031700Z-9f3a1c20"]
    {
        assert!(bad.parse::<BundleId>().is_err(), "{bad:?}");
    }
}
