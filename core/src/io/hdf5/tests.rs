use crate::io::{Frame, OpenOptions, open};
use crate::{Region, Unit, VoxelType};
use std::path::{Path, PathBuf};

/// Files that h5py wrote: see `tests/golden/hdf5_samples.py`.
fn sample(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/golden/hdf5_samples").join(name)
}

fn named(dataset: &str) -> OpenOptions {
    OpenOptions { dataset: Some(dataset.into()), ..OpenOptions::default() }
}

fn refusal(name: &str, options: &OpenOptions) -> String {
    open(sample(name), options).err().expect("a refusal").to_string()
}

#[test]
fn datasets_are_listed_and_the_choice_is_said() {
    let image = open(sample("nexus.nxs"), &OpenOptions::default()).unwrap();
    let info = image.info();
    let names: Vec<_> = info.datasets.iter().map(|d| (d.name.as_str(), d.shape, d.open)).collect();
    assert_eq!(
        names,
        [
            ("entry/raw", [9, 9, 9], false),
            ("entry/data/data", [4, 5, 6], true),
            ("entry/instrument/detector/data", [4, 5, 6], false)
        ]
    );
    assert!(
        info.notes.iter().any(|n| n.contains("of 3 images \"entry/data/data\" is read")),
        "{:?}",
        info.notes
    );
    assert!(info.notes.iter().any(|n| n.contains("rotation_angle is in deg")), "{:?}", info.notes);
    assert!(info.notes.iter().any(|n| n.contains("none.h5")), "{:?}", info.notes);
    assert_eq!(info.geometry().unit, Unit::Micrometre);
}

#[test]
fn what_cannot_be_read_is_named() {
    assert!(refusal("filters.h5", &named("zfp")).contains("ZFP"));
    assert!(refusal("filters.h5", &named("blosc2")).contains("blosc2"));
    assert!(refusal("filters.h5", &named("gzib")).contains("did you mean \"gzip\"?"));
    assert!(refusal("types.h5", &named("text")).contains("is no image"));
    assert!(refusal("types.h5", &named("compound")).contains("is no image"));
    assert!(refusal("linking.h5", &named("virtual")).contains("virtual datasets are not supported"));
    let image = open(sample("linking.h5"), &OpenOptions::default()).unwrap();
    assert!(
        image.info().notes.iter().any(|n| n.contains("\"virtual\" can't be read")),
        "{:?}",
        image.info().notes
    );
    assert!(refusal("ilastik.h5", &named("no_image")).contains("z, c"));
}

#[test]
fn imaris_is_cropped_and_has_levels_channels_and_times() {
    let image = open(sample("imaris.ims"), &OpenOptions::default()).unwrap();
    let info = image.info();
    assert_eq!(info.levels.iter().map(|l| l.shape).collect::<Vec<_>>(), [[5, 9, 11], [5, 5, 6]]);
    let channels: Vec<_> = info.channels.iter().map(|c| (c.name.as_str(), c.color)).collect();
    assert_eq!(channels, [("DAPI", Some([0, 0, 255])), ("GFP", Some([0, 255, 0]))]);
    assert_eq!((info.times, info.time_step), (2, Some(30.5)));
    assert_eq!(info.geometry().unit, Unit::Micrometre);
    let outside = image.read(Frame::default(), Region::new([0; 3], [5, 9, 12]));
    assert!(outside.is_err());
    // A dataset of it can be chosen as in any file.
    let padded = "DataSet/ResolutionLevel 0/TimePoint 0/Channel 0/Data";
    assert_eq!(open(sample("imaris.ims"), &named(padded)).unwrap().info().shape(), [8, 16, 16]);
}

