//! The client of Socket.IO against the server of npm's `socket.io` and against ours, over each transport.

#[path = "socketio_client/balancer.rs"]
mod balancer;
#[allow(dead_code, reason = "it has a main of its own")]
#[path = "../examples/socketio_client.rs"]
mod example;
#[allow(dead_code, reason = "it has a main of its own")]
#[path = "../examples/socketio_probe.rs"]
mod probe;
#[path = "socketio_client/proxy.rs"]
mod proxy;
#[path = "socketio_client/server.rs"]
mod server;

use balancer::Balancer;
use proxy::{Kind, Proxy};
use serde_json::{Value, json};
use server::{BOTH, PLACE, SERVES, Server};
use std::time::Duration;
use tokio::sync::mpsc::{self, Receiver};
use tokio::time::timeout;
use wireline::socketio::client::{
    Ack, AckError, Builder, ConnectError, Data, DialError, DisconnectReason, EmitError, EventName,
    Reconnection, SocketIoClient, Status, TransportName,
};
use wireline::socketio::packet::{Args, Binary, Form};

/// The ways to a connection.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Way {
    WebSocket,
    Polling,
    Upgrade,
}

const WAYS: [Way; 3] = [Way::WebSocket, Way::Polling, Way::Upgrade];

impl Way {
    fn of(self, builder: Builder) -> Builder {
        let (transports, upgrade): (&[_], _) = match self {
            Self::WebSocket => (&[TransportName::WebSocket], false),
            Self::Polling => (&[TransportName::Polling], false),
            Self::Upgrade => (&[TransportName::Polling, TransportName::WebSocket], true),
        };
        builder
            .transports(transports.iter().copied())
            .upgrade(upgrade)
    }
}

/// A client of the application that the server has at `/app`, and soon back.
fn app(server: &Server, way: Way) -> Builder {
    way.of(SocketIoClient::builder(server.url()).path("/app/"))
        .reconnection(SOON)
}

const SOON: Reconnection = Reconnection {
    delay: Duration::from_millis(20),
    max: Duration::from_millis(100),
    jitter: 0.5,
    attempts: None,
};

/// Not a test: the server of those that want one of ours, in a process of its own.
#[test]
fn serves_the_probe_where_it_is_told_to() {
    assert!(SERVES.starts_with("serves"));
    if let Ok(place) = std::env::var(PLACE) {
        probe::run(&place).unwrap();
    }
}

async fn within<T>(what: impl Future<Output = T>) -> T {
    let within = timeout(Duration::from_secs(20), what).await;
    within.expect("in time")
}

async fn next<T>(events: &mut Receiver<T>) -> T {
    within(events.recv()).await.expect("an event")
}

/// Until the connection is a WebSocket to the server, too.
async fn upgraded(client: &SocketIoClient) {
    loop {
        let who = client.emit_with_ack::<Value>("who", ()).into_future();
        if who.await.unwrap()["transport"] == "websocket" {
            return;
        }
    }
}

/// A handler that hands on what an event carries.
fn collect<T: Send + 'static>() -> (
    impl Fn(Data<T>) -> std::future::Ready<()> + Send + Sync + 'static,
    Receiver<T>,
) {
    let (sender, receiver) = mpsc::channel(1024);
    let handler = move |Data(data)| {
        sender.try_send(data).expect("room");
        std::future::ready(())
    };
    (handler, receiver)
}

#[tokio::test]
async fn s231_connects_to_namespaces_with_and_without_signing_in() {
    for of in BOTH {
        let server = Server::start(of).await;
        let url = server.url();
        let auth = json!({"token": "secret"});

        // What the server has at the path that is the default: it tells what one signs in with.
        for (client, namespace, told) in [
            (SocketIoClient::builder(&url), "/", json!({})),
            (
                SocketIoClient::builder(format!("{url}/custom")),
                "/custom",
                json!({}),
            ),
            (
                SocketIoClient::builder(&url).namespace("/custom"),
                "/custom",
                json!({}),
            ),
            (SocketIoClient::builder(&url).auth(&auth), "/", auth.clone()),
            (
                SocketIoClient::builder(&url)
                    .namespace("/custom")
                    .auth(&auth),
                "/custom",
                auth.clone(),
            ),
        ] {
            let (handler, mut told_auth) = collect::<Value>();
            let client = within(client.on("auth", handler).connect()).await.unwrap();
            assert_eq!(client.namespace(), namespace);
            assert_eq!(next(&mut told_auth).await, told);
            assert!(client.id().unwrap().len() >= 20);
            assert!(client.is_connected());
            client.disconnect();
            assert_eq!(client.id(), None);
            client.shut_down().await;
        }
        // The same in one call each.
        let clients = [
            within(SocketIoClient::connect(&url)).await,
            within(SocketIoClient::connect_to(&url, "/custom")).await,
            within(SocketIoClient::connect_with_auth(&url, &auth)).await,
            within(SocketIoClient::connect_to_with_auth(&url, "/custom", &auth)).await,
        ];
        for client in clients {
            // The transport is WebSocket.
            assert_eq!(client.unwrap().transport(), Some(TransportName::WebSocket));
        }
    }
}

