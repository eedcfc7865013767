//! One connection to a server, from its beginning to its end.

use super::address::Address;
use super::subject::Subjects;
use super::trust::Trust;
use crate::relay::backplane::{BackplaneError, Channel, Command, Event, Link};
use async_nats::client::PublishErrorKind;
use async_nats::{Client, Message, ServerError, Subject, Subscriber};
use bytes::Bytes;
use futures_util::FutureExt as _;
use futures_util::stream::{SelectAll, Stream, StreamExt as _};
use std::collections::{HashMap, VecDeque};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{self, MissedTickBehavior};

/// A connection that has answered.
///
/// NATS confirms nothing, but it does what one connection wants in order: a message that we send ourselves and that comes back tells
/// that everything before it was done. One such echo is under way at a time, and the next one is sent when it is back, so that
/// there are as many as there are round trips, however much is to be confirmed.
pub(super) struct Connection {
    client: Client,
    subjects: Subjects,
    /// What the crate tells about the connection and we end it for.
    ends: mpsc::Receiver<String>,
    echoes: Subscriber,
    echo: Subject,
    asked: u64,
    answered: u64,
    /// Seconds that an echo has been away.
    silent: u32,
    /// What is said when the echo with this number is back.
    confirmed: VecDeque<(u64, Event)>,
    taken: SelectAll<Taken>,
    stops: HashMap<Channel, oneshot::Sender<()>>,
}

impl Connection {
    pub(super) async fn open(
        address: &Address,
        subjects: Subjects,
        trust: &Trust,
    ) -> Result<Self, BackplaneError> {
        let servers = address.servers();
        let (ended, ends) = mpsc::channel(1);
        let options = (address.options()?)
            .name("wireline")
            .tls_client_config(trust.config().await?)
            .connection_timeout(PATIENCE)
            .ping_interval(PATIENCE)
            .ignore_discovered_servers()
            .max_reconnects(servers.len())
            .reconnect_delay_callback(|_| Duration::ZERO)
            .subscription_capacity(MOST_UNREAD)
            .event_callback(move |event| {
                if let Some(why) = end(event) {
                    let _ = ended.try_send(why);
                }
                std::future::ready(())
            });
        let most = PATIENCE * u32::try_from(servers.len()).unwrap_or(u32::MAX);
        let client = time::timeout(most, options.connect(servers)).await;
        let client = client.map_err(|_| silent())?.map_err(BackplaneError::new)?;
        // Where the crate looks for a server when this connection has ended: nobody is there, and it gives up.
        let nowhere = client.set_server_pool("nats://127.0.0.1:0");
        let nowhere = time::timeout(PATIENCE, nowhere).await;
        nowhere
            .map_err(|_| silent())?
            .map_err(BackplaneError::new)?;
        let number = getrandom::u64().map_err(BackplaneError::new)?;
        let echo = Subject::from(subjects.echo(number));
        let echoes = in_time(client.subscribe(echo.clone())).await?;
        Ok(Self {
            client,
            subjects,
            ends,
            echoes,
            echo,
            asked: 0,
            answered: 0,
            silent: 0,
            confirmed: VecDeque::new(),
            taken: SelectAll::new(),
            stops: HashMap::new(),
        })
    }

    pub(super) async fn serve(mut self, mut link: Link) -> BackplaneError {
        match self.run(&mut link).await {
            Ok(()) => {
                // What was wanted last is done before the connection ends.
                let _ = time::timeout(FAREWELL, self.finish()).await;
                BackplaneError::new("the node wants no more of it")
            }
            Err(error) => error,
        }
    }

