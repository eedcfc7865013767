//! `Multipart`.
