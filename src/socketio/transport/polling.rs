//! Sessions that poll: the task that has the conversation, and the requests that bring and fetch.

use super::content::Content;
use super::drive::{Driver, is_over};
use super::{Conversation, Session};
use crate::service::body::{Body, BodyError};
use crate::service::media_type::MediaType;
use crate::service::request::Parts;
use crate::service::response::Response;
use crate::socketio::engine::payload::{self, Scan};
use crate::socketio::engine::session::{Received, Refused, Ticket};
use crate::socketio::engine::{CloseReason, Data, Packet, RequestError, Transport};
use crate::socketio::transport::route::{Answer, refuse};
use bytes::{Bytes, BytesMut};
use http::StatusCode;
use http::header::CONTENT_TYPE;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::net::IpAddr;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use tokio::time::{Sleep, sleep};

/// What a session has that polls, or did.
#[derive(Default)]
pub(super) struct Polling {
    /// The id of the user who opened it: nobody else may use it.
    pub(super) user: Option<Box<str>>,
    /// The address that it was opened from.
    pub(super) address: Option<IpAddr>,
    /// What has come and waits for the conversation.
    pub(super) inbox: VecDeque<Data>,
    /// The conversation has not done with what it has taken from there.
    pub(super) is_taking: bool,
    /// The client has ended the session, behind what waits there.
    pub(super) ends: bool,
    /// A poll that waits.
    pub(super) poll: Option<Waker>,
    /// A POST that waits until what it brought is taken.
    pub(super) post: Option<Waker>,
    /// A WebSocket that waits for the conversation.
    pub(super) upgrade: Option<Waker>,
    /// The conversation on its way from the task that polls to that of the WebSocket.
    pub(super) handover: Option<Box<dyn Conversation>>,
    /// It has ended, and its client is told so by its next poll.
    pub(super) lingers: bool,
}

/// Runs the conversation of a session until it ends, or goes over to a WebSocket. `place` is given back then.
pub(super) fn run<P: Send>(driver: Driver, place: P) -> impl Future<Output = ()> + Send {
    let mut place = Some(place);
    let mut stage = Stage::Open(driver);
    poll_fn(move |cx| {
        if let Stage::Open(driver) = &mut stage {
            if poll_open(driver, cx).is_pending() {
                return Poll::Pending;
            }
            if !driver.session.is_closed() {
                drop(place.take());
                stage = Stage::Over;
                return Poll::Ready(());
            }
            let mut ending = Some(driver.end());
            let session = driver.session.clone();
            is_over(&mut ending, cx);
            stage = Stage::Ending(session, ending, None);
        }
        if let Stage::Ending(session, ending, lingering) = &mut stage {
            session.listen(cx);
            let is_over = is_over(ending, cx);
            if is_over && !session.lingers() {
                drop(place.take());
                stage = Stage::Over;
                return Poll::Ready(());
            }
            let lingering = lingering.get_or_insert_with(|| Box::pin(sleep(LINGER)));
            if lingering.as_mut().poll(cx).is_ready() {
                session.stop_lingering();
                if is_over {
                    stage = Stage::Over;
                    return Poll::Ready(());
                }
            }
            return Poll::Pending;
        }
        Poll::Ready(())
    })
}

/// How far a session is.
enum Stage {
    Open(Driver),
    Ending(
        Session,
        Option<super::drive::Ending>,
        Option<Pin<Box<Sleep>>>,
    ),
    Over,
}

/// Ready when the session has ended, or its conversation was given to a WebSocket.
fn poll_open(driver: &mut Driver, cx: &mut Context<'_>) -> Poll<()> {
    let session = driver.session.clone();
    session.listen(cx);
    loop {
        while driver.has_room() {
            let Some(data) = session.next_posted() else {
                break;
            };
            session.set_turn(true);
            driver.receive(data, cx);
            session.set_turn(false);
            session.end_taking();
        }
        let was_full = !driver.has_room();
        session.set_turn(true);
        driver.poll(cx);
        session.set_turn(false);
        // An upgrade that has begun has a deadline, too.
        driver.tick(cx);
        if session.is_closed() {
            return Poll::Ready(());
        }
        if was_full && driver.has_room() {
            continue;
        }
        if session.takes_conversation() {
            if let Some(conversation) = driver.hand_over() {
                driver.take_back(session.give(conversation));
            }
            return Poll::Ready(());
        }
        return Poll::Pending;
    }
}

/// Answers a request that polls.
pub(super) async fn poll(session: Session, parts: Parts) -> Response {
    let ticket = match session.begin_poll() {
        Ok(ticket) => ticket,
        Err(answer) => return answer.into(),
    };
    let mut request = Pending::new(session.clone(), ticket, false);
    let (mut draining, mut gone) = (pin!(parts.draining()), pin!(parts.closed()));
    let content = poll_fn(|cx| {
        if gone.as_mut().poll(cx).is_ready() {
            session.give_up(ticket);
        }
        if draining.as_mut().poll(cx).is_ready() {
            session.close(CloseReason::ServerShuttingDown);
        }
        session.poll_payload(ticket, cx)
    });
    let content = content.await;
    request.end();
    Answer::Payload(content).into()
}

