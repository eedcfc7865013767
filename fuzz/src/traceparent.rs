//! `traceparent` and `tracestate` are read as a second reading, by splitting text, reads them; what is written reads back.

use wireline::wire::trace_context::{TraceParent, trace_state};

/// Input: the value of `traceparent`, and behind a line feed the lines of `tracestate`.
///
/// # Panics
///
/// When the two readings differ, or when what was read is not written as it was.
pub fn traceparent(data: &[u8]) {
    let mut lines = data.split(|octet| *octet == b'\n');
    let value = lines.next().unwrap_or_default();
    let parent = TraceParent::read(value);
    assert_eq!(parent, parent_by_splitting(value));
    if let Some(parent) = parent {
        let written = parent.write();
        assert_eq!(TraceParent::read(&written), Some(parent));
        assert_eq!(written[3..53], value[3..53]);
    }
    let lines: Vec<&[u8]> = lines.collect();
    let state = trace_state(lines.iter().copied());
    assert_eq!(state, state_by_splitting(&lines));
    if let Some(state) = state {
        assert!(state.len() <= 512 && state.split(',').count() <= 32);
        assert_eq!(trace_state([state.as_bytes()]), Some(state));
    }
}

fn parent_by_splitting(value: &[u8]) -> Option<TraceParent> {
    let text: String = value.iter().map(|octet| char::from(*octet)).collect();
    let parts: Vec<&str> = text.split('-').collect();
    let [version, trace, span, flags, ..] = parts[..] else {
        return None;
    };
    let digits = |part: &str, count: usize| {
        part.len() == count && part.chars().all(|digit| "0123456789abcdef".contains(digit))
    };
    let well_formed =
        digits(version, 2) && digits(trace, 32) && digits(span, 16) && digits(flags, 2);
    let known = version == "00";
    let fits = if known {
        parts.len() == 4
    } else {
        version != "ff" && value.len() <= 512
    };
    let zero = |part: &str| part.chars().all(|digit| digit == '0');
    if !well_formed || !fits || zero(trace) || zero(span) {
        return None;
    }
    let trace_id = u128::from_str_radix(trace, 16).ok()?.to_be_bytes();
    let number = |part: &str| {
        part.bytes().fold(0u64, |value, digit| {
            value << 4 | u64::from(char::from(digit).to_digit(16).unwrap_or_default())
        })
    };
    Some(TraceParent {
        trace_id,
        span_id: number(span).to_be_bytes(),
        sampled: number(flags) % 2 == 1,
    })
}

fn state_by_splitting(lines: &[&[u8]]) -> Option<String> {
    let total: usize = lines.iter().map(|line| line.len()).sum();
    if total > 32 * 514 {
        return None;
    }
    let joined = lines.join(&b","[..]);
    let joined: String = joined.iter().map(|octet| char::from(*octet)).collect();
    let members = joined
        .split(',')
        .map(|member| member.trim_matches([' ', '\t']));
    let members: Vec<&str> = members.filter(|member| !member.is_empty()).collect();
    let mut keys = Vec::new();
    for member in &members {
        let (key, value) = member.split_once('=')?;
        let of = |part: &str, longest: usize| {
            (1..=longest).contains(&part.len())
                && part.chars().all(|letter| {
                    letter.is_ascii_lowercase()
                        || letter.is_ascii_digit()
                        || "_-*/".contains(letter)
                })
        };
        let letter = |part: &str| part.starts_with(|letter: char| letter.is_ascii_lowercase());
        let good = match key.split_once('@') {
            None => of(key, 256) && letter(key),
            Some((tenant, system)) => of(tenant, 241) && of(system, 14) && letter(system),
        };
        let visible = value
            .chars()
            .all(|letter| (' '..='~').contains(&letter) && letter != '=');
        if !good || !visible || !(1..=256).contains(&value.len()) || value.ends_with(' ') {
            return None;
        }
        keys.push(key);
    }
    let count = keys.len();
    keys.sort_unstable();
    keys.dedup();
    if keys.len() < count || count > 32 || count == 0 {
        return None;
    }
    let kept = (1..=count).rev().map(|kept| members[..kept].join(","));
    kept.into_iter().find(|kept| kept.len() <= 512)
}
