//! Locks, atomics and fences: those of the standard library, or those of loom, which tries the orders in which threads may
//! come to them.
//!
//! What threads share by more than one lock that is taken and given back has them from here, and a model beside it, in
//! `interleavings.rs`; `tests/loom.sh` runs those. ARCHITECTURE.md lists what is shared, and why it is right.
#![allow(unused_imports, reason = "features decide which are used")]

#[cfg(all(test, wireline_loom))]
mod model;
#[cfg(all(test, wireline_loom))]
mod once;
mod order;

pub(crate) use self::order::said_before_asked;
#[cfg(all(test, wireline_loom))]
pub(crate) use self::{model::model, once::OnceLock};
#[cfg(all(test, wireline_loom))]
pub(crate) use loom::sync::atomic::{
    AtomicBool, AtomicU8, AtomicU32, AtomicU64, AtomicUsize, fence,
};
#[cfg(all(test, wireline_loom))]
pub(crate) use loom::sync::{Mutex, MutexGuard};
#[cfg(not(all(test, wireline_loom)))]
pub(crate) use std::sync::atomic::{
    AtomicBool, AtomicU8, AtomicU32, AtomicU64, AtomicUsize, fence,
};
#[cfg(not(all(test, wireline_loom)))]
pub(crate) use std::sync::{Mutex, MutexGuard, OnceLock};
