//! `cargo xtask test`: everything that must pass.

use crate::{sh, sh_with, target};
use anyhow::Result;
use std::path::PathBuf;

/// Version of the spelling checker, which Python packages carry as a wheel.
const TYPOS: &str = "1.52.0";

/// Formatting, spelling, lints, all tests. `long` also runs what takes an hour.
pub fn run(long: bool) -> Result<()> {
    sh("cargo", &["fmt", "--all", "--check"])?;
    let spelling = typos();
    match &spelling {
        Ok(program) => sh(&program.to_string_lossy(), &[])?,
        Err(error) => println!("Spelling is NOT checked: {error:#}"),
    }
    sh("cargo", &["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"])?;
    // The command line's tests run the program itself. All targets at once, so that libraries are built once: tests
    // ask for more features of them than programs do.
    sh("cargo", &["build", "--workspace", "--all-targets"])?;
    let form: &[(&str, &str)] = if long { &[("VOXELRY_LONG", "1")] } else { &[] };
    sh_with(form, "cargo", &["test", "--workspace", "--lib", "--bins", "--tests"])?;
    // Licences and sources of the dependencies are held by tests/tests/house.rs.
    if spelling.is_err() {
        println!("All else has passed; spelling was NOT checked.");
    }
    Ok(())
}

/// The spelling checker, in a virtual environment beside what cargo builds.
///
/// # Errors
/// Without Python, or without a package index the first time.
fn typos() -> Result<PathBuf> {
    let folder = target().join(format!("typos-{TYPOS}"));
    let programs = folder.join(if cfg!(windows) { "Scripts" } else { "bin" });
    let named = |name: &str| programs.join(format!("{name}{}", std::env::consts::EXE_SUFFIX));
    if !named("typos").exists() {
        sh("python3", &["-m", "venv", &folder.to_string_lossy()])?;
        let wheel = format!("typos=={TYPOS}");
        sh(
            &named("python").to_string_lossy(),
            &["-m", "pip", "install", "--quiet", "--only-binary", ":all:", &wheel],
        )?;
    }
    Ok(named("typos"))
}
