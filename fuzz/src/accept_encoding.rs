//! The codings that are chosen are those, in the order, that a slow reading of RFC 9110 section 12.5.3 chooses.

use std::cmp::Reverse;
use wireline::wire::coding::{Coding, MAX_MEMBERS, preferred, ranked};

/// Input: the lines of an `Accept-Encoding`, with an octet before them that says what is offered.
///
/// # Panics
///
/// When other codings are chosen, or in another order, than the model chooses.
pub fn accept_encoding(data: &[u8]) {
    let Some((first, text)) = data.split_first() else {
        return;
    };
    let mut offered = vec![Coding::Brotli, Coding::Zstd, Coding::Gzip];
    offered.rotate_left(usize::from(*first) % 3);
    offered.truncate(usize::from(*first >> 2) % 4);
    let lines: Vec<&[u8]> = text.split(|octet| *octet == b'\n').collect();
    let wanted = model(&lines, &offered);
    let chosen = preferred(lines.iter().copied(), &offered);
    assert_eq!(chosen, wanted.first().copied(), "{}", text.escape_ascii());
    let chosen = ranked(lines.iter().copied(), &offered);
    assert_eq!(chosen, wanted, "{}", text.escape_ascii());
}

fn model(lines: &[&[u8]], offered: &[Coding]) -> Vec<Coding> {
    let members: Vec<Vec<u8>> = lines
        .iter()
        .flat_map(|line| line.split(|octet| *octet == b','))
        .map(|member| member.trim_ascii().to_ascii_lowercase())
        .filter(|member| !member.is_empty())
        .collect();
    if members.len() > MAX_MEMBERS {
        return Vec::new();
    }
    // The names with their weights, as they were said.
    let mut said: Vec<(String, u32)> = Vec::new();
    for member in &members {
        let mut parts = member.splitn(2, |octet| *octet == b';');
        let name = parts.next().unwrap_or_default().trim_ascii_end();
        let Ok(name) = std::str::from_utf8(name) else {
            continue;
        };
        let weight = match parts.next() {
            None => Some(1000),
            Some(weight) => thousandths(weight.trim_ascii()),
        };
        let name = if name == "x-gzip" { "gzip" } else { name };
        if let Some(weight) = weight
            && !said.iter().any(|(known, _)| known == name)
        {
            said.push((name.to_owned(), weight));
        }
    }
    let of = |name: &str| {
        let own = said.iter().find(|(known, _)| known == name);
        own.or_else(|| said.iter().find(|(known, _)| known == "*"))
            .map(|(_, weight)| *weight)
    };
    let identity = of("identity").unwrap_or(0);
    let mut wanted: Vec<(u32, Coding)> = offered
        .iter()
        .map(|coding| (of(coding.name()).unwrap_or(0), *coding))
        .filter(|(weight, _)| *weight > 0 && *weight >= identity)
        .collect();
    wanted.sort_by_key(|(weight, _)| Reverse(*weight));
    wanted.into_iter().map(|(_, coding)| coding).collect()
}

/// A weight that is written as RFC 9110 section 12.4.2 has it: every one there is, by name.
fn thousandths(text: &[u8]) -> Option<u32> {
    let text = std::str::from_utf8(text).ok()?.strip_prefix("q=")?;
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = fraction.bytes().all(|octet| octet.is_ascii_digit());
    if !digits || fraction.len() > 3 {
        return None;
    }
    let fraction = format!("{fraction:0<3}");
    match (whole, fraction.as_str()) {
        ("1", "000") => Some(1000),
        ("0", fraction) => fraction
            .trim_start_matches('0')
            .bytes()
            .try_fold(0, |sum, octet| Some(sum * 10 + u32::from(octet - b'0'))),
        _ => None,
    }
}
