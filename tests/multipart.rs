//! Forms with files: what comes out of them, whatever a client does to them (RESILIENCE MP-1).
#![expect(clippy::disallowed_methods, reason = "work is timed by the real clock")]

#[path = "support/h2_peer.rs"]
mod h2_peer;

use bytes::Bytes;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use wireline::extract::{Multipart, MultipartError, MultipartLimits, TempFile};
use wireline::service::body::Body;
use wireline::test::{TestClient, TestRequest};
use wireline::{Response, Router};

const FORM: &str = "multipart/form-data; boundary=b";

/// A form with two inputs and a file.
const USUAL: &[u8] = b"--b\r\nContent-Disposition: form-data; name=\"title\"\r\n\r\nEmma\r\n\
    --b\r\nContent-Disposition: form-data; name=\"empty\"\r\n\r\n\r\n\
    --b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"../../etc/passwd\"\r\nContent-Type: text/plain\r\n\r\n\
    line\r\n--a\r\n--bad\r\n\r\n--b--\r\n";

/// What the handler says of [`USUAL`], whose file has a line in it that begins like a boundary.
const REFUSED: &str = "the content has no such boundary, or ends before its last one";

/// Says what is in a form.
async fn tell(mut form: Multipart) -> Result<String, MultipartError> {
    let mut told = String::new();
    while let Some(field) = form.next().await? {
        let head = format!(
            "{}|{:?}|{:?}|{}",
            field.name(),
            field.file_name(),
            field.bare_file_name(),
            field
                .content_type()
                .map_or_else(String::new, ToString::to_string)
        );
        let text = field.text().await?;
        told.push_str(&format!("{head}|{text:?}\n"));
    }
    Ok(told)
}

/// Reads the names only.
async fn skip(mut form: Multipart) -> Result<String, MultipartError> {
    let mut parts = 0;
    while let Some(field) = form.next().await? {
        assert!(!field.name().is_empty());
        parts += 1;
    }
    Ok(parts.to_string())
}

fn client(limits: MultipartLimits) -> TestClient {
    let router = Router::new()
        .post("/tell", tell)
        .post("/skip", skip)
        .post("/maybe", async |form: Option<Multipart>| {
            form.is_some().to_string()
        })
        .max_body(64 * 1024 * 1024)
        .state(limits);
    TestClient::new(router.build().unwrap())
}

fn form<'a>(client: &'a TestClient, path: &str, content: impl Into<Body>) -> TestRequest<'a> {
    let request = client.post(path).header("content-type", FORM);
    request.body(content)
}

async fn answer(request: TestRequest<'_>) -> (u16, String) {
    let answer = request.await;
    (answer.status.as_u16(), answer.text().to_owned())
}

/// The content in pieces of this size.
fn pieces(content: &[u8], size: usize) -> Body {
    let pieces: Vec<Bytes> = content.chunks(size).map(Bytes::copy_from_slice).collect();
    Body::from_chunks(pieces.into_iter())
}

fn usual() -> Vec<u8> {
    // Without the line that is no boundary and begins like one.
    String::from_utf8(USUAL.to_vec())
        .unwrap()
        .replace("--bad\r\n", "-b\r\n")
        .into_bytes()
}

const TOLD: &str = "title|None|None||\"Emma\"\nempty|None|None||\"\"\n\
    file|Some(\"../../etc/passwd\")|Some(\"passwd\")|text/plain|\"line\\r\\n--a\\r\\n-b\\r\\n\"\n";

