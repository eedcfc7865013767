//! A panic, wherever it is, costs what panicked and nothing else.

#[path = "support/panicking.rs"]
#[expect(
    clippy::disallowed_methods,
    reason = "it reads a number that the kernel has written"
)]
mod panicking;

use std::time::Duration;
use tokio::time::timeout;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_in_ten_of_20000_panics_and_nine_are_answered() {
    // Their messages are not what this is about.
    std::panic::set_hook(Box::new(|_| ()));
    let run = timeout(Duration::from_secs(120), panicking::run(20_000));
    let outcome = run.await.expect("it hangs");
    let _ = std::panic::take_hook();
    assert_eq!(outcome.complaints, [""; 0], "{outcome:?}");
    let panics: u64 = outcome.panics.values().sum();
    assert!(outcome.asked >= 20_000 && panics >= 2_000, "{outcome:?}");
    for place in [
        "handler",
        "middleware",
        "drop",
        "lock",
        "body",
        "websocket",
        "relay",
        "socketio",
    ] {
        assert!(
            outcome.panics.get(place).is_some_and(|count| *count >= 100),
            "{place}: {outcome:?}"
        );
    }
}
