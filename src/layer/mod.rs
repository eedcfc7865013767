//! What stands around every handler on the paved path: a request id, a header that no response should
//! lack, and spans. Each is a plain function before or after the handler, so that none boxes a future.

pub(crate) mod request_id;
pub(crate) mod security_headers;
pub(crate) mod trace;

pub use self::request_id::RequestId;
