//! Every TIFF under the data folder against what its reference reader reads; the numbers are made
//! by `tests/golden/tiff_reference.py`.

use serde_json::Value;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use voxelry_core::io::{Frame, OpenOptions, open};
use voxelry_core::{Region, Volume};

/// Files that the reference reads and Voxelry does not, with a part of the sentence that says why.
const REFUSED: &[(&str, &str)] = &[
    // Damaged fax codes, which libtiff paints over.
    ("crash-0da013a13571cc8eb457a39fee8db18f8a3c7127.tif", "the fax code ends after 27 of 84 rows"),
    ("crash-74d2a78403a5a59db1fb0a2b8735ac068a75f6e3.tif", "the fax code ends after 348 of 590 rows"),
];

/// Files that Voxelry reads although the reference does not.
const READ_ANYWAY: &[&str] = &["tiff_overflow_rows_per_strip.tif"];

fn data() -> Option<PathBuf> {
    let named = std::env::var_os("VOXELRY_DATA").map(PathBuf::from);
    let beside =
        Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().map(|p| p.join("shared/data")).find(|p| p.is_dir());
    named.or(beside)
}

fn crc32(state: u32, bytes: &[u8]) -> u32 {
    let table: Vec<u32> = (0..256u32)
        .map(|n| (0..8).fold(n, |c, _| if c & 1 == 1 { 0xedb8_8320 ^ (c >> 1) } else { c >> 1 }))
        .collect();
    bytes.iter().fold(state, |c, &b| table[((c ^ u32::from(b)) & 0xff) as usize] ^ (c >> 8))
}

fn little_endian(volume: &Volume) -> Vec<u8> {
    let mut bytes = volume.as_bytes().to_vec();
    if cfg!(target_endian = "big") {
        bytes.chunks_exact_mut(volume.voxel_type().size()).for_each(<[u8]>::reverse);
    }
    bytes
}

fn compare(path: &Path, expected: &Value) -> Result<(), String> {
    let read = || -> voxelry_core::Result<_> {
        let image = open(path, &OpenOptions::default())?;
        let info = image.info().clone();
        let mut volumes = Vec::new();
        for time in 0..info.times {
            for channel in 0..info.channels.len() {
                volumes.push(image.read_all(Frame::new(channel, time))?);
            }
        }
        Ok((image, volumes))
    };
    let begin = Instant::now();
    let result = read();
    if let Some(error) = expected.get("error") {
        let allowed = READ_ANYWAY.iter().any(|n| path.ends_with(n));
        if begin.elapsed() > Duration::from_secs(1) {
            return Err(format!("took {:?}", begin.elapsed()));
        }
        return match result {
            Ok(_) if !allowed => Err(format!("was read; the reference says {error}")),
            _ => Ok(()),
        };
    }
    let (image, volumes) = match result {
        Ok(read) => read,
        Err(error) => {
            let said = error.to_string();
            let expected = REFUSED.iter().any(|(n, why)| path.ends_with(n) && said.contains(why));
            return if expected { Ok(()) } else { Err(said) };
        }
    };
    let info = image.info();
    let got = serde_json::json!({
        "shape": info.shape(), "voxel": info.voxel.name(), "channels": info.channels.len(), "times": info.times,
    });
    for field in ["shape", "voxel", "channels", "times"] {
        if got[field] != expected[field] {
            return Err(format!("{field} is {} and should be {}", got[field], expected[field]));
        }
    }
    if let Some(sum) = expected["crc32"].as_u64() {
        let crc = !volumes.iter().fold(!0, |crc, v| crc32(crc, &little_endian(v)));
        if u64::from(crc) != sum {
            let head: Vec<_> = (0..6).filter_map(|x| volumes[0].get([0, 0, x])).collect();
            return Err(format!("voxels differ, the first are {head:?}"));
        }
    } else {
        let values: Vec<f64> =
            volumes.iter().flat_map(|v| v.as_bytes().iter().map(|&b| f64::from(b))).collect();
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        let worst = expected["at"]
            .as_array()
            .unwrap()
            .iter()
            .zip(expected["values"].as_array().unwrap())
            .map(|(at, v)| (values[at.as_u64().unwrap() as usize] - v.as_f64().unwrap()).abs())
            .fold(0.0, f64::max);
        let off = (mean - expected["mean"].as_f64().unwrap()).abs();
        println!("lossy {}: mean off by {off:.3}, a voxel by {worst}", path.display());
        if off > 0.5 || worst > 4.0 {
            return Err(format!("mean off by {off}, a voxel by {worst}"));
        }
    }
    regions(&*image, &volumes)
}

/// A few regions are crops of the whole.
fn regions(image: &dyn voxelry_core::io::ImageSource, volumes: &[Volume]) -> Result<(), String> {
    let info = image.info();
    let [d, h, w] = info.shape();
    let cuts = [
        Region::new([d / 2, h / 3, w / 3], [d - d / 2, h.div_ceil(3), w.div_ceil(3)]),
        Region::new([d - 1, h - 1, w - 1], [1, 1, 1]),
        Region::new([0, h / 2, 0], [1, h - h / 2, w]),
    ];
    for region in cuts {
        let channel = info.channels.len() - 1;
        let part = image.read(Frame::new(channel, info.times - 1), region).map_err(|e| e.to_string())?;
        let whole = volumes.last().unwrap().crop(region);
        // Bytes, because NaN is not equal to itself.
        if part.as_bytes() != whole.as_bytes() {
            return Err(format!("{region:?} is not the crop of the whole"));
        }
    }
    Ok(())
}

#[test]
fn every_tiff_reads_as_its_reference_reader_reads_it() {
    let Some(root) = data() else {
        println!("skipped: no data folder (set VOXELRY_DATA)");
        return;
    };
    let golden: Value = serde_json::from_str(include_str!("../golden/tiff_checksums.json")).unwrap();
    let files = golden["files"].as_object().unwrap();
    let failures: Vec<String> = files
        .iter()
        .filter_map(|(name, expected)| {
            compare(&root.join(name), expected).err().map(|e| format!("{name}: {e}"))
        })
        .collect();
    assert!(failures.is_empty(), "{} of {} files:\n{}", failures.len(), files.len(), failures.join("\n"));
}
