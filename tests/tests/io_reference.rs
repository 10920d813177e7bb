//! Every image file of the shared data reads as its reference reader reads it, voxel for voxel and
//! in its affine, or fails with one sentence.
//!
//! The references are `tests/golden/*_checksums.json`, each made by the script beside it:
//!
//! ```json
//! {"made_with": {"nibabel": "5.4.2"},
//!  "images": [
//!   {"path": "folder/a.nii.gz", "channels": 1, "times": 1, "shape": [91, 109, 91], "voxel": "u8",
//!    "affine": [-2.0, 0.0, 0.0, 90.0, 0.0, 2.0, 0.0, -126.0, 0.0, 0.0, 2.0, -72.0, 0.0, 0.0, 0.0, 1.0],
//!    "crc32": 123456},
//!   {"path": "folder/broken.nii", "error": true}]}
//! ```
//!
//! `path` is relative to the data folder and `shape` is `[z, y, x]`. `affine` is
//! `world_from_(x, y, z)` as 4 × 4 in row-major order (RAS where there is an orientation), or null
//! where the reference has none. `crc32` is that of all voxels in the order time, channel, z, y, x,
//! little-endian, in their own type. An optional `level` says which resolution level all of this is
//! about; 0 if none. `error` says that the file must not be read; `unread`, with a
//! reason, that the reference reads it and Voxelry refuses it. Optional `options` go to the reader:
//! `{"shape": [z, y, x], "voxel": "u16", "offset": 0, "big_endian": false, "dataset": "name"}`.

use serde_json::Value;
use std::path::{Path, PathBuf};
use voxelry_core::io::{self, Frame, ImageSource, OpenOptions};
use voxelry_core::{Result, Volume};

/// The folder with the shared data, if this machine has it.
fn data_folder() -> Option<PathBuf> {
    if let Some(folder) = std::env::var_os("VOXELRY_DATA") {
        return Some(folder.into());
    }
    let mut folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    loop {
        let candidate = folder.join("shared/data");
        if candidate.join("INDEX.tsv").is_file() {
            return Some(candidate);
        }
        folder = folder.parent()?;
    }
}

fn little_endian(volume: &Volume) -> Vec<u8> {
    let mut bytes = volume.as_bytes().to_vec();
    if cfg!(target_endian = "big") {
        bytes.chunks_mut(volume.voxel_type().size()).for_each(<[u8]>::reverse);
    }
    bytes
}

fn checksum(source: &dyn ImageSource, level: usize) -> Result<u32> {
    let mut crc = crc32fast::Hasher::new();
    for time in 0..source.info().times {
        for channel in 0..source.info().channels.len() {
            crc.update(&little_endian(&source.read_all(Frame { level, channel, time })?));
        }
    }
    Ok(crc.finalize())
}

fn options(image: &Value) -> OpenOptions {
    let given = &image["options"];
    OpenOptions {
        shape: given["shape"].as_array().map(|s| std::array::from_fn(|i| s[i].as_u64().unwrap() as usize)),
        voxel: given["voxel"].as_str().map(|v| v.parse().unwrap()),
        offset: given["offset"].as_u64().unwrap_or(0),
        big_endian: given["big_endian"].as_bool().unwrap_or(false),
        dataset: given["dataset"].as_str().map(str::to_owned),
        ..OpenOptions::default()
    }
}

