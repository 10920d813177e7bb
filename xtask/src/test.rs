//! `cargo xtask test`: everything that must pass.

use crate::{have, sh, sh_with};
use anyhow::Result;

/// Formatting, lints, all tests; licences and spelling where their tools are there. `long` also runs what takes an hour.
pub fn run(long: bool) -> Result<()> {
    sh("cargo", &["fmt", "--all", "--check"])?;
    sh("cargo", &["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"])?;
    // The command line's tests run the program itself. All targets at once, so that libraries are built once: tests
    // ask for more features of them than programs do.
    sh("cargo", &["build", "--workspace", "--all-targets"])?;
    let form: &[(&str, &str)] = if long { &[("VOXELRY_LONG", "1")] } else { &[] };
    sh_with(form, "cargo", &["test", "--workspace", "--lib", "--bins", "--tests"])?;
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
