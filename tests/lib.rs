//! Tests that cross crates.

pub mod program;
pub mod server;
