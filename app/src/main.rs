//! The Voxelry program.
fn main() {}