/// Answers a request that brings packets.
pub(super) async fn post(session: Session, parts: Parts, body: Body) -> Response {
    let ticket = match session.begin_post() {
        Ok(ticket) => ticket,
        Err(answer) => return answer.into(),
    };
    let mut request = Pending::new(session.clone(), ticket, true);
    if !is_text(&parts) {
        session.close(CloseReason::ParseError);
        return refuse(&session.0.shared, RequestError::BadRequest);
    }
    let config = session.0.shared.config();
    let content = match collect(body, config.max_payload, config.max_packets).await {
        Ok(Some(content)) => content,
        Ok(None) => {
            session.close(CloseReason::ParseError);
            return refuse(&session.0.shared, RequestError::BadRequest);
        }
        Err(BodyError::TooLarge) => {
            session.close(CloseReason::PayloadTooLarge);
            let refusal = refuse(&session.0.shared, RequestError::BadRequest);
            return refusal.with_status(StatusCode::PAYLOAD_TOO_LARGE);
        }
        Err(error) => {
            let refusal = refuse(&session.0.shared, RequestError::BadRequest);
            return refusal.with_status(error.status());
        }
    };
    let Ok(packets) = payload::decode(content, config.max_packets) else {
        session.close(CloseReason::ParseError);
        return refuse(&session.0.shared, RequestError::BadRequest);
    };
    if !session.receive_posted(packets) {
        // It had ended while this came.
        return refuse(&session.0.shared, RequestError::BadRequest);
    }
    poll_fn(|cx| session.poll_taken(cx)).await;
    request.end();
    Answer::Ok.into()
}

/// All of the content, if that is not too much; nothing when it is no payload, which shows before all of it has come.
async fn collect(mut body: Body, most: usize, packets: usize) -> Result<Option<Bytes>, BodyError> {
    if body.len().is_some_and(|len| len > most as u64) {
        return Err(BodyError::TooLarge);
    }
    if let Some(content) = body.take_full() {
        return Ok(Some(content));
    }
    let mut scan = Scan::new(packets);
    let mut content = BytesMut::new();
    while let Some(chunk) = body.chunk().await {
        let chunk = chunk?;
        if content.len() + chunk.len() > most {
            return Err(BodyError::TooLarge);
        }
        if scan.push(&chunk).is_err() {
            return Ok(None);
        }
        content.extend_from_slice(&chunk);
        body.keep(content.len());
    }
    Ok(Some(content.freeze()))
}

fn refusal(session: &Session, refused: Refused) -> Answer {
    let error = match refused {
        Refused::Closed => RequestError::UnknownSid,
        Refused::Transport | Refused::Overlap => RequestError::BadRequest,
    };
    session.0.shared.count_refused(error);
    Answer::Refused(error)
}

/// Whether the content is text in UTF-8, as far as the request says.
fn is_text(parts: &Parts) -> bool {
    let Some(field) = parts.headers().get(CONTENT_TYPE) else {
        return true;
    };
    let Some(kind) = MediaType::parse(field.as_bytes()) else {
        return false;
    };
    let charset = kind.parameter("charset");
    !kind.is("application", "octet-stream")
        && charset.is_none_or(|charset| charset.eq_ignore_ascii_case("utf-8"))
}

/// A request that is being answered. Dropped before its end it ends the session: its client has gone.
struct Pending {
    session: Session,
    ticket: Ticket,
    is_post: bool,
    is_answered: bool,
}

impl Pending {
    const fn new(session: Session, ticket: Ticket, is_post: bool) -> Self {
        Self {
            session,
            ticket,
            is_post,
            is_answered: false,
        }
    }

    const fn end(&mut self) {
        self.is_answered = true;
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        let mut state = self.session.lock();
        if self.is_post {
            state.core.end_post(self.ticket, self.is_answered);
        } else {
            state.core.end_poll(self.ticket, self.is_answered);
        }
        self.session.settle(state);
    }
}

impl Session {
    fn begin_poll(&self) -> Result<Ticket, Answer> {
        let mut state = self.lock();
        if state.lingers() {
            // It has ended: this one is told, what was sent before first.
            let is_last = state.has_nothing();
            let farewell = state.farewell(self.0.shared.config().max_packets_per_poll);
            drop(state);
            if is_last {
                self.stop_lingering();
            }
            return Err(Answer::Payload(farewell));
        }
        let begun = state.core.begin_poll();
        self.settle(state);
        begun.map_err(|refused| refusal(self, refused))
    }

    /// The client of this poll has gone.
    fn give_up(&self, ticket: Ticket) {
        let mut state = self.lock();
        state.core.end_poll(ticket, false);
        self.settle(state);
    }

