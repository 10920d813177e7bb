//! What must hold for every format whose voxels are one run: what was written is read again, and a
//! region of an image is a crop of the whole. Truncated and lying files end in an error.

use super::{Channel, Frame, ImageSource, ImageSpec, OpenOptions, WriteOptions, create, open};
use crate::{Geometry, Region, Unit, Volume, VoxelType};
use glam::{DAffine3, DQuat, DVec3};
use std::fs;
use std::path::Path;

/// splitmix64 (Steele, Lea and Flood 2014, doi:10.1145/2660193.2660195).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }
    fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }
    fn real(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }
    fn volume(&mut self, voxel: VoxelType, shape: [usize; 3]) -> Volume {
        let mut volume = Volume::zeros(voxel, shape);
        // Any bytes: NaN of any kind and −0 must survive, too.
        volume.as_bytes_mut().iter_mut().for_each(|b| *b = self.next() as u8);
        volume
    }
    fn region(&mut self, shape: [usize; 3]) -> Region {
        let start = shape.map(|n| self.below(n));
        let mut region = Region::new(start, [0; 3]);
        (0..3).for_each(|a| region.shape[a] = 1 + self.below(shape[a] - start[a]));
        region
    }
    fn geometry(&mut self) -> Geometry {
        let spacing = DVec3::new(0.1 + self.real(), 0.2 + self.real(), 0.3 + self.real());
        let unit = [Unit::Voxel, Unit::Micrometre, Unit::Millimetre][self.below(3)];
        if self.below(3) == 0 {
            return Geometry::from_spacing(spacing.to_array(), unit);
        }
        let axis = DVec3::new(self.real() - 0.5, self.real() - 0.5, 0.7).normalize();
        let turn = DQuat::from_axis_angle(axis, 6.0 * self.real());
        let mirror = DVec3::new(1.0, 1.0, if self.below(2) == 0 { 1.0 } else { -1.0 });
        let shift = DVec3::new(100.0 * self.real(), -50.0, self.real());
        Geometry {
            world_from_index: DAffine3::from_scale_rotation_translation(spacing * mirror, turn, shift),
            unit: if unit == Unit::Voxel { Unit::Millimetre } else { unit },
            oriented: self.below(3) > 0,
        }
    }
}

const KEEP_GEOMETRY: [&str; 9] = ["nii", "nii.gz", "hdr", "img.gz", "nrrd", "nhdr", "mha", "mhd", "hdr.gz"];
const VOXELS_ONLY: [&str; 3] = ["npy", "raw", "raw.gz"];

fn same_bytes(a: &Volume, b: &Volume) -> bool {
    a.voxel_type() == b.voxel_type() && a.shape() == b.shape() && a.as_bytes() == b.as_bytes()
}

fn close(a: &Geometry, b: &Geometry) -> bool {
    let (m, n) = (a.world_from_index.to_cols_array(), b.world_from_index.to_cols_array());
    a.unit == b.unit && a.oriented == b.oriented && m.iter().zip(n).all(|(x, y)| (x - y).abs() < 1e-5)
}

