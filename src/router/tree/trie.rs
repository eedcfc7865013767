//! The trie under the route tree: patterns without their values.
//!
//! Literal octets are shared edge by edge, also across `/`. Where a parameter begins, a node has
//! *alternatives* beside its literal children: parameter children, one for each suffix, and at most
//! one rest.
//!
//! ```text
//! /            root: the `/` that every pattern begins with
//! ├─ users/    literal child, found by its first octet
//! │  ├─ me
//! │  └─ {}     parameter child with an empty suffix; only `/` or the end can follow it
//! └─ v
//!    ├─ {}.json
//!    └─ {}
//! ```
//!
//! The search is depth first: the literal child, then the parameters by falling length of suffix,
//! then the rest, then back to the parent. A longer prefix lies deeper than a shorter one, so this
//! is the precedence of the tree's page.
//!
//! # What a lookup can cost
//!
//! Taking choices back is not exponential here, whatever the path. Each node has one parent and
//! each alternative of a node is tried once, so a lookup enters a node at most once; and it could
//! not meet a node at two places of the path, because the edges above a node fix how many segments
//! lie before it. A visit costs the comparison of one edge and, where there are parameters, one
//! scan to the end of the segment. The worst case is thus the number of nodes, which the program
//! has chosen, times the length of a segment, and a path comes near it only if the patterns overlap
//! everywhere. The way back leads through the parents, so there is no stack whose size would be a
//! limit.

use crate::router::pattern::{Pattern, Segment};
use crate::router::tree::params::Params;

/// Nodes and leaves are indices; nodes are never removed.
#[derive(Clone, Debug)]
pub(super) struct Trie {
    pub(super) nodes: Vec<Node>,
}

#[derive(Clone, Debug)]
pub(super) struct Node {
    /// Of a literal node: the octets after the one by which the parent finds it. Of a parameter
    /// node: the suffix.
    label: Box<[u8]>,
    /// Literal children by first octet: `slots[octet - lowest]`, [`NONE`] in the gaps.
    slots: Vec<u32>,
    lowest: u8,
    /// Parameter children, longest suffix first.
    params: Vec<u32>,
    /// The leaf of the pattern that ends in `{*rest}` here.
    rest: u32,
    /// The leaf of the pattern that ends here.
    leaf: u32,
    parent: u32,
    /// Of a literal node 0, of a parameter node its index among the parent's parameters plus one.
    /// It is where the search goes on among the parent's alternatives when it comes back from this
    /// node.
    turn: u32,
}

impl Trie {
    pub(super) fn new() -> Self {
        Self {
            nodes: vec![Node::new(NONE, &[])],
        }
    }

