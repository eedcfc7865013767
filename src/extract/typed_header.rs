//! `TypedHeader<T>`.
