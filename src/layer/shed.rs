//! Load shedding.
