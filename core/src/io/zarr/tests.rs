use super::*;
use crate::io::{Frame, write_volume};
use crate::{Error, Geometry, Job, Region, Unit, Volume, Voxel, VoxelType};
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
    WriteOptions { version: Some(version.to_owned()), chunk, shard, compress, resume: None }
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
            for (k, voxel) in VoxelType::ALL.into_iter().enumerate() {
                // Every type meets every layout, and every shape every layout.
                if k % 5 != i {
                    continue;
                }
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
                sink.finish(&crate::Job::silent()).unwrap();
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
        sink.finish(&crate::Job::silent()).unwrap();
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
    begin().finish(&crate::Job::silent()).unwrap();
    let before = files(dir.path());
    drop(begin());
    assert_eq!(files(dir.path()), before, "an unfinished image replaces nothing");
    begin().finish(&crate::Job::silent()).unwrap();
    assert_eq!(files(dir.path()), before);
    let other = dir.path().join("notes.zarr");
    std::fs::create_dir(&other).unwrap();
    std::fs::write(other.join("precious.txt"), "x").unwrap();
    assert!(OmeZarr.create(&other, &spec, &WriteOptions::default()).is_err());
    assert!(other.join("precious.txt").exists());
}

/// A small 0.5 (or 0.4) image on disk and where its level 0 lies.
fn small(dir: &Path, version: &str, shard: Option<[usize; 3]>) -> (std::path::PathBuf, Volume) {
    let path = dir.join("small.zarr");
    let volume = numbers::<u16>([9, 20, 70], 4);
    write_volume(&path, &volume, anisotropic(), false, &options(version, Some([4, 8, 16]), shard, true))
        .unwrap();
    (path, volume)
}

fn read_everything(path: &Path) -> Result<()> {
    let source = OmeZarr.open(path, &OpenOptions::default())?;
    let info = source.info().clone();
    for (level, l) in info.levels.iter().enumerate() {
        // A lying shape may promise any size: a viewer asks for a part.
        let shape = l.shape.map(|n| n.min(40));
        let start = std::array::from_fn(|a| (l.shape[a] - shape[a]) / 2);
        let frame = Frame { level, channel: info.channels.len() - 1, time: info.times - 1 };
        source.read(frame, Region::new(start, shape))?;
    }
    Ok(())
}

#[test]
fn a_damaged_chunk_is_named() {
    let dir = tempfile::tempdir().unwrap();
    for (version, shard, chunk) in
        [("0.5", None, "0/c/1/0/2"), ("0.4", None, "0/1/0/2"), ("0.5", Some([8, 8, 32]), "0/c/0/1/1")]
    {
        let (path, volume) = small(dir.path(), version, shard);
        let file = path.join(chunk);
        let good = std::fs::read(&file).unwrap();
        let read = || OmeZarr.open(&path, &OpenOptions::default()).unwrap().read_all(Frame::default());
        for cut in [0, 1, 7, 15, 16, 20, good.len() / 2, good.len() - 5, good.len() - 1] {
            std::fs::write(&file, &good[..cut]).unwrap();
            let error = read().unwrap_err().to_string();
            let key = &chunk[2..];
            assert!(error.contains("small.zarr/0: chunk [") && error.contains(key), "{error}");
            assert!(!error.contains('\n') && error.len() < 400, "{error}");
        }
        // A chunk that is not there was never written.
        std::fs::remove_file(&file).unwrap();
        assert_ne!(read().unwrap(), volume);
        std::fs::write(&file, &good).unwrap();
        assert_eq!(read().unwrap(), volume);
        let mut state = 1u64;
        for _ in 0..150 {
            let mut bad = good.clone();
            for _ in 0..3 {
                state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                let at = if state & 1 == 0 { (state >> 33) as usize % 32 } else { (state >> 33) as usize };
                let length = bad.len();
                bad[at % length] = (state >> 20) as u8;
            }
            std::fs::write(&file, &bad).unwrap();
            let _ = read();
        }
    }
}

