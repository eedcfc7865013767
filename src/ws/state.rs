//! Every transition of the closing handshake (RFC 6455 §7.1).
//!
//! ```text
//!            send Close                    receive Close
//!   Open ----------------> LocalClosing ------------------+
//!    |                        |                           v
//!    |                        +--- fail, peer gone -->  Closed
//!    |                        |                           ^
//!    +---- receive Close --> RemoteClosing --- send Close-+
//! ```
//!
//! CONNECTING is not here: the opening handshake is HTTP's, and has its own file.

use std::fmt;

/// Where a connection stands.
///
/// ```
/// use wireline::ws::state::{State, Transition};
///
/// let mut state = State::default();
/// state.apply(Transition::ReceiveClose).unwrap();
/// assert!(!state.is_receiving() && !state.is_open(), "nothing goes but our own Close");
/// state.apply(Transition::SendClose).unwrap();
/// assert_eq!(state, State::Closed { clean: true });
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum State {
    /// Messages go both ways.
    #[default]
    Open,
    /// Our Close was sent; messages are still received until the peer's comes.
    LocalClosing,
    /// The peer's Close came; ours is still to be sent, and nothing before it.
    RemoteClosing,
    /// Nothing is sent or received any more.
    Closed {
        /// Whether a Close went each way.
        clean: bool,
    },
}

/// What can happen to a connection.
///
/// ```
/// use wireline::ws::state::{State, Transition};
///
/// let mut state = State::LocalClosing;
/// state.apply(Transition::Gone).unwrap();
/// assert_eq!(state, State::Closed { clean: false }, "the peer left without its Close");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transition {
    /// Our Close was sent.
    SendClose,
    /// The peer's Close came.
    ReceiveClose,
    /// The peer broke the protocol, or a limit (RFC 6455 §7.1.7).
    Fail,
    /// The transport has ended, or was ended.
    Gone,
}

/// The present state does not allow the transition: a fault of the caller.
///
/// ```
/// use wireline::ws::state::{IllegalTransition, State, Transition};
///
/// let mut state = State::LocalClosing;
/// assert_eq!(state.apply(Transition::SendClose), Err(IllegalTransition), "a second Close");
/// assert_eq!(state, State::LocalClosing);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IllegalTransition;

impl fmt::Display for IllegalTransition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not allowed in the closing handshake's present state")
    }
}

impl std::error::Error for IllegalTransition {}

impl State {
    /// Applies a transition, or leaves the state alone and says that it was not legal.
    ///
    /// # Errors
    ///
    /// [`IllegalTransition`] when the present state does not allow it.
    pub const fn apply(&mut self, transition: Transition) -> Result<(), IllegalTransition> {
        *self = match (transition, *self) {
            (Transition::SendClose, Self::Open) => Self::LocalClosing,
            (Transition::ReceiveClose, Self::Open) => Self::RemoteClosing,
            (Transition::SendClose, Self::RemoteClosing)
            | (Transition::ReceiveClose, Self::LocalClosing) => Self::Closed { clean: true },
            // RFC 6455 §7.1.7: a failed connection reads nothing more, and need not wait for anything.
            (Transition::Fail, Self::Open | Self::LocalClosing) => Self::Closed { clean: false },
            (Transition::Gone, Self::Open | Self::LocalClosing | Self::RemoteClosing) => {
                Self::Closed { clean: false }
            }
            (Transition::Gone, Self::Closed { clean }) => Self::Closed { clean },
            _ => return Err(IllegalTransition),
        };
        Ok(())
    }

    /// Whether frames of the peer are still read.
    #[inline]
    pub const fn is_receiving(self) -> bool {
        matches!(self, Self::Open | Self::LocalClosing)
    }

    /// Whether messages may be sent.
    #[inline]
    pub const fn is_open(self) -> bool {
        matches!(self, Self::Open)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_whole_table() {
        use State::{Closed, LocalClosing, Open, RemoteClosing};
        use Transition::{Fail, Gone, ReceiveClose, SendClose};
        const CLEAN: State = Closed { clean: true };
        const FOUL: State = Closed { clean: false };
        let table = [
            (
                Open,
                [
                    Some(LocalClosing),
                    Some(RemoteClosing),
                    Some(FOUL),
                    Some(FOUL),
                ],
            ),
            (LocalClosing, [None, Some(CLEAN), Some(FOUL), Some(FOUL)]),
            (RemoteClosing, [Some(CLEAN), None, None, Some(FOUL)]),
            (CLEAN, [None, None, None, Some(CLEAN)]),
            (FOUL, [None, None, None, Some(FOUL)]),
        ];
        for (from, row) in table {
            for (transition, to) in [SendClose, ReceiveClose, Fail, Gone].into_iter().zip(row) {
                let mut state = from;
                let result = state.apply(transition);
                assert_eq!(result.is_ok(), to.is_some(), "{from:?} {transition:?}");
                assert_eq!(state, to.unwrap_or(from), "{from:?} {transition:?}");
            }
        }
    }
}