    /// The leaf of a path, or [`NONE`], with its parameters added to the empty `params`. Calls
    /// `enter` for each node that it enters.
    #[inline]
    pub(super) fn find(&self, path: &[u8], params: &mut Params, mut enter: impl FnMut()) -> u32 {
        let (Some(mut node), Some(b'/')) = (self.nodes.first(), path.first()) else {
            return NONE;
        };
        if path.len() > Params::MAX_PATH {
            return NONE;
        }
        let mut pos = 1;
        'enter: loop {
            enter();
            if let Some((child, end)) = self.literal_child(node, path, pos) {
                (node, pos) = (child, end);
                continue;
            }
            if pos == path.len() && node.leaf != NONE {
                return node.leaf;
            }
            let mut untried = 0;
            loop {
                if let Some(children) = node.params.get(untried..)
                    && !children.is_empty()
                {
                    let end = segment_end(path, pos);
                    for &child in children {
                        let child = self.node(child);
                        if let Some(capture_end) = capture_end(path, pos, end, &child.label)
                            && params.push(pos, capture_end)
                        {
                            (node, pos) = (child, end);
                            continue 'enter;
                        }
                    }
                }
                if node.rest != NONE && pos < path.len() && params.push(pos, path.len()) {
                    return node.rest;
                }
                let Some(parent) = self.nodes.get(to_usize(node.parent)) else {
                    return NONE;
                };
                pos = if node.turn == 0 {
                    pos - node.label.len() - 1
                } else {
                    params.pop()
                };
                untried = to_usize(node.turn);
                node = parent;
            }
        }
    }

    /// The place for the leaf of a pattern. The nodes that lead to it are made where they are
    /// missing; if one is, the place is empty, so a pattern that is then refused has changed
    /// nothing.
    pub(super) fn place(&mut self, pattern: &Pattern) -> &mut u32 {
        let mut at = ROOT;
        let mut literal = Vec::new();
        for (index, segment) in pattern.segments().iter().enumerate() {
            if index > 0 {
                literal.push(b'/');
            }
            match segment {
                Segment::Literal(text) => literal.extend_from_slice(text.as_bytes()),
                Segment::Param { prefix, suffix } => {
                    literal.extend_from_slice(prefix.as_bytes());
                    at = self.extend_literal(at, &literal);
                    at = self.extend_param(at, suffix.as_bytes());
                    literal.clear();
                }
                Segment::Rest => {
                    at = self.extend_literal(at, &literal);
                    return &mut self.node_mut(at).rest;
                }
            }
        }
        at = self.extend_literal(at, &literal);
        &mut self.node_mut(at).leaf
    }

    /// The literal child of `node` whose edge lies at `pos` in the path, and where it ends.
    #[inline(always)]
    fn literal_child(&self, node: &Node, path: &[u8], pos: usize) -> Option<(&Node, usize)> {
        let (octet, after) = path.get(pos..)?.split_first()?;
        let child = self.nodes.get(to_usize(*node.slot(*octet)?))?;
        let edge = after.get(..child.label.len())?;
        same(edge, &child.label).then_some((child, pos + 1 + edge.len()))
    }

    fn extend_literal(&mut self, mut at: u32, mut literal: &[u8]) -> u32 {
        while let [first, tail @ ..] = literal {
            let Some(mut child) = self
                .node(at)
                .slot(*first)
                .copied()
                .filter(|&child| child != NONE)
            else {
                let child = self.push(Node::new(at, tail));
                self.node_mut(at).set_slot(*first, child);
                return child;
            };
            let label = &self.node(child).label;
            let common = label.iter().zip(tail).take_while(|(a, b)| a == b).count();
            if common < label.len() {
                child = self.split(child, *first, common);
            }
            (at, literal) = (child, &tail[common..]);
        }
        at
    }

    /// Puts a new node between a literal node and its parent, with the first `common` octets of the
    /// label. The old node keeps its index, so the nodes below it keep their parent.
    fn split(&mut self, lower: u32, first: u8, common: usize) -> u32 {
        let Node { parent, label, .. } = self.node(lower).clone();
        let upper = self.push(Node::new(parent, &label[..common]));
        self.node_mut(parent).set_slot(first, upper);
        self.node_mut(upper).set_slot(label[common], lower);
        let node = self.node_mut(lower);
        node.parent = upper;
        node.label = label[common + 1..].into();
        upper
    }

    fn extend_param(&mut self, at: u32, suffix: &[u8]) -> u32 {
        let mut params = self.node(at).params.clone();
        if let Some(&child) = params
            .iter()
            .find(|&&child| *self.node(child).label == *suffix)
        {
            return child;
        }
        let child = self.push(Node::new(at, suffix));
        params.push(child);
        params.sort_by_key(|&child| std::cmp::Reverse(self.node(child).label.len()));
        for (index, &child) in params.iter().enumerate() {
            self.node_mut(child).turn = to_u32(index + 1);
        }
        self.node_mut(at).params = params;
        child
    }

    fn push(&mut self, node: Node) -> u32 {
        self.nodes.push(node);
        to_u32(self.nodes.len() - 1)
    }

    fn node(&self, index: u32) -> &Node {
        &self.nodes[to_usize(index)]
    }

    fn node_mut(&mut self, index: u32) -> &mut Node {
        &mut self.nodes[to_usize(index)]
    }
}

impl Node {
    fn new(parent: u32, label: &[u8]) -> Self {
        Self {
            label: label.into(),
            slots: Vec::new(),
            lowest: 0,
            params: Vec::new(),
            rest: NONE,
            leaf: NONE,
            parent,
            turn: 0,
        }
    }