    /// Ends well when the node wants no more.
    async fn run(&mut self, link: &mut Link) -> Result<(), BackplaneError> {
        self.confirmed.push_back((1, Event::Connected));
        self.ask().await?;
        let mut seconds = time::interval(Duration::from_secs(1));
        seconds.set_missed_tick_behavior(MissedTickBehavior::Delay);
        seconds.reset();
        loop {
            tokio::select! {
                end = self.ends.recv() => return Err(lost(end)),
                echo = self.echoes.next() => {
                    let Some(echo) = echo else { return Err(lost(None)) };
                    for event in self.answer(&echo).await? {
                        if link.events.send(event).await.is_err() {
                            return Ok(());
                        }
                    }
                }
                Some((channel, message)) = self.taken.next() => {
                    let event = Event::Message { channel, position: None, message };
                    if link.events.send(event).await.is_err() {
                        return Ok(());
                    }
                }
                command = link.commands.recv() => {
                    let mut command = command;
                    let mut left = BATCH;
                    loop {
                        let Some(wanted) = command else { return Ok(()) };
                        if let Some(event) = self.obey(wanted).await?
                            && link.events.send(event).await.is_err()
                        {
                            return Ok(());
                        }
                        left -= 1;
                        if left == 0 {
                            break;
                        }
                        let Ok(next) = link.commands.try_recv() else { break };
                        command = Some(next);
                    }
                    self.ask_if_idle().await?;
                }
                _ = seconds.tick() => {
                    for event in self.second().await? {
                        if link.events.send(event).await.is_err() {
                            return Ok(());
                        }
                    }
                }
            }
        }
    }

    /// What is known at once of what becomes of it.
    async fn obey(&mut self, command: Command) -> Result<Option<Event>, BackplaneError> {
        let next = self.asked + 1;
        match command {
            Command::Subscribe(channel) => {
                if !self.stops.contains_key(&channel) {
                    let subject = Subject::from(self.subjects.of(&channel));
                    let subscriber = in_time(self.client.subscribe(subject.clone())).await?;
                    let (stop, stopped) = oneshot::channel();
                    self.stops.insert(channel.clone(), stop);
                    self.taken.push(Taken {
                        channel: channel.clone(),
                        subject,
                        subscriber,
                        stopped,
                    });
                }
                self.confirmed.push_back((next, Event::Subscribed(channel)));
            }
            Command::Unsubscribe(channel) => drop(self.stops.remove(&channel)),
            Command::Publish {
                id,
                channel,
                message,
            } => {
                let subject = self.subjects.of(&channel);
                let sent = time::timeout(PATIENCE, self.client.publish(subject, message)).await;
                match sent.map_err(|_| silent())? {
                    Ok(()) => self.confirmed.push_back((next, Event::Done { id })),
                    Err(error) if error.kind() == PublishErrorKind::MaxPayloadExceeded => {
                        let why = "it is longer than the server's max_payload".to_owned();
                        return Ok(Some(Event::Refused { id, why }));
                    }
                    Err(_) => return Err(self.why()),
                }
            }
            Command::Append { id, .. } => {
                let why = "NATS keeps no history here".to_owned();
                return Ok(Some(Event::Refused { id, why }));
            }
            Command::Read { id, .. } => {
                return Ok(Some(Event::History {
                    id,
                    epoch: 0,
                    last: 0,
                    entries: Vec::new(),
                }));
            }
        }
        Ok(None)
    }