#[test]
fn lies_in_metadata_end_in_one_sentence() {
    let dir = tempfile::tempdir().unwrap();
    let cases: &[(&str, &str, &str, &str)] = &[
        ("0.5", "0/zarr.json", "\"uint16\"", "\"uint128\""),
        ("0.5", "0/zarr.json", "\"uint16\"", "7"),
        ("0.5", "0/zarr.json", "\"regular\"", "\"hexagonal\""),
        ("0.5", "0/zarr.json", "    70", "    -70"),
        ("0.5", "0/zarr.json", "    70", "    0"),
        ("0.5", "0/zarr.json", "    70", "    1.5"),
        ("0.5", "0/zarr.json", "    70", "    18446744073709551615"),
        ("0.5", "0/zarr.json", "    70", "    9223372036854775807"),
        ("0.5", "0/zarr.json", "        16", "        0"),
        ("0.5", "0/zarr.json", "        16", "        9223372036854775807"),
        ("0.5", "0/zarr.json", "\"blosc\"", "\"squeeze\""),
        ("0.5", "0/zarr.json", "\"bytes\"", "\"bites\""),
        ("0.5", "0/zarr.json", "\"codecs\"", "\"kodecs\""),
        ("0.5", "zarr.json", "\"axes\"", "\"oxes\""),
        ("0.5", "zarr.json", "\"path\": \"0\"", "\"path\": \"../0\""),
        ("0.5", "zarr.json", "\"path\": \"0\"", "\"path\": \"5\""),
        ("0.5", "zarr.json", "\"path\": \"0\"", "\"path\": \"/\""),
        ("0.5", "zarr.json", "\"datasets\"", "\"dutusets\""),
        ("0.5", "zarr.json", "0.11", "1e999"),
        ("0.5", "zarr.json", "0.11", "\"a\""),
        ("0.5", "zarr.json", "0.11", "0"),
        ("0.5", "zarr.json", "\"name\": \"x\"", "\"name\": \"y\""),
        ("0.5", "zarr.json", "\"group\"", "\"grope\""),
        ("0.5", "zarr.json", "{", "["),
        ("0.4", "0/.zarray", "<u2", "<U2"),
        ("0.4", "0/.zarray", "<u2", "<u20000000000"),
        ("0.4", "0/.zarray", "\"zstd\"", "\"zzzz\""),
        ("0.4", "0/.zarray", "\"blosc\"", "\"lz4\""),
        ("0.4", "0/.zarray", "\"chunks\"", "\"chinks\""),
    ];
    for (version, file, from, to) in cases {
        let (path, _) = small(dir.path(), version, None);
        let file = path.join(file);
        let text = std::fs::read_to_string(&file).unwrap();
        assert!(text.contains(from), "{from} in {text}");
        std::fs::write(&file, text.replacen(from, to, 1)).unwrap();
        let error = read_everything(&path).expect_err(&format!("{from} -> {to}")).to_string();
        assert!(error.contains("small.zarr") && error.len() < 500 && !error.contains('\n'), "{error}");
        for cut in [0, 1, text.len() / 2, text.len() - 3] {
            std::fs::write(&file, &text[..cut]).unwrap();
            assert!(read_everything(&path).is_err());
        }
    }
}

#[test]
fn no_change_of_metadata_panics() {
    let dir = tempfile::tempdir().unwrap();
    let digits = b"0123456789-+.eE\"[]{},:nulltruefalse ";
    for (version, shard, names) in [
        ("0.5", None, &["zarr.json", "0/zarr.json"][..]),
        ("0.4", None, &[".zattrs", "0/.zarray", ".zgroup"]),
        ("0.5", Some([8, 8, 32]), &["0/zarr.json"]),
    ] {
        let (path, _) = small(dir.path(), version, shard);
        for name in names {
            let file = path.join(name);
            let good = std::fs::read(&file).unwrap();
            let mut state = 7u64;
            let mut next = |n: usize| {
                state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                (state >> 33) as usize % n
            };
            for _ in 0..400 {
                let mut bad = good.clone();
                for _ in 0..=next(3) {
                    let at = next(bad.len());
                    match next(4) {
                        0 => bad[at] = next(256) as u8,
                        1 => bad[at] = digits[next(digits.len())],
                        2 => drop(bad.remove(at)),
                        _ => bad.insert(at, digits[next(digits.len())]),
                    }
                }
                std::fs::write(&file, &bad).unwrap();
                let _ = read_everything(&path);
            }
            std::fs::write(&file, &good).unwrap();
            read_everything(&path).unwrap();
        }
    }
}

