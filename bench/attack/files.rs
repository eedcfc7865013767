//! Attacks on static files: paths that lead out of the directory, as text and under a race.

use crate::Context;
use crate::crowd;
use crate::outcome::Outcome;
use crate::target::within;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use std::{fs, io};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::Instant;
use wireline::files::path::resolve;

#[path = "../../tests/support/outside.rs"]
mod outside;
#[path = "../../tests/support/traversals.rs"]
mod traversals;

use self::outside::{Swaps, Three, is_secret};

/// Makes the directory that is served, with links out of it, and what must stay outside.
pub(crate) fn scene(folder: &Path) -> io::Result<()> {
    outside::lay_out(folder)?;
    let root = folder.join("public");
    fs::write(root.join("css/site.css"), "inside")?;
    outside::link_out(&root)
}

/// Each of the list, again and again; every answer has to be 404.
pub(crate) async fn traversed(context: Arc<Context>) -> Outcome {
    let paths = Arc::new(traversals::traversals());
    let mut outcome = crowd::each(&context, move |context, number| {
        let paths = paths.clone();
        async move {
            let mut outcome = Outcome::default();
            let path = &paths[number % paths.len()];
            let answer = match context.target.connect_from(number).await {
                Ok(mut stream) => get(&mut stream, path).await,
                Err(error) => Err(error),
            };
            match answer {
                Ok((status, content)) => {
                    outcome.count(if status == 404 {
                        "not_found"
                    } else {
                        "too_long"
                    });
                    let is_right = status == 404 || (status == 414 && path.len() > 4000);
                    if !is_right || is_secret(&content) {
                        outcome.complain(format!("{path}: {status}"));
                    }
                }
                Err(error) => outcome.complain(format!("{path}: {error}")),
            }
            outcome
        }
    })
    .await;
    // Without this one all others would mean nothing.
    match once(&context, "css/site.css").await {
        Ok((200, content)) if content == b"inside" => outcome.count("found"),
        other => outcome.complain(format!("css/site.css: {other:?}")),
    }
    outcome
}

/// A file and a directory that change places with links out of the root, for as many seconds as the count says.
pub(crate) async fn raced(context: Arc<Context>) -> Outcome {
    let end = Instant::now() + Duration::from_secs(context.count as u64);
    let swaps = match Swaps::begin(context.target.files()) {
        Ok(swaps) => swaps,
        Err(error) => return Outcome::failed(error.to_string()),
    };
    let mut clients = tokio::task::JoinSet::new();
    for number in 0..CLIENTS {
        let context = context.clone();
        clients.spawn(async move {
            let mut outcome = Outcome::default();
            let mut stream = match context.target.connect_from(number).await {
                Ok(stream) => stream,
                Err(error) => return Outcome::failed(error.to_string()),
            };
            while Instant::now() < end {
                for path in Swaps::PATHS {
                    match get(&mut stream, path).await {
                        Ok((200, content)) if content == Swaps::INSIDE.as_bytes() => {
                            outcome.count("found")
                        }
                        Ok((404, content)) if !is_secret(&content) => outcome.count("missing"),
                        // A file that gets another name each time it is read is a changed one.
                        Ok((503, content)) if !is_secret(&content) => outcome.count("busy"),
                        other => outcome.complain(format!("{path}: {other:?}")),
                    }
                }
            }
            outcome
        });
    }
    let mut outcome = Outcome::default();
    while let Some(client) = clients.join_next().await {
        match client {
            Ok(client) => outcome.add(client),
            Err(error) => outcome.complain(error.to_string()),
        }
    }
    let swaps = swaps.end();
    outcome.set("swaps", swaps as f64);
    if swaps == 0 {
        outcome.complain("nothing was swapped");
    }
    outcome
}