    /// Sends an echo, which will tell that all until now was done.
    async fn ask(&mut self) -> Result<(), BackplaneError> {
        self.asked += 1;
        self.silent = 0;
        let number = Bytes::copy_from_slice(&self.asked.to_be_bytes());
        let sent = self.client.publish(self.echo.clone(), number);
        match time::timeout(PATIENCE, sent).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(self.why()),
            Err(_) => Err(silent()),
        }
    }

    async fn ask_if_idle(&mut self) -> Result<(), BackplaneError> {
        if self.asked == self.answered && !self.confirmed.is_empty() {
            self.ask().await?;
        }
        Ok(())
    }

    /// An echo has come back: gives what is confirmed by it.
    async fn answer(&mut self, echo: &Message) -> Result<Vec<Event>, BackplaneError> {
        let number = <[u8; 8]>::try_from(echo.payload.as_ref())
            .map(u64::from_be_bytes)
            .ok();
        // What was garbled on its way is no answer.
        if number != Some(self.asked) || echo.subject != self.echo {
            return Ok(Vec::new());
        }
        self.answered = self.asked;
        let mut events = Vec::new();
        while let Some((_, event)) = (self.confirmed).pop_front_if(|(at, _)| *at <= self.answered) {
            events.push(event);
        }
        self.ask_if_idle().await?;
        Ok(events)
    }

    /// A second has passed: whoever is silent is asked, and whoever stays silent is gone.
    async fn second(&mut self) -> Result<Vec<Event>, BackplaneError> {
        // It may be us who were away.
        let mut events = Vec::new();
        while let Some(Some(echo)) = self.echoes.next().now_or_never() {
            events.extend(self.answer(&echo).await?);
        }
        if self.asked == self.answered {
            self.ask().await?;
        } else {
            self.silent += 1;
            if self.silent >= MOST_SILENT {
                return Err(silent());
            }
        }
        Ok(events)
    }

    async fn finish(&mut self) -> Result<(), BackplaneError> {
        self.ask().await?;
        while self.asked != self.answered {
            let Some(echo) = self.echoes.next().await else {
                break;
            };
            self.answer(&echo).await?;
        }
        Ok(())
    }

    /// Why the crate takes nothing any more.
    fn why(&mut self) -> BackplaneError {
        lost(self.ends.try_recv().ok())
    }
}

/// A subscription that gives where its messages came from.
struct Taken {
    channel: Channel,
    subject: Subject,
    subscriber: Subscriber,
    stopped: oneshot::Receiver<()>,
}

impl Stream for Taken {
    type Item = (Channel, Bytes);

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if Pin::new(&mut self.stopped).poll(cx).is_ready() {
            return Poll::Ready(None);
        }
        loop {
            let next = Pin::new(&mut self.subscriber).poll_next(cx);
            let Poll::Ready(Some(message)) = next else {
                return next.map(|_| None);
            };
            // A number of a subscription that was garbled is another's.
            if message.subject == self.subject {
                return Poll::Ready(Some((self.channel.clone(), message.payload)));
            }
        }
    }
}

/// Why an event of the crate ends the connection, if it does.
fn end(event: async_nats::Event) -> Option<String> {
    use async_nats::Event as Told;
    match event {
        Told::Disconnected | Told::Closed => Some("the connection was lost".to_owned()),
        Told::ServerError(ServerError::Other(why)) => Some(why),
        Told::ServerError(why) => Some(why.to_string()),
        // What was lost there is found by its numbers.
        Told::SlowConsumer(_) => None,
        Told::Connected | Told::LameDuckMode | Told::Draining | Told::ClientError(_) => None,
    }
}

/// What the crate does not do as long as its queue is full.
async fn in_time<T, E: std::fmt::Display>(
    doing: impl Future<Output = Result<T, E>>,
) -> Result<T, BackplaneError> {
    let done = time::timeout(PATIENCE, doing).await;
    done.map_err(|_| silent())?.map_err(BackplaneError::new)
}

fn lost(why: Option<String>) -> BackplaneError {
    BackplaneError::new(why.as_deref().unwrap_or("the connection was lost"))
}

fn silent() -> BackplaneError {
    BackplaneError::new("the server does not answer")
}

/// How long a server may take for anything.
const PATIENCE: Duration = Duration::from_secs(4);

/// An idle server is asked each second, and has so many more to answer: it is gone before 5 s have passed.
const MOST_SILENT: u32 = 4;

/// How long the end of a connection waits for what was wanted before it.
const FAREWELL: Duration = Duration::from_secs(1);

/// How many messages of a channel wait for us before more of them are lost.
const MOST_UNREAD: usize = 8_192;

/// After how many commands we look at what has come.
const BATCH: usize = 256;
