//! Every transition of an HTTP/1.1 connection, in one file.
//!
//! A connection is two halves that meet: the request that is read and the response that is written.
//!
//! ```text
//!  request   Idle --head--> Body --end--> Done          (head without a body: Idle --> Done)
//!  response  Idle --head--> AwaitingFinal --1xx--> AwaitingFinal --final--> Body --end--> Done
//!
//!  both Done, persistent ------- next cycle ------> both Idle
//!  a refused message, `close`, HTTP/1.0 ----------> MustClose: one answer at most, then Closed
//!  101, or 2xx to CONNECT, request Done ----------> Switched: the octets are another protocol's
//! ```
//!
//! Two rules. Everything that moves the state lives here; and nobody asks the state "may I", they
//! apply a [`Transition`] and get an error when it was not legal.

use crate::http1::error::IllegalTransition;

/// The half that is read.
///
/// ```
/// use wireline::http1::state::{RequestHalf, State, Transition};
///
/// let mut state = State::default();
/// assert_eq!(state.request, RequestHalf::Idle);
/// state.apply(Transition::RequestHead { body: true, persistent: true })?;
/// assert_eq!(state.request, RequestHalf::Body);
/// state.apply(Transition::RequestEnd)?;
/// assert_eq!(state.request, RequestHalf::Done);
/// # Ok::<(), wireline::http1::error::IllegalTransition>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RequestHalf {
    /// No octet of a request line was accepted yet.
    #[default]
    Idle,
    /// The head was accepted, content follows.
    Body,
    /// The message has ended.
    Done,
}

/// The half that is written.
///
/// ```
/// use wireline::http1::state::{ResponseHalf, State, Transition};
///
/// let mut state = State::default();
/// state.apply(Transition::RequestHead { body: true, persistent: true })?;
/// // It may be answered before its content is there.
/// assert_eq!(state.response, ResponseHalf::AwaitingFinal);
/// state.apply(Transition::Interim)?;
/// state.apply(Transition::Final { body: false, persistent: true })?;
/// assert_eq!(state.response, ResponseHalf::Done);
/// # Ok::<(), wireline::http1::error::IllegalTransition>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ResponseHalf {
    /// There is nothing to answer.
    #[default]
    Idle,
    /// A request waits for its final response; interim ones may be sent.
    AwaitingFinal,
    /// The final head was sent, content follows.
    Body,
    /// The response has ended.
    Done,
}

/// What both halves share.
///
/// ```
/// use wireline::http1::state::{Life, State, Transition};
///
/// let mut state = State::default();
/// // The client says `Connection: close`.
/// state.apply(Transition::RequestHead { body: false, persistent: false })?;
/// assert_eq!(state.life, Life::MustClose);
/// # Ok::<(), wireline::http1::error::IllegalTransition>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Life {
    /// Another message may follow this one.
    #[default]
    Persistent,
    /// The connection closes after this response.
    MustClose,
    /// Nothing is read or written any more.
    Closed,
    /// Another protocol owns the connection.
    Switched,
}

/// Where a connection stands.
///
/// ```
/// use wireline::http1::state::{State, Transition};
///
/// let mut state = State::default();
/// state.apply(Transition::RequestHead { body: false, persistent: true })?;
/// state.apply(Transition::Final { body: true, persistent: true })?;
/// assert!(!state.is_cycle_complete());
/// state.apply(Transition::ResponseEnd)?;
/// assert!(state.is_cycle_complete());
/// state.apply(Transition::NextCycle)?;
/// assert_eq!(state, State::default());
/// # Ok::<(), wireline::http1::error::IllegalTransition>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct State {
    /// The half that is read.
    pub request: RequestHalf,
    /// The half that is written.
    pub response: ResponseHalf,
    /// What both share.
    pub life: Life,
}

