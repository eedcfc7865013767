//! The locks and counters of the hub: those of the standard library, or those of loom, which tries the orders in which
//! threads may come to them.

#[cfg(all(test, wireline_loom))]
pub(crate) use loom::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize};
#[cfg(all(test, wireline_loom))]
pub(crate) use loom::sync::{Mutex, MutexGuard};
#[cfg(not(all(test, wireline_loom)))]
pub(crate) use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize};
#[cfg(not(all(test, wireline_loom)))]
pub(crate) use std::sync::{Mutex, MutexGuard};
