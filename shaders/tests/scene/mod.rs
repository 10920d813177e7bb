//! An image in memory, brought to whatever adapter there is.

// Each test uses a part of it.
#![allow(dead_code)]

use ndarray::Array3;
use voxelry_core::io::{Level, pyramid};
use voxelry_core::{Geometry, Unit, Volume};
use voxelry_shaders::atlas::Atlas;
use voxelry_shaders::bricks::{CORE, Key, Layout, Texels, pack};
use voxelry_shaders::gpu::Gpu;
use voxelry_shaders::image::GpuImage;
use voxelry_shaders::picture::colours;

/// The device, or a printed reason why the test is skipped.
pub fn gpu() -> Option<Gpu> {
    Gpu::headless().map_err(|e| println!("skipped: {e}")).ok()
}

pub struct Scene {
    pub gpu: Gpu,
    levels: Vec<Volume>,
    pub image: GpuImage,
    atlas: Atlas,
    pub grey: wgpu::TextureView,
}

impl Scene {
    /// Intensities in grey.
    pub fn new(gpu: Gpu, volume: Volume) -> Self {
        Self::of(gpu, volume, false)
    }

    /// Labels; colours are the same grey ramp.
    pub fn labels(gpu: Gpu, volume: Volume) -> Self {
        Self::of(gpu, volume, true)
    }

    fn of(gpu: Gpu, volume: Volume, labels: bool) -> Self {
        let mut levels = vec![volume];
        let mut described = Vec::new();
        let mut geometry = Geometry::from_spacing([1.0; 3], Unit::Micrometre);
        loop {
            let last = levels.last().unwrap();
            described.push(Level { shape: last.shape(), geometry, chunk: [CORE; 3] });
            if last.shape().iter().all(|n| *n <= CORE) {
                break;
            }
            let factor = pyramid::factors(last.shape(), geometry.spacing());
            geometry = geometry.binned(factor.map(|f| f as f64));
            levels.push(pyramid::downsample(last, factor, labels));
        }
        let texels = Texels::of(levels[0].voxel_type(), labels, gpu.device.features());
        let atlas = Atlas::new(&gpu, texels.format, 200, 200);
        let image = GpuImage::new(&gpu, 1, Layout::new(&described), texels, &atlas);
        let ramp: Vec<[u8; 4]> = (0..=255).map(|i| [i, i, i, 255]).collect();
        let grey = colours(&gpu, &ramp);
        Self { gpu, levels, image, atlas, grey }
    }

    /// Brings bricks to the device.
    pub fn load(&mut self, wanted: &[Key], now: u64) {
        for key in wanted.iter().copied() {
            if !self.image.has(key, &mut self.atlas, now) {
                let region = self.image.layout().region(key);
                let voxels = self.levels[key.level as usize].crop(region);
                let brick =
                    pack(&voxels, region, key.at.map(|i| i as usize * CORE), self.image.texels(), None);
                let (evicted, there) = self.image.put(&self.gpu, &mut self.atlas, key, &brick, now);
                assert!(there, "the atlas is large enough");
                if let Some((_, old)) = evicted {
                    self.image.forget(old);
                }
            }
        }
        self.image.flush(&self.gpu);
    }
}

/// Intensities without a pattern.
pub fn noise(shape: [usize; 3]) -> Array3<u16> {
    let mut state = 1u64;
    Array3::from_shape_simple_fn(shape, || {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 48) as u16
    })
}
