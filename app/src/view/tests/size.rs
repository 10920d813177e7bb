//! Images of any size are looked at within budgets.

use super::super::document::{Montage, Pane, Scene};
use super::super::figure::load;
use super::super::open::layers_of;
use super::super::painter::Painter;
use super::super::shot::Quality;
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