/// What differs from the reference, if anything does.
fn compare(root: &Path, image: &Value) -> Option<String> {
    let path = root.join(image["path"].as_str().unwrap());
    let level = image["level"].as_u64().unwrap_or(0) as usize;
    let read = io::open(&path, &options(image)).and_then(|s| checksum(&*s, level).map(|crc| (s, crc)));
    let refused = image["error"] == true || image["unread"].is_string();
    let (source, crc) = match (read, refused) {
        (Err(error), true) => {
            let sentence = error.to_string();
            let one_line = !sentence.contains('\n') && sentence.len() < 500;
            return (!one_line).then(|| format!("the error is not one sentence: {sentence}"));
        }
        (Err(error), false) => return Some(format!("is refused: {error}")),
        (Ok(_), true) => return Some("should be refused".into()),
        (Ok(read), false) => read,
    };
    let info = source.info();
    let mut differences = Vec::new();
    let mut check = |field: &str, ours: Value| {
        if ours != image[field] {
            differences.push(format!("{field} is {ours} instead of {}", image[field]));
        }
    };
    check("channels", info.channels.len().into());
    check("times", info.times.into());
    check("shape", info.levels[level].shape.to_vec().into());
    check("voxel", info.voxel.name().into());
    check("crc32", crc.into());
    if let Some(want) = image["affine"].as_array() {
        let want: Vec<f64> = want.iter().map(|v| v.as_f64().unwrap()).collect();
        let a = info.levels[level].geometry.world_from_index;
        let ours: Vec<f64> =
            (0..3).flat_map(|r| [a.x_axis[r], a.y_axis[r], a.z_axis[r], a.translation[r]]).collect();
        let largest = want.iter().fold(1.0f64, |m, v| m.max(v.abs()));
        if ours.iter().zip(&want).any(|(a, b)| (a - b).abs() > 1e-6 * largest) {
            differences.push(format!("affine is {ours:?} instead of {:?}", &want[..12]));
        }
    }
    (!differences.is_empty()).then(|| differences.join("; "))
}

fn check(golden: &str) {
    check_in(golden, data_folder());
}

fn check_in(golden: &str, root: Option<PathBuf>) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden").join(golden);
    let (Ok(text), Some(root)) = (std::fs::read_to_string(&file), root) else {
        eprintln!("skipped: {} or the shared data are not here", file.display());
        return;
    };
    let golden: Value = serde_json::from_str(&text).unwrap();
    let images = golden["images"].as_array().unwrap();
    assert!(!images.is_empty());
    let differences: Vec<_> = images
        .iter()
        .filter_map(|image| compare(&root, image).map(|d| format!("{}: {d}", image["path"])))
        .collect();
    assert!(
        differences.is_empty(),
        "{} of {} differ:\n{}",
        differences.len(),
        images.len(),
        differences.join("\n")
    );
}

#[test]
fn images_match_nibabel_simpleitk_numpy_and_h5py() {
    check("io_checksums.json");
}

#[test]
fn dialects_match_nibabel_simpleitk_pynrrd_and_numpy() {
    let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden/io_samples");
    check_in("io_samples_checksums.json", Some(samples));
}

#[test]
fn hdf5_dialects_match_h5py() {
    let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden/hdf5_samples");
    check_in("hdf5_samples_checksums.json", Some(samples));
}

#[test]
fn tiff_files_of_several_images_and_sets_match_tifffile() {
    let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden/tiff_sets");
    check_in("tiff_sets_checksums.json", Some(samples));
}

#[test]
fn tiff_images_match_tifffile_and_pillow() {
    check("tiff_checksums.json");
}

#[test]
fn zarr_images_match_zarr_python() {
    check("zarr_checksums.json");
}

#[test]
fn the_comparison_notices_one_changed_voxel() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.nii");
    let array = [3u8, 1, 4, 1, 5, 9, 2, 6];
    let mut volume = Volume::zeros(voxelry_core::VoxelType::U8, [2, 2, 2]);
    volume.as_bytes_mut().copy_from_slice(&array);
    let mut image = serde_json::json!({
        "path": "a.nii", "channels": 1, "times": 1, "shape": [2, 2, 2], "voxel": "u8",
        "affine": null, "crc32": crc32fast::hash(&array),
    });
    let write = |volume: &Volume| {
        io::write_volume(
            &path,
            volume,
            voxelry_core::Geometry::default(),
            false,
            &voxelry_core::io::WriteOptions::default(),
        )
        .unwrap();
    };
    write(&volume);
    assert_eq!(compare(folder.path(), &image), None);
    volume.as_bytes_mut()[6] = 3;
    write(&volume);
    assert!(compare(folder.path(), &image).unwrap().contains("crc32"));
    volume.as_bytes_mut()[6] = 2;
    write(&volume);
    image["affine"] = serde_json::json!([1, 0, 0, 0, 0, 1, 0, 0.001, 0, 0, 1, 0, 0, 0, 0, 1]);
    assert!(compare(folder.path(), &image).unwrap().contains("affine"));
    std::fs::write(&path, b"nothing").unwrap();
    assert!(compare(folder.path(), &image).unwrap().contains("refused"));
}

