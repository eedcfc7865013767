//! `Form<T>`.