/// Writes a plain array by hand and reads it.
fn by_hand(dir: &Path, document: &str, chunks: &[(&str, &[u8])]) -> Box<dyn ImageSource> {
    let path = dir.join("hand.zarr");
    let _ = std::fs::remove_dir_all(&path);
    std::fs::create_dir_all(&path).unwrap();
    let name = if document.contains("\"zarr_format\": 2") { ".zarray" } else { "zarr.json" };
    std::fs::write(path.join(name), document).unwrap();
    for (key, bytes) in chunks {
        let file = path.join(key);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, bytes).unwrap();
    }
    OmeZarr.open(&path, &OpenOptions::default()).unwrap()
}

#[test]
fn other_types_orders_and_fill_values() {
    let dir = tempfile::tempdir().unwrap();
    let v3 = |shape: &str, chunk: &str, ty: &str, fill: &str, codecs: &str| {
        format!(
            "{{\"zarr_format\": 3, \"node_type\": \"array\", \"shape\": {shape}, \"data_type\": \"{ty}\",
              \"chunk_grid\": {{\"name\": \"regular\", \"configuration\": {{\"chunk_shape\": {chunk}}}}},
              \"chunk_key_encoding\": {{\"name\": \"default\"}}, \"fill_value\": {fill}, \"codecs\": {codecs}}}"
        )
    };
    let little = "{\"name\": \"bytes\", \"configuration\": {\"endian\": \"little\"}}";
    let check = |source: &dyn ImageSource, expected: &Volume, note: bool| {
        assert_eq!(&source.read_all(Frame::default()).unwrap(), expected);
        assert_eq!(source.info().notes.len(), 1 + usize::from(note), "{:?}", source.info().notes);
    };
    let volume = |v: Vec<f32>| Volume::from(Array3::from_shape_vec((1, 1, v.len()), v).unwrap());
    // 1.0, -2.0 and a missing chunk of 0.5, as 16-bit floats.
    let doc = v3("[1, 4]", "[1, 2]", "float16", "0.5", &format!("[{little}]"));
    check(
        &*by_hand(dir.path(), &doc, &[("c/0/0", &[0, 0x3c, 0, 0xc0])]),
        &volume(vec![1.0, -2.0, 0.5, 0.5]),
        true,
    );
    let complex: Vec<u8> = [3.0f32, 4.0, 0.0, -2.0].iter().flat_map(|v| v.to_be_bytes()).collect();
    let doc =
        v3("[1, 2]", "[1, 2]", "complex64", "[0.0, 0.0]", &format!("[{}]", little.replace("little", "big")));
    check(&*by_hand(dir.path(), &doc, &[("c/0/0", &complex)]), &volume(vec![5.0, 2.0]), true);
    let doc = v3("[1, 3]", "[1, 3]", "bool", "true", &format!("[{little}]"));
    let bits = Volume::from(Array3::from_shape_vec((1, 1, 3), vec![1u8, 0, 1]).unwrap());
    check(&*by_hand(dir.path(), &doc, &[("c/0/0", &[1, 0, 1])]), &bits, true);
    // A transposed chunk is stored with its last axis slowest.
    let transpose = "{\"name\": \"transpose\", \"configuration\": {\"order\": [2, 0, 1]}}";
    let doc = v3("[2, 2, 2]", "[2, 2, 2]", "uint8", "9", &format!("[{transpose}, {little}]"));
    let stored: Vec<u8> = (0..8).collect();
    let turned = Volume::from(Array3::from_shape_fn((2, 2, 2), |(z, y, x)| (x * 4 + z * 2 + y) as u8));
    check(&*by_hand(dir.path(), &doc, &[("c/0/0/0", &stored)]), &turned, false);
    // Fortran order, big-endian and zlib, of Zarr v2; NaN as fill value.
    let mut zlib = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut zlib, &[1.0f32, 2.0, 3.0, 4.0].map(f32::to_be_bytes).concat()).unwrap();
    let doc = "{\"zarr_format\": 2, \"shape\": [2, 2], \"chunks\": [2, 2], \"dtype\": \">f4\", \"fill_value\": \"NaN\",
                \"order\": \"F\", \"filters\": null, \"compressor\": {\"id\": \"zlib\", \"level\": 1}}";
    let expected = Volume::from(Array3::from_shape_vec((1, 2, 2), vec![1.0f32, 3.0, 2.0, 4.0]).unwrap());
    check(&*by_hand(dir.path(), doc, &[("0.0", &zlib.finish().unwrap())]), &expected, false);
    let missing = by_hand(dir.path(), doc, &[]).read_all(Frame::default()).unwrap();
    assert!(crate::with_volume!(&missing, |a| a.iter().all(|v| Voxel::is_nan(*v))));
    // An absurd shape costs nothing until it is read, and then only what is read.
    let doc = v3("[100000000, 100000000]", "[1000, 1000]", "uint16", "7", &format!("[{little}]"));
    let source = by_hand(dir.path(), &doc, &[]);
    assert_eq!(source.info().shape(), [1, 100_000_000, 100_000_000]);
    let part = source.read(Frame::default(), Region::new([0, 99_999_000, 5], [1, 3, 4])).unwrap();
    assert_eq!(part, Volume::from(Array3::from_elem((1, 3, 4), 7u16)));
    assert!(source.read_all(Frame::default()).is_err());
}

