//! `wireline sub`: subscribes, and prints what comes.

use crate::client::{self, ENDED, Failure, REFUSED, between, one_line};
use clap::Args;
use serde::Serialize;
use std::io::{self, Write};
use std::path::PathBuf;
use tokio::sync::mpsc;
use wireline::relay::client::{
    Ended, Event, Member, Missing, Presence, RelayClient, Status, SubscribeOptions,
};

/// What to subscribe to.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Where the relay is: ws://HOST:PORT/PATH or wss://...; the path is /ws when there is none.
    url: String,
    /// The topics.
    #[arg(required = true, value_name = "TOPIC")]
    topics: Vec<String>,
    /// Begin with the newest messages that are kept, this many at most.
    #[arg(long, value_name = "N", value_parser = rewind)]
    rewind: Option<u32>,
    /// Tell who is present, and every change of that.
    #[arg(long)]
    presence: bool,
    /// A token, for topics that want one.
    #[arg(long, value_name = "TOKEN")]
    token: Option<String>,
    /// Sign in with this token, as Authorization: Bearer.
    #[arg(long, value_name = "TOKEN")]
    bearer: Option<String>,
    /// Trust the authorities in this PEM file in place of the system's.
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    ca: Option<PathBuf>,
    /// Print every event as one line of JSON.
    #[arg(long)]
    json: bool,
}

/// What the command waits for.
enum Heard {
    Event(String, Event),
    /// A subscription has ended.
    Over,
    Status(Status),
    Interrupted,
}

/// Prints until Ctrl-C, or until there is nothing to wait for any more.
pub(crate) async fn run(options: Options) -> Result<(), Failure> {
    let builder = client::builder(
        &options.url,
        options.bearer.as_deref(),
        options.ca.as_deref(),
    )?;
    let (sender, mut heard) = mpsc::channel(64);
    // From now on: a connection that takes long may be given up, too.
    let interrupted = sender.clone();
    tokio::spawn(async move {
        if tokio::signal::ctrl_c().await.is_ok() {
            let _ = interrupted.send(Heard::Interrupted).await;
        }
    });
    let connecting = tokio::spawn(builder.connect());
    let client = match first(connecting, &mut heard).await {
        Some(Ok(client)) => client,
        Some(Err(error)) => return Err(Failure::dial(&options.url, &error)),
        None => return Ok(()),
    };
    let mut left = 0;
    for topic in &options.topics {
        let mut wants = SubscribeOptions::new().presence(options.presence);
        if let Some(count) = options.rewind {
            wants = wants.rewind(count);
        }
        if let Some(token) = options.token.clone() {
            wants = wants.token(move || {
                let token = token.clone();
                async move { Ok::<_, std::convert::Infallible>(token) }
            });
        }
        let subscribed = client.subscribe_with(topic, wants);
        let mut subscription = subscribed.map_err(|error| {
            let failure = Failure::from(error);
            Failure::new(failure.code, format!("{topic}: {}", failure.line))
        })?;
        left += 1;
        let (sender, topic) = (sender.clone(), topic.clone());
        tokio::spawn(async move {
            while let Some(event) = subscription.next().await {
                if sender
                    .send(Heard::Event(topic.clone(), event))
                    .await
                    .is_err()
                {
                    return;
                }
            }
            let _ = sender.send(Heard::Over).await;
        });
    }
    watch(&client, sender);

    let (mut refusal, mut ended) = (None, None);
    while let Some(heard) = heard.recv().await {
        let printed = match heard {
            Heard::Event(topic, event) => {
                if let Event::Error(error) = &event {
                    refusal = Some(format!("{topic}: {error}"));
                }
                if let Event::Unsubscribed(end) = &event {
                    refusal = Some(format!("{topic}: unsubscribed: {}", end.message));
                }
                print(&options, &topic, &event)
            }
            Heard::Status(Status::Ended(why)) => {
                ended = Some(why);
                Ok(())
            }
            Heard::Status(status) => tell(&options, &status),
            Heard::Over => {
                left -= 1;
                Ok(())
            }
            Heard::Interrupted => {
                client.close().await;
                return Ok(());
            }
        };
        if printed.is_err() {
            // Nobody reads any more: that is an end like any other.
            client.close().await;
            return Ok(());
        }
        if left == 0 {
            break;
        }
    }
    let ended = ended.or_else(|| match client.status() {
        Status::Ended(ended) => Some(ended),
        _ => None,
    });
    match (ended, refusal) {
        (Some(ended), _) if ended != Ended::Local => Err(Failure::ended(&options.url, &ended)),
        (_, Some(refusal)) => {
            client.close().await;
            Err(Failure::new(REFUSED, refusal))
        }
        _ => Err(Failure::new(
            ENDED,
            format!("{}: every subscription has ended", options.url),
        )),
    }
}

/// What the task gives, unless Ctrl-C comes first.
async fn first<T>(
    task: tokio::task::JoinHandle<T>,
    heard: &mut mpsc::Receiver<Heard>,
) -> Option<T> {
    let mut task = std::pin::pin!(task);
    std::future::poll_fn(|cx| {
        if let std::task::Poll::Ready(done) = task.as_mut().poll(cx) {
            return std::task::Poll::Ready(done.ok());
        }
        heard.poll_recv(cx).map(|_| None)
    })
    .await
}