fn check_round_trip(folder: &Path, ending: &str, random: &mut Random) {
    let shape = [1 + random.below(9), 1 + random.below(9), 1 + random.below(9)];
    let voxel = VoxelType::ALL[random.below(10)];
    let raw = ending.starts_with("raw");
    let (channels, times) = if raw { (1, 1) } else { (1 + random.below(3), 1 + random.below(3)) };
    let spec = ImageSpec {
        shape,
        voxel,
        geometry: random.geometry(),
        channels: vec![Channel::default(); channels],
        times,
        time_step: (times > 1).then_some(0.25),
        labels: random.below(2) == 0,
    };
    let options = WriteOptions { compress: random.below(2) == 0, ..WriteOptions::default() };
    let path = folder.join(format!("a.{ending}"));
    let volumes: Vec<_> = (0..times * channels).map(|_| random.volume(voxel, shape)).collect();
    let sink = create(&path, &spec, &options).unwrap();
    let mut pieces = Vec::new();
    let block = if sink.any_order() { shape.map(|n| 1 + random.below(n)) } else { sink.block() };
    for time in 0..times {
        for channel in 0..channels {
            let tiles = Region::whole(shape).tiles(block);
            pieces.extend(tiles.into_iter().map(|tile| (Frame::new(channel, time), tile)));
        }
    }
    if sink.any_order() {
        pieces.reverse();
    }
    for (frame, tile) in pieces {
        let volume = &volumes[frame.time * channels + frame.channel];
        sink.write(frame, tile.start, &volume.crop(tile)).unwrap();
    }
    sink.finish(&crate::Job::silent()).unwrap();
    assert!(
        fs::read_dir(folder).unwrap().all(|e| !e.unwrap().file_name().to_string_lossy().starts_with('.'))
    );

    let described = OpenOptions { shape: Some(shape), voxel: Some(voxel), ..OpenOptions::default() };
    let source = open(&path, &if raw { described } else { OpenOptions::default() }).unwrap();
    let info = source.info();
    let what = format!("{ending} {spec:?} {options:?}");
    assert_eq!((info.shape(), info.voxel), (shape, voxel), "{what}");
    assert_eq!((info.channels.len(), info.times), (channels, times), "{what}");
    if KEEP_GEOMETRY.contains(&ending) {
        assert!(close(&info.geometry(), &spec.geometry), "{what}: {:?}", info.geometry());
        assert_eq!(info.time_step, spec.time_step, "{what}");
        assert!(info.labels == spec.labels || ending.starts_with("mh"), "{what}");
    }
    for time in 0..times {
        for channel in 0..channels {
            let frame = Frame::new(channel, time);
            let volume = &volumes[time * channels + channel];
            assert!(same_bytes(&source.read_all(frame).unwrap(), volume), "{what}");
            let region = random.region(shape);
            assert!(
                same_bytes(&source.read(frame, region).unwrap(), &volume.crop(region)),
                "{what} {region:?}"
            );
        }
    }
    assert!(source.read(Frame::new(channels, 0), Region::whole(shape)).is_err());
    assert!(source.read(Frame::default(), Region::new(shape, [1, 1, 1])).is_err());
    assert!(source.read(Frame::default(), Region::new([usize::MAX; 3], [2, 1, 1])).is_err());
}

#[test]
fn what_was_written_is_read_again() {
    for ending in KEEP_GEOMETRY.into_iter().chain(VOXELS_ONLY) {
        let folder = tempfile::tempdir().unwrap();
        let mut random = Random(ending.len() as u64 * 977);
        for _ in 0..60 {
            check_round_trip(folder.path(), ending, &mut random);
        }
    }
}

/// Larger than what is read or deflated at once.
#[test]
fn large_images_survive_and_regions_are_crops() {
    let folder = tempfile::tempdir().unwrap();
    let mut random = Random(5);
    let shape = [37, 401, 300];
    let volume = random.volume(VoxelType::U16, shape);
    for ending in ["nii", "nii.gz", "mha", "nrrd", "npy"] {
        let path = folder.path().join(format!("a.{ending}"));
        let geometry = Geometry::default();
        super::write_volume(&path, &volume, geometry, false, &WriteOptions::default()).unwrap();
        let source = open(&path, &OpenOptions::default()).unwrap();
        assert!(same_bytes(&source.read_all(Frame::default()).unwrap(), &volume), "{ending}");
        for _ in 0..10 {
            let region = random.region(shape);
            let read = source.read(Frame::default(), region).unwrap();
            assert!(same_bytes(&read, &volume.crop(region)), "{ending} {region:?}");
        }
        // From the inflated copy, where there is one.
        assert!(same_bytes(&source.read_all(Frame::default()).unwrap(), &volume), "{ending}");
    }
}

/// Fortran order, interleaved channels, and scaled or converted samples: regions are crops.
#[test]
fn regions_of_other_layouts_are_crops() {
    let folder = tempfile::tempdir().unwrap();
    let mut random = Random(6);
    for (descr, size) in [("<u2", 2), (">f4", 4), ("|b1", 1), ("<f2", 2), ("<c8", 8)] {
        let dims = [2 + random.below(3), 90, 70, 50];
        let mut bytes = b"\x93NUMPY\x01\x00\x76\x00".to_vec();
        let text = format!("{{'descr': '{descr}', 'fortran_order': True, 'shape': {dims:?}}}");
        let text = text.replace('[', "(").replace(']', ")");
        bytes.extend_from_slice(format!("{text:<118}").as_bytes());
        let count: usize = dims.iter().product();
        bytes.extend((0..count * size).map(|_| random.next() as u8 & 0x3f));
        check_regions(&folder.path().join("a.npy"), &bytes, &mut random);
    }
    let mut header = *b"NRRD0004\ntype: ushort\ndimension: 4\nsizes: 3 50 60 70\nendian: big\nencoding: raw\nkinds: vector domain domain domain\n\n";
    check_regions(&folder.path().join("a.nrrd"), &interleaved(&mut header, &mut random), &mut random);
}

