//! What every fuzz target checks: bytes that claim to be an image are read or refused. They do not
//! panic, do not take memory beyond what the file can hold, and a region is a crop of the whole.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use voxelry_core::io::{Frame, OpenOptions, open};
use voxelry_core::labels::Labels;
use voxelry_core::ops::classify::Forest;
use voxelry_core::{Geometry, Job, Region};

/// Bytes of voxels up to which an image is read whole.
const READ: u64 = 16 << 20;

fn folder() -> &'static PathBuf {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let memory = PathBuf::from("/dev/shm");
        let root = if memory.is_dir() { memory } else { std::env::temp_dir() };
        let folder = root.join(format!("voxelry-fuzz-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder for the input");
        folder
    })
}

/// Opens `data` as a file with this ending and reads it.
pub fn check(ending: &str, data: &[u8]) {
    let path = folder().join(format!("input.{ending}"));
    std::fs::write(&path, data).expect("the input is written");
    read(&path);
}

/// Opens `data` as an OME-Zarr image of one array of one chunk. The first byte says which version and how many axes;
/// two zero bytes part the group's metadata, the array's and the chunk.
pub fn check_zarr(data: &[u8]) {
    let Some((&kind, data)) = data.split_first() else { return };
    let axes = 3 + usize::from(kind >> 1) % 3;
    let (group, data) = part(data);
    let (array, chunk) = part(data);
    let root = folder().join("input.ome.zarr");
    let _ = std::fs::remove_dir_all(&root);
    let zeros = vec!["0"; axes];
    let files = if kind & 1 == 1 {
        [("zarr.json", group), ("0/zarr.json", array), (&*format!("0/c/{}", zeros.join("/")), chunk)]
    } else {
        [(".zattrs", group), ("0/.zarray", array), (&*format!("0/{}", zeros.join("/")), chunk)]
    };
    for (name, bytes) in files {
        let path = root.join(name);
        std::fs::create_dir_all(path.parent().expect("a file in the folder"))
            .expect("a folder for the input");
        std::fs::write(path, bytes).expect("the input is written");
    }
    if kind & 1 == 0 {
        std::fs::write(root.join(".zgroup"), r#"{"zarr_format": 2}"#).expect("the input is written");
    }
    read(&root);
}

/// Up to two zero bytes, and what comes after them.
fn part(data: &[u8]) -> (&[u8], &[u8]) {
    match data.windows(2).position(|pair| pair == [0, 0]) {
        Some(at) => (&data[..at], &data[at + 2..]),
        None => (data, &[]),
    }
}

fn read(path: &Path) {
    let Ok(source) = open(path, &OpenOptions::default()) else { return };
    let info = source.info();
    assert!(info.levels.iter().all(|l| !l.shape.contains(&0)), "an empty level: {info:?}");
    assert!(!info.channels.is_empty() && info.times > 0, "{info:?}");
    let shape = info.shape();
    let last = Region::new(shape.map(|n| n - 1), [1; 3]);
    let frame = Frame::new(info.channels.len() - 1, info.times - 1);
    if info.voxel_count().saturating_mul(info.voxel.size() as u64) > READ {
        return;
    }
    let one = source.read(frame, last);
    if let Ok(whole) = source.read_all(frame) {
        assert_eq!(whole.shape(), shape);
        assert_eq!(whole.voxel_type(), info.voxel);
        let one = one.expect("what can be read whole can be read in part");
        assert_eq!(one.as_bytes(), whole.crop(last).as_bytes());
    }
}

/// One gzip member of stored blocks: quick to make, and sound.
pub fn gzip(data: &[u8]) -> Vec<u8> {
    let mut out = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];
    let blocks = data.chunks(0xffff).count();
    for (i, block) in data.chunks(0xffff).enumerate() {
        let len = block.len() as u16;
        out.push(u8::from(i + 1 == blocks));
        out.extend_from_slice(&len.to_le_bytes());
        out.extend_from_slice(&(!len).to_le_bytes());
        out.extend_from_slice(block);
    }
    if blocks == 0 {
        out.extend_from_slice(&[1, 0, 0, 0xff, 0xff]);
    }
    let mut crc = !0u32;
    for &byte in data {
        crc ^= u32::from(byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 };
        }
    }
    out.extend_from_slice(&(!crc).to_le_bytes());
    out.extend_from_slice(&(data.len() as u32).to_le_bytes());
    out
}

/// Opens `data` as a log of labels that a program left behind. A byte for the kind and one for the length begin each
/// record; its checksum is made right, so that what is fuzzed is what reads the records.
pub fn check_labels(data: &[u8]) {
    const SHAPE: [usize; 3] = [40, 33, 70];
    let mut bytes = b"VXLABEL2".to_vec();
    let mut rest = data;
    while let [kind, length, more @ ..] = rest {
        let (record, left) = more.split_at(usize::from(*length).min(more.len()));
        let length = (record.len() as u32).to_le_bytes();
        let mut sum = crc32fast::Hasher::new();
        [&[*kind][..], &length, record].into_iter().for_each(|part| sum.update(part));
        bytes.push(*kind);
        bytes.extend(length);
        bytes.extend(sum.finalize().to_le_bytes());
        bytes.extend(record);
        rest = left;
    }
    let path = folder().join("input.log");
    std::fs::write(&path, bytes).expect("the input is written");
    let Ok(labels) = Labels::reopen(&path, SHAPE, Geometry::default(), None, 0) else { return };
    let _ = labels.survey(&Job::silent());
    let whole = Region::whole(SHAPE);
    let before = labels.get(whole).ok();
    let (_, _) = (labels.sums(), labels.unused());
    let mut back = 0;
    while back < 50 && labels.undo().is_ok_and(|changed| changed.is_some()) {
        back += 1;
    }
    let _ = labels.get(whole);
    for _ in 0..back {
        assert!(labels.redo().is_ok_and(|changed| changed.is_some()), "what was taken back can be made again");
    }
    if let (Some(before), Ok(after)) = (before, labels.get(whole)) {
        assert_eq!(before, after, "there and back again");
    }
}

/// Reads `data` as a forest that was learned, and asks it.
pub fn check_forest(data: &[u8]) {
    let path = folder().join("input.json");
    std::fs::write(&path, data).expect("the input is written");
    let Ok(forest) = Forest::read(&path) else { return };
    let features = vec![0.5; 64];
    assert!(forest.classes().contains(&forest.class_of(&features)), "a class that it knows");
}
