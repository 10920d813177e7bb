//! What the build needs beyond Rust: a C compiler, for the compression libraries.

use crate::{have, sh};
use anyhow::{Result, bail};

/// Installs what is missing where that is possible without asking, and otherwise says what to do.
pub fn ensure() -> Result<()> {
    if have("cc") || have("gcc") || have("clang") || cfg!(windows) {
        return Ok(());
    }
    if cfg!(target_os = "macos") {
        bail!("a C compiler is needed: xcode-select --install");
    }
    let root =
        std::process::Command::new("id").arg("-u").output().is_ok_and(|o| o.stdout.starts_with(b"0\n"));
    if root && have("apt-get") {
        sh("apt-get", &["update", "-q"])?;
        return sh("apt-get", &["install", "-y", "-q", "--no-install-recommends", "gcc", "libc6-dev"]);
    }
    bail!("a C compiler is needed: sudo apt-get install gcc libc6-dev (or your system's package for it)")
}
