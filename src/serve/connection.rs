//! One connection: whether it is encrypted, which protocol is spoken on it, and how long it may say nothing.

use std::convert::Infallible;
use std::io;
use std::sync::Arc;

use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use rustls::ServerConfig;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::account::{Account, Counted};
use super::answer::Shared;
use super::body::Body;
use super::client::{Client, Standing};
use super::crowd::Place;
use super::entrance::{Entrance, OPEN};
use super::http2;
use super::pages::Scheme;
use super::patience::Patience;
use super::server::Limits;
use super::shares::{Share, Shares};
use super::streams::Told;
use super::subject::common_name;
use super::tls::H2;
use super::traffic::Cut;

/// Longest request head, in bytes.
pub(super) const MAX_HEAD: usize = 16 << 10;

/// With which byte TLS begins: a record with a handshake in it (RFC 8446, 5.1).
const HANDSHAKE: u8 = 22;

/// Bytes that wait in the system to be sent on a connection, beside those that are on their way. More would be memory for
/// clients that stopped reading; and progress would be seen in steps so large that a slow link looks like a stopped one.
const UNSENT: u32 = 128 << 10;

/// What a connection needs.
pub(super) struct Connection {
    pub(super) shared: Arc<Shared>,
    pub(super) entrance: Arc<Entrance>,
    pub(super) limits: Limits,
    /// For the requests of HTTP/2 on all connections together.
    pub(super) shares: Arc<Shares>,
    pub(super) place: Arc<Place>,
}

/// How a client began.
enum Begun {
    Encrypted(Box<TlsStream<Patience<TcpStream>>>),
    /// With a letter, as a request does that came to the wrong port.
    Plain(TcpStream),
}

impl Connection {
    /// Serves until the client leaves, has said nothing for too long, or is idle and makes room for another one.
    pub(super) async fn serve(self, stream: TcpStream) {
        let (shared, place) = (Arc::clone(&self.shared), Arc::clone(&self.place));
        tokio::select! {
            () = self.talk(stream) => {}
            why = place.asked_to_leave() => shared.traffic.cut(why),
        }
    }

    /// What goes wrong on a connection is the client's affair: it went away, it does not speak HTTP, or it does not believe our
    /// certificate.
    async fn talk(self, stream: TcpStream) {
        // Heads and small files are one write each; waiting to join them costs a round trip. Not vital, as the next.
        let _ = stream.set_nodelay(true);
        let _ = socket2::SockRef::from(&stream).set_tcp_notsent_lowat(UNSENT);
        let Some(tls) = self.entrance.tls(&*self.shared.log).await else {
            let client = self.client(Scheme::Http, None, Standing::Welcome);
            let stream = self.patient(stream);
            return self.http1(stream, client).await;
        };
        // A handshake is a part of the first request's head, and takes no longer.
        // Each in memory of its own: else every connection would have room for all it might become.
        match tokio::time::timeout(self.limits.head, Box::pin(self.begin(stream, tls))).await {
            Ok(Ok(Begun::Encrypted(stream))) => {
                let (_, session) = stream.get_ref();
                let shown = session.peer_certificates().and_then(|chain| common_name(chain.first()?));
                let is_h2 = session.alpn_protocol() == Some(H2);
                let client = self.client(Scheme::Https, shown, Standing::Welcome);
                match is_h2 {
                    true => Box::pin(self.http2(*stream, client)).await,
                    false => Box::pin(self.http1(*stream, client)).await,
                }
            }
            Ok(Ok(Begun::Plain(stream))) => {
                let client = self.client(Scheme::Http, None, Standing::NotEncrypted);
                let stream = self.patient(stream);
                Box::pin(self.http1(stream, client)).await;
            }
            Ok(Err(_)) => self.shared.traffic.cut(Cut::Handshake),
            Err(_) => self.shared.waited_in_vain(&self.place),
        }
    }

    fn patient(&self, stream: TcpStream) -> Patience<TcpStream> {
        Patience::new(stream, self.limits.pace, &self.place, &self.shared.traffic)
    }

