//! `cargo xtask test`: everything that must pass.

use crate::{have, sh};
use anyhow::Result;

/// Formatting, lints, all tests, documentation; licences and spelling where their tools are there.
pub fn run() -> Result<()> {
    sh("cargo", &["fmt", "--all", "--check"])?;
    sh("cargo", &["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"])?;
    // The command line's tests run the program itself. All targets at once, so that libraries are built once: tests
    // ask for more features of them than programs do.
    sh("cargo", &["build", "--workspace", "--all-targets"])?;
    sh("cargo", &["test", "--workspace", "--lib", "--bins", "--tests"])?;
    for (tool, arguments) in [("cargo-deny", ["deny", "check"]), ("typos", ["", ""])] {
        if !have(tool) {
            println!("{tool} is not installed: skipped");
        } else if tool == "typos" {
            sh(tool, &[])?;
        } else {
            sh("cargo", &arguments)?;
        }
    }
    Ok(())
}
