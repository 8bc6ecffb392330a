//! What is remembered of an index and its signers.

use super::*;
use crate::verify::PublicKey;

fn seen(number: u16, description: Option<&str>) -> Seen {
    let mut digest = [0; 32];
    digest[..2].copy_from_slice(&number.to_be_bytes());
    let time = Timestamp::from_second(i64::from(number)).unwrap();
    Seen { signed: SignedId::new(digest), time, description: description.map(str::to_owned) }
}

fn history(numbers: impl IntoIterator<Item = u16>) -> History {
    let mut history = History::default();
    for number in numbers {
        history.accept(seen(number, None), ObjectId::new([7; 32]), Step::Forward);
    }
    history
}

fn numbers(history: &History) -> Vec<i64> {
    history.states.iter().map(|state| state.time.as_second()).collect()
}

#[test]
fn a_state_is_one_line_on_disk() {
    for description in [None, Some("v3.23.0-4-gabc"), Some("two words  and blanks ")] {
        let seen = seen(300, description);
        assert_eq!(seen.to_string().parse::<Seen>().unwrap(), seen);
    }
    assert!(seen(1, Some("edge")).to_string().starts_with("1970-01-01T00:00:01Z 0001"));
    for line in ["", "1970-01-01T00:00:01Z", "1970-01-01T00:00:01Z abc", "yesterday 00"] {
        assert!(line.parse::<Seen>().is_err(), "{line:?}");
    }
}

#[test]
fn the_newest_states_are_remembered() {
    let history = history(1..=5000);
    assert_eq!(history.states.len(), REMEMBERED);
    assert_eq!(history.newest(), Some(&seen(5000, None)));
    assert_eq!(history.find(&seen(904, None).signed), None);
    assert!(history.find(&seen(905, None).signed).is_some());
}

#[test]
fn going_back_to_a_state_forgets_what_came_after_it() {
    let mut back = history([1, 2, 3]);
    back.accept(seen(2, None), ObjectId::new([8; 32]), Step::Back);
    assert_eq!((numbers(&back), back.newest_file()), (vec![1, 2], Some(ObjectId::new([8; 32]))));
    // Accepted once more with other signatures: the same state.
    back.accept(seen(2, None), ObjectId::new([9; 32]), Step::Forward);
    assert_eq!((numbers(&back), back.newest_file()), (vec![1, 2], Some(ObjectId::new([9; 32]))));
}

/// Upstream will come through them again, and that is news.
#[test]
fn going_back_to_a_state_never_seen_forgets_those_above_it() {
    let mut history = History::default();
    for (number, words) in [(1, "v3.1"), (2, "edge"), (3, "v3.3"), (4, "v3.4"), (5, "v3.5")] {
        history.accept(seen(number, Some(words)), ObjectId::new([7; 32]), Step::Forward);
    }
    history.accept(seen(9, Some("v3.2")), ObjectId::new([7; 32]), Step::Back);
    assert_eq!(numbers(&history), [1, 2, 9]);
    let mut wordless = self::history([1, 2, 3]);
    wordless.accept(seen(9, None), ObjectId::new([7; 32]), Step::Back);
    assert_eq!(numbers(&wordless), [1, 2, 9]);
}

const KEYS: [&[u8]; 2] = [
    include_bytes!("../../../tests/data/signing-keys/public-half.rsa.pub"),
    include_bytes!("../../../tests/data/vectors/k1@example.org-00000002.rsa.pub"),
];

fn key(at: usize) -> PublicKey {
    PublicKey::parse(format!("k{at}.rsa.pub").parse().unwrap(), KEYS[at]).unwrap()
}

fn signer(at: usize) -> Signer {
    Signer { key: key(at).name().clone(), fingerprint: key(at).fingerprint() }
}

fn x86() -> Arch {
    "x86".parse().unwrap()
}

fn keyring(listing: Listing) -> Keyring {
    let mut keyring = Keyring::new();
    for at in [0, 1] {
        keyring.add_as(key(at), None, listing).unwrap();
    }
    keyring
}

/// The index that was judged so is accepted.
fn record(signers: &mut Signers, vouched: Vouched) {
    let Vouched::Good(new) = vouched else { panic!("it is held") };
    for (signer, how) in new {
        signers.insert(signer.key, signer.fingerprint.to_string(), Timestamp::UNIX_EPOCH, how);
    }
}

fn known() -> Vouched {
    Vouched::Good(Vec::new())
}

