use crate::io::{Channel, Frame, ImageSpec, OpenOptions, WriteOptions, create, open};
use crate::{Geometry, Region, Unit, Volume, VoxelType};
use std::path::Path;

/// A small generator of reproducible numbers (xorshift, Marsaglia 2003).
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }
}

fn random_volume(numbers: &mut Numbers, voxel: VoxelType, shape: [usize; 3]) -> Volume {
    let mut volume = Volume::zeros(voxel, shape);
    // Every bit pattern, NaN among them.
    for byte in volume.as_bytes_mut() {
        *byte = numbers.next() as u8;
    }
    volume
}

fn write(path: &Path, spec: &ImageSpec, volumes: &[Volume], options: &WriteOptions) {
    let sink = create(path, spec, options).unwrap();
    for time in 0..spec.times {
        for channel in 0..spec.channels.len() {
            let volume = &volumes[time * spec.channels.len() + channel];
            for tile in Region::whole(spec.shape).tiles(sink.block()) {
                sink.write(Frame::new(channel, time), tile.start, &volume.crop(tile)).unwrap();
            }
        }
    }
    sink.finish(&crate::Job::silent()).unwrap();
}

#[test]
fn what_is_written_is_read_again() {
    let folder = tempfile::tempdir().unwrap();
    let mut numbers = Numbers(7);
    for round in 0..120 {
        let voxel = VoxelType::ALL[round % 10];
        let ending = if voxel.size() == 8 && !voxel.is_float() || round % 3 == 0 { "tif" } else { "ome.tif" };
        let shape = [1 + numbers.below(5), 1 + numbers.below(40), 1 + numbers.below(40)];
        let spacing = [0.5 + numbers.below(9) as f64, 0.65, 0.1 + numbers.below(7) as f64 / 3.0];
        let units =
            [Unit::Voxel, Unit::Micrometre, Unit::Millimetre, Unit::Centimetre, Unit::Nanometre, Unit::Metre];
        let mut spec =
            ImageSpec::volume(shape, voxel, Geometry::from_spacing(spacing, units[round % 6]), false);
        spec.times = 1 + numbers.below(3);
        spec.channels = (0..=numbers.below(3))
            .map(|i| Channel { name: format!("<{i}> & \"µ\""), color: Some([i as u8, 2, 255]) })
            .collect();
        spec.time_step = (spec.times > 1).then_some(2.5);
        let volumes: Vec<_> = (0..spec.times * spec.channels.len())
            .map(|_| random_volume(&mut numbers, voxel, shape))
            .collect();
        let path = folder.path().join(format!("{round}.{ending}"));
        write(&path, &spec, &volumes, &WriteOptions { compress: round % 2 == 0, ..WriteOptions::default() });
        let image = open(&path, &OpenOptions::default()).unwrap();
        let info = image.info();
        assert_eq!((info.shape(), info.voxel, info.times), (shape, voxel, spec.times), "{info:?}");
        assert_eq!(info.channels.len(), spec.channels.len());
        if ending == "ome.tif" {
            assert_eq!(info.channels, spec.channels);
        }
        assert_eq!(info.time_step, spec.time_step);
        assert_eq!(info.geometry().unit, spec.geometry.unit);
        for (got, wanted) in info.geometry().spacing().iter().zip(spacing) {
            assert!((got / wanted - 1.0).abs() < 1e-9, "{got} {wanted} {ending} {:?}", spec.geometry.unit);
        }
        assert_eq!(info.notes, Vec::<String>::new());
        let channel = numbers.below(spec.channels.len());
        let time = numbers.below(spec.times);
        let wanted = &volumes[time * spec.channels.len() + channel];
        assert_eq!(image.read_all(Frame::new(channel, time)).unwrap().as_bytes(), wanted.as_bytes());
        let start = shape.map(|n| numbers.below(n));
        let size = std::array::from_fn(|a| 1 + numbers.below(shape[a] - start[a]));
        let region = Region::new(start, size);
        let part = image.read(Frame::new(channel, time), region).unwrap();
        assert_eq!(part.as_bytes(), wanted.crop(region).as_bytes());
    }
}

