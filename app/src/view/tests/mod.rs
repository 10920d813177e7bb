//! What is looked at: sizes, planes, differences, parts.

mod crash;
mod looking;
mod size;