#[tokio::test]
async fn s232_s233_events_and_answers_in_both_directions_over_each_transport() {
    for of in BOTH {
        let server = Server::start(of).await;
        for way in WAYS {
            let (handler, mut echoed) = collect::<(u32, String, Vec<bool>)>();
            let (names, mut seen) = mpsc::channel(16);
            let client = app(&server, way)
                .on("echo", handler)
                .on_any(move |EventName(name): EventName| {
                    let _ = names.try_send(name);
                    std::future::ready(())
                })
                .on(
                    "question",
                    async |Data(asked): Data<String>| match &*asked {
                        "no answer" => None,
                        asked => Some(Data((asked.len(), asked.to_owned()))),
                    },
                )
                .connect();
            let client = within(client).await.unwrap();

            client.emit("echo", (1, "two", [true])).unwrap();
            assert_eq!(next(&mut echoed).await, (1, "two".to_owned(), vec![true]));
            assert_eq!(next(&mut seen).await, "echo");

            let one: i64 = within(client.emit_with_ack("ack", 5).into_future())
                .await
                .unwrap();
            let two: (String, Value) = within(
                client
                    .emit_with_ack("ack", ("a", json!({"b": null})))
                    .into_future(),
            )
            .await
            .unwrap();
            assert_eq!((one, two), (5, ("a".to_owned(), json!({"b": null}))));
            // Nobody listens to it.
            let short = Duration::from_millis(50);
            let silence = client.emit_with_ack::<Value>("silence", ()).timeout(short);
            assert_eq!(within(silence.into_future()).await, Err(AckError::Timeout));
            // Another type than the answer is.
            let wrong = client.emit_with_ack::<u8>("ack", "text").into_future();
            assert!(matches!(within(wrong).await, Err(AckError::Payload(_))));

            let answer: Value = within(client.emit_with_ack("ask", (5000, "why")).into_future())
                .await
                .unwrap();
            assert_eq!(answer, 3);
            let none: Value = within(client.emit_with_ack("ask", (50, "no answer")).into_future())
                .await
                .unwrap();
            assert_eq!(none, Value::Null);

            let who: Value = within(client.emit_with_ack("who", ()).into_future())
                .await
                .unwrap();
            assert_eq!(who["id"], client.id().unwrap());
            // Nothing came that meant nothing.
            assert_eq!(client.counters().ignored, 0, "{of:?} {way:?}");
            client.shut_down().await;
        }
    }
}

#[tokio::test]
async fn octets_travel_both_ways_whole_and_in_order() {
    for of in BOTH {
        let server = Server::start(of).await;
        for way in WAYS {
            let (handler, mut echoed) = collect::<(Binary, String, Value)>();
            let client = within(app(&server, way).on("echo", handler).connect())
                .await
                .unwrap();
            for size in [0, 1, 2, 3, 1000, 200_000] {
                let octets: Vec<u8> = (0..size).map(|at| at as u8).collect();
                let sent = (
                    Binary::from(octets.clone()),
                    "between",
                    json!({"size": size}),
                );
                client.emit("echo", sent).unwrap();
                client
                    .emit("echo", (Binary::from(&b"\x1e"[..]), "after", Value::Null))
                    .unwrap();
                let back = next(&mut echoed).await;
                assert_eq!(
                    back,
                    (
                        Binary::from(octets),
                        "between".to_owned(),
                        json!({"size": size})
                    )
                );
                assert_eq!(next(&mut echoed).await.0, Binary::from(&b"\x1e"[..]));
            }
            let (a, b): (Binary, Binary) = within(
                client
                    .emit_with_ack("ack", (Binary::from(vec![1]), Binary::from(vec![2, 3])))
                    .into_future(),
            )
            .await
            .unwrap();
            assert_eq!((&*a, &*b), (&[1][..], &[2, 3][..]));
            client.shut_down().await;
        }
    }
}