#[test]
fn groups_lead_to_their_first_image() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("plate.zarr");
    let image = root.join("A/1/0");
    std::fs::create_dir_all(image.parent().unwrap()).unwrap();
    let volume = numbers::<u8>([2, 3, 4], 1);
    write_volume(&image, &volume, anisotropic(), true, &WriteOptions::default()).unwrap_err();
    let sink = OmeZarr
        .create(
            &image,
            &ImageSpec::volume([2, 3, 4], VoxelType::U8, anisotropic(), true),
            &WriteOptions::default(),
        )
        .unwrap();
    sink.write(Frame::default(), [0; 3], &volume).unwrap();
    sink.finish(&crate::Job::silent()).unwrap();
    let group = |path: &Path, ome: &str| {
        let text =
            format!("{{\"zarr_format\": 3, \"node_type\": \"group\", \"attributes\": {{\"ome\": {ome}}}}}");
        std::fs::write(path.join("zarr.json"), text).unwrap();
    };
    group(&root, "{\"plate\": {\"wells\": [{\"path\": \"A/1\"}, {\"path\": \"A/2\"}]}}");
    group(&root.join("A/1"), "{\"well\": {\"images\": [{\"path\": \"0\"}]}}");
    let open = |dataset: Option<&str>| {
        OmeZarr.open(&root, &OpenOptions { dataset: dataset.map(str::to_owned), ..OpenOptions::default() })
    };
    let source = open(None).unwrap();
    assert_eq!(source.read_all(Frame::default()).unwrap(), volume);
    assert!(source.info().labels);
    assert!(source.info().notes.iter().any(|n| n.contains("A/2")), "{:?}", source.info().notes);
    assert!(open(Some("A/1/0")).is_ok() && open(Some("A/2")).is_err() && open(Some("../x")).is_err());
    group(&root, "{\"bioformats2raw.layout\": 3}");
    assert!(open(None).is_err());
    std::fs::create_dir_all(root.join("OME")).unwrap();
    group(&root.join("OME"), "{\"series\": [\"A/1/0\", \"1\"]}");
    assert_eq!(open(None).unwrap().read_all(Frame::default()).unwrap(), volume);
    group(&root, "{\"labels\": [\"A/1/0\"]}");
    assert_eq!(open(None).unwrap().read_all(Frame::default()).unwrap(), volume);
    // A group that leads to itself ends.
    group(&root, "{\"labels\": [\".\"]}");
    assert!(open(None).is_err());
}

