//! Static files (S117-S120, D21), over HTTP/1.1 and HTTP/2 in process: what is served and with which fields, what is refused, what becomes of
//! files that change while they are sent.

#[path = "files/changes.rs"]
mod changes;
#[path = "files/conditions.rs"]
mod conditions;
#[path = "files/escapes.rs"]
mod escapes;
#[path = "support/h2_peer.rs"]
mod h2_peer;
#[path = "files/scene.rs"]
mod scene;
#[path = "files/serving.rs"]
mod serving;
#[path = "support/traversals.rs"]
mod traversals;
