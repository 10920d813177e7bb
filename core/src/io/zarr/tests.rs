use super::*;
use crate::io::{Frame, write_volume};
use crate::{Geometry, Region, Unit, Volume, Voxel, VoxelType};
use ndarray::Array3;

fn numbers<T: Voxel>(shape: [usize; 3], seed: u64) -> Volume {
    let mut state = seed;
    T::into_volume(Array3::from_shape_simple_fn(shape, || {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        T::from_f64((state >> 45) as f64)
    }))
}

#[test]
fn a_pyramid_is_written_and_read_back_by_region() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.ome.zarr");
    let volume = numbers::<u16>([70, 131, 200], 1);
    let geometry = Geometry::from_spacing([0.3, 0.1, 0.1], Unit::Micrometre);
    write_volume(&path, &volume, geometry, false, &WriteOptions::default()).unwrap();
    let source = OmeZarr.open(&path, &OpenOptions::default()).unwrap();
    assert_eq!(source.info().levels.len(), 3, "{:?}", source.info());
    assert_eq!(source.info().geometry(), geometry);
    assert_eq!(source.read_all(Frame::default()).unwrap(), volume);
    let region = Region::new([3, 60, 100], [50, 20, 90]);
    assert_eq!(source.read(Frame::default(), region).unwrap(), volume.crop(region));
    assert_eq!(source.info().voxel, VoxelType::U16);
}

fn anisotropic() -> Geometry {
    let mut g = Geometry::from_spacing([0.3, 0.1, 0.11], Unit::Micrometre);
    g.world_from_index.translation = glam::DVec3::new(1.5, -2.25, 0.1);
    g
}

/// Every file below a folder with its bytes, in order.
fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    fn walk(folder: &Path, root: &Path, all: &mut Vec<(String, Vec<u8>)>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, root, all);
            } else {
                let name = path.strip_prefix(root).unwrap().display().to_string();
                all.push((name, std::fs::read(&path).unwrap()));
            }
        }
    }
    let mut all = Vec::new();
    walk(folder, folder, &mut all);
    all.sort();
    all
}

fn options(
    version: &str,
    chunk: Option<[usize; 3]>,
    shard: Option<[usize; 3]>,
    compress: bool,
) -> WriteOptions {
    WriteOptions { version: Some(version.to_owned()), chunk, shard, compress }
}

#[test]
fn what_is_written_is_read_for_every_type_shape_and_layout() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.zarr");
    let layouts = [
        options("0.5", None, None, true),
        options("0.5", None, None, false),
        options("0.4", None, None, true),
        options("0.4", Some([3, 4, 5]), None, false),
        options("0.5", Some([4, 8, 8]), Some([8, 16, 24]), true),
        options("0.5", Some([5, 3, 7]), Some([5, 9, 7]), false),
    ];
    for (i, shape) in [[1, 1, 1], [1, 40, 33], [9, 17, 30], [33, 1, 20], [20, 20, 1]].into_iter().enumerate()
    {
        for (j, write) in layouts.iter().enumerate() {
            for voxel in VoxelType::ALL {
                let volume = crate::with_voxel!(voxel, |T| numbers::<T>(shape, (i * 100 + j) as u64));
                let labels = j % 2 == 0 && !voxel.is_float();
                write_volume(&path, &volume, anisotropic(), labels, write).unwrap();
                let source = OmeZarr.open(&path, &OpenOptions::default()).unwrap();
                let info = source.info();
                assert_eq!((info.geometry(), info.labels, info.voxel), (anisotropic(), labels, voxel));
                assert_eq!(source.read_all(Frame::default()).unwrap(), volume, "{shape:?} {write:?} {voxel}");
                let region = Region::new(shape.map(|n| n / 3), shape.map(|n| n - n / 3 - usize::from(n > 2)));
                assert_eq!(
                    source.read(Frame::default(), region).unwrap(),
                    volume.crop(region),
                    "{shape:?} {write:?}"
                );
                let mut finer = volume;
                for (level, window) in info.levels.windows(2).enumerate() {
                    let factor = crate::io::pyramid::factors(window[0].shape, window[0].geometry.spacing());
                    let coarse = crate::io::pyramid::downsample(&finer, factor, labels);
                    let frame = Frame { level: level + 1, ..Frame::default() };
                    assert_eq!(source.read_all(frame).unwrap(), coarse, "{shape:?} {write:?} level {level}");
                    finer = coarse;
                }
            }
        }
    }
}

#[test]
fn pyramids_of_small_chunks_match_the_definition() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.zarr");
    for (shape, chunk, shard) in [
        ([130, 200, 333], [16, 16, 16], None),
        ([150, 129, 257], [16, 32, 16], Some([32, 64, 64])),
        ([70, 300, 131], [8, 16, 16], Some([24, 48, 16])),
    ] {
        let volume = numbers::<u16>(shape, 5);
        write_volume(&path, &volume, anisotropic(), false, &options("0.5", Some(chunk), shard, true))
            .unwrap();
        let source = OmeZarr.open(&path, &OpenOptions::default()).unwrap();
        let levels = &source.info().levels;
        assert!(levels.len() > 2, "{levels:?}");
        let mut finer = volume;
        for (level, window) in levels.windows(2).enumerate() {
            let factor = crate::io::pyramid::factors(window[0].shape, window[0].geometry.spacing());
            finer = crate::io::pyramid::downsample(&finer, factor, false);
            assert_eq!(source.read_all(Frame { level: level + 1, ..Frame::default() }).unwrap(), finer);
            let expected = window[0].geometry.binned(factor.map(|f| f as f64));
            let found = window[1].geometry;
            assert!((found.world([0.0; 3]) - expected.world([0.0; 3])).length() < 1e-9);
            assert!((found.world([5.0; 3]) - expected.world([5.0; 3])).length() < 1e-9);
        }
    }
}

