//! Opening sessions, and the requests of one.

use crate::http1::client::driver as http_client;
use crate::service::headers::Headers;
use crate::socketio::client::TransportName;
use crate::socketio::client::core::Terms;
use crate::socketio::client::error::DialError;
use crate::socketio::client::link::Link;
use crate::socketio::client::link::cookies::Cookies;
use crate::socketio::client::link::handshake::{Handshake, refused};
use crate::socketio::client::link::polling::{PACKETS, Polling};
use crate::socketio::client::link::websocket::Socket;
use crate::socketio::engine::{Packet, payload};
use crate::ws::client::{Client, ConnectError};
use crate::ws::message::Message;
use crate::ws::socket::WebSocket;
use bytes::Bytes;
use bytestring::ByteString;
use http::header::COOKIE;
use http::{HeaderValue, Request, StatusCode, Uri};
use std::collections::VecDeque;
use std::fmt::Write;
use std::time::Duration;
use tokio::time::timeout;

/// Where a server is.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::socketio::client) struct Place {
    is_secure: bool,
    authority: String,
    path: String,
    /// Host, path and query, the parameters of Engine.IO missing.
    rest: String,
    /// The namespace that the URL names.
    pub(in crate::socketio::client) namespace: String,
}

/// How sessions are opened.
#[derive(Clone, Debug)]
pub(in crate::socketio::client) struct Dial {
    place: Place,
    client: Client,
    pub(super) http: http_client::Client,
    /// They are kept from session to session: who comes back finds the same node.
    cookies: Option<Cookies>,
    how: How,
}

/// What a builder says of that.
#[derive(Clone, Debug)]
pub(in crate::socketio::client) struct How {
    pub(in crate::socketio::client) transports: Vec<TransportName>,
    pub(in crate::socketio::client) upgrade: bool,
    pub(in crate::socketio::client) cookies: bool,
    pub(in crate::socketio::client) timeout: Duration,
    pub(in crate::socketio::client) max_received: usize,
}

impl Place {
    /// The parts of a URL, or what is wrong with it.
    pub(in crate::socketio::client) fn read(
        url: &str,
        path: &str,
        query: &[(String, String)],
    ) -> Result<Self, String> {
        let parsed = Uri::try_from(url).map_err(|_| format!("{url:?} is not a URL"))?;
        let is_secure = match parsed.scheme_str() {
            Some("http" | "ws") => false,
            Some("https" | "wss") => true,
            _ => return Err("the scheme is not http, https, ws or wss".to_owned()),
        };
        let Some(authority) = parsed.authority() else {
            return Err(format!("{url:?} has no host"));
        };
        if !path.starts_with('/') || path.contains(['?', '#']) {
            return Err(format!("{path:?} is not a path"));
        }
        let mut rest = format!("{authority}{path}?");
        if let Some(query) = parsed.query().filter(|query| !query.is_empty()) {
            rest.push_str(query);
            rest.push('&');
        }
        for (name, value) in query {
            escape(name, &mut rest);
            rest.push('=');
            escape(value, &mut rest);
            rest.push('&');
        }
        let namespace = match parsed.path() {
            "" => "/",
            path => path,
        };
        Ok(Self {
            is_secure,
            authority: authority.to_string(),
            path: path.to_owned(),
            rest,
            namespace: namespace.to_owned(),
        })
    }

    /// Cookies of this server, none yet.
    fn cookies(&self) -> Cookies {
        Cookies::new(&self.authority, &self.path, self.is_secure)
    }

    /// The URL of a transport, for a session or a new one.
    fn url(&self, transport: TransportName, sid: Option<&str>) -> String {
        let (scheme, name) = match (transport, self.is_secure) {
            (TransportName::WebSocket, false) => ("ws", "websocket"),
            (TransportName::WebSocket, true) => ("wss", "websocket"),
            (TransportName::Polling, false) => ("http", "polling"),
            (TransportName::Polling, true) => ("https", "polling"),
        };
        let mut url = format!("{scheme}://{}EIO=4&transport={name}", self.rest);
        if let Some(sid) = sid {
            url.push_str("&sid=");
            escape(sid, &mut url);
        }
        url
    }
}

