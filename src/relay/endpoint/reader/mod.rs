//! Sessions of those who only read, over HTTP.
//!
//! A reader is a [`Session`] like any other: its requests are made of a query, and what the session says is counted as the
//! protocol tells clients to count, so that each message is known with the cursor behind it.

mod ask;
mod cursor;
mod long_poll;
mod stream;

pub(crate) use self::long_poll::long_poll;
pub(crate) use self::stream::stream;

use self::ask::Ask;
use self::cursor::{Cursor, Position};
use super::Relay;
use super::directory::Link;
use super::node::places;
use super::outlet::COUNTS;
use super::overflow::NO_SUBSCRIPTION;
use super::session::Session;
use crate::service::problem::Problem;
use crate::service::request::Parts;
use crate::service::user::CurrentUser;
use crate::ws::close::{CloseCode, CloseFrame};
use crate::ws::frame::Opcode;
use crate::ws::message::Text;
use crate::ws::prepared::Prepared;
use crate::ws::socket::Delivered;
use bytes::Bytes;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::time::{Sleep, sleep_until, timeout};

/// A session whose client takes what it says one by one, and does not answer.
struct Reader {
    session: Session,
    /// Behind what was taken.
    cursor: Cursor,
    ready: VecDeque<Item>,
    octets: usize,
    /// How many requests have no answer yet, and how many were let in.
    unanswered: usize,
    let_in: usize,
    /// Why the first topic was refused that was.
    refusal: Option<(String, String)>,
    /// Why it ends, behind what is ready.
    closing: Option<CloseFrame>,
    deadline: Option<Pin<Box<Sleep>>>,
    draining: Pin<Box<dyn Future<Output = bool> + Send>>,
}

/// What a reader is told.
struct Item {
    /// Absent where only the cursor moves.
    text: Option<Bytes>,
    step: Step,
    /// Whether it is reason enough to answer a long poll.
    is_news: bool,
}

/// What a message does to the cursor.
#[derive(Clone, Copy)]
enum Step {
    Nothing,
    /// Nothing, and it is not told with the cursor.
    Presence,
    Begin(usize, Position),
    Add(usize, u64),
}

/// What counts of a message of the protocol.
#[derive(Deserialize)]
struct Said<'a> {
    #[serde(borrow, rename = "type")]
    kind: Cow<'a, str>,
    #[serde(borrow)]
    topic: Option<Cow<'a, str>>,
    epoch: Option<u64>,
    offset: Option<u64>,
    #[serde(default)]
    recovered: bool,
    missed: Option<u64>,
    /// What is there does not count.
    #[serde(borrow)]
    to: Option<Cow<'a, str>>,
    count: Option<u64>,
    /// Only answers to what was asked here have one.
    #[serde(rename = "ref")]
    reference: Option<usize>,
    #[serde(borrow)]
    code: Option<Cow<'a, str>>,
    #[serde(borrow)]
    message: Option<Cow<'a, str>>,
}

