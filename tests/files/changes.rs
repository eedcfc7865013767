//! ST-4: files that are truncated, added to, written anew or replaced while they are sent; and large ones.

use crate::h2_peer;
use crate::scene::{CSS, Scene, client, get, then};
use bytes::Bytes;
use std::fs::{self, File};
use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use wireline::files::Files;
use wireline::resource::io::memory::MemoryStream;
use wireline::test::TestClient;

const SIZE: usize = 4 << 20;

fn content() -> Vec<u8> {
    (0..SIZE as u32)
        .map(|number| (number / 7 % 253) as u8)
        .collect()
}

/// Asks for a file, and reads the head and some content.
async fn begin(client: &TestClient, path: &str) -> (MemoryStream, String, Vec<u8>) {
    let mut connection = client.connect();
    let request = format!("GET {path} HTTP/1.1\r\nhost: a\r\n\r\n");
    connection.write_all(request.as_bytes()).await.unwrap();
    let mut read = Vec::new();
    loop {
        let mut piece = [0; 4096];
        let count = connection.read(&mut piece).await.unwrap();
        assert!(count > 0);
        read.extend_from_slice(&piece[..count]);
        if let Some(end) = read.windows(4).position(|window| window == b"\r\n\r\n") {
            let rest = read.split_off(end + 4);
            return (connection, String::from_utf8(read).unwrap(), rest);
        }
    }
}

/// What waits for a client that has taken little is little, and it gets all of it when it goes on.
#[tokio::test]
async fn who_does_not_read_a_file_holds_little() {
    let scene = Scene::new();
    scene.write("large", content());
    let client = scene.client();
    let (mut connection, _, mut read) = begin(&client, "/assets/large").await;
    let mut most = 0;
    for _ in 0..20 {
        tokio::time::sleep(Duration::from_millis(5)).await;
        most = most.max(client.buffered());
    }
    assert!(most > 0 && most <= 33 * 1024, "{most}");
    while read.len() < SIZE {
        let mut piece = vec![0; 64 * 1024];
        let count = connection.read(&mut piece).await.unwrap();
        assert!(count > 0);
        read.extend_from_slice(&piece[..count]);
    }
    assert!(read == content());
}

#[tokio::test]
async fn d21_what_changes_while_it_is_sent() {
    type Change = fn(&Scene);
    let changes: [(&str, Change, bool); 10] = [
        (
            "truncated",
            |scene| {
                File::options()
                    .write(true)
                    .open(scene.path("large"))
                    .unwrap()
                    .set_len(1000)
                    .unwrap()
            },
            false,
        ),
        (
            "emptied and written anew",
            |scene| fs::write(scene.path("large"), vec![b'!'; SIZE]).unwrap(),
            false,
        ),
        (
            "written anew, shorter",
            |scene| fs::write(scene.path("large"), vec![b'!'; SIZE / 2]).unwrap(),
            false,
        ),
        (
            "written anew, longer",
            |scene| fs::write(scene.path("large"), vec![b'!'; SIZE + 1000]).unwrap(),
            false,
        ),
        (
            "written anew in place, longer",
            |scene| {
                File::options()
                    .write(true)
                    .open(scene.path("large"))
                    .unwrap()
                    .write_all(&vec![b'!'; SIZE + 1000])
                    .unwrap()
            },
            false,
        ),
        // `write` sets the time back.
        (
            "written anew with the same size and time",
            |scene| scene.write("large", vec![b'!'; SIZE]),
            false,
        ),
        (
            "given another time",
            |scene| scene.touch("large", then() + Duration::from_nanos(1)),
            false,
        ),
        (
            "added to",
            |scene| {
                File::options()
                    .append(true)
                    .open(scene.path("large"))
                    .unwrap()
                    .write_all(b"more")
                    .unwrap()
            },
            false,
        ),
        (
            "replaced",
            |scene| {
                fs::write(scene.path("new"), vec![b'!'; SIZE]).unwrap();
                fs::rename(scene.path("new"), scene.path("large")).unwrap();
            },
            true,
        ),
        (
            "removed",
            |scene| fs::remove_file(scene.path("large")).unwrap(),
            true,
        ),
    ];
    let expected = content();
    for (what, change, is_whole) in changes {
        let scene = Scene::new();
        scene.write("large", &expected);
        let client = scene.client();
        let (mut connection, head, mut read) = begin(&client, "/assets/large").await;
        assert!(
            head.contains(&format!("content-length: {SIZE}\r\n")),
            "{head}"
        );
        // Later than what was done to it before, by the clock of the file system.
        tokio::time::sleep(Duration::from_millis(20)).await;
        change(&scene);
        if is_whole {
            let mut rest = vec![0; SIZE - read.len()];
            connection.read_exact(&mut rest).await.unwrap();
            read.extend_from_slice(&rest);
            assert!(read == expected, "{what}");
            // The connection goes on.
            connection
                .write_all(
                    b"GET /assets/css/site.css HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n",
                )
                .await
                .unwrap();
            let mut next = String::new();
            connection.read_to_string(&mut next).await.unwrap();
            assert!(
                next.starts_with("HTTP/1.1 200 ") && next.ends_with(CSS),
                "{what}: {next}"
            );
        } else {
            // An end, or an error: either says that it was cut.
            let _ = connection.read_to_end(&mut read).await;
            assert!(read.len() < SIZE, "{what}: {} octets", read.len());
            assert!(expected.starts_with(&read), "{what}");
        }
    }
}

