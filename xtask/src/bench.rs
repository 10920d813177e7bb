//! `cargo xtask bench peers`: every operator and its peers, on the same volume, in one run.

use crate::{root, sh, target};
use anyhow::{Result, bail};

/// Makes a Python environment with the peers, the volumes, and the comparison table.
pub fn peers(arguments: &[&str]) -> Result<()> {
    if !crate::have("python3") {
        bail!("python3 with venv is needed: sudo apt-get install python3-venv");
    }
    let home = target().join("peers");
    std::fs::create_dir_all(&home)?;
    let venv = home.join("venv");
    let python = venv.join("bin/python").to_string_lossy().into_owned();
    if !venv.exists() {
        sh("python3", &["-m", "venv", &venv.to_string_lossy()])?;
        let packages = root().join("benches/requirements.txt");
        sh(&python, &["-m", "pip", "install", "-q", "-r", &packages.to_string_lossy()])?;
    }
    sh("cargo", &["build", "--release", "--package", "voxelry"])?;
    let script = root().join("benches/peers.py").to_string_lossy().into_owned();
    let program = target().join("release/voxelry").to_string_lossy().into_owned();
    let home = home.to_string_lossy().into_owned();
    let mut all = vec![script.as_str(), "--home", &home, "--voxelry", &program];
    all.extend(arguments);
    sh(&python, &all)
}
