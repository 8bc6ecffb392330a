use std::path::Path;

use super::*;
use crate::disk::durable;
use crate::serve::Unlogged;

fn put(path: &Path, text: &str) {
    durable::write(path, text.as_bytes(), 0o600).unwrap();
}

fn logins(folder: &tempfile::TempDir, text: &str) -> Entrance {
    let file = folder.path().join("users");
    put(&file, text);
    Entrance::open(None, Some(file)).unwrap()
}

/// What an `Authorization` header gets at a path.
fn asking(entrance: &Entrance, path: &str, header: &str) -> (Standing, Option<String>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(entrance.admit(path, &headers(header), &Unlogged))
}

fn headers(header: &str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    if !header.is_empty() {
        headers.insert(AUTHORIZATION, header.parse().unwrap());
    }
    headers
}

/// ops:hunter2, and ops:hunter3.
const RIGHT: &str = "Basic b3BzOmh1bnRlcjI=";
const WRONG: &str = "Basic b3BzOmh1bnRlcjM=";

#[test]
fn who_logs_in_reads_and_who_does_not_is_asked_to() {
    let folder = tempfile::tempdir().unwrap();
    let entrance = logins(&folder, "ops:hunter2").pausing(Duration::ZERO);
    let welcome = (Standing::Welcome, Some("ops".to_owned()));
    assert_eq!(asking(&entrance, "/v3.23/", RIGHT), welcome);
    for header in ["", WRONG, "Basic", "Bearer b3BzOmh1bnRlcjI=", "b3BzOmh1bnRlcjI="] {
        assert_eq!(asking(&entrance, "/v3.23/", header), (Standing::LoginNeeded, None), "{header}");
    }
    // Probes know no password, and may come with any.
    for header in ["", RIGHT, WRONG] {
        assert_eq!(asking(&entrance, "/healthz", header), (Standing::Welcome, None));
    }
    for path in ["/healthz/", "/HEALTHZ", "//healthz", "/metrics", "/", ""] {
        assert_eq!(asking(&entrance, path, "").0, Standing::LoginNeeded, "{path}");
    }
    assert_eq!(asking(&Entrance::default(), "/v3.23/", ""), (Standing::Welcome, None));
}

#[test]
fn a_wrong_password_waits_for_its_answer_and_nobody_else_does() {
    let folder = tempfile::tempdir().unwrap();
    let entrance = logins(&folder, "ops:hunter2").pausing(Duration::from_secs(3600));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let (right, wrong) = (headers(RIGHT), headers(WRONG));
        let wrong = entrance.admit("/", &wrong, &Unlogged);
        tokio::select! {
            biased;
            _ = wrong => panic!("a wrong password was answered at once"),
            admitted = entrance.admit("/", &right, &Unlogged) => assert_eq!(admitted.0, Standing::Welcome),
        }
        assert_eq!(entrance.admit("/", &HeaderMap::new(), &Unlogged).await.0, Standing::LoginNeeded);
    });
}

#[test]
fn changed_logins_are_taken_up_and_unusable_ones_are_not() {
    let folder = tempfile::tempdir().unwrap();
    let entrance = logins(&folder, "ops:hunter2").pausing(Duration::ZERO);
    let file = folder.path().join("users");
    put(&file, "ops:hunter3\nhunter4");
    let told = entrance.look();
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].to_string().ends_with("users line 2: is not user:password"), "{}", told[0]);
    assert!(entrance.look().is_empty(), "told already");
    assert_eq!(asking(&entrance, "/", RIGHT).0, Standing::Welcome);
    put(&file, "ops:hunter3");
    assert!(entrance.look().is_empty());
    assert_eq!(asking(&entrance, "/", RIGHT).0, Standing::LoginNeeded);
    assert_eq!(asking(&entrance, "/", WRONG).0, Standing::Welcome);
}

/// Many machines have one login: what one of them proves is known to all that wait.
#[test]
fn a_hash_is_computed_once_however_many_come_with_it_at_once() {
    let folder = tempfile::tempdir().unwrap();
    // hunter2, by libcrypt at a cost that takes a moment.
    let hash = bcrypt::hash("hunter2", 8).unwrap();
    let entrance = Arc::new(logins(&folder, &format!("ops:{hash}")));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let clients: Vec<_> = (0..MAY_WAIT)
            .map(|_| {
                let entrance = Arc::clone(&entrance);
                tokio::spawn(async move { entrance.admit("/v3.23/", &headers(RIGHT), &Unlogged).await })
            })
            .collect();
        for client in clients {
            assert_eq!(client.await.unwrap(), (Standing::Welcome, Some("ops".to_owned())));
        }
    });
    let computed = entrance.computed.load(std::sync::atomic::Ordering::Relaxed);
    assert!((1..=HASHES).contains(&computed), "{computed}");
}

#[test]
fn guesses_have_a_rate_and_what_waits_a_bound() {
    let folder = tempfile::tempdir().unwrap();
    let entrance = Arc::new(logins(&folder, "ops:hunter2").pausing(Duration::from_secs(3600)));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let guess = || {
            let entrance = Arc::clone(&entrance);
            tokio::spawn(async move { entrance.admit("/", &headers(WRONG), &Unlogged).await })
        };
        let guesses: Vec<_> = (0..FAILURES + MAY_WAIT).map(|_| guess()).collect();
        tokio::task::yield_now().await;
        // One more is not looked at, and who knows the password is not kept.
        assert_eq!(guess().await.unwrap().0, Standing::TryLater);
        assert_eq!(entrance.admit("/", &headers(RIGHT), &Unlogged).await.0, Standing::Welcome);
        let begun = Instant::now();
        for guess in guesses {
            assert_eq!(guess.await.unwrap().0, Standing::LoginNeeded);
        }
        let least = entrance.pause / 2 * u32::try_from(MAY_WAIT / FAILURES).unwrap();
        assert!(begun.elapsed() >= least, "{:?}", begun.elapsed());
    });
}