#[tokio::test]
async fn many_events_keep_their_order_also_while_the_transport_changes() {
    for of in BOTH {
        let server = Server::start(of).await;
        for way in WAYS {
            let (handler, mut echoed) = collect::<(u32, Option<Binary>)>();
            let client = within(app(&server, way).on("echo", handler).connect())
                .await
                .unwrap();
            let mut expected = Vec::new();
            for number in 0..600 {
                let octets = (number % 7 == 0).then(|| Binary::from(vec![number as u8; 9]));
                client.emit("echo", (number, octets.clone())).unwrap();
                expected.push((number, octets));
                // The server and the client have their turns in between.
                if number % 20 == 0 {
                    within(client.emit_with_ack::<Value>("ack", ()).into_future())
                        .await
                        .unwrap();
                }
            }
            for expected in expected {
                assert_eq!(next(&mut echoed).await, expected, "{of:?} {way:?}");
            }
            let transport = match way {
                Way::Polling => TransportName::Polling,
                Way::WebSocket | Way::Upgrade => TransportName::WebSocket,
            };
            assert_eq!(client.transport(), Some(transport));
            let who: Value = within(client.emit_with_ack("who", ()).into_future())
                .await
                .unwrap();
            let said = if way == Way::Polling {
                "polling"
            } else {
                "websocket"
            };
            assert_eq!(who["transport"], said);
            client.shut_down().await;
        }
    }
}

#[tokio::test]
async fn several_namespaces_share_a_connection() {
    for of in BOTH {
        let server = Server::start(of).await;
        for way in WAYS {
            let client = within(app(&server, way).connect()).await.unwrap();
            let (handler, mut names) = collect::<String>();
            let room = within(client.of("/room-a").on("name", handler).connect())
                .await
                .unwrap();
            assert_eq!(next(&mut names).await, "/room-a");
            assert!(matches!(
                within(client.of("/room-a").connect()).await,
                Err(ConnectError::Taken)
            ));
            assert_ne!(client.id(), room.id());

            let (a, b) = tokio::join!(
                client.emit_with_ack::<u8>("ack", 1).into_future(),
                room.emit_with_ack::<u8>("ack", 2).into_future()
            );
            assert_eq!((a, b), (Ok(1), Ok(2)));
            room.disconnect();
            assert!(matches!(
                room.status(),
                Status::Disconnected(DisconnectReason::Client)
            ));
            assert_eq!(room.emit("echo", ()), Err(EmitError::Disconnected));
            assert_eq!(room.emit_volatile("echo", ()), Ok(false));
            // The other goes on.
            assert_eq!(
                within(client.emit_with_ack::<u8>("ack", 3).into_future()).await,
                Ok(3)
            );
            within(room.open()).await.unwrap();
            assert_eq!(
                within(room.emit_with_ack::<u8>("ack", 4).into_future()).await,
                Ok(4)
            );
            drop(room);
            // Its last handle is gone: there may be another.
            let again = within(client.of("/room-a").connect()).await.unwrap();
            assert_eq!(
                within(again.emit_with_ack::<u8>("ack", 5).into_future()).await,
                Ok(5)
            );
        }
    }
}

#[tokio::test]
async fn a_refusal_has_its_words_and_data() {
    for of in BOTH {
        let server = Server::start(of).await;
        for way in WAYS {
            let refused = within(app(&server, way).namespace("/private").connect()).await;
            let Err(ConnectError::Refused { message, data }) = refused else {
                panic!("{refused:?}");
            };
            assert_eq!(message, "not allowed");
            assert_eq!(data, Some(json!({"code": 401, "tried": null})));
            let unknown = within(app(&server, way).namespace("/nowhere").connect()).await;
            assert!(
                matches!(unknown, Err(ConnectError::Refused { message, data: None }) if message == "Invalid namespace")
            );

            // What the callback gives counts, each time; a refusal is told to the function for it, and is no end of the others.
            let tokens = std::sync::Arc::new(std::sync::Mutex::new(vec!["secret", "wrong"]));
            let (errors, mut told) = mpsc::channel(16);
            let client = within(app(&server, way).connect()).await.unwrap();
            let private = client
                .of("/private")
                .auth_with(move || {
                    let token = tokens.lock().unwrap().pop();
                    async move {
                        token
                            .map(|token| json!({"token": token}))
                            .ok_or("no token is left")
                    }
                })
                .on_connect_error(move |_, error| {
                    let _ = errors.try_send(error.to_string());
                    std::future::ready(())
                })
                .start()
                .unwrap();
            assert_eq!(next(&mut told).await, "the server refuses: not allowed");
            assert!(matches!(
                within(private.closed()).await,
                Status::Failed(ConnectError::Refused { .. })
            ));
            within(private.open()).await.unwrap();
            assert_eq!(
                within(private.emit_with_ack::<u8>("ack", 1).into_future()).await,
                Ok(1)
            );
            private.disconnect();
            assert!(
                matches!(within(private.open()).await, Err(ConnectError::Auth(reason)) if reason == "no token is left")
            );
            assert!(client.is_connected());
        }
    }
}

