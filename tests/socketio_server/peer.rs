//! A client that speaks packet by packet.

use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::timeout;
use wireline::Router;
use wireline::socketio::server::SocketIo;
use wireline::test::TestClient;
use wireline::ws::prelude::*;

/// A server in process.
pub(crate) struct Place(TestClient);

impl Place {
    pub(crate) fn new(io: &SocketIo) -> Self {
        Self::with(Router::new(), io)
    }

    /// With what a router has besides.
    pub(crate) fn with(router: Router, io: &SocketIo) -> Self {
        Self(TestClient::new(router.socket_io(io).build().unwrap()))
    }

    /// A session without a namespace.
    pub(crate) async fn session(&self) -> Peer {
        let target = "/socket.io/?EIO=4&transport=websocket";
        let mut peer = Peer {
            socket: self.0.websocket(target).await,
            sid: String::new(),
        };
        let open = peer.hear().await;
        assert!(open.starts_with("0{\"sid\":"), "{open}");
        peer
    }

    /// A client in the main namespace.
    pub(crate) async fn peer(&self) -> Peer {
        let mut peer = self.session().await;
        peer.say("40").await;
        let hello = peer.hear().await;
        let object: serde_json::Value = serde_json::from_str(&hello[2..]).unwrap();
        peer.sid = object["sid"].as_str().unwrap().to_owned();
        peer
    }
}

pub(crate) struct Peer {
    pub(crate) socket: WebSocket,
    /// The id of its socket in the main namespace.
    pub(crate) sid: String,
}

impl Peer {
    pub(crate) async fn say(&self, text: &str) {
        self.socket.send(text).await.unwrap();
    }

    /// The next message as text; `closed` when there is none. Pings are not told of.
    pub(crate) async fn hear(&mut self) -> String {
        loop {
            let heard = timeout(Duration::from_secs(20), self.socket.recv()).await;
            match heard.expect("nothing came") {
                Some(Ok(Message::Text(text))) if text.as_str() == "2" => {}
                Some(Ok(Message::Text(text))) => return text.as_str().to_owned(),
                Some(Ok(Message::Binary(octets))) => return format!("{octets:?}"),
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return "closed".to_owned(),
            }
        }
    }

    /// Nothing has come before the answer to an event that is sent now: the server answers it with nothing.
    pub(crate) async fn has_nothing(&mut self) {
        self.say(r#"42999["nothing"]"#).await;
        assert_eq!(self.hear().await, "43999[]");
    }
}

/// What [`Peer::has_nothing`] asks.
pub(crate) fn with_nothing(io: SocketIo) -> SocketIo {
    io.on("nothing", async || wireline::socketio::server::Data(()));
    io
}

/// What handlers tell a test.
pub(crate) struct Teller<T>(mpsc::Sender<T>);

impl<T> Clone for Teller<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T> Teller<T> {
    pub(crate) fn send(&self, value: T) {
        let _ = self.0.try_send(value);
    }
}

/// What a test hears of handlers.
pub(crate) struct Hearer<T>(mpsc::Receiver<T>);

impl<T> Hearer<T> {
    pub(crate) async fn next(&mut self) -> T {
        let next = timeout(Duration::from_secs(20), self.0.recv()).await;
        next.expect("nothing came").expect("nothing comes")
    }
}

pub(crate) fn channel<T>() -> (Teller<T>, Hearer<T>) {
    let (sender, receiver) = mpsc::channel(1000);
    (Teller(sender), Hearer(receiver))
}
