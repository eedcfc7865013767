//! Engine.IO as its clients see it: each clause of the contract over real sockets.

#[path = "support/h2_peer.rs"]
mod h2_peer;
#[path = "socketio_engine/peer.rs"]
mod peer;

#[path = "socketio_engine/compression.rs"]
mod compression;
#[path = "socketio_engine/limits.rs"]
mod limits;
#[path = "socketio_engine/polling.rs"]
mod polling;
#[path = "socketio_engine/upgrade.rs"]
mod upgrade;
#[path = "socketio_engine/websocket.rs"]
mod websocket;
