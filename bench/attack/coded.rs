//! Content codings: bombs, and what the length of what is compressed tells (CO-1 to CO-4).

use crate::Context;
use crate::crowd::{self, told};
use crate::outcome::Outcome;
use crate::slow::left;
use crate::talk::{Case, Talk, each_case, get};
use bytes::Bytes;
use std::sync::Arc;
use tokio::io::AsyncReadExt;

/// DEFLATE (RFC 1951) of at least so many zeros, without an end: a block with codes of its own, in which four matches of 258 octets
/// are eight zero bits. That is the most that the format can do, 1,032 for one.
pub(crate) fn deflate(octets: usize) -> Vec<u8> {
    let mut coded = BLOCK.to_vec();
    coded.resize(BLOCK.len() + octets / 1032 + 1, 0);
    coded
}

/// The codes of that block, and its first literal.
const BLOCK: &[u8] = b"\xec\xc1\x01\x01\x00\x00\x00\x80\x90\xfe\xaf\xee\x08\x0a";

/// 16 MiB of zeros in brotli (RFC 7932): a literal, and one long copy.
const BROTLI: &[u8] = b"\x9f\xff\xff\xff\x00\x24\x00\xe2\xb1\x40\x72\xef\xff\x01";

/// Zstandard (RFC 8878) with a window of so much, and 16 MiB in blocks that say one octet 131,072 times.
fn zstd(window: u8) -> Vec<u8> {
    let mut coded = vec![0x28, 0xb5, 0x2f, 0xfd, 0, window];
    for _ in 0..128 {
        coded.extend_from_slice(&[0x02, 0x00, 0x10, 0x00]);
    }
    coded
}

/// CO-2: content that becomes more than a route takes, in every coding, and codings around codings.
pub(crate) async fn bombs(context: Arc<Context>) -> Outcome {
    let vectors = vectors();
    let bombs = each_case(&context, "refused", |number| {
        let (coding, octets, statuses) = &vectors[number % vectors.len()];
        let fields = format!("Content-Encoding: {coding}\r\n");
        Case::post(*coding, "/coded", &fields, octets.clone(), statuses)
    });
    crowd::costing(&context, Some(20.0), bombs).await
}

fn vectors() -> Vec<(&'static str, Bytes, &'static [u16])> {
    let deflated = deflate(32 << 20);
    let gzip = Bytes::from([&b"\x1f\x8b\x08\0\0\0\0\0\0\xff"[..], &deflated].concat());
    let zlib = [&b"\x78\x9c"[..], &deflated].concat();
    // 8 MiB, the largest that there may be (RFC 9659), and 2 GiB.
    let (zstd, wide) = (zstd(13 << 3), zstd(21 << 3));
    let short = Bytes::from_static;
    vec![
        ("gzip", gzip.clone(), &[413]),
        ("deflate", zlib.into(), &[413]),
        ("br", short(BROTLI), &[413]),
        ("zstd", zstd.into(), &[413]),
        ("zstd", wide.into(), &[413]),
        // A window of a gigabyte, which is no part of RFC 7932.
        ("br", short(b"\x11\x1e\0\0\0\0"), &[413]),
        ("gzip, gzip", gzip.clone(), &[415]),
        ("gzip, br", gzip.clone(), &[415]),
        ("gzip, gzip, br", gzip.clone(), &[415]),
        ("gzip", gzip.slice(..200), &[400, 413]),
        ("br", short(b"\xff\xff\xff\xff\xff\xff"), &[400]),
        ("zstd", short(b"\x28\xb5\x2f\xfd\xff\xff\xff"), &[400, 413]),
        (
            "gzip",
            short(b"\x1f\x8b\x08\x1c\0\0\0\0\0\xff\xff\xff"),
            &[400],
        ),
        ("deflate", short(b"\x78\x9c\x06"), &[400]),
    ]
}

