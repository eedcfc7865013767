//! Three nodes of a cluster as processes, each with a proxy of its own before one real broker; subscribers and publishers on all of
//! them, and what holds what came against what was published.
//!
//! With a history that the nodes share, some readers wander besides: from node to node, with the epoch and the offset of what they had.
//!
//! Whoever includes this includes `brokers.rs` and `fault_proxy.rs` beside it.

#![allow(dead_code, reason = "not everybody who includes this uses all of it")]

mod clock;
mod node;
mod publisher;
mod scene;
mod subscriber;
mod verdict;
mod wanderer;

pub(crate) use self::clock::Clock;
pub(crate) use self::node::Node;
#[allow(unused_imports, reason = "not everybody who includes this names it")]
pub(crate) use self::scene::Judgement;
pub(crate) use self::scene::{NODES, Plan, Scene};
#[allow(unused_imports, reason = "not everybody who includes this opens one")]
pub(crate) use self::subscriber::open;

/// What cannot be gone on with.
pub(crate) type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Whose broker it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Redis,
    Nats,
}

impl Kind {
    /// What its URLs begin with.
    pub(crate) const fn scheme(self) -> &'static str {
        match self {
            Self::Redis => "redis",
            Self::Nats => "nats",
        }
    }
}