    fn begin_post(&self) -> Result<Ticket, Answer> {
        let mut state = self.lock();
        let begun = state.core.begin_post();
        self.settle(state);
        begun.map_err(|refused| refusal(self, refused))
    }

    /// What a poll is answered with.
    fn poll_payload(&self, ticket: Ticket, cx: &Context<'_>) -> Poll<Content> {
        let mut state = self.lock();
        let config = self.0.shared.config();
        let most = config.max_packets_per_poll;
        let content = if state.core.closed().is_some() {
            Some(state.farewell(most))
        } else if state.core.transport() == Transport::WebSocket {
            Some(Content::NOTHING)
        } else if let Some(content) = state.take_payload(config.max_payload, most) {
            Some(content)
        } else {
            (state.core.is_upgrading()).then_some(Content::NOTHING)
        };
        if let Some(content) = content {
            state.core.end_poll(ticket, true);
            drop(state);
            return Poll::Ready(content);
        }
        if let Some(polling) = &mut state.polling {
            polling.poll = Some(cx.waker().clone());
        }
        Poll::Pending
    }

    /// Takes what a POST has brought; `false` when the session had ended before.
    fn receive_posted(&self, packets: Vec<Packet>) -> bool {
        let shared = &self.0.shared;
        let now = shared.now();
        let mut state = self.lock();
        if state.core.closed().is_some() {
            return false;
        }
        let due = state.core.poll_timeout();
        let mut messages = VecDeque::with_capacity(packets.len());
        let mut ends = false;
        for packet in packets {
            // What came before the end is heard before it.
            let is_polled = state.core.transport() == Transport::Polling;
            if is_polled && packet == Packet::Close && !messages.is_empty() {
                ends = true;
                break;
            }
            match state.core.receive_posted(packet, shared.times, now) {
                Received::Message(data) => messages.push_back(data),
                Received::Closed(_) => break,
                _ => {}
            }
        }
        let has_task_to_do = self.is_due_earlier(&state, due) || !messages.is_empty();
        if let Some(polling) = &mut state.polling {
            polling.inbox.append(&mut messages);
            polling.ends |= ends;
        }
        self.settle(state);
        if has_task_to_do {
            self.wake();
        }
        true
    }

    /// Ready when the conversation has done with what came, or never will be: the client may end the session as soon as it is told.
    fn poll_taken(&self, cx: &Context<'_>) -> Poll<()> {
        let mut state = self.lock();
        let is_closed = state.core.closed().is_some();
        match &mut state.polling {
            Some(polling) if !is_closed && (polling.is_taking || !polling.inbox.is_empty()) => {
                polling.post = Some(cx.waker().clone());
                Poll::Pending
            }
            _ => Poll::Ready(()),
        }
    }

    /// The next message that a POST has brought.
    pub(super) fn next_posted(&self) -> Option<Data> {
        let mut state = self.lock();
        let polling = state.polling.as_mut()?;
        let data = polling.inbox.pop_front();
        polling.is_taking = data.is_some();
        data
    }

    /// The conversation has done with it.
    pub(super) fn end_taking(&self) {
        let shared = &self.0.shared;
        let mut state = self.lock();
        let Some(polling) = &mut state.polling else {
            return;
        };
        polling.is_taking = false;
        if !polling.inbox.is_empty() {
            return;
        }
        let (waker, ends) = (polling.post.take(), std::mem::take(&mut polling.ends));
        if ends {
            (state.core).receive_posted(Packet::Close, shared.times, shared.now());
        }
        self.settle(state);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Whether a WebSocket waits for the conversation, and nothing is left to do before.
    fn takes_conversation(&self) -> bool {
        let state = self.lock();
        let polling = state.polling.as_ref();
        state.sender.is_some() && polling.is_some_and(|polling| polling.inbox.is_empty())
    }

    /// Gives the conversation to the WebSocket that waits for it; gives it back when the session has ended.
    fn give(&self, conversation: Box<dyn Conversation>) -> Option<Box<dyn Conversation>> {
        let mut state = self.lock();
        if state.core.closed().is_some() {
            return Some(conversation);
        }
        let Some(polling) = &mut state.polling else {
            return Some(conversation);
        };
        polling.handover = Some(conversation);
        let upgrade = polling.upgrade.take();
        drop(state);
        if let Some(upgrade) = upgrade {
            upgrade.wake();
        }
        None
    }

    fn lingers(&self) -> bool {
        self.lock().lingers()
    }

    /// Its client has been told of its end, or is not to be any more.
    fn stop_lingering(&self) {
        let mut state = self.lock();
        state.core.give_up_upgrade();
        let upgrade = state.polling.as_mut().and_then(|polling| {
            polling.lingers = false;
            polling.upgrade.take()
        });
        self.0.shared.forget(&self.0.sid);
        Self::wake_task(state);
        if let Some(upgrade) = upgrade {
            upgrade.wake();
        }
    }
}

/// How long a session that has ended waits for the poll that is told so.
const LINGER: Duration = Duration::from_secs(30);
