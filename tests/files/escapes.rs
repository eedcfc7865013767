//! ST-1: what leads out of the directory, or to what is no file, is not there.

use crate::h2_peer;
use crate::scene::{SECRET, Scene, ask_h1, client, get};
use crate::traversals::traversals;
use bytes::Bytes;
use http::Method;
use std::fs;
use std::os::unix::fs::symlink;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::time::Instant;
use wireline::Router;
use wireline::files::{Files, path::resolve};
use wireline::test::TestClient;

#[tokio::test]
async fn s119_traversals_give_one_404_and_no_octet_from_outside() {
    let scene = Scene::new();
    scene.set_traps();
    let paths = traversals();
    assert!(paths.len() >= 500, "only {}", paths.len());
    let routes = Router::new()
        .files("/assets", scene.files())
        .fallback(scene.files());
    let client = TestClient::new(routes.build().unwrap());
    let sender = h2_peer::connect(&client).await;
    let (mut over_h2, mut seen) = (0, 0);
    for path in &paths {
        for mount in ["/assets/", "/"] {
            let target = format!("{mount}{path}");
            let answer = ask_h1(&client, Method::GET, &target, &[]).await;
            let too_long = answer.status == 414;
            assert!(
                answer.status == 404 || (too_long && target.len() > 4000),
                "{target}: {answer:?}"
            );
            assert!(
                too_long || answer.text() == "not found",
                "{target}: {answer:?}"
            );
            seen += 1;
            // Not every target can be said with the `http` crate's types.
            let request = http::Request::builder().uri(format!("http://a{target}"));
            let Ok(request) = request.body(Bytes::new()) else {
                continue;
            };
            if request.uri().path() != target {
                continue;
            }
            if let Ok(reply) = h2_peer::ask(&sender, request).await {
                assert!(
                    reply.status == 404 || target.len() > 4000,
                    "{target}: {reply:?}"
                );
                assert!(
                    !reply.text().contains(SECRET) && !reply.text().contains("root:"),
                    "{target}"
                );
                over_h2 += 1;
            }
        }
    }
    assert!(
        seen >= 1000 && over_h2 >= 500,
        "{seen}, {over_h2} over HTTP/2"
    );
}

/// With everything on that shows more.
#[tokio::test]
async fn s119_a_mount_that_shows_much_shows_nothing_from_outside() {
    let scene = Scene::new();
    scene.set_traps();
    fs::remove_dir_all(scene.path(".git")).unwrap();
    fs::remove_file(scene.path("css/.hidden")).unwrap();
    let client = client(
        scene
            .files()
            .listing()
            .dotfiles()
            .precompressed()
            .no_index(),
    );
    for path in traversals() {
        for method in [Method::GET, Method::HEAD] {
            let answer = ask_h1(&client, method, &format!("/assets/{path}"), &[]).await;
            let text = String::from_utf8_lossy(&answer.content);
            assert!(
                !text.contains(SECRET) && !text.contains("root:") && !text.contains("secret.txt"),
                "{path}: {text}"
            );
        }
    }
}

#[tokio::test]
async fn s119_devices_are_not_there() {
    let client = client(Files::new("/dev").listing());
    for name in ["zero", "null", "tty", "full", "urandom", "stdin", "fd/0"] {
        let answer = ask_h1(&client, Method::GET, &format!("/assets/{name}"), &[]).await;
        assert_eq!(
            (answer.status.as_u16(), answer.text()),
            (404, "not found"),
            "{name}"
        );
    }
}

