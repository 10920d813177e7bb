//! What is looked at: sizes, planes, differences, parts.

mod looking;
mod size;