/// Writes a file of each format and kind into the folder that `VOXELRY_WRITTEN` names, with their
/// checksums in `written.json`, for `tests/golden/io_written.py` to read with the reference readers.
#[test]
fn written_for_other_readers() {
    let Some(folder) = std::env::var_os("VOXELRY_WRITTEN").map(PathBuf::from) else { return };
    let mut images = Vec::new();
    let mut seed = 1u32;
    for ending in ["nii", "nii.gz", "hdr", "hdr.gz", "nrrd", "nhdr", "mha", "mhd", "npy"] {
        for (voxel, channels, times, compress, version) in [
            ("u8", 1, 1, true, None),
            ("i8", 1, 1, false, None),
            ("u16", 3, 1, true, None),
            ("i16", 1, 2, true, None),
            ("f32", 2, 2, true, None),
            ("u32", 3, 1, false, None),
            ("f64", 1, 1, true, Some("2")),
            ("i64", 1, 1, false, Some("2")),
        ] {
            if version.is_some() && !ending.starts_with("nii") {
                continue;
            }
            let shape = [5, 4, 3];
            let (c, s) = (0.3f64.cos(), 0.3f64.sin());
            let mut geometry = voxelry_core::Geometry { oriented: true, ..Default::default() };
            geometry.unit = voxelry_core::Unit::Millimetre;
            let world = &mut geometry.world_from_index;
            world.x_axis = [0.5 * c, 0.5 * s, 0.0].into();
            world.y_axis = [-0.75 * s, 0.75 * c, 0.0].into();
            world.z_axis = [0.0, 0.0, -2.0].into();
            world.translation = [10.0, -20.0, 30.0].into();
            let spec = io::ImageSpec {
                channels: vec![io::Channel::default(); channels],
                times,
                ..io::ImageSpec::volume(shape, voxel.parse().unwrap(), geometry, false)
            };
            let version = version.map(str::to_owned);
            let options = io::WriteOptions { compress, version, ..Default::default() };
            let name = format!("{voxel}_{channels}_{times}_{}.{ending}", &ending[..2]);
            let sink = io::create(folder.join(&name), &spec, &options).unwrap();
            let mut crc = crc32fast::Hasher::new();
            for time in 0..times {
                for channel in 0..channels {
                    let mut volume = Volume::zeros(spec.voxel, shape);
                    for value in volume.as_bytes_mut() {
                        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                        *value = (seed >> 24) as u8 & 0x3f;
                    }
                    crc.update(&little_endian(&volume));
                    sink.write(Frame::new(channel, time), [0; 3], &volume).unwrap();
                }
            }
            sink.finish(&voxelry_core::Job::silent()).unwrap();
            let a = geometry.world_from_index;
            let affine: Vec<f64> =
                (0..3).flat_map(|r| [a.x_axis[r], a.y_axis[r], a.z_axis[r], a.translation[r]]).collect();
            images.push(serde_json::json!({
                "path": name, "channels": channels, "times": times, "shape": shape, "voxel": voxel,
                "affine": affine, "crc32": crc.finalize(),
            }));
        }
    }
    std::fs::write(folder.join("written.json"), serde_json::to_string(&images).unwrap()).unwrap();
}
