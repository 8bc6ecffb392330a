use super::upstream::{Answer, Upstream, header};
use super::*;
use crate::error::{Class, Trouble};
use crate::sources::PackageSink;
use crate::sources::tests::Collected;

const WHOLE: &[u8] = b"the whole package, byte for byte";

fn with_etag(etag: &str) -> Answer {
    Answer::new("200 OK", &format!("ETag: {etag}\r\n"), WHOLE)
}

/// Fetches into `sink` and expects success.
async fn fetched(client: &Client, mut sink: Collected) -> Collected {
    client.package(WHOLE.len(), &mut sink).await.unwrap();
    assert!(sink.is_content());
    sink
}

async fn refused(client: &Client) -> (Error, Collected) {
    let mut sink = Collected::expecting(WHOLE);
    (client.package(WHOLE.len(), &mut sink).await.unwrap_err(), sink)
}

#[tokio::test]
async fn a_package_is_asked_for_as_apk_asks() {
    let upstream = Upstream::answering([Answer::ok(WHOLE)]).await;
    fetched(&Client::asking([upstream.url()]), Collected::expecting(WHOLE)).await;
    let request = &upstream.requests()[0];
    assert!(request.starts_with("GET /alpine/v3.23/main/x86_64/libstdc++-14.2~b-r0.apk HTTP/1.1\r\n"), "{request}");
    assert_eq!(header(request, "range"), None);
    assert_eq!(header(request, "accept-encoding"), None);
}

#[tokio::test]
async fn a_cut_download_goes_on_where_it_was_cut() {
    let upstream = Upstream::answering([with_etag("\"7\"").cut(10), Answer::rest(WHOLE, WHOLE.len() - 10)]).await;
    let client = Client::asking([upstream.url()]);
    let sink = fetched(&client, Collected::expecting(WHOLE)).await;
    assert_eq!(sink.fed(), WHOLE.len() as u64, "no byte twice");
    let again = &upstream.requests()[1];
    assert_eq!(header(again, "range"), Some(&*format!("bytes={}-", WHOLE.len() - 10)));
    assert_eq!(header(again, "if-range"), Some("\"7\""));
    assert_eq!(client.waits.seconds(), [1.0]);
}

#[tokio::test]
async fn a_part_of_a_former_run_is_gone_on_from() {
    let upstream = Upstream::answering([Answer::rest(WHOLE, 9)]).await;
    let client = Client::asking([upstream.url()]);
    let sink = fetched(&client, Collected::expecting(WHOLE).holding(&WHOLE[..9])).await;
    assert_eq!(sink.fed(), WHOLE.len() as u64 - 9);
    assert_eq!(header(&upstream.requests()[0], "if-range"), None, "no validator of that run is known");
}

#[tokio::test]
async fn a_whole_part_of_a_former_run_needs_no_request() {
    let upstream = Upstream::answering([]).await;
    fetched(&Client::asking([upstream.url()]), Collected::expecting(WHOLE).holding(WHOLE)).await;
    assert_eq!(upstream.requests().len(), 0);
}

#[tokio::test]
async fn a_weak_etag_does_not_bind_parts() {
    let upstream = Upstream::answering([with_etag("W/\"7\"").cut(10), Answer::rest(WHOLE, WHOLE.len() - 10)]).await;
    fetched(&Client::asking([upstream.url()]), Collected::expecting(WHOLE)).await;
    assert_eq!(header(&upstream.requests()[1], "if-range"), None);
}

#[tokio::test]
async fn a_server_that_ignores_the_range_is_taken_from_the_start() {
    let upstream = Upstream::answering([Answer::ok(WHOLE).cut(10), Answer::ok(WHOLE)]).await;
    let sink = fetched(&Client::asking([upstream.url()]), Collected::expecting(WHOLE)).await;
    assert_eq!(sink.fed(), 2 * WHOLE.len() as u64 - 10);
}

#[tokio::test]
async fn a_range_that_was_not_asked_for_is_not_taken() {
    let elsewhere = Answer::rest(WHOLE, 3);
    let nowhere = Answer::new("206 Partial Content", "", "no Content-Range");
    let beyond = Answer::new("416 Range Not Satisfiable", "Content-Range: bytes */5\r\n", "");
    for nonsense in [elsewhere, nowhere, beyond] {
        let upstream = Upstream::answering([Answer::ok(WHOLE).cut(10), nonsense, Answer::ok(WHOLE)]).await;
        let client = Client::asking([upstream.url()]);
        fetched(&client, Collected::expecting(WHOLE)).await;
        assert_eq!(header(&upstream.requests()[2], "range"), None);
        assert_eq!(client.waits.seconds(), [1.0], "the cut is waited for, the nonsense is not");
    }
}

