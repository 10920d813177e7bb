//! The house rules that the compiler doesn't hold: who may know whom.

use std::process::Command;

/// Crates that the engine must never come to know, whatever it depends on.
const NOT_IN_CORE: [&str; 7] = ["wgpu", "egui", "eframe", "winit", "tokio", "async-std", "datafusion"];

fn tree(package: &str) -> Vec<String> {
    let output = Command::new(env!("CARGO"))
        .args(["tree", "--package", package, "--edges", "normal", "--prefix", "none", "--format", "{p}"])
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).expect("cargo prints UTF-8");
    text.lines().filter_map(|l| l.split_whitespace().next()).map(str::to_owned).collect()
}

#[test]
fn the_engine_knows_no_gpu_no_window_and_no_async_runtime() {
    let crates = tree("voxelry-core");
    assert!(crates.iter().any(|c| c == "ndarray"), "the list is of the wrong crate");
    for unwanted in NOT_IN_CORE {
        assert!(!crates.iter().any(|c| c == unwanted), "voxelry-core depends on {unwanted}");
    }
    assert_eq!(
        crates.iter().filter(|c| c.starts_with("voxelry")).count(),
        1,
        "core knows nobody of the house"
    );
}

#[test]
fn the_shaders_know_the_engine_and_no_window() {
    let crates = tree("voxelry-shaders");
    assert!(crates.iter().any(|c| c == "wgpu"), "the list is of the wrong crate");
    for unwanted in ["egui", "eframe", "winit", "tokio"] {
        assert!(!crates.iter().any(|c| c == unwanted), "voxelry-shaders depends on {unwanted}");
    }
    assert_eq!(
        crates.iter().filter(|c| c.starts_with("voxelry")).collect::<std::collections::BTreeSet<_>>().len(),
        2
    );
}

#[test]
fn analysis_knows_tables_and_no_voxels() {
    let crates = tree("voxelry-analysis");
    assert!(crates.iter().any(|c| c.starts_with("arrow")), "the list is of the wrong crate");
    for unwanted in ["wgpu", "egui", "eframe", "winit", "ballista", "voxelry-core", "voxelry-shaders"] {
        assert!(!crates.iter().any(|c| c.starts_with(unwanted)), "voxelry-analysis depends on {unwanted}");
    }
}

#[test]
fn only_the_window_knows_egui() {
    fn walk(folder: &std::path::Path, found: &mut Vec<std::path::PathBuf>) {
        for entry in std::fs::read_dir(folder).expect("the sources are there").flatten() {
            let path = entry.path();
            if path.is_dir() {
                walk(&path, found);
            } else if std::fs::read_to_string(&path).is_ok_and(|text| text.contains("egui")) {
                found.push(path);
            }
        }
    }
    let mut found = Vec::new();
    walk(std::path::Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../app/src")), &mut found);
    assert!(!found.is_empty(), "the folder is the wrong one");
    let outside: Vec<_> =
        found.iter().filter(|p| !p.components().any(|c| c.as_os_str() == "window")).collect();
    assert!(outside.is_empty(), "{outside:?}");
}

#[test]
fn the_program_carries_no_distributed_engine() {
    let crates = tree("voxelry");
    for unwanted in ["ballista", "voxelry-pool"] {
        assert!(!crates.iter().any(|c| c.starts_with(unwanted)), "voxelry depends on {unwanted}");
    }
}

#[test]
fn the_stores_know_nobody_of_the_house() {
    let crates = tree("voxelry-stores");
    assert!(crates.iter().any(|c| c == "object_store"), "the list is of the wrong crate");
    assert_eq!(crates.iter().filter(|c| c.starts_with("voxelry")).count(), 1);
}
