use wireline::relay;
use wireline::relay::{Relay, RelayEvent};

#[relay]
async fn of_nothing(_: RelayEvent, _: Relay) {}

#[relay("room:*:members")]
async fn of_the_middle(_: RelayEvent, _: Relay) {}

#[relay("a room")]
async fn of_no_topic(_: RelayEvent, _: Relay) {}

#[relay("a:*")]
fn not_async(_: RelayEvent, _: Relay) {}

#[relay("b:*")]
async fn without_relay(_: RelayEvent) {}

#[relay("c:*")]
async fn gives_a_number(_: RelayEvent, _: Relay) -> u8 {
    7
}

#[relay("*")]
async fn good(_: RelayEvent, _: Relay) {}

fn main() {}
