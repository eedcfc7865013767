//! `rust_socketio` as a client, over polling: its WebSockets fail with every server. `PLACE` is where the server listens.
//!
//! The last line is `N passed, N failed`.

use rust_socketio::{ClientBuilder, Payload, RawClient, TransportType, client::Client};
use serde_json::{Value, json};
use std::process::ExitCode;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

type Outcome = Result<(), Box<dyn std::error::Error>>;

/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(10);

fn main() -> ExitCode {
    let cases: [(&str, fn() -> Outcome); 7] = [
        ("events come back in their order", events),
        ("an acknowledgement", acknowledgement),
        ("octets", octets),
        ("a large message", large),
        ("what was given to authenticate", auth),
        ("a namespace", namespace),
        ("rooms", rooms),
    ];
    let mut failed = 0;
    for (name, case) in cases {
        if let Err(error) = case() {
            failed += 1;
            println!("FAILED rust: {name}: {error}");
        }
    }
    println!("{} passed, {failed} failed", cases.len() - failed);
    if failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn builder(path: &str) -> ClientBuilder {
    let place = std::env::var("PLACE").unwrap_or_else(|_| "127.0.0.1:3000".to_owned());
    ClientBuilder::new(format!("http://{place}{path}"))
        .transport_type(TransportType::Polling)
        .reconnect(false)
}

/// What comes with this event.
fn hear(builder: ClientBuilder, event: &str) -> (ClientBuilder, Receiver<Payload>) {
    let (sender, receiver) = channel();
    (builder.on(event, hand_on(sender)), receiver)
}

fn hand_on(sender: Sender<Payload>) -> impl FnMut(Payload, RawClient) + Send + 'static {
    move |payload, _| drop(sender.send(payload))
}

fn same<T: PartialEq + std::fmt::Debug>(got: &T, wanted: &T) -> Outcome {
    if got == wanted {
        Ok(())
    } else {
        Err(format!("{got:?} instead of {wanted:?}").into())
    }
}

fn ask(
    client: &Client,
    event: &str,
    arguments: Vec<Value>,
) -> Result<Payload, Box<dyn std::error::Error>> {
    let (sender, receiver) = channel();
    client.emit_with_ack(event, Payload::Text(arguments), PATIENCE, hand_on(sender))?;
    Ok(receiver.recv_timeout(PATIENCE)?)
}

fn events() -> Outcome {
    let (builder, echo) = hear(builder("/app/"), "echo");
    let client = builder.connect()?;
    for at in 0..50 {
        client.emit(
            "echo",
            Payload::Text(vec![json!(at), json!({ "a": ["€", null] })]),
        )?;
    }
    for at in 0..50 {
        same(
            &echo.recv_timeout(PATIENCE)?,
            &Payload::Text(vec![json!(at), json!({ "a": ["€", null] })]),
        )?;
    }
    Ok(client.disconnect()?)
}

fn acknowledgement() -> Outcome {
    let client = builder("/app/").connect()?;
    // It gives the arguments as one array.
    same(
        &ask(&client, "ack", vec![json!(1), json!("b")])?,
        &Payload::Text(vec![json!([1, "b"])]),
    )?;
    Ok(client.disconnect()?)
}

fn octets() -> Outcome {
    let (builder, echo) = hear(builder("/app/"), "echo");
    let client = builder.connect()?;
    let octets: Vec<u8> = (0..=255).collect();
    client.emit("echo", Payload::Binary(octets.clone().into()))?;
    same(
        &echo.recv_timeout(PATIENCE)?,
        &Payload::Binary(octets.into()),
    )?;
    Ok(client.disconnect()?)
}

fn large() -> Outcome {
    let (builder, echo) = hear(builder("/app/"), "echo");
    let client = builder.connect()?;
    let text = Payload::Text(vec![json!("é".repeat(150_000))]);
    client.emit("echo", text.clone())?;
    same(&(echo.recv_timeout(PATIENCE)? == text), &true)?;
    Ok(client.disconnect()?)
}

fn auth() -> Outcome {
    let client = builder("/app/").auth(json!({ "token": "123" })).connect()?;
    match ask(&client, "who", Vec::new())? {
        Payload::Text(answer) => same(&answer[0][0]["auth"], &json!({ "token": "123" }))?,
        other => return Err(format!("{other:?}").into()),
    }
    Ok(client.disconnect()?)
}

fn namespace() -> Outcome {
    let (builder, name) = hear(builder("/app/").namespace("/room-rust"), "name");
    let client = builder.connect()?;
    same(
        &name.recv_timeout(PATIENCE)?,
        &Payload::Text(vec![json!("/room-rust")]),
    )?;
    same(
        &ask(&client, "ack", vec![json!("in")])?,
        &Payload::Text(vec![json!(["in"])]),
    )?;
    Ok(client.disconnect()?)
}

fn rooms() -> Outcome {
    let (one_builder, one_heard) = hear(builder("/app/"), "said");
    let (two_builder, two_heard) = hear(builder("/app/"), "said");
    let (one, two) = (one_builder.connect()?, two_builder.connect()?);
    let room = json!([format!("rust {}", std::process::id())]);
    ask(&one, "join", vec![room.clone()])?;
    ask(&two, "join", vec![room.clone()])?;
    one.emit(
        "others-in",
        Payload::Text(vec![room.clone(), json!("others")]),
    )?;
    one.emit("all-in", Payload::Text(vec![room, json!("all")]))?;
    same(
        &two_heard.recv_timeout(PATIENCE)?,
        &Payload::Text(vec![json!("others")]),
    )?;
    same(
        &two_heard.recv_timeout(PATIENCE)?,
        &Payload::Text(vec![json!("all")]),
    )?;
    same(
        &one_heard.recv_timeout(PATIENCE)?,
        &Payload::Text(vec![json!("all")]),
    )?;
    one.disconnect()?;
    Ok(two.disconnect()?)
}