impl Dial {
    pub(in crate::socketio::client) fn new(place: Place, client: Client, how: How) -> Self {
        Self {
            cookies: how.cookies.then(|| place.cookies()),
            http: client.http(),
            place,
            client,
            how,
        }
    }

    /// What opening a session may take.
    pub(in crate::socketio::client) const fn timeout(&self) -> Duration {
        self.how.timeout
    }

    /// Opens a session. Dropping the future leaves nothing behind.
    pub(in crate::socketio::client) async fn open(
        self,
    ) -> Result<(Link, Terms, TransportName), DialError> {
        let mut outcome = Err(DialError::Timeout);
        for transport in &self.how.transports {
            let opening = async {
                match transport {
                    TransportName::WebSocket => self.open_websocket().await,
                    TransportName::Polling => self.open_polling().await,
                }
            };
            outcome = timeout(self.how.timeout, opening)
                .await
                .unwrap_or(Err(DialError::Timeout));
            match &outcome {
                Err(error) if error.is_of_transport() => {}
                _ => break,
            }
        }
        if let Err(error) = &outcome
            && error.is_of_server()
            && let Some(cookies) = &self.cookies
        {
            cookies.forget();
        }
        outcome
    }

    /// Whether polling is to become a WebSocket.
    pub(super) fn may_upgrade(&self) -> bool {
        self.how.upgrade && self.how.transports.contains(&TransportName::WebSocket)
    }

    async fn open_websocket(&self) -> Result<(Link, Terms, TransportName), DialError> {
        let url = self.place.url(TransportName::WebSocket, None);
        let opened = self.websocket(&url).await;
        let mut socket = opened.map_err(|error| match error {
            ConnectError::Refused(answer) if answer.content.starts_with(b"{") => {
                refused(answer.status, &answer.content)
            }
            error => DialError::WebSocket(error),
        })?;
        match first_text(&mut socket).await {
            Some(Packet::Open(words)) => {
                let handshake = Handshake::read(&words, false)?;
                let link = Link::WebSocket(Socket::new(socket, VecDeque::new()));
                Ok((link, handshake.terms, TransportName::WebSocket))
            }
            _ => Err(DialError::Protocol("the WebSocket opens no session")),
        }
    }

    async fn open_polling(&self) -> Result<(Link, Terms, TransportName), DialError> {
        let url = self.place.url(TransportName::Polling, None);
        let (status, content) = self.request(Request::get(url), Bytes::new()).await?;
        if status != StatusCode::OK {
            return Err(refused(status, &content));
        }
        let mut packets: VecDeque<Packet> = payload::decode(content, PACKETS)
            .map_err(|_| DialError::Protocol("the answer is no payload"))?
            .into();
        match packets.pop_front() {
            Some(Packet::Open(words)) => {
                let handshake = Handshake::read(&words, true)?;
                let polling = Polling::new(self.clone(), &handshake, packets);
                let link = Link::Polling(Box::new(polling));
                Ok((link, handshake.terms, TransportName::Polling))
            }
            _ => Err(DialError::Protocol("the answer opens no session")),
        }
    }

    /// Asks what the server has to say; `None` when the session is over.
    pub(super) async fn poll(&self, sid: &str) -> Option<Bytes> {
        let url = self.place.url(TransportName::Polling, Some(sid));
        match self.request(Request::get(url), Bytes::new()).await {
            Ok((StatusCode::OK, content)) => Some(content),
            _ => None,
        }
    }

