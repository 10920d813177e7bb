//! `cargo xtask test`: everything that must pass.

use crate::{have, sh, sh_with};
use anyhow::Result;

/// Formatting, lints, all tests; spelling where typos is there. `long` also runs what takes an hour.
pub fn run(long: bool) -> Result<()> {
    sh("cargo", &["fmt", "--all", "--check"])?;
    sh("cargo", &["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"])?;
    // The command line's tests run the program itself. All targets at once, so that libraries are built once: tests
    // ask for more features of them than programs do.
    sh("cargo", &["build", "--workspace", "--all-targets"])?;
    let form: &[(&str, &str)] = if long { &[("VOXELRY_LONG", "1")] } else { &[] };
    sh_with(form, "cargo", &["test", "--workspace", "--lib", "--bins", "--tests"])?;
    // Licences and sources of the dependencies are held by tests/tests/house.rs.
    if have("typos") {
        sh("typos", &[])?;
    } else {
        println!("Spelling was NOT checked: typos is not installed (pip install typos)");
    }
    Ok(())
}
