use super::upstream::{Answer, Upstream, header};
use super::*;
use crate::error::{Class, Trouble};

fn validators(etag: &str, last_modified: &str) -> Validators {
    Validators { etag: Some(etag.to_owned()), last_modified: Some(last_modified.to_owned()) }
}

const TIME: &str = "Wed, 21 Oct 2015 07:28:00 GMT";

#[tokio::test]
async fn an_unchanged_index_costs_one_conditional_request() {
    let headers = format!("ETag: W/\"5\"\r\nLast-Modified: {TIME}\r\n");
    let upstream = Upstream::answering([
        Answer::new("200 OK", &headers, "index"),
        Answer::raw("HTTP/1.1 304 Not Modified\r\n\r\n", b""),
    ])
    .await;
    let client = Client::asking([upstream.url()]);
    let known = validators("W/\"5\"", TIME);
    let first = client.index(&[]).await.unwrap();
    assert_eq!(first, IndexReply::Fetched { url: 0, bytes: b"index".to_vec(), validators: known.clone() });
    assert_eq!(client.index(&[Some(known)]).await.unwrap(), IndexReply::Unchanged { url: 0 });

    let requests = upstream.requests();
    assert_eq!(requests.len(), 2);
    assert!(requests[0].starts_with("GET /alpine/v3.23/main/x86_64/APKINDEX.tar.gz HTTP/1.1\r\n"), "{}", requests[0]);
    assert_eq!(header(&requests[0], "if-none-match"), None);
    assert_eq!(header(&requests[0], "accept-encoding"), None);
    assert!(header(&requests[0], "user-agent").unwrap().starts_with("bivouac/"));
    assert_eq!(header(&requests[1], "if-none-match"), Some("W/\"5\""));
    assert_eq!(header(&requests[1], "if-modified-since"), Some(TIME));
    assert_eq!(upstream.connections(), 1, "the connection is kept");
}

#[tokio::test]
async fn validators_go_to_the_url_they_came_from_and_to_no_other() {
    let second = Upstream::answering([Answer::ok("index")]).await;
    let first = Upstream::answering([Answer::status("404 Not Found")]).await;
    let client = Client::asking([first.url(), second.url()]);
    let reply = client.index(&[Some(validators("\"1\"", TIME)), None]).await.unwrap();
    assert!(matches!(reply, IndexReply::Fetched { url: 1, .. }));
    assert_eq!(header(&first.requests()[0], "if-none-match"), Some("\"1\""));
    assert_eq!(header(&second.requests()[0], "if-none-match"), None);
}

#[tokio::test]
async fn a_304_that_nobody_asked_for_is_a_fault() {
    let upstream = Upstream::answering([Answer::raw("HTTP/1.1 304 Not Modified\r\n\r\n", b"")]).await;
    let client = Client::asking([upstream.url()]);
    let error = client.index(&[Some(Validators::default())]).await.unwrap_err();
    assert!(error.to_string().ends_with("answered 304 Not Modified"), "{error}");
    assert_eq!(error.class(), Class::Upstream);
}

#[tokio::test]
async fn the_next_url_is_asked_when_the_first_is_down() {
    let upstream = Upstream::answering([Answer::ok("index")]).await;
    let client = Client::asking([Upstream::down().await, upstream.url()]);
    assert!(matches!(client.index(&[]).await.unwrap(), IndexReply::Fetched { url: 1, .. }));
    assert_eq!(client.waits.seconds(), [1.0, 2.0, 4.0], "four attempts at the first");
}

#[tokio::test]
async fn a_caller_who_refuses_the_bytes_asks_the_next_url() {
    let first = Upstream::answering([Answer::ok("older")]).await;
    let second = Upstream::answering([Answer::ok("newer")]).await;
    let client = Client::asking([first.url(), second.url()]);
    let Ok(IndexReply::Fetched { url, .. }) = client.index(&[]).await else { panic!("not fetched") };
    let Ok(IndexReply::Fetched { bytes, .. }) = client.index_from(url + 1, &[]).await else { panic!("not fetched") };
    assert_eq!(bytes, b"newer");
    assert_eq!(first.requests().len(), 1);
    let error = client.index_from(2, &[]).await.unwrap_err();
    assert_eq!(error.code(), "no-further-url");
}

#[tokio::test]
async fn an_index_that_was_cut_is_fetched_again_from_the_start() {
    let upstream =
        Upstream::answering([Answer::ok("index, the old one").cut(4), Answer::ok("index, the new one")]).await;
    let client = Client::asking([upstream.url()]);
    let Ok(IndexReply::Fetched { bytes, .. }) = client.index(&[]).await else { panic!("not fetched") };
    assert_eq!(bytes, b"index, the new one");
    assert_eq!(header(&upstream.requests()[1], "range"), None);
}

#[tokio::test]
async fn a_server_that_says_when_is_obeyed_up_to_the_cap() {
    let upstream = Upstream::answering([
        Answer::status("500 Internal Server Error"),
        Answer::new("503 Service Unavailable", "Retry-After: 7\r\n", "come back later"),
        Answer::new("429 Too Many Requests", "Retry-After: 86400\r\n", ""),
        Answer::ok("index"),
    ])
    .await;
    let client = Client::asking([upstream.url()]);
    assert!(client.index(&[]).await.is_ok());
    assert_eq!(client.waits.seconds(), [1.0, 7.0, 120.0]);
}

