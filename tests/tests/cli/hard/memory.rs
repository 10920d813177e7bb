//! What is promised of memory, against what is used.

use super::long;
use std::path::Path;
use voxelry_tests::program::{program, succeeds, text, voxelry};

/// The size in bytes that stands after some words, such as `12.3 MB`.
fn size_after(said: &str, words: &str) -> f64 {
    let rest = said.split(words).nth(1).unwrap_or_else(|| panic!("no \"{words}\" in {said}"));
    let mut parts = rest.split_whitespace();
    let number: f64 = parts.next().unwrap().parse().unwrap();
    let unit = parts.next().unwrap().trim_matches(|c: char| !c.is_alphabetic());
    number * [("GB", 1e9), ("MB", 1e6), ("kB", 1e3)].iter().find(|(name, _)| *name == unit).unwrap().1
}

/// What a run says that it needs, if it is in memory, and the most that it used.
fn used(at: &Path, command: &str) -> (Option<f64>, f64) {
    let output = voxelry(at, command).output().unwrap();
    let said = text(&output.stderr);
    assert!(output.status.success(), "{command}: {said}");
    let needed = said.contains("needs about").then(|| size_after(&said, "needs about "));
    (needed, size_after(&said, "in use at most: "))
}

#[test]
#[cfg(target_os = "linux")]
fn a_run_stays_within_its_memory_and_says_what_it_needs() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let size = if long() { 224 } else { 128 };
    succeeds(at, &format!("sample foam --size {size} -o u16.nii.gz"));
    let (recipes, types): (&[&str], &[&str]) = if long() {
        (&["foam", "granules", "cells", "bone"], &["u8", "u16", "f32"])
    } else {
        (&["foam"], &["u16"])
    };
    for voxel in types.iter().filter(|voxel| **voxel != "u16") {
        let scale = if *voxel == "u8" { "rescale" } else { "cast" };
        succeeds(at, &format!("op {scale} --type {voxel} u16.nii.gz {voxel}.nii.gz"));
    }
    let mut wrong = Vec::new();
    for (recipe, voxel) in recipes.iter().flat_map(|recipe| types.iter().map(move |voxel| (recipe, voxel))) {
        let run = format!("run -v -r {recipe} {voxel}.nii.gz --out out --overwrite");
        let (needed, peak) = used(at, &run);
        let needed = needed.expect("there is enough");
        println!("{recipe} of {voxel}: says {needed}, uses {peak}: {:.2}", needed / peak);
        if peak > needed || needed > peak * 1.35 {
            wrong.push(format!("{run}: says {needed}, uses {peak}"));
        }
        // As much as it needs, and less.
        for share in if long() { &[1.01, 0.9, 0.6, 0.4][..] } else { &[1.01, 0.7] } {
            let budget = needed * share;
            let (in_memory, peak) = used(at, &format!("{run} --memory {}", budget.ceil()));
            assert_eq!(in_memory.is_some(), *share > 1.0, "{run} within {budget}");
            println!("  within {budget}: uses {peak}: {:.2}", peak / budget);
            if peak > budget {
                wrong.push(format!("{run} within {budget}: uses {peak}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Where the system gives no more memory, a sentence says so, and nothing is left behind.
#[test]
#[cfg(target_os = "linux")]
fn running_out_of_memory_ends_in_a_sentence() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    succeeds(at, "sample foam --size 200 -o foam.nrrd");
    let (before, mut refused) = (voxelry_tests::program::names(at), 0);
    // The program itself takes some 180 MB of address space.
    for megabytes in [200, 230, 260, 300, 700] {
        let limited = format!(
            "ulimit -v {megabytes}000; exec '{}' run -r foam foam.nrrd --out out --memory 4G --device cpu --threads 1",
            program().display()
        );
        let output =
            std::process::Command::new("sh").args(["-c", &limited]).current_dir(at).output().unwrap();
        let said = text(&output.stderr);
        if output.status.success() {
            std::fs::remove_dir_all(at.join("out")).unwrap();
            continue;
        }
        refused += 1;
        assert_eq!(output.status.code(), Some(1), "{megabytes} MB: {said}");
        assert!(said.contains("voxelry: not enough memory"), "{megabytes} MB: {said}");
        assert_eq!(voxelry_tests::program::names(at), before, "{megabytes} MB");
    }
    assert!(refused > 0);
    // The limit counts where nothing is said, too.
    let limited = format!(
        "ulimit -v 700000; exec '{}' run -r foam foam.nrrd --out out --device cpu --threads 1",
        program().display()
    );
    let output = std::process::Command::new("sh").args(["-c", &limited]).current_dir(at).output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
}