    fn slot(&self, octet: u8) -> Option<&u32> {
        self.slots.get(usize::from(octet.wrapping_sub(self.lowest)))
    }

    fn set_slot(&mut self, octet: u8, child: u32) {
        if self.slots.is_empty() {
            self.lowest = octet;
        }
        if let Some(missing @ 1..) = self.lowest.checked_sub(octet) {
            self.slots
                .splice(..0, std::iter::repeat_n(NONE, usize::from(missing)));
            self.lowest = octet;
        }
        let index = usize::from(octet - self.lowest);
        if index >= self.slots.len() {
            self.slots.resize(index + 1, NONE);
        }
        self.slots[index] = child;
    }
}

/// Whether two slices of one length are equal. Route literals are a few octets long, and for those
/// a few words are compared in less time than a call of `memcmp` takes.
#[inline(always)]
pub(super) fn same(a: &[u8], b: &[u8]) -> bool {
    if let (Some(a_end), Some(b_end)) = (a.last_chunk::<8>(), b.last_chunk::<8>()) {
        let (a_words, b_words) = (a.as_chunks::<8>().0, b.as_chunks::<8>().0);
        a_end == b_end && a_words.iter().zip(b_words).all(|(a, b)| a == b)
    } else if let (Some(a_end), Some(b_end)) = (a.last_chunk::<4>(), b.last_chunk::<4>()) {
        a_end == b_end && a.first_chunk::<4>() == b.first_chunk::<4>()
    } else {
        a.iter().zip(b).all(|(a, b)| a == b)
    }
}

/// Where the segment at `pos` ends: at the next `/` or at the end of the path. Looks at eight
/// octets at a time.
#[inline]
fn segment_end(path: &[u8], pos: usize) -> usize {
    const ONES: u64 = u64::from_le_bytes([0x01; 8]);
    const TOPS: u64 = u64::from_le_bytes([0x80; 8]);
    const SLASHES: u64 = u64::from_le_bytes([b'/'; 8]);
    let Some(rest) = path.get(pos..) else {
        return pos;
    };
    let (words, tail) = rest.as_chunks::<8>();
    let mut end = pos;
    for word in words {
        // Zero where there is a slash; the lowest top bit that is left marks the first zero octet.
        let octets = u64::from_le_bytes(*word) ^ SLASHES;
        let zeros = octets.wrapping_sub(ONES) & !octets & TOPS;
        if zeros != 0 {
            return end + to_usize(zeros.trailing_zeros() / 8);
        }
        end += 8;
    }
    for octet in tail {
        if *octet == b'/' {
            return end;
        }
        end += 1;
    }
    end
}

/// Where a parameter that begins at `start` ends if its segment ends at `end` with this suffix: at
/// least one octet on.
#[inline]
fn capture_end(path: &[u8], start: usize, end: usize, suffix: &[u8]) -> Option<usize> {
    if suffix.is_empty() {
        return (end > start).then_some(end);
    }
    let segment = path.get(start..end)?;
    ends_with(segment, suffix).then(|| end - suffix.len())
}

/// Whether a segment has this suffix with something before it, and the cut between the two does not
/// go through a percent-encoded octet: `%41` is the one octet `A`, it does not end with `1`.
#[inline(never)]
fn ends_with(segment: &[u8], suffix: &[u8]) -> bool {
    let Some(capture) = segment.strip_suffix(suffix) else {
        return false;
    };
    let is_escape = |from: usize| match segment.get(from..from + 3) {
        Some([b'%', high, low]) => high.is_ascii_hexdigit() && low.is_ascii_hexdigit(),
        _ => false,
    };
    let is_cut = (1..=2).any(|back| capture.len().checked_sub(back).is_some_and(is_escape));
    !capture.is_empty() && !is_cut
}

pub(super) fn to_usize(index: u32) -> usize {
    index as usize
}

pub(super) fn to_u32(index: usize) -> u32 {
    u32::try_from(index).expect("a route tree has fewer than four billion nodes")
}

const ROOT: u32 = 0;

/// No node and no leaf.
pub(super) const NONE: u32 = u32::MAX;