impl Reader {
    /// Opens a session that asks for this, and waits until it is known of each topic whether it is let in, 10 s at most.
    ///
    /// # Errors
    ///
    /// When none is let in: 403.
    async fn open(relay: &Relay, ask: Ask, parts: Parts) -> Result<Self, Box<Problem>> {
        let user = CurrentUser::of(&parts).cloned();
        let deadline = user.as_ref().and_then(CurrentUser::deadline);
        let outlet = relay.line(None, relay.inner.terms.clone());
        let link = Link::new(outlet, user.map(|user| user.id().into()));
        relay.inner.directory.add(&link);
        let draining = Box::pin(parts.draining());
        // Kept for as long as the session lives: only if somebody wants to see it.
        let parts = relay.extracts().then(|| Arc::new(Mutex::new(parts)));
        let mut session = Session::new(link, parts);
        let requests = ask.requests(relay);
        let unanswered = requests.len();
        for request in requests {
            session.ask(Text::from(request));
        }
        let mut reader = Self {
            session,
            cursor: ask.cursor,
            ready: VecDeque::new(),
            octets: 0,
            unanswered,
            let_in: 0,
            refusal: None,
            closing: None,
            deadline: deadline.map(|deadline| Box::pin(sleep_until(deadline))),
            draining,
        };
        let answered = poll_fn(|cx| {
            reader.poll(cx);
            let is_enough = reader.unanswered == 0 || reader.is_full() || reader.closing.is_some();
            if is_enough {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        });
        // Whoever decides may take longer: then the rest is told later.
        let _ = timeout(OPENING, answered).await;
        match reader.refusal.take() {
            Some((code, message)) if reader.is_refused() => {
                let problem = Problem::new(StatusCode::FORBIDDEN).detail(message);
                Err(Box::new(problem.with("code", code)))
            }
            _ => Ok(reader),
        }
    }

    /// The client comes again with the cursor that it has then: until so long after now its topics go on counting, though nobody may
    /// subscribe to them meanwhile, so that it is told what it has missed.
    fn linger(&self, time: Duration) {
        let relay = self.session.outlet().relay();
        let time = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        for topic in self.cursor.known() {
            relay.hub().linger(topic, relay.now().saturating_add(time));
        }
        relay.keep_swept();
    }

    /// Whether no topic was let in.
    const fn is_refused(&self) -> bool {
        self.unanswered == 0 && self.let_in == 0
    }

    /// Whether nothing more is taken from the session before the client has taken something.
    fn is_full(&self) -> bool {
        self.ready.len() >= MOST_READY || self.octets >= MOST_OCTETS
    }

    /// Makes ready what there is. It need not be called while something is ready.
    fn poll(&mut self, cx: &mut Context<'_>) {
        let mut taken: Vec<(u32, Prepared)> = Vec::new();
        let (mut count, mut octets) = (self.ready.len(), self.octets);
        self.session.poll(cx, &mut |key, message, _| {
            if count >= MOST_READY || octets >= MOST_OCTETS {
                return Delivered::Full;
            }
            count += 1;
            octets += message.payload().len();
            taken.push((key, message.clone()));
            Delivered::Taken
        });
        for (key, message) in taken {
            let item = self.item(key, &message);
            self.octets += item.octets();
            self.ready.push_back(item);
        }
        if self.closing.is_none() {
            self.closing = self.poll_end(cx);
        }
    }

    fn poll_end(&mut self, cx: &mut Context<'_>) -> Option<CloseFrame> {
        if let Some(close) = self.session.outlet().mailbox.closing() {
            return Some(close);
        }
        if let Some(deadline) = &mut self.deadline
            && deadline.as_mut().poll(cx).is_ready()
        {
            let code = CloseCode::new(EXPIRED)?;
            return Some(CloseFrame::new(code, "the credentials have expired"));
        }
        match self.draining.as_mut().poll(cx) {
            Poll::Pending => None,
            Poll::Ready(false) => {
                Some(CloseFrame::new(CloseCode::AWAY, "the server is going away"))
            }
            Poll::Ready(true) => Some(CloseFrame::new(CloseCode::RESTART, "the server restarts")),
        }
    }

    /// The next message, with the cursor moved behind it.
    fn pop(&mut self) -> Option<(Bytes, Step)> {
        while let Some(item) = self.ready.pop_front() {
            self.octets -= item.octets();
            match item.step {
                Step::Begin(place, position) => self.cursor.set(place, position),
                Step::Add(place, count) => self.cursor.add(place, count),
                Step::Nothing | Step::Presence => {}
            }
            if let Some(text) = item.text {
                return Some((text, item.step));
            }
        }
        None
    }

    fn item(&mut self, key: u32, message: &Prepared) -> Item {
        let is_text = message.opcode() == Opcode::Text;
        let text = is_text.then(|| message.payload().clone());
        if key == NO_SUBSCRIPTION {
            return match text.as_ref().map(|text| serde_json::from_slice(text)) {
                Some(Ok(said)) => self.said(message.payload(), &said),
                _ => Item::plain(text),
            };
        }
        if key & COUNTS == 0 {
            return Item {
                text,
                step: Step::Presence,
                is_news: true,
            };
        }
        let topic = self.session.topic_of(key);
        let place = topic.and_then(|topic| self.cursor.place(topic.as_str()));
        Item {
            text,
            step: place.map_or(Step::Nothing, |place| {
                Step::Add(place, places(message.payload()))
            }),
            is_news: true,
        }
    }

    /// A message of the protocol.
    fn said(&mut self, text: &Bytes, said: &Said<'_>) -> Item {
        let place = said
            .topic
            .as_ref()
            .and_then(|topic| self.cursor.place(topic));
        let answers = said.reference.is_some();
        let mut item = Item::plain(Some(without_ref(text, said.reference)));
        let add = |count: Option<u64>| match (place, count) {
            (Some(place), Some(count)) => Step::Add(place, count),
            _ => Step::Nothing,
        };
        match &*said.kind {
            "subscribed" => {
                self.let_in += usize::from(answers);
                if let (Some(place), Some(epoch), Some(offset)) = (place, said.epoch, said.offset) {
                    let before = self.cursor.position(place);
                    item.step = Step::Begin(place, Position { epoch, offset });
                    // Of a new life of a topic in which nothing was published there is nothing to tell yet.
                    item.is_news = before.is_none_or(|before| {
                        !said.recovered && (before.epoch == epoch || offset > 0)
                    });
                }
            }
            "error" if answers => {
                item.is_news = false;
                self.refusal.get_or_insert_with(|| {
                    let owned = |word: &Option<Cow<'_, str>>| {
                        word.as_deref().unwrap_or_default().to_owned()
                    };
                    (owned(&said.code), owned(&said.message))
                });
            }
            "lagged" if said.to.is_none() => item.step = add(said.missed),
            "skipped" => item.step = add(said.count),
            "presence_state" | "presence_diff" => item.step = Step::Presence,
            _ => {}
        }
        self.unanswered -= usize::from(answers).min(self.unanswered);
        item
    }
}

impl Item {
    const fn plain(text: Option<Bytes>) -> Self {
        Self {
            text,
            step: Step::Nothing,
            is_news: true,
        }
    }

    fn octets(&self) -> usize {
        self.text.as_ref().map_or(0, Bytes::len)
    }
}

/// An answer without the `ref` at its end, which the client has not given.
fn without_ref(text: &Bytes, reference: Option<usize>) -> Bytes {
    let bare = reference.and_then(|reference| {
        let end = format!(",\"ref\":{reference}}}");
        text.strip_suffix(end.as_bytes())
    });
    bare.map_or_else(|| text.clone(), |bare| [bare, b"}"].concat().into())
}

/// What a reader is told last, where a socket has a Close frame.
fn farewell(close: &CloseFrame) -> String {
    #[derive(Serialize)]
    struct Disconnect<'a> {
        r#type: &'static str,
        code: u16,
        reason: &'a str,
    }
    let farewell = Disconnect {
        r#type: "disconnect",
        code: close.code.get(),
        reason: &close.reason,
    };
    serde_json::to_string(&farewell).unwrap_or_default()
}

/// For how long the head of a response waits for those who decide.
const OPENING: Duration = Duration::from_secs(10);

/// How many messages, and about how many octets of them, are ready before the session has to wait.
const MOST_READY: usize = 256;
const MOST_OCTETS: usize = 256 << 10;

/// As for WebSockets whose credentials have expired.
const EXPIRED: u16 = 4401;