#[tokio::test]
async fn s234_disconnects_and_is_told_when_the_server_does() {
    for of in BOTH {
        let server = Server::start(of).await;
        for way in WAYS {
            let (reasons, mut told) = mpsc::channel(16);
            let proxy = Proxy::before(server.place(), Kind::Plain).await;
            let url = format!("http://{}", proxy.place());
            let client = way
                .of(SocketIoClient::builder(url).path("/app/"))
                .reconnection(SOON)
                .on_disconnect(move |_, reason| {
                    let _ = reasons.try_send(reason);
                    std::future::ready(())
                });
            let client = within(client.connect()).await.unwrap();
            client.disconnect();
            assert_eq!(next(&mut told).await, DisconnectReason::Client);
            assert_eq!(client.transport(), None);
            within(client.open()).await.unwrap();

            // An answer that is waited for does not come any more, and is not waited for any longer.
            let waits = client.emit_with_ack::<Value>("silence", ()).into_future();
            let (waited, ()) = tokio::join!(waits, async { client.emit("bye", false).unwrap() });
            assert_eq!(waited, Err(AckError::Disconnected));
            assert_eq!(next(&mut told).await, DisconnectReason::Server);
            assert!(matches!(
                client.status(),
                Status::Disconnected(DisconnectReason::Server)
            ));
            within(client.open()).await.unwrap();

            // The connection ends under it: it comes back by itself.
            proxy.cut();
            let reason = next(&mut told).await;
            assert!(reason.comes_back(), "{reason}");
            proxy.mend();
            within(client.connected()).await.unwrap();
            assert_eq!(
                within(client.emit_with_ack::<u8>("ack", 1).into_future()).await,
                Ok(1)
            );
            client.shut_down().await;
        }
    }
}

#[tokio::test]
async fn a_server_that_is_killed_and_comes_back_gets_what_waited_in_order() {
    for (of, way) in BOTH.into_iter().flat_map(|of| WAYS.map(|way| (of, way))) {
        let mut server = Server::start(of).await;
        let (reasons, mut told) = mpsc::channel(16);
        let (connects, mut connected) = mpsc::channel(16);
        let (handler, mut echoed) = collect::<u32>();
        let client = app(&server, way)
            .on("echo", handler)
            .on_connect(move |client: SocketIoClient| {
                let _ = connects.try_send(client.id());
                std::future::ready(())
            })
            .on_disconnect(move |_, reason| {
                let _ = reasons.try_send(reason);
                std::future::ready(())
            });
        let client = within(client.connect()).await.unwrap();
        let first = next(&mut connected).await;
        // Once, over each transport.
        within(client.emit_with_ack::<Value>("ack", ()).into_future())
            .await
            .unwrap();
        for round in 0..2 {
            let silence = client.emit_with_ack::<Value>("silence", ());
            let (lost, ()) = tokio::join!(
                silence.timeout(Duration::from_millis(500)).into_future(),
                server.kill()
            );
            // What no request took along before waits for the next connection, as long as it may.
            let is_kept = way != Way::WebSocket && lost == Err(AckError::Timeout);
            assert!(
                is_kept || lost == Err(AckError::Disconnected),
                "{of:?} {way:?} {lost:?}"
            );
            let reason = next(&mut told).await;
            assert!(
                [
                    DisconnectReason::TransportClose,
                    DisconnectReason::TransportError
                ]
                .contains(&reason),
                "{reason}"
            );
            assert!(!client.is_connected());
            for number in 0..50 {
                client.emit("echo", number).unwrap();
            }
            assert_eq!(client.emit_volatile("echo", 1000), Ok(false));
            let waits = tokio::spawn(client.emit_with_ack::<u32>("ack", 7).into_future());
            server.restart().await;
            within(client.connected()).await.unwrap();
            for number in 0..50 {
                assert_eq!(next(&mut echoed).await, number, "{of:?} {way:?} {round}");
            }
            assert_eq!(within(waits).await.unwrap(), Ok(7));
            assert_ne!(next(&mut connected).await, first);
            assert!(!client.recovered());
        }
        assert!(echoed.try_recv().is_err());
        client.shut_down().await;
    }
}

