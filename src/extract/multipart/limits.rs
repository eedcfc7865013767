//! How much of a form is taken.

/// The limits of a [`Multipart`](crate::extract::Multipart) form: a router's `.state(..)`, or left in the request's extensions by middleware.
///
/// ```
/// use wireline::extract::MultipartLimits;
///
/// let limits = MultipartLimits::default().parts(20).part(10 * 1024 * 1024);
/// # let _ = limits;
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MultipartLimits {
    pub(super) parts: usize,
    pub(super) header: usize,
    pub(super) part: u64,
    pub(super) total: u64,
    pub(super) in_memory: usize,
}

impl MultipartLimits {
    /// The most parts. 256 by default; beyond, 413.
    #[must_use]
    pub const fn parts(mut self, parts: usize) -> Self {
        self.parts = parts;
        self
    }

    /// The most octets of the header section of a part. 8 KiB by default; beyond, 413. A section that does not end is refused when
    /// 4 KiB more than that have come. What stands before the first boundary counts as one.
    #[must_use]
    pub const fn header(mut self, octets: usize) -> Self {
        self.header = octets;
        self
    }

    /// The most octets of the content of a part. As many as the route takes by default; beyond, 413.
    #[must_use]
    pub const fn part(mut self, octets: u64) -> Self {
        self.part = octets;
        self
    }

    /// The most octets of everything, boundaries included. As many as the route takes (`max_body`) by default; beyond, 413.
    #[must_use]
    pub const fn total(mut self, octets: u64) -> Self {
        self.total = octets;
        self
    }

    /// The most octets of a part that [`Field::bytes`](crate::extract::Field::bytes) and `text` take into memory. 1 MiB by default;
    /// beyond, 413.
    #[must_use]
    pub const fn in_memory(mut self, octets: usize) -> Self {
        self.in_memory = octets;
        self
    }
}

impl Default for MultipartLimits {
    fn default() -> Self {
        Self {
            parts: 256,
            header: 8 * 1024,
            part: u64::MAX,
            total: u64::MAX,
            in_memory: 1024 * 1024,
        }
    }
}
