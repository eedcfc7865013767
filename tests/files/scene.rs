//! A directory that is served, a secret beside it, and everything that might lead from the one to the other.

use bytes::Bytes;
use http::{Method, StatusCode};
use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use wireline::Router;
use wireline::files::Files;
use wireline::test::TestClient;

use crate::{h2_peer, outside};

pub(crate) const CSS: &str = "body { color: teal; }\n";

/// When the files of a scene were changed last: Sat, 01 Aug 2026 12:00:00 GMT and some.
pub(crate) fn then() -> SystemTime {
    UNIX_EPOCH + Duration::new(1_785_585_600, 123_456_789)
}

pub(crate) struct Scene {
    folder: PathBuf,
}

impl Scene {
    pub(crate) fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let folder =
            std::env::temp_dir().join(format!("wireline-files-{}-{number}", std::process::id()));
        let scene = Self { folder };
        outside::lay_out(&scene.folder).unwrap();
        fs::create_dir(scene.path("docs")).unwrap();
        for (path, content) in [
            ("index.html", "<h1>Home</h1>"),
            ("css/site.css", CSS),
            ("docs/index.html", "<h1>Docs</h1>"),
            ("docs/a b.txt", "spaced"),
            ("digits.txt", "0123456789"),
            ("empty.txt", ""),
            ("caf\u{e9}.txt", "coffee"),
        ] {
            scene.write(path, content);
        }
        scene
    }

    pub(crate) fn root(&self) -> PathBuf {
        self.folder.join("public")
    }

    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.root().join(path)
    }

    /// Writes a file that was last changed [`then`].
    pub(crate) fn write(&self, path: &str, content: impl AsRef<[u8]>) {
        fs::write(self.path(path), content).unwrap();
        self.touch(path, then());
    }

    pub(crate) fn touch(&self, path: &str, modified: SystemTime) {
        let file = File::options().write(true).open(self.path(path)).unwrap();
        file.set_modified(modified).unwrap();
    }

    /// Adds links, FIFOs and the like.
    pub(crate) fn set_traps(&self) {
        outside::link_out(&self.root()).unwrap();
        symlink("css/site.css", self.path("inside.css")).unwrap();
        symlink("css", self.path("styles")).unwrap();
        assert!(
            Command::new("mkfifo")
                .arg(self.path("fifo"))
                .status()
                .unwrap()
                .success()
        );
        // It stays when the listener is closed.
        drop(UnixListener::bind(self.path("socket")).unwrap());
    }

    pub(crate) fn files(&self) -> Files {
        Files::new(self.root())
    }

    pub(crate) fn client(&self) -> TestClient {
        client(self.files())
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// A client of files under `/assets`.
pub(crate) fn client(files: Files) -> TestClient {
    TestClient::new(Router::new().files("/assets", files).build().unwrap())
}

/// What came back, over whichever version.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) fields: Vec<(String, String)>,
    pub(crate) content: Bytes,
}

impl Answer {
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        let found = self.fields.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.content).unwrap()
    }
}

type Fields<'a> = &'a [(&'static str, &'a str)];

/// Asks over HTTP/1.1 and HTTP/2, and gives the answer, which has to be the same.
pub(crate) async fn ask(
    client: &TestClient,
    method: Method,
    path: &str,
    fields: Fields<'_>,
) -> Answer {
    let answer = ask_h1(client, method.clone(), path, fields).await;
    let sender = h2_peer::connect(client).await;
    let mut request = h2_peer::to(method.as_str(), path);
    for (name, value) in fields {
        request = request.header(*name, *value);
    }
    let reply = h2_peer::ask(&sender, request.body(Bytes::new()).unwrap())
        .await
        .unwrap();
    let again = Answer {
        status: reply.status,
        fields: sorted(
            reply
                .headers
                .iter()
                .map(|(name, value)| (name.as_str(), value.as_bytes())),
        ),
        content: reply.content,
    };
    // A boundary is made anew for each response.
    if answer
        .field("content-type")
        .is_none_or(|kind| !kind.starts_with("multipart/"))
    {
        assert_eq!(again, answer, "{method} {path} {fields:?}");
    }
    answer
}

pub(crate) async fn get(client: &TestClient, path: &str, fields: Fields<'_>) -> Answer {
    ask(client, Method::GET, path, fields).await
}

pub(crate) async fn ask_h1(
    client: &TestClient,
    method: Method,
    path: &str,
    fields: Fields<'_>,
) -> Answer {
    let mut request = client.method(method, path);
    for (name, value) in fields {
        request = request.header(*name, *value);
    }
    let response = request.await;
    Answer {
        status: response.status,
        fields: sorted(
            response
                .headers
                .iter()
                .map(|(name, value)| (name, value.as_bytes())),
        ),
        content: response.bytes().clone(),
    }
}

/// Without what differs from one second or one version to the other.
fn sorted<'a>(fields: impl Iterator<Item = (&'a str, &'a [u8])>) -> Vec<(String, String)> {
    let mut fields: Vec<(String, String)> = fields
        .filter(|(name, _)| !["date", "connection", "server"].contains(name))
        .map(|(name, value)| (name.to_owned(), String::from_utf8(value.to_vec()).unwrap()))
        .collect();
    fields.sort();
    fields
}
