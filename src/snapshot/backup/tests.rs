use super::*;

fn object(number: u8) -> ObjectId {
    ObjectId::new([number; 32])
}

fn manifest() -> BackupManifest {
    let time: Timestamp = "2026-11-24T03:17:00Z".parse().unwrap();
    let id = BackupId::new(time, [1, 2, 3, 4]);
    BackupManifest {
        backup: FORM,
        time,
        target: TargetId::new([7; 16]),
        repacked: None,
        objects: object(1),
        files: object(2),
        sums: object(3),
        readme: object(4),
        keys: vec![PublicKeyText { name: "k.rsa.pub".parse().unwrap(), fingerprint: "f".into(), pem: "PEM".into() }],
        places: Places {
            config: "/etc/bivouac/bivouac.toml".into(),
            store: "/var/lib/bivouac".into(),
            public: "/srv/mirror/alpine".into(),
            named: [("keys/a.rsa.pub".parse().unwrap(), "/etc/apk/keys/a.rsa.pub".into())].into(),
        },
        snapshot: Some("20261124T031700Z-00000000".into()),
        live: Some(4),
        beside: [("qa".parse().unwrap(), 3)].into(),
        trees: [3, 4].into(),
        count: Count { objects: 2, bytes: 30 },
        deltas: 1,
        sealed: Some(Sealed { object: object(9), recipients: vec!["age1".into()], files: vec!["/k".into()] }),
        left_out: Vec::new(),
        lost: Vec::new(),
        segments: vec![Segment { name: SegmentName::new(&id, 1), size: 4096 }],
        tool: None,
        id,
    }
}

fn stored() -> Vec<Stored> {
    let delta = StoredForm::Delta { length: 5, delta: object(8), base: object(6) };
    vec![
        Stored { sha256: object(6), size: 10, segment: 0, at: 512, form: StoredForm::Whole },
        Stored { sha256: object(7), size: 20, segment: 0, at: 1536, form: delta },
    ]
}

#[test]
fn what_is_printed_is_read() {
    let manifest = manifest();
    assert_eq!(BackupManifest::parse(&manifest.print()).unwrap(), manifest);
    let stored = stored();
    assert_eq!(parse_objects(&print_objects(&stored)).unwrap(), stored);
    manifest.check_objects(&stored).unwrap();
    let file =
        |path: &str| KeptFile { sha256: object(1), size: 3, mode: 0o600, modified: -5, path: path.parse().unwrap() };
    let files = vec![file("bivouac.toml"), file("keys/with two  spaces.rsa.pub"), file("store/.dotted")];
    assert_eq!(parse_files(&print_files(&files)).unwrap(), files);
    assert!(print_files(&files).contains(" 0600 -5 keys/with two  spaces.rsa.pub\n"));
    assert_eq!((parse_files("").unwrap(), parse_objects("").unwrap()), (vec![], vec![]));
}

#[test]
fn lines_that_say_something_else_are_named() {
    let id = object(1).hex();
    for text in [
        "\n".to_owned(),
        format!("{id} 1 0\n"),
        format!("{id} 1 0 512"),
        format!("{id} +1 0 512\n"),
        format!("{id} 1 0 512 \n"),
        format!("{id} 1 0 512 5 {id}\n"),
        format!("{id} 1 0 512 5 {id} {id} x\n"),
        format!("{id} 1 4294967296 512\n"),
        format!("{} 1 0 512\n", &id[1..]),
        format!("{id}  1 0 512\n"),
    ] {
        assert!(parse_objects(&text).is_err(), "{text:?}");
    }
    let good = format!("{id} 1 0600 7 a\n");
    assert!(parse_files(&good).is_ok());
    for path in ["", "/a", "a/", "a//b", "..", "a/../b", ".", "a\tb", "a\\b", &"x".repeat(256)] {
        let error = parse_files(&format!("{good}{id} 1 0600 7 {path}\n")).unwrap_err();
        assert_eq!(error.line, 2, "{path:?}");
    }
    assert!(parse_files(&format!("{id} 1 0608 7 a\n")).is_err());
    assert!(parse_files(&format!("{id} 1 17777 7 a\n")).is_err());
}

#[test]
fn a_signature_is_no_reason_to_believe_nonsense() {
    let edited = |edit: fn(&mut BackupManifest)| {
        let mut manifest = manifest();
        edit(&mut manifest);
        BackupManifest::parse(&manifest.print()).is_err()
    };
    assert!(edited(|manifest| manifest.backup = 2));
    assert!(edited(|manifest| manifest.time = Timestamp::UNIX_EPOCH));
    assert!(edited(|manifest| manifest.live = Some(9)));
    assert!(edited(|manifest| manifest.segments.push(manifest.segments[0].clone())));
    let refused = |edit: fn(&mut Vec<Stored>)| {
        let mut stored = stored();
        edit(&mut stored);
        manifest().check_objects(&stored).is_err()
    };
    assert!(refused(|stored| stored[0].segment = 1));
    assert!(refused(|stored| stored[0].at = 4090));
    assert!(refused(|stored| stored[0].at = u64::MAX));
    assert!(refused(|stored| stored.retain(|one| one.form != StoredForm::Whole)));
    assert!(refused(|stored| stored.push(stored[0].clone())));
}

#[test]
fn a_segment_has_a_name_of_its_own() {
    let name = SegmentName::new(&manifest().id, 12);
    assert_eq!(name.as_str().parse::<SegmentName>().unwrap(), name);
    for bad in [
        "",
        "a.1.tar",
        "20261124T031700Z-9f3a1c20.tar",
        "20261124T031700Z-9f3a1c20.0.tar",
        "20261124T031700Z-9f3a1c20.01.tar",
        "20261124T031700Z-9f3a1c20.1.tar.gz",
        "20261124T031700Z-9f3a1c20.+1.tar",
        "../20261124T031700Z-9f3a1c20.1.tar",
    ] {
        assert!(bad.parse::<SegmentName>().is_err(), "{bad}");
    }
}
