//! Stores that fail, lie and change, by way of the commands that read them.

use super::{content, remove};
use std::path::Path;
use std::sync::atomic::Ordering::SeqCst;
use voxelry_tests::program::{succeeds, text, voxelry};
use voxelry_tests::server::{Fault, Server};

fn commands(url: &str) -> [(String, &'static str); 2] {
    [
        (format!("run -q -r granules {url}a.ome.zarr --out out"), "out"),
        (format!("convert {url}a.ome.zarr out.nrrd"), "out.nrrd"),
    ]
}

fn ran(at: &Path, command: &str) -> (Option<i32>, String) {
    let output = voxelry(at, command).env("VOXELRY_CACHE_BUDGET", "0").output().unwrap();
    (output.status.code(), text(&output.stderr))
}

#[test]
fn what_passes_changes_no_result() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    succeeds(at, "sample granules --size 48 -o a.ome.zarr");
    let server = Server::new(at);
    for (command, target) in commands(&server.url) {
        let (code, said) = ran(at, &command);
        assert_eq!(code, Some(0), "{said}");
        let expected = content(&at.join(target)).unwrap();
        for fault in [Fault::Closes, Fault::Busy, Fault::Cuts, Fault::Page, Fault::Garbles] {
            remove(&at.join(target));
            *server.fault.lock().unwrap() = fault;
            let (code, said) = ran(at, &command);
            assert_eq!(code, Some(0), "{fault:?}: {said}");
            assert!(content(&at.join(target)).unwrap() == expected, "{command}, {fault:?}");
        }
        *server.fault.lock().unwrap() = Fault::None;
        remove(&at.join(target));
    }
}

#[test]
fn a_store_that_changes_midway_gives_one_image_or_none() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    for (seed, name) in ["a.ome.zarr", "other/a.ome.zarr"].into_iter().enumerate() {
        std::fs::create_dir_all(at.join("other")).unwrap();
        let seed = seed + 1;
        succeeds(at, &format!("sample granules --size 48 --seed {seed} -o image.nrrd --overwrite"));
        succeeds(at, &format!("convert image.nrrd {name} --chunk 16"));
    }
    let server = Server::new(at);
    for (command, target) in commands(&server.url) {
        let mut made = Vec::new();
        for after in [usize::MAX, 0] {
            server.other_after.store(after, SeqCst);
            let (code, said) = ran(at, &command);
            assert_eq!(code, Some(0), "{said}");
            made.push(content(&at.join(target)).unwrap());
            remove(&at.join(target));
        }
        let mut refused = 0;
        for after in [3, 5, 9, 15, 25, 40] {
            server.other_after.store(after, SeqCst);
            let (code, said) = ran(at, &command);
            match content(&at.join(target)) {
                Some(found) => assert!(made.contains(&found), "{command}, after {after}: a mix"),
                None => {
                    assert!(code == Some(1) && said.contains("changed while it was read"), "{after}: {said}");
                    refused += 1;
                }
            }
            remove(&at.join(target));
        }
        assert!(refused > 2, "{command}");
    }
}
