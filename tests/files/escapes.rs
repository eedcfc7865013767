//! ST-1: what leads out of the directory, or to what is no file, is not there.

use crate::h2_peer;
use crate::outside::{Swaps, Three, is_secret};
use crate::scene::{Scene, ask_h1, client, get};
use crate::traversals::traversals;
use bytes::Bytes;
use http::Method;
use std::fs;
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
                assert!(!is_secret(&reply.content), "{target}");
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
                !is_secret(&answer.content) && !text.contains("secret.txt"),
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
    let swaps = Swaps::begin(scene.root()).unwrap();
    let client = scene.client();
    let begun = Instant::now();
    let (mut found, mut missing, mut busy) = (0, 0, 0);
    while begun.elapsed() < Duration::from_millis(1500) {
        for path in Swaps::PATHS {
            let answer = ask_h1(&client, Method::GET, &format!("/assets/{path}"), &[]).await;
            match answer.status.as_u16() {
                200 => {
                    assert_eq!(answer.text(), Swaps::INSIDE);
                    found += 1;
                }
                404 => missing += 1,
                // A file that gets another name each time it is read is a changed one.
                503 => busy += 1,
                status => panic!("{path}: {status}"),
            }
        }
    }
    let swaps = swaps.end();
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
    for three in (0..Three::ALL).step_by(251).map(Three::new) {
        let expected = three.name();
        for dotfiles in [false, true] {
            for path in three.encoded() {
                let found = resolve(&path, dotfiles);
                assert_eq!(
                    found.as_ref().map(|place| &*place.path),
                    expected,
                    "{three:?}"
                );
                assert!(found.is_none_or(|place| !place.is_directory));
            }
            given += usize::from(expected.is_some());
        }
    }
    assert!(given > 1500, "only {given} were paths");
}

/// A smaller sample, asked of a directory that has such names, and links by such names to what is outside.
#[tokio::test]
async fn s119_encoded_octets_against_the_system() {
    let scene = Scene::new();
    let root = scene.root().canonicalize().unwrap();
    let every = |step| (0..Three::ALL).step_by(step).map(Three::new);
    let names: Vec<Three> = every(499).filter(|three| three.name().is_some()).collect();
    for (turn, three) in names.iter().enumerate() {
        three.plant(&root, turn).unwrap();
    }
    let client = scene.client();
    let (mut asked, mut found) = (0, 0);
    for three in every(29_989).chain(names).chain(Three::STEPS) {
        let mut answers = Vec::new();
        for path in three.paths() {
            let answer = ask_h1(&client, Method::GET, &format!("/assets/{path}"), &[]).await;
            answers.push((answer.status.as_u16(), answer.content.to_vec()));
        }
        found += three.judge(&root, &answers).unwrap();
        asked += answers.len();
    }
    assert!(asked > 3000 && found > 150, "{asked} asked, {found} found");
}
