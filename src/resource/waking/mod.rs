//! What tasks wait for each other with: tokio's, or models of both that loom sees into.
#![allow(unused_imports, reason = "features decide which are used")]

#[cfg(all(test, wireline_loom))]
mod notify;
#[cfg(all(test, wireline_loom))]
pub(crate) mod oneshot;

#[cfg(all(test, wireline_loom))]
pub(crate) use self::notify::Notify;
#[cfg(not(all(test, wireline_loom)))]
pub(crate) use tokio::sync::{Notify, oneshot};
