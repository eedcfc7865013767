//! The route tree: a map from patterns to values that finds the value of a raw path without
//! allocating.
//!
//! # Precedence
//!
//! Segment by segment from the left: a literal before a parameter, the parameter with the longer
//! prefix first, then the one with the longer suffix, and `{*rest}` last. A choice that leads
//! nowhere further on is taken back, so a path has a route whenever any pattern matches it.
//!
//! # How a path is found
//!
//! ```text
//!            ┌ lane: whole literals by length ─ hit ─┐
//!  path ─────┤                                       ├─ leaf ─ value, pattern
//!            └ trie: octet by octet, parameters ─────┘
//! ```
//!
//! A pattern without parameters precedes all others that match its path, so those few comparisons
//! may come first. The trie has every pattern; its module says what a lookup can cost at worst.

mod params;
mod trie;

pub use self::params::Params;

use self::trie::{NONE, Trie, to_u32, to_usize};
use crate::router::pattern::Pattern;
use std::error::Error;
use std::fmt;
use std::sync::Arc;

/// A map from patterns to values, looked up by path.
///
/// ```
/// use wireline::router::pattern::Pattern;
/// use wireline::router::tree::{Params, Tree};
///
/// let mut tree = Tree::new();
/// for (pattern, value) in [("/users/{id}", "somebody"), ("/users/me", "you"), ("/{*rest}", "nobody")] {
///     tree.insert(&Pattern::parse(pattern)?, value)?;
/// }
/// let find = |path: &str| tree.find(path.as_bytes(), &mut Params::new()).map(|leaf| *leaf.value());
/// assert_eq!(find("/users/me"), Some("you"));
/// assert_eq!(find("/users/7"), Some("somebody"));
/// assert_eq!(find("/users/7/files"), Some("nobody"));
/// assert_eq!(find("/"), None);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Tree<T> {
    lane: Lane,
    trie: Trie,
    leaves: Vec<Leaf<T>>,
}

impl<T> Tree<T> {
    /// A tree without routes.
    pub fn new() -> Self {
        Self {
            lane: Lane::default(),
            trie: Trie::new(),
            leaves: Vec::new(),
        }
    }

    /// Adds a route.
    ///
    /// # Errors
    ///
    /// [`Conflict`] when the tree has a pattern of the same shape, that is, one that differs in
    /// parameter names at most. The tree stays as it was.
    pub fn insert(&mut self, pattern: &Pattern, value: T) -> Result<(), Conflict> {
        let place = self.trie.place(pattern);
        if let Some(leaf) = self.leaves.get(to_usize(*place)) {
            return Err(Conflict::between(&leaf.pattern, pattern));
        }
        *place = to_u32(self.leaves.len());
        self.push(pattern, value);
        Ok(())
    }

    /// The value of a pattern, made by `value` if the tree does not have it yet. The pattern of a
    /// value that is there keeps its spelling: `/a/:x` finds what was added as `/a/{x}`.
    ///
    /// # Errors
    ///
    /// [`Conflict`] when the tree has a pattern of the same shape with other parameter names. The
    /// tree stays as it was.
    pub fn get_or_insert_with(
        &mut self,
        pattern: &Pattern,
        value: impl FnOnce() -> T,
    ) -> Result<&mut T, Conflict> {
        let place = self.trie.place(pattern);
        let index = match self.leaves.get(to_usize(*place)) {
            Some(leaf) if leaf.names() == pattern.names() => to_usize(*place),
            Some(leaf) => return Err(Conflict::between(&leaf.pattern, pattern)),
            None => {
                let index = self.leaves.len();
                *place = to_u32(index);
                self.push(pattern, value());
                index
            }
        };
        Ok(&mut self.leaves[index].value)
    }

    /// Finds the route of a raw path and leaves the places of its parameters in `params`, which is
    /// emptied first.
    ///
    /// `path` is the path of the request target without its query, not decoded. A path that does
    /// not begin with `/`, or is longer than [`Params::MAX_PATH`] octets, has no route.
    #[inline]
    pub fn find<'t>(&'t self, path: &[u8], params: &mut Params) -> Option<&'t Leaf<T>> {
        params.clear();
        match self.lane.find(path) {
            NONE => self.find_in_trie(path, params),
            leaf => self.leaves.get(to_usize(leaf)),
        }
    }

    /// All routes, in the order in which they were added.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&Pattern, &T)> {
        self.leaves.iter().map(|leaf| (&*leaf.pattern, &leaf.value))
    }

    /// The value that was added as number `index`.
    pub(crate) fn value_mut(&mut self, index: usize) -> Option<&mut T> {
        self.leaves.get_mut(index).map(|leaf| &mut leaf.value)
    }

    /// How many routes the tree has.
    pub fn len(&self) -> usize {
        self.leaves.len()
    }

    /// Whether the tree has no route.
    pub fn is_empty(&self) -> bool {
        self.leaves.is_empty()
    }

    /// Not part of `find`, so that a whole literal is found without a frame for this.
    #[inline(never)]
    fn find_in_trie<'t>(&'t self, path: &[u8], params: &mut Params) -> Option<&'t Leaf<T>> {
        let leaf = self.trie.find(path, params, || ());
        self.leaves.get(to_usize(leaf))
    }

    fn push(&mut self, pattern: &Pattern, value: T) {
        self.lane.offer(pattern, to_u32(self.leaves.len()));
        self.leaves.push(Leaf {
            value,
            pattern: Arc::new(pattern.clone()),
        });
    }
}

