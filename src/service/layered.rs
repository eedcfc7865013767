//! The one future that all layers of a route share.

use crate::resource::panic::{forget, guarded};
use crate::service::handler::ResponseFuture;
use crate::service::layer::{Before, Layer, Note, Waiting};
use crate::service::middleware::{Chain, Next};
use crate::service::request::Request;
use crate::service::response::Response;
use std::any::Any;
use std::panic::resume_unwind;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

/// A request on its way in through the layers, or its response on its way out.
pub(crate) struct Layered {
    /// Dropped before the notes: what a layer keeps for a request outlives its handler.
    state: State,
    /// One for each layer that has seen the request.
    notes: Vec<Note>,
    chain: Arc<Chain>,
}

enum State {
    /// Further in.
    Inside(ResponseFuture),
    /// The layer of the last note waits.
    Waiting(Request, Waiting),
    /// A layer answered by itself.
    Answered(Option<Response>),
    /// Something further in panicked before there was a future.
    Panicked(Box<dyn Any + Send>),
}

/// A panic inside layers, with what they made of the response to it: 500 with their fields, so that a browser may read it
/// and its request has its id. Whoever catches the panic counts it and answers with that.
pub(crate) struct Panicked {
    payload: Box<dyn Any + Send>,
    response: Response,
}

impl Panicked {
    /// Goes on with a panic, and says what is to be answered.
    pub(crate) fn resume(payload: Box<dyn Any + Send>, response: Response) -> ! {
        resume_unwind(Box::new(Self { payload, response }))
    }

    /// What a handler panicked with, and the response of the layers around it, if there were any.
    pub(crate) fn split(payload: Box<dyn Any + Send>) -> (Box<dyn Any + Send>, Option<Response>) {
        match payload.downcast::<Self>() {
            Ok(panicked) => (panicked.payload, Some(panicked.response)),
            Err(payload) => (payload, None),
        }
    }
}

impl Layered {
    /// Takes the request through the layers as far as it goes without waiting.
    pub(crate) fn start(chain: Arc<Chain>, request: Request) -> Self {
        let mut me = Self {
            notes: Vec::with_capacity(chain.layers.len()),
            chain,
            state: State::Answered(None),
        };
        if let Err(payload) = guarded(|| me.enter(request)) {
            me.state = State::Panicked(payload);
        }
        me
    }

    /// Takes the request through the layers that have not seen it yet, and then further in.
    fn enter(&mut self, mut request: Request) {
        while let Some(layer) = self.chain.layers.get(self.notes.len()) {
            let mut note = Note::Empty;
            match layer.before(&mut request, &mut note) {
                Before::Go => self.notes.push(note),
                Before::Answer(response) => {
                    self.state = State::Answered(Some(response));
                    return;
                }
                Before::Wait(waiting) => {
                    self.notes.push(note);
                    self.state = State::Waiting(request, waiting);
                    return;
                }
            }
        }
        let next = Next::new(self.chain.clone());
        if is_surrounded(&self.chain, &self.notes) {
            let mut arguments = Some((next, request));
            let mut begun = None;
            surround(&self.chain.layers, &self.notes, &mut || {
                if let Some((next, request)) = arguments.take() {
                    begun = Some(next.start(request));
                }
            });
            self.state = begun.map_or(State::Answered(None), State::Inside);
        } else {
            self.state = State::Inside(next.start(request));
        }
    }