#[tokio::test]
async fn an_index_beyond_the_limit_is_refused_declared_or_not() {
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    let upstream = Upstream::answering([
        Answer::ok("12345678"),
        Answer::ok("123456789"),
        Answer::raw(chunked, b"5\r\n12345\r\n4\r\n6789\r\n0\r\n\r\n"),
    ])
    .await;
    let client = Client::set([upstream.url()], |settings| settings.index_limit = 8);
    assert!(client.index(&[]).await.is_ok());
    for _ in 0..2 {
        let error = client.index(&[]).await.unwrap_err();
        assert_eq!((error.class(), error.code()), (Class::Refused, "wrong-bytes"), "{error}");
        assert!(error.to_string().ends_with("the index is larger than 8 bytes"), "{error}");
    }
}

#[tokio::test]
async fn redirects_are_followed_and_a_loop_is_not() {
    let moved = |to: &str| Answer::new("302 Found", &format!("Location: {to}\r\n"), "");
    let upstream = Upstream::answering([moved("/elsewhere"), Answer::ok("index")]).await;
    let client = Client::asking([upstream.url()]);
    assert!(client.index(&[]).await.is_ok());
    assert_eq!(upstream.request_lines()[1], "GET /elsewhere HTTP/1.1");

    let upstream = Upstream::answering(vec![moved("/round"); 20]).await;
    let client = Client::asking([upstream.url()]);
    let error = client.index(&[]).await.unwrap_err();
    assert!(error.to_string().ends_with("redirected more than 5 times"), "{error}");
    assert_eq!(error.class(), Class::Upstream);
    assert_eq!(upstream.requests().len(), 6, "the first, five redirects, and no second attempt");
}

#[tokio::test]
async fn a_user_and_password_are_sent_and_never_shown() {
    let upstream = Upstream::answering([Answer::status("401 Unauthorized")]).await;
    let mut url = upstream.url();
    url.set_username("me").unwrap();
    url.set_password(Some("hunter2")).unwrap();
    let client = Client::asking([url]);
    let error = client.index(&[]).await.unwrap_err();
    assert_eq!(header(&upstream.requests()[0], "authorization"), Some("Basic bWU6aHVudGVyMg=="));
    assert!(!format!("{error} {error:?}").contains("hunter2"), "{error:?}");
    assert!(error.to_string().ends_with("answered 401 Unauthorized: it does not accept our credentials"), "{error}");
    assert_eq!((error.class(), error.code()), (Class::Upstream, "login-refused"));
    assert_eq!(upstream.requests().len(), 1, "the same password again would be no better");
}

#[tokio::test]
async fn what_is_not_http_is_named_and_tried_again() {
    let upstream = Upstream::answering(vec![Answer::raw("SSH-2.0-OpenSSH_9.9\r\n", b"\r\n"); 4]).await;
    let error = Client::asking([upstream.url()]).index(&[]).await.unwrap_err();
    assert!(error.to_string().contains("answered what is not understood: "), "{error}");
    assert!(error.to_string().ends_with("attempt 4 of 4"), "{error}");
}

#[tokio::test]
async fn a_tls_failure_is_told_from_a_cut_and_not_tried_again() {
    use tokio::io::AsyncWriteExt;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let connections = Arc::new(Mutex::new(0));
    let server = tokio::spawn({
        let connections = connections.clone();
        async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                *connections.lock().unwrap() += 1;
                // Plain HTTP where TLS is expected. The client's hello is never read; the stream is kept, since closing it
                // would reset the connection before the answer is seen.
                stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
                tokio::spawn(async move {
                    std::future::pending::<()>().await;
                    drop(stream);
                });
            }
        }
    });
    let mut client = Client::asking([format!("http://{address}/").parse().unwrap()]);
    // The system's certificates have no part in this, and this machine may have none.
    client.http.client = client.http.settings.client().unwrap().tls_certs_only([]).build().unwrap();
    client.http.settings.urls[0].set_scheme("https").unwrap();
    let error = client.index(&[]).await.unwrap_err();
    server.abort();
    assert!(error.to_string().contains("no trusted TLS connection: "), "{error}");
    assert_eq!((error.class(), error.code()), (Class::Upstream, "tls"));
    assert!(error.hint().unwrap().contains("TLS"));
    assert_eq!(*connections.lock().unwrap(), 1);
}

#[tokio::test]
async fn an_index_that_does_not_come_in_its_time_is_not_asked_for_again() {
    let upstream = Upstream::answering([Answer::ok("index").silent(2)]).await;
    let client = Client::set([upstream.url()], |settings| settings.index_within = Duration::ZERO);
    let error = client.index(&[]).await.unwrap_err();
    assert!(error.to_string().ends_with("not whole within 0 s: 0 bytes of 5 bytes"), "{error}");
    assert_eq!((error.class(), error.code()), (Class::Upstream, "too-slow"));
    assert_eq!(upstream.requests().len(), 1);
}

#[tokio::test]
async fn all_that_comes_waits_for_the_slowest_of_its_limits() {
    use crate::sources::http::rate::{Limiter, Schedule, Window};
    // The clock stands, so each wait is all that came so far, at the limit's rate.
    let limiter =
        |limit| Arc::new(Limiter::new(Schedule::new(vec![Window::always(limit)]), || jiff::Timestamp::UNIX_EPOCH));
    let upstream = Upstream::answering([Answer::ok("0123456789"), Answer::ok("01234")]).await;
    let client = Client::set([upstream.url()], |settings| settings.limiters = vec![limiter(5), limiter(10)]);
    client.index(&[]).await.unwrap();
    assert_eq!(client.waits.seconds(), [2.0]);
    client.index(&[]).await.unwrap();
    assert_eq!(client.waits.seconds(), [2.0, 3.0], "one limit for all requests");
}