#[tokio::test(start_paused = true)]
async fn mp_1_a_form_is_the_same_however_it_is_cut() {
    let client = client(MultipartLimits::default());
    let content = usual();
    assert_eq!(
        answer(form(&client, "/tell", content.clone())).await,
        (200, TOLD.to_owned())
    );
    for size in 1..content.len() {
        assert_eq!(
            answer(form(&client, "/tell", pieces(&content, size))).await,
            (200, TOLD.to_owned()),
            "pieces of {size}"
        );
    }
    // Cut once, at each place.
    for at in 1..content.len() {
        let halves = vec![
            Bytes::copy_from_slice(&content[..at]),
            Bytes::copy_from_slice(&content[at..]),
        ];
        let halves = Body::from_chunks(halves.into_iter());
        assert_eq!(
            answer(form(&client, "/tell", halves)).await,
            (200, TOLD.to_owned()),
            "cut at {at}"
        );
        assert_eq!(
            answer(form(&client, "/skip", pieces(&content, at))).await,
            (200, "3".to_owned()),
            "skipped, pieces of {at}"
        );
    }
    // What ends before its last boundary is refused, wherever it ends.
    let end = content.len() - "--\r\n".len();
    for at in 0..end {
        let (status, text) = answer(form(&client, "/tell", content[..at].to_vec())).await;
        assert_eq!((status, text.as_str()), (400, REFUSED), "ended at {at}");
    }
    assert_eq!(
        answer(form(&client, "/tell", USUAL)).await,
        (400, REFUSED.to_owned())
    );
}

#[tokio::test(start_paused = true)]
async fn mp_1_over_http_2_it_is_the_same() {
    let client = client(MultipartLimits::default());
    let sender = h2_peer::connect(&client).await;
    let request = h2_peer::to("POST", "/tell").header("content-type", FORM);
    let reply = h2_peer::ask(&sender, request.body(usual().into()).unwrap()).await;
    let reply = reply.unwrap();
    assert_eq!((reply.status.as_u16(), reply.text()), (200, TOLD));
}

#[tokio::test(start_paused = true)]
async fn mp_1_what_is_no_form_is_refused() {
    let client = client(MultipartLimits::default());
    let long = format!("multipart/form-data; boundary={}", "b".repeat(71));
    for (content_type, status) in [
        ("multipart/form-data", 400),
        ("multipart/form-data; boundary=", 415),
        ("multipart/form-data; boundary=\"\"", 400),
        ("multipart/form-data; boundary=\"b \"", 400),
        ("multipart/form-data; boundary=\"b\tb\"", 400),
        (&long, 400),
        ("multipart/form-data; boundary=b; boundary=c", 415),
        ("multipart/mixed; boundary=b", 415),
        ("application/x-www-form-urlencoded", 415),
        ("text/plain", 415),
    ] {
        let request = client.post("/tell").header("content-type", content_type);
        let answer = request.body(usual()).await;
        assert_eq!(answer.status, status, "{content_type}");
    }
    assert_eq!(client.post("/tell").body("x").await.status, 415);
    assert_eq!(client.post("/maybe").await.text(), "false");
    assert_eq!(form(&client, "/maybe", usual()).await.text(), "true");
    for (content, expected) in [
        ("", REFUSED),
        ("no boundary at all", REFUSED),
        ("--b\r\n\r\nno header section\r\n--b--", REFUSED),
        (
            "--b\r\nContent-Disposition: attachment; name=\"a\"\r\n\r\n\r\n--b--",
            "a part has no name: `Content-Disposition: form-data; name=\"..\"` is expected",
        ),
        (
            "--b\r\nContent Disposition: form-data; name=\"a\"\r\n\r\n\r\n--b--",
            "the header section of a part is malformed",
        ),
    ] {
        let (status, text) = answer(form(&client, "/tell", content)).await;
        assert_eq!(status, 400, "{content}");
        assert_eq!(text, expected, "{content}");
    }
    let latin = b"--b\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n\xe9\r\n--b--";
    assert_eq!(
        answer(form(&client, "/tell", latin.as_slice())).await,
        (400, "a field of the form is not UTF-8".to_owned())
    );
}

/// Parts of parts are content.
#[tokio::test(start_paused = true)]
async fn mp_1_nested_forms_are_not_followed() {
    let client = client(MultipartLimits::default());
    let inner = "--c\r\nContent-Disposition: form-data; name=\"inner\"\r\n\r\nx\r\n--c--";
    let content = format!(
        "--b\r\nContent-Disposition: form-data; name=\"a\"\r\nContent-Type: multipart/mixed; boundary=c\r\n\r\n{inner}\r\n--b--\r\nan epilogue"
    );
    let expected = format!("a|None|None|multipart/mixed; boundary=c|{inner:?}\n");
    assert_eq!(
        answer(form(&client, "/tell", content)).await,
        (200, expected)
    );
}

