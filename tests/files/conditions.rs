//! Preconditions and ranges, as tables, over both versions.

use crate::scene::{Answer, Scene, ask, client, get, then};
use http::Method;
use std::fs;
use std::time::{Duration, SystemTime};
use wireline::service::conditional::EntityTag;
use wireline::service::representation::Representation;
use wireline::test::TestClient;
use wireline::{Request, Response, Router};

const SAME: &str = "Sat, 01 Aug 2026 12:00:00 GMT";
const BEFORE: &str = "Sat, 01 Aug 2026 11:59:59 GMT";
const AFTER: &str = "Sat, 01 Aug 2026 12:00:01 GMT";

/// RFC 9110 §13.2.2: all five preconditions, alone and beside each other.
#[tokio::test]
async fn d21_preconditions_in_their_order() {
    let scene = Scene::new();
    let client = scene.client();
    let tag = get(&client, "/assets/digits.txt", &[])
        .await
        .field("etag")
        .unwrap()
        .to_owned();
    let (weak, other) = (format!("W/{tag}"), "\"other\"");
    let list = format!("{other}, {tag}");
    let weak_list = format!("{other},{weak}");
    let many = format!("{}{tag}", "\"a\",".repeat(1000));
    let cases: &[(&[(&'static str, &str)], u16)] = &[
        (&[("if-match", &tag)], 200),
        (&[("if-match", &list)], 200),
        (&[("if-match", "*")], 200),
        (&[("if-match", other)], 412),
        (&[("if-match", &weak)], 412),
        (&[("if-match", "garbage")], 412),
        (&[("if-match", other), ("if-match", &tag)], 200),
        (&[("if-unmodified-since", SAME)], 200),
        (&[("if-unmodified-since", AFTER)], 200),
        (&[("if-unmodified-since", BEFORE)], 412),
        (&[("if-unmodified-since", "yesterday")], 200),
        // With If-Match it counts for nothing.
        (&[("if-match", &tag), ("if-unmodified-since", BEFORE)], 200),
        (&[("if-none-match", &tag)], 304),
        (&[("if-none-match", &weak)], 304),
        (&[("if-none-match", &weak_list)], 304),
        (&[("if-none-match", "*")], 304),
        (&[("if-none-match", other)], 200),
        (&[("if-none-match", "")], 200),
        (&[("if-none-match", other), ("if-none-match", &tag)], 304),
        // ST-5: past the cap nothing is looked at.
        (&[("if-none-match", &many)], 200),
        (&[("if-match", &many)], 412),
        (&[("if-modified-since", SAME)], 304),
        (&[("if-modified-since", AFTER)], 304),
        (&[("if-modified-since", BEFORE)], 200),
        (
            &[("if-modified-since", "Saturday, 01-Aug-26 12:00:00 GMT")],
            304,
        ),
        (&[("if-modified-since", "Sat Aug  1 12:00:00 2026")], 304),
        (&[("if-modified-since", "1785585600")], 200),
        (
            &[("if-modified-since", AFTER), ("if-modified-since", AFTER)],
            200,
        ),
        // With If-None-Match it counts for nothing, either way.
        (
            &[("if-none-match", other), ("if-modified-since", AFTER)],
            200,
        ),
        (
            &[("if-none-match", &tag), ("if-modified-since", BEFORE)],
            304,
        ),
        // 412 goes before 304.
        (&[("if-match", other), ("if-none-match", &tag)], 412),
        (&[("if-match", &tag), ("if-none-match", &tag)], 304),
        (
            &[
                ("if-unmodified-since", BEFORE),
                ("if-modified-since", AFTER),
            ],
            412,
        ),
        (&[("range", "bytes=2-3")], 206),
        (&[("range", "bytes=2-3"), ("if-range", &tag)], 206),
        (&[("range", "bytes=2-3"), ("if-range", &weak)], 200),
        (&[("range", "bytes=2-3"), ("if-range", other)], 200),
        (&[("range", "bytes=2-3"), ("if-range", &list)], 200),
        (&[("range", "bytes=2-3"), ("if-range", "*")], 200),
        (&[("range", "bytes=2-3"), ("if-range", SAME)], 206),
        (&[("range", "bytes=2-3"), ("if-range", AFTER)], 200),
        (&[("range", "bytes=2-3"), ("if-range", BEFORE)], 200),
        (&[("range", "bytes=2-3"), ("if-range", "")], 200),
        (
            &[
                ("range", "bytes=2-3"),
                ("if-range", &tag),
                ("if-range", &tag),
            ],
            200,
        ),
        (&[("if-range", other)], 200),
        // Preconditions before ranges.
        (&[("range", "bytes=2-3"), ("if-none-match", &tag)], 304),
        (&[("range", "bytes=2-3"), ("if-match", other)], 412),
        (&[("range", "bytes=99-"), ("if-none-match", &tag)], 304),
        (&[("range", "bytes=99-")], 416),
        (&[("range", "bytes=99-"), ("if-range", other)], 200),
    ];
    for (fields, status) in cases {
        let answer = get(&client, "/assets/digits.txt", fields).await;
        assert_eq!(answer.status, *status, "{fields:?}");
        check(&answer, &tag);
        // HEAD has no ranges (RFC 9110 §14.2).
        let head = ask(&client, Method::HEAD, "/assets/digits.txt", fields).await;
        let expected = if [206, 416].contains(status) {
            200
        } else {
            *status
        };
        assert_eq!(head.status, expected, "HEAD {fields:?}");
        assert!(head.content.is_empty());
    }
}

fn check(answer: &Answer, tag: &str) {
    let (length, range) = (
        answer.field("content-length"),
        answer.field("content-range"),
    );
    match answer.status.as_u16() {
        200 => assert_eq!(
            (answer.text(), length, range),
            ("0123456789", Some("10"), None)
        ),
        206 => {
            assert_eq!(
                (answer.text(), length, range),
                ("23", Some("2"), Some("bytes 2-3/10"))
            );
            assert!(
                answer.field("etag") == Some(tag) && answer.field("last-modified") == Some(SAME)
            );
        }
        304 => {
            assert_eq!((answer.content.len(), answer.field("etag")), (0, Some(tag)));
            assert_eq!(answer.fields.len(), 1, "{answer:?}");
        }
        412 => assert_eq!(answer.text(), "the precondition is not met"),
        _ => assert_eq!(
            (answer.text(), range),
            ("no such range", Some("bytes */10"))
        ),
    }
}

/// RFC 9110 §13.2.1: where there is nothing to select, there is no condition; §5.6.7: which year two digits are.
#[tokio::test]
async fn conditions_of_what_is_not_there_count_for_nothing() {
    let scene = Scene::new();
    let client = scene.client();
    for fields in [
        [("if-none-match", "*")],
        [("if-match", "\"other\"")],
        [("if-modified-since", AFTER)],
        [("if-unmodified-since", BEFORE)],
        [("range", "bytes=0-1")],
    ] {
        for (method, path, status) in [
            (Method::GET, "/assets/nothing.txt", 404),
            (Method::GET, "/assets/docs", 308),
            (Method::OPTIONS, "/assets/digits.txt", 204),
            (Method::DELETE, "/assets/digits.txt", 405),
        ] {
            let answer = ask(&client, method.clone(), path, &fields).await;
            assert_eq!(answer.status, status, "{method} {path} {fields:?}");
        }
    }
    // No date, no condition about one; and no part of what has no parts.
    async fn undated(request: Request) -> Response {
        Representation::new("0123456789", "text/plain")
            .with_tag(EntityTag::strong("v1").unwrap())
            .respond(&request)
    }
    let router = Router::new()
        .get("/undated", undated)
        .get("/plain", async || "0123456789");
    let other = TestClient::new(router.build().unwrap());
    for (path, fields) in [
        ("/undated", vec![("if-modified-since", AFTER)]),
        ("/undated", vec![("if-unmodified-since", BEFORE)]),
        ("/undated", vec![("range", "bytes=0-1"), ("if-range", SAME)]),
        (
            "/plain",
            vec![("range", "bytes=0-1"), ("if-range", "\"v1\"")],
        ),
        ("/plain", vec![("range", "bytes=0-1")]),
    ] {
        let answer = get(&other, path, &fields).await;
        assert_eq!(
            (answer.status.as_u16(), answer.text()),
            (200, "0123456789"),
            "{path} {fields:?}"
        );
    }
    // 1977, not 2077, which would be more than fifty years away.
    for (field, status) in [
        (("if-modified-since", "Monday, 01-Aug-77 12:00:00 GMT"), 200),
        (
            ("if-unmodified-since", "Monday, 01-Aug-77 12:00:00 GMT"),
            412,
        ),
        (
            ("if-unmodified-since", "Monday, 01-Aug-33 12:00:00 GMT"),
            200,
        ),
    ] {
        let answer = get(&client, "/assets/digits.txt", &[field]).await;
        assert_eq!(answer.status, status, "{field:?}");
    }
}

/// RFC 9110 §8.8.2.1, §15.3.7: a part has the fields of the whole, and no date is of the future.
#[tokio::test]
async fn a_part_has_the_fields_of_the_whole() {
    let scene = Scene::new();
    scene.write("digits.txt.gz", "0123456789 in gzip");
    let files = scene.files().precompressed().cache_control("max-age=60");
    let client = client(files);
    let whole = get(&client, "/assets/digits.txt", &[]).await;
    let part = get(&client, "/assets/digits.txt", &[("range", "bytes=2-3")]).await;
    assert_eq!((part.status.as_u16(), part.text()), (206, "23"));
    for name in [
        "accept-ranges",
        "cache-control",
        "content-type",
        "etag",
        "last-modified",
        "vary",
    ] {
        assert!(whole.field(name).is_some(), "{name}");
        assert_eq!(part.field(name), whole.field(name), "{name}");
    }
    let tag = whole.field("etag").unwrap();
    let same = get(&client, "/assets/digits.txt", &[("if-none-match", tag)]).await;
    assert_eq!(same.status, 304);
    for name in ["cache-control", "etag", "vary"] {
        assert_eq!(same.field(name), whole.field(name), "{name}");
    }
    scene.touch("digits.txt", SystemTime::now() + Duration::from_secs(3600));
    let later = get(&client, "/assets/digits.txt", &[]).await;
    assert_eq!(
        (later.status.as_u16(), later.field("last-modified")),
        (200, None)
    );
}

/// ST-3.
#[tokio::test]
async fn d21_ranges_are_merged_and_capped() {
    let scene = Scene::new();
    let large: Vec<u8> = (0..300_000u32).map(|number| (number % 251) as u8).collect();
    scene.write("large.bin", &large);
    let client = scene.client();
    for (range, status, parts) in [
        ("bytes=0-0", 206, vec![(0, 0)]),
        ("bytes=299999-", 206, vec![(299_999, 299_999)]),
        ("bytes=-1", 206, vec![(299_999, 299_999)]),
        ("bytes=-999999999999", 206, vec![(0, 299_999)]),
        ("bytes=100000-299999", 206, vec![(100_000, 299_999)]),
        ("bytes=0-9,5-20", 206, vec![(0, 20)]),
        ("bytes=0-9,10-20", 206, vec![(0, 20)]),
        ("bytes=0-,0-,0-,0-,0-,0-", 206, vec![(0, 299_999)]),
        ("bytes=0-0,2-2", 206, vec![(0, 0), (2, 2)]),
        (
            "bytes=200000-, 0-69999 ,100-200",
            206,
            vec![(200_000, 299_999), (0, 69_999)],
        ),
        ("bytes=0-0,400000-", 206, vec![(0, 0)]),
        (
            "bytes=0-0,2-2,4-4,6-6,8-8,10-10,12-12,14-14,16-16,18-18,20-20,22-22,24-24,26-26,28-28,30-30",
            206,
            (0..16).map(|place| (2 * place, 2 * place)).collect(),
        ),
        (
            "bytes=0-0,2-2,4-4,6-6,8-8,10-10,12-12,14-14,16-16,18-18,20-20,22-22,24-24,26-26,28-28,30-30,32-32",
            200,
            vec![],
        ),
        ("bytes=5-4", 200, vec![]),
        ("bytes=18446744073709551616-", 416, vec![]),
        ("bytes=0-18446744073709551616", 206, vec![(0, 299_999)]),
        ("bytes=-0", 416, vec![]),
        ("bytes=300000-", 416, vec![]),
        ("chapters=1", 200, vec![]),
    ] {
        let answer = get(&client, "/assets/large.bin", &[("range", range)]).await;
        assert_eq!(answer.status, status, "{range}");
        match (status, parts.as_slice()) {
            (200, _) => assert_eq!(answer.content, large),
            (206, [(first, last)]) => {
                let expected = format!("bytes {first}-{last}/300000");
                assert_eq!(answer.field("content-range"), Some(expected.as_str()));
                assert_eq!(answer.content, large[*first..=*last]);
            }
            (206, parts) => {
                assert_eq!(answer.content, multipart(&answer, &large, parts), "{range}")
            }
            _ => assert_eq!(answer.field("content-range"), Some("bytes */300000")),
        }
        let length = answer.content.len().to_string();
        assert_eq!(answer.field("content-length"), Some(length.as_str()));
    }
    // A thousand of them do not fit a request; two fields are no list.
    let many = format!("bytes={}", vec!["0-"; 1000].join(","));
    assert_eq!(
        get(&client, "/assets/digits.txt", &[("range", &many)])
            .await
            .status,
        200
    );
    let twice = [("range", "bytes=0-0"), ("range", "bytes=2-2")];
    assert_eq!(get(&client, "/assets/digits.txt", &twice).await.status, 200);
    // No octets, no ranges.
    for (range, status) in [("bytes=0-", 416), ("bytes=-5", 200)] {
        assert_eq!(
            get(&client, "/assets/empty.txt", &[("range", range)])
                .await
                .status,
            status
        );
    }
}

/// What RFC 9110 §14.6 makes of these parts, with the boundary of the answer.
fn multipart(answer: &Answer, content: &[u8], parts: &[(usize, usize)]) -> Vec<u8> {
    let kind = answer.field("content-type").unwrap();
    let boundary = kind
        .strip_prefix("multipart/byteranges; boundary=")
        .unwrap();
    assert!(boundary.len() >= 16 && answer.field("content-range").is_none());
    let mut expected = Vec::new();
    for (number, (first, last)) in parts.iter().enumerate() {
        let before = if number == 0 { "" } else { "\r\n" };
        let head = format!(
            "{before}--{boundary}\r\ncontent-type: application/octet-stream\r\ncontent-range: bytes {first}-{last}/{}\r\n\r\n",
            content.len()
        );
        expected.extend_from_slice(head.as_bytes());
        expected.extend_from_slice(&content[*first..=*last]);
    }
    expected.extend_from_slice(format!("\r\n--{boundary}--\r\n").as_bytes());
    expected
}

/// As builds make them that give all files one time.
#[tokio::test]
async fn d21_files_of_one_size_and_one_time_are_told_apart() {
    let scene = Scene::new();
    scene.write("digits.txt", "0123456789");
    let (own, shared) = (scene.client(), client(scene.files().shared_tags()));
    let path = "/assets/digits.txt";
    let tag = |answer: &Answer| answer.field("etag").unwrap().to_owned();
    let first = tag(&get(&own, path, &[]).await);
    let both = tag(&get(&shared, path, &[]).await);
    assert!(
        first.starts_with('"') && both.starts_with("W/\""),
        "{first} {both}"
    );
    assert_eq!(tag(&get(&own, path, &[]).await), first);
    for is_renamed in [false, true] {
        let before = tag(&get(&own, path, &[]).await);
        // Later by the clock of the file system.
        tokio::time::sleep(Duration::from_millis(20)).await;
        if is_renamed {
            scene.write("next.txt", "abcdefghij");
            fs::rename(scene.path("next.txt"), scene.path("digits.txt")).unwrap();
        } else {
            scene.write("digits.txt", "9876543210");
        }
        let content = ["9876543210", "abcdefghij"][usize::from(is_renamed)];
        let answer = get(&own, path, &[("if-none-match", &before)]).await;
        assert_eq!((answer.status.as_u16(), answer.text()), (200, content));
        let part = [("range", "bytes=0-1"), ("if-range", before.as_str())];
        let answer = get(&own, path, &part).await;
        assert_eq!((answer.status.as_u16(), answer.text()), (200, content));
    }
    // What another server with the same times would say.
    let answer = get(&shared, path, &[("if-none-match", &both)]).await;
    assert_eq!((answer.status.as_u16(), tag(&answer)), (304, both.clone()));
    let part = [("range", "bytes=0-1"), ("if-range", both.as_str())];
    assert_eq!(get(&shared, path, &part).await.status, 200);
    let answer = get(&shared, path, &[("if-match", &both)]).await;
    assert_eq!(answer.status, 412);
}

/// Size and time to the nanosecond: a file that was rolled back has another tag than the one before it.
#[tokio::test]
async fn d21_a_tag_names_one_state() {
    let scene = Scene::new();
    let client = scene.client();
    let mut tags = Vec::new();
    for (content, modified) in [
        ("0123456789", then()),
        ("9876543210", then() + Duration::from_nanos(1)),
        ("012345678", then()),
        ("0123456789", then() - Duration::from_secs(86_400)),
        (
            "0123456789",
            SystemTime::UNIX_EPOCH - Duration::from_secs(5),
        ),
        (
            "0123456789",
            SystemTime::UNIX_EPOCH + Duration::from_secs(300_000_000_000),
        ),
    ] {
        scene.write("digits.txt", content);
        scene.touch("digits.txt", modified);
        let answer = get(&client, "/assets/digits.txt", &[]).await;
        assert_eq!((answer.status.as_u16(), answer.text()), (200, content));
        tags.push(answer.field("etag").unwrap().to_owned());
    }
    // A date before 1970 or of the future is none (RFC 9110 §8.8.2.1), and a tag of the future is not settled.
    assert!(
        tags[..5].iter().all(|tag| tag.starts_with('"')) && tags[5].starts_with("W/"),
        "{tags:?}"
    );
    tags.sort();
    tags.dedup();
    assert_eq!(tags.len(), 6);
    // What may change within the same tick of a clock has a weak one, which is good for 304 and not for parts.
    scene.touch("digits.txt", SystemTime::now());
    let fresh = get(&client, "/assets/digits.txt", &[]).await;
    let tag = fresh.field("etag").unwrap();
    assert!(tag.starts_with("W/\""), "{tag}");
    assert_eq!(
        get(&client, "/assets/digits.txt", &[("if-none-match", tag)])
            .await
            .status,
        304
    );
    let part = [("range", "bytes=0-1"), ("if-range", tag)];
    assert_eq!(get(&client, "/assets/digits.txt", &part).await.status, 200);
}

/// What a handler makes has the same conditions.
#[tokio::test]
async fn content_of_handlers_has_conditions_and_ranges() {
    async fn digits(request: Request) -> Response {
        Representation::new("0123456789", "text/plain")
            .with_tag(EntityTag::strong("v1").unwrap())
            .with_modified(then())
            .respond(&request)
    }
    let client = TestClient::new(Router::new().get("/digits", digits).build().unwrap());
    for (fields, status, content) in [
        (vec![], 200, "0123456789"),
        (vec![("if-none-match", "W/\"v1\"")], 304, ""),
        (
            vec![("if-match", "\"v2\"")],
            412,
            "the precondition is not met",
        ),
        (vec![("if-modified-since", SAME)], 304, ""),
        (vec![("range", "bytes=-3")], 206, "789"),
        (
            vec![("range", "bytes=-3"), ("if-range", "\"v2\"")],
            200,
            "0123456789",
        ),
        (vec![("range", "bytes=10-")], 416, "no such range"),
    ] {
        let answer = get(&client, "/digits", &fields).await;
        assert_eq!(
            (answer.status.as_u16(), answer.text()),
            (status, content),
            "{fields:?}"
        );
    }
    let several = get(&client, "/digits", &[("range", "bytes=0-1,8-")]).await;
    assert_eq!(several.text().matches("content-range: bytes ").count(), 2);
    assert!(
        several.text().contains("\r\n\r\n01\r\n--") && several.text().contains("\r\n\r\n89\r\n--")
    );
    let head = ask(&client, Method::HEAD, "/digits", &[("range", "bytes=0-1")]).await;
    assert_eq!(
        (head.status.as_u16(), head.field("content-length")),
        (200, Some("10"))
    );
}