#[tokio::test]
async fn a_shorter_range_than_asked_for_is_followed_by_the_rest() {
    let middle = format!("Content-Range: bytes 5-9/{}\r\n", WHOLE.len());
    let upstream =
        Upstream::answering([Answer::new("206 Partial Content", &middle, &WHOLE[5..10]), Answer::rest(WHOLE, 10)])
            .await;
    let sink = fetched(&Client::asking([upstream.url()]), Collected::expecting(WHOLE).holding(&WHOLE[..5])).await;
    assert_eq!(sink.fed(), WHOLE.len() as u64 - 5);
}

#[tokio::test]
async fn parts_that_do_not_fit_together_are_fetched_whole_once() {
    let upstream = Upstream::answering([Answer::rest(WHOLE, 9), Answer::ok(WHOLE)]).await;
    let client = Client::asking([upstream.url()]);
    fetched(&client, Collected::expecting(WHOLE).holding("another's")).await;
    assert_eq!(upstream.requests().len(), 2);
    assert_eq!(client.waits.seconds(), [] as [f64; 0]);
}

#[tokio::test]
async fn wrong_bytes_are_refused_when_every_url_has_them_and_asked_for_once_each() {
    let tampered = WHOLE.to_ascii_uppercase();
    let first = Upstream::answering([Answer::ok(&tampered)]).await;
    let second = Upstream::answering([Answer::ok(&tampered)]).await;
    let (error, sink) = refused(&Client::asking([first.url(), second.url()])).await;
    assert_eq!((error.class(), error.code()), (Class::Refused, "wrong-bytes"));
    assert!(error.to_string().contains(": wrong bytes: its identity is another; "), "{error}");
    assert_eq!((first.requests().len(), second.requests().len()), (1, 1));
    assert_eq!(sink.offset(), 0, "nothing wrong is kept");
}

#[tokio::test]
async fn wrong_bytes_at_one_url_are_had_right_from_the_next() {
    let first = Upstream::answering([Answer::ok(WHOLE.to_ascii_uppercase())]).await;
    let second = Upstream::answering([Answer::ok(WHOLE)]).await;
    fetched(&Client::asking([first.url(), second.url()]), Collected::expecting(WHOLE)).await;
    assert_eq!(header(&second.requests()[0], "range"), None);
}

#[tokio::test]
async fn a_file_of_another_length_is_refused_and_never_read_beyond_it() {
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    let body = |text: &[u8]| [format!("{:x}\r\n", text.len()).as_bytes(), text, b"\r\n0\r\n\r\n"].concat();
    let long = [WHOLE, b"!"].concat();
    for answer in [
        Answer::ok(&long),
        Answer::ok(&WHOLE[1..]),
        Answer::raw(chunked, &body(&long)),
        Answer::raw(chunked, &body(&WHOLE[1..])),
        Answer::raw("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n", &long).cut(0),
    ] {
        let upstream = Upstream::answering([answer]).await;
        // The sink itself fails the test if it is fed more than the size.
        let (error, _) = refused(&Client::asking([upstream.url()])).await;
        assert_eq!((error.class(), error.code()), (Class::Refused, "wrong-bytes"), "{error}");
        assert!(error.to_string().contains("the index promises"), "{error}");
    }
}

#[tokio::test]
async fn another_length_does_not_cost_the_part_that_is_held() {
    let first = Upstream::answering([Answer::ok("<html>please log in</html>")]).await;
    let second = Upstream::answering([Answer::rest(WHOLE, 9)]).await;
    let client = Client::asking([first.url(), second.url()]);
    let sink = fetched(&client, Collected::expecting(WHOLE).holding(&WHOLE[..9])).await;
    assert_eq!(sink.fed(), WHOLE.len() as u64 - 9);
}

#[tokio::test]
async fn an_end_that_only_the_connection_marks_may_be_a_cut() {
    let head = "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n";
    let upstream = Upstream::answering([Answer::raw(head, WHOLE).cut(10), Answer::rest(WHOLE, WHOLE.len() - 10)]).await;
    fetched(&Client::asking([upstream.url()]), Collected::expecting(WHOLE)).await;
}

#[tokio::test]
async fn a_connection_that_is_always_cut_is_given_up_with_what_was_had() {
    let rest = |first, missing| Answer::rest(WHOLE, first).cut(missing);
    let upstream = Upstream::answering([Answer::ok(WHOLE).cut(30), rest(2, 20), rest(12, 15), rest(17, 12)]).await;
    let client = Client::asking([upstream.url()]);
    let (error, sink) = refused(&client).await;
    let expected = format!(
        "{}/v3.23/main/x86_64/libstdc++-14.2~b-r0.apk: connection closed after 20 bytes of 32 bytes, attempt 4 of 4",
        upstream.url()
    );
    assert_eq!(error.to_string(), expected);
    assert_eq!((error.class(), error.code()), (Class::Upstream, "unavailable"));
    assert_eq!(sink.offset(), 20, "the next run goes on from here");
    assert_eq!(client.waits.seconds(), [1.0, 2.0, 4.0]);
}