fn interleaved(header: &mut [u8], random: &mut Random) -> Vec<u8> {
    let mut bytes = header.to_vec();
    bytes.extend((0..3 * 50 * 60 * 70 * 2).map(|_| random.next() as u8));
    bytes
}

fn check_regions(path: &Path, bytes: &[u8], random: &mut Random) {
    fs::write(path, bytes).unwrap();
    let source = open(path, &OpenOptions::default()).unwrap();
    let shape = source.info().shape();
    for channel in 0..source.info().channels.len() {
        let frame = Frame::new(channel, 0);
        let whole = source.read_all(frame).unwrap();
        for _ in 0..20 {
            let region = random.region(shape);
            let read = source.read(frame, region).unwrap();
            assert!(same_bytes(&read, &whole.crop(region)), "{} {region:?}", path.display());
        }
    }
}

fn refuse(path: &Path, bytes: &[u8]) -> String {
    fs::write(path, bytes).unwrap();
    let read = |s: Box<dyn ImageSource>| s.read_all(Frame::default());
    let error = open(path, &OpenOptions::default()).and_then(read).map(|v| v.shape());
    let sentence = error.expect_err(&path.display().to_string()).to_string();
    assert!(!sentence.contains('\n') && sentence.len() < 600, "{sentence}");
    sentence
}

#[test]
fn truncated_files_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let mut random = Random(8);
    let volume = random.volume(VoxelType::I16, [5, 7, 9]);
    for ending in ["nii", "nii.gz", "nrrd", "mha", "npy"] {
        let path = folder.path().join(format!("a.{ending}"));
        for compress in [true, false] {
            let options = WriteOptions { compress, ..WriteOptions::default() };
            super::write_volume(&path, &volume, Geometry::default(), false, &options).unwrap();
            let bytes = fs::read(&path).unwrap();
            for keep in (0..bytes.len() - 8).step_by(41) {
                refuse(&path, &bytes[..keep]);
            }
            // One turned bit in compressed voxels does not pass the checksum or the inflater.
            if compress && ending != "npy" && ending != "nii" {
                let mut turned = bytes.clone();
                let at = turned.len() - 40;
                turned[at] ^= 4;
                refuse(&path, &turned);
            }
        }
    }
}