#[tokio::test]
async fn a_server_that_falls_silent_is_noticed_by_its_pings() {
    for of in BOTH {
        let server = Server::start(of).await;
        for way in WAYS {
            // Pings every 300 ms, and 200 ms for the answer.
            let (reasons, mut told) = mpsc::channel(16);
            let builder = SocketIoClient::builder(server.url()).reconnection(SOON);
            let client = way.of(builder).on_disconnect(move |_, reason| {
                let _ = reasons.try_send(reason);
                std::future::ready(())
            });
            let client = within(client.connect()).await.unwrap();
            // It stays for several pings; on a busy machine not at the first try, for an answer has 200 ms.
            let stays = async {
                while timeout(Duration::from_millis(1200), told.recv())
                    .await
                    .is_ok()
                {
                    client.connected().await.unwrap();
                }
            };
            within(stays).await;
            assert!(client.is_connected());
            server.freeze();
            assert_eq!(
                next(&mut told).await,
                DisconnectReason::PingTimeout,
                "{of:?} {way:?}"
            );
            server.thaw();
            within(client.connected()).await.unwrap();
            client.shut_down().await;
        }
    }
}

#[tokio::test]
async fn a_session_is_recovered_with_what_was_missed() {
    for of in BOTH {
        let server = Server::start(of).await;
        // Over polling the server may not know of a cut when the client is back.
        for way in [Way::WebSocket, Way::Upgrade] {
            let proxy = Proxy::before(server.place(), Kind::Plain).await;
            let builder = |place: &str| {
                let url = format!("http://{place}");
                way.of(SocketIoClient::builder(url).path("/recovery/"))
                    .reconnection(SOON)
            };
            let (handler, mut said) = collect::<u32>();
            let client = within(builder(&proxy.place()).on("said", handler).connect())
                .await
                .unwrap();
            let (handler, mut left) = collect::<String>();
            let other = builder(server.place()).on("left", handler).connect();
            let other = within(other).await.unwrap();
            within(upgraded(&client)).await;
            let id = client.id().unwrap();
            assert!(!client.recovered());
            let _: Value = within(client.emit_with_ack("join", (["room"],)).into_future())
                .await
                .unwrap();

            // An event tells the client how far it is.
            other.emit("others", 0).unwrap();
            assert_eq!(next(&mut said).await, 0);
            for round in 1..4 {
                let (gone, mut disconnected) = mpsc::channel(1);
                client.on_disconnect(move |_, _| {
                    let _ = gone.try_send(());
                    std::future::ready(())
                });
                proxy.cut();
                next(&mut disconnected).await;
                // The server knows it, too.
                assert_eq!(next(&mut left).await, id);
                other.emit("others-in", (["room"], round)).unwrap();
                proxy.mend();
                within(client.connected()).await.unwrap();
                within(upgraded(&client)).await;
                assert!(client.recovered(), "{of:?} {way:?} {round}");
                assert_eq!(client.id().unwrap(), id);
                assert_eq!(next(&mut said).await, round);
            }
            client.disconnect();
            other.shut_down().await;
        }
    }
}

#[tokio::test]
async fn packets_are_messagepack_where_both_sides_say_so() {
    for of in BOTH {
        let server = Server::start(of).await;
        for way in WAYS {
            let (handler, mut echoed) = collect::<(Binary, Vec<u8>)>();
            let client = way
                .of(SocketIoClient::builder(server.url()).path("/msgpack/"))
                .form(Form::MessagePack)
                .on("echo", handler)
                .on("question", async |args: Args, ack: Ack| {
                    assert!(ack.is_wanted());
                    ack.send(args).unwrap();
                })
                .connect();
            let client = within(client).await.unwrap();
            client
                .emit("echo", (Binary::from(vec![9; 1000]), [1_u8, 2]))
                .unwrap();
            assert_eq!(
                next(&mut echoed).await,
                (Binary::from(vec![9; 1000]), vec![1, 2])
            );
            let answer: String = within(client.emit_with_ack("ask", (5000, "why")).into_future())
                .await
                .unwrap();
            assert_eq!(answer, "why");
            let private = within(client.of("/private").connect()).await;
            assert!(matches!(
                private,
                Err(ConnectError::Refused { data: Some(_), .. })
            ));
            client.shut_down().await;
        }
    }
}

#[tokio::test]
async fn over_tls_with_authorities_of_the_callers() {
    for (of, way) in BOTH.into_iter().flat_map(|of| WAYS.map(|way| (of, way))) {
        let server = Server::start(of).await;
        let proxy = Proxy::before(server.place(), Kind::Tls).await;
        let url = format!("https://{}", proxy.place());
        let trusting = wireline::ws::client::Client::new()
            .roots(&proxy.pem)
            .unwrap();
        let client = way.of(SocketIoClient::builder(&url)
            .path("/app/")
            .websocket(trusting));
        let client = within(client.connect()).await.unwrap();
        for number in 0..20 {
            let answer = within(client.emit_with_ack::<u32>("ack", number).into_future()).await;
            assert_eq!(answer, Ok(number));
        }
        client.shut_down().await;

        // Another authority is not trusted, and the client says so.
        let other = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let wary = wireline::ws::client::Client::new()
            .roots(other.cert.pem())
            .unwrap();
        let client = way.of(SocketIoClient::builder(&url).path("/app/").websocket(wary));
        let refused = within(client.connect()).await;
        let Err(ConnectError::Dial(error)) = refused else {
            panic!("{refused:?}");
        };
        assert!(
            error.to_string().starts_with("no secure connection"),
            "{error}"
        );
    }
}