#[test]
fn the_examples_of_the_specification_are_understood() {
    let data = std::env::var_os("VOXELRY_DATA").map_or_else(
        || {
            Path::new(env!("CARGO_MANIFEST_DIR"))
                .ancestors()
                .map(|a| a.join("shared/data"))
                .find(|d| d.is_dir())
        },
        |d| Some(d.into()),
    );
    let Some(examples) = data.map(|d| d.join("ome_zarr_models/tests/data/examples")).filter(|d| d.is_dir())
    else {
        eprintln!("skipped: the shared data are not here");
        return;
    };
    for (file, axes, levels, spacing, step) in [
        ("v04/image_label_example.json", 5, 1, None, None),
        ("v04/multiscales_example.json", 4, 2, None, None),
        ("v05/image_example.json", 5, 3, Some([0.5; 3]), Some(1e-4)),
        ("v05/image_no_version_example.json", 5, 3, Some([0.5; 3]), Some(1e-4)),
        ("v05/labels_image_example.json", 5, 1, None, None),
        ("v05/image_label_example.json", 5, 3, None, None),
        ("v06/image_example.json", 5, 3, Some([0.5; 3]), Some(1e-4)),
    ] {
        let text = std::fs::read_to_string(examples.join(file)).unwrap();
        let json: serde_json::Value = serde_json::from_str(&text).unwrap();
        let json = json.get("attributes").unwrap_or(&json);
        let ome = json.get("ome").unwrap_or(json).as_object().unwrap();
        let image = ngff::multiscale(ome).unwrap();
        assert_eq!((image.axes.len(), image.datasets.len()), (axes, levels), "{file}");
        let mut notes = Vec::new();
        let geometry = image.geometry(0, &mut notes);
        assert!(notes.is_empty() && geometry.unit == Unit::Micrometre, "{file}: {notes:?}");
        if let Some(spacing) = spacing {
            assert_eq!(geometry.spacing(), spacing, "{file}");
        }
        if let Some(step) = step {
            assert!((image.time_step().unwrap() - step).abs() < 1e-12, "{file}");
        }
    }
}

/// The geometry and notes of an image of 0.6 with these transformations: of the level, which has x, y and z in that order
/// where `axes` says so, and of the image.
fn placed(axes: [&str; 3], level: serde_json::Value, image: serde_json::Value) -> (Geometry, Vec<String>) {
    let axis = |name: &&str, unit: Option<&str>| match unit {
        Some(unit) => serde_json::json!({"name": name, "type": "space", "unit": unit}),
        None => serde_json::json!({"name": name, "type": "space"}),
    };
    let axes_in = |unit| axes.iter().map(|name| axis(name, unit)).collect::<Vec<_>>();
    let mut level = level;
    level["input"] = serde_json::json!({"path": "0"});
    level["output"] = serde_json::json!({"name": "intrinsic"});
    let ome = serde_json::json!({"version": "0.6", "multiscales": [{
        "coordinateSystems": [
            {"name": "world", "axes": axes_in(Some("millimeter"))},
            {"name": "intrinsic", "axes": axes_in(Some("micrometer"))},
            {"name": "index", "axes": axes_in(None)},
        ],
        "datasets": [{"path": "0", "coordinateTransformations": [level]}],
        "coordinateTransformations": image,
    }]});
    let image = ngff::multiscale(ome.as_object().unwrap()).unwrap();
    let mut notes = image.notes.clone();
    (image.geometry(0, &mut notes), notes)
}

