//! The ceilings of one WebSocket connection.

/// How much this connection reads before it is failed.
///
/// Every limit is inclusive and in octets unless its name says otherwise. Reaching one is an ordinary
/// outcome with a close code of its own.
///
/// ```
/// use wireline::ws::limits::Limits;
///
/// let limits = Limits { message: 64 * 1024, ..Limits::default() };
/// assert_eq!(limits.frame, 1024 * 1024);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The payload of one frame as its head declares it, judged before any of it is read; beyond it 1009.
    /// Default 1 MiB.
    pub frame: u64,
    /// The payload of one message, after inflating; beyond it 1009. Inflating stops there. Where parts of messages are handed on it bounds
    /// what goes through, not what is held. Default 1 MiB.
    pub message: usize,
    /// The frames of one message; beyond it 1008. Default 131,072.
    pub fragments: u32,
    /// The empty frames of one fragmented message; beyond it 1008. Default 1,024.
    pub empty_fragments: u32,
    /// The control frames that may come at once; beyond it 1008. Default 50.
    pub control_burst: u32,
    /// The control frames that may come each second in the long run. Default 10.
    pub control_per_second: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            frame: 1024 * 1024,
            message: 1024 * 1024,
            fragments: 131_072,
            empty_fragments: 1024,
            control_burst: 50,
            control_per_second: 10,
        }
    }
}
