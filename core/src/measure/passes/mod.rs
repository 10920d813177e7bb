//! The passes over an image that a measurement consists of, their partial results, and what runs them.

pub mod partitions;
pub mod pass;
pub mod run;
pub mod state;