/// What can happen to a connection.
///
/// ```
/// use wireline::http1::state::{State, Transition};
///
/// // A second head is not read before the first request is answered.
/// let mut state = State::default();
/// let head = Transition::RequestHead { body: false, persistent: true };
/// assert!(state.apply(head).is_ok());
/// assert!(state.apply(head).is_err());
/// // What is refused may be answered once, and is the end.
/// assert!(state.apply(Transition::Refuse).is_ok());
/// assert!(state.apply(Transition::Final { body: false, persistent: true }).is_ok());
/// assert!(state.apply(Transition::NextCycle).is_err());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transition {
    /// A request head was accepted.
    RequestHead {
        /// Whether content follows.
        body: bool,
        /// Whether the client lets the connection persist.
        persistent: bool,
    },
    /// The request's content has ended.
    RequestEnd,
    /// No request after the present one is answered.
    LastRequest,
    /// The message is refused: nothing more is read, one error response may be sent.
    Refuse,
    /// An interim response (1xx but 101) was sent.
    Interim,
    /// The head of the final response was sent.
    Final {
        /// Whether content follows.
        body: bool,
        /// Whether we let the connection persist.
        persistent: bool,
    },
    /// 101, or a 2xx response to CONNECT, was sent.
    Switch,
    /// The response's content has ended.
    ResponseEnd,
    /// The next request may be read.
    NextCycle,
    /// The peer will send nothing more.
    PeerClosed,
    /// The connection is over, whatever it was doing.
    Close,
}

impl State {
    /// Applies a transition, or leaves the state alone and says that it was not legal.
    ///
    /// # Errors
    ///
    /// [`IllegalTransition`] when the present state does not allow it.
    #[inline]
    pub fn apply(&mut self, transition: Transition) -> Result<(), IllegalTransition> {
        use Life::{Closed, MustClose, Persistent, Switched};
        use RequestHalf as Req;
        use ResponseHalf as Res;
        if matches!(self.life, Closed | Switched) {
            // RFC 9110 §7.8: after a switch this protocol has no say; Close is how its owner ends it.
            if transition != Transition::Close {
                return Err(IllegalTransition);
            }
            self.life = Closed;
            return Ok(());
        }
        *self = match (transition, self.request, self.response) {
            (Transition::RequestHead { body, persistent }, Req::Idle, Res::Idle)
                if self.life == Persistent =>
            {
                Self {
                    request: if body { Req::Body } else { Req::Done },
                    response: Res::AwaitingFinal,
                    life: if persistent { Persistent } else { MustClose },
                }
            }
            (Transition::RequestEnd, Req::Body, response) => Self {
                request: Req::Done,
                response,
                life: self.life,
            },
            // RFC 9112 §9.6: the response says so, which is why it must not have begun.
            (Transition::LastRequest, request, Res::AwaitingFinal) => Self {
                request,
                response: Res::AwaitingFinal,
                life: MustClose,
            },
            // A fault in the head has no response half yet; a fault in the body meets whatever was sent.
            (Transition::Refuse, Req::Idle, Res::Idle) => Self {
                request: Req::Done,
                response: Res::AwaitingFinal,
                life: MustClose,
            },
            (Transition::Refuse, Req::Body | Req::Done, response) if response != Res::Idle => {
                Self {
                    request: Req::Done,
                    response,
                    life: MustClose,
                }
            }
            (Transition::Interim, _, Res::AwaitingFinal) => *self,
            (Transition::Final { body, persistent }, request, Res::AwaitingFinal) => Self {
                request,
                response: if body { Res::Body } else { Res::Done },
                life: if persistent { self.life } else { MustClose },
            },
            // RFC 9110 §7.8: the answer first, the new protocol after it, and only when the request has ended.
            (Transition::Switch, Req::Done, Res::AwaitingFinal) => Self {
                request: Req::Done,
                response: Res::Done,
                life: Switched,
            },
            (Transition::ResponseEnd, request, Res::Body) => Self {
                request,
                response: Res::Done,
                life: self.life,
            },
            (Transition::NextCycle, Req::Done, Res::Done) if self.life == Persistent => {
                Self::default()
            }
            // RFC 9112 §9.5: a half-close between messages ends the connection, inside a request makes it
            // incomplete, after a whole request leaves the answer to be sent.
            (Transition::PeerClosed, Req::Idle | Req::Body, response) => Self {
                request: self.request,
                response,
                life: Closed,
            },
            (Transition::PeerClosed, Req::Done, response) => Self {
                request: Req::Done,
                response,
                life: MustClose,
            },
            (Transition::Close, request, response) => Self {
                request,
                response,
                life: Closed,
            },
            _ => return Err(IllegalTransition),
        };
        Ok(())
    }

    /// Whether the next request may be read once [`Transition::NextCycle`] is applied.
    #[inline]
    pub fn is_cycle_complete(self) -> bool {
        self.request == RequestHalf::Done && self.response == ResponseHalf::Done
    }
}

#[cfg(test)]
mod tests;
