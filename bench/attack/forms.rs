//! Fields, cookies, forms and ranges: HD-1, HD-2, MP-1, ST-3.

use crate::Context;
use crate::crowd::{self, told};
use crate::outcome::Outcome;
use crate::talk::{Case, Talk, each_case, get};
use bytes::Bytes;
use std::sync::Arc;

/// HD-1: line ends and NUL in names and values of fields, in cookies and in locations. No line comes of them, and the client is told that
/// the server has failed.
pub(crate) async fn split_responses(context: Arc<Context>) -> Outcome {
    const WRONG: [&str; 7] = [
        "a%0d%0aX-Injected:%20yes",
        "a%0aX-Injected:%20yes",
        "a%0dX-Injected:%20yes",
        "a%0d%0a%0d%0aX-Injected:%20yes",
        "a%00b",
        "%0d%0a%20X-Injected:%20yes",
        "a%0d%0aContent-Length:%200%0d%0a%0d%0aHTTP/1.1%20200%20OK%0d%0aX-Injected:%20yes",
    ];
    const PLACES: [&str; 4] = ["value", "name", "cookie", "location"];
    crowd::each(&context, |context, number| {
        told(number, async move {
            let (wrong, place) = (
                WRONG[number % WRONG.len()],
                PLACES[number / WRONG.len() % PLACES.len()],
            );
            let mut talk = Talk::open(&context, number).await?;
            let path = format!("/field?place={place}&value={wrong}");
            let request = get(&path, "Connection: close\r\n");
            talk.send(request.as_bytes()).await?;
            let ended = talk.rest(std::time::Duration::from_secs(10)).await?;
            let text = String::from_utf8_lossy(&ended.octets).to_lowercase();
            let mut outcome = Outcome::default();
            if ended.status() != 500 || text.contains("x-injected") {
                outcome.complain(format!("{place}, {wrong}: {text:?}"));
            } else {
                outcome.count("failed_safely");
            }
            Ok(outcome)
        })
    })
    .await
}

/// HD-2: cookies, as many as a head takes and more.
pub(crate) async fn cookies(context: Arc<Context>) -> Outcome {
    let cookies = each_case(&context, "answered", |number| {
        let (cookies, statuses): (_, &[u16]) = match number % 4 {
            0 => ("a=b; ".repeat(1_500), &[200]),
            1 => ("; ".repeat(3_500), &[200]),
            2 => ("=".repeat(7_000), &[200]),
            _ => ("a=b; ".repeat(10_000), &[431]),
        };
        let fields = format!("Cookie: {cookies}\r\n");
        let what = format!("kind {}", number % 4);
        Case::get(what, "/cookies", &fields, statuses)
    });
    crowd::costing(&context, None, cookies).await
}

/// MP-1: forms without a boundary, of too many parts, with a section without an end, cut short, one inside another.
pub(crate) async fn forms(context: Arc<Context>) -> Outcome {
    let vectors = form_vectors();
    each_case(&context, "answered", |number| {
        let (what, boundary, octets, statuses) = &vectors[number % vectors.len()];
        let fields = format!("Content-Type: multipart/form-data{boundary}\r\n");
        Case::post(*what, "/form", &fields, octets.clone(), statuses)
    })
    .await
}

type Form = (&'static str, String, Bytes, &'static [u16]);

fn form_vectors() -> Vec<Form> {
    let part = |content: &str| {
        format!("--b\r\nContent-Disposition: form-data; name=\"n\"\r\n\r\n{content}\r\n")
    };
    let boundary = || "; boundary=b".to_owned();
    let end = "--b--\r\n";
    vec![
        ("a usual one", boundary(), (part("x") + end).into(), &[200]),
        (
            "no boundary",
            String::new(),
            (part("x") + end).into(),
            &[400, 415],
        ),
        (
            "an empty boundary",
            "; boundary=\"\"".to_owned(),
            (part("x") + end).into(),
            &[400, 415],
        ),
        (
            "a boundary of 7,000 octets",
            format!("; boundary={}", "b".repeat(7_000)),
            (part("x") + end).into(),
            &[400, 415],
        ),
        (
            "parts without end",
            boundary(),
            (part("").repeat(100_000) + end).into(),
            &[413],
        ),
        (
            "a section without end",
            boundary(),
            format!("--b\r\nX: {}", "x".repeat(5_000_000)).into(),
            &[400, 413],
        ),
        (
            "fields without end",
            boundary(),
            format!("--b\r\n{}", "X: x\r\n".repeat(800_000)).into(),
            &[400, 413],
        ),
        (
            "what is in front of it",
            boundary(),
            vec![b'x'; 5_000_000].into(),
            &[400, 413],
        ),
        ("cut short", boundary(), part("x").into(), &[400]),
        (
            "boundaries that are nearly one",
            boundary(),
            format!("{}{end}", part(&"\r\n--a\r\n-".repeat(200_000))).into(),
            &[200],
        ),
        (
            "forms in forms",
            boundary(),
            format!(
                "{}{end}",
                part(&part("x").replace("--b", "--c").repeat(1_000))
            )
            .into(),
            &[200],
        ),
    ]
}

/// ST-3: ranges, too many, all over each other, backwards, beyond the end.
pub(crate) async fn ranges(context: Arc<Context>) -> Outcome {
    crowd::each(&context, |context, number| {
        told(number, async move {
            let (ranges, statuses): (_, &[u16]) = match number % 9 {
                0 => ("0-,".repeat(1_000), &[200, 206]),
                1 => (
                    (0..1_000).map(|at| format!("{at}-{at},")).collect(),
                    &[200, 416],
                ),
                2 => ("-0".to_owned(), &[200, 416]),
                3 => ("9-1".to_owned(), &[200, 416]),
                4 => ("18446744073709551615-".to_owned(), &[200, 416]),
                5 => (
                    "18446744073709551616-99999999999999999999".to_owned(),
                    &[200, 416],
                ),
                6 => ("-18446744073709551615".to_owned(), &[200, 206]),
                7 => ("0-0,2-2,4-4".to_owned(), &[200, 206]),
                _ => (",,, ,".repeat(500), &[200, 416]),
            };
            let fields = format!("Range: bytes={}\r\n", ranges.trim_end_matches(','));
            let what = format!("kind {}", number % 9);
            let case = Case::get(what, "/files/css/site.css", &fields, statuses);
            let mut outcome = Outcome::default();
            let mut talk = Talk::open(&context, number).await?;
            let answer = talk.case(&case, "answered", &mut outcome).await?;
            if answer.content.len() > MOST {
                outcome.complain(format!("{} octets came", answer.content.len()));
            }
            Ok(outcome)
        })
    })
    .await
}

/// The file has less than this, whatever is asked of it.
const MOST: usize = 10_000;