/// A name that is now a file and now a link out of the directory.
#[tokio::test]
async fn s119_links_swapped_while_files_are_opened() {
    let scene = Scene::new();
    scene.set_traps();
    fs::create_dir(scene.path("swap")).unwrap();
    scene.write("swap/secret.txt", "inside");
    scene.write("swapped.txt", "inside");
    symlink("../outside", scene.path("link")).unwrap();
    symlink("../outside/secret.txt", scene.path("link.txt")).unwrap();
    let (stop, root) = (Arc::new(AtomicBool::new(false)), scene.root());
    let stopped = stop.clone();
    let swaps = std::thread::spawn(move || {
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
    let client = scene.client();
    let begun = Instant::now();
    let (mut found, mut missing, mut busy) = (0, 0, 0);
    while begun.elapsed() < Duration::from_millis(1500) {
        for path in [
            "/assets/swap/secret.txt",
            "/assets/swapped.txt",
            "/assets/link/secret.txt",
            "/assets/link.txt",
        ] {
            let answer = ask_h1(&client, Method::GET, path, &[]).await;
            match answer.status.as_u16() {
                200 => {
                    assert_eq!(answer.text(), "inside");
                    found += 1;
                }
                404 => missing += 1,
                // A file that gets another name each time it is read is a changed one.
                503 => busy += 1,
                status => panic!("{path}: {status}"),
            }
        }
    }
    stop.store(true, Ordering::Relaxed);
    let swaps = swaps.join().unwrap();
    assert!(
        found > 20 && missing > 20 && found > busy && swaps > 100,
        "{found} found, {missing} missing, {busy} busy, {swaps} swaps"
    );
}

/// A route is compared octet by octet: nobody gets past it by escaping what needs no escape.
#[tokio::test]
async fn s119_an_escape_that_nothing_needs_leads_past_no_route() {
    let scene = Scene::new();
    scene.write("a-b_c~1.txt", "tilde");
    let guarded = Router::new()
        .get("/css/site.css", async || "guarded")
        .get("/a-b_c~1.txt", async || "guarded")
        .files("/docs", Files::new(scene.path("empty")));
    let client = TestClient::new(guarded.files("/", scene.files()).build().unwrap());
    for (path, status, content) in [
        ("/css/site.css", 200, "guarded"),
        ("/docs/index.html", 404, "not found"),
        ("/%63ss/site.css", 404, "not found"),
        ("/c%73s/site.css", 404, "not found"),
        ("/css/%73ite.css", 404, "not found"),
        ("/css/site%2Ecss", 404, "not found"),
        ("/css/site%2ecss", 404, "not found"),
        ("/%64ocs/index.html", 404, "not found"),
        ("/%64ocs/", 404, "not found"),
        ("/%64ocs", 404, "not found"),
        ("/a%2Db_c~1.txt", 404, "not found"),
        ("/a-b%5Fc~1.txt", 404, "not found"),
        ("/a-b%5fc~%31.txt", 404, "not found"),
        ("/%41", 404, "not found"),
        // What older clients escape. A route that guards such a name has to be written both ways.
        ("/a-b_c%7E1.txt", 200, "tilde"),
        ("/a-b_c%7e1.txt", 200, "tilde"),
        ("/caf%C3%A9.txt", 200, "coffee"),
    ] {
        let answer = get(&client, path, &[]).await;
        assert_eq!(
            (answer.status.as_u16(), answer.text()),
            (status, content),
            "{path}"
        );
    }
}

/// A sample of all paths of three encoded octets against a plain model. All of them: `bench-attack ST-1-paths --full`.
#[test]
fn s119_encoded_octets_against_a_model() {
    let mut given = 0;
    for number in (0..1u32 << 24).step_by(251) {
        let octets = [(number >> 16) as u8, (number >> 8) as u8, number as u8];
        for dotfiles in [false, true] {
            let expected = model(&octets);
            let [a, b, c] = octets;
            for path in [
                format!("%{a:02X}%{b:02X}%{c:02X}"),
                format!("%{a:02x}%{b:02x}%{c:02x}"),
            ] {
                let found = resolve(path.as_bytes(), dotfiles);
                assert_eq!(found.as_ref().map(|place| &*place.path), expected, "{path}");
                assert!(found.is_none_or(|place| !place.is_directory));
            }
            given += usize::from(expected.is_some());
        }
    }
    assert!(given > 1500, "only {given} were paths");
}

/// One name, or nothing. A dot is none of the octets that may be escaped.
fn model(octets: &[u8; 3]) -> Option<&str> {
    let name = std::str::from_utf8(octets).ok()?;
    let is_plain = name
        .chars()
        .all(|character| !character.is_ascii_control() && !"/\\-._".contains(character));
    let is_needless = name.bytes().any(|octet| octet.is_ascii_alphanumeric());
    (is_plain && !is_needless).then_some(name)
}
