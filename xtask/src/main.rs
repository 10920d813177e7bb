//! Set-up, demo, test and bench.
fn main() {}
