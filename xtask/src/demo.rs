//! `cargo xtask demo`: from a fresh clone to a measured sample.

use crate::{root, sh, target};
use anyhow::{Context, Result};
use std::fs;

/// Builds release, makes a foam sample, runs the main job on it and shows what came out, in a window where there is a
/// display.
pub fn run() -> Result<()> {
    let program = target().join("release").join(format!("voxelry{}", std::env::consts::EXE_SUFFIX));
    if !program.exists() {
        println!(
            "The first build compiles some 450 packages; cargo shows where it is. Later builds take minutes."
        );
    }
    sh("cargo", &["build", "--release", "--bin", "voxelry"])?;
    let program = program.to_string_lossy().into_owned();
    let folder = root().join("target").join("demo");
    fs::create_dir_all(&folder)?;
    let sample = folder.join("foam.nii.gz").to_string_lossy().into_owned();
    let out = folder.join("foam").to_string_lossy().into_owned();
    sh(&program, &["sample", "foam", "--size", "256", "--seed", "1", "-o", &sample, "--overwrite"])?;
    sh(&program, &["run", "--recipe", "foam", &sample, "--out", &out, "--overwrite"])?;

    let table = fs::read_to_string(folder.join("foam/objects.csv")).context("the table is missing")?;
    println!("\nThe first of {} bubbles:\n", table.lines().count().saturating_sub(1));
    let shown = ["label", "volume", "equivalent_diameter", "sphericity", "surface_area", "neighbours"];
    let header: Vec<&str> = table.lines().next().unwrap_or_default().split(',').collect();
    let columns: Vec<(usize, &str)> =
        shown.iter().filter_map(|s| header.iter().position(|h| h == s).map(|i| (i, *s))).collect();
    println!("{}", columns.iter().map(|(_, s)| format!("{s:>20}")).collect::<String>());
    for row in table.lines().skip(1).take(8) {
        let cells: Vec<&str> = row.split(',').collect();
        let cell = |i: usize| cells.get(i).copied().unwrap_or_default();
        println!("{}", columns.iter().map(|(i, _)| format!("{:>20}", rounded(cell(*i)))).collect::<String>());
    }
    println!("\nPicture:   {}", folder.join("foam/montage.png").display());
    println!("Table:     {}", folder.join("foam/objects.csv").display());
    println!("Summary:   {}", folder.join("foam/summary.json").display());
    println!("Labels:    {}", folder.join("foam/labels.ome.zarr").display());
    println!("Truth:     {}", folder.join("foam.truth.csv").display());
    let labels = folder.join("foam/labels.ome.zarr").to_string_lossy().into_owned();
    if has_display() {
        // The window stays open; closing it ends the demo.
        sh(&program, &[&sample, &labels])?;
    } else {
        println!("\nThere is no display. Where there is one:\n{program} {sample} {labels}");
    }
    Ok(())
}

/// Whether a window can be opened.
fn has_display() -> bool {
    let set = |name| std::env::var_os(name).is_some_and(|v| !v.is_empty());
    !cfg!(target_os = "linux") || set("DISPLAY") || set("WAYLAND_DISPLAY")
}

fn rounded(cell: &str) -> String {
    match cell.parse::<f64>() {
        Ok(v) if cell.contains('.') => format!("{v:.4}"),
        _ => cell.to_owned(),
    }
}
