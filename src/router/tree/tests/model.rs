//! The tree against a matcher that tries every pattern, and the nodes that a lookup enters.

use crate::router::pattern::{Pattern, Segment};
use crate::router::tree::tests::{pattern, tree};
use crate::router::tree::trie::{NONE, to_usize};
use crate::router::tree::{Params, Tree};
use std::collections::HashSet;

/// A small generator of pseudo-random numbers (a linear congruence with Knuth's multiplier).
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % bound
    }

    fn of<'a>(&mut self, choices: &[&'a str]) -> &'a str {
        choices[self.below(choices.len())]
    }

    fn pattern(&mut self) -> String {
        let mut source = String::new();
        let segments = 1 + self.below(5);
        for index in 0..segments {
            let name = ["x", "y"][self.below(8) / 7];
            source.push('/');
            let literal = self.of(&["", "a", "a", "b", "aa", "ab", "a1", "%41", "é"]);
            let (prefix, suffix) = (
                self.of(&["", "", "a", "aa", "%41"]),
                self.of(&["", "", "a", "1", "41", "aa"]),
            );
            match self.below(10) {
                0..5 => source.push_str(literal),
                5..9 => source.push_str(&format!("{prefix}{{{name}{index}}}{suffix}")),
                _ if index + 1 == segments => source.push_str(&format!("{{*{name}{index}}}")),
                _ => source.push_str(&format!(":{name}{index}")),
            }
        }
        source
    }

    /// A path that the pattern matches, or nearly.
    fn path(&mut self, pattern: &Pattern) -> String {
        let mut path = String::new();
        for segment in pattern.segments() {
            let text = self.of(&[
                "a", "aa", "aaa", "b", "1", "%41", "%", "%4", "a%C3%A9", "", "a/b", "b41",
            ]);
            path.push('/');
            match segment {
                _ if self.below(12) == 0 => path.push_str(text),
                Segment::Literal(literal) => path.push_str(literal),
                Segment::Param { prefix, suffix } => {
                    path.push_str(&format!("{prefix}{text}{suffix}"))
                }
                Segment::Rest => path.push_str(text),
            }
        }
        match self.below(8) {
            0 => path.push('/'),
            1 => drop(path.pop()),
            2 => path.push('a'),
            _ => {}
        }
        path
    }
}

type Ranks = Vec<(u8, usize, usize)>;

/// What the precedence rule compares of one pattern on one path, segment by segment (the smaller
/// goes first), and the captures; `None` if the pattern does not match.
fn rank(pattern: &Pattern, path: &str) -> Option<(Ranks, Vec<String>)> {
    let (mut ranks, mut captures) = (Vec::new(), Vec::new());
    let mut rest = path.strip_prefix('/');
    for segment in pattern.segments() {
        let here = rest?;
        let (text, next) = match here.split_once('/') {
            Some((text, next)) => (text, Some(next)),
            None => (here, None),
        };
        rest = next;
        match segment {
            Segment::Literal(literal) => {
                ranks.push((0, 0, 0));
                if **literal != *text {
                    return None;
                }
            }
            Segment::Param { prefix, suffix } => {
                ranks.push((1, usize::MAX - prefix.len(), usize::MAX - suffix.len()));
                let capture = text.strip_prefix(&**prefix)?.strip_suffix(&**suffix)?;
                let is_hex = |c: Option<char>| c.is_some_and(|c| c.is_ascii_hexdigit());
                let is_cut = capture.char_indices().rev().take(2).any(|(at, c)| {
                    let mut digits = text[prefix.len() + at + 1..].chars();
                    c == '%'
                        && is_hex(digits.next())
                        && is_hex(digits.next())
                        && at + 3 > capture.len()
                });
                if capture.is_empty() || is_cut {
                    return None;
                }
                captures.push(capture.to_owned());
            }
            Segment::Rest => {
                ranks.push((2, 0, 0));
                if here.is_empty() {
                    return None;
                }
                captures.push(here.to_owned());
                rest = None;
            }
        }
    }
    rest.is_none().then_some((ranks, captures))
}