#[tokio::test]
async fn d21_what_is_truncated_ends_its_stream_with_an_error() {
    let scene = Scene::new();
    scene.write("large", content());
    let client = scene.client();
    let sender = h2_peer::connect(&client).await;
    let request = || h2_peer::to("GET", "/assets/large").body(()).unwrap();
    let (response, _) = sender
        .clone()
        .ready()
        .await
        .unwrap()
        .send_request(request(), true)
        .unwrap();
    let mut body = response.await.unwrap().into_body();
    let first = body.data().await.unwrap().unwrap();
    File::options()
        .write(true)
        .open(scene.path("large"))
        .unwrap()
        .set_len(1000)
        .unwrap();
    let mut length = first.len();
    let _ = body.flow_control().release_capacity(first.len());
    let error = loop {
        match body.data().await {
            Some(Ok(piece)) => {
                length += piece.len();
                let _ = body.flow_control().release_capacity(piece.len());
            }
            Some(Err(error)) => break Some(error),
            None => break None,
        }
    };
    assert!(
        length < SIZE && error.is_some_and(|error| error.is_reset()),
        "{length} octets"
    );
    let reply = h2_peer::ask(
        &sender,
        h2_peer::to("GET", "/assets/css/site.css")
            .body(Bytes::new())
            .unwrap(),
    )
    .await
    .unwrap();
    assert_eq!(reply.text(), CSS);
}

/// The directory's path counts, not the directory that once had it.
#[tokio::test]
async fn d21_another_directory_in_its_place_is_seen() {
    let scene = Scene::new();
    let live = scene.path("live");
    fs::create_dir(&live).unwrap();
    scene.write("live/page.txt", "first");
    let client = client(Files::new(&live));
    assert_eq!(get(&client, "/assets/page.txt", &[]).await.text(), "first");
    fs::create_dir(scene.path("next")).unwrap();
    scene.write("next/page.txt", "second");
    fs::rename(&live, scene.path("last")).unwrap();
    // While there is none, the one before is served.
    assert_eq!(get(&client, "/assets/page.txt", &[]).await.text(), "first");
    fs::rename(scene.path("next"), &live).unwrap();
    tokio::time::sleep(Duration::from_millis(1100)).await;
    assert_eq!(get(&client, "/assets/page.txt", &[]).await.text(), "second");
}

/// A large file is sent in constant memory, and on a thread that others share. Its pages are in no cache, so its reads
/// may wait.
#[tokio::test]
async fn s120_a_large_file_leaves_the_loop_to_others() {
    const LARGE: u64 = 256 << 20;
    let scene = Scene::new();
    File::create(scene.path("large"))
        .unwrap()
        .set_len(LARGE)
        .unwrap();
    let client = scene.client();
    let turns = Arc::new(AtomicU32::new(0));
    let counted = turns.clone();
    let others = tokio::spawn(async move {
        loop {
            counted.fetch_add(1, Ordering::Relaxed);
            tokio::task::yield_now().await;
        }
    });
    let before = resident();
    let (mut connection, _, rest) = begin(&client, "/assets/large").await;
    let (mut length, mut most) = (rest.len() as u64, 0);
    let mut buffer = vec![0; 256 * 1024];
    let mut pieces = 0;
    while length < LARGE {
        let count = connection.read(&mut buffer).await.unwrap();
        assert!(count > 0);
        length += count as u64;
        pieces += 1;
        if pieces % 256 == 0 {
            most = most.max(resident());
        }
    }
    others.abort();
    assert_eq!(length, LARGE);
    let turns = turns.load(Ordering::Relaxed);
    assert!(turns > 1000, "others had {turns} turns");
    let more = most.saturating_sub(before);
    assert!(more < 32 * 1024, "{more} KiB more than before");
}

/// Resident memory in KiB.
fn resident() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmRSS:"))
        .unwrap();
    let digits: String = line.chars().filter(char::is_ascii_digit).collect();
    wireline::wire::number::decimal(digits.as_bytes()).unwrap()
}