/// A part of this content.
fn part(name: &str, content: &str) -> String {
    format!("--b\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{content}\r\n")
}

#[tokio::test(start_paused = true)]
async fn mp_1_each_limit_holds() {
    let too_many = "the form has too many parts";
    let too_large = "a part of the form is too large";
    let form_too_large = "the form is too large";
    let head = "a part of the form has too large a header section";
    let limits = MultipartLimits::default()
        .parts(3)
        .header(200)
        .part(100)
        .total(1000)
        .in_memory(50);
    let client = client(limits);
    let long = |octets: usize| part("a", &"x".repeat(octets));
    // "content-disposition", its value, and what a line has beside them.
    let longest = 200 - 19 - "form-data; name=\"\"".len() - 4;
    for (path, content, expected) in [
        ("/skip", part("a", "").repeat(3), "3"),
        ("/skip", part("a", "").repeat(4), too_many),
        ("/skip", long(100), "1"),
        ("/skip", long(101), too_large),
        ("/tell", long(50), ""),
        ("/tell", long(51), too_large),
        ("/skip", part(&"n".repeat(longest), ""), "1"),
        ("/skip", part(&"n".repeat(longest + 1), ""), head),
        ("/skip", format!("{}{}", "x".repeat(500), long(1)), "1"),
        (
            "/skip",
            format!("{}{}", "x".repeat(1000), long(1)),
            form_too_large,
        ),
    ] {
        for size in [1, 7, 100_000] {
            let content = format!("{content}--b--");
            let (status, text) =
                answer(form(&client, path, pieces(content.as_bytes(), size))).await;
            let is_refused = [too_many, too_large, form_too_large, head].contains(&expected);
            assert_eq!(
                status,
                if is_refused { 413 } else { 200 },
                "{content}: {text}"
            );
            if is_refused || path == "/skip" {
                assert_eq!(text, expected, "{content}");
            }
        }
    }
}

/// A million parts, a header section without an end, content that is almost a boundary, an endless preamble: refused early, or read in
/// linear time, in little memory.
#[tokio::test(start_paused = true)]
async fn mp_1_floods_are_bounded() {
    let client = client(MultipartLimits::default());
    let begun = std::time::Instant::now();
    let one = Bytes::from(part("a", "x"));
    let million = Body::from_chunks(std::iter::repeat_n(one, 1_000_000));
    let answered = answer(form(&client, "/skip", million)).await;
    assert_eq!(answered, (413, "the form has too many parts".to_owned()));

    let head = "a part of the form has too large a header section".to_owned();
    let block = Bytes::from_static(&[b'x'; 16 * 1024]);
    let begin = Bytes::from_static(b"--b\r\nContent-Disposition: form-data; name=\"");
    let endless =
        Body::from_chunks(std::iter::once(begin).chain(std::iter::repeat_n(block.clone(), 65_536)));
    assert_eq!(
        answer(form(&client, "/skip", endless)).await,
        (413, head.clone())
    );
    let preamble = Body::from_chunks(std::iter::repeat_n(block, 65_536));
    assert_eq!(
        answer(form(&client, "/skip", preamble)).await,
        (413, head.clone())
    );
    // Empty lines before the first boundary, octet by octet.
    let lines = Body::from_chunks(
        (0..40_000).map(|at| Bytes::from_static(if at % 2 == 0 { b"\r" } else { b"\n" })),
    );
    assert_eq!(answer(form(&client, "/skip", lines)).await, (413, head));

    // Every line could be a boundary until its last octet.
    let almost = "\r\n--".repeat(1_000_000);
    let content = format!("{}--b--", part("a", &almost));
    assert_eq!(
        answer(form(&client, "/skip", content)).await,
        (200, "1".to_owned())
    );
    let almost = "\r\n--".repeat(10_000);
    let content = format!("{}--b--", part("a", &almost));
    let cut = pieces(content.as_bytes(), 3);
    assert_eq!(
        answer(form(&client, "/skip", cut)).await,
        (200, "1".to_owned())
    );
    assert!(
        begun.elapsed() < Duration::from_secs(60),
        "{:?}",
        begun.elapsed()
    );
    assert!(client.buffered() < 1024 * 1024, "{}", client.buffered());
}