fn watch(client: &RelayClient, sender: mpsc::Sender<Heard>) {
    let client = client.clone();
    tokio::spawn(async move {
        let mut known = Status::Connected;
        loop {
            known = client.changed(&known).await;
            let is_end = matches!(known, Status::Ended(_));
            if sender.send(Heard::Status(known.clone())).await.is_err() || is_end {
                return;
            }
        }
    });
}

/// What the connection is like is for people alone: on stderr, and not with `--json`.
fn tell(options: &Options, status: &Status) -> io::Result<()> {
    if !options.json {
        match status {
            Status::Waiting(why) => eprintln!("# {}; coming back", one_line(why)),
            Status::Connected => eprintln!("# connected again"),
            Status::Reading => eprintln!("# reading an event stream: no WebSocket could be opened"),
            _ => {}
        }
    }
    Ok(())
}

fn print(options: &Options, topic: &str, event: &Event) -> io::Result<()> {
    if options.json {
        return match serde_json::to_string(&Line::of(topic, event)) {
            Ok(line) => writeln!(io::stdout(), "{}", one_line(&line)),
            Err(error) => Err(error.into()),
        };
    }
    let line = match event {
        Event::Push(push) => format!("{topic} {} {}", push.event, push.payload),
        Event::Presence(Presence::State { members, more }) => {
            let names: Vec<String> = members.iter().map(name).collect();
            let more = if *more { " and more" } else { "" };
            format!("{topic} present: {}{more}", names.join(", "))
        }
        Event::Presence(Presence::Diff { joined, left }) => {
            let joined = joined.iter().map(|member| format!(" +{}", name(member)));
            let left = left.iter().map(|member| format!(" -{}", name(member)));
            format!("{topic} present:{}", joined.chain(left).collect::<String>())
        }
        Event::Lagged(lagged) => {
            let which = match lagged.which {
                Some(Missing::OfNode { node, first, last }) => {
                    format!(": {first} to {last} of node {node:x}")
                }
                Some(Missing::OfEpoch { epoch, first, last }) => {
                    format!(": {first} to {last} of epoch {epoch}")
                }
                _ => String::new(),
            };
            format!("{topic} lagged: {} are missing here{which}", lagged.missed)
        }
        Event::Subscribed(begun) => {
            let gap = match (begun.resumed, begun.recovered) {
                (true, false) => ", and something is missing",
                _ => "",
            };
            eprintln!("# subscribed to {topic}{gap}");
            return Ok(());
        }
        Event::Unsubscribed(end) => {
            eprintln!("# unsubscribed from {topic}: {}", one_line(&end.message));
            return Ok(());
        }
        // The last one is the line that the command ends with.
        _ => return Ok(()),
    };
    writeln!(io::stdout(), "{}", one_line(&line))
}

fn name(member: &Member) -> String {
    match &member.user {
        Some(user) => format!("{user} ({})", member.conn_id),
        None => member.conn_id.to_string(),
    }
}

/// An event as JSON.
#[derive(Default, Serialize)]
struct Line<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    topic: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    event: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    payload: Option<&'a serde_json::value::RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    recovered: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    missed: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    node: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    epoch: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    first: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    members: Option<Vec<Present<'a>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    joined: Option<Vec<Present<'a>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    left: Option<Vec<Present<'a>>>,
}

#[derive(Serialize)]
struct Present<'a> {
    conn_id: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<&'a str>,
    meta: &'a serde_json::value::RawValue,
}

impl<'a> Line<'a> {
    fn of(topic: &'a str, event: &'a Event) -> Self {
        let line = Self {
            topic,
            ..Self::default()
        };
        match event {
            Event::Push(push) => Self {
                kind: "push",
                event: Some(&push.event),
                payload: Some(&push.payload),
                ..line
            },
            Event::Subscribed(begun) => Self {
                kind: "subscribed",
                recovered: Some(begun.recovered),
                ..line
            },
            Event::Presence(Presence::State { members, .. }) => Self {
                kind: "presence_state",
                members: Some(present(members)),
                ..line
            },
            Event::Presence(Presence::Diff { joined, left }) => Self {
                kind: "presence_diff",
                joined: Some(present(joined)),
                left: Some(present(left)),
                ..line
            },
            Event::Lagged(lagged) => {
                let (node, epoch, first, last) = match lagged.which {
                    Some(Missing::OfNode { node, first, last }) => {
                        (Some(format!("{node:x}")), None, Some(first), Some(last))
                    }
                    Some(Missing::OfEpoch { epoch, first, last }) => {
                        (None, Some(epoch), Some(first), Some(last))
                    }
                    _ => (None, None, None, None),
                };
                Self {
                    kind: "lagged",
                    missed: Some(lagged.missed),
                    node,
                    epoch,
                    first,
                    last,
                    ..line
                }
            }
            Event::Unsubscribed(end) => Self {
                kind: "unsubscribed",
                code: Some(&end.code),
                message: Some(&end.message),
                ..line
            },
            Event::Error(refusal) => Self {
                kind: "error",
                code: Some(&refusal.code),
                message: Some(&refusal.message),
                ..line
            },
            _ => Self {
                kind: "other",
                ..line
            },
        }
    }
}

fn present(members: &[Member]) -> Vec<Present<'_>> {
    members
        .iter()
        .map(|member| Present {
            conn_id: member.conn_id,
            user: member.user.as_deref(),
            meta: &member.meta,
        })
        .collect()
}

fn rewind(text: &str) -> Result<u32, String> {
    between(text, 1, u32::MAX.into())
        .and_then(|count| u32::try_from(count).map_err(|error| error.to_string()))
}
