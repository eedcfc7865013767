//! The attribute macros of wireline: use them through the crate `wireline`, feature `macros`.