#[test]
fn places_follow_affine_transformations_and_no_others() {
    use glam::{DMat3, DVec3};
    use serde_json::json;
    let zyx = ["z", "y", "x"];
    let scale = || json!({"type": "scale", "scale": [4, 2, 1]});
    let check =
        |(geometry, notes): (Geometry, Vec<String>), columns: [[f64; 3]; 3], origin: [f64; 3], unit| {
            let expected = DMat3::from_cols_array_2d(&columns);
            let found = geometry.world_from_index;
            assert!(found.matrix3.abs_diff_eq(expected, 1e-12), "{found:?} {notes:?}");
            assert!(
                found.translation.abs_diff_eq(DVec3::from(origin), 1e-12) && geometry.unit == unit,
                "{geometry:?}"
            );
            notes
        };
    let straight = [[1.0, 0.0, 0.0], [0.0, 2.0, 0.0], [0.0, 0.0, 4.0]];
    let um = Unit::Micrometre;
    assert!(check(placed(zyx, scale(), json!([])), straight, [0.0; 3], um).is_empty());
    // Turned about z: x → y, y → −x, with a shift, as the level's own or as the image's.
    let turned = [[0.0, 1.0, 0.0], [-2.0, 0.0, 0.0], [0.0, 0.0, 4.0]];
    let rotation = json!([[1, 0, 0], [0, 0, 1], [0, -1, 0]]);
    let sequence = json!({"type": "sequence", "transformations": [
        scale(), {"type": "rotation", "rotation": rotation}, {"type": "translation", "translation": [7, 8, 9]}]});
    check(placed(zyx, sequence, json!([])), turned, [9.0, 8.0, 7.0], um);
    let to = |name: &str, mut transform: serde_json::Value| {
        transform["input"] = json!({"name": "intrinsic"});
        transform["output"] = json!({"name": name});
        json!([transform])
    };
    let affine = json!({"type": "affine", "affine": [[1, 0, 0, 7], [0, 0, 1, 8], [0, -1, 0, 9]]});
    let notes = check(placed(zyx, scale(), to("world", affine)), turned, [9.0, 8.0, 7.0], Unit::Millimetre);
    assert!(notes.iter().any(|n| n.contains("\"world\"")), "{notes:?}");
    // What leads from units to indices is not followed, what is not affine is said.
    let undone = json!({"type": "scale", "scale": [0.25, 0.5, 1]});
    check(placed(zyx, scale(), to("index", undone)), straight, [0.0; 3], um);
    let warped = json!({"type": "displacements", "path": "field"});
    let notes = check(placed(zyx, scale(), to("world", warped.clone())), straight, [0.0; 3], um);
    assert!(notes.iter().any(|n| n.contains("displacements")), "{notes:?}");
    let voxels = DMat3::IDENTITY.to_cols_array_2d();
    let notes = check(placed(zyx, warped, json!([])), voxels, [0.0; 3], Unit::Voxel);
    assert!(notes.iter().any(|n| n.contains("lengths are in voxels")), "{notes:?}");
    // Arrays in another order than their coordinate system keep it.
    let map = json!({"type": "sequence", "transformations": [
        {"type": "scale", "scale": [1, 2, 4]}, {"type": "mapAxis", "mapAxis": [2, 1, 0]}]});
    check(placed(zyx, map, json!([])), [[0.0, 0.0, 4.0], [0.0, 2.0, 0.0], [1.0, 0.0, 0.0]], [0.0; 3], um);
    check(
        placed(["x", "y", "z"], json!({"type": "scale", "scale": [1, 2, 4]}), json!([])),
        straight,
        [0.0; 3],
        um,
    );
    // Sheared.
    let sheared = json!({"type": "affine", "affine": [[4, 0, 0, 0], [1, 2, 0, 0], [0, 0, 1, 0]]});
    check(placed(zyx, sheared, json!([])), [[1.0, 0.0, 0.0], [0.0, 2.0, 0.0], [0.0, 1.0, 4.0]], [0.0; 3], um);
    let flat = json!({"type": "affine", "affine": [[0, 0, 0, 0], [1, 2, 0, 0], [0, 0, 1, 0]]});
    let notes = check(placed(zyx, flat, json!([])), voxels, [0.0; 3], Unit::Voxel);
    assert!(notes.iter().any(|n| n.contains("inverted")), "{notes:?}");
}