/// Paths of three octets, each of them percent-encoded, in both cases: what the resolver makes of them, and what a plain reading
/// does. With the full count all 16,777,216. Those that name files, and one in a thousand of the others, are then asked of a
/// directory that has such files, and links by such names to secrets.
pub(crate) async fn enumerated(context: Arc<Context>) -> Outcome {
    let (count, root) = (context.count.clamp(1, Three::ALL), context.target.files());
    let walked = tokio::task::spawn_blocking(move || {
        let mut outcome = Outcome::default();
        let (mut given, mut refused, mut asked) = (0u64, 0u64, Three::STEPS.to_vec());
        let (root, mut turn) = (root.canonicalize()?, 0);
        let all = (0..Three::ALL).step_by(Three::ALL.div_ceil(count));
        for (number, three) in all.map(Three::new).enumerate() {
            let expected = three.name();
            for path in three.encoded() {
                match (&resolve(&path, false), expected) {
                    (Some(place), Some(name)) if place.path == name && !place.is_directory => {
                        given += 1
                    }
                    (None, None) => refused += 1,
                    other => outcome.complain(format!("{}: {other:?}", path.escape_ascii())),
                }
            }
            if expected.is_some() {
                three.plant(&root, turn)?;
                turn += 1;
            }
            if expected.is_some() || number % STRIDE == 0 {
                asked.push(three);
            }
        }
        outcome.set("given", given as f64);
        outcome.set("refused", refused as f64);
        io::Result::Ok((outcome, root, asked))
    });
    let (mut outcome, root, asked) = match walked.await {
        Ok(Ok(walked)) => walked,
        Ok(Err(error)) => return Outcome::failed(error.to_string()),
        Err(error) => return Outcome::failed(error.to_string()),
    };
    let (root, asked) = (Arc::new(root), Arc::new(asked));
    let mut clients = tokio::task::JoinSet::new();
    for number in 0..CLIENTS {
        let (context, root, asked) = (context.clone(), root.clone(), asked.clone());
        clients.spawn(async move {
            let mut outcome = Outcome::default();
            let mine = asked.iter().skip(number).step_by(CLIENTS);
            if let Err(error) = ask_all(&context, number, &root, mine, &mut outcome).await {
                outcome.complain(error.to_string());
            }
            outcome
        });
    }
    while let Some(client) = clients.join_next().await {
        match client {
            Ok(client) => outcome.add(client),
            Err(error) => outcome.complain(error.to_string()),
        }
    }
    if outcome.get("found") < 1.0 {
        outcome.complain("no file was found");
    }
    outcome
}

/// On one connection.
async fn ask_all(
    context: &Context,
    number: usize,
    root: &Path,
    asked: impl Iterator<Item = &Three>,
    outcome: &mut Outcome,
) -> io::Result<()> {
    let mut stream = context.target.connect_from(number).await?;
    for three in asked {
        let mut answers = Vec::new();
        for path in three.paths() {
            answers.push(get(&mut stream, &path).await?);
            outcome.count("asked");
        }
        match three.judge(root, &answers) {
            Ok(found) => outcome.set("found", outcome.get("found") + found as f64),
            Err(what) => outcome.complain(what),
        }
    }
    Ok(())
}

async fn once(context: &Context, path: &str) -> io::Result<(u16, Vec<u8>)> {
    get(&mut context.target.connect_from(0).await?, path).await
}

/// One request on a connection that goes on: the status and the content.
async fn get(stream: &mut TcpStream, path: &str) -> io::Result<(u16, Vec<u8>)> {
    let request = format!("GET /files/{path} HTTP/1.1\r\nHost: localhost\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    within(async {
        let mut read = Vec::new();
        loop {
            if stream.read_buf(&mut read).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let Some(end) = read.windows(4).position(|window| window == b"\r\n\r\n") else {
                continue;
            };
            let head = String::from_utf8_lossy(&read[..end]).to_ascii_lowercase();
            let number = |text: &str| wireline::wire::number::decimal(text.trim().as_bytes());
            let status = head.get(9..12).and_then(number);
            let length = (head.lines()).find_map(|line| line.strip_prefix("content-length:"));
            let length = length
                .and_then(number)
                .and_then(|length| usize::try_from(length).ok());
            let (Some(status), Some(length)) = (status, length) else {
                return Err(io::Error::other(head));
            };
            if read.len() >= end + 4 + length {
                let content = read.split_off(end + 4);
                return Ok((u16::try_from(status).unwrap_or_default(), content));
            }
        }
    })
    .await
}

/// That ask at the same time.
const CLIENTS: usize = 4;

/// How many of the paths that name nothing are looked at for one that is asked for.
const STRIDE: usize = 997;
