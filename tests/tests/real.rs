//! Real images of the shared data, against figures that numpy, scipy.ndimage and nibabel give for them.

use std::path::{Path, PathBuf};
use voxelry_tests::program::{Csv, succeeds};

/// A file of the shared data, if this machine has it.
fn data(path: &str) -> Option<PathBuf> {
    let given = std::env::var_os("VOXELRY_DATA").map(PathBuf::from);
    let beside = || {
        Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().map(|a| a.join("shared/data")).find(|f| f.is_dir())
    };
    let found = given.or_else(beside).map(|folder| folder.join(path)).filter(|file| file.exists());
    if found.is_none() {
        println!("skipped: there is no {path} in the shared data");
    }
    found
}

/// Voids of a cortical bone, counted by scipy.ndimage.label.
#[test]
fn voids_of_a_bone_are_counted_and_measured() {
    let Some(image) = data("qbi_bone/Exercises/10-Statistics_DataFrames/bone_7H6A_B2.tif") else { return };
    let folder = tempfile::tempdir().unwrap();
    for (connectivity, objects, middling) in [(6, 3432, 190), (26, 3363, 189)] {
        let recipe = format!(
            "[[step]]\nop = \"threshold\"\nmax = 0\n\n[[step]]\nop = \"label\"\nconnectivity = {connectivity}\n\n\
             [[step]]\nop = \"measure\"\ncolumns = [\"volume\"]\ncontacts = false\nimage = false\n"
        );
        std::fs::write(folder.path().join("voids.toml"), recipe).unwrap();
        let out = format!("voids-{connectivity}");
        succeeds(folder.path(), &format!("run --recipe voids.toml {} --out {out}", image.display()));
        let volumes = Csv::read(&folder.path().join(out).join("objects.csv")).numbers("volume");
        assert_eq!(volumes.len(), objects);
        assert_eq!(volumes.iter().sum::<f64>(), 2_804_990.0);
        assert_eq!(volumes.iter().fold(0.0, |m: f64, v| m.max(*v)), 821_280.0);
        assert_eq!(volumes.iter().filter(|v| **v > 100.0 && **v < 1000.0).count(), middling);
    }
}

/// Minimum, maximum and mean by numpy.
#[test]
fn slices_of_real_images_have_the_figures_of_numpy() {
    let folder = tempfile::tempdir().unwrap();
    for (path, min, max, mean) in [
        ("spam_pypi/snow.tif", 6237.0, 40103.0, 24420.5572),
        ("puma/python/pumapy/data/100_fiberform.tif", 0.0, 255.0, 64.4498),
        ("local_thickness/data/cotton_test_volume.tif", 0.0, 255.0, 47.3507),
    ] {
        let Some(image) = data(path) else { continue };
        succeeds(folder.path(), &format!("slice-stats {} s.csv --overwrite", image.display()));
        let slices = Csv::read(&folder.path().join("s.csv"));
        let means = slices.numbers("mean");
        let found = means.iter().sum::<f64>() / means.len() as f64;
        assert!((found - mean).abs() < 5.1e-5, "{path}: {found}");
        assert_eq!(slices.numbers("min").into_iter().fold(f64::INFINITY, f64::min), min, "{path}");
        assert_eq!(slices.numbers("max").into_iter().fold(0.0, f64::max), max, "{path}");
    }
}

/// The labels of a hand-made segmentation.
#[test]
fn every_label_of_a_mask_is_a_row() {
    let Some(mask) = data("stardist/stardist/data/images/mask3d.tif") else { return };
    let folder = tempfile::tempdir().unwrap();
    succeeds(
        folder.path(),
        &format!("op measure --as labels --columns voxel_count {} m.csv", mask.display()),
    );
    assert_eq!(Csv::read(&folder.path().join("m.csv")).rows.len(), 51);
}
