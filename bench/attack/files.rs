//! Attacks on static files: paths that lead out of the directory, as text and under a race.

use crate::Context;
use crate::crowd;
use crate::outcome::Outcome;
use crate::target::within;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use std::{fs, io, thread};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::Instant;
use wireline::files::path::resolve;

#[path = "../../tests/support/traversals.rs"]
mod traversals;

/// Makes the directory that is served, with links out of it, and what must stay outside.
pub(crate) fn scene(folder: &Path) -> io::Result<()> {
    for name in [
        "outside",
        "public/css",
        "public/.git",
        "public/empty",
        "public/swap",
    ] {
        fs::create_dir_all(folder.join(name))?;
    }
    fs::write(folder.join("outside/secret.txt"), SECRET)?;
    for (path, content) in [
        ("css/site.css", "inside"),
        ("css/.hidden", SECRET),
        (".git/config", SECRET),
        ("swap/secret.txt", "inside"),
        ("swapped.txt", "inside"),
    ] {
        fs::write(folder.join("public").join(path), content)?;
    }
    for (target, link) in [
        ("../outside", "out"),
        ("../outside/secret.txt", "out-file"),
        ("..", "out-by-parent"),
        ("../..", "css/up-and-out"),
        ("/etc/passwd", "absolute"),
        ("/etc", "absolute-folder"),
        ("/proc/self/root", "proc"),
        ("/proc/self/fd/0", "self-fd"),
        ("loop", "loop"),
        ("/dev/zero", "device"),
        ("../outside", "link"),
        ("../outside/secret.txt", "link.txt"),
    ] {
        symlink(target, folder.join("public").join(link))?;
    }
    Ok(())
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
    let (stop, root) = (Arc::new(AtomicBool::new(false)), context.target.files());
    let stopped = stop.clone();
    let swaps = thread::spawn(move || {
        let swap = |one: &str, other: &str| {
            let _ = fs::rename(root.join(one), root.join("spare"));
            let _ = fs::rename(root.join(other), root.join(one));
            let _ = fs::rename(root.join("spare"), root.join(other));
        };
        let mut count = 0u64;
        while !stopped.load(Ordering::Relaxed) {
            swap("swap", "link");
            swap("swapped.txt", "link.txt");
            count += 1;
        }
        count
    });
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
                for path in [
                    "swap/secret.txt",
                    "swapped.txt",
                    "link/secret.txt",
                    "link.txt",
                ] {
                    match get(&mut stream, path).await {
                        Ok((200, content)) if content == b"inside" => outcome.count("found"),
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
    stop.store(true, Ordering::Relaxed);
    let swaps = swaps.join().unwrap_or_default();
    outcome.set("swaps", swaps as f64);
    if swaps == 0 {
        outcome.complain("nothing was swapped");
    }
    outcome
}

/// Paths of three octets, each of them percent-encoded, in both cases: what the resolver makes of them, and what a plain reading
/// does. With the full count all 16,777,216.
pub(crate) async fn enumerated(context: Arc<Context>) -> Outcome {
    let count = context.count.clamp(1, ALL);
    let walked = tokio::task::spawn_blocking(move || {
        let mut outcome = Outcome::default();
        let (mut given, mut refused) = (0u64, 0u64);
        for number in (0..ALL).step_by(ALL.div_ceil(count)) {
            let octets = [16, 8, 0].map(|shift| (number >> shift & 0xff) as u8);
            for digits in [b"0123456789ABCDEF", b"0123456789abcdef"] {
                let mut path = [b'%'; 9];
                for (place, octet) in octets.iter().enumerate() {
                    path[3 * place + 1] = digits[usize::from(octet >> 4)];
                    path[3 * place + 2] = digits[usize::from(octet & 15)];
                }
                let found = resolve(&path, false);
                let expected = std::str::from_utf8(&octets).ok().filter(|name| {
                    let is_bad = |octet: u8| octet < 0x20 || b"/\\\x7f".contains(&octet);
                    let is_plain =
                        |octet: u8| octet.is_ascii_alphanumeric() || b"-._".contains(&octet);
                    !name.bytes().any(|octet| is_bad(octet) || is_plain(octet))
                });
                match (&found, expected) {
                    (Some(place), Some(name)) if place.path == name && !place.is_directory => {
                        given += 1
                    }
                    (None, None) => refused += 1,
                    other => outcome.complain(format!("{}: {other:?}", path.escape_ascii())),
                }
            }
        }
        outcome.set("given", given as f64);
        outcome.set("refused", refused as f64);
        outcome
    });
    walked
        .await
        .unwrap_or_else(|error| Outcome::failed(error.to_string()))
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

fn is_secret(content: &[u8]) -> bool {
    let text = String::from_utf8_lossy(content);
    text.contains(SECRET) || text.contains("root:")
}

const SECRET: &str = "SECRET-OUTSIDE";

/// Of the race.
const CLIENTS: usize = 4;

/// All octets, three times.
const ALL: usize = 1 << 24;
