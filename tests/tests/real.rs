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

/// Dividing cells with shuffled labels, by the challenge's own measure.
#[test]
fn made_cells_are_followed_through_their_divisions() {
    let Some(truth) = data("synthetic/cells_seed1/man_track.tif") else { return };
    let folder = tempfile::tempdir().unwrap();
    succeeds(folder.path(), &format!("track {} --out tracks --split-distance 9", truth.display()));
    let output = succeeds(folder.path(), &format!("score tracks {} --json", truth.display()));
    let scores: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(scores["tra"].as_f64().unwrap() >= 0.999, "{scores}");
}

/// Contacts lost and gained in a foam whose films are known exactly; a film counts from 5 % of the mean on, in both.
#[test]
fn contacts_of_a_made_foam_change_when_they_do() {
    let Some(labels) = data("synthetic/t1_seed1/labels.tif") else { return };
    let folder = tempfile::tempdir().unwrap();
    succeeds(folder.path(), &format!("contacts {} --out contacts", labels.display()));
    let found = Csv::read(&folder.path().join("contacts/changes.csv"));
    let (time, a, b) = (found.numbers("time"), found.numbers("a"), found.numbers("b"));
    let gained = found.texts("kind").into_iter().map(|k| k == "gained");
    let found: Vec<Change> =
        gained.enumerate().map(|(k, gained)| (time[k] as i64, a[k] as u32, b[k] as u32, gained)).collect();
    let truth = changes(&Csv::read(&labels.with_file_name("contacts.csv")));
    let share = |of: &[Change], among: &[Change]| {
        let near =
            |c: &&Change| among.iter().any(|o| (o.1, o.2, o.3) == (c.1, c.2, c.3) && o.0.abs_diff(c.0) <= 1);
        of.iter().filter(near).count() as f64 / of.len() as f64
    };
    let (precision, recall) = (share(&found, &truth), share(&truth, &found));
    println!("precision {precision}, recall {recall}");
    assert!(precision >= 0.9 && recall >= 0.95, "precision {precision}, recall {recall}");
}

/// Time, two bubbles, and whether their contact is gained.
type Change = (i64, u32, u32, bool);

/// Changes of films whose areas are known, with the hysteresis of the command.
fn changes(films: &Csv) -> Vec<Change> {
    let [time, a, b, area] = ["frame", "a", "b", "area"].map(|name| films.numbers(name));
    let least = 0.05 * area.iter().sum::<f64>() / area.len() as f64;
    let mut there: std::collections::BTreeSet<(u32, u32)> = std::collections::BTreeSet::new();
    let mut changes = Vec::new();
    for frame in 0..=time.iter().fold(0.0, |m: f64, t| m.max(*t)) as i64 {
        let rows = (0..time.len()).filter(|&k| time[k] as i64 == frame);
        let pair = |k: usize| (a[k] as u32, b[k] as u32);
        let now = rows
            .filter(|&k| area[k] > least || there.contains(&pair(k)) && area[k] >= least / 1.5)
            .map(pair)
            .collect();
        if frame > 0 {
            changes.extend(there.difference(&now).map(|p| (frame, p.0, p.1, false)));
            changes.extend(now.difference(&there).map(|p| (frame, p.0, p.1, true)));
        }
        there = now;
    }
    changes
}
