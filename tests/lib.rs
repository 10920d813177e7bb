//! Tests that cross crates.

pub mod program;