#[test]
fn lying_headers_name_the_field() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let mut nii = vec![0; 400];
    super::write_volume(
        &path("a.nii"),
        &Volume::zeros(VoxelType::U8, [2, 2, 2]),
        Geometry::default(),
        false,
        &WriteOptions::default(),
    )
    .unwrap();
    nii[..360].copy_from_slice(&fs::read(path("a.nii")).unwrap());
    let nii_with = |at: usize, bytes: &[u8]| {
        let mut lying = nii.clone();
        lying[at..at + bytes.len()].copy_from_slice(bytes);
        lying
    };
    let huge = [3i16, 32767, 32767, 32767].map(i16::to_ne_bytes).concat();
    let npy =
        |text: &str| [b"\x93NUMPY\x01\x00\x76\x00", format!("{text:<118}").as_bytes(), &[0; 64]].concat();
    let nrrd = |text: &str| format!("NRRD0004\n{text}\n\n").into_bytes();
    let cases: &[(&str, Vec<u8>, &str)] = &[
        ("a.nii", nii_with(40, &huge), "promises"),
        ("a.nii", nii_with(42, &(-4i16).to_ne_bytes()), "dim[1] is -4"),
        ("a.nii", nii_with(70, &77i16.to_ne_bytes()), "datatype 77"),
        ("a.nii", nii_with(108, &f32::NAN.to_ne_bytes()), "vox_offset is NaN"),
        ("a.nii", nii_with(112, &[1f32, f32::INFINITY].map(f32::to_ne_bytes).concat()), "scl_inter is inf"),
        ("a.npy", npy("{'descr': '<u2', 'fortran_order': False, 'shape': (4294967296, 4294967296, 4)}"), "shape is"),
        ("a.npy", npy("{'descr': '<u2', 'fortran_order': False, 'shape': (100, 100, 100)}"), "promises 2000000"),
        ("a.npy", npy("{'descr': '|O', 'fortran_order': False, 'shape': (1, 1, 1)}"), "descr is \"|O\""),
        ("a.npy", npy("{'descr': '<u2', 'shape': (1, 1, 1)}"), "fortran_order"),
        ("a.npy", npy("{'descr': '<u2', 'fortran_order': False, 'shape': (0, 1, 1)}"), "no voxels"),
        ("a.nrrd", nrrd("type: uchar\ndimension: 3\nsizes: 9 9\nencoding: raw"), "sizes is \"9 9\""),
        ("a.nrrd", nrrd("type: uchar\ndimension: 3\nsizes: 9 9 9\nencoding: raw"), "promises 729"),
        ("a.nrrd", nrrd("type: block\ndimension: 3\nsizes: 1 1 1\nencoding: raw"), "type is \"block\""),
        ("a.nrrd", nrrd("type: short\ndimension: 3\nsizes: 1 1 1\nencoding: raw"), "endian"),
        ("a.nrrd", nrrd("type: uchar\ndimension: 3\nsizes: 999999 999999 999\nencoding: gzip"), "promises"),
        ("a.nrrd", nrrd("type: uchar\ndimension: 3\nsizes: 999999 999999 999\nencoding: text"), "promises"),
        ("a.mha", b"ObjectType = Image\nNDims = 3\nDimSize = 1 1 1\n".to_vec(), "ElementDataFile"),
        (
            "a.mha",
            b"ObjectType = Image\nNDims = 3\nDimSize = 9 9 9\nElementType = MET_X\nElementDataFile = LOCAL\n".to_vec(),
            "ElementType is \"MET_X\"",
        ),
        (
            "a.mhd",
            b"NDims = 3\nDimSize = 9 9 9\nElementType = MET_SHORT\nElementDataFile = missing.raw\n".to_vec(),
            "missing.raw",
        ),
        (
            "a.mha",
            b"NDims = 3\nDimSize = 99999999 99999999 99999999\nElementType = MET_SHORT\nElementDataFile = LOCAL\n".to_vec(),
            "DimSize is",
        ),
        ("a.raw", vec![0; 8], "shape"),
    ];
    for (name, bytes, reason) in cases {
        let sentence = refuse(&path(name), bytes);
        assert!(sentence.contains(reason), "{sentence} should mention {reason}");
    }
}

/// A small file that inflates to more than it should is read as far as it was promised.
#[test]
fn what_inflates_beyond_the_promise_is_not_kept() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.nii.gz");
    let volume = Volume::zeros(VoxelType::U8, [16, 1024, 1024]);
    super::write_volume(&path, &volume, Geometry::default(), false, &WriteOptions::default()).unwrap();
    let mut inflated = Vec::new();
    let file = fs::File::open(&path).unwrap();
    std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(file), &mut inflated).unwrap();
    // Now the header says that there are 2 slices of 4 × 4.
    inflated[42..48].copy_from_slice(&[4i16, 4, 2].map(i16::to_ne_bytes).concat());
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::new(6));
    std::io::Write::write_all(&mut encoder, &inflated).unwrap();
    fs::write(&path, encoder.finish().unwrap()).unwrap();
    let source = open(&path, &OpenOptions::default()).unwrap();
    assert_eq!(source.read_all(Frame::default()).unwrap().shape(), [2, 4, 4]);
    assert_eq!(source.read(Frame::default(), Region::new([1, 0, 0], [1, 4, 4])).unwrap().shape(), [1, 4, 4]);
}

#[test]
fn a_user_given_spacing_overrides_the_files() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.nii");
    let geometry = Random(3).geometry();
    let volume = Volume::zeros(VoxelType::U8, [2, 3, 4]);
    super::write_volume(&path, &volume, geometry, false, &WriteOptions::default()).unwrap();
    let spacing = Some(([3.0, 2.0, 1.0], Unit::Micrometre));
    let source = open(&path, &OpenOptions { spacing, ..OpenOptions::default() }).unwrap();
    let got = source.info().geometry();
    assert_eq!(got.unit, Unit::Micrometre);
    assert!(got.spacing().iter().zip([3.0, 2.0, 1.0]).all(|(a, b)| (a - b).abs() < 1e-12));
    assert_eq!(source.read_all(Frame::default()).unwrap(), volume);
}

