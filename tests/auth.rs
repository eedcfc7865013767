//! Authentication: every route but public ones, over every protocol; tokens of every algorithm, and every trick with them.

#[path = "auth/example.rs"]
mod example;
#[path = "support/h2_peer.rs"]
mod h2_peer;
#[path = "auth/jwks.rs"]
mod jwks;
#[path = "auth/layer.rs"]
mod layer;
#[path = "auth/optional.rs"]
mod optional;
#[path = "auth/schemes.rs"]
mod schemes;
#[path = "auth/sockets.rs"]
mod sockets;
#[path = "auth/tricks.rs"]
mod tricks;
#[path = "support/ws_peer.rs"]
mod ws_peer;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;
use std::time::{SystemTime, UNIX_EPOCH};
use wireline::layer::auth::{AuthConfig, Tokens};

/// Thirty-two octets and more.
const SECRET: &str = "a secret of the tests, long enough";

fn tokens() -> Tokens {
    AuthConfig::new(SECRET, 3600).build().unwrap()
}

/// `Authorization: Bearer`.
fn bearer(token: &str) -> String {
    format!("Bearer {token}")
}

fn encode(octets: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(octets)
}

/// A token of this header and these claims, with the HMAC of a secret.
fn hs256(header: &Value, claims: &str, secret: &[u8]) -> String {
    let message = format!("{}.{}", encode(header.to_string()), encode(claims));
    // RFC 2104, so that nothing here is what is tested.
    let mut block = [0; 64];
    if secret.len() > 64 {
        block[..32].copy_from_slice(&sha256(secret));
    } else {
        block[..secret.len()].copy_from_slice(secret);
    }
    let inner = sha256(&[&block.map(|octet| octet ^ 0x36)[..], message.as_bytes()].concat());
    let signature = sha256(&[&block.map(|octet| octet ^ 0x5c)[..], &inner].concat());
    format!("{message}.{}", encode(signature))
}

fn sha256(octets: &[u8]) -> [u8; 32] {
    use sha2::Digest;
    sha2::Sha256::digest(octets).into()
}

fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_secs()
}

/// A file of the fixtures.
fn fixture(name: &str) -> Vec<u8> {
    std::fs::read(path_of(name)).unwrap()
}

fn path_of(name: &str) -> String {
    format!("{}/tests/fixtures/jwt/{name}", env!("CARGO_MANIFEST_DIR"))
}

/// Tokens of another implementation, by algorithm.
fn vectors() -> Value {
    serde_json::from_slice(&fixture("tokens.json")).unwrap()
}