impl<T> Default for Tree<T> {
    fn default() -> Self {
        Self::new()
    }
}

/// A route of the tree: its value and its pattern.
///
/// ```
/// use wireline::router::pattern::Pattern;
/// use wireline::router::tree::{Params, Tree};
///
/// let mut tree = Tree::new();
/// tree.insert(&Pattern::parse("/users/{id}")?, "a user")?;
/// let leaf = tree.find(b"/users/7", &mut Params::new()).unwrap();
/// assert_eq!((*leaf.value(), leaf.pattern().as_str()), ("a user", "/users/{id}"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Leaf<T> {
    value: T,
    pattern: Arc<Pattern>,
}

impl<T> Leaf<T> {
    /// What was added with the pattern.
    pub fn value(&self) -> &T {
        &self.value
    }

    /// The pattern, shared so that a request can keep it.
    pub fn pattern(&self) -> &Arc<Pattern> {
        &self.pattern
    }

    /// The names of the parameters, in the order of [`Params`].
    pub fn names(&self) -> &[Box<str>] {
        self.pattern.names()
    }
}

/// Two patterns of one shape: they match the same paths, so only one of them could ever be found.
///
/// ```
/// use wireline::router::pattern::Pattern;
/// use wireline::router::tree::Tree;
///
/// let mut tree = Tree::new();
/// tree.insert(&Pattern::parse("/users/{id}")?, 1)?;
/// let conflict = tree.insert(&Pattern::parse("/users/{name}")?, 2).unwrap_err();
/// assert_eq!((conflict.existing(), conflict.refused()), ("/users/{id}", "/users/{name}"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conflict {
    existing: Box<str>,
    refused: Box<str>,
}

impl Conflict {
    /// The pattern that the tree has, as it was written.
    pub fn existing(&self) -> &str {
        &self.existing
    }

    /// The pattern that was not added, as it was written.
    pub fn refused(&self) -> &str {
        &self.refused
    }

    fn between(existing: &Pattern, refused: &Pattern) -> Self {
        Self {
            existing: existing.as_str().into(),
            refused: refused.as_str().into(),
        }
    }
}

impl fmt::Display for Conflict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { existing, refused } = self;
        write!(
            f,
            "route pattern {refused:?} conflicts with {existing:?}: both match the same paths"
        )
    }
}

impl Error for Conflict {}

/// The shortcut for whole literals: the first [`Lane::WIDTH`] of each length up to
/// [`Lane::LONGEST`]. For the others the trie is the better way.
#[derive(Clone, Debug, Default)]
struct Lane {
    by_length: Vec<Vec<Entry>>,
}

#[derive(Clone, Debug)]
struct Entry {
    ends: (u128, u128),
    leaf: u32,
}

impl Lane {
    const WIDTH: usize = 4;
    const LONGEST: usize = 32;

    /// The leaf of a path, or [`NONE`].
    #[inline]
    fn find(&self, path: &[u8]) -> u32 {
        let Some(entries) = self.by_length.get(path.len()) else {
            return NONE;
        };
        let ends = ends(path);
        let found = entries.iter().find(|entry| entry.ends == ends);
        found.map_or(NONE, |entry| entry.leaf)
    }

    fn offer(&mut self, pattern: &Pattern, leaf: u32) {
        let literal = match pattern.as_literal() {
            Some(literal) if literal.len() <= Self::LONGEST => literal,
            _ => return,
        };
        if self.by_length.len() <= literal.len() {
            self.by_length.resize_with(literal.len() + 1, Vec::new);
        }
        let entries = &mut self.by_length[literal.len()];
        if entries.len() < Self::WIDTH {
            entries.push(Entry {
                ends: ends(literal.as_bytes()),
                leaf,
            });
        }
    }
}

/// The first and the last octets of a text as two words. Two texts of one length up to
/// [`Lane::LONGEST`] are equal if these are, because the words then cover all octets.
#[inline]
fn ends(text: &[u8]) -> (u128, u128) {
    if let (Some(first), Some(last)) = (text.first_chunk(), text.last_chunk()) {
        (u128::from_le_bytes(*first), u128::from_le_bytes(*last))
    } else if let (Some(first), Some(last)) = (text.first_chunk(), text.last_chunk()) {
        (
            u64::from_le_bytes(*first).into(),
            u64::from_le_bytes(*last).into(),
        )
    } else if let (Some(first), Some(last)) = (text.first_chunk(), text.last_chunk()) {
        (
            u32::from_le_bytes(*first).into(),
            u32::from_le_bytes(*last).into(),
        )
    } else {
        (
            text.iter()
                .fold(0, |word, &octet| word << 8 | u128::from(octet)),
            0,
        )
    }
}

#[cfg(test)]
mod tests;
