//! Images that somebody writes while they are read.

use super::{content, hidden, start};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;
use voxelry_tests::program::{succeeds, text, voxelry};

/// Waits until a command has opened its image and begun its target, and says what then changes.
fn disturbed(at: &Path, command: &str, change: impl FnOnce()) -> (Option<i32>, String) {
    let child = voxelry(at, command).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    while hidden(at).is_empty() {
        std::thread::sleep(Duration::from_millis(1));
    }
    change();
    let output = child.wait_with_output().unwrap();
    (output.status.code(), text(&output.stderr))
}

#[test]
fn nothing_is_made_of_an_image_that_changed_while_it_was_read() {
    for (number, image) in ["a.npy", "a.nii.gz", "a.ome.zarr", "a.tif", "a.nhdr"].into_iter().enumerate() {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path();
        std::fs::write(at.join("slow.toml"), "[[step]]\nop = \"median\"\nradius = 3\n").unwrap();
        succeeds(at, &format!("sample granules --size 128 -o {image}"));
        succeeds(at, &format!("sample granules --size 128 --seed 2 -o b.{image}"));
        let how = if number % 2 == 0 { "--block 32" } else { "" };
        let commands = [
            (format!("run -r slow.toml {image} --out out {how} --threads 1"), "out"),
            (format!("op median --radius 3 {image} out.nrrd {how} --threads 1"), "out.nrrd"),
        ];
        for (command, target) in commands {
            if target == "out.nrrd" && how.is_empty() {
                // It is read before anything is written.
                continue;
            }
            let (code, said) = disturbed(at, &command, || succeeds_quietly(at, image));
            assert_eq!(code, Some(1), "{command}: {said}");
            assert!(said.contains("changed while it was read"), "{command}: {said}");
            assert!(!said.contains("resumes them"), "{command}: {said}");
            assert_eq!(content(&at.join(target)), None, "{command}");
        }
    }
}

/// Another image of the same shape takes the place of one.
fn succeeds_quietly(at: &Path, image: &str) {
    assert!(start(at, &format!("convert b.{image} {image} --overwrite")).wait().unwrap().success());
}
