//! The Socket.IO server, in process, with clients that speak packet by packet.

#[path = "socketio_server/admin.rs"]
mod admin;
#[path = "socketio_server/edges.rs"]
mod edges;
#[path = "socketio_server/events.rs"]
mod events;
#[path = "socketio_server/namespaces.rs"]
mod namespaces;
#[path = "socketio_server/order.rs"]
mod order;
#[path = "socketio_server/peer.rs"]
mod peer;
#[path = "socketio_server/recovery.rs"]
mod recovery;
#[path = "socketio_server/rooms.rs"]
mod rooms;
#[path = "socketio_server/transports.rs"]
mod transports;