/// A folder of the test's own.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("wireline-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir(&path).unwrap();
        Self(path)
    }

    fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(&self.0).unwrap();
        let mut names: Vec<String> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    /// Files are removed by another thread.
    async fn becomes(&self, expected: &[&str]) {
        for _ in 0..500 {
            if self.names() == expected {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert_eq!(self.names(), expected);
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[tokio::test]
async fn mp_1_files_go_to_the_disk_and_nowhere_else() {
    let folder = Folder::new("multipart");
    let kept: Arc<Mutex<Vec<TempFile>>> = Arc::default();
    let (path, temps) = (folder.0.clone(), kept.clone());
    let save = move |mut form: Multipart| {
        let (folder, kept) = (path.clone(), temps.clone());
        async move {
            while let Some(mut field) = form.next().await? {
                match field.name() {
                    "fixed" => {
                        field.save_to(folder.join("fixed")).await?;
                    }
                    "persist" => {
                        let file = field.save_temp(&folder).await?;
                        let len = file.len();
                        let to = folder.join(format!("kept-{len}"));
                        file.persist(to).await.map_err(MultipartError::Io)?;
                    }
                    _ => {
                        let file = field.save_temp(&folder).await?;
                        kept.lock().unwrap().push(file);
                    }
                }
            }
            Ok::<_, MultipartError>(Response::text("saved"))
        }
    };
    let router = Router::new()
        .post("/save", save)
        .max_body(8 * 1024 * 1024)
        .state(MultipartLimits::default().part(3 * 1024 * 1024));
    let client = TestClient::new(router.build().unwrap());
    let file = |name: &str, content: &str| {
        format!(
            "--b\r\nContent-Disposition: form-data; name=\"{name}\"; filename=\"../../{name}\"\r\n\r\n{content}\r\n"
        )
    };
    let content = "0123456789".repeat(200_000);
    let all = format!(
        "{}{}{}--b--",
        file("fixed", &content),
        file("persist", ""),
        file("temp", "temporary")
    );
    let saved = answer(form(&client, "/save", all.clone())).await;
    assert_eq!(saved, (200, "saved".to_owned()));
    assert_eq!(
        std::fs::read(folder.0.join("fixed")).unwrap(),
        content.as_bytes()
    );
    assert_eq!(std::fs::read(folder.0.join("kept-0")).unwrap(), b"");
    let temp = kept.lock().unwrap().pop().unwrap();
    assert_eq!(std::fs::read(temp.path()).unwrap(), b"temporary");
    assert_eq!(temp.path().parent(), Some(folder.0.as_path()));
    assert_private(temp.path());
    assert_eq!(folder.names().len(), 3);
    drop(temp);
    folder.becomes(&["fixed", "kept-0"]).await;

    // A file that is there is not touched, and the client learns nothing of it.
    let again = answer(form(&client, "/save", all)).await;
    assert_eq!(again, (500, "internal server error".to_owned()));
    // What is too large, or cut short, leaves nothing behind.
    let large = format!("{}--b--", file("temp", &"x".repeat(3 * 1024 * 1024 + 1)));
    assert_eq!(answer(form(&client, "/save", large)).await.0, 413);
    assert_eq!(
        answer(form(&client, "/save", file("temp", &content)))
            .await
            .0,
        400
    );
    folder.becomes(&["fixed", "kept-0"]).await;
    assert!(kept.lock().unwrap().is_empty());
}

#[cfg(unix)]
fn assert_private(path: &Path) {
    use std::os::unix::fs::PermissionsExt;
    let mode = std::fs::metadata(path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[cfg(not(unix))]
fn assert_private(_: &Path) {}
