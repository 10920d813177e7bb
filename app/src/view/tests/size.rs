//! Images of any size are looked at within budgets.

use super::super::document::{Montage, Pane, Scene};
use super::super::figure::load;
use super::super::open::layers_of;
use super::super::painter::Painter;
use super::super::projection::Quality;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use voxelry_core::io::browse::Cache;
use voxelry_core::io::{Frame, ImageInfo, ImageSource, Level, pyramid};
use voxelry_core::{Geometry, Job, Region, Result, Unit, Volume, VoxelType};
use voxelry_shaders::gpu::Gpu;

/// An image whose chunks are made when they are asked for, with a pyramid as an OME-Zarr has.
struct Virtual {
    info: ImageInfo,
    read: AtomicU64,
}

impl Virtual {
    fn new(edge: usize) -> Self {
        let geometry = Geometry::from_spacing([1.0; 3], Unit::Micrometre);
        let mut info = ImageInfo::simple("virtual", [edge; 3], [64; 3], VoxelType::U8, geometry);
        for factor in pyramid::plan([edge; 3], [1.0; 3], [64; 3]) {
            let last = info.levels.last().unwrap();
            let shape = pyramid::coarser(last.shape, factor);
            let geometry = last.geometry.binned(factor.map(|f| f as f64));
            info.levels.push(Level { shape, geometry, chunk: [64; 3] });
        }
        Self { info, read: AtomicU64::new(0) }
    }
}

impl ImageSource for Virtual {
    fn info(&self) -> &ImageInfo {
        &self.info
    }

    fn read(&self, frame: Frame, region: Region) -> Result<Volume> {
        self.read.fetch_add(region.len() as u64, Ordering::Relaxed);
        let scale = 1usize << frame.level;
        Ok(Volume::from(ndarray::Array3::from_shape_fn(region.shape, |(z, y, x)| {
            let at = |i: usize, a: usize| ((region.start[a] + i) * scale) as f32 / 97.0;
            let wave = at(z, 0).sin() + at(y, 1).sin() + at(x, 2).sin();
            (128.0 + 40.0 * wave) as u8
        })))
    }
}

#[test]
fn a_hundred_gigavoxels_are_explored_within_budgets() {
    let gpu = match Gpu::headless() {
        Ok(gpu) => gpu,
        Err(error) => {
            eprintln!("skipped: {error}");
            return;
        }
    };
    let source = Arc::new(Virtual::new(4700));
    assert!(source.info.voxel_count() > 100_000_000_000);
    let (memory, device) = (256 << 20, 128 << 20);
    let cache = Cache::new(memory);
    let mut layers = layers_of(source.clone(), "virtual", None, &cache);
    layers[0].display.window = Some([0.0, 255.0]);
    let mut scene = Scene::new(layers);
    let mut painter = Painter::new(gpu, device, Arc::new(|| ()));
    let mut look = |scene: &Scene, pane: Pane| {
        let shots = load(&mut painter, scene, pane, [400, 300], Quality::SHARP, &Job::silent()).unwrap();
        assert!(cache.bytes() <= memory, "{}", cache.bytes());
        assert!(painter.memory()[0] <= device + (1 << 20), "{}", painter.memory()[0]);
        shots[0].level
    };
    assert!(look(&scene, Pane::Volume) > 2);
    for axis in 0..3 {
        assert!(look(&scene, Pane::Plane(axis)) > 2);
    }
    // Down to the voxels, and through slices there.
    scene.view.zoom = 40.0;
    for _ in 0..8 {
        scene.step(0, 3);
        assert_eq!(look(&scene, Pane::Plane(0)), 0);
    }
    scene.view.camera.distance = 0.05;
    look(&scene, Pane::Volume);
    scene.view.montage = Montage { every: 47, zoom: 1.0, ..Montage::default() };
    look(&scene, Pane::Montage);
    scene.view.montage.zoom = 200.0;
    look(&scene, Pane::Montage);
    // What was read is a small part of the image.
    assert!(source.read.load(Ordering::Relaxed) < 2_000_000_000, "{}", source.read.load(Ordering::Relaxed));
}

/// A small image in memory.
struct Small(ImageInfo, Volume);

impl ImageSource for Small {
    fn info(&self) -> &ImageInfo {
        &self.0
    }

    fn read(&self, _: Frame, region: Region) -> Result<Volume> {
        Ok(self.1.crop(region))
    }
}

#[test]
fn small_and_thin_images_are_seen_at_full_resolution() {
    let gpu = match Gpu::headless() {
        Ok(gpu) => gpu,
        Err(error) => {
            eprintln!("skipped: {error}");
            return;
        }
    };
    let sides = [1, 2, 31, 32, 33, 64, 65, 100];
    let all = sides.iter().flat_map(|z| sides.iter().flat_map(move |y| sides.map(|x| [*z, *y, x])));
    for (number, shape) in all.enumerate() {
        for labels in [false, true] {
            // Neighbours differ, so that no brick is of one value.
            let voxels =
                ndarray::Array3::from_shape_fn(shape, |(z, y, x)| ((z * 7 + y * 5 + x * 3) % 11) as u16);
            let geometry = Geometry::from_spacing([1.0; 3], Unit::Micrometre);
            let mut info = ImageInfo::simple("small", shape, [64; 3], VoxelType::U16, geometry);
            info.labels = labels;
            let source = Arc::new(Small(info, voxels.into()));
            let mut layers = layers_of(source, "small", None, &Cache::new(1 << 26));
            layers[0].display.window = Some([0.0, 11.0]);
            let mut scene = Scene::new(layers);
            scene.view.zoom = 2.0;
            let mut painter = Painter::new(gpu.clone(), 256 << 20, Arc::new(|| ()));
            // Each image in one way of looking, all ways over all images.
            let pane = [Pane::Plane(0), Pane::Plane(1), Pane::Plane(2), Pane::Volume][number % 4];
            let shots = load(&mut painter, &scene, pane, [600, 500], Quality::SHARP, &Job::silent()).unwrap();
            assert_eq!(shots[0].level, 0, "{shape:?} {pane:?}, labels: {labels}");
        }
    }
}

#[test]
fn labels_are_never_averaged() {
    // As a file that says nothing of labels has them, with coarser levels of its own that are averages.
    let labels = ndarray::Array3::from_shape_fn([40, 70, 90], |(z, y, x)| {
        (1000 * (z / 5) + 100 * (y / 7) + x / 9 + 1) as u16
    });
    let known: std::collections::BTreeSet<u16> = labels.iter().copied().collect();
    let geometry = Geometry::from_spacing([1.0; 3], Unit::Micrometre);
    let mut info = ImageInfo::simple("small", [40, 70, 90], [64; 3], VoxelType::U16, geometry);
    let geometry = geometry.binned([2.0; 3]);
    info.levels.push(Level { shape: [20, 35, 45], geometry, chunk: [64; 3] });
    let cache = Cache::new(1 << 26);
    let grey = layers_of(Arc::new(Small(info, labels.into())), "small", None, &cache).swap_remove(0);
    let layer = super::super::open::meant(&grey, super::super::Content::Labels, &cache);
    assert!(layer.source.info().levels.len() > 1);
    for level in 0..layer.source.info().levels.len() {
        let Volume::U16(read) = layer.source.read_all(Frame { level, ..Frame::default() }).unwrap() else {
            panic!("the type stays")
        };
        assert!(read.iter().all(|v| known.contains(v)), "level {level}");
    }
}