#[tokio::test]
async fn the_next_url_goes_on_with_the_first_ones_part() {
    let first = Upstream::answering([Answer::ok(WHOLE).cut(10)]).await;
    let second = Upstream::answering([Answer::rest(WHOLE, WHOLE.len() - 10)]).await;
    let client = Client::set([first.url(), second.url()], |settings| settings.backoff.attempts = 1);
    let sink = fetched(&client, Collected::expecting(WHOLE)).await;
    assert_eq!(sink.fed(), WHOLE.len() as u64);
}

#[tokio::test]
async fn a_silent_server_is_given_up() {
    let silent = [Answer::ok(WHOLE).silent(10), Answer::raw("", b"").silent(0)];
    let upstream = Upstream::answering(silent).await;
    let client = Client::set([upstream.url()], |settings| {
        settings.timeout = Duration::from_millis(150);
        settings.backoff.attempts = 2;
    });
    let (error, sink) = refused(&client).await;
    assert!(
        error.to_string().ends_with("nothing received for 0.15 s, after 22 bytes of 32 bytes, attempt 2 of 2"),
        "{error}"
    );
    assert_eq!(error.class(), Class::Upstream);
    assert_eq!(sink.offset(), 22);
}

#[tokio::test]
async fn a_package_that_no_url_has_is_not_found_at_once() {
    let first = Upstream::answering([Answer::status("404 Not Found")]).await;
    let second = Upstream::answering([Answer::status("410 Gone")]).await;
    let client = Client::asking([first.url(), second.url()]);
    let (error, _) = refused(&client).await;
    assert_eq!((error.class(), error.code()), (Class::Upstream, "not-found"));
    assert!(error.to_string().ends_with("answered 410 Gone"), "{error}");
    assert_eq!(client.waits.seconds(), [] as [f64; 0]);
}

#[tokio::test]
async fn a_full_disk_ends_it_at_once() {
    let upstream = Upstream::answering(vec![Answer::ok(WHOLE); 4]).await;
    let client = Client::asking([upstream.url(), upstream.url()]);
    let mut sink = Collected::expecting(WHOLE).on_a_full_disk();
    let error = client.package(WHOLE.len(), &mut sink).await.unwrap_err();
    assert_eq!((error.class(), error.code()), (Class::Host, "disk-full"));
    assert!(error.hint().is_some());
    assert_eq!(upstream.requests().len(), 1);
}

#[tokio::test]
async fn requests_share_few_connections_and_keep_them() {
    let upstream = Upstream::answering(vec![Answer::ok(WHOLE); 40]).await;
    let client = Client::set([upstream.url()], |settings| settings.connections = 3);
    let downloads = (0..40).map(|_| fetched(&client, Collected::expecting(WHOLE)));
    futures_util::future::join_all(downloads).await;
    assert_eq!(upstream.requests().len(), 40);
    assert!(upstream.connections() <= 3, "{} connections", upstream.connections());
    assert!(upstream.most_open() <= 3, "{} at once", upstream.most_open());
}

#[tokio::test]
async fn retries_and_bytes_are_reported() {
    #[derive(Default)]
    struct Told(Mutex<(u64, Vec<String>)>);
    impl Reporter for Told {
        fn bytes_fetched(&self, bytes: u64) {
            self.0.lock().unwrap().0 += bytes;
        }
        fn retrying(&self, what: &str, reason: &str, attempt: u32, wait_ms: u64) {
            self.0.lock().unwrap().1.push(format!("{what} {reason} {attempt} {wait_ms}"));
        }
    }
    let upstream = Upstream::answering([Answer::ok(WHOLE).cut(10), Answer::rest(WHOLE, WHOLE.len() - 10)]).await;
    let client = Client::asking([upstream.url()]);
    let told = Told::default();
    let size = WHOLE.len() as u64;
    let request = PackageRequest { path: "", arch: &client.arch, file: &client.file, size };
    client.http.package(&request, &mut Collected::expecting(WHOLE), &told).await.unwrap();
    let (bytes, retries) = told.0.into_inner().unwrap();
    let url = upstream.url();
    assert_eq!(bytes, size);
    assert_eq!(
        retries,
        [format!("{url}/x86_64/libstdc++-14.2~b-r0.apk connection closed after 22 bytes of 32 bytes 1 1000")]
    );
}