    /// Says something to the server, and whether it took it.
    pub(super) async fn post(&self, sid: &str, content: Bytes) -> bool {
        let url = self.place.url(TransportName::Polling, Some(sid));
        let request = Request::post(url).header("content-type", "text/plain;charset=UTF-8");
        let answer = self.request(request, content).await;
        matches!(answer, Ok((StatusCode::OK, _)))
    }

    /// Opens a WebSocket for a session, and asks whether it works.
    pub(super) async fn probe(&self, sid: &str) -> Option<WebSocket> {
        let url = self.place.url(TransportName::WebSocket, Some(sid));
        let probing = async {
            let mut socket = self.websocket(&url).await.ok()?;
            socket.send("2probe").await.ok()?;
            match first_text(&mut socket).await {
                Some(Packet::Pong(word)) if word == "probe" => Some(socket),
                _ => None,
            }
        };
        timeout(self.how.timeout, probing).await.ok().flatten()
    }

    async fn websocket(&self, url: &str) -> Result<WebSocket, ConnectError> {
        let field = self.cookie().map(|value| (COOKIE, value));
        let (socket, head) = self.client.connect_with(url, field.as_slice()).await?;
        self.take_cookies(&http_client::headers(&head));
        Ok(socket)
    }

    async fn request(
        &self,
        mut request: http::request::Builder,
        content: Bytes,
    ) -> Result<(StatusCode, Bytes), DialError> {
        if let Some(value) = self.cookie() {
            request = request.header(COOKIE, value);
        }
        let request = request
            .body(content)
            .map_err(|error| DialError::Unfit(error.to_string()))?;
        let mut response = self.http.send(request).await.map_err(DialError::Polling)?;
        self.take_cookies(&response.headers());
        let content = response.content(self.how.max_received).await;
        Ok((response.status(), content.map_err(DialError::Polling)?))
    }

    fn cookie(&self) -> Option<HeaderValue> {
        (self.cookies.as_ref())?.field(&self.client)
    }

    fn take_cookies(&self, headers: &Headers) {
        if let Some(cookies) = &self.cookies {
            cookies.take(headers);
        }
    }
}

/// The first packet over a WebSocket.
async fn first_text(socket: &mut WebSocket) -> Option<Packet> {
    match socket.recv().await {
        Some(Ok(Message::Text(text))) => {
            let text = ByteString::try_from(text.into_bytes()).ok()?;
            Packet::decode(text).ok()
        }
        _ => None,
    }
}

/// Writes text as it may stand in a query (RFC 3986 §3.4).
fn escape(text: &str, out: &mut String) {
    for octet in text.bytes() {
        if octet.is_ascii_alphanumeric() || b"-._~".contains(&octet) {
            out.push(char::from(octet));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(out, "%{octet:02X}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_urls_of_a_server() {
        let query = [("a b".to_owned(), "ä&".to_owned())];
        let place = Place::read("https://h:8/admin?x=1", "/socket.io/", &query).unwrap();
        assert_eq!(place.namespace, "/admin");
        assert_eq!(
            place.url(TransportName::WebSocket, None),
            "wss://h:8/socket.io/?x=1&a%20b=%C3%A4%26&EIO=4&transport=websocket"
        );
        assert_eq!(
            place.url(TransportName::Polling, Some("s/1")),
            "https://h:8/socket.io/?x=1&a%20b=%C3%A4%26&EIO=4&transport=polling&sid=s%2F1"
        );
        let place = Place::read("ws://h", "/io", &[]).unwrap();
        assert_eq!(place.namespace, "/");
        assert_eq!(
            place.url(TransportName::Polling, None),
            "http://h/io?EIO=4&transport=polling"
        );
        for (url, path) in [
            ("", "/"),
            ("h", "/"),
            ("ftp://h", "/"),
            ("/a", "/"),
            ("http://h", "io"),
            ("http://h", "/io?a"),
        ] {
            assert!(Place::read(url, path, &[]).is_err(), "{url} {path}");
        }
    }
}
