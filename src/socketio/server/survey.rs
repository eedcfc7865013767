//! What there is, for those who watch.

use super::SocketIo;
use super::space::SEPARATOR;
use bytestring::ByteString;

/// The rooms with most sockets, and how many rooms there are.
///
/// ```
/// use wireline::socketio::server::SocketIo;
///
/// let io = SocketIo::new();
/// let largest = io.largest_rooms(10);
/// assert_eq!((largest.count, largest.rooms.len()), (0, 0));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct LargestRooms {
    /// How many rooms of all namespaces somebody on this node is in.
    pub count: usize,
    /// Those with most sockets, the largest first.
    pub rooms: Vec<RoomSize>,
}

/// How many sockets of this node are in a room.
///
/// ```
/// use wireline::socketio::server::{RoomSize, SocketIo};
///
/// fn line(size: &RoomSize) -> String {
///     format!("{} in {} of {}", size.sockets, size.room, size.namespace)
/// }
///
/// let lines: Vec<String> = SocketIo::new().largest_rooms(10).rooms.iter().map(line).collect();
/// assert!(lines.is_empty());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RoomSize {
    /// The name of its namespace.
    pub namespace: ByteString,
    /// Its name.
    pub room: ByteString,
    /// How many sockets are in it.
    pub sockets: usize,
}

impl SocketIo {
    /// The rooms of this node with most sockets, not more than `most` of them. The rooms that each socket is alone in, by its id, are
    /// none of them.
    ///
    /// ```
    /// use wireline::socketio::server::SocketIo;
    ///
    /// let io = SocketIo::new();
    /// assert_eq!(io.largest_rooms(10).count, 0);
    /// ```
    pub fn largest_rooms(&self, most: usize) -> LargestRooms {
        let spaces = self.spaces().all();
        let hub = &self.spaces().core.hub;
        // Each namespace with sockets is a topic as well.
        let others = spaces.iter().filter(|space| space.len() > 0).count();
        let largest = hub.largest(most.saturating_add(spaces.len()));
        let rooms = largest.iter().filter_map(|(topic, sockets)| {
            let (namespace, room) = topic.as_str().split_once(SEPARATOR)?;
            (!room.is_empty() && *sockets > 0).then(|| RoomSize {
                namespace: namespace.into(),
                room: room.into(),
                sockets: *sockets,
            })
        });
        LargestRooms {
            count: hub.len().saturating_sub(others),
            rooms: rooms.take(most).collect(),
        }
    }
}
