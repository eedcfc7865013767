//! A path finds the route that trying every pattern finds, with the same captures.

use wireline::router::pattern::{Pattern, Segment, split_method};
use wireline::router::tree::{Params, Tree};

/// Input: lines. The last is a path of any octets, the others are patterns, as the program might write
/// them. The tree must agree with a matcher that tries every pattern and knows the precedence.
///
/// # Panics
///
/// When it does not.
pub fn router(data: &[u8]) {
    let mut lines: Vec<&[u8]> = data.split(|octet| *octet == b'\n').take(33).collect();
    let path = lines.pop().unwrap_or_default();
    let (mut tree, mut known) = (Tree::new(), Vec::<Pattern>::new());
    for line in lines {
        let Ok(source) = std::str::from_utf8(line) else {
            continue;
        };
        split(source);
        let pattern = match Pattern::parse(source) {
            Ok(pattern) => pattern,
            Err(error) => {
                assert!(
                    error.offset() <= source.len()
                        && error.pattern() == source
                        && !error.to_string().is_empty()
                );
                continue;
            }
        };
        assert_eq!(pattern.as_str(), source);
        let same = known
            .iter()
            .find(|old| old.segments() == pattern.segments());
        match (tree.insert(&pattern, known.len()), same) {
            (Ok(()), None) => known.push(pattern),
            (Err(conflict), Some(old)) => assert_eq!(
                (conflict.existing(), conflict.refused()),
                (old.as_str(), source)
            ),
            (result, same) => panic!("{source}: {result:?} beside {same:?}"),
        }
    }
    assert!(tree.iter().map(|(pattern, _)| pattern).eq(&known));
    agree(&tree, &known, path);
    for pattern in &known {
        // A literal route is found by its own path, whatever else matches it.
        if let Some(literal) = pattern.as_literal() {
            let found = tree
                .find(literal.as_bytes(), &mut Params::new())
                .map(|leaf| &**leaf.pattern());
            assert_eq!(found, Some(pattern));
        }
        agree(&tree, &known, &example(pattern));
    }
}

fn split(source: &str) {
    if let Some((method, path)) = split_method(source) {
        assert_eq!(format!(":{method}{path}"), source);
        assert!(!method.is_empty() && path.starts_with('/'));
    }
}

fn agree(tree: &Tree<usize>, known: &[Pattern], path: &[u8]) {
    let ranked = known
        .iter()
        .enumerate()
        .filter_map(|(index, pattern)| Some((rank(pattern, path)?, index)));
    let best = ranked.min_by(|((a, _), _), ((b, _), _)| a.cmp(b));
    let mut params = Params::new();
    let found = tree.find(path, &mut params);
    let captures: Vec<&[u8]> = params.iter().map(|range| &path[range]).collect();
    match (found, best) {
        (None, None) => assert!(captures.is_empty()),
        (Some(leaf), Some(((_, expected), index))) => {
            assert_eq!(
                (*leaf.value(), &captures),
                (index, &expected),
                "{}",
                path.escape_ascii()
            );
            assert_eq!(leaf.names().len(), captures.len());
        }
        (found, best) => panic!("{}: {found:?}, expected {best:?}", path.escape_ascii()),
    }
}

/// What the precedence rule compares, segment by segment; the smaller goes first.
type Ranks = Vec<(u8, usize, usize)>;

fn rank<'p>(pattern: &Pattern, path: &'p [u8]) -> Option<(Ranks, Vec<&'p [u8]>)> {
    let (mut ranks, mut captures) = (Vec::new(), Vec::new());
    let mut rest = path.strip_prefix(b"/");
    for segment in pattern.segments() {
        let here = rest?;
        let slash = here.iter().position(|octet| *octet == b'/');
        let text = &here[..slash.unwrap_or(here.len())];
        rest = slash.map(|slash| &here[slash + 1..]);
        match segment {
            Segment::Literal(literal) if literal.as_bytes() == text => ranks.push((0, 0, 0)),
            Segment::Literal(_) => return None,
            Segment::Param { prefix, suffix } => {
                ranks.push((1, usize::MAX - prefix.len(), usize::MAX - suffix.len()));
                let capture = text
                    .strip_prefix(prefix.as_bytes())?
                    .strip_suffix(suffix.as_bytes())?;
                if capture.is_empty() || cuts_escape(text, prefix.len() + capture.len()) {
                    return None;
                }
                captures.push(capture);
            }
            Segment::Rest => {
                ranks.push((2, 0, 0));
                if here.is_empty() {
                    return None;
                }
                captures.push(here);
                rest = None;
            }
        }
    }
    rest.is_none().then_some((ranks, captures))
}

/// Whether `at` lies inside a percent-encoded octet.
fn cuts_escape(text: &[u8], at: usize) -> bool {
    [1, 2].into_iter().filter_map(|back| text.get(at.checked_sub(back)?..)).any(|from| {
        matches!(from, [b'%', high, low, ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit())
    })
}

/// A path that the pattern matches.
fn example(pattern: &Pattern) -> Vec<u8> {
    let segments = pattern.segments().iter().map(|segment| match segment {
        Segment::Literal(literal) => literal.to_string(),
        Segment::Param { prefix, suffix } => format!("{prefix}x{suffix}"),
        Segment::Rest => "x/y".to_owned(),
    });
    segments
        .flat_map(|segment| [b"/".to_vec(), segment.into_bytes()].concat())
        .collect()
}