#[tokio::test]
async fn what_cannot_be_is_told_at_once() {
    for of in BOTH {
        let server = Server::start(of).await;
        let url = server.url();
        for builder in [
            SocketIoClient::builder("ftp://localhost"),
            SocketIoClient::builder(&url).namespace("no-slash"),
            SocketIoClient::builder(&url).namespace("/a,b"),
            SocketIoClient::builder(&url).path("nowhere"),
            SocketIoClient::builder(&url).transports([]),
            SocketIoClient::builder(&url).auth(&[1, 2]),
            SocketIoClient::builder(&url).header("connection", "close"),
        ] {
            let Err(ConnectError::Dial(_)) = within(builder.connect()).await else {
                panic!("it connects");
            };
        }
        // Nobody speaks Engine.IO there: both transports were tried.
        let nowhere = within(SocketIoClient::builder(&url).path("/nowhere/").connect()).await;
        let Err(ConnectError::Dial(error)) = nowhere else {
            panic!("{nowhere:?}");
        };
        assert!(
            matches!(&*error, DialError::Refused { status, .. } if *status == 404),
            "{error:?}"
        );

        // A packet of the other form, or too large: the server never sees it.
        let client = within(SocketIoClient::builder(&url).path("/app/").connect())
            .await
            .unwrap();
        let large = "x".repeat(1_000_001);
        assert_eq!(client.emit("echo", &large), Err(EmitError::TooLarge));
        let large = client
            .emit_with_ack::<Value>("ack", Binary::from(vec![0; 1_000_001]))
            .into_future();
        assert_eq!(
            within(large).await,
            Err(AckError::Emit(EmitError::TooLarge))
        );
        assert_eq!(client.emit("disconnect", ()), Err(EmitError::Reserved));
        let fits = "x".repeat(999_900);
        let back = client.emit_with_ack::<String>("ack", &fits).into_future();
        assert_eq!(within(back).await.unwrap().len(), 999_900);
        assert!(client.is_connected());
    }
}

#[tokio::test]
async fn polling_is_the_way_when_there_is_no_other_and_a_client_gives_up_when_told() {
    for of in BOTH {
        let mut server = Server::start(of).await;
        // A server of polling alone refuses WebSockets.
        let proxy = Proxy::before(server.place(), Kind::PollingAlone).await;
        let client = SocketIoClient::builder(format!("http://{}", proxy.place())).path("/app/");
        let client = within(client.connect()).await.unwrap();
        assert_eq!(client.transport(), Some(TransportName::Polling));
        for number in 0..20 {
            let answer = within(client.emit_with_ack::<u32>("ack", number).into_future()).await;
            assert_eq!(answer, Ok(number));
        }
        client.shut_down().await;

        let few = Reconnection {
            attempts: Some(3),
            ..SOON
        };
        let client = within(app(&server, Way::WebSocket).reconnection(few).connect())
            .await
            .unwrap();
        let (errors, mut told) = mpsc::channel(16);
        client.on_connect_error(move |_, error| {
            let _ = errors.try_send(error);
            std::future::ready(())
        });
        server.kill().await;
        assert!(matches!(
            within(client.closed()).await,
            Status::Failed(ConnectError::Dial(_))
        ));
        for _ in 0..3 {
            assert!(matches!(next(&mut told).await, ConnectError::Dial(_)));
        }
        assert_eq!(client.emit("echo", ()), Err(EmitError::Disconnected));
    }
}

