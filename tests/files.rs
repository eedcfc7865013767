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
#[path = "support/outside.rs"]
mod outside;
#[path = "files/scene.rs"]
mod scene;
#[path = "files/serving.rs"]
mod serving;
#[path = "../examples/static_site.rs"]
#[expect(dead_code, reason = "the test has a server of its own")]
mod static_site;
#[path = "support/traversals.rs"]
mod traversals;