/// Labels of which only some blocks are written anew are those that are written whole; nothing else is touched.
#[test]
fn labels_are_updated_where_they_changed() {
    use crate::io::convert::{ConvertOptions, convert, update_beside};
    use crate::labels::Labels;
    let folder = tempfile::tempdir().unwrap();
    let (path, whole) = (folder.path().join("a.ome.zarr"), folder.path().join("b.ome.zarr"));
    let shape = [150, 260, 300];
    let labels =
        Labels::create(&folder.path().join("log"), shape, Geometry::default(), None, 64 << 20).unwrap();
    let put = |region: Region, label: u32| {
        let mut edit = labels.edit().unwrap();
        edit.put(region.start, ndarray::Array3::from_elem(region.shape, label).view()).unwrap();
        edit.commit("put").unwrap();
    };
    let job = Job::silent();
    let options = ConvertOptions { labels: Some(true), ..ConvertOptions::default() };
    put(Region::new([2, 3, 4], [100, 200, 250]), 7);
    convert(&labels.version(), &path, &options, &job).unwrap();
    let mut saved = labels.version();
    let (old, chunk) = (files(&path), std::fs::read(path.join("0/c/0/0/0")).unwrap());
    // A reader that has the old files open, and a copy of them by links, keep what they have.
    let links = folder.path().join("links");
    std::fs::create_dir(&links).unwrap();
    std::fs::hard_link(path.join("0/c/0/0/0"), links.join("chunk")).unwrap();
    for (round, (region, label)) in [
        (Region::new([0, 0, 0], [3, 3, 3]), 9),
        // All of one chunk becomes background.
        (Region::new([0, 64, 64], [64, 64, 64]), 0),
        (Region::new([140, 250, 290], [10, 10, 10]), 3),
    ]
    .into_iter()
    .enumerate()
    {
        put(region, label);
        let version = labels.version();
        let changed = version.changed_since(&saved);
        let pending = update_beside(&version, &path, true, &changed, &job).unwrap().unwrap();
        if round == 1 {
            // Given up, it leaves all as it was; made again it is whole.
            let before = files(&path);
            drop(pending);
            assert_eq!(files(&path), before);
            update_beside(&version, &path, true, &changed, &job).unwrap().unwrap().commit(&job).unwrap();
        } else {
            pending.commit(&job).unwrap();
        }
        convert(&version, &whole, &options, &job).unwrap();
        assert_eq!(files(&path), files(&whole));
        saved = version;
    }
    assert_eq!(std::fs::read(links.join("chunk")).unwrap(), chunk);
    assert_ne!(files(&path), old);
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        // What did not change is the same file as before.
        let inode = |path: &Path| std::fs::metadata(path).unwrap().ino();
        let far = path.join("0/c/1/2/2");
        let before = inode(&far);
        put(Region::new([0, 0, 0], [3, 3, 3]), 11);
        let version = labels.version();
        let changed = version.changed_since(&saved);
        update_beside(&version, &path, true, &changed, &job).unwrap().unwrap().commit(&job).unwrap();
        assert_eq!(inode(&far), before);
    }
    // What is laid out otherwise, or is no image of labels, is written whole.
    let other = folder.path().join("c.ome.zarr");
    let mut small = options.clone();
    small.write.chunk = Some([16; 3]);
    convert(&labels.version(), &other, &small, &job).unwrap();
    assert!(update_beside(&labels.version(), &other, true, &[], &job).unwrap().is_none());
    assert!(
        update_beside(&labels.version(), &folder.path().join("none.zarr"), true, &[], &job)
            .unwrap()
            .is_none()
    );
    assert!(update_beside(&labels.version(), &path, false, &[], &job).unwrap().is_none());
}

/// A source that fails after some reads, and counts them.
struct Failing {
    volume: Volume,
    info: crate::io::ImageInfo,
    left: std::sync::atomic::AtomicI64,
}

impl ImageSource for Failing {
    fn info(&self) -> &crate::io::ImageInfo {
        &self.info
    }

    fn read(&self, _: Frame, region: Region) -> crate::Result<Volume> {
        if self.left.fetch_sub(1, std::sync::atomic::Ordering::Relaxed) <= 0 {
            return Err(Error::Usage("the source is gone".into()));
        }
        Ok(self.volume.crop(region))
    }
}

/// Given up at any place and called again, a conversion ends with the same bytes, and does not do again what it did.
#[test]
fn a_conversion_goes_on_where_it_was_given_up() {
    use crate::io::convert::{ConvertOptions, convert, identity};
    use std::sync::atomic::Ordering::Relaxed;
    let folder = tempfile::tempdir().unwrap();
    // More than one piece of work: pieces have about 48 MB.
    let shape = [520, 512, 256];
    let volume = Volume::U16(Array3::from_shape_fn(shape, |(z, y, x)| (z * 31 + y * 7 + x * x) as u16));
    let geometry = Geometry::from_spacing([1.0; 3], Unit::Micrometre);
    let mut info = crate::io::ImageInfo::simple("foam", shape, [64; 3], VoxelType::U16, geometry);
    info.channels = vec![crate::io::Channel { name: "a".into(), color: None }];
    let source = |left: i64| Failing { volume: volume.clone(), info: info.clone(), left: left.into() };
    let (whole, path) = (folder.path().join("whole.ome.zarr"), folder.path().join("a.ome.zarr"));
    let job = Job::silent();
    let all = source(1000);
    convert(&all, &whole, &ConvertOptions::default(), &job).unwrap();
    let reads = 1000 - all.left.load(Relaxed);
    assert!(reads >= 3, "{reads}");
    let mut options = ConvertOptions::default();
    options.write.resume = Some("foam".into());
    // As much as one read more is done each time.
    let mut calls = 0;
    let left = |folder: &Path| {
        let hidden =
            std::fs::read_dir(folder).unwrap().flatten().map(|e| e.file_name().into_string().unwrap());
        hidden.filter(|n| n.ends_with("voxelry-partial")).count()
    };
    let last = loop {
        let source = source(2);
        calls += 1;
        match convert(&source, &path, &options, &job) {
            Ok(_) => break source.left.load(Relaxed),
            Err(error) => assert!(error.to_string().contains("the source is gone")),
        }
        assert_eq!(left(folder.path()), 1);
        assert!(!path.exists());
        if calls == 1 {
            // A note that was written by halves is left out.
            let mut hidden = std::fs::read_dir(folder.path()).unwrap().flatten().map(|e| e.path());
            let hidden = hidden.find(|p| p.is_dir() && p.to_string_lossy().contains("/.a.ome.zarr")).unwrap();
            let notes = hidden.join("voxelry-done");
            let mut bytes = std::fs::read(&notes).unwrap();
            bytes.extend([7; 31]);
            std::fs::write(&notes, bytes).unwrap();
        }
    };
    assert!(calls > 1 && last >= 0, "{calls} {last}");
    assert_eq!(files(&path), files(&whole));
    assert_eq!(left(folder.path()), 0);
    // Another source begins anew and takes what was left away.
    assert!(convert(&source(1), &path, &options, &job).is_err());
    options.write.resume = Some("another foam".into());
    let other = source(1000);
    convert(&other, &path, &options, &job).unwrap();
    assert_eq!(1000 - other.left.load(Relaxed), reads);
    assert_eq!((files(&path) == files(&whole), left(folder.path())), (true, 0));
    // What a source is changes with it.
    let file = folder.path().join("x.raw");
    std::fs::write(&file, b"one").unwrap();
    let before = identity(&file).unwrap();
    assert_eq!(identity(&file).unwrap(), before);
    std::fs::write(&file, b"four").unwrap();
    assert_ne!(identity(&file).unwrap(), before);
    assert!(identity(&folder.path().join("none")).is_none());
}

