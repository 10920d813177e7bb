//! TIFFs of the shared data beyond the checksums of `io_reference`: lossy compressions are close to
//! their reference, hostile files end quickly, and regions are crops of the whole.

use serde_json::Value;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use voxelry_core::io::{Frame, ImageSource, OpenOptions, open};
use voxelry_core::{Region, Result, Volume};

fn data() -> Option<PathBuf> {
    let named = std::env::var_os("VOXELRY_DATA").map(PathBuf::from);
    let mut folders = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().map(|p| p.join("shared/data"));
    let found = named.or_else(|| folders.find(|p| p.is_dir()));
    if found.is_none() {
        println!("skipped: no data folder (set VOXELRY_DATA)");
    }
    found
}

fn images(golden: &str) -> Vec<Value> {
    let golden: Value = serde_json::from_str(golden).unwrap();
    golden["images"].as_array().unwrap().clone()
}

fn read(path: &Path) -> Result<(Box<dyn ImageSource>, Vec<Volume>)> {
    let image = open(path, &OpenOptions::default())?;
    let mut volumes = Vec::new();
    for time in 0..image.info().times {
        for channel in 0..image.info().channels.len() {
            volumes.push(image.read_all(Frame::new(channel, time))?);
        }
    }
    Ok((image, volumes))
}

/// Decoders of JPEG round differently, by a few grey levels where colour is subsampled.
#[test]
fn lossy_compressions_are_close_to_their_reference() {
    let Some(root) = data() else { return };
    for expected in images(include_str!("../golden/tiff_lossy.json")) {
        let path = root.join(expected["path"].as_str().unwrap());
        let (image, volumes) = read(&path).unwrap();
        let info = image.info();
        assert_eq!(serde_json::json!(info.shape()), expected["shape"], "{}", path.display());
        assert_eq!((info.channels.len() as u64, info.times), (expected["channels"].as_u64().unwrap(), 1));
        let values: Vec<f64> =
            volumes.iter().flat_map(|v| v.as_bytes().iter().map(|&b| f64::from(b))).collect();
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        assert!((mean - expected["mean"].as_f64().unwrap()).abs() < 0.2, "{}: mean {mean}", path.display());
        for (at, value) in
            expected["at"].as_array().unwrap().iter().zip(expected["values"].as_array().unwrap())
        {
            let got = values[at.as_u64().unwrap() as usize];
            assert!((got - value.as_f64().unwrap()).abs() <= 2.0, "{}: {got}, not {value}", path.display());
        }
    }
}

#[test]
fn hostile_files_end_in_a_sentence_at_once() {
    let Some(root) = data() else { return };
    for image in images(include_str!("../golden/tiff_checksums.json")) {
        if image["error"] != true {
            continue;
        }
        let path = root.join(image["path"].as_str().unwrap());
        let begin = Instant::now();
        let error = read(&path).err().map(|e| e.to_string()).expect("is refused");
        println!("{error}");
        assert!(begin.elapsed() < Duration::from_secs(1), "{error}: {:?}", begin.elapsed());
    }
}

#[test]
fn regions_are_crops_of_the_whole() {
    let Some(root) = data() else { return };
    let all = [include_str!("../golden/tiff_checksums.json"), include_str!("../golden/tiff_lossy.json")];
    for image in all.iter().flat_map(|golden| images(golden)) {
        if image["error"] == true || image["unread"].is_string() {
            continue;
        }
        let path = root.join(image["path"].as_str().unwrap());
        let (image, volumes) = read(&path).unwrap();
        let info = image.info();
        let [d, h, w] = info.shape();
        let frame = Frame::new(info.channels.len() - 1, info.times - 1);
        for region in [
            Region::new([d / 2, h / 3, w / 3], [d - d / 2, h.div_ceil(3), w.div_ceil(3)]),
            Region::new([d - 1, h - 1, w - 1], [1, 1, 1]),
            Region::new([0, h / 2, 0], [1, h - h / 2, w]),
        ] {
            let part = image.read(frame, region).unwrap();
            // Bytes, because NaN is not equal to itself.
            assert_eq!(
                part.as_bytes(),
                volumes.last().unwrap().crop(region).as_bytes(),
                "{}",
                path.display()
            );
        }
        for (level, description) in info.levels.iter().enumerate() {
            let volume = image.read_all(Frame { level, ..frame }).unwrap();
            assert_eq!(volume.shape(), description.shape);
        }
    }
}