fn after_first_contact(listing: Listing) -> (Signers, Keyring) {
    let (mut signers, keyring) = (Signers::default(), keyring(listing));
    let vouched = signers.judge(&[signer(0)], &keyring, &x86());
    assert_eq!(vouched, Vouched::Good(vec![(signer(0), How::FirstContact)]));
    record(&mut signers, vouched);
    (signers, keyring)
}

#[test]
fn first_contact_records_who_signed_and_any_of_them_suffices_later() {
    let (signers, keyring) = after_first_contact(Listing::InFolder);
    assert_eq!(signers.recorded.len(), 1);
    assert_eq!(signers.recorded[0].how, How::FirstContact);
    assert_eq!(signers.judge(&[signer(0)], &keyring, &x86()), known());
    assert_eq!(signers.judge(&[signer(1), signer(0)], &keyring, &x86()), known());
}

#[test]
fn another_key_is_accepted_if_its_file_is_listed_and_held_if_not() {
    for listing in [Listing::InFolder, Listing::BuiltIn] {
        let (signers, keyring) = after_first_contact(listing);
        assert_eq!(signers.judge(&[signer(1)], &keyring, &x86()), Vouched::Held, "{listing:?}");
    }
    let (mut signers, keyring) = after_first_contact(Listing::ByFile);
    let vouched = signers.judge(&[signer(1)], &keyring, &x86());
    assert_eq!(vouched, Vouched::Good(vec![(signer(1), How::ListedByFile)]));
    record(&mut signers, vouched);
    // From then on it is recorded, wherever it is listed.
    assert_eq!(signers.judge(&[signer(1)], &self::keyring(Listing::InFolder), &x86()), known());
}

/// Whoever holds the new key could have put its signature beside the old one.
#[test]
fn a_signature_beside_a_recorded_one_makes_nobody_known() {
    let (mut signers, keyring) = after_first_contact(Listing::BuiltIn);
    let both = [signer(0), signer(1)];
    let vouched = signers.judge(&both, &keyring, &x86());
    record(&mut signers, vouched);
    assert_eq!(signers.judge(&[signer(1)], &keyring, &x86()), Vouched::Held);
}

/// The operator took the recorded key out of the keyring: that is no first contact.
#[test]
fn a_recorded_key_that_left_the_keyring_leaves_nothing_open() {
    let (signers, _) = after_first_contact(Listing::InFolder);
    let mut other = Keyring::new();
    other.add_as(key(1), None, Listing::InFolder).unwrap();
    assert_eq!(signers.judge(&[signer(1)], &other, &x86()), Vouched::Held);
    let mut listed = Keyring::new();
    listed.add_as(key(1), None, Listing::ByFile).unwrap();
    let new = vec![(signer(1), How::ListedByFile)];
    assert_eq!(signers.judge(&[signer(1)], &listed, &x86()), Vouched::Good(new));
}

#[test]
fn what_is_held_is_accepted_once_and_then_known() {
    let (mut signers, keyring) = after_first_contact(Listing::BuiltIn);
    let held = |path: &str, second| Held {
        key: signer(1).key,
        fingerprint: signer(1).fingerprint.to_string(),
        first_seen: Timestamp::from_second(second).unwrap(),
        path: path.to_owned(),
        evidence: Vec::new(),
    };
    signers.hold("main", vec![held("main", 1)]);
    signers.hold("community", vec![held("community", 2)]);
    // Seen again: since when is not forgotten.
    signers.hold("main", vec![held("main", 3)]);
    let since: Vec<i64> = signers.held.iter().map(|held| held.first_seen.as_second()).collect();
    assert_eq!(since, [2, 1]);
    let now = Timestamp::from_second(9).unwrap();
    assert!(signers.accept_held(|held| held.key.as_str() == "other.rsa.pub", now).is_empty());
    assert_eq!(signers.accept_held(|_| true, now).len(), 1);
    assert!(signers.held.is_empty());
    assert_eq!((signers.recorded[1].how, signers.recorded[1].since), (How::Accepted, now));
    assert_eq!(signers.judge(&[signer(1)], &keyring, &x86()), known());
}

/// The mirror came back to an index that a recorded signer signed.
#[test]
fn what_is_not_seen_any_more_is_not_held() {
    let (mut signers, _) = after_first_contact(Listing::BuiltIn);
    let held = Held {
        key: signer(1).key,
        fingerprint: signer(1).fingerprint.to_string(),
        first_seen: Timestamp::UNIX_EPOCH,
        path: "main".into(),
        evidence: Vec::new(),
    };
    signers.hold("main", vec![held]);
    signers.hold("main", Vec::new());
    assert!(signers.held.is_empty());
}