#[test]
fn a_file_that_happens_to_have_the_name_of_the_voxels_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let scan = folder.path().join("scan.raw");
    fs::write(&scan, b"precious").unwrap();
    let volume = Volume::zeros(VoxelType::U8, [2, 2, 2]);
    let options = WriteOptions { compress: false, ..WriteOptions::default() };
    for ending in ["mhd", "nhdr"] {
        let path = folder.path().join(format!("scan.{ending}"));
        let written = super::write_volume(&path, &volume, Geometry::default(), false, &options);
        assert!(written.unwrap_err().to_string().contains("would be overwritten"));
    }
    assert_eq!(fs::read(&scan).unwrap(), b"precious");
}

#[test]
fn headers_of_text_give_each_axis_its_unit_and_values_their_meaning() {
    let folder = tempfile::tempdir().unwrap();
    let voxels = [7u16; 24].map(u16::to_le_bytes).concat();
    let check = |name: &str, header: &str, wanted: [f64; 3], unit: Unit, note: &str| {
        let path = folder.path().join(name);
        fs::write(&path, [header.as_bytes(), &voxels].concat()).unwrap();
        let image = open(&path, &OpenOptions::default()).unwrap();
        let (geometry, notes) = (image.info().geometry(), image.info().notes.join("\n"));
        assert_eq!((geometry.spacing(), geometry.unit), (wanted, unit), "{header}");
        assert!(notes.contains(note) && notes.is_empty() == note.is_empty(), "{header}: {notes}");
        image.read_all(Frame::default()).unwrap().get([1, 1, 1]).unwrap()
    };
    let nrrd = |lines: &str| {
        format!(
            "NRRD0005\ntype: uint16\ndimension: 3\nsizes: 4 3 2\nencoding: raw\nendian: little\n{lines}\n\n"
        )
    };
    let spaced = |units: &str| nrrd(&format!("spacings: 0.25 0.5 0.002\nunits: {units}"));
    check("a.nrrd", &spaced("\"um\" \"um\" \"mm\""), [2.0, 0.5, 0.25], Unit::Micrometre, "");
    check("a.nrrd", &spaced("\"microns\" \"\" \"\""), [0.002, 0.5, 0.25], Unit::Micrometre, "");
    check("a.nrrd", &spaced("\"px\" \"px\" \"px\""), [0.002, 0.5, 0.25], Unit::Voxel, "");
    check("a.nrrd", &spaced("\"smoot\" \"smoot\" \"smoot\""), [0.008, 2.0, 1.0], Unit::Voxel, "0.25 smoot");
    let turned = "space dimension: 3\nspace directions: (0,2,0) (1,0,0) (0,0,0.003)\nspace units: \"um\" \"nm\" \"mm\"";
    check("a.nrrd", &nrrd(turned), [3.0, 1.0, 0.002], Unit::Micrometre, "");
    check(
        "a.nrrd",
        &nrrd("old min: -1\nold max: 1"),
        [1.0; 3],
        Unit::Voxel,
        "quantized from the range -1 to 1",
    );
    let meta = |lines: &str| {
        format!(
            "ObjectType = Image\nNDims = 3\nDimSize = 4 3 2\nElementType = MET_USHORT\nElementSpacing = 0.25 0.5 2\n{lines}\n\
             ElementDataFile = LOCAL\n"
        )
    };
    check("a.mha", &meta("DistanceUnits = um"), [2.0, 0.5, 0.25], Unit::Micrometre, "");
    check("a.mha", &meta("DistanceUnits = inch"), [50.8, 12.7, 6.35], Unit::Millimetre, "");
    check("a.mha", &meta("DistanceUnits = smoot"), [8.0, 2.0, 1.0], Unit::Voxel, "0.25 smoot");
    let sloped =
        "DistanceUnits = mm\nElementToIntensityFunctionSlope = 2\nElementToIntensityFunctionOffset = -1024";
    assert_eq!(check("a.mha", &meta(sloped), [2.0, 0.5, 0.25], Unit::Millimetre, ""), -1010.0);
    let signed = "DistanceUnits = mm\nElementToIntensityFunctionOffset = -32768";
    assert_eq!(check("a.mha", &meta(signed), [2.0, 0.5, 0.25], Unit::Millimetre, ""), -32761.0);
}
