//! Compression of responses, decompression of requests (RFC 9110 section 8.4).
