//! Giving the listeners to another process, without closing them.
//!
//! ```text
//!   this process                                     its successor
//!   starts the program, its end of a socket
//!   pair being that one's standard input ----------> is it the child of who says so? then
//!   descriptors and places of the listeners -------> takes them where it is told to listen
//!                                       <----------- "ready", from when on it accepts
//!   tells the service manager who goes on,
//!   and drains
//! ```
//!
//! A listener is one thing in the kernel, however many processes hold it: whoever connects meanwhile waits in its queue, and is accepted by
//! either. So nobody is refused and nobody is reset, and a successor that does not become ready has cost nothing: it accepts nobody before.
//! (Where it has more workers than listeners were left, it opens more, and listens there once it is ready.) The descriptors go through the socket
//! (`SCM_RIGHTS`) and not through `exec`: no other program that this process starts at the time gets them, too.

mod alive;
mod asked;
mod error;
mod heir;
mod notify;
mod pass;
mod registry;
mod successor;

pub(super) use self::alive::look_after;
pub(super) use self::asked::Asked;
pub use self::error::SuccessorError;
pub use self::heir::announce;
pub(super) use self::heir::{is_waiting, take, turn};
pub(super) use self::registry::Registry;
pub use self::successor::Successor;