#[tokio::test]
async fn the_example_sends_lines_and_shows_events() {
    for of in BOTH {
        let server = Server::start(of).await;
        let (shown, mut lines) = mpsc::channel(16);
        let client = example::client(&server.url(), move |line| shown.try_send(line).unwrap());
        let client = within(client.connect()).await.unwrap();
        let id = client.id().unwrap();
        assert_eq!(next(&mut lines).await, format!("connected as {id}"));
        assert_eq!(next(&mut lines).await, "auth [{}]");
        let (input, read) = mpsc::channel(1);
        let talk = tokio::spawn(async { example::talk(client, read).await.unwrap() });
        input.send("hello".to_owned()).await.unwrap();
        assert_eq!(next(&mut lines).await, r#"message-back ["hello"]"#);
        drop(input);
        within(talk).await.unwrap();
    }
}

#[tokio::test]
async fn a_handler_that_panics_or_cannot_take_an_event_is_counted_and_the_others_go_on() {
    for of in BOTH {
        let server = Server::start(of).await;
        let (handler, mut echoed) = collect::<u32>();
        let client = app(&server, Way::WebSocket)
            .on("echo", async |Data(number): Data<u32>| {
                assert_ne!(number, 1, "at once");
            })
            .on("echo", async |Data(number): Data<u32>| {
                tokio::task::yield_now().await;
                assert_ne!(number, 2, "later");
            })
            .on("echo", async |_: Data<(u32, u32)>| ())
            .on("echo", handler);
        let client = within(client.connect()).await.unwrap();
        for number in 0..3 {
            client.emit("echo", number).unwrap();
            assert_eq!(next(&mut echoed).await, number);
        }
        within(async {
            while client.counters().panics < 2 || client.counters().rejected < 3 {
                let answer = client.emit_with_ack::<Value>("ack", ()).into_future();
                answer.await.unwrap();
            }
        })
        .await;
        assert_eq!(
            (client.counters().panics, client.counters().rejected),
            (2, 3)
        );

        // A handler that was taken off does not run, and one that is added later does.
        client.off("echo");
        let (handler, mut later) = collect::<u32>();
        client.on("echo", handler);
        client.emit("echo", 1).unwrap();
        assert_eq!(next(&mut later).await, 1);
        assert_eq!(client.counters().panics, 2);
    }
}

#[tokio::test]
async fn waiting_is_cancelled_by_dropping_it_and_handles_by_dropping_the_last() {
    for of in BOTH {
        let server = Server::start(of).await;
        for way in WAYS {
            let client = within(app(&server, way).connect()).await.unwrap();
            // One that is dropped while it waits, one before it was polled.
            let silence = client.emit_with_ack::<Value>("silence", ()).into_future();
            assert!(timeout(Duration::from_millis(10), silence).await.is_err());
            drop(client.emit_with_ack::<Value>("ack", 1).into_future());
            assert_eq!(
                within(client.emit_with_ack::<u8>("ack", 2).into_future()).await,
                Ok(2)
            );
            // What opens is dropped: the client goes on.
            let room = client.of("/room-a").start().unwrap();
            drop(room.open());
            within(room.connected()).await.unwrap();

            // The server hears of it when the last handle is gone, and not before.
            let (handler, mut left) = collect::<(String, String)>();
            let other = within(app(&server, way).on("left", handler).connect())
                .await
                .unwrap();
            let id = client.id().unwrap();
            let clone = client.clone();
            drop(client);
            assert_eq!(
                within(clone.emit_with_ack::<u8>("ack", 3).into_future()).await,
                Ok(3)
            );
            drop(clone);
            let (who, reason) = next(&mut left).await;
            assert_eq!(who, id);
            assert_eq!(reason, "client namespace disconnect", "{of:?} {way:?}");
            // The connection is there for the other namespace.
            assert_eq!(
                within(room.emit_with_ack::<u8>("ack", 4).into_future()).await,
                Ok(4)
            );
            other.shut_down().await;
        }
    }
}

#[tokio::test]
async fn an_event_that_is_not_answered_is_sent_again_when_that_is_wanted() {
    for of in BOTH {
        let server = Server::start(of).await;
        let proxy = Proxy::before(server.place(), Kind::Plain).await;
        let url = format!("http://{}", proxy.place());
        let client = Way::WebSocket
            .of(SocketIoClient::builder(url).path("/app/"))
            .reconnection(SOON)
            .retries(5);
        let client = within(client.connect()).await.unwrap();
        let short = Duration::from_millis(100);
        let begun = tokio::time::Instant::now();
        let silence = client
            .emit_with_ack::<Value>("silence", ())
            .timeout(short)
            .retries(2);
        assert_eq!(within(silence.into_future()).await, Err(AckError::Timeout));
        assert!(begun.elapsed() >= 3 * short);

        // The connection is cut with the question on its way: it is asked again over the next.
        for number in 0..5 {
            let (answer, ()) = tokio::join!(
                client.emit_with_ack::<u32>("ack", number).into_future(),
                async {
                    proxy.cut();
                    tokio::task::yield_now().await;
                    proxy.mend();
                }
            );
            assert_eq!(answer, Ok(number));
            within(client.connected()).await.unwrap();
        }
    }
}

#[tokio::test]
async fn handlers_run_once_and_are_taken_off_one_by_one() {
    for of in BOTH {
        let server = Server::start(of).await;
        for way in WAYS {
            let (first, mut once) = collect::<u32>();
            let (second, mut always) = collect::<u32>();
            let (told, mut outgoing) = mpsc::channel(64);
            let client = app(&server, way).once("echo", first).on_any_outgoing(
                move |event: &str, args: &Args| {
                    told.try_send(format!("{event} {}", args.array()))
                        .expect("room");
                },
            );
            let client = within(client.connect()).await.unwrap();
            let (third, mut any) = mpsc::channel(64);
            let any_id = client.on_any(move |EventName(name): EventName| {
                // The client before this one may leave only now.
                if name != "left" {
                    third.try_send(name).expect("room");
                }
                std::future::ready(())
            });
            let id = client.on("echo", second);
            for number in 0..3 {
                client.emit("echo", number).unwrap();
                assert_eq!(next(&mut always).await, number);
                assert_eq!(next(&mut any).await, "echo");
            }
            assert_eq!(next(&mut once).await, 0);
            // Its sender went with it.
            assert_eq!(within(once.recv()).await, None);
            assert!(client.remove(id) && !client.remove(id));
            assert_eq!(within(always.recv()).await, None);
            client.emit("echo", "any").unwrap();
            assert_eq!(next(&mut any).await, "echo");
            assert!(client.remove(any_id));
            assert_eq!(within(any.recv()).await, None);

            // One that never had an event goes with the others of it.
            let (handler, mut never) = collect::<u32>();
            client.once("never", handler);
            client.off("never");
            assert_eq!(within(never.recv()).await, None);

            let answer = client.emit_with_ack::<u8>("ack", 7).into_future();
            assert_eq!(within(answer).await, Ok(7));
            assert!(client.emit("connect", ()).is_err());
            client.off_any_outgoing();
            client.emit("echo", "told to nobody").unwrap();
            let mut all = Vec::new();
            while let Some(line) = within(outgoing.recv()).await {
                all.push(line);
            }
            let expected = [
                "echo [0]",
                "echo [1]",
                "echo [2]",
                "echo [\"any\"]",
                "ack [7]",
            ];
            assert_eq!(all, expected);
        }
    }
}

#[tokio::test]
async fn polling_finds_its_node_behind_a_load_balancer_by_cookies() {
    for of in BOTH {
        let nodes = [Server::start(of).await, Server::start(of).await];
        let mut balancer = Balancer::before([nodes[0].place(), nodes[1].place()]);
        let builder = |way: Way| {
            way.of(SocketIoClient::builder(balancer.url()).path("/recovery/"))
                .header("x-key", "swordfish")
                .header("cookie", "theme=dark")
                .reconnection(SOON)
        };
        for way in WAYS {
            // Two at least are at different nodes.
            for _ in 0..3 {
                let client = within(builder(way).connect()).await.unwrap();
                for number in 0..20 {
                    let args = client.emit_with_ack::<Value>("ack", number).into_future();
                    assert_eq!(within(args).await.unwrap(), number);
                }
                if way == Way::Upgrade {
                    within(upgraded(&client)).await;
                }
                client.shut_down().await;
            }
        }
        // Without them a session is soon asked for at the node that does not have it.
        let lost = builder(Way::Polling).cookies(false).connect();
        assert!(within(lost).await.is_err());
        // And without the other field there is none.
        let refused = SocketIoClient::builder(balancer.url()).path("/recovery/");
        let refused = within(refused.connect()).await;
        assert!(matches!(refused, Err(ConnectError::Dial(_))), "{refused:?}");

        // Who comes back comes back to its node, and is known there. Over polling the server may not know of a cut by then.
        let mut clients = Vec::new();
        for way in [Way::WebSocket, Way::Upgrade, Way::WebSocket, Way::Upgrade] {
            let client = within(builder(way).connect()).await.unwrap();
            within(upgraded(&client)).await;
            // A server of npm recovers who has had an event.
            let (handler, mut echoed) = mpsc::channel(8);
            client.on("echo", move |args: Args| {
                handler.try_send(args.json().to_owned()).expect("room");
                std::future::ready(())
            });
            client.emit("echo", 1).unwrap();
            next(&mut echoed).await;
            let id = client.id();
            clients.push((client, id, echoed));
        }
        balancer.kill();
        for (client, ..) in &clients {
            within(async {
                while client.is_connected() {
                    tokio::task::yield_now().await;
                }
            })
            .await;
        }
        balancer.start_again();
        for (at, (client, id, _)) in clients.iter().enumerate() {
            within(client.connected()).await.unwrap();
            assert!(client.recovered(), "{of:?} {at}");
            assert_eq!(client.id(), *id);
        }
    }
}
