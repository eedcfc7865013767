//! Where the parameters of a match lie in its path.

use crate::router::pattern::Pattern;
use std::ops::Range;

/// The places of a match's parameters in its path: at most [`Pattern::MAX_PARAMS`] ranges of raw
/// octets, inline.
///
/// ```
/// use wireline::router::pattern::Pattern;
/// use wireline::router::tree::{Params, Tree};
///
/// let mut tree = Tree::new();
/// tree.insert(&Pattern::parse("/users/{id}/files/{*path}")?, ())?;
/// let (path, mut params) = ("/users/7/files/a/b", Params::new());
/// assert!(tree.find(path.as_bytes(), &mut params).is_some());
/// // Not decoded: they are places in the path as it came.
/// let values: Vec<_> = params.iter().map(|place| &path[place]).collect();
/// assert_eq!(values, ["7", "a/b"]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Params {
    ranges: [(u16, u16); Pattern::MAX_PARAMS],
    len: u8,
}

impl Params {
    /// The longest path that is looked up, in octets. Starts and lengths fit 16 bits because of it.
    pub const MAX_PATH: usize = 65_535;

    /// No parameters.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many parameters the matched pattern has.
    pub fn len(&self) -> usize {
        usize::from(self.len)
    }

    /// Whether the matched pattern has no parameter, or nothing matched.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The range of the parameter with this index in the path that was looked up.
    pub fn get(&self, index: usize) -> Option<Range<usize>> {
        self.filled().get(index).copied().map(to_range)
    }

    /// The ranges of all parameters in pattern order, one for each of [`Pattern::names`].
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Range<usize>> {
        self.filled().iter().copied().map(to_range)
    }

    pub(in crate::router) fn clear(&mut self) {
        self.len = 0;
    }

    /// Adds a range. False when it does not fit, which no path and no pattern within their limits
    /// can cause.
    pub(super) fn push(&mut self, start: usize, end: usize) -> bool {
        let (Ok(start), Ok(len)) = (u16::try_from(start), u16::try_from(end - start)) else {
            return false;
        };
        let Some(slot) = self.ranges.get_mut(usize::from(self.len)) else {
            return false;
        };
        *slot = (start, len);
        self.len += 1;
        true
    }

    /// Takes the last range back and returns its start.
    pub(super) fn pop(&mut self) -> usize {
        self.len = self.len.saturating_sub(1);
        let last = self.ranges.get(usize::from(self.len));
        last.map_or(0, |&(start, _)| usize::from(start))
    }

    fn filled(&self) -> &[(u16, u16)] {
        self.ranges.get(..self.len()).unwrap_or_default()
    }
}

fn to_range((start, len): (u16, u16)) -> Range<usize> {
    let start = usize::from(start);
    start..start + usize::from(len)
}