/// CO-1: pages with a secret and with what their reader chose are not compressed, so that right guesses are as long as wrong ones.
pub(crate) async fn oracle(context: Arc<Context>) -> Outcome {
    let mut outcome = crowd::each(&context, |context, number| {
        told(number, async move {
            let guess = if number.is_multiple_of(2) {
                "token=kq7zw2"
            } else {
                "token=2wz7qk"
            };
            let fields = match number / 2 % 2 {
                0 => "Authorization: Bearer x\r\n",
                _ => "",
            };
            let fields = format!("Accept-Encoding: gzip, br, zstd\r\n{fields}");
            let path = format!("/secret?guess={guess}");
            let mut talk = Talk::open(&context, number).await?;
            let answer = talk.ask(&get(&path, &fields)).await?;
            let mut outcome = Outcome::default();
            if answer.status != 200 {
                outcome.complain(format!("the status is {}", answer.status));
            }
            if answer.head.contains("\r\ncontent-encoding:") {
                outcome.count("compressed");
            }
            let (guesses, octets) = if number.is_multiple_of(2) {
                ("right_guesses", "right_octets")
            } else {
                ("wrong_guesses", "wrong_octets")
            };
            outcome.count(guesses);
            outcome.set(octets, answer.content.len() as f64);
            Ok(outcome)
        })
    })
    .await;
    let right = outcome.get("right_octets") / outcome.get("right_guesses").max(1.0);
    let wrong = outcome.get("wrong_octets") / outcome.get("wrong_guesses").max(1.0);
    outcome.set("mean_right_octets", right);
    outcome.set("mean_wrong_octets", wrong);
    if (right - wrong).abs() > 0.001 {
        outcome.complain(format!(
            "right guesses have {right} octets, wrong ones {wrong}"
        ));
    }
    outcome
}

/// CO-3: clients that are gone in the middle of what is compressed for them.
pub(crate) async fn gone(context: Arc<Context>) -> Outcome {
    let outcome = crowd::each(&context, |context, number| {
        told(number, async move {
            let mut talk = Talk::narrow(&context, number).await?;
            let coding = ["gzip", "br"][number % 2];
            let fields = format!("Accept-Encoding: {coding}\r\n");
            talk.send(get("/compressed", &fields).as_bytes()).await?;
            if !number.is_multiple_of(3) {
                let mut few = [0; 100];
                crate::target::within(talk.stream.read(&mut few)).await?;
            }
            talk.stream.set_zero_linger()?;
            let mut outcome = Outcome::default();
            outcome.count("gone");
            Ok(outcome)
        })
    })
    .await;
    nothing_is_left(&context, outcome).await
}

/// Whether no connection is left but the probe's, and nothing that was held for one.
async fn nothing_is_left(context: &Context, mut outcome: Outcome) -> Outcome {
    let connections = left(context).await;
    if connections > 0 {
        outcome.complain(format!("{connections} connections are left"));
    }
    match context.target.counters().await {
        Ok(counters) => {
            let buffered = counters.get("buffered").copied().unwrap_or(0);
            outcome.set("left_octets", buffered as f64);
            // The probe's connections have theirs.
            if buffered > 10_000_000 {
                outcome.complain(format!("{buffered} octets are left"));
            }
        }
        Err(error) => outcome.complain(error.to_string()),
    }
    outcome
}

/// CO-4: Accept-Encoding with as much as a head takes, and with weights that are none.
pub(crate) async fn choices(context: Arc<Context>) -> Outcome {
    let choices = each_case(&context, "answered", |number| {
        let (value, statuses): (_, &[u16]) = match number % 6 {
            0 => ("x,".repeat(3_500), &[200]),
            1 => ("x;q=0.5,".repeat(900), &[200]),
            2 => ("gzip;q=nonsense, br;q=-1, *;q=1e9".to_owned(), &[200]),
            3 => (";;;,,,===\"".repeat(700), &[200]),
            4 => ("gzip;q=0.".to_owned() + &"0".repeat(7_000), &[200]),
            _ => ("gzip,".repeat(10_000), &[431]),
        };
        let fields = format!("Accept-Encoding: {value}\r\n");
        let what = format!("kind {}", number % 6);
        Case::get(what, "/compressed", &fields, statuses)
    });
    crowd::costing(&context, Some(20.0), choices).await
}
