//! How old our keys are, and the word about one that should have been rotated.

use std::path::Path;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::seal::{configured, place_of};
use super::{Error, Mirror};
use crate::apk::KeyName;
use crate::sign::KeyPlace;
use crate::sign::rotation::PlacedKey;

/// 2005-01-01, the year in which Alpine began: no key for its packages is older, whatever its name says.
const EARLIEST: i64 = 1_104_537_600;

/// How far ahead of this machine's clock a key's name may be.
const AHEAD: i64 = 24 * 60 * 60;

/// When a key was made, by its name: abuild-keygen puts the time there, 8 hex digits of seconds since 1970. None where
/// there are no such digits, or they tell no time at which a key can have been made.
pub(super) fn made_by_name(name: &KeyName, now: Timestamp) -> Option<Timestamp> {
    let stem = name.as_str().strip_suffix(".pub")?;
    let (_, digits) = stem.strip_suffix(".rsa").unwrap_or(stem).rsplit_once('-')?;
    if digits.len() != 8 || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    let seconds = i64::from_str_radix(digits, 16).ok()?;
    (EARLIEST..=now.as_second() + AHEAD).contains(&seconds).then(|| Timestamp::from_second(seconds).ok()).flatten()
}

/// When one of our keys was made: by its name, else by the time of its file.
pub(super) fn made(name: &KeyName, file: &Path, now: Timestamp) -> Option<Timestamp> {
    let by_file = || Timestamp::try_from(file.metadata().and_then(|metadata| metadata.modified()).ok()?).ok();
    made_by_name(name, now).or_else(by_file)
}

/// The time since then; nothing for what lies ahead.
pub(super) fn age(made: Timestamp, now: Timestamp) -> Duration {
    now.duration_since(made).max(SignedDuration::ZERO).unsigned_abs()
}

/// What to tell where the newest key that signs is older than the configuration bears.
pub(super) fn warning(mirror: &Mirror<'_>, now: Timestamp) -> Result<Option<String>, Error> {
    let needed = mirror.config.repositories.iter().any(|repository| repository.index.has_our_signature());
    let Some(signing) = mirror.config.signing.as_ref().filter(|_| needed) else { return Ok(None) };
    let Some(limit) = signing.max_key_age else { return Ok(None) };
    let overdue = |name: &KeyName, place: &KeyPlace| {
        made(name, place.file(), now).map(|made| age(made, now)).filter(|age| *age > limit)
    };
    // A key is opened only where its age may be worth a word: that can take a passphrase and a second.
    let place = place_of(signing);
    if name_in(place.file()).is_some_and(|name| overdue(&name, &place).is_none()) {
        return Ok(None);
    }
    let (key, place) = configured(signing)?;
    let own = PlacedKey { key: key.id(), place };
    let signers = mirror.ledger.signing()?.signers(&own);
    let newest = signers.first().unwrap_or(&own);
    Ok(overdue(&newest.key.name, &newest.place).map(|age| {
        format!(
            "signing key {} is {} days old, more than max_key_age ({} days): `bivouac key rotate` makes its successor",
            newest.key.name,
            age.as_secs() / 86_400,
            limit.as_secs() / 86_400
        )
    }))
}

/// The key's name by the name of either of its files.
fn name_in(file: &Path) -> Option<KeyName> {
    let name = file.file_name()?.to_str()?;
    let public = if name.ends_with(".pub") { name.to_owned() } else { format!("{name}.pub") };
    public.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_when_a_key_was_made_if_they_can() {
        let now = Timestamp::from_second(0x6a00_0000).unwrap();
        for (name, seconds) in [
            ("ops@example.org-6743a0c1.rsa.pub", Some(0x6743_a0c1)),
            ("alpine-devel@lists.alpinelinux.org-4a6a0840.rsa.pub", Some(0x4a6a_0840)),
            ("plain-6743A0C1.pub", Some(0x6743_a0c1)),
            // Tomorrow's clock is borne, next week's is not.
            ("a-6a001000.rsa.pub", Some(0x6a00_1000)),
            ("a-6a100000.rsa.pub", None),
            // 1970, 2004, 2106.
            ("a-00000003.rsa.pub", None),
            ("a-40000000.rsa.pub", None),
            ("a-ffffffff.rsa.pub", None),
            ("a-6743a0c.rsa.pub", None),
            ("a-6743a0c1f.rsa.pub", None),
            ("a-+743a0c1.rsa.pub", None),
            ("6743a0c1.rsa.pub", None),
            ("signing.rsa.pub", None),
        ] {
            let made = made_by_name(&name.parse().unwrap(), now);
            assert_eq!(made.map(Timestamp::as_second), seconds, "{name}");
        }
    }

    #[test]
    fn a_files_time_stands_in_for_a_name_that_tells_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("signing.rsa");
        let (then, now) =
            (Timestamp::from_second(1_600_000_000).unwrap(), Timestamp::from_second(1_700_000_000).unwrap());
        crate::disk::durable::write_dated(&file, b"", 0o600, super::super::call::system_time(then)).unwrap();
        assert_eq!(made(&"signing.rsa.pub".parse().unwrap(), &file, now), Some(then));
        assert_eq!(made(&"none-60000000.rsa.pub".parse().unwrap(), &file, now).unwrap().as_second(), 0x6000_0000);
        assert_eq!(made(&"none.rsa.pub".parse().unwrap(), &folder.path().join("none"), now), None);
        assert_eq!(age(then, now), Duration::from_secs(100_000_000));
        assert_eq!(age(now, then), Duration::ZERO);
    }
}
