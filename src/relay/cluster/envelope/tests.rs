use super::*;
use crate::relay::cluster::words::Target;

const SENDER: Sender = Sender {
    node: 0x1F_FFFF,
    life: u64::MAX,
};

fn topic(name: &str) -> Topic {
    Topic::new(name).unwrap()
}

fn samples() -> Vec<Envelope> {
    let place = Place {
        sequence: 3,
        number: 1 << 40,
        age: 12,
    };
    let parcel = Parcel {
        is_text: true,
        except: 9,
        payload: Bytes::from_static(b"hello"),
    };
    let present = Present {
        member: 7 << 32 | 1,
        name: Some("ada".into()),
        meta: "{}".into(),
    };
    let nameless = Present {
        name: None,
        ..present.clone()
    };
    let user = String::from("ada");
    let whom = Target::User(user.clone());
    let mut samples = vec![
        Envelope::Message {
            place,
            parcel: parcel.clone(),
        },
        Envelope::Mark { place },
        Envelope::GivenUp {
            id: 2,
            count: 5,
            age: 70,
            runs: vec![
                Run {
                    sequence: 3,
                    first: 1,
                    last: 3,
                },
                Run {
                    sequence: 4,
                    first: 7,
                    last: 7,
                },
            ],
        },
        Envelope::Ask {
            id: 1,
            topics: vec![topic("a"), topic("b:c")],
        },
        Envelope::Asked {
            id: 1,
            next: 4,
            marked: vec![0, 7],
        },
        Envelope::Beat {
            version: 1,
            digest: 2,
            next: 3,
        },
        Envelope::Changes {
            version: 5,
            changes: vec![
                (topic("a"), Change::Here(present.clone())),
                (topic("a"), Change::Gone(4)),
            ],
        },
        Envelope::Resync,
        Envelope::State {
            version: 5,
            part: 1,
            is_last: true,
            present: vec![(topic("a"), present), (topic("b"), nameless)],
        },
        Envelope::Answer {
            id: 4,
            answer: Answer {
                count: 2,
                text: Bytes::from_static(b"[]"),
            },
        },
        Envelope::Leave,
    ];
    let operations = [
        Operation::PushToUser { user, parcel },
        Operation::Disconnect {
            whom: whom.clone(),
            code: 4001,
            reason: "go".into(),
        },
        Operation::Subscribe {
            whom: Target::Connection(3),
            topic: topic("a"),
        },
        Operation::Unsubscribe {
            whom: whom.clone(),
            topic: topic("a"),
        },
        Operation::Subscribers { topic: topic("a") },
        Operation::Connections {
            whom: None,
            most: 10,
        },
        Operation::Connections {
            whom: Some(whom),
            most: 10,
        },
    ];
    samples.extend(operations.map(|operation| Envelope::Operation {
        id: 3,
        asks: true,
        operation,
    }));
    samples
}

#[test]
fn what_is_written_is_read_again() {
    let channel = Channel::Topic(topic("a"));
    for sample in samples() {
        let octets = sample.encode(SENDER, &channel);
        assert!(!octets[0].is_ascii_digit());
        assert_eq!(
            Envelope::decode(&octets, &channel),
            Some((SENDER, sample.clone()))
        );
        assert_eq!(Envelope::decode(&octets, &Channel::All), None, "{sample:?}");
        assert_eq!(Envelope::decode(&octets, &Channel::Topic(topic("b"))), None);
    }
}

#[test]
fn a_changed_octet_is_seen() {
    for sample in samples() {
        let octets = sample.encode(SENDER, &Channel::All);
        for place in 0..octets.len() {
            let mut garbled = octets.to_vec();
            garbled[place] ^= 0x10;
            assert_eq!(Envelope::decode(&garbled.into(), &Channel::All), None);
            assert_eq!(
                Envelope::decode(&octets.slice(..place), &Channel::All),
                None
            );
        }
        let longer = [&octets[..], b"x"].concat();
        assert_eq!(Envelope::decode(&longer.into(), &Channel::All), None);
    }
}

#[test]
fn lengths_that_lie_are_no_envelope_even_with_their_checksum() {
    for sample in samples() {
        let octets = sample.encode(SENDER, &Channel::All);
        for place in HEAD..octets.len() {
            let mut lying = octets.to_vec();
            lying[place] = 0xFF;
            let sum = checksum(&lying, &Channel::All).to_be_bytes();
            lying[3..7].copy_from_slice(&sum);
            let lying = Bytes::from(lying);
            if let Some((sender, read)) = Envelope::decode(&lying, &Channel::All) {
                assert_eq!(read.encode(sender, &Channel::All), lying);
            }
        }
    }
}
