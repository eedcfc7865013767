//! What a session that polls has beside others.

use super::Conversation;
use crate::socketio::engine::Data;
use std::collections::VecDeque;
use std::task::Waker;

/// What a session has that polls, or did.
#[derive(Default)]
pub(super) struct Polling {
    /// The id of the user who opened it: nobody else may use it.
    pub(super) user: Option<Box<str>>,
    /// What has come and waits for the conversation.
    pub(super) inbox: VecDeque<Data>,
    /// A poll that waits.
    pub(super) poll: Option<Waker>,
    /// A POST that waits until what it brought is taken.
    pub(super) post: Option<Waker>,
    /// A WebSocket that waits for the conversation.
    pub(super) upgrade: Option<Waker>,
    /// The conversation on its way from the task that polls to that of the WebSocket.
    pub(super) handover: Option<Box<dyn Conversation>>,
}