#[test]
fn agrees_with_a_matcher_that_tries_every_pattern() {
    let mut random = Random(1);
    let (mut hits, mut misses) = (0, 0);
    for round in 0..600 {
        let mut tree = Tree::new();
        let mut known: Vec<Pattern> = Vec::new();
        for _ in 0..1 + random.below(40) {
            let new = pattern(&random.pattern());
            let same = known.iter().find(|old| old.segments() == new.segments());
            match (tree.get_or_insert_with(&new, || new.clone()), same) {
                (Ok(value), Some(old)) => assert!(*value == *old && old.names() == new.names()),
                (Ok(value), None) => {
                    assert_eq!(*value, new);
                    known.push(new);
                }
                (Err(conflict), old) => {
                    let old = old.unwrap();
                    assert_ne!(old.names(), new.names());
                    assert_eq!(
                        (conflict.existing(), conflict.refused()),
                        (old.as_str(), new.as_str())
                    );
                }
            }
        }
        assert!(tree.iter().map(|(pattern, _)| pattern).eq(&known));

        for _ in 0..100 {
            let path = {
                let like = random.below(known.len());
                random.path(&known[like])
            };
            let ranked = known
                .iter()
                .filter_map(|pattern| rank(pattern, &path).map(|rank| (rank, pattern)));
            let best = ranked.min_by(|((a, _), _), ((b, _), _)| a.cmp(b));
            let mut params = Params::new();
            let found = tree.find(path.as_bytes(), &mut params);
            let captures: Vec<String> = params.iter().map(|range| path[range].to_owned()).collect();
            match (found, best) {
                (Some(leaf), Some(((_, expected), pattern))) => {
                    assert_eq!(
                        (leaf.value(), &captures),
                        (pattern, &expected),
                        "{path} in round {round}"
                    );
                    hits += 1;
                }
                (None, None) => {
                    assert!(captures.is_empty());
                    misses += 1;
                }
                (found, best) => panic!("{path} in round {round}: {found:?}, expected {best:?}"),
            }

            // The trie alone finds the same, and enters no node twice.
            let (mut entered, mut in_trie) = (0, Params::new());
            let leaf = tree
                .trie
                .find(path.as_bytes(), &mut in_trie, || entered += 1);
            let pattern = tree.iter().nth(to_usize(leaf)).map(|(pattern, _)| pattern);
            assert_eq!(
                (pattern, in_trie),
                (found.map(|leaf| &**leaf.pattern()), params)
            );
            assert!(entered <= tree.trie.nodes.len());
        }
    }
    assert!(
        hits > 10_000 && misses > 10_000,
        "{hits} hits, {misses} misses"
    );
}

/// How many nodes a lookup enters that finds nothing, and how many the tree has.
fn steps(tree: &Tree<String>, path: &str) -> (usize, usize) {
    let (mut entered, mut params) = (0, Params::new());
    let leaf = tree
        .trie
        .find(path.as_bytes(), &mut params, || entered += 1);
    assert_eq!((leaf, params.len()), (NONE, 0), "{path}");
    (entered, tree.trie.nodes.len())
}

#[test]
fn no_path_makes_a_lookup_enter_a_node_twice() {
    // Every mixture of `a` and a parameter, ten segments deep: as much overlap as patterns can
    // have.
    let depth = 10;
    let name = |bits: usize, i: usize| {
        if bits >> i & 1 == 0 {
            "/a".to_owned()
        } else {
            format!("/{{p{i}}}")
        }
    };
    let mixtures: Vec<String> = (0..1 << depth)
        .map(|bits| (0..depth).map(|i| name(bits, i)).collect::<String>() + "/end")
        .collect();
    let (entered, nodes) = steps(&tree(&mixtures), &("/a".repeat(depth) + "/other"));
    assert!(
        entered > 1 << depth,
        "the path was meant to be bad: {entered}"
    );
    assert!(entered <= nodes, "{entered} of {nodes}");
    // Twice as many segments in the path add nothing.
    assert!(steps(&tree(&mixtures), &"/a".repeat(2 * depth)).0 <= nodes);

    // Overlap that costs an expression with backtracking 2^16 steps: alternatives at all depths,
    // one common end.
    let chains: Vec<String> = (0..16)
        .map(|i| "/a".repeat(i) + &format!("/{{x{i}}}") + &"/a".repeat(15 - i) + "/end")
        .collect();
    let (entered, nodes) = steps(&tree(&chains), &("/a".repeat(16) + "/other"));
    assert!(entered <= nodes && nodes < 64, "{entered} of {nodes}");

    // Prefixes and suffixes that all fit one segment.
    let nested: Vec<String> = (0..300)
        .map(|i| format!("/{}{{x}}{}/end", "a".repeat(i / 10), "a".repeat(i % 10)))
        .collect();
    let (entered, nodes) = steps(&tree(&nested), &format!("/{}/other", "a".repeat(60_000)));
    assert!(
        entered <= nodes && nodes <= 3 * nested.len(),
        "{entered} of {nodes}"
    );

    // A path of 32,000 segments costs what its patterns are deep.
    let deep = tree(&[
        "/{a}/{b}/{c}/end",
        "/a/{b}/{c}/end",
        "/a/a/{c}/end",
        "/{a}/a/a/end",
    ]);
    let (entered, nodes) = steps(&deep, &"/a".repeat(32_000));
    assert!(entered <= nodes, "{entered} of {nodes}");
}

#[test]
fn an_ordinary_table_costs_a_few_steps() {
    let resources: Vec<String> = (0..200).map(|i| format!("/api/v1/resource{i}")).collect();
    let suffixes = [
        "",
        "/{id}",
        "/{id}/edit",
        "/{id}/items/{item}",
        "/{id}/items/{item}.json",
    ];
    let sources: Vec<String> = resources
        .iter()
        .flat_map(|resource| {
            suffixes
                .iter()
                .map(move |suffix| format!("{resource}{suffix}"))
        })
        .collect();
    let tree = tree(&sources);
    let mut seen = HashSet::new();
    for resource in &resources {
        let path = format!("{resource}/7/items/8.json");
        let (mut entered, mut params) = (0, Params::new());
        let leaf = tree
            .trie
            .find(path.as_bytes(), &mut params, || entered += 1);
        assert!(seen.insert(leaf) && entered <= 12, "{path}: {entered}");
        assert!(steps(&tree, &format!("{resource}/7/nothing")).0 <= 12);
    }
}
