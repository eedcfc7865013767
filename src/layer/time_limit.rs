//! A deadline for handlers.
