//! The ceilings of one connection.

/// How much of a message this connection reads before it refuses it.
///
/// Every limit is inclusive and in octets unless its name says otherwise. The defaults are those of
/// `docs/limits.md`; reaching one is an ordinary outcome with a status of its own, and a counter moves.
///
/// ```
/// use wireline::wire::limits::Limits;
///
/// let limits = Limits { request_line: 16 * 1024, ..Limits::default() };
/// assert_eq!(limits.header_section, 8 * 1024);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The request line without its CRLF; beyond it 414. Default 8 KiB, at most 24 KiB.
    pub request_line: usize,
    /// The field lines with their CRLFs; beyond it 431. Default 8 KiB, at most 36 KiB.
    pub header_section: usize,
    /// The number of field lines; beyond it 431. Default 100.
    pub header_fields: usize,
    /// One chunk of a chunked body; beyond it 413. Default 1 MiB.
    pub chunk: u64,
    /// The extensions of one chunk; beyond it 400. Default 256.
    pub chunk_extension: usize,
    /// The extensions of all chunks of a body; beyond it 400. Default 16 KiB.
    pub chunk_extensions: usize,
    /// The trailer section with its CRLFs; beyond it 431. Default 16 KiB, at most 36 KiB.
    pub trailer_section: usize,
    /// The number of trailer field lines; beyond it 431. Default 100.
    pub trailer_fields: usize,
    /// Chunk framing may be at most this many times the payload, once it is more than 64 KiB; beyond
    /// it 400. It stops a body that is sent octet by octet from costing its framing forever. Default 4.
    pub chunk_overhead: u64,
}

impl Limits {
    /// The same limits, held under what the 16-bit offsets of a field table can express.
    pub(crate) fn clamped(mut self) -> Self {
        self.request_line = self.request_line.min(24 * 1024);
        self.header_section = self.header_section.min(36 * 1024);
        self.trailer_section = self.trailer_section.min(36 * 1024);
        self
    }

    /// The most octets that a head may take in the read buffer: an empty line before it, the request
    /// line, the header section and both line ends.
    pub(crate) const fn head(&self) -> usize {
        self.request_line + self.header_section + 6
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            request_line: 8 * 1024,
            header_section: 8 * 1024,
            header_fields: 100,
            chunk: 1024 * 1024,
            chunk_extension: 256,
            chunk_extensions: 16 * 1024,
            trailer_section: 16 * 1024,
            trailer_fields: 100,
            chunk_overhead: 4,
        }
    }
}
