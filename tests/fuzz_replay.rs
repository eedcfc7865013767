//! What the fuzzers check, on a stable compiler: every committed seed and every finding is replayed.
//!
//! `fuzz/seeds/TARGET/` holds inputs to begin with, `fuzz/findings/TARGET/` those that once failed. The
//! last test feeds the targets with mutations of the seeds, so that they also see what nobody chose.

#[path = "../fuzz/src/lib.rs"]
pub mod invariants;

use std::collections::BTreeSet;
use std::fs;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};

type Target = (&'static str, fn(&[u8]));

const TARGETS: [Target; 34] = [
    ("request_head", invariants::request_head),
    ("splits", invariants::splits),
    ("chunked", invariants::chunked),
    ("client_response", invariants::client_response),
    ("differential", invariants::differential),
    ("response", invariants::response),
    ("router", invariants::router),
    ("ws_frames", invariants::ws_frames),
    ("ws_splits", invariants::ws_splits),
    ("ws_deflate", invariants::ws_deflate),
    ("ws_handshake", invariants::ws_handshake),
    ("ws_codec", invariants::ws_codec),
    ("proxy_header", invariants::proxy_header),
    ("cookies", invariants::cookies),
    ("query", invariants::query),
    ("media_type", invariants::media_type),
    ("forwarded", invariants::forwarded),
    ("file_path", invariants::file_path),
    ("range", invariants::range),
    ("rate_limit", invariants::rate_limit),
    ("multipart", invariants::multipart),
    ("h2_meter", invariants::h2_meter),
    ("h2_server", invariants::h2_server),
    ("traceparent", invariants::traceparent),
    ("accept_encoding", invariants::accept_encoding),
    ("decompress", invariants::decompress),
    ("relay_message", invariants::relay_message),
    ("hub_ops", invariants::hub_ops),
    ("envelope", invariants::envelope),
    ("adapter_message", invariants::adapter_message),
    ("socketio_packet", invariants::socketio_packet),
    ("socketio_assemble", invariants::socketio_assemble),
    ("engine_payload", invariants::engine_payload),
    ("engine_session", invariants::engine_session),
];

#[test]
fn seeds_hold() {
    for (name, target) in TARGETS {
        let seeds = inputs("seeds", name);
        assert!(
            (10..=60).contains(&seeds.len()),
            "{name}: {} seeds",
            seeds.len()
        );
        replay(name, target, seeds);
    }
}

/// Whatever the page of the relay's protocol shows is among what the fuzzer begins with.
#[test]
fn the_seeds_of_the_relay_have_every_message_of_its_page() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/relay_protocol.md");
    let page = fs::read_to_string(page).unwrap();
    let shown: BTreeSet<String> = types(&page).collect();
    let seeds = inputs("seeds", "relay_message");
    let seeds: Vec<String> = seeds
        .iter()
        .map(|(_, seed)| String::from_utf8_lossy(seed).into_owned())
        .collect();
    let begun: BTreeSet<String> = seeds.iter().flat_map(|seed| types(seed)).collect();
    assert!(shown.len() > 20, "{shown:?}");
    let missing: Vec<_> = shown.difference(&begun).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

/// The types of the messages that are in a text.
fn types(text: &str) -> impl Iterator<Item = String> {
    let said = text.split(r#""type":""#).skip(1);
    said.filter_map(|behind| behind.split_once('"'))
        .map(|(kind, _)| kind.to_owned())
}

#[test]
fn findings_stay_fixed() {
    for (name, target) in TARGETS {
        replay(name, target, inputs("findings", name));
    }
}

#[test]
fn mutated_seeds_hold() {
    let mut random = 1u64;
    let mut below = |bound: usize| {
        // A linear congruence with Knuth's multiplier: the same inputs in every run.
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(random >> 33).unwrap_or_default() % bound
    };
    for (name, target) in TARGETS {
        let seeds: Vec<Vec<u8>> = inputs("seeds", name)
            .into_iter()
            .map(|(_, seed)| seed)
            .filter(|seed| seed.len() < 2000)
            .collect();
        // A conversation with a whole server takes as long as ten of the others.
        let rounds = MUTATIONS / if name == "h2_server" { 10 } else { 1 };
        for round in 0..rounds {
            let mut input = seeds[below(seeds.len())].clone();
            for _ in 0..1 + below(4) {
                let at = below(input.len() + 1);
                match below(5) {
                    0 => input.truncate(at),
                    1 => input.insert(at, b"\r\n \t:;,0a/{}%\0\x7f\xff"[below(16)]),
                    2 if at < input.len() => {
                        input[at] = u8::try_from(below(256)).unwrap_or_default()
                    }
                    3 if at < input.len() => drop(input.remove(at)),
                    _ => {
                        let other = &seeds[below(seeds.len())];
                        let from = below(other.len() + 1);
                        input.truncate(at);
                        input.extend_from_slice(&other[from..]);
                    }
                }
            }
            assert!(
                catch_unwind(|| target(&input)).is_ok(),
                "{name}, round {round}: {}",
                input.escape_ascii()
            );
        }
    }
}

/// Every fuzz target is in the list above, and has its file.
#[test]
fn no_target_is_left_out() {
    let mut files: Vec<String> = files(&folder("fuzz_targets"))
        .iter()
        .filter_map(|file| Some(file.file_stem()?.to_str()?.to_owned()))
        .collect();
    let mut names = TARGETS.map(|(name, _)| name);
    files.sort();
    names.sort_unstable();
    assert_eq!(files, names);
}

fn replay(name: &str, target: fn(&[u8]), inputs: Vec<(PathBuf, Vec<u8>)>) {
    for (path, input) in inputs {
        assert!(
            catch_unwind(|| target(&input)).is_ok(),
            "{name}: {}",
            path.display()
        );
    }
}

fn inputs(kind: &str, target: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let folder = folder(kind).join(target);
    // A target without findings has no folder for them.
    let files = if folder.exists() {
        files(&folder)
    } else {
        Vec::new()
    };
    files
        .into_iter()
        .map(|path| (path.clone(), fs::read(path).expect("a readable input")))
        .collect()
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<_> = fs::read_dir(folder)
        .expect("a folder")
        .map(|entry| entry.expect("an entry").path())
        .collect();
    files.sort();
    files
}

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fuzz")
        .join(name)
}

/// For each target, but for one.
const MUTATIONS: usize = 8_000;
