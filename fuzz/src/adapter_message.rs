//! What nodes of Socket.IO say to each other is read or refused, and what was read is written and read as the same.

use wireline::socketio::adapter::words::{Answer, Asks, Broadcast, Question, Says};
use wireline::socketio::packet::Args;

/// Input: octets as they come from Redis.
///
/// # Panics
///
/// When what was read comes back as something else, or much larger than it was.
pub fn adapter_message(data: &[u8]) {
    if let Some(read) = Broadcast::read("/", data) {
        check_args(&read.event.args, data);
        assert_eq!(read.to.namespace, "/");
        again(data, &read, Broadcast::write, |words| {
            Broadcast::read("/", words)
        });
        if Broadcast::is_from(data, "gLuRtF") {
            assert_eq!(read.from, "gLuRtF");
        }
    }
    if let Some(read) = Question::read("/", data) {
        if let Asks::Emit(event) | Asks::BroadcastWithAcks(_, event, _) = &read.asks {
            check_args(&event.args, data);
        }
        again(data, &read, Question::write, |words| {
            Question::read("/", words)
        });
    }
    if let Some(read) = Answer::read(data) {
        if let Says::Emitted(args) | Says::Ack(args) = &read.says {
            check_args(args, data);
        }
        again(data, &read, Answer::write, Answer::read);
    }
}

fn check_args(args: &Args, data: &[u8]) {
    let octets: usize = args.attachments().iter().map(|octets| octets.len()).sum();
    assert!(octets <= data.len());
    // `d7 ff` and eight octets are a point in time of 30; a control character in a string is six; U+FFFD is three.
    assert!(args.json().len() <= 32 + data.len() * 32);
}

/// Numbers, flags and empty lists may be written in several ways: once written, they stay as they are.
fn again<T: PartialEq + std::fmt::Debug>(
    data: &[u8],
    read: &T,
    write: impl Fn(&T) -> Option<bytes::Bytes>,
    read_again: impl Fn(&[u8]) -> Option<T>,
) {
    // What was read from JSON may have a number that is none in MessagePack.
    let Some(words) = write(read) else {
        return;
    };
    assert!(
        words.len() <= 1_024 + data.len() * 40,
        "{} of {}",
        words.len(),
        data.len()
    );
    let once = read_again(&words).expect("it is read as it was written");
    let words = write(&once).expect("it was written before");
    assert_eq!(read_again(&words).as_ref(), Some(&once));
}