    fn client(&self, scheme: Scheme, user: Option<String>, standing: Standing) -> Client {
        Client { scheme, user, standing }
    }

    async fn begin(&self, stream: TcpStream, tls: Arc<ServerConfig>) -> io::Result<Begun> {
        let mut first = [0];
        if stream.peek(&mut first).await? == 1 && first[0] != HANDSHAKE && first[0].is_ascii_uppercase() {
            return Ok(Begun::Plain(stream));
        }
        let stream = TlsAcceptor::from(tls).accept(self.patient(stream)).await?;
        Ok(Begun::Encrypted(Box::new(stream)))
    }

    async fn http1(self, stream: impl tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin, client: Client) {
        let limits = self.limits;
        let is_welcome = client.standing == Standing::Welcome;
        let (connection, client) = (Arc::new(self), Arc::new(client));
        let (shared, place) = (Arc::clone(&connection.shared), Arc::clone(&connection.place));
        let service = service_fn(move |request: Request<Incoming>| {
            let (connection, client) = (Arc::clone(&connection), Arc::clone(&client));
            async move { Ok::<_, Infallible>(connection.reply(&request, &client).await) }
        });
        let serving = hyper::server::conn::http1::Builder::new()
            .header_read_timeout(None)
            .max_buf_size(MAX_HEAD)
            .keep_alive(is_welcome)
            .serve_connection(TokioIo::new(stream), service);
        tokio::select! {
            served = serving => if let Err(error) = served {
                shared.broke_off(&place, &error);
            },
            () = place.waited(limits.head) => shared.waited_in_vain(&place),
        }
    }

    async fn http2(self, stream: impl tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin, client: Client) {
        let (limits, traffic) = (self.limits, Arc::clone(&self.shared.traffic));
        let (connection, client) = (Arc::new(self), Arc::new(client));
        let reply = move |request: Request<Incoming>| {
            let (connection, client) = (Arc::clone(&connection), Arc::clone(&client));
            async move { connection.reply_to_one_of_many(request, &client).await }
        };
        if let Some(why) = http2::serve(TokioIo::new(stream), limits, reply).await {
            traffic.cut(why);
        }
    }

    async fn reply_to_one_of_many(&self, request: Request<Incoming>, client: &Client) -> (Response<Body>, Sent) {
        if http2::length_of_head(&request) > MAX_HEAD {
            return (self.shared.too_long(&self.place), Sent::default());
        }
        let share = self.shares.take(self.place.peer);
        // Whoever asks whether the server is well must hear that it is, and has no file open.
        let reply = match share.is_none() && request.uri().path() != OPEN {
            true => {
                let client = Client { standing: Standing::NoRoom, ..client.clone() };
                self.reply(&request, &client).await
            }
            false => self.reply(&request, client).await,
        };
        let (head, counted) = reply.into_parts();
        let (body, account) = counted.apart();
        (Response::from_parts(head, body), Sent { account: Some(account), share })
    }

    async fn reply<B>(&self, request: &Request<B>, client: &Client) -> Response<Counted> {
        // From here on its connection is not idle, however long a password takes.
        let mut account = self.shared.account(request, client, &self.place);
        if client.standing != Standing::Welcome {
            return self.shared.reply(request, client, account).await;
        }
        let (standing, user) = self.entrance.admit(request.uri().path(), request.headers(), &*self.shared.log).await;
        let client = Client { standing, user: user.or_else(|| client.user.clone()), ..client.clone() };
        account.is_of(client.user.clone());
        self.shared.reply(request, &client, account).await
    }
}

/// A reply among others, until it is at its end.
#[derive(Default)]
struct Sent {
    /// None where nothing is to be told.
    account: Option<Account>,
    share: Option<Share>,
}

impl Told for Sent {
    fn sent(self, bytes: u64) {
        drop(self.share);
        if let Some(account) = self.account {
            account.sent(bytes);
        }
    }

    fn headed(self) {
        drop(self.share);
        if let Some(account) = self.account {
            account.headed();
        }
    }
}

#[cfg(test)]
mod tests;