#[test]
fn the_bytes_do_not_depend_on_threads_or_order() {
    let dir = tempfile::tempdir().unwrap();
    let volume = numbers::<u16>([100, 150, 170], 9);
    for (i, write) in [
        options("0.5", Some([16, 16, 16]), None, true),
        options("0.4", Some([32, 16, 16]), None, true),
        options("0.5", Some([16, 16, 16]), Some([64, 32, 64]), true),
    ]
    .iter()
    .enumerate()
    {
        let mut results = Vec::new();
        for threads in [1, 7] {
            let path = dir.path().join(format!("{i}-{threads}.zarr"));
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| {
                use rayon::prelude::*;
                let spec = ImageSpec::volume(volume.shape(), volume.voxel_type(), anisotropic(), false);
                let sink = OmeZarr.create(&path, &spec, write).unwrap();
                let mut tiles = Region::whole(volume.shape()).tiles(sink.block());
                if threads > 1 {
                    tiles.reverse();
                }
                tiles.par_iter().for_each(|t| {
                    sink.write(Frame::default(), t.start, &volume.crop(*t)).unwrap();
                });
                sink.finish().unwrap();
            });
            results.push(files(&path));
        }
        assert!(results[0].len() > 10);
        assert!(results[0] == results[1], "layout {i}");
    }
}

#[test]
fn channels_times_and_names_survive() {
    let dir = tempfile::tempdir().unwrap();
    for version in ["0.4", "0.5"] {
        let path = dir.path().join("a.zarr");
        let channel = |name: &str, color| crate::io::Channel { name: name.to_owned(), color };
        let spec = ImageSpec {
            channels: vec![channel("DAPI", Some([0, 17, 255])), channel("GFP", Some([1, 2, 3]))],
            times: 3,
            time_step: Some(0.5),
            ..ImageSpec::volume([6, 70, 20], VoxelType::F32, anisotropic(), false)
        };
        let sink = OmeZarr.create(&path, &spec, &options(version, Some([4, 8, 8]), None, true)).unwrap();
        let volume = |f: Frame| numbers::<f32>(spec.shape, (f.channel + 10 * f.time) as u64);
        for time in 0..3 {
            for channel in 0..2 {
                let frame = Frame::new(channel, time);
                for tile in Region::whole(spec.shape).tiles(sink.block()) {
                    sink.write(frame, tile.start, &volume(frame).crop(tile)).unwrap();
                }
            }
        }
        sink.finish().unwrap();
        let source = OmeZarr.open(&path, &OpenOptions::default()).unwrap();
        assert_eq!(ImageSpec::from(source.info()), spec);
        for (time, channel) in [(0, 0), (2, 1), (1, 0)] {
            let frame = Frame::new(channel, time);
            assert_eq!(source.read_all(frame).unwrap(), volume(frame));
        }
        assert!(source.read_all(Frame::new(2, 0)).is_err());
        assert!(source.read_all(Frame::new(0, 3)).is_err());
        assert!(source.read(Frame::default(), Region::new([0, 0, 1], [6, 70, 20])).is_err());
    }
}

#[test]
fn a_turned_geometry_survives_and_the_loss_to_others_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.zarr");
    let mut g = Geometry { oriented: true, unit: Unit::Millimetre, ..Geometry::default() };
    g.world_from_index.matrix3 =
        glam::DMat3::from_rotation_x(0.3) * glam::DMat3::from_diagonal(glam::DVec3::new(-1.0, 2.0, 3.0));
    g.world_from_index.translation = glam::DVec3::new(4.0, 5.0, 6.0);
    let volume = numbers::<u8>([3, 4, 5], 1);
    for version in ["0.4", "0.5"] {
        write_volume(&path, &volume, g, false, &options(version, None, None, true)).unwrap();
        let source = OmeZarr.open(&path, &OpenOptions::default()).unwrap();
        assert_eq!(source.info().geometry(), g);
        assert!(source.info().notes.is_empty());
    }
    let spec = ImageSpec::volume([3, 4, 5], VoxelType::U8, g, false);
    assert_eq!(OmeZarr.losses(&spec).len(), 1);
    assert!(OmeZarr.losses(&ImageSpec::volume([3, 4, 5], VoxelType::U8, anisotropic(), false)).is_empty());
}

#[test]
fn nothing_is_left_unless_finished() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.ome.zarr");
    let volume = numbers::<u16>([20, 20, 20], 2);
    let spec = ImageSpec::volume([20, 20, 20], VoxelType::U16, Geometry::default(), false);
    let begin = || {
        let sink = OmeZarr.create(&path, &spec, &WriteOptions::default()).unwrap();
        sink.write(Frame::default(), [0; 3], &volume).unwrap();
        sink
    };
    drop(begin());
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    begin().finish().unwrap();
    let before = files(dir.path());
    drop(begin());
    assert_eq!(files(dir.path()), before, "an unfinished image replaces nothing");
    begin().finish().unwrap();
    assert_eq!(files(dir.path()), before);
    let other = dir.path().join("notes.zarr");
    std::fs::create_dir(&other).unwrap();
    std::fs::write(other.join("precious.txt"), "x").unwrap();
    assert!(OmeZarr.create(&other, &spec, &WriteOptions::default()).is_err());
    assert!(other.join("precious.txt").exists());
}