#[test]
fn bigdataviewer_finds_its_other_half_and_joins_channels() {
    for name in ["bdv.h5", "bdv.xml"] {
        let image = open(sample(name), &OpenOptions::default()).unwrap();
        let info = image.info();
        assert_eq!(info.voxel, VoxelType::U16);
        assert_eq!(image.files(), [sample("bdv.h5"), sample("bdv.xml")]);
        assert_eq!((info.channels.len(), info.times), (2, 2));
        assert_eq!(info.channels[1].name, "t0c1");
        let names: Vec<_> = info.datasets.iter().map(|d| d.name.as_str()).collect();
        assert_eq!(names, ["s00,s01", "s02,s03", "s00", "s01", "s02", "s03"]);
        assert_eq!(info.levels[1].geometry.spacing(), [2.0, 1.0, 1.0]);
    }
    // Without the XML each setup is an image, and nothing is known of its voxels.
    let folder = tempfile::tempdir().unwrap();
    let alone = folder.path().join("alone.h5");
    std::fs::copy(sample("bdv.h5"), &alone).unwrap();
    let image = open(&alone, &OpenOptions::default()).unwrap();
    let info = image.info();
    assert_eq!((info.channels.len(), info.datasets.len()), (1, 4));
    assert_eq!(info.geometry().unit, Unit::Voxel);
    assert!(info.notes.iter().any(|n| n.contains("XML")), "{:?}", info.notes);
    // The XML without its voxels.
    let xml = folder.path().join("bdv.xml");
    std::fs::copy(sample("bdv.xml"), &xml).unwrap();
    let error = open(&xml, &OpenOptions::default()).err().unwrap().to_string();
    assert!(error.contains("bdv.h5"), "{error}");
    let other =
        std::fs::read_to_string(&xml).unwrap().replace("<hdf5 type=\"relative\">bdv.h5</hdf5>", "<n5>a</n5>");
    std::fs::write(&xml, other.replace("bdv.hdf5", "bdv.n5")).unwrap();
    let error = open(&xml, &OpenOptions::default()).err().unwrap().to_string();
    assert!(error.contains("bdv.n5"), "{error}");
}

#[test]
fn a_region_is_a_crop_of_the_whole() {
    for (name, dataset) in [
        ("filters.h5", "bitshuffle_lz4"),
        ("filters.h5", "lzf_shuffle"),
        ("ilastik.h5", "exported_xyzc"),
        ("ilastik.h5", "exported_tzyxc"),
        ("types.h5", "big_f2"),
        ("types.h5", "filled"),
        ("bdv.h5", "s01"),
    ] {
        let image = open(sample(name), &named(dataset)).unwrap();
        let info = image.info();
        let frame = Frame::new(info.channels.len() - 1, info.times - 1);
        let whole = image.read_all(frame).unwrap();
        let shape = info.shape();
        let region = Region::new([shape[0] / 2, 1, 2], [shape[0] - shape[0] / 2, shape[1] - 2, shape[2] - 2]);
        assert_eq!(image.read(frame, region).unwrap(), whole.crop(region), "{name} {dataset}");
    }
}

/// Opens and reads what can be; whatever happens must be a value or a sentence.
fn survive(path: &Path) {
    let Ok(image) = open(path, &OpenOptions::default()) else { return };
    let info = image.info();
    if info.voxel_count() < 1 << 22 {
        for level in 0..info.levels.len() {
            let frame = Frame { level, channel: info.channels.len() - 1, time: info.times - 1 };
            if let Err(e) = image.read_all(frame) {
                assert!(!e.to_string().contains('\n'), "{e}");
            }
        }
    }
}

#[test]
fn damaged_files_are_read_or_refused() {
    let folder = tempfile::tempdir().unwrap();
    let mut seed = 3u64;
    let mut random = move |below: usize| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) as usize % below
    };
    for name in ["imaris.ims", "bdv.h5", "nexus.nxs", "scales.h5", "ilastik.h5", "itk.h5", "matlab.mat"] {
        let bytes = std::fs::read(sample(name)).unwrap();
        let path = folder.path().join(name);
        for _ in 0..40 {
            let mut damaged = bytes.clone();
            for _ in 0..=random(8) {
                let at = random(damaged.len());
                damaged[at] = random(256) as u8;
            }
            std::fs::write(&path, damaged).unwrap();
            survive(&path);
            std::fs::write(&path, &bytes[..random(bytes.len())]).unwrap();
            survive(&path);
        }
    }
}