#[test]
fn nothing_is_left_of_a_file_that_is_not_finished() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.tif");
    let spec = ImageSpec::volume([2, 3, 4], VoxelType::U8, Geometry::default(), false);
    let sink = create(&path, &spec, &WriteOptions::default()).unwrap();
    let error = sink.finish(&crate::Job::silent()).unwrap_err().to_string();
    assert!(error.contains("never written"), "{error}");
    drop(create(&path, &spec, &WriteOptions::default()).unwrap());
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

/// Reads whatever can be read; only that it returns matters.
fn read_what_can_be_read(path: &Path) {
    let Ok(image) = open(path, &OpenOptions::default()) else { return };
    let info = image.info().clone();
    assert!(info.voxel_count() < 1 << 30, "{} voxels of a small file", info.voxel_count());
    for time in 0..info.times.min(4) {
        for channel in 0..info.channels.len().min(4) {
            let _ = image.read_all(Frame::new(channel, time));
        }
    }
}

#[test]
fn cut_and_broken_files_end_in_an_error_or_an_image() {
    let folder = tempfile::tempdir().unwrap();
    let whole = folder.path().join("whole.ome.tif");
    let broken = folder.path().join("broken.tif");
    let spec = ImageSpec::volume([2, 5, 7], VoxelType::U16, Geometry::default(), false);
    let volume = random_volume(&mut Numbers(3), VoxelType::U16, spec.shape);
    write(&whole, &spec, &[volume], &WriteOptions::default());
    let bytes = std::fs::read(&whole).unwrap();
    for length in 0..bytes.len() {
        std::fs::write(&broken, &bytes[..length]).unwrap();
        read_what_can_be_read(&broken);
    }
    let mut numbers = Numbers(11);
    for _ in 0..3000 {
        let mut bytes = bytes.clone();
        for _ in 0..=numbers.below(6) {
            let at = numbers.below(bytes.len());
            bytes[at] = [0, 1, 2, 0x7f, 0x80, 0xff, numbers.next() as u8][numbers.below(7)];
        }
        std::fs::write(&broken, &bytes).unwrap();
        read_what_can_be_read(&broken);
    }
}

/// Files that `tests/golden/tiff_sets.py` made.
fn golden(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/golden/tiff_sets").join(name)
}

#[test]
fn a_missing_file_of_a_set_is_named() {
    let image = open(golden("missing/c1.ome.tif"), &OpenOptions::default()).unwrap();
    let info = image.info();
    assert_eq!((info.shape(), info.channels.len()), ([3, 6, 5], 2));
    let said = info.notes.join("; ");
    assert!(said.contains("c0.ome.tif of the set is not there") && said.contains("3 of 6 planes"), "{said}");
}

#[test]
fn files_beside_a_set_are_left_out_and_a_lost_companion_is_said() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["t0.tif", "t1.tif", "movie.companion.ome"] {
        std::fs::copy(golden("companion").join(name), folder.path().join(name)).unwrap();
    }
    std::fs::copy(golden("shaped.tif"), folder.path().join("zz.tif")).unwrap();
    let image = open(folder.path(), &OpenOptions::default()).unwrap();
    assert_eq!((image.info().shape(), image.info().times), ([3, 6, 5], 2));
    assert!(image.info().notes.iter().any(|n| n.contains("zz.tif")), "{:?}", image.info().notes);
    std::fs::remove_file(folder.path().join("movie.companion.ome")).unwrap();
    let image = open(folder.path().join("t0.tif"), &OpenOptions::default()).unwrap();
    let said = image.info().notes.join("; ");
    assert!(said.contains("movie.companion.ome, which is not there"), "{said}");
}