#[test]
fn chunks_without_compression_are_the_bytes_that_zarrs_writes() {
    use std::sync::Arc;
    use zarrs::array::{Array, ArrayBytes, ArrayMetadata, CodecOptions};
    use zarrs::storage::store::MemoryStore;
    use zarrs::storage::{MaybeBytes, ReadableStorageTraits};
    let dir = tempfile::tempdir().unwrap();
    let shape = [21, 30, 17];
    // Chunks and shards of zeros are among them.
    let mut voxels = Array3::<u16>::zeros(shape);
    voxels.slice_mut(ndarray::s![..9, 3..29, ..]).iter_mut().enumerate().for_each(|(i, v)| *v = i as u16);
    let volume = Volume::from(voxels);
    let mut shards_of_zeros = 0;
    for (version, shard) in [("0.4", None), ("0.5", None), ("0.5", Some([8, 16, 16]))] {
        let path = dir.path().join(format!("{version} {shard:?}.ome.zarr"));
        let options = options(version, Some([4, 8, 8]), shard, false);
        write_volume(&path, &volume, Geometry::default(), false, &options).unwrap();
        let document = if version == "0.4" { "0/.zarray" } else { "0/zarr.json" };
        let text = std::fs::read_to_string(path.join(document)).unwrap();
        let metadata = match version {
            "0.4" => ArrayMetadata::V2(serde_json::from_str(&text).unwrap()),
            _ => ArrayMetadata::V3(serde_json::from_str(&text).unwrap()),
        };
        let store = Arc::new(MemoryStore::new());
        let array = Array::new_with_metadata(store.clone(), "/0", metadata).unwrap();
        let grid = shard.unwrap_or([4, 8, 8]);
        for tile in Region::whole(shape).tiles(grid) {
            let mut cell = Volume::zeros(VoxelType::U16, grid);
            cell.paste([0; 3], &volume.crop(tile));
            let index: [u64; 3] = std::array::from_fn(|a| (tile.start[a] / grid[a]) as u64);
            let one = CodecOptions::default().with_concurrent_target(1);
            array.store_chunk_opt(&index, ArrayBytes::new_flen(cell.as_bytes()), &one).unwrap();
            let key = array.chunk_key(&index);
            let expected: MaybeBytes = store.get(&key).unwrap();
            let found = std::fs::read(path.join(key.as_str())).ok();
            assert!(found.as_deref() == expected.as_deref(), "{version} {shard:?} {tile:?}");
            shards_of_zeros += usize::from(found.is_none());
        }
    }
    assert!(shards_of_zeros > 3);
}
