//! `cargo xtask bench peers`: times every operator beside its peers, in one run. `cargo xtask bench gpu`: times
//! kernels on a device.

use crate::{root, sh, target};
use anyhow::Result;

/// What the peers are, as Python packages.
const PEERS: &[&str] = &[
    "numpy",
    "scipy",
    "scikit-image",
    "SimpleITK",
    "diplib",
    "vtk",
    "connected-components-3d",
    "edt",
    "porespy",
    "localthickness",
    "dipy",
    "zmesh",
    "nibabel",
    "opencv-python-headless",
];

/// What answers questions about tables, as Python packages.
const TABLES: &[&str] = &["duckdb", "polars", "pyarrow"];

/// Makes a virtual environment with the peers and the volumes where they are missing, and runs
/// `benches/peers.py` with the further arguments.
pub fn peers(arguments: &[&str]) -> Result<()> {
    beside("peers", PEERS, arguments)
}

/// The same with `benches/tables.py`: questions about tables.
pub fn tables(arguments: &[&str]) -> Result<()> {
    beside("tables", TABLES, arguments)
}

/// Runs `benches/NAME.py` with the program, a folder and the further arguments, in an environment with Python packages.
fn beside(name: &str, packages: &[&str], arguments: &[&str]) -> Result<()> {
    sh("cargo", &["build", "--release", "--bin", "voxelry"])?;
    let folder = root().join("target").join(name);
    let python = folder.join("venv").join(if cfg!(windows) { "Scripts/python.exe" } else { "bin/python" });
    let text = |p: &std::path::Path| p.to_string_lossy().into_owned();
    if !python.exists() {
        sh("python3", &["-m", "venv", &text(&folder.join("venv"))])?;
    }
    sh(&text(&python), &[&["-m", "pip", "install", "--quiet"], packages].concat())?;
    let program = target().join("release").join(format!("voxelry{}", std::env::consts::EXE_SUFFIX));
    let script = text(&root().join("benches").join(format!("{name}.py")));
    let table = text(&folder.join("table.md"));
    let (program, folder) = (text(&program), text(&folder));
    sh(&text(&python), &[&[&*script, &*program, &*folder, "--table", &*table], arguments].concat())?;
    println!("\nThe table: {table}");
    Ok(())
}

/// Times the kernels of the graphics device and prints a table.
pub fn gpu(arguments: &[&str]) -> Result<()> {
    let run = ["run", "--release", "--quiet", "--package", "voxelry-shaders", "--example", "bench", "--"];
    sh("cargo", &[&run, arguments].concat())
}
