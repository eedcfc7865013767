//! The three phases of a worker's life.

/// What a worker is doing.
///
/// ```
/// use std::sync::Arc;
/// use wireline::resource::budget::Budget;
/// use wireline::resource::worker::{Phase, Worker};
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
/// let worker = Worker::start(Arc::new(Budget::new(1 << 20)));
/// assert_eq!(worker.phase(), Phase::Running);
/// worker.enter(Phase::Draining);
/// // There is no way back.
/// worker.enter(Phase::Running);
/// assert_eq!(worker.phase(), Phase::Draining);
/// # });
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// Serving.
    Running,
    /// Finishing what was begun: the next response of each connection says `Connection: close`.
    Draining,
    /// The drain deadline has passed: every connection ends now.
    Forced,
}
