//! One connection: whether it is encrypted, which protocol is spoken on it, and how long it may say nothing.

use std::convert::Infallible;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;

use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use rustls::ServerConfig;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::answer::{Body, Shared};
use super::client::{Client, Standing};
use super::entrance::Entrance;
use super::http2;
use super::pages::Scheme;
use super::patience::Patience;
use super::server::Limits;
use super::subject::common_name;
use super::tls::H2;

/// Longest request head, in bytes.
pub(super) const MAX_HEAD: usize = 16 << 10;

/// With which byte TLS begins: a record with a handshake in it (RFC 8446, 5.1).
const HANDSHAKE: u8 = 22;

/// What a connection needs.
pub(super) struct Connection {
    pub(super) shared: Arc<Shared>,
    pub(super) entrance: Arc<Entrance>,
    pub(super) limits: Limits,
    /// Requests of HTTP/2 that may be under way on all connections together.
    pub(super) requests: Arc<Semaphore>,
    pub(super) peer: IpAddr,
}

/// How a client began.
enum Begun {
    Encrypted(Box<TlsStream<Patience>>),
    /// With a letter, as a request does that came to the wrong port.
    Plain(TcpStream),
}

impl Connection {
    /// Serves until the client leaves or has said nothing for too long. What goes wrong on a connection is the client's affair:
    /// it went away, it does not speak HTTP, or it does not believe our certificate.
    pub(super) async fn serve(self, stream: TcpStream) {
        // Heads and small files are one write each; waiting to join them costs a round trip. Not vital.
        let _ = stream.set_nodelay(true);
        let Some(tls) = self.entrance.tls(&*self.shared.log).await else {
            let client = self.client(Scheme::Http, None, Standing::Welcome);
            let stream = Patience::new(stream, self.limits.stall);
            return self.http1(stream, client).await;
        };
        // A handshake is a part of the first request's head, and takes no longer.
        match tokio::time::timeout(self.limits.head, self.begin(stream, tls)).await {
            Ok(Ok(Begun::Encrypted(stream))) => {
                let (_, session) = stream.get_ref();
                let shown = session.peer_certificates().and_then(|chain| common_name(chain.first()?));
                let is_h2 = session.alpn_protocol() == Some(H2);
                let client = self.client(Scheme::Https, shown, Standing::Welcome);
                match is_h2 {
                    true => self.http2(*stream, client).await,
                    false => self.http1(*stream, client).await,
                }
            }
            Ok(Ok(Begun::Plain(stream))) => {
                let client = self.client(Scheme::Http, None, Standing::NotEncrypted);
                let stream = Patience::new(stream, self.limits.stall);
                self.http1(stream, client).await;
            }
            Ok(Err(_)) | Err(_) => {}
        }
    }

    fn client(&self, scheme: Scheme, user: Option<String>, standing: Standing) -> Client {
        Client { peer: self.peer, scheme, user, standing }
    }

    async fn begin(&self, stream: TcpStream, tls: Arc<ServerConfig>) -> io::Result<Begun> {
        let mut first = [0];
        if stream.peek(&mut first).await? == 1 && first[0] != HANDSHAKE && first[0].is_ascii_uppercase() {
            return Ok(Begun::Plain(stream));
        }
        let stream = TlsAcceptor::from(tls).accept(Patience::new(stream, self.limits.stall)).await?;
        Ok(Begun::Encrypted(Box::new(stream)))
    }

    async fn http1(self, stream: impl tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin, client: Client) {
        let limits = self.limits;
        let is_welcome = client.standing == Standing::Welcome;
        let (connection, client) = (Arc::new(self), Arc::new(client));
        let service = service_fn(move |request: Request<Incoming>| {
            let (connection, client) = (Arc::clone(&connection), Arc::clone(&client));
            async move { Ok::<_, Infallible>(connection.reply(&request, &client).await) }
        });
        let _ = hyper::server::conn::http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(limits.head)
            .max_buf_size(MAX_HEAD)
            .keep_alive(is_welcome)
            .serve_connection(TokioIo::new(stream), service)
            .await;
    }

    async fn http2(self, stream: TlsStream<Patience>, client: Client) {
        let (limits, requests) = (self.limits, Arc::clone(&self.requests));
        let (connection, client) = (Arc::new(self), Arc::new(client));
        let reply = move |request: Request<Incoming>| {
            let (connection, client) = (Arc::clone(&connection), Arc::clone(&client));
            async move { connection.reply(&request, &client).await }
        };
        http2::serve(TokioIo::new(stream), limits, requests, reply).await;
    }

    async fn reply<B>(&self, request: &Request<B>, client: &Client) -> Response<Body> {
        if client.standing != Standing::Welcome {
            return self.shared.reply(request, client).await;
        }
        let (standing, user) = self.entrance.admit(request.uri().path(), request.headers(), &*self.shared.log).await;
        let client = Client { standing, user: user.or_else(|| client.user.clone()), ..client.clone() };
        self.shared.reply(request, &client).await
    }
}

#[cfg(test)]
mod tests;
