//! Against real sockets: each test scripts what the server sends, faults included, and looks at what was asked of it.

mod indexes;
mod packages;
mod upstream;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::BoxFuture;
use url::Url;

use super::*;
use crate::apk::PackageFile;
use crate::report::Silent;
use crate::sources::PackageRequest;

/// No time passes; the waits asked for are kept.
#[derive(Default)]
struct Waits(Mutex<Vec<Duration>>);

impl Waits {
    fn seconds(&self) -> Vec<f64> {
        self.0.lock().unwrap().iter().map(Duration::as_secs_f64).collect()
    }
}

impl Pause for Waits {
    fn chance(&self) -> f64 {
        1.0
    }

    fn sleep(&self, wait: Duration) -> BoxFuture<'_, ()> {
        self.0.lock().unwrap().push(wait);
        Box::pin(std::future::ready(()))
    }
}

struct Client {
    http: Http,
    waits: Arc<Waits>,
    arch: Arch,
    file: PackageFile,
}

impl Client {
    fn asking(urls: impl IntoIterator<Item = Url>) -> Self {
        Client::set(urls, |_| {})
    }

    fn set(urls: impl IntoIterator<Item = Url>, change: impl FnOnce(&mut HttpSettings)) -> Self {
        let mut settings = HttpSettings::new(urls.into_iter().collect());
        change(&mut settings);
        let waits = Arc::new(Waits::default());
        Client {
            http: Http::with_pause(settings, waits.clone()).unwrap(),
            waits,
            arch: "x86_64".parse().unwrap(),
            file: PackageFile::new(&"libstdc++".parse().unwrap(), &"14.2~b-r0".parse().unwrap()).unwrap(),
        }
    }

    async fn index(&self, known: &[Option<Validators>]) -> Result<IndexReply, Error> {
        self.index_from(0, known).await
    }

    async fn index_from(&self, first_url: usize, known: &[Option<Validators>]) -> Result<IndexReply, Error> {
        let request = IndexRequest { path: "v3.23/main", arch: &self.arch, known, first_url };
        self.http.index(&request, &Silent).await
    }

    async fn package(&self, size: usize, sink: &mut dyn crate::sources::PackageSink) -> Result<(), Error> {
        let request = PackageRequest { path: "v3.23/main", arch: &self.arch, file: &self.file, size: size as u64 };
        self.http.package(&request, sink, &Silent).await
    }
}

#[test]
fn a_source_without_a_usable_url_is_refused() {
    for (urls, shown) in
        [(vec![], ""), (vec!["ftp://me:secret@m/x"], "ftp://***@m/x"), (vec!["mailto:a@b"], "mailto:a@b")]
    {
        let urls = urls.into_iter().map(|url| url.parse().unwrap()).collect();
        match Http::new(HttpSettings::new(urls)) {
            Err(Error::BadUrl(url)) => assert_eq!(url, shown),
            Err(other) => panic!("{other}"),
            Ok(_) => panic!("accepted"),
        }
    }
}

/// Jobs run downloads on several threads; this does not compile if they cannot.
#[test]
fn downloads_may_move_between_threads() {
    fn may_move<T: Send>(_: T) {}
    let client = Client::asking(["http://127.0.0.1/".parse().unwrap()]);
    let mut sink = crate::sources::tests::Collected::expecting("");
    may_move(client.package(0, &mut sink));
    may_move(client.index(&[]));
}
