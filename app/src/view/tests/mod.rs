//! Tests of sizes, planes, differences and parts.

mod crash;
mod looking;
mod size;