    fn poll_inside(&mut self, cx: &mut Context<'_>) -> Poll<Response> {
        loop {
            if let State::Panicked(_) = self.state
                && let State::Panicked(payload) =
                    std::mem::replace(&mut self.state, State::Answered(None))
            {
                // Inside the layers that have seen the request, as any other panic is.
                let mut payload = Some(payload);
                surround(&self.chain.layers, &self.notes, &mut || {
                    if let Some(payload) = payload.take() {
                        resume_unwind(payload);
                    }
                });
            }
            match &mut self.state {
                State::Panicked(_) => {}
                State::Answered(response) => {
                    return Poll::Ready(response.take().unwrap_or_else(Response::internal_error));
                }
                State::Inside(future) => {
                    let polled = surrounded(&self.chain, &self.notes, || future.as_mut().poll(cx));
                    return match polled {
                        Poll::Ready(response) => Poll::Ready(response),
                        Poll::Pending => self.poll_instead(cx),
                    };
                }
                State::Waiting(request, waiting) => {
                    match surrounded(&self.chain, &self.notes, || waiting.poll(cx)) {
                        Poll::Pending => return self.poll_instead(cx),
                        Poll::Ready(Ok(mut note)) => {
                            let mut request = std::mem::take(request);
                            if let Some(place) = self.notes.len().checked_sub(1) {
                                self.chain.layers[place].resume(&mut request, &mut note);
                                self.notes[place] = note;
                            }
                            self.enter(request);
                        }
                        Poll::Ready(Err(response)) => {
                            self.notes.pop();
                            return Poll::Ready(response);
                        }
                    }
                }
            }
        }
    }

    /// Whether a layer ends the wait with a response of its own; those inside it do not see it.
    fn poll_instead(&mut self, cx: &mut Context<'_>) -> Poll<Response> {
        for (place, layer) in self.chain.layers.iter().enumerate() {
            if let Some(note) = self.notes.get_mut(place)
                && let Poll::Ready(response) = layer.poll_instead(note, cx)
            {
                self.notes.truncate(place + 1);
                return Poll::Ready(response);
            }
        }
        Poll::Pending
    }
}

impl Future for Layered {
    type Output = Response;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Response> {
        let me = &mut *self;
        let (mut response, panicked) = match guarded(|| me.poll_inside(cx)) {
            Ok(Poll::Pending) => return Poll::Pending,
            Ok(Poll::Ready(response)) => (response, None),
            Err(payload) => (Response::internal_error(), Some(payload)),
        };
        // Nothing of the handler outlives its response, and a value that it captured may panic when it is dropped.
        let inside = std::mem::replace(&mut me.state, State::Answered(None));
        let dropped = guarded(|| drop(inside));
        let mut panicked = panicked;
        let mut tell = |payload| match &panicked {
            None => panicked = Some(payload),
            Some(_) => forget(payload),
        };
        dropped.unwrap_or_else(&mut tell);
        // Those that count and log see what the client gets.
        response.settle();
        for (layer, note) in me.chain.layers.iter().zip(&mut me.notes).rev() {
            // What the layers outside have to say does not depend on this one.
            if let Err(payload) = guarded(|| layer.after(note, &mut response)) {
                tell(payload);
                response = Response::internal_error();
            }
            response.settle();
        }
        match panicked {
            None => Poll::Ready(response),
            Some(payload) => Panicked::resume(payload, response),
        }
    }
}

/// Whether a layer that has seen the request surrounds each poll.
fn is_surrounded(chain: &Chain, notes: &[Note]) -> bool {
    let mut seen = chain.layers.iter().zip(notes);
    seen.any(|(layer, note)| layer.surrounds(note))
}

/// Polls inside whatever the layers put around it.
fn surrounded<T>(chain: &Chain, notes: &[Note], mut poll: impl FnMut() -> Poll<T>) -> Poll<T> {
    if !is_surrounded(chain, notes) {
        return poll();
    }
    let mut polled = Poll::Pending;
    surround(&chain.layers, notes, &mut || polled = poll());
    polled
}

/// Calls `poll` inside whatever the layers put around it, the outermost first.
fn surround(layers: &[Arc<dyn Layer>], notes: &[Note], poll: &mut dyn FnMut()) {
    match (layers, notes) {
        ([layer, layers @ ..], [note, notes @ ..]) => {
            if layer.surrounds(note) {
                layer.within(note, &mut || surround(layers, notes, poll));
            } else {
                surround(layers, notes, poll);
            }
        }
        _ => poll(),
    }
}
